"""Networks of presets: the published ones by function, any by name."""

import json
import logging
import os
import pathlib
import tempfile

import keras

from nasnet_keras.layers.image_axes import image_shape
from nasnet_keras.networks.build import DEFAULTS, build
from nasnet_keras.presets import find_weights, get_preset
from nasnet_keras.presets.cards import preset_card
from nasnet_keras.presets.types import CONFIG_FILE, WEIGHTS_FILE
from nasnet_keras.weights import WeightsError, load_published, load_weights

LOG = logging.getLogger("nasnet_keras")
# What a trained network may have otherwise than its preset says.
FREE = {"trainable", "frozen", "drop_path_rate", "rate", "seed", "dtype"}


def from_preset(preset, weights="default", **overrides):
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
    model, _ = build_preset(preset, weights, **overrides)
    return model


def build_preset(preset, weights="default", **overrides):
    """Does `from_preset`; returns the model and its end points by name."""
    preset = get_preset(preset)
    if weights == "default":
        weights = preset.own_weights
        if weights is None:
            LOG.warning("%s has no weights of its own: random.", preset.name)
    published = find_weights(preset, weights)
    if published is not None:
        overrides = {**published.configuration, **overrides}
    arguments = _arguments(preset, overrides)
    if published is None:
        model, end_points = build(**arguments)
        load_weights(model, weights)
        return model, end_points
    # What cannot be downloaded is said before the network is built.
    same_classes = arguments["classes"] == published.classes
    path = published.fetch(top=arguments["include_top"] and same_classes)
    model, end_points = build(**arguments)
    load_published(model, published, path)
    return model, end_points


def _arguments(preset, overrides):
    """All arguments of `build` for a preset."""
    configuration = preset.configuration
    for names, kind in ((configuration, ValueError), (overrides, TypeError)):
        unknown = sorted(set(names) - set(DEFAULTS))
        if unknown:
            raise kind(
                f"Unexpected argument(s) for {preset.name!r}: "
                f"{', '.join(unknown)}. Those of a network are: weights, "
                f"{', '.join(DEFAULTS)}"
            )
    given = {"name": preset.name, **configuration, **overrides}
    if overrides.get("include_top") is False:
        # Both heads go; that the preset has a second one is no reason.
        given["auxiliary_head"] = overrides.get("auxiliary_head", False)
    if given.get("input_shape") is None:
        data_format = keras.config.image_data_format()
        given["input_shape"] = image_shape(preset.image_size, data_format)
    return {**DEFAULTS, **given}


def save_preset(folder, preset, model):
    """Writes a preset of one's own: configuration, weights and card.

    Args:
        folder: Path; the folder must not exist, or be empty.
        preset: `Preset`, from which the model was built.
        model: `keras.Model`, `from_preset(preset)` after training.

    Returns:
        The `Preset` of the folder; `from_preset(folder)` builds it.

    Raises:
        ValueError: If the folder is not empty, or the model is not one of the
            preset: weights, layers or their settings differ. What concerns
            training alone (dropping, freezing) may.
    """
    folder = pathlib.Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ValueError(
            f"`folder` must be new or empty. Received: folder={str(folder)!r}"
        )
    name = f".{folder.name}."
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=name, dir=folder.parent) as whole:
        whole = pathlib.Path(whole) / "preset"
        whole.mkdir()
        model.save_weights(whole / WEIGHTS_FILE)
        twin, _ = build(**_arguments(preset, {}))
        load_weights(twin, whole / WEIGHTS_FILE)
        _check_same(preset, twin, model)
        config = json.dumps(preset.to_dict(), indent=1)
        (whole / CONFIG_FILE).write_text(config + "\n")
        (whole / "README.md").write_text(
            preset_card(preset, twin.count_params())
        )
        os.replace(whole, folder)
    return get_preset(folder)


def _check_same(preset, twin, model):
    """Raises WeightsError unless the networks have the same layers."""
    expected, found = _settings(twin), _settings(model)
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
    """Name -> configuration of each layer that outputs depend on."""
    passing = (keras.layers.InputLayer, keras.layers.Dropout)
    return {
        layer.name: {
            key: value
            for key, value in layer.get_config().items()
            if key not in FREE
        }
        for layer in model.layers
        if not isinstance(layer, passing)
    }


def NASNetMobile(
    input_shape=None,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="nasnet_mobile",
    **kwargs,
):
    """NASNet-A (4 @ 1056): 5.3 M parameters, 564 M multiply-adds at 224.

    Args: the first ones are those of keras.applications.
        weights: `"imagenet"`, `None` (random), or a path, see `NASNet`. With
            `"imagenet"` and other `classes` than 1000 the body is loaded and
            the classifier is fresh, which is logged.
        kwargs: Any other argument of `NASNet`, for example `genotype`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """
    return _variant("nasnet_mobile", **locals())


def NASNetLarge(
    input_shape=None,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="nasnet_large",
    **kwargs,
):
    """NASNet-A (6 @ 4032): 88.9 M parameters, 23.8 B multiply-adds at 331.

    Args: see `NASNetMobile`. The paper trains Large with
        `auxiliary_head=True` and `drop_path_rate=0.3`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """
    return _variant("nasnet_large", **locals())


def PNASNetMobile(
    input_shape=None,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="pnasnet_mobile",
    **kwargs,
):
    """PNASNet-5 (N = 3, F = 54; arXiv 1712.00559): 5.1 M parameters at 224.

    Args: see `NASNetMobile`. `"imagenet"` is the authors' checkpoint, which
        TensorFlow reads.

    Returns:
        A `keras.Model`, see `NASNet`.
    """
    return _variant("pnasnet_mobile", **locals())


def PNASNetLarge(
    input_shape=None,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="pnasnet_large",
    **kwargs,
):
    """PNASNet-5 (N = 4, F = 216; arXiv 1712.00559): 86.1 M parameters at 331.

    Args: see `PNASNetMobile`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """
    return _variant("pnasnet_large", **locals())


def NASNetCIFAR(
    input_shape=None,
    include_top=True,
    weights=None,
    input_tensor=None,
    pooling=None,
    classes=10,
    classifier_activation="softmax",
    name="nasnet_cifar",
    **kwargs,
):
    """NASNet-A (6 @ 768) for CIFAR-10: 3.4 M parameters at 32.

    Args: see `NASNetMobile`.
        weights: `None` (random), a path, or `"cifar10"`: weights that we
            trained, which come with the package and belong to a smaller
            network, NASNet-A (1 @ 480) of 0.35 M parameters, so that this is
            what is returned. See `pretrained/nasnet_cifar_cifar10.md`.
        kwargs: Any other argument of `NASNet`. The paper trains this network
            with `auxiliary_head=True` and `drop_path_rate=0.4`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """
    return _variant("nasnet_cifar", **locals())


def _variant(preset, kwargs, **arguments):
    """Calls `from_preset` with the arguments of a function above."""
    return from_preset(preset, **arguments, **kwargs)
