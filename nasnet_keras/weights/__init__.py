"""Reads weights into a network: ours, keras.applications', TF-slim's.

Every function accounts for each variable of the network and of the source. If
one is missing, left over or of another shape, nothing is loaded.
"""

import dataclasses
import logging
import os
import pathlib
import re
import shutil
import zipfile

import numpy as np

from nasnet_keras.weights.keras_names import CLASSIFIER as KERAS_CLASSIFIER
from nasnet_keras.weights.keras_names import keras_places
from nasnet_keras.weights.own import load_by_names
from nasnet_keras.weights.slim_names import AUXILIARY as SLIM_AUXILIARY
from nasnet_keras.weights.slim_names import CLASSIFIER as SLIM_CLASSIFIER
from nasnet_keras.weights.slim_names import slim_places

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
AUXILIARY_LAYERS = "aux"  # What the names of that head's layers begin with.


class WeightsError(ValueError):
    """The weights of a source are not those of the network.

    Args:
        message: String.
        missing, extra, misshapen: Lists of names, whole; the message shows
            the first ten of each.
    """

    def __init__(self, message, missing=(), extra=(), misshapen=()):
        super().__init__(message)
        self.missing = list(missing)
        self.extra = list(extra)
        self.misshapen = list(misshapen)


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What was loaded.

    Args:
        variables: Integer, how many variables have a new value.
        averages: Integer, how many of them took a moving average.
        fresh: Tuple of the names of layers that were left as they were.
        passed_over: Tuple of the names in the source for which the network
            has no place: of a classifier or auxiliary head that it lacks.
    """

    variables: int
    averages: int = 0
    fresh: tuple = ()
    passed_over: tuple = ()


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
    path = _without_part(os.fspath(path))
    if os.path.isfile(f"{path}.index"):
        return load_tf_slim(model, path)
    if not os.path.isfile(path):
        raise ValueError(
            "`weights` must be None, the path of a weights file, or the prefix "
            "of a TF-slim checkpoint (there is a file PREFIX.index). Weights "
            "that have names, such as 'imagenet', belong to presets: see "
            "`nasnet_keras.NASNetMobile` and `nasnet_keras.from_preset`. "
            f"Received: weights={path!r}"
        )
    if zipfile.is_zipfile(path):  # A whole model, `.keras`.
        return _load_own(model, path)
    with _open_h5(path) as file:
        legacy = "model_weights" in file or bool(_names(file, "layer_names"))
    return (load_keras_applications if legacy else _load_own)(model, path)


def load_keras_applications(model, path, classifier=True, adapt=False):
    """Loads a file of keras.applications (legacy h5), by layer names.

    Args:
        model: `keras.Model` of this package with NASNet-A's cells.
        path: Path of the file, with or without top.
        classifier: Whether to load the classifier, if the model has one.
        adapt: Whether to adapt the stem's kernel to other numbers of channels
            than the file's, see `adapt_kernel`.

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
    fresh = _layers(model, lambda name: name.startswith(AUXILIARY_LAYERS))
    if not classifier:
        fresh += _layers(model, lambda name: name == "predictions")
    places, values, passed_over = _places(
        list(keras_places(model)),
        values,
        fresh,
        model,
        scopes={"predictions": KERAS_CLASSIFIER},
    )
    values = _adapted(model, places, values) if adapt else values
    _assign(model, places, values, fresh, path)
    return Loaded(len(places), fresh=_named(fresh), passed_over=passed_over)


def load_tf_slim(
    model,
    checkpoint_prefix,
    moving_average="auto",
    classifier=True,
    adapt=False,
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
        adapt: Whether to adapt the stem's kernel to other numbers of channels
            than the file's, see `adapt_kernel`, and to leave the auxiliary
            head's second convolution fresh where, for another image size, it
            has another one.

    Returns:
        `Loaded`, which says how many averages were taken.

    Raises:
        WeightsError: If a variable is missing, left over or misshapen. The
            model keeps the values that it had.
        ValueError: If the checkpoint cannot be read, or `moving_average=True`
            and it holds none.
        ImportError: If TensorFlow, which reads it, is not installed.
    """
    if not (moving_average == "auto" or isinstance(moving_average, bool)):
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
    values = _read(reader, checkpoint_prefix, raw | taken, taken)
    places = list(slim_places(model, values))
    fresh = () if classifier else _layers(model, lambda name: name in HEADS)
    fresh += _misfit(model, places, values) if adapt else ()
    places, values, passed_over = _places(
        places,
        values,
        fresh,
        model,
        scopes={
            "predictions": SLIM_CLASSIFIER,
            "auxiliary_predictions": SLIM_AUXILIARY,
        },
    )
    if _has(model, "cell_stem_0"):  # An ImageNet network.
        values = _without_background(places, values, model)
    values = _adapted(model, places, values) if adapt else values
    _assign(model, places, values, fresh, checkpoint_prefix)
    averages = sum(name in taken for _, name in places)
    LOG.info(
        "%s: %d moving averages and %d raw variables",
        checkpoint_prefix,
        averages,
        len(places) - averages,
    )
    return Loaded(len(places), averages, _named(fresh), passed_over)


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


def _adapted(model, places, values):
    """The values, with a stem for the model's number of channels."""
    stem = model.get_layer("stem_conv").kernel
    (name,) = (name for variable, name in places if variable is stem)
    kernel, channels = values.get(name), stem.shape[2]
    if kernel is None or kernel.shape[2] == channels:
        return values
    return {**values, name: _adapt_stem(kernel, channels)}


def _adapt_stem(kernel, channels):
    LOG.warning(
        "The stem's kernel is adapted from %d channels to %d.",
        kernel.shape[2],
        channels,
    )
    return adapt_kernel(kernel, channels)


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


def _has(model, name):
    return any(layer.name == name for layer in model.layers)


def _layers(model, chosen):
    """The layers with weights whose names are chosen, as a tuple."""
    layers = (layer for layer in model.layers if chosen(layer.name))
    return tuple(layer for layer in layers if layer.weights)


def _named(layers):
    return tuple(layer.name for layer in layers)


def _ids(layers):
    return {id(weight) for layer in layers for weight in layer.weights}


def _misfit(model, places, values):
    """The auxiliary convolution that spans a map of another size."""
    shapes = {id(v): values[name].shape for v, name in places if name in values}
    return tuple(
        layer
        for layer in _layers(model, lambda name: name == "aux_conv")
        if shapes.get(id(layer.kernel)) != tuple(layer.kernel.shape)
    )


def _places(places, values, fresh, model, scopes):
    """Takes out what is to stay fresh, and heads that the model lacks.

    Args:
        places: List of pairs: variable, name.
        values: Dictionary, name -> array.
        fresh: Layers that are to stay as they are.
        model: The model.
        scopes: Dictionary, head -> what its names in the source begin with.

    Returns:
        Places and values that remain, and the names that were passed over.
    """
    left = _ids(fresh)
    lacking = tuple(s for head, s in scopes.items() if not _has(model, head))
    passed_over = {name for name in values if name.startswith(lacking)}
    passed_over |= {name for variable, name in places if id(variable) in left}
    return (
        [place for place in places if id(place[0]) not in left],
        {n: v for n, v in values.items() if n not in passed_over},
        tuple(sorted(passed_over & set(values))),
    )


def _assign(model, places, values, fresh, source):
    """Sets all variables, or none if the accounts do not match."""
    wanted = {name: variable.shape for variable, name in places}
    placed = {id(variable) for variable, _ in places} | _ids(fresh)
    for weight in model.weights:
        if id(weight) not in placed:  # Such a source has no name for it.
            wanted[weight.path] = weight.shape
    given = {name: value.shape for name, value in values.items()}
    _check_shapes(source, wanted, given)
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
    raise WeightsError("\n".join(lines), missing, extra, misshapen)


def _load_own(model, path, fresh=(), adapt=None):
    """A file that Keras wrote of one of our networks."""

    def check(wanted, given):
        _check_shapes(path, wanted, given)

    before = [value.copy() for value in model.get_weights()]
    names = _named(fresh)
    try:
        passed_over = load_by_names(model, path, _is_head, check, names, adapt)
    except WeightsError:
        raise
    except Exception as error:  # Of many kinds; whatever it is, all is kept.
        model.set_weights(before)
        raise WeightsError(
            f"`{path}` does not hold the weights of this network: {error} "
            "Nothing was loaded."
        ) from error
    loaded = len(model.weights) - len(_ids(fresh))
    return Loaded(loaded, fresh=names, passed_over=passed_over)


def load_shipped(model, path, classifier=True, adapt=False):
    """Loads a file that comes with this package.

    Args:
        model: `keras.Model` of this package.
        path: Path of a `.weights.h5` file, without auxiliary head.
        classifier: Whether to load the classifier, if the model has one.
        adapt: Whether to adapt the stem's kernel to other numbers of channels
            than the file's, see `adapt_kernel`.

    Returns:
        `Loaded`. An auxiliary head and a classifier not loaded are named in
        `fresh`.

    Raises:
        WeightsError: If a variable is missing, left over or misshapen. The
            model keeps the values that it had.
    """
    fresh = _layers(model, _is_head)
    if classifier:
        fresh = tuple(x for x in fresh if x.name != "predictions")

    def adapted(place, value, shape):
        if place[0] != "stem_conv" or value.shape[2] == shape[2]:
            return value
        # In half precision the sum over channels would be rounded again.
        return _adapt_stem(value.astype("float32"), shape[2])

    return _load_own(model, path, fresh, adapted if adapt else None)


def _is_head(layer):
    """Whether a network may do without that layer of its file."""
    return layer in HEADS or layer.startswith(AUXILIARY_LAYERS)


def _without_part(path):
    """The prefix of a checkpoint, given one of its files."""
    return re.sub(r"\.(index|data-\d+-of-\d+)$", "", path)


def _open_h5(path):
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"`{path}` cannot be read as an h5 file: {error}. If it was "
            "downloaded, it may be cut short."
        ) from error


def _legacy_datasets(file):
    """Returns "layer/variable" -> dataset of a legacy Keras h5 file."""
    path = file.filename
    if "model_weights" in file:
        file = file["model_weights"]
    layers = _names(file, "layer_names")
    if not layers:
        raise ValueError(
            f"`{path}` is no h5 file of keras.applications: it names no layers."
        )
    datasets = {}
    try:
        for layer in layers:
            for name in _names(file[layer], "weight_names"):
                variable = name.rsplit("/", 1)[-1].split(":")[0]
                datasets[f"{layer}/{variable}"] = file[layer][name]
    except KeyError as error:
        raise ValueError(
            f"`{path}` names a layer or variable that it does not hold: {error}"
        ) from error
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
    """Loads published weights, where `published.fetch` has put them.

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
    load = {
        "keras_applications": load_keras_applications,
        "tf_slim": _load_archive,
        "shipped": load_shipped,
    }[published.format]
    try:
        loaded = load(model, path, classifier=classifier, adapt=True)
    except WeightsError:
        raise
    except ValueError as error:
        if published.format != "tf_slim":
            raise
        # The archive was verified, what had been extracted was not.
        LOG.warning("%s Extracting the archive again.", error)
        shutil.rmtree(path)
        path = published.fetch()
        loaded = load(model, path, classifier=classifier, adapt=True)
    if loaded.fresh:
        LOG.warning(
            "%s: not loaded, still random and to be trained: %s.",
            model.name,
            ", ".join(loaded.fresh),
        )
    return loaded


def _load_archive(model, folder, **options):
    """Loads the one checkpoint in a folder."""
    found = pathlib.Path(folder).rglob("*.index")
    prefixes = [_without_part(str(path)) for path in found]
    if len(prefixes) != 1:
        raise ValueError(
            f"`{folder}` should hold one TF-slim checkpoint. Found: {prefixes}"
        )
    return load_tf_slim(model, prefixes[0], **options)
