"""How image files are read: side, crop and interpolation, with their limits.

It imports neither NumPy nor Pillow: parsers of commands need it.
"""

from typing import Any

from nasnet_keras import checks

# Pixels of the side of images that are read. The largest take 200 MB each.
LEAST_SIDE, LARGEST_SIDE = 1, 8192
# How an image is read for evaluation, unless something else is asked for.
CROP = 0.875
INTERPOLATION = "bicubic"
INTERPOLATIONS = ("bilinear", "bicubic")
SQUASH = "squash"
CROPS = f"above 0 and up to 1, or {SQUASH}"


def check_side(name: str, value: Any) -> int:
    """Returns the side of images in pixels: from 1 to 8192.

    Args:
        name: String, the argument's name, as it is shown in the message.
        value: Its value.

    Raises:
        ValueError: If it is no such integer.
    """
    return checks.integer(name, value, LEAST_SIDE, LARGEST_SIDE)


def check_crop(crop: Any, name: str = "crop") -> float | str:
    """Returns a crop: a float above 0 and up to 1, or `"squash"`.

    Args:
        crop: The value.
        name: String, the argument's name, as it is shown in the message.

    Raises:
        ValueError: If it is something else.
    """
    if isinstance(crop, str) and crop == SQUASH:
        return crop
    if not checks.is_number(crop) or not 0 < crop <= 1:
        raise ValueError(
            f"`{name}` must be {CROPS} for the whole image made square. "
            f"Received: {name}={crop!r}"
        )
    return float(crop)


def check_interpolation(value: Any, name: str = "interpolation") -> str:
    """Returns an interpolation: `"bilinear"` or `"bicubic"`."""
    return checks.choice(name, value, INTERPOLATIONS)
