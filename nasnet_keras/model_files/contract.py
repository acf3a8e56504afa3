"""What a model takes and gives: pixels, outputs, classes, size, crop.

Everything that uses a `.keras` file (prediction, evaluation, a teacher, a
training that starts from it) takes the contract from here. It is what
`about.json` says, else what the model's graph shows, else what the caller
says; what nobody says is refused.
"""

import dataclasses
from typing import Any

import keras

from nasnet_keras import checks
from nasnet_keras.images.reading import INTERPOLATIONS, check_crop, check_side
from nasnet_keras.layers.image_axes import split_shape
from nasnet_keras.model_files.graph import (
    RANGES,
    final_activation,
    image_format,
    input_range,
    input_shape,
)

PIXELS = "0..255"
OUTPUTS = ("probabilities", "logits")
# What earlier versions wrote in about.json under `images`, for reading only: it
# takes `PIXELS` and, as all that their trainings wrote, gives probabilities.
OLD_PIXELS = "values of 0 to 255"


@dataclasses.dataclass(frozen=True)
class Contract:
    """What a classifier takes and gives.

    Args:
        input_range: One of `RANGES`, the values of its images.
        outputs: One of `OUTPUTS`.
        units: Integer, the width of its (first) output; 1 for two classes.
        side: Integer, the only height and width that its graph takes, or
            `None`.
        channels: 3 or 1.
        class_names: Tuple of strings by label, or `None`.
        image_size: Integer, the side for which it was trained, or `None`.
        crop: Float or `"squash"`, how its images are read, or `None`.
        interpolation: String, the same.
    """

    input_range: str
    outputs: str
    units: int
    side: int | None
    channels: int
    class_names: tuple[str, ...] | None
    image_size: int | None
    crop: float | str | None
    interpolation: str | None

    @property
    def classes(self) -> int:
        """The number of classes; a single sigmoid tells two apart."""
        return max(self.units, 2)


@dataclasses.dataclass(frozen=True)
class Said:
    """What the caller says about a model.

    Args:
        input_range: One of `RANGES`, or `None`.
        from_logits: Whether its outputs are logits; `None` if not said.
        prefix: String before the names of both in messages: `"teacher_"`.
    """

    input_range: str | None = None
    from_logits: bool | None = None
    prefix: str = ""

    def name(self, argument: str) -> str:
        """Returns an argument's name in Python and on the command line."""
        name = self.prefix + argument
        return f"`{name}` (--{name.replace('_', '-')})"


NOTHING = Said()


def find_contract(
    model: keras.Model, about: dict[str, Any], source: Any, said: Said = NOTHING
) -> Contract:
    """Returns the contract of a classifier of images.

    Args:
        model: `keras.Model`.
        about: Dictionary, what is stored with it, see `model_files`.
        source: What the model is called in messages, such as its path.
        said: `Said`.

    Raises:
        ValueError: If the model is no classifier of square images; if neither
            `about` nor the graph nor `said` says what it takes and gives, or
            they contradict each other; if `about` is damaged or has another
            number of class names.
    """
    side, channels = square_images(model, source)
    units = _units(model, source)
    contract = Contract(
        input_range=pixel_range(model, about, source, said),
        outputs=_outputs(model, about, source, said),
        units=units,
        side=side,
        channels=channels,
        **stored(about, source),
    )
    names = contract.class_names
    if names is not None and len(names) != contract.classes:
        raise ValueError(
            f"{source} names {len(names)} classes, but tells "
            f"{contract.classes} apart."
        )
    return contract


def preset_contract(model: keras.Model, source: str) -> Contract:
    """Returns the contract of a preset's network, built for prediction.

    It takes 0 to 255 and gives probabilities, so only shapes are looked at.

    Args:
        model: `keras.Model`.
        source: What it is called in messages.

    Raises:
        ValueError: If it is no classifier of square images.
    """
    side, channels = square_images(model, source)
    units = _units(model, source)
    nothing = stored({}, source)
    return Contract(PIXELS, "probabilities", units, side, channels, **nothing)


def main_output(outputs: Any) -> Any:
    """Returns the main one of several outputs: the first, or `predictions`."""
    if isinstance(outputs, dict):
        return outputs.get("predictions", next(iter(outputs.values())))
    return outputs[0] if isinstance(outputs, (list, tuple)) else outputs


def fields(model: keras.Model, about: dict[str, Any]) -> dict[str, Any]:
    """Returns what is stored with a model: `about`, with its contract.

    Only what `about` or the graph says is added: `input_range`, `outputs`.
    """
    found = {
        "input_range": _stored_range(about, "about") or input_range(model),
        "outputs": _stored_outputs(about, "about") or _shown_outputs(model)[0],
    }
    return {**about, **{k: v for k, v in found.items() if v is not None}}


def square_images(model: keras.Model, source: Any) -> tuple[int | None, int]:
    """Returns the fixed side, if any, and the channels of a model's images.

    Args:
        model: `keras.Model`.
        source: What it is called in messages.

    Raises:
        ValueError: If it takes no square images with 3 channels or 1.
    """
    shape = input_shape(model)
    if shape is None:
        raise ValueError(
            f"{source} was saved before it was called, so the shape of its "
            "images is not known. Call the model on a batch and save it again."
        )
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ValueError(
            f"{source} must take images: one input of four axes. Received: a "
            f"model of the input shape {shape}"
        )
    _, height, width, channels = split_shape(shape, image_format(model))
    if height != width or channels not in (1, 3):
        raise ValueError(
            f"{source} must take square images with 3 channels or 1. Received: "
            f"a model of the input shape {shape}, {image_format(model)}"
        )
    return height, channels


def pixel_range(
    model: keras.Model, about: dict[str, Any], source: Any, said: Said
) -> str:
    """Returns the range of pixels that a model takes; see `find_contract`."""
    found, given = _stored_range(about, source), said.input_range
    name, shown = said.name("input_range"), f"{source} says so"
    if given is not None:
        checks.choice(f"{said.prefix}input_range", given, tuple(RANGES))
    if found is None:
        found, shown = input_range(model), "its own preprocessing says so"
    if None not in (found, given) and found != given:
        raise ValueError(
            f"{name} is {given}, but {source} takes images of {found}: "
            f"{shown}. Leave it out."
        )
    if found is None and given is None:
        raise ValueError(
            f"{source} does not say which range of pixels it takes: it stores "
            "none, and its graph begins without preprocessing for one. Give "
            f"{name}: one of {', '.join(RANGES)}."
        )
    return str(found or given)


def _stored_range(about, source):
    if about.get("images") == OLD_PIXELS:
        return PIXELS
    return _one_of("input_range", about, tuple(RANGES), source)


def _stored_outputs(about, source):
    if about.get("images") == OLD_PIXELS:
        return OUTPUTS[0]
    return _one_of("outputs", about, OUTPUTS, source)


def _one_of(name, about, choices, source):
    """What `about` says, if it says it."""
    value = about.get(name)
    if value is None:
        return None
    return checks.choice(f"{name} of {source}", value, choices)


def _outputs(model, about, source, said):
    found, ending = _stored_outputs(about, source), "it says so"
    name, given = said.name("from_logits"), said.from_logits
    if found is None:
        found, ending = _shown_outputs(model)
    if given is None:
        if found is None:
            raise ValueError(_no_probabilities(source, ending, said))
        return found
    asked = "logits" if given else "probabilities"
    if found is not None and found != asked:
        raise ValueError(
            f"{name} is {given}, but {source} gives {found}: {ending}. "
            "Leave it out."
        )
    return asked


def _shown_outputs(model):
    """What the graph shows, or `None`; and the end that shows it.

    An end without activation may be one of logits or of features: only the
    caller knows.
    """
    activation = final_activation(model)
    ending = f"it ends in {activation}"
    known = activation in ("softmax", "sigmoid")
    return ("probabilities" if known else None), ending


def _no_probabilities(source, ending, said):
    no_flag = f"--no-{said.prefix.replace('_', '-')}from-logits"
    return (
        f"{source} is not known to give probabilities: {ending}, not in "
        "softmax or sigmoid. If its outputs are logits, give "
        f"{said.name('from_logits')}; if they are probabilities all the same, "
        f"False ({no_flag}). Features of a network without its classifier "
        "(include_top=False) are no classes: give it one."
    )


def _units(model, source):
    """The width of the main output."""
    if not model.built:  # A `Sequential` that was never called.
        model(keras.Input((input_shape(model) or ())[1:]))
    shape = model.output_shape
    if isinstance(shape, dict) or isinstance(shape[0], tuple):
        shape = main_output(shape)
    if len(shape) != 2 or shape[1] is None:
        kind = "feature maps" if len(shape) == 4 else "no class scores"
        raise ValueError(
            f"{source} must give one score per class. Its output has the shape "
            f"{shape}: {kind}, as of a network without its classifier "
            "(include_top=False)."
        )
    return shape[1]


def stored(about: dict[str, Any], source: Any) -> dict[str, Any]:
    """The fields of the contract that only `about` can say, checked."""
    size, names = about.get("image_size"), about.get("class_names")
    texts = isinstance(names, list) and all(isinstance(n, str) for n in names)
    if names is not None and not texts:
        raise ValueError(
            f"{source}: `class_names` of its about.json must be a list of "
            f"strings. Received: {names!r}"
        )
    if size is not None:
        size = check_side(f"image_size of {source}", size)
    crop = about.get("crop")
    if crop is not None:
        crop = check_crop(crop, f"crop of {source}")
    return {
        "class_names": names and tuple(names),
        "image_size": size,
        "crop": crop,
        "interpolation": _one_of(
            "interpolation", about, INTERPOLATIONS, source
        ),
    }
