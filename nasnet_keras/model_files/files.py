"""`.keras` files that also hold class names, image size and origin.

Keras has no place for these: they are in an additional member of the archive,
`about.json`.
"""

import os
import pathlib
import zipfile
from typing import TYPE_CHECKING, Any

from nasnet_keras.images.reading import check_side
from nasnet_keras.model_files.contract import (
    NOTHING,
    Said,
    fields,
    find_contract,
)
from nasnet_keras.model_files.standard import standardized
from nasnet_keras.presets.types import Preset
from nasnet_keras.runs.files import (
    DAMAGED_ZIP,
    DamagedFileError,
    json_text,
    parse_json,
    replacing,
)

if TYPE_CHECKING:
    import keras

ABOUT = "about.json"
LARGEST_ABOUT = 16 * 1024**2  # Bytes.
REMEDY = "Save the model again."
# What Keras raises for damaged files, and for classes that it does not know.
UNLOADABLE = (*DAMAGED_ZIP, LookupError, TypeError, ValueError, AttributeError)
MOST_LETTERS = 300  # Of a message of Keras.
PathLike = str | os.PathLike[str]


def save_model(
    model: "keras.Model", path: PathLike, about: dict[str, Any] | None = None
) -> None:
    """Writes a model, in one step.

    Args:
        model: `keras.Model`.
        path: Path that ends in `.keras`.
        about: Optional dictionary that JSON can hold: `class_names` (list by
            label), `image_size` (side in pixels), `input_range` (`"0..255"`,
            `"0..1"` or `"-1..1"`), `outputs` (`"probabilities"` or
            `"logits"`), `crop` and `interpolation` (with which images were
            read), and anything else. Of `input_range` and `outputs`, what the
            model's graph shows is added.
    """
    with replacing(path) as temporary:
        model.save(temporary)
        if about is not None:
            text = json_text(fields(model, about), indent=1)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(ABOUT, text)


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
    try:
        return keras.saving.load_model(path, compile=compile)
    except UNLOADABLE as error:
        raise ValueError(
            f"{path} cannot be loaded as a model: {_first_line(error)}. It is "
            "damaged, or names a class that is not registered with Keras. Copy "
            "it again; import what registers the class."
        ) from error


def _first_line(error: Exception) -> str:
    """The first line of a message of Keras; a configuration may follow."""
    text = error.args[0] if isinstance(error, KeyError) else error
    first, *_ = str(text).strip().splitlines() or [type(error).__name__]
    return first[:MOST_LETTERS].rstrip(".")


def load_with_preset(
    path: PathLike, image_size: int | None = None, said: Said = NOTHING
) -> tuple["keras.Model", Preset]:
    """Loads a classifier, and its class names and image size as a preset.

    Args:
        path: Path of a `.keras` file, of any `keras.Model`.
        image_size: Optional integer, height and width of its images. Defaults
            to the size for which the model was trained.
        said: What the caller says about a model that does not say it itself.

    Returns:
        Pair: the model, which takes images of 0 to 255 and gives
        probabilities; a `nasnet_keras.Preset` with its class names, image
        size, crop and interpolation.

    Raises:
        ValueError: As `load_model` and `find_contract`; or if the size of the
            images is unknown, or another than the model takes.
    """
    about, model = read_about(path), load_model(path)
    contract = find_contract(model, about, path, said)
    if image_size is not None:
        image_size = check_side("image_size", image_size)
    side = image_size or contract.side or contract.image_size
    if side is None:
        raise ValueError(
            f"{path} does not say for which size of images it was trained. "
            "Give `image_size` (--image-size)."
        )
    if contract.side not in (None, side):
        raise ValueError(
            f"{path} takes images of {contract.side} pixels alone. "
            f"Received: image_size={image_size}"
        )
    preset = Preset(
        str(path),
        {},
        side,
        class_names=contract.class_names,
        crop=contract.crop,
        interpolation=contract.interpolation,
    )
    return standardized(model, contract), preset


def read_about(path: PathLike) -> dict[str, Any]:
    """Returns what `save_model` stored with a model; `{}` if nothing.

    Raises:
        ValueError: If the file is not a `.keras` file, or what is stored is
            damaged.
    """
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if ABOUT not in archive.namelist():
                return {}
            source = f"{ABOUT} in {path}"
            if archive.getinfo(ABOUT).file_size > LARGEST_ABOUT:
                raise DamagedFileError(
                    f"{source} has more than {LARGEST_ABOUT} bytes. {REMEDY}"
                )
            return parse_json(archive.read(ABOUT), source, remedy=REMEDY)
    except DAMAGED_ZIP as error:
        raise ValueError(f"{path} is not a .keras file: {error}") from error
