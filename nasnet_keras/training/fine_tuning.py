"""Freezing, unfreezing and a new classifier, for networks of cells.

These functions reach the layers inside the cells, which `model.layers` does
not list, and warn when a model must be compiled again.
"""

import warnings
from collections.abc import Callable

import keras

from nasnet_keras.checks import integer, rate
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.training.discriminative import CELLS
from nasnet_keras.weights import HEADS


def freeze_batch_norm(model: keras.Model) -> int:
    """Freezes every batch normalization layer, including those inside cells.

    In Keras 3 a frozen batch normalization runs in inference mode, in `fit`
    too: it normalizes by its moving statistics and does not update them. The
    usual loop over `model.layers` finds the stem's batch normalization only.

    The layers stay frozen in saved, loaded and cloned models. Setting
    `trainable = True` on a cell or on the model unfreezes them;
    `unfreeze_from` does not.

    Args:
        model: Built `keras.Model`, or a cell. Compile it afterwards, see
            `unfreeze_from`.

    Returns:
        Integer, the number of batch normalization layers.

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


def unfreeze_from(
    model: keras.Model, cell: str, batch_norm: bool = False
) -> list[str]:
    """Makes a cell and everything after it trainable, and freezes the rest.

    The layers that the cell is computed from are frozen: the stem and the
    cells before it. All others are trainable, including an auxiliary head
    wherever it branches off.

    By default all batch normalization is frozen, see `freeze_batch_norm`.
    With TF-slim's momentum for ImageNet, 0.9997, the moving statistics, which
    evaluation uses, need thousands of steps to follow changed weights.

    Compile the model afterwards, with a new optimizer. A compiled model keeps
    its training step: on TensorFlow it silently continues to train the layers
    that were trainable when the step was traced; JAX and torch refuse
    variables that the optimizer does not know. Hence the warning.

    Args:
        model: Functional `keras.Model`. If a network is one layer of yours,
            give the network: `model.get_layer("nasnet_mobile")`.
        cell: String, the name of a layer of the model: `"cell_8"`,
            `"reduction_cell_1"`, or `"predictions"` for the classifier alone.
        batch_norm: Whether batch normalization is trainable too, from the
            cell on. Before the cell it is always frozen.

    Returns:
        List of strings, the layers of the model with trainable weights.

    Raises:
        ValueError: If the model has no layer of that name, or is not
            functional.
    """
    _check_functional(model)
    return _freeze(model, _layers_before(model, cell), batch_norm)


def freeze_to(
    model: keras.Model, cell: str, batch_norm: bool = False
) -> list[str]:
    """Freezes a cell and the layers it is computed from, no others.

    Args: see `unfreeze_from`, also about batch normalization and compiled
        models.

    Returns:
        List of strings, the layers of the model with trainable weights.

    Raises:
        ValueError: If the model has no layer of that name, or is not
            functional.
    """
    _check_functional(model)
    before = _layers_before(model, cell)
    return _freeze(model, [*before, model.get_layer(cell)], batch_norm)


def _freeze(model, layers, batch_norm):
    frozen = {id(inner) for layer in layers for inner in all_layers(layer)}
    if not batch_norm:
        frozen.update(id(norm) for norm in _batch_norms(model))
    # Every layer is set, outer ones first: on TensorFlow, setting a layer to
    # the value that it already has does not set the layers inside it.
    values = {x: id(x) not in frozen for x in all_layers(model)}
    _set_trainable(model, values, stacklevel=4)
    return [layer.name for layer in model.layers if layer.trainable_weights]


def replace_head(
    model: keras.Model,
    classes: int,
    activation: str | Callable | None = "softmax",
    dropout_rate: float | None = None,
) -> keras.Model:
    """Returns a model with the same body and a new classifier.

    All layers but the classifiers, and their weights, are shared, not copied:
    training or freezing them in one model affects both. The given model keeps
    its classifier and remains usable.

    Args:
        model: `keras.Model`, a network with a classifier, with an auxiliary
            head too (both classifiers are replaced), or with
            `include_top=False`; global average pooling is added to a model
            that ends in a feature map.
        classes: Integer, the number of classes.
        activation: Activation of the classifier; `None` for logits.
        dropout_rate: Float from 0 to below 1, before the classifier
            `predictions`. Defaults to the model's own dropout, or none.

    Returns:
        A `keras.Model`, not compiled, with the outputs of the given one:
        `predictions` and, if it has an auxiliary head,
        `auxiliary_predictions`.

    Raises:
        ValueError: If an argument is out of range, or if the model ends in
            neither a classifier nor a feature map nor its global pooling.
    """
    _check_heads(model)
    classes = integer("classes", classes, 1)
    if dropout_rate is not None:
        dropout_rate = rate("dropout_rate", dropout_rate)
    outputs = []
    for name, output in zip(HEADS, model.outputs):
        x, use_bias = _classifier_input(model, output)
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
    if not model.built:  # A cell creates its layers when it is built.
        raise ValueError(
            "`model` must be built, else its cells have no layers yet: call "
            f"it on a batch. Received: model={model.name!r}"
        )
    return [
        layer
        for layer in all_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def _set_trainable(model, values, stacklevel):
    """Sets `trainable` of layers; warns if this changes a compiled model."""
    before = _trainable_state(model)
    for layer, value in values.items():
        layer.trainable = value
    compiled = getattr(model, "compiled", False)
    if compiled and _trainable_state(model) != before:
        warnings.warn(
            f"The model {model.name!r} was compiled before its layers were "
            "frozen or unfrozen, and may continue to train as before. Call "
            "`model.compile(...)` again, with a new optimizer.",
            stacklevel=stacklevel,
        )


def _trainable_state(model):
    # The `trainable` of other layers has no effect of its own.
    weights = [id(weight) for weight in model.trainable_weights]
    return weights, [norm.trainable for norm in _batch_norms(model)]


def _layers_before(model, name):
    """Returns the layers that the named one is computed from."""
    names = [layer.name for layer in model.layers]
    if name not in names:
        cells = [x.name for x in model.layers if isinstance(x, CELLS)]
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


def _check_heads(model):
    _check_functional(model)
    layers = [_producer(model, output) for output in model.outputs]
    names = tuple(getattr(layer, "name", None) for layer in layers)
    if len(names) > 1 and names != HEADS:
        raise ValueError(
            f"`model` must have one output, or the outputs {HEADS}. "
            f"Received: a model with the outputs {names}"
        )


def _producer(model, tensor):
    """Returns the layer of a model whose output is a given tensor.

    `None` if a model inside the model produces it.
    """
    layers = (layer for layer in model.layers if layer.output is tensor)
    return next(layers, None)


def _classifier_input(model, output):
    """Returns a classifier's input, and whether the old one has a bias."""
    layer = _producer(model, output)
    pools = (
        keras.layers.GlobalAveragePooling2D,
        keras.layers.GlobalMaxPooling2D,
    )
    if isinstance(layer, keras.layers.Dense):
        return layer.input, layer.use_bias
    if isinstance(layer, pools):
        return output, True
    if len(output.shape) == 4:
        return _global_average(model, output), True
    # A classifier on top of a softmax would train badly, without an error.
    raise ValueError(
        "`model` must end in a Dense layer, in a feature map or in its global "
        "pooling. Received: a model that ends in "
        f"{getattr(layer, 'name', 'another model')!r}. Give the part of it "
        "before its head."
    )


def _global_average(model, x):
    """Global average pooling, never in half precision, as in the networks."""
    data_formats = [
        layer.data_format
        for layer in all_layers(model)
        if isinstance(layer, keras.layers.Conv2D)
    ]
    return keras.layers.GlobalAveragePooling2D(
        data_format=data_formats[0] if data_formats else None,
        dtype=keras.backend.result_type(x.dtype, "float32"),
        name="global_pool",
    )(x)


def _with_dropout(model, x, rate):
    layer = _producer(model, x)
    if isinstance(layer, keras.layers.Dropout):
        x = layer.input
    if not rate:
        return x
    dtype = keras.backend.result_type(x.dtype, "float32")
    return keras.layers.Dropout(rate, dtype=dtype, name="dropout")(x)
