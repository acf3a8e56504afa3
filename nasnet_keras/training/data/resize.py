"""Resizes images in memory."""

import numpy as np

CHUNK_BYTES = 2**26  # Of images that are converted to floats at a time.


def resize_images(images, side):
    """Resizes images to squares: bilinear, with antialiasing.

    Args:
        images: uint8 `(number, side, side, channels)`.
        side: Integer, pixels.

    Returns:
        uint8 array; `images` itself if it has that size already.
    """
    if images.shape[1:3] == (side, side):
        return images
    number, before, _, channels = images.shape
    resized = np.empty((number, side, side, channels), "uint8")
    chunk = max(1, CHUNK_BYTES // (4 * channels * max(side, before) ** 2))
    for first in range(0, number, chunk):
        chosen = slice(first, first + chunk)
        resized[chosen] = _resize(images[chosen], side)
    return resized


def _resize(images, side):
    from keras import ops

    resized = ops.image.resize(
        images.astype("float32"),
        (side, side),
        antialias=True,
        data_format="channels_last",
    )
    resized = ops.convert_to_numpy(resized)
    return np.clip(np.round(resized), 0, 255).astype("uint8")
