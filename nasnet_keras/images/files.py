"""Reads image files as arrays, with the central crop of evaluation.

The shorter side of the image is resized to `round(side / crop)` pixels, the
longer one in proportion; then the central `side` by `side` pixels are cut
out. timm does the same, but rounds `side / crop` down (299 / 0.875 is 342
here, 341 there). TF-slim's evaluation of the published weights differs more:
it cuts the same fraction off height and width and resizes the rest to a
square.

Pillow resizes with antialiasing and rounds pixel values to integers.
"""

import os
import pathlib
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from nasnet_keras.checks import integer

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
# How an image is read for evaluation, unless something else is asked for.
CROP = 0.875
INTERPOLATION = "bicubic"


def image_files(folder: str | os.PathLike[str]) -> list[pathlib.Path]:
    """Returns the image files in a folder, by suffix, sorted.

    Hidden files and subfolders are left out.
    """
    return sorted(
        path
        for path in pathlib.Path(folder).iterdir()
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )


def load_image(
    path: str | os.PathLike[str] | BinaryIO,
    side: int,
    crop: float = CROP,
    interpolation: str = INTERPOLATION,
    channels: int = 3,
) -> np.ndarray:
    """Reads an image file: turned upright, resized, centrally cropped.

    Args:
        path: Path of the file, or a binary file that is open for reading.
        side: Integer, height and width of the result in pixels.
        crop: Float above 0 and up to 1, the part of the image's shorter side
            that is kept; see the module.
        interpolation: `"bicubic"` or `"bilinear"`.
        channels: 3 for RGB or 1 for grey; the file is converted, its
            transparency dropped.

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
    integer("side", side, 1)
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
        # On damaged files Pillow's decoders raise errors of many kinds.
        raise ValueError(
            f"{path} cannot be read as an image: {error}"
        ) from error


def converted(image: Image.Image, mode: str) -> Image.Image:
    """Returns a Pillow image in another mode, with the same colours."""
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would clip values above 255.
        pixels = np.round(np.asarray(image) / 257).astype("uint8")
        image = Image.fromarray(pixels)
    elif image.mode in ("I", "F"):
        raise ValueError(
            f"its pixels (Pillow's mode {image.mode!r}) have no known range. "
            "Save it with 8 or 16 bits a channel."
        )
    elif image.mode == "P" and "transparency" in image.info:
        # Without this Pillow does the same, but warns.
        image = image.convert("RGBA")
    return image.convert(mode)


def _resize(image, side, crop, resample):
    """Resizes the image and cuts out its center.

    In one step, so that only pixels in the crop are computed: a long and
    narrow image would otherwise fill the memory.
    """
    shorter = round(side / crop)
    starts, ends = [], []
    for length in image.size:
        size = shorter * length // min(image.size)
        start = round((size - side) / 2)
        starts.append(start * length / size)
        ends.append((start + side) * length / size)
    return image.resize((side, side), resample, (*starts, *ends))
