"""The augmentation of ImageNet: crops of any area and shape, and colours.

Szegedy et al. 2014 (arXiv 1409.4842, section 6): a crop of 8 to 100% of the
image, of proportions from 3/4 to 4/3. Colours as in TF-slim's
`inception_preprocessing`, which is how NASNet was trained: brightness,
saturation, hue, contrast. Slim changes their order from image to image; here
it is the one above, so that all four are one affine map of a pixel.

All chance is drawn with NumPy from the seed and the step. Pillow crops and
colours, for tf.data too: it decodes and resizes a JPEG in less time than
TensorFlow's own operations, and both pipelines give the same batches.
"""

import dataclasses
import math

import numpy as np
from PIL import Image, ImageOps

# What `load_image` uses; transparency, 16 bits and the like in one place.
from nasnet_keras.images.files import converted

AREA = (0.08, 1.0)
PROPORTION = (3 / 4, 4 / 3)
ATTEMPTS = 10
BRIGHTNESS = 32.0
SATURATION = (0.5, 1.5)
HUE = 0.2
CONTRAST = (0.5, 1.5)
# The luminance of a colour, as TensorFlow and PIL weigh it.
LUMA = np.array([0.299, 0.587, 0.114])
# From RGB to luminance and the two axes of colour (NTSC's YIQ).
YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)


@dataclasses.dataclass(frozen=True)
class InceptionDraws:
    """What happens to each image of a batch.

    Args:
        areas: Floats `(batch, attempts)`, part of the image that is kept.
        proportions: Floats `(batch, attempts)`, width by height of the crop.
        positions: Floats `(batch, 2)` from 0 to below 1, row and column of the
            crop among all that are possible.
        matrices: Floats `(batch, 3, 3)`: saturation and hue of a pixel.
        brightness: Floats `(batch,)`, added to all values.
        contrast: Floats `(batch,)`, factors of the distance from the mean.
    """

    areas: np.ndarray
    proportions: np.ndarray
    positions: np.ndarray
    matrices: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray


def draw_inception(seed, step, batch):
    """Returns the `InceptionDraws` of a step.

    Args:
        seed: Integer.
        step: Integer.
        batch: Integer, number of images.
    """
    rng = np.random.default_rng([seed, 3, int(step)])
    shape = (batch, ATTEMPTS)
    low, high = np.log(PROPORTION)
    return InceptionDraws(
        areas=rng.uniform(*AREA, shape),
        proportions=np.exp(rng.uniform(low, high, shape)),
        positions=rng.random((batch, 2)),
        matrices=color_matrices(
            rng.uniform(*SATURATION, batch), rng.uniform(-HUE, HUE, batch)
        ),
        brightness=rng.uniform(-BRIGHTNESS, BRIGHTNESS, batch),
        contrast=rng.uniform(*CONTRAST, batch),
    )


def color_matrices(saturation, hue):
    """Returns what changes the colours of pixels but not their luminance.

    Args:
        saturation: Floats `(batch,)`, factors; 0 leaves only grey.
        hue: Floats `(batch,)`, in turns of the circle of colours; a little
            more makes red yellow.

    Returns:
        Floats `(batch, 3, 3)`, to multiply RGB columns with.
    """
    turn = np.exp(-2j * math.pi * np.asarray(hue)) * saturation
    inner = np.zeros((len(turn), 3, 3))
    inner[:, 0, 0] = 1
    inner[:, 1, 1] = inner[:, 2, 2] = turn.real
    inner[:, 1, 2], inner[:, 2, 1] = -turn.imag, turn.imag
    return np.linalg.inv(YIQ) @ inner @ YIQ


def crop_box(draws, index, width, height):
    """Returns the crop of an image in whole pixels.

    The first of the drawn shapes that fits; if none does, the largest crop of
    the nearest proportion, from the middle.

    Args:
        draws: `InceptionDraws`.
        index: Integer, which image of the batch.
        width, height: Integers, the size of the image.

    Returns:
        Integers: left, top, right, bottom.
    """
    row, column = draws.positions[index]
    for area, proportion in zip(draws.areas[index], draws.proportions[index]):
        pixels = area * width * height
        w = round(math.sqrt(pixels * proportion))
        h = round(math.sqrt(pixels / proportion))
        if 0 < w <= width and 0 < h <= height:
            break
    else:
        w = min(width, max(1, round(height * PROPORTION[1])))
        h = min(height, max(1, round(width / PROPORTION[0])))
        row = column = 0.5
    left = int(column * (width - w + 1))
    top = int(row * (height - h + 1))
    return left, top, left + w, top + h


def color_map(draws, index, mean):
    """Returns all changes of an image's colours as one.

    Brightness, then saturation and hue, then the distance from the mean of
    each channel. Only the result is cut off at 0 and 255.

    Args:
        draws: `InceptionDraws`.
        index: Integer, which image of the batch.
        mean: Floats `(3,)`, of the channels of the cropped image.

    Returns:
        Floats `(3, 4)`: a matrix for RGB columns, and what is added.
    """
    contrast, matrix = draws.contrast[index], draws.matrices[index]
    offset = draws.brightness[index] + (1 - contrast) * matrix @ mean
    return np.column_stack([contrast * matrix, offset])


def inception_image(source, draws, index, side, flip):
    """Crops, resizes, flips and colours an image.

    Args:
        source: Path, binary file or uint8 array `(height, width, 3)`.
        draws: `InceptionDraws`.
        index: Integer, which image of the batch.
        side: Integer, pixels of the result.
        flip: Whether left and right are exchanged.

    Returns:
        uint8 array `(side, side, 3)`.

    Raises:
        ValueError: If the file cannot be read as an image.
    """
    image = _cropped(source, draws, index, side)
    if flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    colors = color_map(draws, index, mean_color(image))
    return np.asarray(image.convert("RGB", tuple(colors.flat)))


def mean_color(image):
    """Returns the mean of each channel of a Pillow image, floats `(3,)`."""
    # NumPy's own mean over two axes takes longer than the resizing.
    counts = np.reshape(image.histogram(), (3, 256))
    return counts @ np.arange(256.0) / (image.width * image.height)


def _cropped(source, draws, index, side):
    if isinstance(source, np.ndarray):
        height, width = source.shape[:2]
        box = crop_box(draws, index, width, height)
        return _resized(Image.fromarray(source), box, side)
    try:
        with Image.open(source) as image:
            turned = image.getexif().get(ORIENTATION) in TURNED
            width, height = image.size[::-1] if turned else image.size
            box = crop_box(draws, index, width, height)
            shrink(image, min(box[2] - box[0], box[3] - box[1]) // side)
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode != "RGB":
                image = converted(image, "RGB")
            image.load()
    except Exception as error:
        # On a damaged file Pillow's decoders raise nearly anything.
        raise ValueError(
            f"{source} cannot be read as an image: {error}"
        ) from error
    scales = (image.width / width, image.height / height) * 2
    box = [length * scale for length, scale in zip(box, scales)]
    return _resized(image, box, side)


def shrink(image, factor):
    """Has a JPEG decoded in a fraction of its size: it takes less time."""
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))


def _resized(image, box, side):
    return image.resize((side, side), Image.Resampling.BILINEAR, box)
