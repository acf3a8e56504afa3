"""Where keras.applications keeps each variable of its NASNets.

Layers are found by name: many others in its files are named automatically. A
place is a pair: a variable of ours and "layer/variable" there.
"""

from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.weights.slim_names import NORMALIZATION

CLASSIFIER = "predictions/"

# Its names of the separable convolutions, by block and side.
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


def keras_places(model):
    """Yields (variable, "layer/variable") for the whole model.

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
