"""Padding that makes feature maps of ceil(size / stride) pixels.

The ImageNet stem starts with an unpadded strided convolution, so that an image
of 225 pixels gives maps of 112, 56 and 28; detectors expect 113, 57 and 29.
These layers pad the image at the bottom and the right, and only if necessary:
images of 224 or 331 pixels stay unchanged.
"""

from typing import Any

import keras
from keras import ops

from nasnet_keras.layers.image_axes import (
    check_data_format,
    join_shape,
    paddings,
    split_shape,
    take,
)


def padded_side(side: int) -> int:
    """Returns the side of an image after padding: the next 4k or 4k - 1.

    The stem's convolution then gives a map of 2 ceil(side / 4) - 1 pixels, as
    for 224 and 331.
    """
    return side + (2, 1, 0, 0)[(side - 1) % 4]


def _pad_to(x, height, width, limit, data_format):
    """Pads with at most `limit` zeros to a height and width.

    These may be tensors, so the image is padded to the limit, then cut.
    """
    x = ops.pad(x, paddings((0, limit), (0, limit), data_format))
    return take(x, slice(0, height), slice(0, width), data_format)


class _Padding(keras.Layer):
    """Base of layers that pad with zeros at the bottom and the right."""

    def __init__(
        self, data_format: str = "channels_last", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_data_format(data_format)
        self.data_format = data_format

    def _sides(self, x):
        return split_shape(ops.shape(x), self.data_format)[1:3]

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


@keras.saving.register_keras_serializable(package="nasnet_keras")
class PadImage(_Padding):
    """Pads an image by at most two pixels, see `padded_side`.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.

    Call arguments:
        inputs: Tensor, a batch of images of any size.
    """

    def call(self, inputs):
        sides = [
            side + ops.maximum((-side) % 4 - 1, 0)
            if not isinstance(side, int)
            else padded_side(side)
            for side in self._sides(inputs)
        ]
        return _pad_to(inputs, *sides, 2, self.data_format)

    def compute_output_shape(self, input_shape):
        batch, *sides, channels = split_shape(input_shape, self.data_format)
        sides = [side and padded_side(side) for side in sides]
        return join_shape(batch, *sides, channels, self.data_format)


@keras.saving.register_keras_serializable(package="nasnet_keras")
class PadToHalf(_Padding):
    """Pads the stem's map, of stride 2, to half the image, rounded up.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.

    Call arguments:
        inputs: List of two tensors, the map and the images.
    """

    def call(self, inputs):
        features, images = inputs
        sides = [(side + 1) // 2 for side in self._sides(images)]
        return _pad_to(features, *sides, 1, self.data_format)

    def compute_output_shape(self, input_shape):
        features, images = (
            split_shape(shape, self.data_format) for shape in input_shape
        )
        sides = [side and (side + 1) // 2 for side in images[1:3]]
        return join_shape(features[0], *sides, features[3], self.data_format)
