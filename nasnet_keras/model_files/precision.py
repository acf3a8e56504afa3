"""Models rebuilt in another precision."""

from typing import Any

import keras

from nasnet_keras.layers.walk import all_layers
from nasnet_keras.layers.whitening import Whitening
from nasnet_keras.model_files.copying import copy_weights
from nasnet_keras.model_files.graph import last_operations

SINGLE = "float32"
PRECISIONS = (
    "float16",
    "bfloat16",
    "float64",
    "mixed_float16",
    "mixed_bfloat16",
)
# `source_name` is that of a quantized policy.
DTYPE_KEYS = ("dtype", "default_policy", "source_name")
# They take pixels, of which half precision would round some.
PREPROCESSING = (
    keras.layers.Normalization,
    keras.layers.Rescaling,
    Whitening,
)


def in_single_precision(model: keras.Model) -> keras.Model:
    """Returns the same model with every layer in single precision.

    Runtimes other than Keras' refuse half precision, or compute it slowly.
    Layers that are quantized stay so.

    Args:
        model: `keras.Model`; models within it are rebuilt, too.

    Returns:
        A new model with the same weights; `model` itself if it has only
        layers of single precision.
    """
    config = model.get_config()
    return _rebuilt(model, config, _single(config))


def in_precision(model: keras.Model, policy: str) -> keras.Model:
    """Returns the same model with the layers of a dtype policy.

    Of half precision, preprocessing and the layers after the last feature map
    stay single, as in our networks.

    Args:
        model: Functional `keras.Model`; models within it are rebuilt, too.
        policy: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`.

    Returns:
        A new model with the same weights; `model` itself if it has layers of
        that policy already, and of single precision no others.
    """
    if policy == SINGLE:
        return in_single_precision(model)
    found = _policies(model)
    if policy in found and found <= {policy, SINGLE}:
        return model
    config = model.get_config()
    return _rebuilt(model, config, _mixed(model, config, policy))


def _policies(model: keras.Model) -> set[str]:
    """The policies of layers with weights: a model's own does not count."""
    return {
        layer.dtype_policy.name
        for layer in all_layers(model)
        if layer.weights and not isinstance(layer, keras.Model)
    }


def _rebuilt(model: keras.Model, before: Any, config: Any) -> keras.Model:
    if config == before:
        return model
    copy = type(model).from_config(config)
    copy_weights(model, copy)
    return copy


def _single(config: Any, key: str = "") -> Any:
    """Replaces the precisions in a configuration, at any depth."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return _policy(config, SINGLE)
        return {name: _single(value, name) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_single(value, key) for value in config)
    is_dtype = key in DTYPE_KEYS and config in PRECISIONS
    return SINGLE if is_dtype else config


def _policy(config: dict[str, Any], name: str) -> dict[str, Any]:
    return {**config, "config": {"name": name}}


def _mixed(model: keras.Model, config: Any, policy: str) -> Any:
    """Replaces the policies of layers, but those that stay single."""
    single = last_operations(model)
    layers = {layer.name: layer for layer in model.layers}

    def replaced(entry):
        name = entry["config"].get("name")
        layer, inner = layers.get(name), entry["config"]
        if isinstance(layer, keras.Model):
            inner = _mixed(layer, inner, policy)
        elif name in single or isinstance(layer, PREPROCESSING):
            inner = _single(inner)
        else:
            inner = _with_policy(inner, policy)
        return {**entry, "config": inner}

    return {**config, "layers": [replaced(entry) for entry in config["layers"]]}


def _with_policy(config: Any, policy: str) -> Any:
    """Replaces the policies in the configuration of a layer, at any depth."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return _policy(config, policy)
        return {n: _with_policy(value, policy) for n, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_with_policy(value, policy) for value in config)
    return config
