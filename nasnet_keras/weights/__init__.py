"""Reads weights into a network: ours, keras.applications', TF-slim's.

Every function accounts for each variable of the network and of the source. If
one is missing, left over or of another shape, nothing is loaded.
"""

import dataclasses
import logging
import os
import pathlib
import zipfile

import numpy as np

from nasnet_keras.weights.keras_names import CLASSIFIER as KERAS_CLASSIFIER
from nasnet_keras.weights.keras_names import keras_places
from nasnet_keras.weights.own import load_by_names
from nasnet_keras.weights.slim_names import AUXILIARY, slim_places
from nasnet_keras.weights.slim_names import CLASSIFIER as SLIM_CLASSIFIER

LOG = logging.getLogger("nasnet_keras")
AVERAGE = "/ExponentialMovingAverage"
# What training leaves in a checkpoint besides the network.
STRAYS = (
    "global_step",
    "RMSProp",
    "RMSProp_1",
    "Momentum",
    "Adam",
    "Adam_1",
)
HEADS = ("predictions", "auxiliary_predictions")


class WeightsError(ValueError):
    """The weights of a source are not those of the network."""


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What was loaded.

    Args:
        variables: Integer, how many variables have a new value.
        averages: Integer, how many of them took a moving average.
        fresh: Tuple of the names of layers that were left as they were.
    """

    variables: int
    averages: int = 0
    fresh: tuple = ()


def load_weights(model, path):
    """Loads weights of any kind into a network; `None` leaves it random.

    Args:
        model: `keras.Model` of this package.
        path: `None` or a path: of a file that `model.save_weights` or
            `model.save` wrote, of an h5 file of keras.applications, or the
            prefix of a TF-slim checkpoint.

    Returns:
        `Loaded`, or `None` where there was nothing to load.

    Raises:
        WeightsError: If the weights are not those of the network.
        ValueError: If there is no such file, or it holds no weights.
    """
    if path is None:
        return None
    path = os.fspath(path)
    if os.path.isfile(f"{path}.index"):
        return load_tf_slim(model, path)
    if not os.path.isfile(path):
        raise ValueError(
            "`weights` must be None, the path of a weights file, the prefix of "
            "a TF-slim checkpoint (PREFIX.index), or the name of a preset's "
            f"weights, such as 'imagenet'. Received: weights={path!r}"
        )
    if zipfile.is_zipfile(path):  # A whole model, `.keras`.
        return _load_own(model, path)
    with _open_h5(path) as file:
        legacy = "model_weights" in file or bool(_names(file, "layer_names"))
    return (load_keras_applications if legacy else _load_own)(model, path)


def load_keras_applications(model, path, classifier=True, adapt_channels=False):
    """Loads a file of keras.applications (legacy h5), by layer names.

    Args:
        model: `keras.Model` of this package with NASNet-A's cells.
        path: Path of the file, with or without top.
        classifier: Whether to load the classifier, if the model has one.
        adapt_channels: Whether to adapt the stem's kernel to other numbers of
            channels than the file's, see `adapt_kernel`.

    Returns:
        `Loaded`. An auxiliary head, which such files do not hold, and a
        classifier not loaded are named in `fresh`.

    Raises:
        WeightsError: If a variable is missing, left over or misshapen. The
            model keeps the values that it had.
        ValueError: If the file cannot be read or holds something else.
    """
    with _open_h5(path) as file:
        values = {n: np.asarray(v) for n, v in _legacy_datasets(file).items()}
    places = list(keras_places(model))
    fresh = _heads(model, auxiliary=True, classifier=not classifier)
    if "predictions" in fresh or not _has(model, "predictions"):
        places = [p for p in places if not p[1].startswith(KERAS_CLASSIFIER)]
        values = _without(values, KERAS_CLASSIFIER)
    values = _adapted(model, places, values, adapt_channels)
    _assign(places, values, path)
    return Loaded(len(places), fresh=fresh)


def load_tf_slim(
    model,
    checkpoint_prefix,
    moving_average="auto",
    classifier=True,
    adapt_channels=False,
):
    """Loads a checkpoint of the authors' code, NASNet or PNASNet.

    The background class, the first of their ImageNet networks, is dropped.
    Heads that the model does not have are passed over.

    Args:
        model: `keras.Model` of this package.
        checkpoint_prefix: Path without `.index`.
        moving_average: `"auto"` takes the moving average of each variable
            that has one; `True` demands that there are some; `False` takes
            the raw variables.
        classifier: Whether to load the classifiers that the model has.
        adapt_channels: Whether to adapt the stem's kernel to other numbers of
            channels than the file's, see `adapt_kernel`.

    Returns:
        `Loaded`, which says how many averages were taken.

    Raises:
        WeightsError: If a variable is missing, left over or misshapen. The
            model keeps the values that it had.
        ValueError: If the checkpoint cannot be read, or `moving_average=True`
            and it holds none.
        ImportError: If TensorFlow, which reads it, is not installed.
    """
    if moving_average not in ("auto", True, False):
        raise ValueError(
            "`moving_average` must be 'auto', True or False. "
            f"Received: moving_average={moving_average!r}"
        )
    reader = _checkpoint_reader(checkpoint_prefix)
    names = set(reader.get_variable_to_shape_map())
    averaged = {n.removesuffix(AVERAGE) for n in names if n.endswith(AVERAGE)}
    if moving_average is True and not averaged:
        raise ValueError(
            f"`{checkpoint_prefix}` holds no moving averages: pass "
            "`moving_average='auto'` or `False`."
        )
    raw = {n for n in names if n.split("/")[-1] not in (*STRAYS, AVERAGE[1:])}
    taken = averaged if moving_average is not False else set()
    fresh = _heads(model, auxiliary=not classifier, classifier=not classifier)
    skipped = _skipped_scopes(model, fresh)
    held = {name for name in raw | taken if not name.startswith(skipped)}
    places = [
        place
        for place in slim_places(model, held)
        if not place[1].startswith(skipped)
    ]
    values = _read(reader, checkpoint_prefix, held, taken)
    values = _without_background(places, values, model)
    values = _adapted(model, places, values, adapt_channels)
    _assign(places, values, checkpoint_prefix)
    averages = sum(name in taken for _, name in places)
    LOG.info(
        "%s: %d moving averages and %d raw variables",
        checkpoint_prefix,
        averages,
        len(places) - averages,
    )
    return Loaded(len(places), averages, fresh)


def adapt_kernel(kernel, channels):
    """Adapts a kernel that takes RGB images to another number of channels.

    One channel: the sum over the three, so that a grey image gives what it
    would give as RGB. More, or two: the three in turn, repeated, and scaled by
    3 / channels, so that the sums keep their size.

    Args:
        kernel: Array `(height, width, 3, filters)`.
        channels: Integer.

    Returns:
        Array `(height, width, channels, filters)`.
    """
    given = kernel.shape[2]
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    repeated = kernel[:, :, np.arange(channels) % given]
    return repeated * (given / channels)


def _adapted(model, places, values, adapt_channels):
    stem = model.get_layer("stem_conv").kernel
    (name,) = (name for variable, name in places if variable is stem)
    if adapt_channels and name in values:
        kernel, channels = values[name], stem.shape[2]
        if kernel.shape[2] != channels:
            LOG.warning(
                "The stem's kernel is adapted from %d channels to %d.",
                kernel.shape[2],
                channels,
            )
            return {**values, name: adapt_kernel(kernel, channels)}
    return values


def _without_background(places, values, model):
    """Drops the first class where the source has one more than the model."""
    values = dict(values)
    heads = [layer for layer in model.layers if layer.name in HEADS]
    for variable, name in places:
        for layer in heads:
            one_more = layer.units + 1
            if variable is layer.kernel or variable is layer.bias:
                value = values.get(name)
                if value is not None and value.shape[-1] == one_more:
                    values[name] = value[..., 1:]
    return values


def _skipped_scopes(model, fresh):
    """Scopes of the heads that the model does not have, or is to keep."""
    scopes = {
        "predictions": SLIM_CLASSIFIER,
        "auxiliary_predictions": AUXILIARY,
    }
    return tuple(
        scope
        for name, scope in scopes.items()
        if name in fresh or not _has(model, name)
    )


def _has(model, name):
    return any(layer.name == name for layer in model.layers)


def _heads(model, auxiliary, classifier):
    asked = zip(HEADS, (classifier, auxiliary))
    return tuple(name for name, left in asked if left and _has(model, name))


def _without(values, prefix):
    return {n: v for n, v in values.items() if not n.startswith(prefix)}


def _assign(places, values, source):
    """Sets all variables, or none if the accounts do not match."""
    _check_shapes(
        source,
        wanted={name: variable.shape for variable, name in places},
        given={name: value.shape for name, value in values.items()},
    )
    for variable, name in places:
        variable.assign(values[name])


def _check_shapes(source, wanted, given):
    """Raises WeightsError unless names and shapes agree."""
    misshapen = [
        f"{name} {tuple(given[name])} for {tuple(shape)}"
        for name, shape in wanted.items()
        if name in given and tuple(given[name]) != tuple(shape)
    ]
    missing = sorted(set(wanted) - set(given))
    extra = sorted(set(given) - set(wanted))
    _check_accounts(source, missing, extra, misshapen)


def _check_accounts(source, missing, extra, misshapen):
    accounts = {"missing": missing, "extra": extra, "misshapen": misshapen}
    if not any(accounts.values()):
        return
    lines = [f"`{source}` does not hold the weights of this network."]
    for kind, names in accounts.items():
        if names:
            shown = ", ".join(names[:10]) + ", ..." * (len(names) > 10)
            lines.append(f"{len(names)} {kind}: {shown}")
    lines.append("Nothing was loaded.")
    raise WeightsError("\n".join(lines))


def _load_own(model, path):
    """A file that Keras wrote of one of our networks."""

    def check(wanted, given):
        _check_shapes(path, wanted, given)

    before = model.get_weights()
    try:
        load_by_names(model, path, _is_head, check)
    except WeightsError:
        raise
    except Exception as error:  # Of many kinds; whatever it is, all is kept.
        model.set_weights(before)
        raise WeightsError(
            f"`{path}` does not hold the weights of this network: {error} "
            "Nothing was loaded."
        ) from error
    return Loaded(len(model.weights))


def _is_head(layer):
    """Whether a network may do without that layer of its file."""
    return layer in HEADS or layer.startswith(AUXILIARY)


def _open_h5(path):
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"`{path}` cannot be read as an h5 file: {error}. If it was "
            "downloaded, it may be cut short: delete it and try again."
        ) from error


def _legacy_datasets(file):
    """Returns "layer/variable" -> dataset of a legacy Keras h5 file."""
    if "model_weights" in file:
        file = file["model_weights"]
    layers = _names(file, "layer_names")
    if not layers:
        raise ValueError(
            f"`{file.file.filename}` is no h5 file of keras.applications: it "
            "names no layers."
        )
    datasets = {}
    for layer in layers:
        group = file[layer]
        for name in _names(group, "weight_names"):
            variable = name.rsplit("/", 1)[-1].split(":")[0]
            datasets[f"{layer}/{variable}"] = group[name]
    return datasets


def _names(group, key):
    """Returns a list of names in an attribute, which Keras may have split."""
    parts = [key, *(f"{key}{number}" for number in range(len(group.attrs)))]
    names = [n for part in parts for n in group.attrs.get(part, ())]
    return [n.decode() if isinstance(n, bytes) else str(n) for n in names]


def _checkpoint_reader(prefix):
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            "TF-slim checkpoints are read by TensorFlow, which is not "
            "installed here. Where it is, convert the checkpoint once: "
            f"`nasnet convert {prefix} --preset PRESET --output F.weights.h5`; "
            "such a file loads on every backend."
        ) from error
    try:
        return tf.train.load_checkpoint(os.fspath(prefix))
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"`{prefix}` cannot be read as a checkpoint: {error}"
        ) from error


def _read(reader, prefix, names, averaged):
    """The values of variables; of those in `averaged` the averages."""
    try:
        return {
            name: reader.get_tensor(name + AVERAGE * (name in averaged))
            for name in names
        }
    except Exception as error:  # Of several kinds, by what is damaged.
        raise ValueError(
            f"`{prefix}` cannot be read as a checkpoint: {error}"
        ) from error


def load_published(model, published, path):
    """Loads published weights that `published.fetch` has downloaded.

    A classifier of another number of classes is left fresh, other numbers of
    channels adapt the stem; both are said (logger `nasnet_keras`).

    Args:
        model: `keras.Model` of this package.
        published: `nasnet_keras.presets.Weights`.
        path: Path of the file, or of the archive's folder.

    Returns:
        `Loaded`.
    """
    classifier = _has(model, "predictions") and (
        model.get_layer("predictions").units == published.classes
    )
    load = load_keras_applications
    if published.format == "tf_slim":
        load, path = load_tf_slim, _only_prefix(pathlib.Path(path))
    loaded = load(model, path, classifier=classifier, adapt_channels=True)
    if loaded.fresh:
        LOG.warning(
            "%s: not loaded, still random and to be trained: %s.",
            model.name,
            ", ".join(loaded.fresh),
        )
    return loaded


def _only_prefix(folder):
    """The prefix of the one checkpoint in a folder."""
    prefixes = [str(p)[: -len(".index")] for p in folder.rglob("*.index")]
    if len(prefixes) != 1:
        raise ValueError(
            f"`{folder}` should hold one TF-slim checkpoint. Found: {prefixes}"
        )
    return prefixes[0]
