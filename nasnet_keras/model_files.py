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

    import nasnet_keras.networks.build
    import nasnet_keras.training.optimizers  # noqa: F401

    read_about(path)
    return keras.saving.load_model(path, compile=compile)


def load_with_preset(path, image_size=None):
    """Loads a whole model, and what it is for in the form of a preset.

    Args:
        path: Path of a `.keras` file.
        image_size: Optional integer, the side of its images. Defaults to
            that for which the model was trained.

    Returns:
        Pair: the model, which takes images of 0 to 255; a
        `nasnet_keras.presets.Preset` with its class names and image size.

    Raises:
        ValueError: As `load_model`; or if the size of the images is unknown.
    """
    from nasnet_keras.presets.types import Preset

    about, model = read_about(path), load_model(path)
    side = image_size or about.get("image_size") or model.input_shape[1]
    if side is None:
        raise ValueError(
            f"{path} does not say for which size of images it was trained. "
            "Give --image-size."
        )
    names = about.get("class_names")
    return model, Preset(
        str(path), {}, side, class_names=names and tuple(names)
    )


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
