"""Weights of other implementations, carried over to ours layer by layer.

Both functions give every variable of a model of ours a value from the source,
and account for each: what is missing, left over or misshapen fails.
"""

import numpy as np

NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")

# keras.applications' names of the separable convolutions, by block and side.
KERAS_TAGS = {
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


def copy_keras_applications(source, model, cells_per_stack):
    """Copies the weights of a keras.applications NASNet by layer name."""
    used = set()

    def take(name):
        used.add(name)
        return source.get_layer(name).get_weights()

    _set(model.get_layer("stem_conv"), take("stem_conv1"))
    _set(model.get_layer("stem_bn"), take("stem_bn1"))
    if any(layer.name == "predictions" for layer in model.layers):
        _set(model.get_layer("predictions"), take("predictions"))
    for name, block_id in _keras_block_ids(cells_per_stack).items():
        _copy_keras_cell(model.get_layer(name), block_id, take)
    weighted = {layer.name for layer in source.layers if layer.weights}
    assert used == weighted, sorted(weighted ^ used)


def _keras_block_ids(cells_per_stack):
    n = cells_per_stack
    ids = {"cell_stem_0": "stem_1", "cell_stem_1": "stem_2"}
    for number in range(3 * n):
        ids[f"cell_{number}"] = str(number + (number >= n))
    for stage in (1, 2):
        ids[f"reduction_cell_{stage - 1}"] = f"reduce_{stage * n}"
    return ids


def _copy_keras_cell(cell, block_id, take):
    kind = "normal" if cell.strides == 1 else "reduction"
    fit, *previous = cell.fits
    _set(fit.layers[1], take(f"{kind}_conv_1_{block_id}"))
    _set(fit.layers[2], take(f"{kind}_bn_1_{block_id}"))
    if previous and cell.input_strides[1] > 1:
        factorized = previous[0].layers[1]
        _set(factorized.path_1, take(f"adjust_conv_1_{block_id}"))
        _set(factorized.path_2, take(f"adjust_conv_2_{block_id}"))
        _set(factorized.norm, take(f"adjust_bn_{block_id}"))
    elif previous and previous[0].layers:
        _set(previous[0].layers[1], take(f"adjust_conv_projection_{block_id}"))
        _set(previous[0].layers[2], take(f"adjust_bn_{block_id}"))
    for (number, side), tag in KERAS_TAGS[kind].items():
        path = cell.paths[number][side == "right"]
        for turn in (1, 2):
            name = f"separable_conv_{turn}_{tag}_{block_id}"
            _set(path.layers[3 * turn - 2], take(name))
            name = f"separable_conv_{turn}_bn_{tag}_{block_id}"
            _set(path.layers[3 * turn - 1], take(name))


def copy_tf_slim(prefix, model):
    """Copies a TF-slim checkpoint of a NASNet; raw variables, not averages."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    names = {
        name
        for name in reader.get_variable_to_shape_map()
        if "global_step" not in name and "ExponentialMovingAverage" not in name
    }

    def take(name):
        names.remove(name)
        return reader.get_tensor(name)

    def conv(layer, scope):
        _set(layer, [take(f"{scope}/weights")])

    def norm(layer, scope):
        _set(layer, [take(f"{scope}/{part}") for part in NORMALIZATION])

    imagenet = any(layer.name == "cell_stem_0" for layer in model.layers)
    conv(model.get_layer("stem_conv"), "conv0" if imagenet else "l1_stem_3x3")
    norm(model.get_layer("stem_bn"), "conv0_bn" if imagenet else "l1_stem_bn")
    for layer in model.layers:
        if hasattr(layer, "cell"):
            _copy_slim_cell(layer, conv, norm, take)
    auxiliary = [name for name in names if name.startswith("aux_")]
    if any(layer.name == "auxiliary_predictions" for layer in model.layers):
        scope = auxiliary[0].split("/")[0] + "/aux_logits"
        conv(model.get_layer("aux_proj"), f"{scope}/proj")
        norm(model.get_layer("aux_bn0"), f"{scope}/aux_bn0")
        conv(model.get_layer("aux_conv"), f"{scope}/Conv")
        norm(model.get_layer("aux_bn1"), f"{scope}/aux_bn1")
        _set_classifier(model, "auxiliary_predictions", f"{scope}/FC", take)
    else:
        names.difference_update(auxiliary)
    _set_classifier(model, "predictions", "final_layer/FC", take)
    assert not names, sorted(names)


def _set_classifier(model, name, scope, take):
    """Sets a classifier, without the background class where there is one."""
    layer = model.get_layer(name)
    kernel, bias = take(f"{scope}/weights"), take(f"{scope}/biases")
    background = kernel.shape[1] - layer.units
    _set(layer, [kernel[:, background:], bias[background:]])


def _copy_slim_cell(cell, conv, norm, take):
    scope = cell.name
    conv(cell.fits[0].layers[1], f"{scope}/1x1")
    norm(cell.fits[0].layers[2], f"{scope}/beginning_bn")
    if len(cell.fits) > 1 and cell.input_strides[1] > 1:
        _copy_slim_factorized(cell.fits[1].layers[1], scope, conv, norm)
    elif len(cell.fits) > 1 and cell.fits[1].layers:
        conv(cell.fits[1].layers[1], f"{scope}/prev_1x1")
        norm(cell.fits[1].layers[2], f"{scope}/prev_bn")
    for number, (block, paths) in enumerate(zip(cell.cell.blocks, cell.paths)):
        for side, operation, path in zip(
            ("left", "right"), block.operations, paths
        ):
            place = f"{scope}/comb_iter_{number}/{side}"
            if operation.startswith("sep_conv_"):
                size = operation.removeprefix("sep_conv_")
                for turn in (1, 2):
                    kernels = f"{place}/separable_{size}_{turn}"
                    parts = ("depthwise_weights", "pointwise_weights")
                    values = [take(f"{kernels}/{part}") for part in parts]
                    _set(path.layers[3 * turn - 2], values)
                    bn = f"{place}/bn_sep_{size}_{turn}"
                    norm(path.layers[3 * turn - 1], bn)
            elif len(path.layers) > 1:
                conv(path.layers[-2], f"{place}/1x1")
                norm(path.layers[-1], f"{place}/bn_1")
    for state, out in zip(cell.cell.concat, cell.outs):
        place = f"{scope}/cell_output/reduction_{state}"
        if len(out.layers) == 2:
            conv(out.layers[0], f"{place}/path_conv")
            norm(out.layers[1], f"{place}/path_bn")
        elif out.layers:
            _copy_slim_factorized(out.layers[0], place, conv, norm)


def _copy_slim_factorized(layer, scope, conv, norm):
    conv(layer.path_1, f"{scope}/path1_conv")
    conv(layer.path_2, f"{scope}/path2_conv")
    norm(layer.norm, f"{scope}/final_path_bn")


def _set(layer, values):
    assert layer.weights, layer
    shapes = [tuple(value.shape) for value in values]
    assert shapes == [tuple(w.shape) for w in layer.weights], layer.name
    layer.set_weights(values)


def perturb_batch_norm(model, seed=0):
    """Moves all batch-norm variables of a model away from 0 and 1."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name = variable.path.rsplit("/", 1)[-1]
        if name in NORMALIZATION:
            low, high = (
                (-0.3, 0.3) if name in ("beta", "moving_mean") else (0.7, 1.3)
            )
            variable.assign(rng.uniform(low, high, variable.shape))


def relative_error(actual, expected):
    """Largest difference, relative to the largest absolute expected value."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    return np.abs(actual - expected).max() / np.abs(expected).max()
