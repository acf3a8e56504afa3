"""NASNet-A (4 @ 1056), "Mobile", on ImageNet at 224 pixels.

    nasnet train --preset nasnet_mobile --data imagenet2012 --data-dir FOLDER \
        --recipe imagenet_mobile --validation-split 0 --directory runs/mobile

Source: TF-slim's `nasnet.mobile_imagenet_config`; learning rate 0.04 for each
replica of 32 images, here for eight replicas in one batch. The number of epochs
and the warm-up are our choice: the authors state 250,000 steps, but not the
number of replicas.
Hardware: eight GPUs, or fewer with `--accumulation-steps`.
Expected: 74.0 / 91.6 % (the paper). Not run by us.
"""

from nasnet_keras.training.recipes.recipe import Recipe

RECIPE = Recipe(
    epochs=250,
    batch_size=256,
    learning_rate=0.32,
    optimizer="rmsprop",
    schedule="exponential",
    warmup_epochs=5,
    clip_norm=10.0,
    weight_decay=4e-5,
    label_smoothing=0.1,
    auxiliary_weight=0.4,
    dropout_rate=0.5,
    ema=0.9999,
    image_size=224,
    augmentation="inception",
)
