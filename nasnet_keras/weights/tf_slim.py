"""Loads TF-slim checkpoints, NASNet and PNASNet alike.

Names in a checkpoint are those of TF-slim's variable scopes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from nasnet_keras.weights.accounts import (
    HEADS,
    NORMALIZATION,
    Loaded,
    assign,
    fresh_heads,
    has_layer,
    layer_names,
    leave_out,
)
from nasnet_keras.weights.stem import with_adapted_stem

if TYPE_CHECKING:
    import keras

logger = logging.getLogger("nasnet_keras")

AVERAGE = "/ExponentialMovingAverage"  # Suffix of a variable's average.
# Last parts of the names of what belongs to the training, not the network.
TRAINING_STATE = (
    "global_step",
    "RMSProp",
    "RMSProp_1",
    "Momentum",
    "Adam",
    "Adam_1",
)
# Prefixes of the heads' names, and the two spellings of their last layer.
AUXILIARY = "aux_"
CLASSIFIER = "final_layer/"
FULLY_CONNECTED = ("FC", "fully_connected")


class UnreadableError(ValueError):
    """The files of a checkpoint are damaged or missing."""


def load_tf_slim(
    model: keras.Model,
    checkpoint_prefix: str | os.PathLike[str],
    moving_average: bool | str = "auto",
    classifier: bool = True,
    adapt: bool = False,
) -> Loaded:
    """Loads a checkpoint of the authors' code, NASNet or PNASNet.

    The background class, the first of their ImageNet networks, is dropped.
    Heads that the model does not have are passed over.

    Args:
        model: `keras.Model` of this package.
        checkpoint_prefix: Path without `.index`.
        moving_average: `"auto"` takes the moving average of each variable
            that has one; `True` does too, but the checkpoint must hold some;
            `False` takes the raw variables.
        classifier: Whether to load the classifiers that the model has.
        adapt: Whether to adapt the stem's kernel to other numbers of channels
            than the file's, see `adapt_kernel`, and not to load classifiers
            of another number of classes, nor the auxiliary head's second
            convolution if its size, which follows from the image size,
            differs.

    Returns:
        `Loaded`, which says how many averages were taken.

    Raises:
        WeightsError: If a variable is missing, left over or misshapen. The
            model keeps the values that it had.
        UnreadableError: If the checkpoint cannot be read.
        ValueError: If `moving_average=True` and it holds none.
        ImportError: If TensorFlow, which reads it, is not installed.
    """
    values, averaged = _read(checkpoint_prefix, moving_average)
    try:
        variables = list(named_variables(model, values))
    except (AttributeError, IndexError) as error:
        # A layer is not where such a network has it.
        raise _another_kind(model) from error
    if has_layer(model, "cell_stem_0"):  # An ImageNet network.
        values = _without_background(variables, values, model)
    fresh = fresh_heads(model, variables, values, classifier, adapt)
    variables, values, passed_over = leave_out(
        variables,
        values,
        fresh,
        model,
        scopes={"predictions": CLASSIFIER, "auxiliary_predictions": AUXILIARY},
    )
    adapted = False
    if adapt:
        values, adapted = with_adapted_stem(model, variables, values)
    assign(model, variables, values, fresh, checkpoint_prefix)
    averages = sum(name in averaged for _, name in variables)
    logger.info(
        "%s: %d moving averages and %d raw variables",
        checkpoint_prefix,
        averages,
        len(variables) - averages,
    )
    return Loaded(
        *(len(variables), averages, layer_names(fresh), passed_over), adapted
    )


def _read(prefix, moving_average):
    """Reads the network's variables.

    Returns:
        Dictionary, name -> array; set of the names whose value is the moving
        average.
    """
    if not (moving_average == "auto" or isinstance(moving_average, bool)):
        raise ValueError(
            "`moving_average` must be 'auto', True or False. "
            f"Received: moving_average={moving_average!r}"
        )
    reader = _checkpoint_reader(prefix)
    names = set(reader.get_variable_to_shape_map())
    averaged = {n.removesuffix(AVERAGE) for n in names if n.endswith(AVERAGE)}
    if moving_average is True and not averaged:
        raise ValueError(
            f"`{prefix}` holds no moving averages: pass "
            "`moving_average='auto'` or `False`."
        )
    other = (*TRAINING_STATE, AVERAGE[1:])
    raw = {name for name in names if name.split("/")[-1] not in other}
    averaged = averaged if moving_average is not False else set()
    try:
        values = {
            name: reader.get_tensor(name + AVERAGE * (name in averaged))
            for name in raw | averaged
        }
    except Exception as error:  # Of several kinds, by what is damaged.
        raise _unreadable(prefix, error) from error
    return values, averaged


def _checkpoint_reader(prefix):
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            "TF-slim checkpoints are read by TensorFlow, which is not "
            "installed here. Where it is, convert the checkpoint once: "
            f"`nasnet convert {prefix} --preset PRESET --output F.weights.h5`; "
            "such a file loads on every backend."
        ) from error
    try:
        return tf.train.load_checkpoint(os.fspath(prefix))
    except (ValueError, tf.errors.OpError) as error:
        raise _unreadable(prefix, error) from error


def _unreadable(prefix, error):
    return UnreadableError(
        f"`{prefix}` cannot be read as a checkpoint: {error}"
    )


def _without_background(variables, values, model):
    """Drops the first class where the source has one more than the model."""
    values = dict(values)
    heads = [layer for layer in model.layers if layer.name in HEADS]
    for variable, name in variables:
        for layer in heads:
            if variable is layer.kernel or variable is layer.bias:
                value = values.get(name)
                if value is not None and value.shape[-1] == layer.units + 1:
                    values[name] = value[..., 1:]
    return values


def named_variables(
    model: keras.Model, names: Collection[str]
) -> Iterator[tuple[keras.Variable, str]]:
    """Yields each variable and its name in the checkpoint.

    Args:
        model: `keras.Model` of this package.
        names: The names in the checkpoint. The auxiliary head's carry the
            number of its cell, and classifiers have two spellings.

    Raises:
        ValueError: If the model is not built as those networks are.
    """
    layers = {layer.name: layer for layer in model.layers}
    if not {"stem_conv", "stem_bn", "cell_0"} <= set(layers):
        raise _another_kind(model)
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


def _another_kind(model):
    return ValueError(
        "TF-slim checkpoints hold NASNets and PNASNets, with their operations "
        "and the layers `stem_conv`, `stem_bn`, `cell_0`, ... "
        f"`{model.name}` is another network."
    )


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
    # If there is none, this scope appears in the error's list of the missing.
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
