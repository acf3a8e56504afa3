"""The settings of a training, without network and data."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from nasnet_keras import checks
from nasnet_keras.images.reading import CROP, LARGEST_SIDE, check_side

OPTIMIZERS = ("sgd", "rmsprop")
SCHEDULES = ("cosine", "exponential", "constant")
AUGMENTATIONS = ("none", "cifar", "inception")
DROP_PATH_SCHEDULES = ("linear", "constant", "adaptive")


def _sizes(name: str, value: Any) -> tuple[tuple[int, int], ...]:
    """Checks pairs of epochs and side."""
    try:
        return tuple(
            (
                checks.integer("epochs", epochs, 1),
                check_side("side", side),
            )
            for epochs, side in value
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be pairs of epochs and side, integers of at least "
            f"1, the side at most {LARGEST_SIDE}. Received: {name}={value!r}"
        ) from error


_count = functools.partial(checks.integer, least=1, most=2**31 - 1)
_not_negative = functools.partial(checks.number, least=0)
_positive = functools.partial(checks.number, above=0)

# Each checks one setting, and returns its value as plain Python.
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "epochs": _count,
    "batch_size": _count,
    "learning_rate": _positive,
    "optimizer": functools.partial(checks.choice, choices=OPTIMIZERS),
    "momentum": functools.partial(checks.number, least=0, most=1),
    "nesterov": checks.flag,
    "schedule": functools.partial(checks.choice, choices=SCHEDULES),
    "decay_rate": functools.partial(checks.number, above=0, most=1),
    "decay_epochs": _positive,
    "warmup_epochs": _not_negative,
    "clip_norm": _not_negative,
    "weight_decay": _not_negative,
    "label_smoothing": checks.rate,
    "auxiliary_weight": _not_negative,
    "drop_path_rate": checks.rate,
    "drop_path_schedule": functools.partial(
        checks.choice, choices=DROP_PATH_SCHEDULES
    ),
    "dropout_rate": checks.rate,
    "ema": checks.rate,
    "image_size": check_side,
    "augmentation": functools.partial(checks.choice, choices=AUGMENTATIONS),
    "upsample": checks.flag,
    "cutout": functools.partial(checks.integer, least=0),
    "whiten": checks.flag,
    "growing_sizes": _sizes,
    "accumulation_steps": _count,
    "depth_decay": functools.partial(checks.number, above=0, most=1),
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: Integer.
        batch_size: Integer, images per step.
        learning_rate: Float, after the warm-up.
        optimizer: `"sgd"` (with `momentum`) or `"rmsprop"` (decay 0.9,
            epsilon 1.0 and `momentum`, as TF-slim's ImageNet training).
        momentum: Float from 0 to 1.
        nesterov: Whether SGD uses Nesterov momentum.
        schedule: `"cosine"` (to 0), `"exponential"` (times `decay_rate` every
            `decay_epochs`, stepwise) or `"constant"`.
        decay_rate, decay_epochs: Floats, of the exponential schedule: above 0
            and up to 1, and above 0.
        warmup_epochs: Float, during which the learning rate rises linearly
            from 0.
        clip_norm: Float, the largest global norm of the gradients; 0 for no
            clipping.
        weight_decay: Float; `weight_decay / 2 * sum(w ** 2)` of convolution
            and dense kernels is added to the loss.
        label_smoothing: Float from 0 to below 1.
        auxiliary_weight: Float, the auxiliary head's loss weight; 0 trains
            without the head.
        drop_path_rate: Float from 0 to below 1, of the last cell at the end
            of training.
        drop_path_schedule: `"linear"` (the paper's: from 0 to the rate),
            `"constant"` or `"adaptive"` (see
            `nasnet_keras.AdaptiveDropPath`).
        dropout_rate: Float from 0 to below 1, before the classifier.
        ema: Float from 0 to below 1, momentum of the moving average of the
            weights, which is evaluated and saved; 0 for none. After n updates
            the momentum is at most (1 + n) / (10 + n), as in TF-slim.
        image_size: Integer, the side in pixels, 1 to 8192.
        augmentation: `"cifar"` (pad by an eighth, crop, flip), `"inception"`
            (random crop, flip, colours) or `"none"`.
        upsample: Whether `"cifar"` upsamples to the padded size instead of
            padding.
        cutout: Integer, side of the square that is greyed out; 0 for none.
        whiten: Whether the network standardizes each image by its own mean
            and deviation, instead of scaling to [-1, 1].
        growing_sizes: Tuple of `(epochs, side)`: the first epochs use smaller
            images, which take less time.
        accumulation_steps: Integer, steps whose gradients make one update. An
            epoch has whole updates: images that are left over are used in
            other epochs.
        depth_decay: Float above 0 and up to 1, the factor of the learning
            rate from each cell to the one before it, see
            `nasnet_keras.discriminative_optimizer`.

    Raises:
        ValueError: If a setting is out of range, or does not fit another.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "cosine"
    decay_rate: float = 0.97
    decay_epochs: float = 2.4
    warmup_epochs: float = 0.0
    clip_norm: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    auxiliary_weight: float = 0.0
    drop_path_rate: float = 0.0
    drop_path_schedule: str = "linear"
    dropout_rate: float = 0.0
    ema: float = 0.0
    image_size: int = 32
    augmentation: str = "cifar"
    upsample: bool = False
    cutout: int = 0
    whiten: bool = False
    growing_sizes: tuple = ()
    accumulation_steps: int = 1
    depth_decay: float = 1.0

    def __post_init__(self) -> None:
        for name, check in CHECKS.items():
            value = check(name, getattr(self, name))
            object.__setattr__(self, name, value)
        epochs = sum(epochs for epochs, _ in self.growing_sizes)
        if epochs > self.epochs:
            raise ValueError(
                "`growing_sizes` must be of at most `epochs` epochs. Received: "
                f"growing_sizes={self.growing_sizes!r}, epochs={self.epochs}"
            )
        if self.growing_sizes and self.auxiliary_weight:
            raise ValueError(
                "`growing_sizes` and `auxiliary_weight` exclude each other: "
                "the auxiliary head reads maps of one size. Received: "
                f"growing_sizes={self.growing_sizes}, "
                f"auxiliary_weight={self.auxiliary_weight}"
            )

    @property
    def preprocessing(self) -> bool | str:
        """The value of NASNet's `include_preprocessing`."""
        return "whiten" if self.whiten else True

    @property
    def crop(self) -> float:
        """How much of image files is kept to validate and test.

        Inception's training crops show objects larger than whole images do.
        """
        return CROP if self.augmentation == "inception" else 1.0

    def total_steps(self, steps_per_epoch: int) -> int:
        """Returns the steps of the whole training."""
        return self.epochs * steps_per_epoch

    def size_in(self, epoch: int) -> int:
        """Returns the side of the images in an epoch, counted from 0."""
        for epochs, side in self.growing_sizes:
            if epoch < epochs:
                return side
            epoch -= epochs
        return self.image_size
