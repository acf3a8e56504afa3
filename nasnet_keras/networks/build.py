"""The one builder of networks, from the image to the classifier."""

import inspect

import keras

from nasnet_keras.cells.conventions import Conventions
from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.layers.drop_path import check_rate
from nasnet_keras.layers.image_axes import image_shape, split_shape
from nasnet_keras.layers.whitening import Whitening
from nasnet_keras.networks.macro import find_macro
from nasnet_keras.networks.stacks import (
    Plan,
    auxiliary_classifier,
    auxiliary_tap,
    build_backbone,
)
from nasnet_keras.weights import load_weights


def NASNet(
    genotype=NASNET_A,
    cells_per_stack=4,
    filters=44,
    stem="imagenet",
    stem_filters=None,
    skip_reduction=False,
    macro="nasnet",
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
    include_preprocessing=False,
    aligned=False,
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
    name="nasnet",
):
    """Builds a network of a genotype's cells.

    Zoph et al. 2018 (arXiv 1707.07012), in the macro-architecture of the
    authors' code: a stem; three stacks of `cells_per_stack` normal cells with
    `filters`, twice and four times as many filters; a reduction cell between
    stacks; the classifier. `macro` names that of another family.

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
            the reduction's own previous state, not its input (Large). Only
            where reductions stand between stacks, so not with PNASNet.
        macro: `"nasnet"`, `"pnasnet"`, `"amoebanet"`, `"enas"` or `"darts"`:
            what stands around the cells, see `nasnet_keras.networks.macro`.
        pooling_semantics: `"tf_slim"` (the paper's code) or `"keras"`
            (keras.applications); see `nasnet_keras.layers.pooling`.
        auxiliary_head: Whether to add the auxiliary classifier. The model
            then has two outputs, `predictions` and `auxiliary_predictions`;
            the paper's code gives the second a loss weight of 0.4.
        drop_path_rate: Float from 0 to below 1, rate of the last cell; see
            `ScheduledDropPath`, without which it holds from the first step.
        dropout_rate: Float from 0 to below 1, before the classifier.
        include_top: Whether to add the classifier.
        weights: `None` (random), or a path: of a Keras weights file, of an h5
            file of keras.applications, or the prefix of a TF-slim checkpoint.
        classes: Integer, the number of classes.
        input_shape: Tuple `(height, width, channels)`; height and width may
            be `None`. Defaults to `(None, None, 3)`. With Keras' image data
            format `"channels_first"`, which torch, JAX and GPUs run:
            `(channels, height, width)`.
        input_tensor: Optional Keras tensor to build upon.
        pooling: With `include_top=False`: `None` for the 4D output of the
            last cell after its ReLU, `"avg"` or `"max"` for its global
            pooling.
        classifier_activation: Activation of the classifier; `None` for
            logits.
        include_preprocessing: Whether the network takes images of 0 to 255
            and scales them itself to [-1, 1]. `"whiten"`: it standardizes
            each image by its own mean and deviation, as the paper's networks
            for CIFAR-10 do; see `nasnet_keras.layers.whitening`.
        aligned: Whether to pad the image so that every feature map has
            `ceil(size / stride)` pixels; see `nasnet_keras.layers.padding`.
        batch_norm_momentum: Float from 0 to below 1. Defaults to the
            family's, by stem: for NASNet 0.9997 (ImageNet), 0.9 (CIFAR).
        batch_norm_epsilon: Positive float. Defaults to the family's, by stem:
            for NASNet 1e-3 (ImageNet), 1e-5 (CIFAR).
        name: String, the model's name.

    Returns:
        A `keras.Model`. Each cell is one layer of it, named as TF-slim's end
        points: `cell_stem_0`, `cell_0`, `reduction_cell_0`, ... Its outputs
        are single precision under a mixed one, too.

    Raises:
        ValueError: If an argument is out of range; the message names it.
    """
    arguments = {k: v for k, v in locals().items() if k != "weights"}
    model, _ = build(**arguments)
    load_weights(model, weights)
    return model


def build(
    genotype,
    cells_per_stack,
    filters,
    stem,
    stem_filters,
    skip_reduction,
    macro,
    pooling_semantics,
    auxiliary_head,
    drop_path_rate,
    dropout_rate,
    include_top,
    classes,
    input_shape,
    input_tensor,
    pooling,
    classifier_activation,
    include_preprocessing,
    aligned,
    batch_norm_momentum,
    batch_norm_epsilon,
    name,
):
    """Builds a network, see `NASNet`; random weights.

    Returns:
        The `keras.Model`, and a dictionary, layer name -> `State` (tensor and
        stride) of its end points.
    """
    _check_top(include_top, classes, pooling, auxiliary_head)
    check_rate("dropout_rate", dropout_rate)
    plan = make_plan(
        genotype,
        cells_per_stack,
        filters,
        stem,
        stem_filters,
        skip_reduction,
        macro,
        pooling_semantics,
        drop_path_rate,
        aligned,
        batch_norm_momentum,
        batch_norm_epsilon,
    )
    inputs = x = _input(input_shape, input_tensor)
    x = _preprocessed(x, include_preprocessing)
    end_points = build_backbone(plan, x)
    outputs = _top(
        list(end_points.values())[-1].tensor,
        plan,
        include_top,
        pooling,
        dropout_rate,
        classes,
        classifier_activation,
    )
    if auxiliary_head:
        tap = end_points[auxiliary_tap(plan)].tensor
        outputs = [
            outputs,
            auxiliary_classifier(tap, classes, classifier_activation, plan),
        ]
    if input_tensor is not None:
        sources = keras.utils.get_source_inputs(input_tensor)
        inputs = sources[0] if len(sources) == 1 else sources
    return keras.Model(inputs, outputs, name=name), end_points


def make_plan(
    genotype,
    cells_per_stack,
    filters,
    stem="imagenet",
    stem_filters=None,
    skip_reduction=False,
    macro="nasnet",
    pooling_semantics="tf_slim",
    drop_path_rate=0.0,
    aligned=False,
    batch_norm_momentum=None,
    batch_norm_epsilon=None,
):
    """Returns the `Plan` of a network below its classifier, see `NASNet`."""
    family = find_macro(macro)
    return Plan(
        genotype=genotype,
        cells_per_stack=cells_per_stack,
        filters=filters,
        stem=stem,
        stem_filters=stem_filters,
        skip_reduction=skip_reduction,
        final_drop_path_rate=drop_path_rate,
        aligned=aligned,
        macro=family,
        conventions=_conventions(
            family,
            stem,
            pooling_semantics,
            batch_norm_momentum,
            batch_norm_epsilon,
        ),
    )


def _preprocessed(x, include_preprocessing):
    if include_preprocessing not in (True, False, "whiten"):
        raise ValueError(
            "`include_preprocessing` must be True, False or 'whiten'. "
            f"Received: include_preprocessing={include_preprocessing!r}"
        )
    kwargs = {"dtype": _output_dtype(), "name": "preprocessing"}
    if include_preprocessing == "whiten":
        return Whitening(**kwargs)(x)
    if include_preprocessing:
        return keras.layers.Rescaling(1 / 127.5, -1.0, **kwargs)(x)
    return x


def _conventions(family, stem, pooling_semantics, momentum, epsilon):
    if stem in ("imagenet", "cifar"):  # Else the plan refuses it.
        defaults = family.batch_norm_of(stem)
        momentum = defaults[0] if momentum is None else momentum
        epsilon = defaults[1] if epsilon is None else epsilon
        check_rate("batch_norm_momentum", momentum)
        if not isinstance(epsilon, (int, float)) or not epsilon > 0:
            raise ValueError(
                "`batch_norm_epsilon` must be a positive number. "
                f"Received: batch_norm_epsilon={epsilon!r}"
            )
    return Conventions(
        pooling_semantics,
        momentum,
        epsilon,
        alignment=family.alignment,
        data_format=_runnable_data_format(),
        current_projections=family.current_projections,
        always_project=family.always_project,
    )


def _top(x, plan, include_top, pooling, dropout_rate, classes, activation):
    # Half precision ends before the last average: outputs are for users.
    dtype = _output_dtype()
    if plan.macro.final_relu or not include_top:
        x = keras.layers.Activation("relu", dtype=dtype, name="top_relu")(x)
    data_format = plan.conventions.data_format
    if include_top or pooling == "avg":
        x = keras.layers.GlobalAveragePooling2D(
            data_format=data_format, dtype=dtype, name="global_pool"
        )(x)
    elif pooling == "max":
        x = keras.layers.GlobalMaxPooling2D(
            data_format=data_format, dtype=dtype, name="global_pool"
        )(x)
    if not include_top:
        return x
    if dropout_rate:
        x = keras.layers.Dropout(dropout_rate, dtype=dtype, name="dropout")(x)
    return keras.layers.Dense(
        classes,
        activation=activation,
        use_bias=plan.macro.classifier_bias,
        dtype="float32",
        name="predictions",
    )(x)


def _output_dtype():
    """Single precision where the rest computes in half."""
    compute = keras.config.dtype_policy().compute_dtype
    return "float32" if compute in ("float16", "bfloat16") else None


def _check_top(include_top, classes, pooling, auxiliary_head):
    integer = isinstance(classes, int) and not isinstance(classes, bool)
    if not integer or classes < 1:
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


def _runnable_data_format():
    """Returns Keras' image data format if the backend computes with it."""
    data_format = keras.config.image_data_format()
    if data_format == "channels_first" and _is_cpu_tensorflow():
        raise ValueError(
            "TensorFlow on a CPU convolves images of (height, width, channels) "
            "only. Set `keras.config.set_image_data_format('channels_last')`, "
            "or use JAX, torch or a GPU. Received: "
            f"image_data_format={data_format!r}"
        )
    return data_format


def _is_cpu_tensorflow():
    if keras.backend.backend() != "tensorflow":
        return False
    return not any(
        "gpu" in name.lower() for name in keras.distribution.list_devices()
    )


def _input(input_shape, input_tensor):
    if input_tensor is not None:
        if not keras.utils.is_keras_tensor(input_tensor):
            raise ValueError(
                "`input_tensor` must be a Keras tensor, as `keras.Input` or a "
                f"layer gives. Received: input_tensor={input_tensor!r}"
            )
        return input_tensor
    data_format = keras.config.image_data_format()
    if input_shape is None:
        input_shape = image_shape(None, data_format)
    form = "(channels, height, width)"
    if data_format == "channels_last":
        form = "(height, width, channels)"
    error = ValueError(
        f"`input_shape` must be {form} with height and width of at least 3, or "
        f"None, and a number of channels. Received: input_shape={input_shape}"
    )
    if len(tuple(input_shape)) != 3:
        raise error
    shape = (None, *input_shape)
    _, *sides, channels = split_shape(shape, data_format)
    positive = isinstance(channels, int) and channels > 0
    if not positive or any(s is not None and s < 3 for s in sides):
        raise error
    return keras.Input(shape[1:])


DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(NASNet).parameters.items()
    if name != "weights"
}
