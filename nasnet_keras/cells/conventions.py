"""What the layers of one network share, and the place that each fills."""

import dataclasses

import keras

from nasnet_keras.layers.batch_norm import BatchNormalization
from nasnet_keras.layers.image_axes import channel_axis
from nasnet_keras.layers.pooling import Pooling


@dataclasses.dataclass(frozen=True)
class Conventions:
    """What all layers of one network share.

    Args:
        pooling_semantics: `"tf_slim"` or `"keras"`, see
            `nasnet_keras.layers.pooling`.
        batch_norm_momentum: Float, what the moving statistics keep per step.
        batch_norm_epsilon: Float, added to the variance.
        alignment: `"tensorflow"` or `"pytorch"`: where strided windows lie on
            a side of even length.
        data_format: `"channels_last"` or `"channels_first"`.
        current_projections: Integer, how many times a cell projects its
            current state. NASNet: 1; ENAS: 2.
        always_project: Whether a cell projects the previous state even where
            its size and channels fit (DARTS).
    """

    pooling_semantics: str = "tf_slim"
    batch_norm_momentum: float = 0.9997
    batch_norm_epsilon: float = 1e-3
    alignment: str = "tensorflow"
    data_format: str = "channels_last"
    current_projections: int = 1
    always_project: bool = False

    @property
    def channel_axis(self):
        """The axis of the channels in a batch of images."""
        return channel_axis(self.data_format)

    def batch_norm(self, **kwargs):
        """Returns a new batch normalization layer."""
        return BatchNormalization(
            axis=self.channel_axis,
            momentum=self.batch_norm_momentum,
            epsilon=self.batch_norm_epsilon,
            **kwargs,
        )

    def group_norm(self, groups, **kwargs):
        """Returns a new group normalization layer."""
        return keras.layers.GroupNormalization(
            groups, self.channel_axis, self.batch_norm_epsilon, **kwargs
        )

    def conv(self, filters, kernel_size, strides=1, padding="same", **kwargs):
        """Returns a new convolution without bias, initialized as TF-slim's."""
        return self._aligned(
            keras.layers.Conv2D,
            filters,
            kernel_size,
            strides,
            padding,
            kernel_initializer=fan_out(),
            **kwargs,
        )

    def separable_conv(self, filters, kernel_size, strides=1, **kwargs):
        """Returns a new depthwise and pointwise convolution, no bias."""
        return self._aligned(
            keras.layers.SeparableConv2D,
            filters,
            kernel_size,
            strides,
            "same",
            depthwise_initializer=fan_out(),
            pointwise_initializer=fan_out(),
            **kwargs,
        )

    def _aligned(self, layer, filters, kernel_size, strides, padding, **kwargs):
        """A convolution whose padding follows `alignment` where it strides."""
        symmetric = self.alignment == "pytorch" and padding == "same"
        strided = strides not in (1, (1, 1))
        conv = layer(
            filters,
            kernel_size,
            strides=strides,
            padding="valid" if symmetric and strided else padding,
            use_bias=False,
            data_format=self.data_format,
            **kwargs,
        )
        if not (symmetric and strided):
            return conv
        sides = conv.kernel_size
        margins = tuple((side // 2, side // 2) for side in sides)
        pad = keras.layers.ZeroPadding2D(margins, data_format=self.data_format)
        return Chain([pad, conv])

    def pool(self, kind, window, strides):
        """Returns a new pooling layer, see `nasnet_keras.layers.pooling.Pooling`."""
        return Pooling(
            kind,
            window,
            strides,
            self.pooling_semantics,
            self.alignment,
            self.data_format,
        )


def fan_out():
    """Returns the initializer of all kernels (TF-slim: variance scaling)."""
    return keras.initializers.VarianceScaling(2.0, mode="fan_out")


@dataclasses.dataclass(frozen=True)
class Slot:
    """The place in a cell that an operation fills.

    Args:
        channels: Integer, the channels that the operation receives.
        filters: Integer, the channels that it must give.
        strides: 1, or 2 where it must halve the size.
        conventions: `Conventions` of the network.
    """

    channels: int
    filters: int
    strides: int = 1
    conventions: Conventions = Conventions()

    def batch_norm(self):
        """Returns a new batch normalization layer."""
        return self.conventions.batch_norm()

    def conv(self, kernel_size, strides=None, filters=None, **kwargs):
        """Returns a new convolution to the slot's filters, at its strides."""
        return self.conventions.conv(
            filters or self.filters,
            kernel_size,
            self.strides if strides is None else strides,
            **kwargs,
        )

    def separable_conv(self, kernel_size, strides=None, **kwargs):
        """Returns a new separable convolution, likewise."""
        strides = self.strides if strides is None else strides
        return self.conventions.separable_conv(
            self.filters, kernel_size, strides, **kwargs
        )


class Chain(keras.Layer):
    """Layers applied one after the other; an empty chain is the identity.

    It is what `keras.Sequential` is, without the model around it, which costs
    time where there are hundreds. It is built by the cell that owns it and
    not meant to be saved alone.

    Args:
        layers: List of Keras layers.
    """

    def __init__(self, layers, **kwargs):
        super().__init__(**kwargs)
        self.layers = list(layers)

    def build(self, input_shape):
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs):
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape):
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape
