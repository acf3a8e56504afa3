"""The weights that this package ships: a small NASNet-A on CIFAR-10."""

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
