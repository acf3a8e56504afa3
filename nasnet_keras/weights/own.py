"""Loads Keras weights files of our networks, by layer names.

Keras itself matches layers by class and order, so that a file with an
auxiliary head would not load into the same network without it; and it ignores
variables that the network lacks. Its files do hold the layers' names.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from nasnet_keras.weights.accounts import (
    Layers,
    Loaded,
    WeightsError,
    check_shapes,
    is_head,
    layer_names,
    select_layers,
    weight_ids,
)
from nasnet_keras.weights.stem import adapt_stem

if TYPE_CHECKING:
    import keras

Place = tuple[str, str]  # Name of a layer; path of a variable within it.


def load_shipped(
    model: keras.Model,
    path: str | os.PathLike[str],
    classifier: bool = True,
    adapt: bool = False,
) -> Loaded:
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
    fresh = select_layers(model, is_head)
    if classifier:
        fresh = tuple(x for x in fresh if x.name != "predictions")

    def adapted(place, value, shape):
        if place[0] != "stem_conv" or value.shape[2] == shape[2]:
            return value
        # In half precision the sum over channels would be rounded again.
        return adapt_stem(value.astype("float32"), shape[2])

    return load_own(model, path, fresh, adapted if adapt else None)


def load_own(
    model: keras.Model,
    path: str | os.PathLike[str],
    fresh: Layers = (),
    adapt: Callable[[Place, np.ndarray, tuple], np.ndarray] | None = None,
) -> Loaded:
    """Loads a file that Keras wrote of one of our networks.

    The file may be of half precision.

    Args:
        model: `keras.Model`.
        path: Path of a `.weights.h5` or `.keras` file.
        fresh: Layers that keep their values, even if the file holds them.
        adapt: Optional function of a place, its value in the file and the
            shape in the network, which returns the value to load.

    Returns:
        `Loaded`.

    Raises:
        WeightsError: If the file holds something else. The model keeps the
            values that it had.
    """
    before = [value.copy() for value in model.get_weights()]
    names = layer_names(fresh)
    try:
        passed_over = _load_by_names(model, path, names, adapt)
    except WeightsError:
        raise
    except Exception as error:  # Keras and h5py raise many kinds.
        model.set_weights(before)
        raise WeightsError(
            f"`{path}` does not hold the weights of this network: {error} "
            "Nothing was loaded."
        ) from error
    loaded = len(model.weights) - len(weight_ids(fresh))
    return Loaded(loaded, fresh=names, passed_over=passed_over)


def _load_by_names(model, path, fresh, adapt):
    """Loads layers of the same names; returns the names passed over."""
    with tempfile.TemporaryDirectory() as folder:
        # Keras can load the file that it writes here; its values are replaced.
        template = pathlib.Path(folder) / "template.weights.h5"
        model.save_weights(template)
        with _open_weights(path) as source, h5py.File(template, "a") as target:
            wanted = {
                place: dataset
                for place, dataset in _layer_datasets(target).items()
                if place[0] not in fresh
            }
            layers = {layer for layer, _ in wanted}
            given = _layer_datasets(source)
            passed_over = {
                place
                for place in given
                if place[0] not in layers and is_head(place[0])
            }
            values = {
                place: dataset[()]
                for place, dataset in given.items()
                if place not in passed_over
            }
            if adapt is not None:
                for place in wanted.keys() & values.keys():
                    shape = wanted[place].shape
                    values[place] = adapt(place, values[place], shape)
            check_shapes(path, _shapes(wanted), _shapes(values))
            for place, dataset in wanted.items():
                dataset[...] = values[place]
        model.load_weights(template)
    return tuple(sorted(map("/".join, passed_over)))


# Not by `keras.saving.KerasFileEditor` (Keras 3.15): it skips every layer
# inside a layer, here all cells: of Mobile's 1126 variables it reads 7.
def _layer_datasets(file: h5py.File) -> dict[Place, h5py.Dataset]:
    """Returns a dictionary: place -> dataset."""
    datasets: dict[Place, h5py.Dataset] = {}
    if "layers" not in file:
        return datasets
    for key, group in file["layers"].items():
        name = group["vars"].attrs.get("name", key) if "vars" in group else key

        def note(place: str, item: Any, name: str = name) -> None:
            if isinstance(item, h5py.Dataset):
                datasets[name, place] = item

        group.visititems(note)
    return datasets


@contextlib.contextmanager
def _open_weights(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Opens a weights file, or the one within a `.keras` archive."""
    with contextlib.ExitStack() as stack:
        file: Any = path
        if zipfile.is_zipfile(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
            file = stack.enter_context(archive.open("model.weights.h5"))
        yield stack.enter_context(h5py.File(file, "r"))


def _shapes(items):
    return {"/".join(place): item.shape for place, item in items.items()}
