"""The data of a training, as its model records them: are these the same?

A model is measured on images that it was not trained on. For data of its
training these follow from the draw that it records, wherever the data are now.
"""

import contextlib
import io
import pathlib
from collections.abc import Mapping
from typing import Any

from nasnet_keras.inference.labelled_images import is_folder
from nasnet_keras.runs.notices import notice
from nasnet_keras.training.data.dataset import DEFAULT_SIZES, load_dataset
from nasnet_keras.training.data.folders import has_test_part
from nasnet_keras.training.data.tfrecords import STREAMED

# Arguments of `load_dataset` that a model stores with the name of its data.
DRAW = ("validation_split", "images", "older_draw")
# Datasets whose test part is their own, not drawn here.
OWN_TEST = ("cifar10", "cifar100", *STREAMED)


def recorded_data(about: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the data of the training that `about.json` records, or `{}`."""
    found = about.get("data")
    return dict(found) if isinstance(found, Mapping) else {}


def recorded_split(
    about: Mapping[str, Any],
    data: str,
    split: str,
    data_dir: str | None = None,
) -> dict[str, Any]:
    """Returns how the data of a training were split, to split them alike.

    They are known by their name or path, or by the digest of their images:
    a copy, a moved folder, or what `nasnet convert-data` wrote of them. Lines
    on standard error say what is not known.

    Args:
        about: What is stored with the model, or `{}`.
        data: Name or path of the data to measure on.
        split: `"test"` or `"validation"`.
        data_dir: See `load_dataset`.

    Returns:
        Dictionary, arguments of `load_dataset`: `{}` for other data than those
        of the training, of which nothing is known.
    """
    recorded = recorded_data(about)
    name = recorded.get("name")
    if name is None:
        return {}
    draw = {k: recorded[k] for k in DRAW if recorded.get(k) is not None}
    own = data in OWN_TEST or (is_folder(data) and has_test_part(data))
    has_own = own and split == "test"
    if _is_same_place(str(name), data):
        if "validation_split" not in recorded and not has_own:
            notice(
                "The model was saved by a version that did not record how it "
                f"split {data}: it may have been trained on some of these "
                "images."
            )
        return draw
    if has_own:  # A copy has the same test part.
        return {}
    if draw and _has_digest(about, recorded.get("sha256"), data, data_dir):
        return draw
    notice(
        f"The model was trained on other data, {name}. If {data} holds some of "
        "the same images, it may have been trained on these."
    )
    return {}


def _is_same_place(one: str, other: str) -> bool:
    if one in DEFAULT_SIZES or other in DEFAULT_SIZES:
        return one == other  # A folder of a dataset's name is `./digits`.
    return pathlib.Path(one).resolve() == pathlib.Path(other).resolve()


def _has_digest(about, digest, data, data_dir):
    """Whether data, read and drawn as those of the training, are the same."""
    if not digest:
        return False
    recorded = recorded_data(about)
    options = {key: recorded[key] for key in DRAW if key in recorded}
    reading = ("image_size", "crop", "interpolation")
    options.update((key, about[key]) for key in reading if key in about)
    return any(
        _digest(data, data_dir=data_dir, random_crops=random_crops, **options)
        == digest
        for random_crops in _ways_to_crop(about)
    )


def _ways_to_crop(about):
    """Inception's crops leave the images to train on in their files."""
    recipe = about.get("recipe")
    inception = isinstance(recipe, Mapping) and (
        recipe.get("augmentation") == "inception"
    )
    return (True, False) if inception else (False,)


def _digest(data, **options):
    """The digest; `None` if the data cannot be drawn so: they are others."""
    # What there is to say about the data is said when they are opened.
    said = contextlib.redirect_stderr(io.StringIO())
    with contextlib.suppress(ValueError, OSError), said:
        return load_dataset(data, **options).digest
    return None
