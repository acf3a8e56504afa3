"""Loads the NASNets of keras.applications, from every file that Keras writes.

Layers are found by name. Those that Keras named automatically hold no weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.weights.accounts import (
    AUXILIARY_LAYERS,
    NORMALIZATION,
    Loaded,
    Values,
    assign,
    fresh_heads,
    layer_names,
    leave_out,
    select_layers,
    without_foreign,
)
from nasnet_keras.weights.h5 import Datasets, Path, datasets_of, open_h5
from nasnet_keras.weights.stem import with_adapted_stem

if TYPE_CHECKING:
    import keras

CLASSIFIER = "predictions/"  # Prefix of the classifier's names.
LAYERS = re.compile("(stem|normal|reduction|adjust|separable)_|predictions$")

# Names of the separable convolutions in the file, by block and side.
TAGS = {
    "normal": {
        (0, "left"): "normal_left1",
        (0, "right"): "normal_right1",
        (1, "left"): "normal_left2",
        (1, "right"): "normal_right2",
        (4, "left"): "normal_left5",
    },
    "reduction": {
        (0, "left"): "reduction_left1",
        (0, "right"): "reduction_right1",
        (1, "right"): "reduction_right2",
        (2, "right"): "reduction_right3",
        (4, "left"): "reduction_left4",
    },
}


def load_keras_applications(
    model: keras.Model,
    path: Path,
    classifier: bool = True,
    adapt: bool = False,
) -> Loaded:
    """Loads a file of keras.applications, by layer names.

    Args:
        model: `keras.Model` of this package with NASNet-A's cells.
        path: Path of the file, with or without top: a published h5 file, or
            what `save` or `save_weights` wrote of such a network, which may
            be a layer of a model of yours.
        classifier: Whether to load the classifier, if the model has one.
        adapt: Whether to adapt the stem's kernel to other numbers of channels
            than the file's, see `adapt_kernel`; to leave a classifier of
            another size as it is; and to pass over layers that its user added.

    Returns:
        `Loaded`. An auxiliary head, which such files do not hold, and a
        classifier not loaded are named in `fresh`.

    Raises:
        WeightsError: If a variable is missing, left over or misshapen. The
            model keeps the values that it had.
        ValueError: If the file cannot be read or holds something else.
    """
    with open_h5(path) as file:
        values = _values(datasets_of(file, path))
    variables = list(named_variables(model))
    if adapt:
        values = without_foreign(values, lambda name: bool(LAYERS.match(name)))
    fresh = select_layers(model, lambda name: name.startswith(AUXILIARY_LAYERS))
    heads = fresh_heads(model, variables, values, classifier, adapt)
    fresh += tuple(layer for layer in heads if layer not in fresh)
    variables, values, passed_over = leave_out(
        variables,
        values,
        fresh,
        model,
        scopes={"predictions": CLASSIFIER},
    )
    adapted = False
    if adapt:
        values, adapted = with_adapted_stem(model, variables, values)
    assign(model, variables, values, fresh, path)
    return Loaded(
        len(variables),
        fresh=layer_names(fresh),
        passed_over=passed_over,
        adapted=adapted,
    )


def is_keras_applications(datasets: Datasets) -> bool:
    """Whether an h5 file holds a network of keras.applications."""
    return any("stem_conv1" in "/".join(place).split("/") for place in datasets)


def _values(datasets: Datasets) -> Values:
    """Returns "layer/variable" -> array."""
    inner: dict[str, set[str]] = {}
    for group, name in datasets:
        inner.setdefault(group, set()).add(name.rpartition("/")[0])
    layers: dict[str, dict[str, np.ndarray]] = {}
    for (group, name), dataset in datasets.items():
        scope, _, variable = name.rpartition("/")
        # In a model that is a layer, only a variable's path tells the layer.
        layer = scope.split("/")[-1] if len(inner[group]) > 1 else group
        layers.setdefault(layer, {})[variable] = np.asarray(dataset)
    return {
        f"{layer}/{name}": value
        for layer, arrays in layers.items()
        for name, value in _named(arrays).items()
    }


def _named(arrays):
    """Names the variables of a layer; Keras 3 only numbers them."""
    if not set(arrays) <= {"0", "1", "2", "3"}:
        return arrays
    first = arrays.get("0")
    names = {1: ("kernel",), 2: ("kernel", "bias"), 4: NORMALIZATION}
    if len(arrays) == 2 and first is not None and first.ndim == 4:
        names[2] = ("depthwise_kernel", "pointwise_kernel")
    known = names.get(len(arrays), tuple(arrays))
    return {known[int(number)]: arrays[number] for number in sorted(arrays)}


def named_variables(
    model: keras.Model,
) -> Iterator[tuple[keras.Variable, str]]:
    """Yields each variable and its name in the file, "layer/variable".

    Raises:
        ValueError: If the model has other cells than NASNet-A's, or another
            stem than the one for ImageNet.
    """
    layers = {layer.name: layer for layer in model.layers}
    cells = [layer for layer in model.layers if hasattr(layer, "cell")]
    known = (NASNET_A.normal, NASNET_A.reduction)
    if "cell_stem_0" not in layers or any(c.cell not in known for c in cells):
        raise ValueError(
            "The networks of keras.applications have NASNet-A's cells and the "
            f"ImageNet stem. `{model.name}` has others: its weights cannot be "
            "in such a file."
        )
    yield layers["stem_conv"].kernel, "stem_conv1/kernel"
    yield from _norm(layers["stem_bn"], "stem_bn1")
    per_stack = sum(layer.strides == 1 for layer in cells) // 3
    for cell in cells:
        yield from _cell(cell, _block_id(cell.name, per_stack))
    if "predictions" in layers:
        yield layers["predictions"].kernel, "predictions/kernel"
        if layers["predictions"].bias is not None:
            yield layers["predictions"].bias, "predictions/bias"


def _block_id(name, per_stack):
    """The end of the names of a cell's layers."""
    kind, number = name.rsplit("_", 1)
    number = int(number)
    if kind == "cell_stem":
        return f"stem_{number + 1}"
    if kind == "reduction_cell":
        return f"reduce_{(number + 1) * per_stack}"
    return str(number + (number >= per_stack))


def _norm(layer, name):
    for part in NORMALIZATION:
        yield getattr(layer, part), f"{name}/{part}"


def _cell(cell, block_id):
    kind = "normal" if cell.strides == 1 else "reduction"
    current, *previous = cell.fits
    yield current.layers[1].kernel, f"{kind}_conv_1_{block_id}/kernel"
    yield from _norm(current.layers[2], f"{kind}_bn_1_{block_id}")
    if previous and cell.input_strides[1] > 1:
        factorized = previous[0].layers[1]
        for number, conv in enumerate((factorized.path_1, factorized.path_2)):
            yield conv.kernel, f"adjust_conv_{number + 1}_{block_id}/kernel"
        yield from _norm(factorized.norm, f"adjust_bn_{block_id}")
    elif previous and previous[0].layers:
        projection = previous[0].layers[1]
        name = f"adjust_conv_projection_{block_id}"
        yield projection.kernel, f"{name}/kernel"
        yield from _norm(previous[0].layers[2], f"adjust_bn_{block_id}")
    for (number, side), tag in TAGS[kind].items():
        path = cell.paths[number][side == "right"]
        for turn in (1, 2):
            conv, norm = path.layers[3 * turn - 2 : 3 * turn]
            name = f"separable_conv_{turn}_{tag}_{block_id}"
            yield conv.depthwise_kernel, f"{name}/depthwise_kernel"
            yield conv.pointwise_kernel, f"{name}/pointwise_kernel"
            yield from _norm(norm, f"separable_conv_{turn}_bn_{tag}_{block_id}")
