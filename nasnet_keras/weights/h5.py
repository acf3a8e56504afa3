"""Reads the h5 files of Keras: its legacy ones, those of Keras 3, archives."""

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import h5py

from nasnet_keras.runs.files import DAMAGED_ZIP

# What h5py raises for damaged files, besides errors of reading.
UNREADABLE = (LookupError, OSError, RuntimeError, TypeError, AttributeError)
Path = str | os.PathLike[str]
Place = tuple[str, str]  # Name of a layer; path of a variable within it.
Datasets = dict[Place, h5py.Dataset]


@contextlib.contextmanager
def open_h5(path: Path) -> Iterator[h5py.File]:
    """Opens an h5 file, or the one within a `.keras` archive.

    Raises:
        ValueError: If it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            source: Any = path
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    # Read whole, its checksum is compared.
                    source = io.BytesIO(archive.read("model.weights.h5"))
            file = stack.enter_context(h5py.File(source, "r"))
        except (*DAMAGED_ZIP, KeyError) as error:
            raise ValueError(
                f"`{path}` cannot be read as an h5 file: {error}. If it was "
                "downloaded or copied, it may be cut or damaged: do so again."
            ) from error
        yield file


def is_legacy(file: h5py.File) -> bool:
    """Whether Keras wrote the file in its older format, as Keras 2 did.

    keras.applications publishes such files, and `model.save("x.h5")` writes
    one of the whole model.
    """
    return "model_weights" in file or bool(_names(file, "layer_names"))


def datasets_of(file: h5py.File, path: Path) -> Datasets:
    """Returns a dictionary: place -> dataset. Layers are found by name.

    Those of a model within the model are among them.

    Args:
        file: The open file.
        path: Its path, for messages.

    Raises:
        ValueError: If it names no layers, or contradicts itself.
    """
    datasets: Datasets = {}
    try:
        if is_legacy(file):
            _add_legacy_layers(file.get("model_weights", file), datasets)
        elif "layers" in file:
            _add_layers(file["layers"], datasets)
    except UNREADABLE as error:
        raise ValueError(f"`{path}` contradicts itself: {error}") from error
    if not datasets:
        raise ValueError(
            f"`{path}` holds no weights that Keras wrote: it names no layers."
        )
    return datasets


# Not by `keras.saving.KerasFileEditor` (Keras 3.15): it skips every layer
# inside a layer, here all cells: of Mobile's 1126 variables it reads 7.
def _add_layers(layers: h5py.Group, datasets: Datasets) -> None:
    for key, group in layers.items():
        if "layers" in group:  # A model: a cell's layers are in other groups.
            _add_layers(group["layers"], datasets)
            continue
        name = group["vars"].attrs.get("name", key) if "vars" in group else key

        def note(place: str, item: Any, name: str = name) -> None:
            if isinstance(item, h5py.Dataset):
                _add(datasets, (name, place), item)

        group.visititems(note)


def _add_legacy_layers(layers: h5py.Group, datasets: Datasets) -> None:
    for layer in _names(layers, "layer_names"):
        for name in _names(layers[layer], "weight_names"):
            dataset = layers[layer][name]
            _add(datasets, (layer, name.split(":")[0]), dataset)


def _add(datasets, place, dataset):
    if place in datasets:
        raise KeyError(f"two variables are named {'/'.join(place)}")
    datasets[place] = dataset


def _names(group, key):
    """Returns a list of names in an attribute, which Keras may have split."""
    parts = [key, *(f"{key}{number}" for number in range(len(group.attrs)))]
    names = [n for part in parts for n in group.attrs.get(part, ())]
    return [n.decode() if isinstance(n, bytes) else str(n) for n in names]
