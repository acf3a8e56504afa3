"""Models of mixed precision, rebuilt in single precision."""

from typing import Any

import keras

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
    single = _single(config)
    if single == config:
        return model
    copy = type(model).from_config(single)
    copy.set_weights(model.get_weights())
    return copy


def _single(config: Any, key: str = "") -> Any:
    """Replaces the precisions in a configuration, at any depth."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": SINGLE}}
        return {name: _single(value, name) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_single(value, key) for value in config)
    is_dtype = key in DTYPE_KEYS and config in PRECISIONS
    return SINGLE if is_dtype else config
