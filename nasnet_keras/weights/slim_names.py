"""Where a TF-slim checkpoint keeps each variable of a network.

The names are those of TF-slim's variable scopes, NASNet and PNASNet alike. A
place is a pair: a variable of ours and the name of its value.
"""

NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")
AUXILIARY = "aux_"
CLASSIFIER = "final_layer/"
FULLY_CONNECTED = ("FC", "fully_connected")


def slim_places(model, names):
    """Yields (variable, name in the checkpoint) for the whole model.

    Args:
        model: `keras.Model` of this package.
        names: The names in the checkpoint. The auxiliary head's carry the
            number of its cell, and classifiers have two spellings.

    Raises:
        ValueError: If the model is not built as those networks are.
    """
    layers = {layer.name: layer for layer in model.layers}
    if not {"stem_conv", "stem_bn", "cell_0"} <= set(layers):
        raise ValueError(
            "TF-slim checkpoints hold NASNets and PNASNets, with the layers "
            f"`stem_conv`, `stem_bn`, `cell_0`, ... `{model.name}` has not."
        )
    imagenet = "cell_stem_0" in layers
    stem = "conv0", "conv0_bn"
    if not imagenet:
        stem = "l1_stem_3x3", "l1_stem_bn"
    yield from _conv(layers["stem_conv"], stem[0])
    yield from _norm(layers["stem_bn"], stem[1])
    for layer in model.layers:
        if hasattr(layer, "cell"):
            yield from _cell(layer)
    if "auxiliary_predictions" in layers:
        yield from _auxiliary_head(layers, names)
    if "predictions" in layers:
        yield from _classifier(layers["predictions"], CLASSIFIER, names)


def _conv(layer, scope):
    yield layer.kernel, f"{scope}/weights"


def _norm(layer, scope):
    for part in NORMALIZATION:
        yield getattr(layer, part), f"{scope}/{part}"


def _cell(cell):
    scope = cell.name
    current, *previous = cell.fits
    yield from _conv(current.layers[1], f"{scope}/1x1")
    yield from _norm(current.layers[2], f"{scope}/beginning_bn")
    if previous and cell.input_strides[1] > 1:
        yield from _factorized(previous[0].layers[1], scope)
    elif previous and previous[0].layers:
        yield from _conv(previous[0].layers[1], f"{scope}/prev_1x1")
        yield from _norm(previous[0].layers[2], f"{scope}/prev_bn")
    for number, (block, paths) in enumerate(zip(cell.cell.blocks, cell.paths)):
        sides = zip(("left", "right"), block.operations, paths)
        for side, operation, path in sides:
            place = f"{scope}/comb_iter_{number}/{side}"
            yield from _path(operation, path, place)
    for state, out in zip(cell.cell.concat, cell.outs):
        place = f"{scope}/cell_output/reduction_{state}"
        if len(out.layers) == 2:
            yield from _conv(out.layers[0], f"{place}/path_conv")
            yield from _norm(out.layers[1], f"{place}/path_bn")
        elif out.layers:
            yield from _factorized(out.layers[0], place)


def _path(operation, path, scope):
    if operation.startswith("sep_conv_"):
        size = operation.removeprefix("sep_conv_")
        for turn in (1, 2):
            conv, norm = path.layers[3 * turn - 2 : 3 * turn]
            kernels = f"{scope}/separable_{size}_{turn}"
            yield conv.depthwise_kernel, f"{kernels}/depthwise_weights"
            yield conv.pointwise_kernel, f"{kernels}/pointwise_weights"
            yield from _norm(norm, f"{scope}/bn_sep_{size}_{turn}")
    elif len(path.layers) > 1:
        yield from _conv(path.layers[-2], f"{scope}/1x1")
        yield from _norm(path.layers[-1], f"{scope}/bn_1")


def _factorized(layer, scope):
    yield from _conv(layer.path_1, f"{scope}/path1_conv")
    yield from _conv(layer.path_2, f"{scope}/path2_conv")
    yield from _norm(layer.norm, f"{scope}/final_path_bn")


def _auxiliary_head(layers, names):
    heads = {n.split("/")[0] for n in names if n.startswith(AUXILIARY)}
    # Where there is none, the name below stands in the list of the missing.
    scope = f"{min(heads, default='aux_*')}/aux_logits/"
    yield from _conv(layers["aux_proj"], f"{scope}proj")
    yield from _norm(layers["aux_bn0"], f"{scope}aux_bn0")
    yield from _conv(layers["aux_conv"], f"{scope}Conv")
    yield from _norm(layers["aux_bn1"], f"{scope}aux_bn1")
    yield from _classifier(layers["auxiliary_predictions"], scope, names)


def _classifier(layer, scope, names):
    spellings = [f"{scope}{name}" for name in FULLY_CONNECTED]
    known = [s for s in spellings if f"{s}/weights" in names]
    chosen = (known or spellings)[0]
    yield layer.kernel, f"{chosen}/weights"
    if layer.bias is not None:
        yield layer.bias, f"{chosen}/biases"
