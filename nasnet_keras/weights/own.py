"""Weights files that Keras wrote of our networks, read by layer names.

Keras itself matches layers by class and order, so that a file with an
auxiliary head would not load into the same network without it; and it passes
over what is left over. It does keep the names, by which this goes.
"""

import contextlib
import pathlib
import tempfile
import zipfile

import h5py


def layer_datasets(file):
    """Returns a dictionary: (layer, place within it) -> h5 dataset."""
    datasets = {}
    if "layers" not in file:
        return datasets
    for key, group in file["layers"].items():
        name = group["vars"].attrs.get("name", key) if "vars" in group else key

        def note(place, item, name=name):
            if isinstance(item, h5py.Dataset):
                datasets[name, place] = item

        group.visititems(note)
    return datasets


@contextlib.contextmanager
def open_weights(path):
    """Opens the h5 file of weights, also the one within a `.keras` archive."""
    with contextlib.ExitStack() as stack:
        file = path
        if zipfile.is_zipfile(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
            file = stack.enter_context(archive.open("model.weights.h5"))
        yield stack.enter_context(h5py.File(file, "r"))


def load_by_names(model, path, may_lack, check, fresh=(), adapt=None):
    """Loads a file into a network whose layers have the same names.

    The file may be of half precision.

    Args:
        model: `keras.Model`.
        path: Path of a `.weights.h5` or `.keras` file.
        may_lack: Function of a layer's name: whether the network may do
            without it.
        check: Function of two dictionaries, of what the network expects and
            of what the file holds: place -> shape. It raises an error unless
            they agree.
        fresh: Names of layers that are to stay as they are, which the file
            may hold.
        adapt: Optional function of a place, its value in the file and the
            shape that the network wants, which returns what is loaded.

    Returns:
        Tuple of the names that were passed over.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Keras lays out the file that it will read; we put in the values.
        template = pathlib.Path(folder) / "template.weights.h5"
        model.save_weights(template)
        with open_weights(path) as source, h5py.File(template, "a") as target:
            wanted = _without(layer_datasets(target), fresh)
            layers = {layer for layer, _ in wanted}
            given = layer_datasets(source)
            left = {p for p in given if p[0] not in layers and may_lack(p[0])}
            values = {p: d[()] for p, d in given.items() if p not in left}
            if adapt is not None:
                values = {
                    p: adapt(p, value, wanted[p].shape)
                    if p in wanted
                    else value
                    for p, value in values.items()
                }
            check(_shapes(wanted), _shapes(values))
            for place, dataset in wanted.items():
                dataset[...] = values[place]
        model.load_weights(template)
    return tuple(sorted(map("/".join, left)))


def _without(datasets, layers):
    return {p: d for p, d in datasets.items() if p[0] not in layers}


def _shapes(datasets):
    return {"/".join(place): d.shape for place, d in datasets.items()}
