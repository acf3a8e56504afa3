"""The networks: one builder, and the configurations of the paper on it."""

import keras

from nasnet_keras.backbone import Plan, auxiliary_classifier, build_backbone
from nasnet_keras.drop_path import check_rate
from nasnet_keras.genotypes import NASNET_A
from nasnet_keras.operations import Conventions

# Decay and epsilon of batch normalization (TF-slim), by stem.
BATCH_NORM = {"imagenet": (0.9997, 1e-3), "cifar": (0.9, 1e-5)}


def NASNet(
    genotype=NASNET_A,
    cells_per_stack=4,
    filters=44,
    stem="imagenet",
    stem_filters=None,
    skip_reduction=False,
    pooling_semantics="tf_slim",
    auxiliary_head=False,
    drop_path_rate=0.0,
    dropout_rate=0.0,
    include_top=True,
    weights=None,
    classes=1000,
    input_shape=None,
    input_tensor=None,
    pooling=None,
    classifier_activation="softmax",
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
    name="nasnet",
):
    """Builds a network of a genotype's cells.

    Zoph et al. 2018 (arXiv 1707.07012), in the macro-architecture of the
    authors' code: a stem; three stacks of `cells_per_stack` normal cells with
    `filters`, twice and four times as many filters; a reduction cell between
    stacks; the classifier.

    Args:
        genotype: `Genotype`, the two cells.
        cells_per_stack: Integer, N in the paper.
        filters: Integer, F in the first stack. The paper's "@" figure is the
            channels of the last cell: 24 F for NASNet-A.
        stem: `"imagenet"` (a strided 3x3 convolution and two reduction cells:
            stride 8 before the first stack) or `"cifar"` (a 3x3 convolution).
        stem_filters: Integer, filters of the stem's convolution. Defaults to
            32 with the ImageNet stem, to `3 * filters` with the CIFAR one.
        skip_reduction: Whether the first normal cell after a reduction reads
            the reduction's own previous state, not its input (Large).
        pooling_semantics: `"tf_slim"` (the paper's code) or `"keras"`
            (keras.applications); see `nasnet_keras.pooling`.
        auxiliary_head: Whether to add the auxiliary classifier. The model
            then has two outputs, `predictions` and `auxiliary_predictions`;
            the paper's code gives the second a loss weight of 0.4.
        drop_path_rate: Float from 0 to below 1, rate of the last cell; see
            `ScheduledDropPath`, without which it holds from the first step.
        dropout_rate: Float from 0 to below 1, before the classifier.
        include_top: Whether to add the classifier.
        weights: `None` (random), or the path of a Keras weights file.
        classes: Integer, the number of classes.
        input_shape: Tuple `(height, width, channels)`; height and width may
            be `None`. Defaults to `(None, None, 3)`.
        input_tensor: Optional Keras tensor to build upon.
        pooling: With `include_top=False`: `None` for the 4D output of the
            last cell, `"avg"` or `"max"` for its global pooling.
        classifier_activation: Activation of the classifier; `None` for
            logits.
        batch_norm_momentum: Float. Defaults to TF-slim's, by stem: 0.9997
            (ImageNet), 0.9 (CIFAR).
        batch_norm_epsilon: Float. Defaults to TF-slim's, by stem: 1e-3
            (ImageNet), 1e-5 (CIFAR).
        name: String, the model's name.

    Returns:
        A `keras.Model`. Each cell is one layer of it, named as TF-slim's end
        points: `cell_stem_0`, `cell_0`, `reduction_cell_0`, ...

    Raises:
        ValueError: If an argument is out of range; the message names it.
    """
    _check_top(include_top, classes, pooling, auxiliary_head)
    check_rate("dropout_rate", dropout_rate)
    _check_data_format()
    momentum, epsilon = BATCH_NORM.get(stem, (None, None))
    plan = Plan(
        genotype=genotype,
        cells_per_stack=cells_per_stack,
        filters=filters,
        stem=stem,
        stem_filters=stem_filters,
        skip_reduction=skip_reduction,
        final_drop_path_rate=drop_path_rate,
        conventions=Conventions(
            pooling_semantics,
            momentum if batch_norm_momentum is None else batch_norm_momentum,
            epsilon if batch_norm_epsilon is None else batch_norm_epsilon,
        ),
    )
    inputs = _input(input_shape, input_tensor)
    end_points = build_backbone(plan, inputs)
    x = list(end_points.values())[-1]
    x = keras.layers.Activation("relu", name="top_relu")(x)
    outputs = _top(
        x, include_top, pooling, dropout_rate, classes, classifier_activation
    )
    if auxiliary_head:
        tap = end_points[f"cell_{2 * cells_per_stack - 1}"]
        outputs = [
            outputs,
            auxiliary_classifier(
                tap, classes, classifier_activation, plan.conventions
            ),
        ]
    if input_tensor is not None:
        sources = keras.utils.get_source_inputs(input_tensor)
        inputs = sources[0] if len(sources) == 1 else sources
    model = keras.Model(inputs, outputs, name=name)
    _load_weights(model, weights)
    return model


def _top(x, include_top, pooling, dropout_rate, classes, activation):
    if include_top or pooling == "avg":
        x = keras.layers.GlobalAveragePooling2D(
            data_format="channels_last", name="global_pool"
        )(x)
    elif pooling == "max":
        x = keras.layers.GlobalMaxPooling2D(
            data_format="channels_last", name="global_pool"
        )(x)
    if not include_top:
        return x
    if dropout_rate:
        x = keras.layers.Dropout(dropout_rate, name="dropout")(x)
    return keras.layers.Dense(
        classes, activation=activation, dtype="float32", name="predictions"
    )(x)


def _check_top(include_top, classes, pooling, auxiliary_head):
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(
            "`classes` must be a positive integer. "
            f"Received: classes={classes!r}"
        )
    if pooling not in (None, "avg", "max"):
        raise ValueError(
            "`pooling` must be None, 'avg' or 'max'. "
            f"Received: pooling={pooling!r}"
        )
    if auxiliary_head and not include_top:
        raise ValueError(
            "`auxiliary_head=True` is a second classifier and needs "
            "`include_top=True`."
        )


def _check_data_format():
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "NASNet networks take images as (height, width, channels). Set "
            "`keras.config.set_image_data_format('channels_last')`. Received: "
            f"image_data_format={keras.config.image_data_format()!r}"
        )


def _input(input_shape, input_tensor):
    if input_tensor is not None:
        if not keras.utils.is_keras_tensor(input_tensor):
            raise ValueError(
                "`input_tensor` must be a Keras tensor, as `keras.Input` or a "
                f"layer gives. Received: input_tensor={input_tensor!r}"
            )
        return input_tensor
    shape = (None, None, 3) if input_shape is None else tuple(input_shape)
    sides = shape[:2]
    if len(shape) != 3 or any(s is not None and s < 3 for s in sides):
        raise ValueError(
            "`input_shape` must be (height, width, channels) with height and "
            "width of at least 3, or None. "
            f"Received: input_shape={input_shape}"
        )
    return keras.Input(shape)


def _load_weights(model, weights):
    if weights is None:
        return
    if weights == "imagenet":
        raise ValueError(
            "This version carries no pretrained weights: "
            "`weights='imagenet'` is not available yet. Use `weights=None` or "
            "the path of a file that `model.save_weights` wrote."
        )
    model.load_weights(weights)


def NASNetMobile(
    input_shape=None,
    include_top=True,
    weights=None,
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="nasnet_mobile",
    **kwargs,
):
    """NASNet-A (4 @ 1056): 5.3 M parameters, 564 M multiply-adds at 224.

    Args: the first ones are those of keras.applications. `input_shape`
        defaults to `(224, 224, 3)`; `weights` to `None`, random weights.
        kwargs: Any other argument of `NASNet`, for example `genotype`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """
    return _variant(
        locals(), 224, cells_per_stack=4, filters=44, dropout_rate=0.5
    )


def NASNetLarge(
    input_shape=None,
    include_top=True,
    weights=None,
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="nasnet_large",
    **kwargs,
):
    """NASNet-A (6 @ 4032): 88.9 M parameters, 23.8 B multiply-adds at 331.

    Args: the first ones are those of keras.applications. `input_shape`
        defaults to `(331, 331, 3)`; `weights` to `None`, random weights.
        kwargs: Any other argument of `NASNet`. The paper trains Large with
            `auxiliary_head=True` and `drop_path_rate=0.3`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """
    return _variant(
        locals(),
        331,
        cells_per_stack=6,
        filters=168,
        stem_filters=96,
        skip_reduction=True,
        dropout_rate=0.5,
    )


def NASNetCIFAR(
    input_shape=None,
    include_top=True,
    weights=None,
    input_tensor=None,
    pooling=None,
    classes=10,
    classifier_activation="softmax",
    name="nasnet_cifar",
    **kwargs,
):
    """NASNet-A (6 @ 768) for CIFAR-10: 3.3 M parameters.

    Args: the first ones are those of keras.applications. `input_shape`
        defaults to `(32, 32, 3)`; `weights` to `None`, random weights.
        kwargs: Any other argument of `NASNet`. The paper trains it with
            `auxiliary_head=True` and `drop_path_rate=0.4`.

    Returns:
        A `keras.Model`, see `NASNet`.
    """
    return _variant(locals(), 32, cells_per_stack=6, filters=32, stem="cifar")


def _variant(arguments, side, **configuration):
    """Calls `NASNet` with a variant's arguments over its configuration."""
    arguments = dict(arguments)
    extra = arguments.pop("kwargs")
    if arguments["input_shape"] is None:
        arguments["input_shape"] = (side, side, 3)
    return NASNet(**{**configuration, **arguments, **extra})
