"""Pooling as the published code pads it: two semantics, by name.

They differ only where a pool has stride 2:

- `"tf_slim"`: the padding is not there. It never wins a maximum, and an
  average divides by the pixels that exist. The authors' code, and what the
  published weights were trained with.
- `"keras"`: the padding is zeros. They can win a maximum, and an average
  always divides by the window's area. What keras.applications computes.
"""

import keras
from keras import ops

POOLING_SEMANTICS = ("tf_slim", "keras")


def check_pooling_semantics(value):
    """Raises ValueError unless `value` names one of `POOLING_SEMANTICS`."""
    if value not in POOLING_SEMANTICS:
        raise ValueError(
            f"`pooling_semantics` must be one of {POOLING_SEMANTICS}. "
            f"Received: pooling_semantics={value!r}"
        )


def same_padding(x, window):
    """Zero-pads `x` so that a stride-2 "valid" window acts as a "same" one.

    TensorFlow's "same" puts the odd pixel of the padding at the bottom right,
    so an even side gets one row less at the top. The side may be unknown
    until the call: it is never compared, only sliced with.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        window: Odd integer, the side of the window.

    Returns:
        The padded tensor.
    """
    margin = window // 2
    _, height, width, _ = ops.shape(x)
    x = ops.pad(x, [[0, 0], [margin, margin], [margin, margin], [0, 0]])
    return x[:, 1 - height % 2 :, 1 - width % 2 :, :]


@keras.saving.register_keras_serializable(package="nasnet_keras")
class Pooling(keras.Layer):
    """2D max or average pooling to `ceil(size / strides)`.

    Args:
        kind: `"max"` or `"average"`.
        window: Odd integer, the side of the window.
        strides: 1 or 2.
        pooling_semantics: `"tf_slim"` or `"keras"`, see the module.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`, of any size.

    Raises:
        ValueError: If an argument has another value.
    """

    def __init__(
        self, kind, window, strides=1, pooling_semantics="tf_slim", **kwargs
    ):
        super().__init__(**kwargs)
        if kind not in ("max", "average"):
            raise ValueError(
                f"`kind` must be 'max' or 'average'. Received: kind={kind!r}"
            )
        check_pooling_semantics(pooling_semantics)
        self.kind = kind
        self.window = window
        self.strides = strides
        self.pooling_semantics = pooling_semantics

    def call(self, inputs):
        if self.strides > 1 and self.pooling_semantics == "keras":
            return self._pool(same_padding(inputs, self.window), "valid")
        if (
            self.strides > 1
            and self.kind == "average"
            and keras.backend.backend() == "torch"
        ):
            # Keras on torch counts the odd padding pixel in the average.
            ones = same_padding(
                ops.ones_like(inputs[:1, :, :, :1]), self.window
            )
            sums = self._pool(same_padding(inputs, self.window), "valid")
            return sums / self._pool(ones, "valid")
        return self._pool(inputs, "same")

    def _pool(self, x, padding):
        pool = ops.max_pool if self.kind == "max" else ops.average_pool
        return pool(
            x, self.window, self.strides, padding, data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        batch, *sides, channels = input_shape
        sides = [side and -(-side // self.strides) for side in sides]
        return (batch, *sides, channels)

    def get_config(self):
        config = super().get_config()
        config.update(
            kind=self.kind,
            window=self.window,
            strides=self.strides,
            pooling_semantics=self.pooling_semantics,
        )
        return config
