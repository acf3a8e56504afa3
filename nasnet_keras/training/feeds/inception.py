"""Inception's augmentation: random crops and colours.

Szegedy et al. 2014 (arXiv 1409.4842, section 6): crops of 8 to 100% of the
image's area and of aspect ratios from 3/4 to 4/3. Colours as in TF-slim's
`inception_preprocessing`, with which NASNet was trained: brightness,
saturation, hue, contrast. TF-slim varies their order from image to image; here
it is fixed, so that all four are one affine map of a pixel.

NumPy draws from the seed and the step. Pillow crops and changes colours, in
tf.data too: it decodes and resizes a JPEG faster than TensorFlow's own
operations, and both pipelines give the same batches.
"""

import dataclasses
import math

import numpy as np
from PIL import Image

from nasnet_keras.images.opening import open_image, upright

AREA = (0.08, 1.0)
ASPECT_RATIO = (3 / 4, 4 / 3)
ATTEMPTS = 10
BRIGHTNESS = 32.0
SATURATION = (0.5, 1.5)
HUE = 0.2
CONTRAST = (0.5, 1.5)
# Weights of red, green and blue in the luminance, as in TensorFlow and Pillow.
LUMA = np.array([0.299, 0.587, 0.114])
# RGB to luminance and two axes of colour (NTSC's YIQ).
YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
ORIENTATION = 0x0112  # The EXIF tag.
TRANSPOSED = (5, 6, 7, 8)  # Its values that exchange width and height.


@dataclasses.dataclass(frozen=True)
class InceptionDraws:
    """The random draws of a batch.

    Args:
        areas: Floats `(batch, attempts)`, the crop's fraction of the area.
        proportions: Floats `(batch, attempts)`, the crop's width / height.
        positions: Floats `(batch, 2)` from 0 to below 1, row and column of the
            crop, relative to all possible ones.
        matrices: Floats `(batch, 3, 3)`, the change of saturation and hue.
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
    low, high = np.log(ASPECT_RATIO)
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
    """Returns matrices that change saturation and hue, not the luminance.

    Args:
        saturation: Floats `(batch,)`, factors; 0 gives grey.
        hue: Floats `(batch,)`, in turns of the colour wheel; small positive
            values turn red towards yellow.

    Returns:
        Floats `(batch, 3, 3)`, to be multiplied with RGB columns.
    """
    rotation = np.exp(-2j * math.pi * np.asarray(hue)) * saturation
    in_yiq = np.zeros((len(rotation), 3, 3))
    in_yiq[:, 0, 0] = 1
    in_yiq[:, 1, 1] = in_yiq[:, 2, 2] = rotation.real
    in_yiq[:, 1, 2], in_yiq[:, 2, 1] = -rotation.imag, rotation.imag
    return np.linalg.inv(YIQ) @ in_yiq @ YIQ


def crop_box(draws, index, width, height):
    """Returns the crop of an image in whole pixels.

    Uses the first of the drawn shapes that is inside the image; if there is
    none, the largest centre crop of an allowed aspect ratio.

    Args:
        draws: `InceptionDraws`.
        index: Integer, the image's index in the batch.
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
        w = min(width, max(1, round(height * ASPECT_RATIO[1])))
        h = min(height, max(1, round(width / ASPECT_RATIO[0])))
        row = column = 0.5
    left = int(column * (width - w + 1))
    top = int(row * (height - h + 1))
    return left, top, left + w, top + h


def color_map(draws, index, mean):
    """Returns all colour changes of an image as one affine map.

    Brightness, then saturation and hue, then contrast about the mean of each
    channel. Values are clipped to 0 and 255 at the end only.

    Args:
        draws: `InceptionDraws`.
        index: Integer, the image's index in the batch.
        mean: Floats `(3,)`, the channel means of the cropped image.

    Returns:
        Floats `(3, 4)`: a matrix for RGB columns, and an offset.
    """
    contrast, matrix = draws.contrast[index], draws.matrices[index]
    offset = draws.brightness[index] + (1 - contrast) * matrix @ mean
    return np.column_stack([contrast * matrix, offset])


def inception_image(source, draws, index, side, flip):
    """Crops and resizes an image, and changes its colours.

    Args:
        source: Path, binary file or uint8 array `(height, width, 3)`.
        draws: `InceptionDraws`.
        index: Integer, the image's index in the batch.
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
    # Faster than NumPy's mean over two axes, which takes longer than resizing.
    counts = np.reshape(image.histogram(), (3, 256))
    return counts @ np.arange(256.0) / (image.width * image.height)


def _cropped(source, draws, index, side):
    if isinstance(source, np.ndarray):
        height, width = source.shape[:2]
        box = crop_box(draws, index, width, height)
        return _resized(Image.fromarray(source), box, side)
    with open_image(source) as image:
        transposed = image.getexif().get(ORIENTATION) in TRANSPOSED
        width, height = image.size[::-1] if transposed else image.size
        box = crop_box(draws, index, width, height)
        shrink(image, min(box[2] - box[0], box[3] - box[1]) // side)
        image = upright(image, "RGB")
        image.load()
    scales = (image.width / width, image.height / height) * 2
    box = [length * scale for length, scale in zip(box, scales)]
    return _resized(image, box, side)


def shrink(image, factor):
    """Makes Pillow decode a JPEG at a fraction of its size, to save time."""
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))


def _resized(image, box, side):
    return image.resize((side, side), Image.Resampling.BILINEAR, box)
