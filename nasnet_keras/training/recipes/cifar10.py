"""NASNet-A (6 @ 768) on CIFAR-10, 600 epochs, as in the authors' code.

    nasnet train --preset nasnet_cifar --recipe cifar10 --validation-split 0 \
        --directory runs/cifar10

Sources: Zoph et al. 2018, appendix A.7; TF-slim's `nasnet.cifar_config`.
Hardware: a GPU. 937,500 steps of 32 images; on two cores of a CPU it would
take half a year.
Expected: 97.35 % of the test images (the paper, with cutout). Not run by us.
"""

from nasnet_keras.training.recipes.recipe import Recipe

RECIPE = Recipe(
    epochs=600,
    batch_size=32,
    learning_rate=0.025,
    clip_norm=5.0,
    weight_decay=5e-4,
    auxiliary_weight=0.4,
    drop_path_rate=0.4,
    cutout=16,
    whiten=True,
)
