"""Random order, crops, flips and cutout, drawn with NumPy.

The draws of a batch depend on the seed and the number of the step alone. So
both pipelines, every backend and a resumed training give the same images.
"""

import dataclasses

import numpy as np

GREY = 128  # The value that is 0 once images are scaled to [-1, 1].
PADDING_DIVISOR = 8


@dataclasses.dataclass(frozen=True)
class Draws:
    """The random draws of a batch.

    Args:
        indices: Integers `(batch,)`, the images.
        flips: Booleans `(batch,)`, whether left and right are exchanged.
        offsets: Integers `(batch, 2)`, row and column of the crop, from 0 to
            twice the padding.
        squares: Integers `(batch, 2)`, centre of the cutout.
    """

    indices: np.ndarray
    flips: np.ndarray
    offsets: np.ndarray
    squares: np.ndarray


class Sampler:
    """Draws the images of each step, and their crops, flips and cutout.

    Args:
        images: Integer, the number of images.
        batch_size: Integer. Each epoch is a permutation of all images,
            without an incomplete last batch or update.
        seed: Integer.
        accumulation_steps: Integer, the batches of an update.
    """

    def __init__(self, images, batch_size, seed, accumulation_steps=1):
        self.steps_per_epoch = steps_per_epoch(
            images, batch_size, accumulation_steps
        )
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self._order = (None, None)

    def indices(self, step):
        """Returns the indices of the images of a step, `(batch,)`."""
        epoch, batch = divmod(int(step), self.steps_per_epoch)
        cached_epoch, order = self._order
        if cached_epoch != epoch:
            rng = np.random.default_rng([self.seed, 0, epoch])
            order = rng.permutation(self.images)
            self._order = (epoch, order)
        first = batch * self.batch_size
        return order[first : first + self.batch_size]

    def draw(self, step, side):
        """Returns the `Draws` of a step, for images of a side in pixels."""
        rng = np.random.default_rng([self.seed, 1, int(step)])
        batch = self.batch_size
        pad = padding(side)
        return Draws(
            indices=self.indices(step),
            flips=rng.random(batch) < 0.5,
            offsets=rng.integers(0, 2 * pad + 1, (batch, 2)),
            squares=rng.integers(0, side, (batch, 2)),
        )


def steps_per_epoch(images, batch_size, accumulation_steps=1):
    """Returns the number of batches of an epoch, of whole updates.

    Args: see `Sampler`.

    Raises:
        ValueError: If the images are too few for one update.
    """
    updates = images // (batch_size * accumulation_steps)
    if updates:
        return updates * accumulation_steps
    name, received = "`batch_size`", f"batch_size={batch_size}"
    if accumulation_steps > 1:
        name = "`batch_size` times `accumulation_steps`"
        received += f", accumulation_steps={accumulation_steps}"
    raise ValueError(
        f"{name} must not exceed the training images. "
        f"Received: {received} for {images} images"
    )


def padding(side):
    """Returns the pixels added on each side before a crop: 4 of 32."""
    return side // PADDING_DIVISOR


def cut_crops(images, offsets, flips, side, border):
    """Cuts a crop out of each image as if it had a grey border.

    No image with a border is made: that would be half as large again.

    Args:
        images: Sequence of uint8 arrays `(length, length, channels)`.
        offsets: Integers `(batch, 2)`, row and column of the crops, from the
            corner of the border.
        flips: Booleans `(batch,)`, whether left and right are exchanged.
        side: Integer, pixels of the crops.
        border: Integer, pixels on each side.

    Returns:
        uint8 array `(batch, side, side, channels)`.
    """
    shape = (len(images), side, side, images[0].shape[-1])
    crops = np.full(shape, GREY, "uint8")
    corners = (np.asarray(offsets) - border).tolist()
    for crop, image, (row, column) in zip(crops, images, corners):
        inside, target = [], []
        for first, length in ((row, len(image)), (column, image.shape[1])):
            begin, end = max(first, 0), min(first + side, length)
            inside.append(slice(begin, end))
            target.append(slice(begin - first, end - first))
        crop[tuple(target)] = image[tuple(inside)]
    crops[flips] = crops[flips, :, ::-1]
    return crops


def cutout_mask(squares, side, cutout):
    """Returns a mask `(batch, side, side, 1)`, `False` in the cutout.

    DeVries and Taylor 2017 (arXiv 1708.04552): a square of `cutout` pixels,
    which may extend over the border.
    """
    span = np.arange(side)
    first = squares - cutout // 2
    inside = [
        (span >= first[:, axis, None]) & (span < first[:, axis, None] + cutout)
        for axis in (0, 1)
    ]
    return ~(inside[0][:, :, None] & inside[1][:, None, :])[..., None]
