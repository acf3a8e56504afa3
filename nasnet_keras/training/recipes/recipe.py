"""The settings of a training, without network and data."""

import dataclasses
import numbers

CROP = 0.875  # TF-slim's, of evaluation.
OPTIMIZERS = ("sgd", "rmsprop")
SCHEDULES = ("cosine", "exponential", "constant")
AUGMENTATIONS = ("none", "cifar", "inception")
DROP_PATH_SCHEDULES = ("linear", "constant", "adaptive")
RATES = ("drop_path_rate", "dropout_rate", "label_smoothing", "ema")
TYPES = {
    int: (numbers.Integral, "an integer"),
    float: (numbers.Real, "a number"),
    bool: (bool, "True or False"),
}
NOT_NEGATIVE = (
    "warmup_epochs",
    "weight_decay",
    "auxiliary_weight",
    "clip_norm",
    "cutout",
)


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
        decay_rate, decay_epochs: Floats, of the exponential schedule.
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
            weights, which is evaluated and saved; 0 for none.
        image_size: Integer, the side in pixels.
        augmentation: `"cifar"` (pad by an eighth, crop, flip), `"inception"`
            (random crop, flip, colours) or `"none"`.
        upsample: Whether `"cifar"` upsamples to the padded size instead of
            padding.
        cutout: Integer, side of the square that is greyed out; 0 for none.
        whiten: Whether the network standardizes each image by its own mean
            and deviation, instead of scaling to [-1, 1].
        growing_sizes: Tuple of `(epochs, side)`: the first epochs use smaller
            images, which take less time.
        accumulation_steps: Integer, steps whose gradients make one update.
        depth_decay: Float above 0 and up to 1, the factor of the learning
            rate from each cell to the one before it, see
            `nasnet_keras.discriminative_optimizer`.
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

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if field.type in TYPES:
                accepted, description = TYPES[field.type]
                valid = isinstance(getattr(self, field.name), accepted)
                self._check(field.name, valid, description)
        for name in ("epochs", "batch_size", "image_size", "learning_rate"):
            self._check(name, getattr(self, name) > 0, "positive")
        for name in NOT_NEGATIVE:
            self._check(name, getattr(self, name) >= 0, "0 or more")
        for name in RATES:
            valid = 0 <= getattr(self, name) < 1
            self._check(name, valid, "from 0 to below 1")
        self._check_choice("optimizer", OPTIMIZERS)
        self._check_choice("schedule", SCHEDULES)
        self._check_choice("augmentation", AUGMENTATIONS)
        self._check_choice("drop_path_schedule", DROP_PATH_SCHEDULES)
        steps = self.accumulation_steps
        self._check("accumulation_steps", steps >= 1, "1 or more")
        valid = 0 < self.depth_decay <= 1
        self._check("depth_decay", valid, "above 0 and up to 1")
        epochs = sum(epochs for epochs, _ in self.growing_sizes)
        self._check(
            "growing_sizes", epochs <= self.epochs, "of at most `epochs` epochs"
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

    def _check(self, name, valid, description):
        if not valid:
            raise ValueError(
                f"`{name}` must be {description}. "
                f"Received: {name}={getattr(self, name)!r}"
            )

    def _check_choice(self, name, choices):
        names = ", ".join(repr(choice) for choice in choices)
        self._check(name, getattr(self, name) in choices, f"one of {names}")

    def size_in(self, epoch: int) -> int:
        """Returns the side of the images in an epoch, counted from 0."""
        for epochs, side in self.growing_sizes:
            if epoch < epochs:
                return side
            epoch -= epochs
        return self.image_size
