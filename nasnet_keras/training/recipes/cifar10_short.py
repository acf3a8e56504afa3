"""CIFAR-10 in 30 epochs, for comparisons of networks and first trials.

    nasnet train --preset nasnet_cifar --cells-per-stack 2 --filters 16 \
        --recipe cifar10_short --directory runs/short

Hardware: a GPU, or two cores of a CPU for small networks, which take about 10
ms per image (`benchmarks/input_pipeline.py` prints it).
Expected: not measured yet for this size; `cifar10_small` is the recipe of the
shipped weights.
"""

from nasnet_keras.training.recipes.recipe import Recipe

RECIPE = Recipe(
    epochs=30,
    batch_size=64,
    learning_rate=0.1,
    nesterov=True,
    warmup_epochs=1,
    clip_norm=5.0,
    weight_decay=3e-4,
    label_smoothing=0.05,
    drop_path_rate=0.1,
    ema=0.999,
)
