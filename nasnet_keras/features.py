"""Feature maps for other tasks: detection, segmentation, video."""

from collections.abc import Sequence
from typing import Any

import keras

from nasnet_keras.layers.image_axes import image_shape
from nasnet_keras.presets import get_preset
from nasnet_keras.presets.types import Preset
from nasnet_keras.zoo import PathLike, build_preset


@keras.saving.register_keras_serializable(package="nasnet_keras")
class Backbone(keras.Model):
    """A network without classifier whose outputs are named feature maps.

    `Backbone.from_preset` makes one. It is a functional model with a
    dictionary of outputs, and what KerasHub calls a feature-pyramid backbone:
    its detectors and segmenters take it as `image_encoder`.

    Args: those of a functional `keras.Model`.
        inputs: Keras tensor, the images.
        outputs: Dictionary, name -> Keras tensor.
        name: String.
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)

    @property
    def pyramid_outputs(self):
        """The maps by level: `"P3"` has stride 2 ** 3 = 8."""
        return {
            name: tensor
            for name, tensor in self.output.items()
            if name[0] == "P" and name[1:].isdigit()
        }

    @classmethod
    def from_preset(
        cls,
        preset: Preset | PathLike,
        taps: Sequence[str] | None = None,
        weights: PathLike | None = "default",
        input_shape: tuple[int | None, ...] | None = None,
        aligned: bool = True,
        **overrides: Any,
    ) -> "Backbone":
        """Builds a backbone from a preset.

        The map of level n has stride 2 ** n and `ceil(size / 2 ** n)` pixels
        for an image of any size: the last one of its stride. With NASNet's
        ImageNet stem, `"P1"` is the stem's convolution, `"P2"` the first stem
        cell, `"P3"`, `"P4"` and `"P5"` are the last cells of the three stacks;
        with a CIFAR stem those are `"P0"`, `"P1"` and `"P2"`. Maps are as
        cells return them, before the ReLU with which the next cell starts.

        Under mixed precision they have the compute dtype, as KerasHub's
        backbones do.

        Choose only the taps that are used: layers above them would be
        trainable but have no gradient.

        Args:
            preset: Preset, name or folder, see `nasnet_keras.from_preset`.
            taps: Sequence of names: levels (`"P4"`) and layers (`"cell_3"`).
                Defaults to all levels.
            weights: See `nasnet_keras.from_preset`.
            input_shape: Tuple; defaults to images of any size, of 3 channels.
            aligned: Whether to pad images so that sizes are as above, see
                `nasnet_keras.layers.padding`.
            overrides: Other arguments of `NASNet`, for example
                `include_preprocessing=True`; not `include_top`, `pooling`.

        Returns:
            A `Backbone`.

        Raises:
            ValueError: If a tap does not exist.
            TypeError: If an argument is not one of a backbone.
        """
        heads = {"include_top", "pooling", "auxiliary_head"} & set(overrides)
        if heads:
            raise TypeError(
                f"A Backbone has no {', '.join(sorted(heads))}: its outputs "
                "are the feature maps that `taps` names."
            )
        if input_shape is None:
            data_format = keras.config.image_data_format()
            input_shape = image_shape(None, data_format)
        model, end_points, _ = build_preset(
            preset,
            weights,
            include_top=False,
            auxiliary_head=False,
            pooling=None,
            input_shape=input_shape,
            aligned=aligned,
            **overrides,
        )
        tensors = {name: state.tensor for name, state in end_points.items()}
        levels = _levels(end_points)
        chosen = list(levels) if taps is None else list(taps)
        unknown = [name for name in chosen if name not in {**tensors, **levels}]
        if unknown or not chosen:
            raise ValueError(
                f"`taps` must name levels ({', '.join(levels)}) or layers "
                f"({', '.join(tensors)}). Received: taps={taps!r}"
            )
        outputs = {name: {**tensors, **levels}[name] for name in chosen}
        name = overrides.get("name", f"{get_preset(preset).name}_backbone")
        return cls(model.input, outputs, name=name)


def _levels(end_points):
    """The last end point of each stride."""
    return {
        f"P{state.stride.bit_length() - 1}": state.tensor
        for state in end_points.values()
    }
