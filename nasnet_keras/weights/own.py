"""Loads Keras weights files of our networks, by layer names.

Keras itself matches layers by class and order, so that a file with an
auxiliary head would not load into the same network without it; and it ignores
variables that the network lacks. Its files do hold the layers' names.
"""

from __future__ import annotations

import pathlib
import tempfile
from typing import TYPE_CHECKING

import h5py
import numpy as np

from nasnet_keras.weights.accounts import (
    HEADS,
    Loaded,
    Values,
    WeightsError,
    check_shapes,
    is_head,
    is_own,
    without_foreign,
)
from nasnet_keras.weights.h5 import (
    Datasets,
    Path,
    datasets_of,
    is_legacy,
    open_h5,
)
from nasnet_keras.weights.own_legacy import load_own_legacy
from nasnet_keras.weights.stem import STEMS, adapt_stem

if TYPE_CHECKING:
    import keras


def load_own(
    model: keras.Model,
    path: Path,
    classifier: bool = True,
    adapt: bool = False,
) -> Loaded:
    """Loads a file that Keras wrote of one of our networks.

    The file may be of half precision. Heads that the model does not have are
    passed over.

    Args:
        model: `keras.Model`.
        path: Path of a `.weights.h5`, `.keras` or `.h5` file.
        classifier: Whether to load the classifiers that the model has.
        adapt: Whether to adapt the stem's kernel to other numbers of channels
            than the file's, see `adapt_kernel`; to leave heads that the file
            lacks or has for other classes as they are; and to pass over layers
            that the user of a network added to it.

    Returns:
        `Loaded`.

    Raises:
        WeightsError: If the file holds something else. The model keeps the
            values that it had.
    """
    before = [value.copy() for value in model.get_weights()]
    try:
        with open_h5(path) as file:
            datasets = datasets_of(file, path)
            if is_legacy(file):
                return load_own_legacy(model, path, datasets, classifier, adapt)
            return _load_by_names(model, path, datasets, classifier, adapt)
    except WeightsError:
        raise
    except Exception as error:  # Keras and h5py raise many kinds.
        model.set_weights(before)
        raise WeightsError(
            f"`{path}` does not hold the weights of this network: {error} "
            "Nothing was loaded."
        ) from error


def _load_by_names(model, path, source, classifier, adapt):
    """Loads layers of the same names."""
    values = {"/".join(place): d[()] for place, d in source.items()}
    if adapt:
        own = {layer.name for layer in model.layers}
        values = without_foreign(
            values, lambda name: name in own or is_own(name)
        )
    with tempfile.TemporaryDirectory() as folder:
        # Keras can load the file that it writes here; its values are replaced.
        template = pathlib.Path(folder) / "template.weights.h5"
        model.save_weights(template)
        with h5py.File(template, "a") as file:
            wanted = _by_name(datasets_of(file, template))
            fresh = _fresh(wanted, values, classifier, adapt)
            wanted = {n: d for n, d in wanted.items() if _layer(n) not in fresh}
            layers = {_layer(name) for name in wanted}
            passed_over = {
                name
                for name in values
                if _layer(name) not in layers and is_head(_layer(name))
            }
            values = {n: v for n, v in values.items() if n not in passed_over}
            adapted = False
            if adapt:
                values, adapted = _with_adapted_stem(wanted, values)
            check_shapes(path, _shapes(wanted), _shapes(values))
            for name, dataset in wanted.items():
                dataset[...] = values[name]
        model.load_weights(template)
    names = tuple(x.name for x in model.layers if x.name in fresh)
    return Loaded(
        len(wanted),
        fresh=names,
        passed_over=tuple(sorted(passed_over)),
        adapted=adapted,
    )


def _fresh(wanted, values, classifier, adapt):
    """Returns the names of the layers of heads that keep their values."""
    unmatched = {
        _layer(name)
        for name, dataset in wanted.items()
        if name not in values or values[name].shape != dataset.shape
    }
    fresh = {layer for layer in unmatched if adapt and is_head(layer)}
    return fresh if classifier else fresh.union(HEADS)


def _with_adapted_stem(wanted, values):
    (name,) = (name for name in wanted if _layer(name) in STEMS)
    kernel, channels = values.get(name), wanted[name].shape[2]
    if kernel is None or kernel.ndim != 4 or kernel.shape[2] == channels:
        return values, False
    # In half precision the sum over channels would be rounded again.
    kernel = adapt_stem(kernel.astype("float32"), channels)
    return {**values, name: kernel}, True


def _by_name(datasets: Datasets) -> dict[str, h5py.Dataset]:
    return {"/".join(place): dataset for place, dataset in datasets.items()}


def _layer(name: str) -> str:
    return name.split("/")[0]


def _shapes(items: Values | dict[str, h5py.Dataset]) -> dict[str, tuple]:
    return {name: np.shape(item) for name, item in items.items()}
