"""Pooling with the padding of TF-slim or of keras.applications.

The two `pooling_semantics` differ only at stride 2:

- `"tf_slim"`: the padding does not count. A maximum ignores it, and an
  average divides by the number of real pixels. The published weights were
  trained with it.
- `"keras"`: the padding is zeros. A maximum includes them, and an average
  divides by the window's area. keras.applications computes this.
"""

from typing import Any

import keras
from keras import ops

from nasnet_keras.checks import choice, integer
from nasnet_keras.layers.image_axes import (
    check_data_format,
    divided,
    paddings,
    split_shape,
    take,
)
from nasnet_keras.layers.names import ALIGNMENTS, POOLING_SEMANTICS


def pad_for_stride_2(
    x, window, alignment="tensorflow", value=0.0, data_format="channels_last"
):
    """Pads `x` so that a stride-2 "valid" window gives `ceil(size / 2)`.

    TensorFlow's "same" puts the odd pixel of the padding at the bottom right,
    so that an even side has one row less at the top; PyTorch pads both sides
    alike. The side is never compared, only used in slices, so that it may
    be unknown until the call.

    Args:
        x: Tensor, a batch of images.
        window: Integer, the side of the window.
        alignment: `"tensorflow"` or `"pytorch"`.
        value: Float, the value of the padding.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The padded tensor.
    """
    margins = ((window - 1) // 2, window // 2)
    _, height, width, _ = split_shape(ops.shape(x), data_format)
    padded = ops.pad(
        x, paddings(margins, margins, data_format), constant_values=value
    )
    if alignment == "pytorch" or window % 2 == 0 or window == 1:
        return padded
    rows, columns = slice(1 - height % 2, None), slice(1 - width % 2, None)
    return take(padded, rows, columns, data_format)


@keras.saving.register_keras_serializable(package="nasnet_keras")
class Pooling(keras.Layer):
    """2D max or average pooling to `ceil(size / strides)`.

    Args:
        kind: `"max"` or `"average"`.
        window: Integer, the side of the window; odd at stride 1.
        strides: 1 or 2.
        pooling_semantics: `"tf_slim"` or `"keras"`, see the module.
        alignment: `"tensorflow"` or `"pytorch"`: the position of strided
            windows on a side of even length, see `pad_for_stride_2`.
        data_format: `"channels_last"` or `"channels_first"`.

    Call arguments:
        inputs: Tensor, a batch of images of any size.

    Raises:
        ValueError: If an argument has another value.
    """

    def __init__(
        self,
        kind: str,
        window: int,
        strides: int = 1,
        pooling_semantics: str = "tf_slim",
        alignment: str = "tensorflow",
        data_format: str = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_data_format(data_format)
        self.kind = choice("kind", kind, ("max", "average"))
        self.window = integer("window", window, 1)
        self.strides = integer("strides", strides, 1, 2)
        self.pooling_semantics = choice(
            "pooling_semantics", pooling_semantics, POOLING_SEMANTICS
        )
        self.alignment = choice("alignment", alignment, ALIGNMENTS)
        self.data_format = data_format

    def call(self, inputs):
        if self.window == 1:  # Other runtimes would pad by -1.
            return self._pool(inputs, "valid")
        if self.strides == 1:
            return self._pool(inputs, "same")
        if self.pooling_semantics == "keras":
            return self._pool(self._pad(inputs), "valid")
        if self.kind == "max":
            if self.alignment == "tensorflow":
                return self._pool(inputs, "same")
            return self._pool(self._pad(inputs, _lowest(inputs)), "valid")
        if self.alignment == "tensorflow" and not _counts_padding():
            return self._pool(inputs, "same")
        one = inputs[:1, :1] if self._channels_first else inputs[:1, ..., :1]
        sums = self._pool(self._pad(inputs), "valid")
        return sums / self._pool(self._pad(ops.ones_like(one)), "valid")

    @property
    def _channels_first(self):
        return self.data_format == "channels_first"

    def _pad(self, x, value=0.0):
        return pad_for_stride_2(
            x, self.window, self.alignment, value, self.data_format
        )

    def _pool(self, x, padding):
        pool = ops.max_pool if self.kind == "max" else ops.average_pool
        return pool(
            x, self.window, self.strides, padding, data_format=self.data_format
        )

    def compute_output_shape(self, input_shape):
        channels = input_shape[1 if self._channels_first else -1]
        return divided(input_shape, self.strides, channels, self.data_format)

    def get_config(self):
        config = super().get_config()
        config.update(
            kind=self.kind,
            window=self.window,
            strides=self.strides,
            pooling_semantics=self.pooling_semantics,
            alignment=self.alignment,
            data_format=self.data_format,
        )
        return config


def _lowest(x):
    """The lowest number of a tensor's type: padding for a maximum."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    return {"float16": -65504.0, "float64": -1.7e308}.get(dtype, -3.38e38)


def _counts_padding():
    """Whether a "same" average divides by padding, too: Keras on torch."""
    return keras.backend.backend() == "torch"
