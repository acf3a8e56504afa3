"""The one builder of networks, from the image to the classifier."""

import inspect
import os
from typing import Any

import keras

from nasnet_keras.layers.image_axes import image_shape
from nasnet_keras.layers.precision import check_policy
from nasnet_keras.layers.whitening import Whitening
from nasnet_keras.networks.config import NetworkConfig
from nasnet_keras.networks.heads import (
    auxiliary_classifier,
    auxiliary_tap,
    output_dtype,
    top,
)
from nasnet_keras.networks.stacks import State, build_backbone
from nasnet_keras.weights import load_weights

Weights = str | os.PathLike[str] | None


def NASNet(*args: Any, **kwargs: Any) -> keras.Model:
    """Builds a network of a genotype's cells.

    Zoph et al. 2018 (arXiv 1707.07012), in the macro-architecture of the
    authors' code: a stem; three stacks of `cells_per_stack` normal cells with
    `filters`, twice and four times as many filters; a reduction cell between
    stacks; the classifier. `macro` chooses that of another family.

    Args:
        genotype: `Genotype`, the two cells. Defaults to NASNet-A.
        cells_per_stack: Integer, N in the paper. Defaults to 4.
        filters: Integer, F in the first stack. Defaults to 44. The paper's
            "@" figure is the channels of the last cell: 24 F for NASNet-A.
        stem: `"imagenet"` (a strided 3x3 convolution and two reduction cells:
            stride 8 before the first stack) or `"cifar"` (a 3x3 convolution).
        stem_filters: Integer, filters of the stem's convolution. Defaults to
            32 with the ImageNet stem, to `3 * filters` with the CIFAR one.
        skip_reduction: Whether the first normal cell after a reduction reads
            the reduction's own previous state, not its input (Large). No
            effect on PNASNet, which has no reductions between stacks.
        macro: `"nasnet"`, `"pnasnet"`, `"amoebanet"`, `"enas"` or `"darts"`:
            the architecture around the cells, see
            `nasnet_keras.networks.macro`.
        pooling_semantics: `"tf_slim"` (the paper's code) or `"keras"`
            (keras.applications); see `nasnet_keras.layers.pooling`.
        auxiliary_head: Whether to add the auxiliary classifier. The model
            then has two outputs, `predictions` and `auxiliary_predictions`;
            the paper's code gives the second a loss weight of 0.4.
        drop_path_rate: Float from 0 to below 1, rate of the last cell; see
            `ScheduledDropPath`, without which it is constant from the start.
        dropout_rate: Float from 0 to below 1, before the classifier.
        include_top: Whether to add the classifier.
        weights: `None` (random), or a path: of a file that Keras wrote of
            such a network (`.weights.h5`, `.keras`, `.h5`), of one of
            keras.applications, or of a TF-slim checkpoint (its prefix or one
            of its files). With other classes than the file's the classifier
            is random, with other channels the stem is adapted; both are
            logged.
        classes: Integer, the number of classes. Defaults to 1000.
        input_shape: Tuple `(height, width, channels)`; height and width may
            be `None`. Defaults to `(None, None, 3)`. With Keras' image data
            format `"channels_first"`, which torch, JAX and GPUs run:
            `(channels, height, width)`.
        input_tensor: Optional Keras tensor to build upon.
        pooling: With `include_top=False`: `None` for the 4D output of the
            last cell after its ReLU, `"avg"` or `"max"` for its global
            pooling.
        classifier_activation: Activation of the classifier; `None` for
            logits. Defaults to `"softmax"`.
        include_preprocessing: Whether the network takes images of 0 to 255
            and scales them itself to [-1, 1]. `"whiten"`: it standardizes
            each image by its own mean and deviation, as the paper's networks
            for CIFAR-10 do; see `nasnet_keras.layers.whitening`.
        aligned: Whether to pad the image so that every feature map has
            `ceil(size / stride)` pixels; see `nasnet_keras.layers.padding`.
        batch_norm_momentum: Float from 0 to below 1. Defaults to the
            family's, by stem: for NASNet 0.9997 (ImageNet), 0.9 (CIFAR).
            With 0.9997 evaluation needs thousands of training steps.
        batch_norm_epsilon: Positive float. Defaults to the family's, by stem:
            for NASNet 1e-3 (ImageNet), 1e-5 (CIFAR).
        name: String, the model's name.

    Returns:
        A `keras.Model`. Each cell is one layer of it, named as TF-slim's end
        points: `cell_stem_0`, `cell_0`, `reduction_cell_0`, ... Its outputs
        are single precision also under a mixed precision policy.

    Raises:
        ValueError: If an argument is out of range; the message names it.
    """
    arguments = _SIGNATURE.bind(*args, **kwargs).arguments
    weights = arguments.pop("weights", None)
    input_tensor = arguments.pop("input_tensor", None)
    if input_tensor is not None:  # It has a shape of its own.
        arguments.pop("input_shape", None)
    model, _ = build_network(NetworkConfig(**arguments), input_tensor)
    load_weights(model, weights, adapt=True)
    return model


def _signature() -> inspect.Signature:
    """The arguments of `NetworkConfig`, plus `weights` and `input_tensor`."""
    parameters = []
    for parameter in inspect.signature(NetworkConfig).parameters.values():
        if parameter.name == "classes":
            parameters.append(_optional("weights", Weights))
        if parameter.name == "pooling":
            parameters.append(_optional("input_tensor", Any))
        parameters.append(parameter)
    return inspect.Signature(parameters, return_annotation=keras.Model)


def _optional(name, annotation):
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=annotation,
    )


_SIGNATURE = _signature()
NASNet.__signature__ = _SIGNATURE  # type: ignore[attr-defined]


def build_network(
    config: NetworkConfig, input_tensor: Any = None
) -> tuple[keras.Model, dict[str, State]]:
    """Builds a network with random weights.

    Args:
        config: `NetworkConfig`.
        input_tensor: Optional Keras tensor to build upon, in place of images
            of the configuration's `input_shape`.

    Returns:
        The `keras.Model`, and a dictionary, layer name -> `State` (tensor and
        stride) of its end points.

    Raises:
        ValueError: If `input_tensor` is no Keras tensor, or the images are
            too small for an auxiliary head.
    """
    check_policy(keras.config.dtype_policy())
    inputs = x = _input(config, input_tensor)
    end_points = build_backbone(config, _preprocessed(config, x))
    outputs = top(config, list(end_points.values())[-1].tensor)
    if config.auxiliary_head:
        tap = end_points[auxiliary_tap(config)].tensor
        outputs = [outputs, auxiliary_classifier(config, tap)]
    if input_tensor is not None:
        sources = keras.utils.get_source_inputs(input_tensor)
        inputs = sources[0] if len(sources) == 1 else sources
    return keras.Model(inputs, outputs, name=config.name), end_points


def _input(config, input_tensor):
    if input_tensor is None:
        data_format = keras.config.image_data_format()
        return keras.Input(config.input_shape or image_shape(None, data_format))
    if not keras.utils.is_keras_tensor(input_tensor):
        raise ValueError(
            "`input_tensor` must be a Keras tensor, as `keras.Input` or a "
            f"layer gives. Received: input_tensor={input_tensor!r}"
        )
    return input_tensor


def _preprocessed(config, x):
    kwargs = {"dtype": output_dtype(), "name": "preprocessing"}
    if config.include_preprocessing == "whiten":
        return Whitening(**kwargs)(x)
    if config.include_preprocessing:
        return keras.layers.Rescaling(1 / 127.5, -1.0, **kwargs)(x)
    return x
