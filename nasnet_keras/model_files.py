"""`.keras` files that carry what a model is for: class names, origin.

Such a file is Keras' own. One member more, `about.json`, says what Keras has
no place for.
"""

import json
import os
import pathlib
import tempfile
import zipfile

ABOUT = "about.json"


def save_model(model, path, about=None):
    """Writes a model whole or not at all.

    Args:
        model: `keras.Model`.
        path: Path that ends in `.keras`.
        about: Optional dictionary that JSON can hold: `class_names` (list by
            label), `image_size` (side in pixels), and whatever else.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{path.name}.", dir=path.parent
    ) as folder:
        partial = pathlib.Path(folder) / path.name
        model.save(partial)
        if about is not None:
            with zipfile.ZipFile(partial, "a") as archive:
                archive.writestr(ABOUT, json.dumps(about, indent=1))
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)


def load_model(path, compile=False):
    """Loads a whole model, on any backend.

    `keras.saving.load_model` does the same once the layers of this package
    are imported, which `import nasnet_keras` puts off.

    Args:
        path: Path of a `.keras` file.
        compile: Whether to take up optimizer and losses too.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If there is no such file, or it is not a model.
    """
    import keras

    import nasnet_keras.models
    import nasnet_keras.training.optimizers  # noqa: F401

    read_about(path)
    return keras.saving.load_model(path, compile=compile)


def read_about(path):
    """Returns what `save_model` stored with a model; `{}` if nothing.

    Raises:
        ValueError: If the file is not a `.keras` file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if ABOUT not in archive.namelist():
                return {}
            return json.loads(archive.read(ABOUT))
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a .keras file: {error}") from error
