"""`.keras` files that also hold class names, image size and origin.

Keras has no place for these: they are in an additional member of the archive,
`about.json`.
"""

import json
import os
import pathlib
import zipfile
from typing import TYPE_CHECKING, Any

from nasnet_keras.presets.types import Preset
from nasnet_keras.runs.files import replacing

if TYPE_CHECKING:
    import keras

ABOUT = "about.json"
PathLike = str | os.PathLike[str]


def save_model(
    model: "keras.Model", path: PathLike, about: dict[str, Any] | None = None
) -> None:
    """Writes a model, in one step.

    Args:
        model: `keras.Model`.
        path: Path that ends in `.keras`.
        about: Optional dictionary that JSON can hold: `class_names` (list by
            label), `image_size` (side in pixels), and anything else.
    """
    with replacing(path) as temporary:
        model.save(temporary)
        if about is not None:
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(ABOUT, json.dumps(about, indent=1))


def load_model(path: PathLike, compile: bool = False) -> "keras.Model":
    """Loads a whole model, on any backend.

    `keras.saving.load_model` does the same if the layers of this package have
    been imported, which `import nasnet_keras` alone does not do.

    Args:
        path: Path of a `.keras` file.
        compile: Whether to load optimizer and losses too.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If there is no such file, or it is not a model.
    """
    import keras

    # These register all classes that a saved model may name.
    import nasnet_keras.averages
    import nasnet_keras.features
    import nasnet_keras.networks.build
    import nasnet_keras.schedules  # noqa: F401

    read_about(path)
    return keras.saving.load_model(path, compile=compile)


def load_with_preset(
    path: PathLike, image_size: int | None = None
) -> tuple["keras.Model", Preset]:
    """Loads a whole model, and its class names and image size as a preset.

    Args:
        path: Path of a `.keras` file.
        image_size: Optional integer, height and width of its images. Defaults
            to the size for which the model was trained.

    Returns:
        Pair: the model, which takes images of 0 to 255; a
        `nasnet_keras.Preset` with its class names and image size.

    Raises:
        ValueError: As `load_model`; or if the size of the images is unknown.
    """
    about, model = read_about(path), load_model(path)
    side = image_size or about.get("image_size") or model.input_shape[1]
    if side is None:
        raise ValueError(
            f"{path} does not say for which size of images it was trained. "
            "Give `image_size`."
        )
    names = about.get("class_names")
    return model, Preset(
        str(path), {}, side, class_names=names and tuple(names)
    )


def read_about(path: PathLike) -> dict[str, Any]:
    """Returns what `save_model` stored with a model; `{}` if nothing.

    Raises:
        ValueError: If the file is not a `.keras` file.
    """
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if ABOUT not in archive.namelist():
                return {}
            return json.loads(archive.read(ABOUT))
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a .keras file: {error}") from error
