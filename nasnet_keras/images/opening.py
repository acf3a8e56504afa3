"""Opens image files with Pillow: safely, turned upright, with 8 bits.

Files come from strangers. Only regular files are opened, only as formats of
pictures (Pillow would start Ghostscript for EPS), and only up to the number of
pixels that Pillow takes for harmless.
"""

import contextlib
import functools
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Formats of still pictures, by Pillow's names, with their suffixes.
FORMATS = {
    "AVIF": (".avif",),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "ICO": (".ico",),
    "JPEG": (".jfif", ".jpe", ".jpeg", ".jpg", ".mpo"),
    "JPEG2000": (".j2k", ".jp2", ".jpx"),
    "PCX": (".pcx",),
    "PNG": (".apng", ".png"),
    "PPM": (".pbm", ".pgm", ".pnm", ".ppm"),
    "PSD": (".psd",),
    "QOI": (".qoi",),
    "SGI": (".sgi",),
    "TGA": (".tga",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
SIXTEEN_BITS = 65535
BITS_PER_SAMPLE = 258  # The TIFF tag.
Source = str | os.PathLike[str] | BinaryIO


@contextlib.contextmanager
def open_image(source: Source) -> Iterator[Any]:
    """Opens an image; its header is read, its pixels are not.

    Args:
        source: Path of a file, or a binary file that is open for reading.

    Yields:
        `PIL.Image.Image`.

    Raises:
        ValueError: If the file is missing or cannot be read as an image, also
            while the block uses it; the message names the file.
    """
    try:
        with _binary_file(source) as file, _read_header(file) as image:
            yield image
    except FileNotFoundError as error:
        raise ValueError(f"There is no image {source}.") from error
    except Exception as error:
        # On damaged files Pillow's decoders raise errors of many kinds.
        name = source if isinstance(source, (str, os.PathLike)) else "An image"
        raise ValueError(
            f"{name} cannot be read as an image: {error}"
        ) from error


@contextlib.contextmanager
def _binary_file(source):
    if not isinstance(source, (str, os.PathLike)):
        yield source
        return
    with open(source, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is no regular file")
        yield file


def _open_at_once(path, flags):
    """Opens a file; of a named pipe, does not wait for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_header(file):
    try:
        image = Image.open(file, formats=_formats())
    except UnidentifiedImageError:  # Pillow names the file object.
        raise ValueError("its content is no picture") from None
    pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
    # Pillow refuses only twice as many.
    if most is not None and pixels > most:
        raise ValueError(
            f"it has {pixels:,} pixels, more than the {most:,} that "
            "`PIL.Image.MAX_IMAGE_PIXELS` allows"
        )
    return image


@functools.cache
def _formats():
    """The formats that this installation of Pillow can read."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def upright(image: Any, mode: str) -> Any:
    """Returns an opened image as its viewer sees it: turned, with 8 bits.

    Args:
        image: `PIL.Image.Image`, as `open_image` yields it.
        mode: `"RGB"` or `"L"`. Transparency is dropped.

    Raises:
        ValueError: If the range of its pixels is unknown.
    """
    largest = largest_value(image)
    ImageOps.exif_transpose(image, in_place=True)
    if largest is not None:
        # Pillow's own conversion would clip values above 255.
        pixels = np.round(np.asarray(image) / (largest / 255))
        image = Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))
    elif image.mode == "P" and "transparency" in image.info:
        # Without this Pillow does the same, but warns.
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def largest_value(image: Any) -> int | None:
    """Returns the value of white in a grey image of more than 8 bits.

    Args:
        image: `PIL.Image.Image`, as `open_image` yields it.

    Returns:
        Integer; `None` for images of 8 bits.

    Raises:
        ValueError: If it is unknown: of 32-bit integers and floats.
    """
    if image.mode.startswith("I;16"):
        if image.format == "TIFF":
            return 2 ** image.tag_v2.get(BITS_PER_SAMPLE, (16,))[0] - 1
        return SIXTEEN_BITS
    if image.mode == "I" and image.format in ("PNG", "PPM"):
        return SIXTEEN_BITS
    if image.mode in ("I", "F"):
        raise ValueError(
            f"its pixels (Pillow's mode {image.mode!r}) have no known range. "
            "Save it with 8 or 16 bits a channel."
        )
    return None
