"""Networks of presets: the published ones by function, any by name."""

import json
import logging
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from nasnet_keras.networks.build import build_network
from nasnet_keras.networks.stacks import State
from nasnet_keras.presets import find_weights, get_preset
from nasnet_keras.presets.cards import preset_card
from nasnet_keras.presets.types import CONFIG_FILE, WEIGHTS_FILE, Preset
from nasnet_keras.runs.files import replacing
from nasnet_keras.weights import (
    Loaded,
    WeightsError,
    load_published,
    load_weights,
)

LOG = logging.getLogger("nasnet_keras")
# Settings of layers in which a trained network may differ from its preset.
TRAINING_SETTINGS = {
    "trainable",
    "frozen",
    "drop_path_rate",
    "rate",
    "seed",
    "dtype",
}
PathLike = str | os.PathLike[str]


def from_preset(
    preset: Preset | PathLike,
    weights: PathLike | None = "default",
    **overrides: Any,
) -> keras.Model:
    """Builds a network from a preset: a name or a folder.

    Args:
        preset: String, one of `nasnet_keras.list_presets()`, the path of a
            folder that `save_preset` wrote, or a `Preset`.
        weights: `None` (random), a name of the preset's weights
            (`"imagenet"`), or a path, see `NASNet`. By default the preset's
            own: the folder's, else the published ones, else random.
        overrides: Any argument of `NASNet`, in place of the preset's.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If there is no such preset, or it has no such weights.
        DownloadError: If weights cannot be downloaded (see
            `nasnet_keras.weights.download`).
    """
    return build_preset(preset, weights, **overrides)[0]


def build_preset(
    preset: Preset | PathLike,
    weights: PathLike | None = "default",
    input_tensor: Any = None,
    **overrides: Any,
) -> tuple[keras.Model, dict[str, State], Loaded | None]:
    """As `from_preset`; also returns what was loaded.

    Returns:
        The model; its end points by name; `Loaded`, or `None` if the weights
        are random.
    """
    preset = get_preset(preset)
    if weights == "default":
        weights = preset.own_weights
        if weights is None:
            LOG.warning("%s has no weights of its own: random.", preset.name)
    published = find_weights(preset, weights)
    if published is not None:
        overrides = {**published.configuration, **overrides}
    if input_tensor is not None:  # It has a shape of its own.
        overrides.pop("input_shape", None)
    config = preset.config(**overrides)
    if published is None:
        model, end_points = build_network(config, input_tensor)
        return model, end_points, load_weights(model, weights, adapt=True)
    # Downloaded before the network is built, so that a failure is quick.
    same_classes = config.classes == published.classes
    path = published.fetch(top=config.include_top and same_classes)
    model, end_points = build_network(config, input_tensor)
    return model, end_points, load_published(model, published, path)


def save_preset(folder: PathLike, preset: Preset, model: keras.Model) -> Preset:
    """Writes your own preset: configuration, weights and card.

    Args:
        folder: Path; the folder must not exist, or be empty.
        preset: `Preset`, from which the model was built.
        model: `keras.Model`, `from_preset(preset)` after training.

    Returns:
        The `Preset` of the folder; `from_preset(folder)` builds it.

    Raises:
        ValueError: If the folder is not empty, or the model is not one of the
            preset: weights, layers or their settings differ. Settings of
            training alone (dropout, drop path, freezing) may differ.
    """
    folder = pathlib.Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ValueError(
            f"`folder` must be new or empty. Received: folder={str(folder)!r}"
        )
    with replacing(folder) as new:
        new.mkdir()
        model.save_weights(new / WEIGHTS_FILE)
        rebuilt, _ = build_network(preset.config())
        load_weights(rebuilt, new / WEIGHTS_FILE)
        _check_same(preset, rebuilt, model)
        config = json.dumps(preset.to_dict(), indent=1)
        (new / CONFIG_FILE).write_text(config + "\n")
        (new / "README.md").write_text(
            preset_card(preset, rebuilt.count_params())
        )
    return get_preset(folder)


def _check_same(preset, rebuilt, model):
    """Raises WeightsError unless the networks have the same layers."""
    expected, found = _settings(rebuilt), _settings(model)
    differing = sorted(
        name
        for name in {*expected, *found}
        if expected.get(name) != found.get(name)
    )
    if differing:
        raise WeightsError(
            f"`model` is not what the preset {preset.name!r} describes. "
            f"Layers that differ: {', '.join(differing)}. Give the preset the "
            "arguments with which the model was built."
        )


def _settings(model):
    """Layer name -> the settings that outputs depend on."""
    ignored = (keras.layers.InputLayer, keras.layers.Dropout)
    return {
        layer.name: {
            key: value
            for key, value in layer.get_config().items()
            if key not in TRAINING_SETTINGS
        }
        for layer in model.layers
        if not isinstance(layer, ignored)
    }


def _application(
    preset: str, weights: str | None = "imagenet", classes: int = 1000
) -> Callable[[Callable[[], None]], Callable[..., keras.Model]]:
    """Decorator that makes a builder with keras.applications' arguments.

    Args:
        preset: String, the preset's name.
        weights: Default of the function's `weights`.
        classes: Default of the function's `classes`.

    Returns:
        Decorator of a function without a body; the builder gets its name and
        docstring.
    """

    def builder(documented):
        def build(
            input_shape=None,
            include_top=True,
            weights=weights,
            input_tensor=None,
            pooling=None,
            classes=classes,
            classifier_activation="softmax",
            name=preset,
            **kwargs,
        ):
            return from_preset(
                preset,
                weights,
                input_shape=input_shape,
                include_top=include_top,
                input_tensor=input_tensor,
                pooling=pooling,
                classes=classes,
                classifier_activation=classifier_activation,
                name=name,
                **kwargs,
            )

        for attribute in ("__name__", "__qualname__", "__doc__"):
            setattr(build, attribute, getattr(documented, attribute))
        return build

    return builder


@_application("nasnet_mobile")
def NASNetMobile():
    """NASNet-A (4 @ 1056): 5.3 M parameters, 564 M multiply-adds at 224.

    Args: the first ones are those of keras.applications.
        weights: `"imagenet"`, `None` (random), or a path, see `NASNet`. With
            `"imagenet"` and other `classes` than 1000 the body is loaded and
            the classifier is random, which is logged.
        kwargs: Any other argument of `NASNet`, for example `genotype`. To
            train from scratch for hundreds of steps with `model.fit`, give
            `batch_norm_momentum=0.9`: with the authors' 0.9997 the moving
            statistics, which evaluation uses, need thousands.

    Returns:
        A `keras.Model`, see `NASNet`.
    """


@_application("nasnet_large")
def NASNetLarge():
    """NASNet-A (6 @ 4032): 88.9 M parameters, 23.8 B multiply-adds at 331.

    Args: see `NASNetMobile`. The paper trains Large with
        `auxiliary_head=True` and `drop_path_rate=0.3`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """


@_application("pnasnet_mobile")
def PNASNetMobile():
    """PNASNet-5 (N = 3, F = 54; arXiv 1712.00559): 5.1 M parameters at 224.

    Args: see `NASNetMobile`. `"imagenet"` is the authors' checkpoint, which
        TensorFlow reads.

    Returns:
        A `keras.Model`, see `NASNet`.
    """


@_application("pnasnet_large")
def PNASNetLarge():
    """PNASNet-5 (N = 4, F = 216; arXiv 1712.00559): 86.1 M parameters at 331.

    Args: see `PNASNetMobile`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """


@_application("nasnet_cifar", weights=None, classes=10)
def NASNetCIFAR():
    """NASNet-A (6 @ 768) for CIFAR-10: 3.4 M parameters at 32.

    Args: see `NASNetMobile`.
        weights: `None` (random), a path, or `"cifar10"`: weights that we
            trained, shipped with the package. They belong to a smaller
            network, NASNet-A (1 @ 480) of 0.35 M parameters, which is then
            returned. See `pretrained/nasnet_cifar_cifar10.md`.
        kwargs: Any other argument of `NASNet`. The paper trains this network
            with `auxiliary_head=True` and `drop_path_rate=0.4`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """
