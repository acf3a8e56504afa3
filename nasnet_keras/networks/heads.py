"""The layers after the last cell, and the auxiliary head."""

from typing import Any

import keras

from nasnet_keras.layers.image_axes import split_shape
from nasnet_keras.networks.config import NetworkConfig
from nasnet_keras.networks.stacks import network_conventions


def output_dtype() -> str | None:
    """Returns the dtype of layers whose outputs users read.

    Single precision if the other layers compute in half precision, else
    `None`.
    """
    compute = keras.config.dtype_policy().compute_dtype
    return "float32" if compute in ("float16", "bfloat16") else None


def top(config: NetworkConfig, x: Any) -> Any:
    """Adds ReLU, global pooling and classifier, as the configuration asks.

    Args:
        config: `NetworkConfig`.
        x: Keras tensor, the output of the last cell.

    Returns:
        Keras tensor: `(batch, classes)` with `include_top`, else features.
    """
    dtype = output_dtype()
    if config.family.final_relu or not config.include_top:
        x = keras.layers.Activation("relu", dtype=dtype, name="top_relu")(x)
    x = _pooled(config, x, dtype)
    if not config.include_top:
        return x
    if config.dropout_rate:
        x = keras.layers.Dropout(
            config.dropout_rate, dtype=dtype, name="dropout"
        )(x)
    return keras.layers.Dense(
        config.classes,
        activation=_activation(config),
        use_bias=config.family.classifier_bias,
        dtype="float32",
        name="predictions",
    )(x)


def _activation(config):
    """The classifier's activation: a function, or one of Keras' by name."""
    given = config.classifier_activation
    try:
        return keras.activations.get(given)
    except ValueError:
        raise ValueError(
            "`classifier_activation` must be the name of an activation in "
            "keras.activations, a function, or None. Received: "
            f"classifier_activation={given!r}"
        ) from None


def _pooled(config, x, dtype):
    pools = {
        "avg": keras.layers.GlobalAveragePooling2D,
        "max": keras.layers.GlobalMaxPooling2D,
    }
    pooling = "avg" if config.include_top else config.pooling
    if pooling is None:
        return x
    data_format = network_conventions(config).data_format
    return pools[pooling](
        data_format=data_format, dtype=dtype, name="global_pool"
    )(x)


def auxiliary_tap(config: NetworkConfig) -> str:
    """Returns the name of the end point that the auxiliary head reads."""
    after = 2 * config.cells_per_stack
    place = config.family.auxiliary.place
    if place == "after":
        return f"cell_{after}"
    if place == "at":
        return "reduction_cell_1"
    return f"cell_{after - 1}"


def auxiliary_classifier(config: NetworkConfig, x: Any) -> Any:
    """Adds the auxiliary classifier, used in training only (TF-slim).

    Args:
        config: `NetworkConfig`.
        x: Keras tensor, the end point `auxiliary_tap(config)`.

    Returns:
        Keras tensor `(batch, classes)`.

    Raises:
        ValueError: If the height or width is unknown or below 5: the second
            convolution covers the whole map, so its weights depend on it.
    """
    conventions = network_conventions(config)
    head, imagenet = config.family.auxiliary, config.stem == "imagenet"
    data_format = conventions.data_format
    _check_sides(config, x, data_format)
    strides = head.imagenet_strides if imagenet else head.strides
    x = keras.layers.ReLU(name="aux_relu")(x)
    x = keras.layers.AveragePooling2D(
        5, strides, data_format=data_format, name="aux_pool"
    )(x)
    x = conventions.conv(head.filters[0], 1, name="aux_proj")(x)
    x = conventions.batch_norm(name="aux_bn0")(x)
    x = keras.layers.ReLU(name="aux_relu0")(x)
    sides = split_shape(x.shape, data_format)[1:3]
    x = conventions.conv(
        head.filters[1], sides, padding="valid", name="aux_conv"
    )(x)
    if not imagenet or head.imagenet_norm:
        x = conventions.batch_norm(name="aux_bn1")(x)
    x = keras.layers.ReLU(name="aux_relu1")(x)
    x = keras.layers.Flatten(name="aux_flatten")(x)
    return keras.layers.Dense(
        config.classes,
        activation=_activation(config),
        dtype="float32",
        name="auxiliary_predictions",
    )(x)


def _check_sides(config, x, data_format):
    _, height, width, _ = split_shape(x.shape, data_format)
    if None in (height, width) or min(height, width) < 5:
        raise ValueError(
            "`auxiliary_head=True` needs a fixed `input_shape` that leaves at "
            f"least 5x5 pixels to {auxiliary_tap(config)!r}. "
            f"It has {height}x{width}"
        )
