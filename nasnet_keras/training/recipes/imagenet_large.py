"""NASNet-A (6 @ 4032), "Large", on ImageNet at 331 pixels.

    nasnet train --preset nasnet_large --data imagenet2012 --data-dir FOLDER \
        --recipe imagenet_large --validation-split 0 --directory runs/large

Source: TF-slim's `nasnet.large_imagenet_config`; learning rate 0.015 for each
replica of 32 images, see `imagenet_mobile` for our own choices.
Hardware: many GPUs; `--accumulation-steps` where the batch does not fit.
Expected: 82.7 / 96.2 % (the paper). Not run by us.
"""

import dataclasses

from nasnet_keras.training.recipes import imagenet_mobile

RECIPE = dataclasses.replace(
    imagenet_mobile.RECIPE,
    learning_rate=0.12,
    weight_decay=5e-5,
    drop_path_rate=0.3,
    image_size=331,
)
