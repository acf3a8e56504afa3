"""The table of operations: a name and the layers that it stands for.

The thirteen of the paper (section 3) are below; a user adds his own the same
way:

    @nasnet_keras.register_operation("conv_5x5")
    def conv_5x5(slot):
        return [keras.layers.ReLU(), slot.conv(5), slot.batch_norm()]
"""

import dataclasses

import keras
from keras import ops

from nasnet_keras.image_axes import channel_axis, divided, paddings, take
from nasnet_keras.kernels import BatchNormalization
from nasnet_keras.pooling import Pooling

OPERATIONS = {}


@dataclasses.dataclass(frozen=True)
class Conventions:
    """What all layers of one network share.

    Args:
        pooling_semantics: `"tf_slim"` or `"keras"`, see
            `nasnet_keras.pooling`.
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
        """Returns a new pooling layer, see `nasnet_keras.pooling.Pooling`."""
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


def register_operation(name):
    """Decorator that adds an operation to the table.

    The decorated function takes a `Slot` and returns a list of Keras layers,
    applied in order; together they give `slot.filters` channels and divide
    the size by `slot.strides`, rounding up. A saved model that uses it loads
    wherever the function has been registered first.

    Args:
        name: String, what genotypes call the operation.

    Raises:
        ValueError: If the name is taken.
    """

    def register(function):
        if name in OPERATIONS:
            raise ValueError(f"The operation {name!r} is registered already.")
        OPERATIONS[name] = function
        return function

    return register


def check_operations(names):
    """Raises ValueError if one of `names` is not in the table."""
    unknown = [name for name in names if name not in OPERATIONS]
    if unknown:
        raise ValueError(
            f"Unknown operation(s): {', '.join(map(repr, unknown))}. Known: "
            f"{', '.join(OPERATIONS)}. Register your own with "
            "`nasnet_keras.register_operation(name)` before it is used."
        )


def make_operation(operation, slot, **kwargs):
    """Returns the layer that applies the named operation in `slot`.

    Raises:
        ValueError: If the name is unknown.
    """
    check_operations([operation])
    return Chain(OPERATIONS[operation](slot), **kwargs)


def projection(slot, **kwargs):
    """Returns ReLU, 1x1 convolution, batch norm: how a state is fitted."""
    return Chain(OPERATIONS["conv_1x1"](slot), **kwargs)


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


@keras.saving.register_keras_serializable(package="nasnet_keras")
class FactorizedReduction(keras.Layer):
    """Halves the size without losing every second pixel (TF-slim).

    Two 1x1 convolutions to half of the filters each, of every second pixel
    and of their neighbours to the bottom right; concatenation; one batch norm.

    Args:
        filters: Integer, at least 2.
        conventions: `Conventions` of the network.

    Call arguments:
        inputs: Tensor, a batch of images.

    Raises:
        ValueError: If `filters` is below 2.
    """

    def __init__(self, filters, conventions=Conventions(), **kwargs):
        super().__init__(**kwargs)
        if filters < 2:
            raise ValueError(
                "A factorized reduction halves its filters and needs at least "
                f"2. Received: filters={filters}"
            )
        self.filters = filters
        if isinstance(conventions, dict):
            conventions = Conventions(**conventions)
        self.conventions = conventions
        half = filters // 2
        self.path_1 = conventions.conv(half, 1)
        self.path_2 = conventions.conv(filters - half, 1)
        self.norm = conventions.batch_norm()

    def build(self, input_shape):
        self.path_1.build(input_shape)
        self.path_2.build(input_shape)
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs):
        # Pixels are taken before the convolutions and not by their strides:
        # see `every_second_pixel`.
        data_format = self.conventions.data_format
        padded = ops.pad(inputs, paddings((0, 1), (0, 1), data_format))
        even, odd = slice(None, None, 2), slice(1, None, 2)
        paths = [
            self.path_1(take(inputs, even, even, data_format)),
            self.path_2(take(padded, odd, odd, data_format)),
        ]
        axis = self.conventions.channel_axis
        return self.norm(ops.concatenate(paths, axis=axis))

    def compute_output_shape(self, input_shape):
        return divided(
            input_shape, 2, self.filters, self.conventions.data_format
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            filters=self.filters,
            conventions=dataclasses.asdict(self.conventions),
        )
        return config


@register_operation("identity")
def identity(slot):
    """The state itself; ReLU-1x1-BN where stride or channels must change."""
    if slot.strides == 1 and slot.channels == slot.filters:
        return []
    return OPERATIONS["conv_1x1"](slot)


def every_second_pixel(slot):
    """Halves the size; with a 1x1 convolution after it, a strided one.

    The strided 1x1 convolution itself is avoided: oneDNN, which torch uses on
    CPUs, writes past its workspace in its gradient (oneDNN issue 6035).
    """
    return Pooling("max", 1, 2, data_format=slot.conventions.data_format)


def _conv_1x1(slot):
    chain = [keras.layers.ReLU(), slot.conv(1, strides=1), slot.batch_norm()]
    if slot.strides > 1:
        chain.insert(1, every_second_pixel(slot))
    return chain


def _conv_3x3(slot):
    return [keras.layers.ReLU(), slot.conv(3), slot.batch_norm()]


def _asymmetric_conv(width):
    """1xN, then Nx1; each strides along the side that it spans."""

    def layers(slot):
        return [
            keras.layers.ReLU(),
            slot.conv((1, width), strides=(1, slot.strides)),
            slot.batch_norm(),
            keras.layers.ReLU(),
            slot.conv((width, 1), strides=(slot.strides, 1)),
            slot.batch_norm(),
        ]

    return layers


def _dilated_conv(kernel_size):
    """Dilation 2. At stride 2 only even pixels count: a plain convolution."""

    def layers(slot):
        if slot.strides == 1:
            conv = [slot.conv(kernel_size, dilation_rate=2)]
        else:
            conv = [every_second_pixel(slot), slot.conv(kernel_size, strides=1)]
        return [keras.layers.ReLU(), *conv, slot.batch_norm()]

    return layers


def _separable_conv(kernel_size):
    """Applied twice; nothing stands between depthwise and pointwise."""

    def layers(slot):
        chain = []
        for strides in (slot.strides, 1):
            chain += [
                keras.layers.ReLU(),
                slot.separable_conv(kernel_size, strides),
                slot.batch_norm(),
            ]
        return chain

    return layers


def pool(kind, window):
    """No ReLU before; 1x1 and batch norm after where channels must change."""

    def layers(slot):
        chain = [slot.conventions.pool(kind, window, slot.strides)]
        if slot.channels != slot.filters:
            chain += [slot.conv(1, strides=1), slot.batch_norm()]
        return chain

    return layers


for _name, _function in {
    "conv_1x3_3x1": _asymmetric_conv(3),
    "conv_1x7_7x1": _asymmetric_conv(7),
    "dil_conv_3x3": _dilated_conv(3),
    "avg_pool_3x3": pool("average", 3),
    "max_pool_3x3": pool("max", 3),
    "max_pool_5x5": pool("max", 5),
    "max_pool_7x7": pool("max", 7),
    "conv_1x1": _conv_1x1,
    "conv_3x3": _conv_3x3,
    "sep_conv_3x3": _separable_conv(3),
    "sep_conv_5x5": _separable_conv(5),
    "sep_conv_7x7": _separable_conv(7),
}.items():
    register_operation(_name)(_function)

PAPER_OPERATIONS = tuple(OPERATIONS)
