"""Image files: which there are in a folder, and their pixels as arrays.

All that reads images reads them here: training, evaluation, prediction,
conversion and search, from memory or from disk.

The shorter side of an image is resized to `round(side / crop)` pixels, the
longer one in proportion; then the central `side` by `side` pixels are cut
out. With the crop `"squash"` the whole image is resized to a square instead.
timm does the same, but rounds `side / crop` down (299 / 0.875 is 342
here, 341 there). TF-slim's evaluation of the published weights differs more:
it cuts the same fraction off height and width and resizes the rest to a
square.

Pillow resizes with antialiasing and rounds pixel values to integers.
"""

import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from nasnet_keras import checks
from nasnet_keras.images.opening import (
    FORMATS,
    Source,
    largest_value,
    open_image,
    upright,
)
from nasnet_keras.images.reading import (
    CROP,
    INTERPOLATION,
    SQUASH,
    check_crop,
    check_interpolation,
    check_side,
)

# The only list of suffixes: a file with another one is no image.
SUFFIXES = tuple(sorted(sum(FORMATS.values(), ())))
MODES = {1: "L", 3: "RGB"}
# What file managers and archives leave behind, besides hidden files.
LEFT_BEHIND = (
    "$recycle.bin",
    "@eadir",
    "__macosx",
    "desktop.ini",
    "ehthumbs.db",
    "lost+found",
    "thumbs.db",
)


def find_images(
    folder: str | os.PathLike[str],
) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Finds the image files in a folder and its sub-folders.

    An image is a regular file with one of `SUFFIXES`, or a link to one. Hidden
    files and what file managers leave behind are passed over.

    Args:
        folder: Path.

    Returns:
        Two lists of paths, in order: the images; the other files.
    """
    images: list[pathlib.Path] = []
    others: list[pathlib.Path] = []
    for entry in _walk(folder, set()):
        (images if _is_image(entry) else others).append(
            pathlib.Path(entry.path)
        )
    return images, others


def loose_images(folder: str | os.PathLike[str]) -> str:
    """Says how many images a folder holds itself, not in its folders.

    Returns:
        `"1 image"`, `"3 images"`, ...; `""` for none. Images are those of
        `find_images`.
    """
    number = sum(map(_is_image, _entries(folder)))
    return ("1 image" if number == 1 else f"{number:,} images") * bool(number)


def visible_folders(folder: str | os.PathLike[str]) -> list[pathlib.Path]:
    """Returns the folders in a folder, as `find_images` sees them, in order."""
    return [pathlib.Path(e.path) for e in _entries(folder) if _true(e.is_dir)]


def _walk(folder, seen) -> Iterator[os.DirEntry]:
    """Yields all files; each folder once, though links may lead back to it."""
    seen.add(os.path.realpath(folder))
    for entry in _entries(folder):
        if not _true(entry.is_dir):
            yield entry
        elif os.path.realpath(entry.path) not in seen:
            yield from _walk(entry.path, seen)


def _true(question) -> bool:
    """Whether it is so; of a link that leads round in circles, it is not."""
    try:
        return question()
    except OSError:
        return False


def _is_image(entry) -> bool:
    suffix = pathlib.PurePath(entry.name).suffix.lower()
    return suffix in SUFFIXES and _true(entry.is_file)


def _entries(folder) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        visible = [
            entry
            for entry in entries
            if not entry.name.startswith(".")
            and entry.name.lower() not in LEFT_BEHIND
        ]
    return sorted(visible, key=lambda entry: entry.name)


def describe_unused(folder: str, files: Sequence[pathlib.Path]) -> str:
    """Returns a line such as `red: 16 files not used (.txt, .xml)`."""
    kinds = sorted({_kind(path) for path in files})
    number = "1 file" if len(files) == 1 else f"{len(files):,} files"
    return f"{folder}: {number} not used ({', '.join(kinds)})"


def _kind(path):
    suffix = path.suffix.lower()
    return f"no regular {suffix}" if suffix in SUFFIXES else suffix or path.name


def load_image(
    path: Source,
    side: int,
    crop: float | str = CROP,
    interpolation: str = INTERPOLATION,
    channels: int = 3,
) -> np.ndarray:
    """Reads an image file: turned upright, resized, centrally cropped.

    Args:
        path: Path of the file, or a binary file that is open for reading.
        side: Integer, height and width of the result in pixels: 1 to 8192.
        crop: Float above 0 and up to 1, the part of the image's shorter side
            that is kept, or `"squash"`; see the module.
        interpolation: `"bicubic"` or `"bilinear"`.
        channels: 3 for RGB or 1 for grey; the file is converted, its
            transparency dropped. 16 bits are scaled to 8.

    Returns:
        float32 array `(side, side, channels)` of values from 0 to 255.

    Raises:
        ValueError: If an argument is out of range, or the file is missing or
            cannot be read as an image; the message names it.
    """
    side, crop = check_side("side", side), check_crop(crop)
    interpolation = check_interpolation(interpolation)
    checks.choice("channels", channels, tuple(MODES))
    with open_image(path) as image:
        image = upright(image, MODES[channels])
        resample = Image.Resampling[interpolation.upper()]
        image = _resize(image, side, crop, resample)
        return np.asarray(image, "float32").reshape(side, side, channels)


def image_size(path: Source) -> tuple[int, int]:
    """Returns width and height of an image file, of which it reads the header.

    Raises:
        ValueError: If `load_image` cannot read it, as far as the header shows.
    """
    with open_image(path) as image:
        largest_value(image)
        return image.size


def _resize(image, side, crop, resample):
    """Resizes the image and cuts out its center.

    In one step, so that only pixels in the crop are computed: a long and
    narrow image would otherwise fill the memory.
    """
    if crop == SQUASH:
        return image.resize((side, side), resample)
    shorter = round(side / crop)
    starts, ends = [], []
    for length in image.size:
        size = shorter * length // min(image.size)
        start = round((size - side) / 2)
        starts.append(start * length / size)
        ends.append((start + side) * length / size)
    return image.resize((side, side), resample, (*starts, *ends))
