"""Shapes of image batches, channels last or channels first."""

from typing import Any

from nasnet_keras.checks import choice

DATA_FORMATS = ("channels_last", "channels_first")
LARGEST_SIDE = 2**16  # Pixels of an image.


def check_data_format(value: Any) -> None:
    """Raises ValueError unless `value` names one of `DATA_FORMATS`."""
    choice("data_format", value, DATA_FORMATS)


def channel_axis(data_format: str) -> int:
    """Returns the axis of the channels in a batch of images."""
    return 1 if data_format == "channels_first" else -1


def split_shape(shape, data_format):
    """Returns batch size, height, width and channels of a shape."""
    if data_format == "channels_first":
        batch, channels, height, width = shape
    else:
        batch, height, width, channels = shape
    return batch, height, width, channels


def join_shape(batch, height, width, channels, data_format):
    """Returns a shape; the inverse of `split_shape`."""
    if data_format == "channels_first":
        return (batch, channels, height, width)
    return (batch, height, width, channels)


def image_shape(side, data_format, channels=3):
    """Returns the shape of one square image."""
    return join_shape(None, side, side, channels, data_format)[1:]


def divided(shape, strides, channels, data_format):
    """Returns a shape with sides divided, rounded up, and other channels."""
    batch, *sides, _ = split_shape(shape, data_format)
    sides = [side and -(-side // strides) for side in sides]
    return join_shape(batch, *sides, channels, data_format)


def take(x, rows, columns, data_format):
    """Returns the pixels in the slices `rows` and `columns`."""
    if data_format == "channels_first":
        return x[:, :, rows, columns]
    return x[:, rows, columns]


def paddings(rows, columns, data_format):
    """Returns the argument of `ops.pad`, given two pairs (before, after)."""
    nothing = (0, 0)
    return join_shape(nothing, rows, columns, nothing, data_format)
