"""Image files as arrays, cropped as networks are evaluated.

The shorter side of the image is resized to `round(side / crop)` pixels, the
longer one in proportion; then `side` by `side` pixels are cut out of the
middle. So timm evaluates, which however rounds `side / crop` down (it matters
at few sizes: 299 / 0.875 is 342 here and 341 there). TF-slim's evaluation of
the published weights differs more: it cuts the same fraction off the height
and off the width and resizes the rest to a square, whatever its proportions.

Pillow resizes with antialiasing and to whole pixel values.
"""

import pathlib

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
)
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
MODES = {1: "L", 3: "RGB"}


def image_files(folder):
    """Returns the image files of a folder, by their suffixes, sorted.

    Hidden files and the folders within are left out.
    """
    return sorted(
        path
        for path in pathlib.Path(folder).iterdir()
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )


def load_image(path, side, crop=0.875, interpolation="bicubic", channels=3):
    """Reads an image file: turned upright, resized, its middle cut out.

    Args:
        path: Path of the file, or a binary file that is open for reading.
        side: Integer, height and width of the result in pixels.
        crop: Float above 0 and up to 1, the part of the image's shorter side
            that is kept; see the module for what exactly is done.
        interpolation: `"bicubic"` or `"bilinear"`.
        channels: 3 for RGB, whatever the file holds (transparency is
            dropped), or 1 for grey.

    Returns:
        float32 array `(side, side, channels)` of values from 0 to 255.

    Raises:
        ValueError: If an argument is out of range, or the file is missing or
            cannot be read as an image; the message names it.
    """
    _check(side, crop, interpolation, channels)
    image = _read(path, MODES[channels])
    image = _resize(image, side, crop, INTERPOLATIONS[interpolation])
    return np.asarray(image, "float32").reshape(side, side, channels)


def _check(side, crop, interpolation, channels):
    if not isinstance(side, int) or side < 1:
        raise ValueError(
            f"`side` must be a positive integer. Received: side={side!r}"
        )
    if not 0 < crop <= 1:
        raise ValueError(
            f"`crop` must be above 0 and up to 1. Received: crop={crop!r}"
        )
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"`interpolation` must be one of {tuple(INTERPOLATIONS)}. "
            f"Received: interpolation={interpolation!r}"
        )
    if channels not in MODES:
        raise ValueError(
            f"`channels` must be 1 or 3. Received: channels={channels!r}"
        )


def _read(path, mode):
    try:
        with Image.open(path) as image:
            return converted(ImageOps.exif_transpose(image), mode)
    except FileNotFoundError as error:
        raise ValueError(f"There is no image {path}.") from error
    except Exception as error:
        # On a damaged file Pillow's decoders raise nearly anything.
        raise ValueError(
            f"{path} cannot be read as an image: {error}"
        ) from error


def converted(image, mode):
    """Returns a Pillow image in a mode, its brightness and colours kept."""
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would cut off all that is above 255.
        pixels = np.round(np.asarray(image) / 257).astype("uint8")
        image = Image.fromarray(pixels)
    elif image.mode in ("I", "F"):
        raise ValueError(
            f"its pixels (Pillow's mode {image.mode!r}) have no known range. "
            "Save it with 8 or 16 bits a channel."
        )
    elif image.mode == "P" and "transparency" in image.info:
        # Without this step Pillow warns, and does the same.
        image = image.convert("RGBA")
    return image.convert(mode)


def _resize(image, side, crop, resample):
    """Resizes the image and cuts out its middle.

    Both in one step, which computes no pixel in vain: a long and narrow image
    would otherwise fill the memory.
    """
    shorter = round(side / crop)
    starts, ends = [], []
    for length in image.size:
        size = shorter * length // min(image.size)
        start = round((size - side) / 2)
        starts.append(start * length / size)
        ends.append((start + side) * length / size)
    return image.resize((side, side), resample, (*starts, *ends))
