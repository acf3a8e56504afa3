"""Fine-tuning of a trained network on other images.

    nasnet train --preset nasnet_mobile --weights imagenet --data FOLDER \
        --recipe fine_tuning --freeze-to cell_7 --directory runs/mine

Hardware: a GPU, or two cores of a CPU for some thousand images.
Expected: it depends on the images. `benchmarks/transfer.py` compares with
training from scratch.
"""

from nasnet_keras.training.recipes.recipe import Recipe

RECIPE = Recipe(
    epochs=10,
    batch_size=32,
    learning_rate=0.02,
    nesterov=True,
    warmup_epochs=1,
    clip_norm=5.0,
    weight_decay=1e-4,
    label_smoothing=0.1,
    image_size=224,
    augmentation="inception",
)
