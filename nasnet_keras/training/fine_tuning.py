"""What fine-tuning needs where a cell is one layer with many inside.

All of it can be done with plain Keras; these helpers walk into the cells,
where `model.layers` does not reach, and say when a model must be compiled.
"""

import warnings

import keras

from nasnet_keras.cells import NormalCell, ReductionCell
from nasnet_keras.layers.drop_path import check_rate
from nasnet_keras.weights import HEADS


def freeze_batch_norm(model):
    """Freezes every batch normalization, those inside cells too.

    In Keras 3 a batch normalization that is not trainable runs in inference
    mode: it normalizes by its moving statistics and leaves them alone, in
    `fit` as well. The usual loop over `model.layers` finds the stem's alone.

    Saved, loaded and cloned models stay as they were frozen. Setting
    `trainable = True` on a cell or on the model undoes it; `unfreeze_from`
    does not.

    Args:
        model: Built `keras.Model`, or a cell. Compile it afterwards, see
            `unfreeze_from`.

    Returns:
        Integer, how many batch normalization layers there are.

    Raises:
        ValueError: If there is none, or if the model is not built.
    """
    norms = _batch_norms(model)
    if not norms:
        raise ValueError(
            "`model` must have batch normalization layers. Received: "
            f"model={model.name!r}, which has none."
        )
    _set_trainable(model, dict.fromkeys(norms, False), stacklevel=3)
    return len(norms)


def unfreeze_from(model, cell, batch_norm=False):
    """Makes a cell and all that follows it trainable, and freezes the rest.

    Frozen is what the cell is computed from: the stem and the cells before
    it. All else is trainable, an auxiliary head too wherever it branches off.

    Batch normalization stays frozen everywhere by default, in inference mode,
    see `freeze_batch_norm`. With TF-slim's momentum for ImageNet, 0.9997, the
    moving statistics take thousands of steps to follow new weights: until
    then a network that trains on batch statistics is evaluated by others.

    Compile the model afterwards, with a new optimizer. A compiled model keeps
    its training step: on TensorFlow, Keras goes on training the layers that
    were trainable when it was traced, without a word; JAX and torch refuse
    variables that their optimizer does not know. Hence the warning.

    Args:
        model: Functional `keras.Model`. If a network is one layer of yours,
            give the network: `model.get_layer("nasnet_mobile")`.
        cell: String, the name of a layer of the model: `"cell_8"`,
            `"reduction_cell_1"`, or `"predictions"` for the classifier alone.
        batch_norm: Whether batch normalization is trained as well, from the
            cell on. Before it, it is frozen in any case.

    Returns:
        List of strings, the layers of the model that have trainable weights.

    Raises:
        ValueError: If the model has no layer of that name, or is not
            functional.
    """
    _check_functional(model)
    return _freeze(model, _layers_before(model, cell), batch_norm)


def freeze_to(model, cell, batch_norm=False):
    """Freezes a cell and all that it is computed from; the rest is trainable.

    Args: see `unfreeze_from`, also for batch normalization and for models
        that are compiled already.

    Returns:
        List of strings, the layers of the model that have trainable weights.

    Raises:
        ValueError: If the model has no layer of that name, or is not
            functional.
    """
    _check_functional(model)
    before = _layers_before(model, cell)
    return _freeze(model, [*before, model.get_layer(cell)], batch_norm)


def _freeze(model, layers, batch_norm):
    frozen = {id(part) for layer in layers for part in layer._flatten_layers()}
    norms = () if batch_norm else _batch_norms(model)
    frozen.update(id(norm) for norm in norms)
    # Each layer by itself, outer ones first: on TensorFlow, setting a value
    # that a layer has already does not reach the layers inside it.
    values = {x: id(x) not in frozen for x in model._flatten_layers()}
    _set_trainable(model, values, stacklevel=4)
    return [layer.name for layer in model.layers if layer.trainable_weights]


def replace_head(model, classes, activation="softmax", dropout_rate=None):
    """Returns a model with the same body and a new classifier.

    Body means layers and weights: they are shared, not copied. Training the
    new model trains the given one's body; freezing a layer of one freezes it
    in both. The given model keeps its own head and works on.

    Args:
        model: `keras.Model`, a network with a classifier, with the auxiliary
            head too (both classifiers are replaced), or with
            `include_top=False`: where it ends in a map, global average
            pooling is added.
        classes: Integer, the number of classes.
        activation: Activation of the classifier; `None` for logits.
        dropout_rate: Float from 0 to below 1, before the classifier
            `predictions`. Defaults to the model's own dropout, or none.

    Returns:
        A `keras.Model`, not compiled, with the outputs of the given one:
        `predictions` and, where there was one, `auxiliary_predictions`.

    Raises:
        ValueError: If an argument is out of range, or if the model ends in
            neither a classifier nor a map nor its global pooling.
    """
    _check_head_arguments(model, classes, dropout_rate)
    outputs = []
    for name, output in zip(HEADS, model.outputs):
        x, use_bias = _features(model, output)
        if name == "predictions" and dropout_rate is not None:
            x = _with_dropout(model, x, dropout_rate)
        classifier = keras.layers.Dense(
            classes,
            activation=activation,
            use_bias=use_bias,
            dtype="float32",
            name=name,
        )
        outputs.append(classifier(x))
    outputs = outputs[0] if len(outputs) == 1 else outputs
    return keras.Model(model.input, outputs, name=model.name)


def _batch_norms(model):
    if not model.built:  # The layers of a cell come with its building.
        raise ValueError(
            "`model` must be built, else its cells have no layers yet: call "
            f"it on a batch. Received: model={model.name!r}"
        )
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def _set_trainable(model, values, stacklevel):
    """Sets `trainable` of layers; warns if a compiled model has changed."""
    before = _trainable_state(model)
    for layer, value in values.items():
        layer.trainable = value
    compiled = getattr(model, "compiled", False)
    if compiled and _trainable_state(model) != before:
        warnings.warn(
            f"The model {model.name!r} was compiled before its layers were "
            "frozen or unfrozen, and may go on training as before. Call "
            "`model.compile(...)` again, with a new optimizer.",
            stacklevel=stacklevel,
        )


def _trainable_state(model):
    """All that a training step depends on: other layers' flags do nothing."""
    weights = [id(weight) for weight in model.trainable_weights]
    return weights, [norm.trainable for norm in _batch_norms(model)]


def _layers_before(model, name):
    """The layers that the named one is computed from."""
    names = [layer.name for layer in model.layers]
    if name not in names:
        kinds = (NormalCell, ReductionCell)
        cells = [x.name for x in model.layers if isinstance(x, kinds)]
        raise ValueError(
            f"`cell` must be a layer of the model {model.name!r}. Its cells: "
            f"{', '.join(cells) or 'none'}. If the network is a layer of your "
            f"model, give that layer as `model`. Received: cell={name!r}"
        )
    target = model.get_layer(name)
    trunk = keras.Model(model.inputs, target.output, name=model.name)
    return [layer for layer in trunk.layers if layer is not target]


def _check_functional(model):
    if not getattr(model, "outputs", None):
        raise ValueError(
            "`model` must be a functional keras.Model, as the builders of "
            f"this package return. Received: model={model!r}"
        )


def _check_head_arguments(model, classes, dropout_rate):
    _check_functional(model)
    makers = [_maker(model, output) for output in model.outputs]
    names = tuple(getattr(layer, "name", None) for layer in makers)
    if len(names) > 1 and names != HEADS:
        raise ValueError(
            f"`model` must have one output, or the outputs {HEADS}. "
            f"Received: a model with the outputs {names}"
        )
    integer = isinstance(classes, int) and not isinstance(classes, bool)
    if not integer or classes < 1:
        raise ValueError(
            "`classes` must be a positive integer. "
            f"Received: classes={classes!r}"
        )
    if dropout_rate is not None:
        check_rate("dropout_rate", dropout_rate)


def _maker(model, tensor):
    """The layer of the model whose output a tensor is.

    None if it comes out of a model in the model.
    """
    made = (layer for layer in model.layers if layer.output is tensor)
    return next(made, None)


def _features(model, output):
    """What a classifier reads, and whether the old one had a bias."""
    layer = _maker(model, output)
    pools = (
        keras.layers.GlobalAveragePooling2D,
        keras.layers.GlobalMaxPooling2D,
    )
    if isinstance(layer, keras.layers.Dense):
        return layer.input, layer.use_bias
    if isinstance(layer, pools):
        return output, True
    if len(output.shape) == 4:
        return _pooled(model, output), True
    # A new classifier on top of a softmax would train, and badly.
    raise ValueError(
        "`model` must end in a Dense layer, in a feature map or in its global "
        "pooling. Received: a model that ends in "
        f"{getattr(layer, 'name', 'another model')!r}. Give the part of it "
        "before its head."
    )


def _pooled(model, x):
    """Global average pooling as the networks do it: never in half precision."""
    data_formats = [
        layer.data_format
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Conv2D)
    ]
    return keras.layers.GlobalAveragePooling2D(
        data_format=data_formats[0] if data_formats else None,
        dtype=keras.backend.result_type(x.dtype, "float32"),
        name="global_pool",
    )(x)


def _with_dropout(model, x, rate):
    layer = _maker(model, x)
    if isinstance(layer, keras.layers.Dropout):
        x = layer.input
    if not rate:
        return x
    dtype = keras.backend.result_type(x.dtype, "float32")
    return keras.layers.Dropout(rate, dtype=dtype, name="dropout")(x)
