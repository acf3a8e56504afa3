"""Batch normalization by TensorFlow's fused kernel.

Keras' `BatchNormalization` consists of elementary operations. TensorFlow's
kernel is faster to trace and to run (`benchmarks/batch_norm.py` measures it),
but for the cases in `batch_norm_rows.py`.
"""

import math
from typing import Any

import keras
from keras import ops

from nasnet_keras.checks import integer, number
from nasnet_keras.layers.batch_norm_rows import kernel_is_slow, normalize
from nasnet_keras.layers.processor import by_onednn, has_avx512


@keras.saving.register_keras_serializable(package="nasnet_keras")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization, fused on TensorFlow, as TF-slim trains it.

    On every backend its moving variance averages the unbiased batch variance,
    as TensorFlow's fused kernel, TF-slim and PyTorch do.
    `keras.layers.BatchNormalization` averages the biased one.

    Args: Those of `keras.layers.BatchNormalization`.
    """

    def call(self, inputs, training=None, mask=None):
        learning = bool(training) and self.trainable
        if self._fusible(inputs, mask):
            if learning and kernel_is_slow(inputs):
                return self._row_call(inputs)
            if learning or not _is_slow(inputs):
                return self._fused_call(inputs, learning)
        if not learning or self.renorm:
            return super().call(inputs, training=training, mask=mask)
        kept = self.moving_variance * self.momentum
        outputs = super().call(inputs, training=training, mask=mask)
        added = self.moving_variance - kept
        bessel = _bessel(inputs, self.axis)
        self.moving_variance.assign(
            kept + added * ops.cast(bessel, added.dtype)
        )
        return outputs

    def _fusible(self, inputs, mask):
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and mask is None
            and self.scale
            and self.center
            and not (self.synchronized or self.renorm)
            and inputs.dtype in ("float32", "float16", "bfloat16")
            and self.variable_dtype == "float32"
        )

    def _fused_call(self, inputs, learning):
        import tensorflow as tf

        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=self.moving_mean.value,
            variance=self.moving_variance.value,
            epsilon=self.epsilon,
            exponential_avg_factor=1.0 - self.momentum,
            is_training=learning,
        )
        if learning:  # The kernel returns the updated averages.
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance)
        return outputs

    def _row_call(self, inputs):
        outputs, mean, variance = normalize(
            inputs, self.gamma.value, self.beta.value, self.epsilon
        )
        self._average(self.moving_mean, mean)
        self._average(self.moving_variance, variance * _bessel(inputs))
        return outputs

    def _average(self, moving, value):
        moving.assign(moving * self.momentum + value * (1.0 - self.momentum))


def _bessel(inputs, axis=-1):
    """The unbiased variance of a batch by the biased one."""
    known = None not in inputs.shape
    size = math.prod(inputs.shape) if known else ops.size(inputs)
    # In half precision the count would overflow.
    count = ops.cast(size / inputs.shape[axis], "float32")
    return count / ops.maximum(count - 1.0, 1.0)


def _is_slow(inputs):
    """Whether TensorFlow makes a slow kernel of a convolution and its norm.

    It joins them in a graph for inference. With oneDNN and without AVX-512,
    what it joins takes 12 times as long for a batch that is known to be one
    image (TensorFlow 2.21, NASNet Mobile).
    """
    import tensorflow as tf

    one = inputs.shape[0] == 1 and not tf.executing_eagerly()
    return one and by_onednn() and not has_avx512()


@keras.saving.register_keras_serializable(package="nasnet_keras")
class BatchStatisticsNormalization(keras.Layer):
    """Batch normalization by the statistics of the batch, always.

    It has no moving averages. For networks whose layers get changing inputs,
    such as a supernet, and for branches, in which JAX cannot update state.

    Args:
        axis: Integer, the axis of the channels.
        epsilon: Float, added to the variance.
    """

    def __init__(
        self, axis: int = -1, epsilon: float = 1e-3, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = integer("axis", axis)
        self.epsilon = number("epsilon", epsilon, above=0)

    def build(self, input_shape):
        shape = (input_shape[self.axis],)
        self.gamma = self.add_weight(
            shape, "ones", name="gamma", autocast=False
        )
        self.beta = self.add_weight(shape, "zeros", name="beta", autocast=False)

    def _fusible(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and self.axis in (-1, 3)
            and inputs.dtype in ("float32", "float16", "bfloat16")
            and self.variable_dtype == "float32"
        )

    def call(self, inputs):
        if self._fusible(inputs):
            import tensorflow as tf

            return tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=self.gamma.value,
                offset=self.beta.value,
                mean=[],
                variance=[],
                epsilon=self.epsilon,
                is_training=True,
            ).y
        axes = [axis for axis in range(4) if axis != self.axis % 4]
        # As in Keras: sums would overflow in half precision.
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        x = ops.cast(inputs, dtype)
        mean, variance = ops.moments(x, axes)
        outputs = ops.batch_normalization(
            x,
            mean,
            variance,
            self.axis,
            ops.cast(self.beta, dtype),
            ops.cast(self.gamma, dtype),
            self.epsilon,
        )
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config.update(axis=self.axis, epsilon=self.epsilon)
        return config
