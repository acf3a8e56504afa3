"""Settings that all layers of a network share, and slots for operations."""

import dataclasses
from typing import Any

import keras

from nasnet_keras.checks import choice, flag, integer, number, rate
from nasnet_keras.layers.batch_norm import BatchNormalization
from nasnet_keras.layers.chain import Chain
from nasnet_keras.layers.convolutions import Conv2D, SeparableConv2D
from nasnet_keras.layers.image_axes import channel_axis, check_data_format
from nasnet_keras.layers.names import ALIGNMENTS, POOLING_SEMANTICS
from nasnet_keras.layers.pooling import Pooling

Size = int | tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Conventions:
    """Settings that all layers of a network share.

    Args:
        pooling_semantics: `"tf_slim"` or `"keras"`, see
            `nasnet_keras.layers.pooling`.
        batch_norm_momentum: Float, the momentum of the moving statistics.
        batch_norm_epsilon: Float, added to the variance.
        alignment: `"tensorflow"` or `"pytorch"`: the position of strided
            windows on a side of even length.
        data_format: `"channels_last"` or `"channels_first"`.
        current_projections: Integer, how many times a cell projects its
            current state. NASNet: 1; ENAS: 2.
        always_project: Whether a cell projects the previous state even if
            its size and channels already match (DARTS).

    Raises:
        ValueError: If an argument is out of range.
    """

    pooling_semantics: str = "tf_slim"
    batch_norm_momentum: float = 0.9997
    batch_norm_epsilon: float = 1e-3
    alignment: str = "tensorflow"
    data_format: str = "channels_last"
    current_projections: int = 1
    always_project: bool = False

    def __post_init__(self) -> None:
        choice("pooling_semantics", self.pooling_semantics, POOLING_SEMANTICS)
        choice("alignment", self.alignment, ALIGNMENTS)
        check_data_format(self.data_format)
        for name, value in {
            "batch_norm_momentum": rate(
                "batch_norm_momentum", self.batch_norm_momentum
            ),
            "batch_norm_epsilon": number(
                "batch_norm_epsilon", self.batch_norm_epsilon, above=0
            ),
            "current_projections": integer(
                "current_projections", self.current_projections, 1
            ),
            "always_project": flag("always_project", self.always_project),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def channel_axis(self) -> int:
        """The axis of the channels in a batch of images."""
        return channel_axis(self.data_format)

    def batch_norm(self, **kwargs: Any) -> keras.Layer:
        """Returns a new batch normalization layer."""
        return BatchNormalization(
            axis=self.channel_axis,
            momentum=self.batch_norm_momentum,
            epsilon=self.batch_norm_epsilon,
            **kwargs,
        )

    def group_norm(self, groups: int, **kwargs: Any) -> keras.Layer:
        """Returns a new group normalization layer."""
        return keras.layers.GroupNormalization(
            groups, self.channel_axis, self.batch_norm_epsilon, **kwargs
        )

    def conv(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "same",
        **kwargs: Any,
    ) -> keras.Layer:
        """Returns a new convolution without bias, initialized as TF-slim's."""
        return self._aligned(
            Conv2D,
            filters,
            kernel_size,
            strides,
            padding,
            kernel_initializer=fan_out(),
            **kwargs,
        )

    def separable_conv(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        **kwargs: Any,
    ) -> keras.Layer:
        """Returns a new depthwise and pointwise convolution, no bias."""
        return self._aligned(
            SeparableConv2D,
            filters,
            kernel_size,
            strides,
            "same",
            depthwise_initializer=fan_out(),
            pointwise_initializer=fan_out(),
            **kwargs,
        )

    def _aligned(self, layer, filters, kernel_size, strides, padding, **kwargs):
        """A convolution; if it strides, its padding follows `alignment`."""
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

    def pool(self, kind: str, window: int, strides: int) -> keras.Layer:
        """Returns a new `nasnet_keras.layers.pooling.Pooling` layer."""
        return Pooling(
            kind,
            window,
            strides,
            self.pooling_semantics,
            self.alignment,
            self.data_format,
        )


def as_conventions(value: Any) -> Conventions:
    """Returns `Conventions`, given them or a dictionary of their arguments."""
    if isinstance(value, dict):
        return Conventions(**value)
    if not isinstance(value, Conventions):
        raise ValueError(
            "`conventions` must be Conventions or a dictionary. "
            f"Received: conventions={value!r}"
        )
    return value


def fan_out() -> keras.Initializer:
    """Returns the initializer of all kernels (TF-slim: variance scaling)."""
    return keras.initializers.VarianceScaling(2.0, mode="fan_out")


@dataclasses.dataclass(frozen=True)
class Slot:
    """The channels and strides of an operation in a cell.

    Args:
        channels: Integer, the channels of its input.
        filters: Integer, the channels of its output.
        strides: 1, or 2 to halve the size.
        conventions: `Conventions` of the network.
    """

    channels: int
    filters: int
    strides: int = 1
    conventions: Conventions = Conventions()

    def batch_norm(self) -> keras.Layer:
        """Returns a new batch normalization layer."""
        return self.conventions.batch_norm()

    def conv(
        self,
        kernel_size: Size,
        strides: Size | None = None,
        filters: int | None = None,
        **kwargs: Any,
    ) -> keras.Layer:
        """Returns a new convolution, by default of the slot's filters and
        strides."""
        return self.conventions.conv(
            filters or self.filters,
            kernel_size,
            self.strides if strides is None else strides,
            **kwargs,
        )

    def separable_conv(
        self, kernel_size: Size, strides: Size | None = None, **kwargs: Any
    ) -> keras.Layer:
        """Returns a new separable convolution of the slot's filters."""
        strides = self.strides if strides is None else strides
        return self.conventions.separable_conv(
            self.filters, kernel_size, strides, **kwargs
        )
