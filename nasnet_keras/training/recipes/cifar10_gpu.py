"""NASNet-A (6 @ 768) on CIFAR-10 in a few epochs on a GPU.

    nasnet convert-data cifar10 cifar10.npz --data-dir FOLDER
    KERAS_BACKEND=jax nasnet train --preset nasnet_cifar --data cifar10.npz \
        --recipe cifar10_gpu --validation-split 0 \
        --precision mixed_bfloat16 --directory runs/cifar10_gpu

Needs no TensorFlow. The cosine spans `--epochs`: give as many as time allows.
Hardware: one GPU of the size of an H100.
Expected: below the 97.35 % of the 600 epochs of `cifar10`. Not run by us yet:
we have had no GPU.
"""

from nasnet_keras.training.recipes.recipe import Recipe

RECIPE = Recipe(
    epochs=30,
    batch_size=256,
    learning_rate=0.2,
    nesterov=True,
    warmup_epochs=2,
    clip_norm=5.0,
    weight_decay=5e-4,
    auxiliary_weight=0.4,
    drop_path_rate=0.2,
    ema=0.998,
    cutout=16,
)
