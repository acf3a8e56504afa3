"""The shipped weights: NASNet-A (1 @ 480) on CIFAR-10.

    nasnet train --preset nasnet_cifar --cells-per-stack 1 --filters 20 \
        --data cifar10 --data-dir FOLDER --recipe cifar10_small \
        --validation-split 0 --directory runs/cifar10_small

Most epochs use smaller images: at 16 pixels a step takes about a third of the
time, at 24 two thirds.
Hardware: two cores of a CPU, less than two hours.
Expected: see `pretrained/nasnet_cifar_cifar10.md`.
"""

from nasnet_keras.training.recipes.recipe import Recipe

RECIPE = Recipe(
    epochs=17,
    batch_size=128,
    learning_rate=0.2,
    nesterov=True,
    warmup_epochs=1,
    clip_norm=5.0,
    weight_decay=3e-4,
    label_smoothing=0.05,
    ema=0.995,
    growing_sizes=((7, 16), (6, 24)),
)
