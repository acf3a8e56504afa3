"""The networks: their sizes, shapes, arguments and errors."""

import inspect

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras import NASNET_A, NASNet, NASNetCIFAR, NASNetMobile
from tests.support.counts import cell_weights, fitting
from tests.support.genotypes import TWO_BLOCKS, one_block_genotype
from tests.support.sources import perturb_batch_norm, relative_error


def images(height, width, count=2):
    rng = np.random.default_rng(height)
    return rng.uniform(-1, 1, (count, height, width, 3)).astype("float32")


def small(**arguments):
    """A network of one cheap block, on the CIFAR stem."""
    defaults = {
        "genotype": one_block_genotype("conv_1x1"),
        "cells_per_stack": 1,
        "filters": 2,
        "stem": "cifar",
        "classes": 5,
        "input_shape": (16, 16, 3),
    }
    return NASNet(**{**defaults, **arguments})


def trainable_count(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def output_shapes(model):
    """Shapes by the names of the end points."""
    return {
        layer.name: tuple(layer.output.shape[1:])
        for layer in model.layers
        if "cell" in layer.name
    }


# Counts -----------------------------------------------------------------------


def test_mobile_count(mobile):
    assert mobile.count_params() == 5_326_716
    assert trainable_count(mobile) == 5_289_978


@pytest.fixture(scope="module")
def large():
    return nasnet_keras.NASNetLarge(weights=None)


@pytest.mark.long
def test_large_count(large):
    assert large.count_params() == 88_949_818
    assert trainable_count(large) == 88_753_150


@pytest.mark.long
def test_cifar_count():
    """6 @ 768, cell by cell; `test_exactness` has TF-slim's own variables."""
    normal, reduction = NASNET_A.normal, NASNET_A.reduction
    count = 27 * 96 + 4 * 96 + cell_weights(normal, 32, 1, [96])
    before, current = 96, 192
    for number in range(1, 20):
        reduces, after_reduction = number in (6, 13), number in (7, 14)
        cell, strides = (reduction, 2) if reduces else (normal, 1)
        filters = 32 * 2 ** ((number >= 6) + (number >= 13))
        count += cell_weights(
            cell, filters, strides, [current, before], after_reduction
        )
        before, current = current, filters * len(cell.concat)
    count += 768 * 10 + 10
    assert count == 3_383_786
    assert NASNetCIFAR().count_params() == count


def test_count_of_each_cell():
    model = NASNetCIFAR(cells_per_stack=2, filters=3)
    normal, reduction = NASNET_A.normal, NASNET_A.reduction
    # Channels: stem 9; normal cells 6 F; reductions 4 F.
    expected = {
        "cell_0": cell_weights(normal, 3, 1, [9]),
        "cell_1": cell_weights(normal, 3, 1, [18, 9]),
        "reduction_cell_0": cell_weights(reduction, 6, 2, [18, 18]),
        "cell_2": cell_weights(normal, 6, 1, [24, 18], sizes_differ=True),
        "cell_3": cell_weights(normal, 6, 1, [36, 24]),
        "reduction_cell_1": cell_weights(reduction, 12, 2, [36, 36]),
        "cell_4": cell_weights(normal, 12, 1, [48, 36], sizes_differ=True),
        "cell_5": cell_weights(normal, 12, 1, [72, 48]),
    }
    counts = {
        layer.name: layer.count_params()
        for layer in model.layers
        if "cell" in layer.name
    }
    assert counts == expected
    stem = 27 * 9 + 4 * 9
    classifier = 72 * 10 + 10
    total = stem + sum(expected.values()) + classifier
    assert model.count_params() == total


@pytest.mark.parametrize(
    "build, side, tap, kernel, classes, total",
    [
        (NASNetCIFAR, 32, 384, 4, 10, 1.63e6),
        (NASNetMobile, 224, 528, 4, 1000, 2.41e6),
        (nasnet_keras.NASNetLarge, 331, 2016, 6, 1000, 4.57e6),
    ],
)
def test_count_of_the_auxiliary_head(build, side, tap, kernel, classes, total):
    """On `tap` channels; the second convolution spans what the pool leaves."""
    model = build(
        weights=None,
        genotype=one_block_genotype("identity"),
        cells_per_stack=1,
        auxiliary_head=True,
    )
    assert model.get_layer("aux_pool").input.shape[1] == side // (
        2 if side == 32 else 16
    ) + (side == 331)
    # These cells output one block, NASNet-A's six.
    assert model.get_layer("aux_pool").input.shape[-1] == tap // 6
    names = [layer.name for layer in model.layers if "aux" in layer.name]
    count = sum(model.get_layer(name).count_params() for name in names)
    rest = fitting(768, 0) + kernel**2 * 128 * 768 + 4 * 768
    rest += 4 * 128 + 768 * classes + classes
    assert count == tap // 6 * 128 + rest
    assert round(tap * 128 + rest, -4) == total


# Arguments of keras.applications ----------------------------------------------


@pytest.mark.parametrize("name", ["NASNetMobile", "NASNetLarge"])
def test_arguments_begin_as_those_of_keras_applications(name):
    def parameters(module):
        function = getattr(module, name)
        return list(inspect.signature(function).parameters.values())

    theirs = parameters(keras.applications)
    ours = parameters(nasnet_keras)
    names = [parameter.name for parameter in theirs]
    assert [parameter.name for parameter in ours][: len(names)] == names
    for mine, other in zip(ours, theirs):
        assert mine.default == other.default, mine.name


def test_variant_takes_every_argument_of_nasnet():
    model = NASNetMobile(
        (32, 32, 3),
        weights=None,
        classes=7,
        filters=8,
        cells_per_stack=1,
        genotype=one_block_genotype("conv_1x1"),
        dropout_rate=0.0,
    )
    assert model.output_shape == (None, 7)
    assert model.get_layer("cell_0").filters == 8
    assert "dropout" not in [layer.name for layer in model.layers]
    with pytest.raises(TypeError, match="colour"):
        NASNetMobile(weights=None, colour="red")


# Shapes -----------------------------------------------------------------------


def stacks(sides, stem_filters, filters, cells_per_stack):
    """End points of NASNet-A by the facts: 6 F normal, 4 F reduction."""
    shapes = {
        "cell_stem_0": (2 * sides[0] - sides[0] % 2, stem_filters // 2),
        "cell_stem_1": (sides[0], stem_filters),
    }
    number = 0
    for stage, side in enumerate(sides):
        if stage:
            channels = filters * 4 * 2**stage
            shapes[f"reduction_cell_{stage - 1}"] = (side, channels)
        for _ in range(cells_per_stack):
            shapes[f"cell_{number}"] = (side, filters * 6 * 2**stage)
            number += 1
    return {name: (side, side, c) for name, (side, c) in shapes.items()}


def test_mobile_end_points(mobile):
    """Stem 88; 264, 528, 1056; reductions 352, 704; at 28, 14, 7."""
    expected = stacks((28, 14, 7), 88, 44, 4)
    assert expected["cell_11"] == (7, 7, 1056)
    assert expected["reduction_cell_0"] == (14, 14, 352)
    assert output_shapes(mobile) == expected
    assert mobile.input_shape == (None, 224, 224, 3)
    assert mobile.output_shape == (None, 1000)


LARGE_END_POINTS = {
    "cell_stem_0": (83, 83, 168),
    "cell_stem_1": (42, 42, 336),
    "cell_5": (42, 42, 1008),
    "reduction_cell_0": (21, 21, 1344),
    "cell_6": (21, 21, 2016),
    "cell_11": (21, 21, 2016),
    "reduction_cell_1": (11, 11, 2688),
    "cell_12": (11, 11, 4032),
    "cell_17": (11, 11, 4032),
}


@pytest.mark.long
def test_large_end_points(large):
    shapes = output_shapes(large)
    assert len(shapes) == 22
    assert {name: shapes[name] for name in LARGE_END_POINTS} == (
        LARGE_END_POINTS
    )


def test_large_end_points_with_fewer_filters():
    """Large with a 21st of its filters has a 21st of its channels."""
    model = nasnet_keras.NASNetLarge(filters=8, cells_per_stack=1, weights=None)
    shapes = output_shapes(model)
    renamed = {"cell_5": "cell_0", "cell_6": "cell_1", "cell_12": "cell_2"}
    for name, (height, width, channels) in LARGE_END_POINTS.items():
        if name not in ("cell_11", "cell_17"):
            expected = (height, width, channels // 21)
            assert shapes[renamed.get(name, name)] == expected
    assert model.get_layer("stem_conv").filters == 96
    assert model.input_shape == (None, 331, 331, 3)


@pytest.fixture(scope="module")
def any_size():
    """A network of unknown size, with the ImageNet stem."""
    keras.utils.set_random_seed(0)
    model = NASNet(TWO_BLOCKS, cells_per_stack=1, filters=8, classes=5)
    perturb_batch_norm(model)
    return model


@pytest.mark.parametrize("size", [(96, 96), (97, 97), (128, 128), (97, 96)])
def test_unknown_size_has_the_same_weights_and_outputs(any_size, size):
    """One model for all sizes equals the one built for the size."""
    assert any_size.input_shape == (None, None, None, 3)
    fixed = NASNet(
        TWO_BLOCKS,
        cells_per_stack=1,
        filters=8,
        classes=5,
        input_shape=(*size, 3),
    )
    shapes = [weight.shape for weight in any_size.weights]
    assert [weight.shape for weight in fixed.weights] == shapes
    fixed.set_weights(any_size.get_weights())
    x = images(*size)
    assert relative_error(any_size(x), fixed(x)) < 1e-5


def test_default_size_is_unknown(any_size):
    assert any_size.input_shape == (None, None, None, 3)
    assert any_size.get_layer("cell_2").output.shape == (None, None, None, 96)


@pytest.mark.parametrize(
    "size, sides",
    [
        # 3x3/2 without padding, then halved and rounded up four times.
        ((33, 47), [(8, 12), (4, 6), (2, 3), (1, 2)]),
        ((64, 31), [(16, 8), (8, 4), (4, 2), (2, 1)]),
        ((3, 4), [(1, 1), (1, 1), (1, 1), (1, 1)]),
    ],
)
def test_odd_sizes(size, sides):
    genotype = one_block_genotype("max_pool_3x3")
    model = NASNet(genotype, 1, 8, input_shape=(*size, 3), include_top=False)
    names = ["cell_stem_0", "cell_stem_1", "reduction_cell_0"]
    names += ["reduction_cell_1"]
    shapes = output_shapes(model)
    assert [shapes[name][:2] for name in names] == sides
    assert tuple(model(images(*size)).shape) == (2, *sides[-1], 32)


def test_one_channel():
    model = small(input_shape=(8, 8, 1))
    assert tuple(model(images(8, 8)[..., :1]).shape) == (2, 5)


# The structure ----------------------------------------------------------------


def inputs_of(model, name):
    """Names of the layers whose outputs a cell reads, current state first."""
    names = {id(layer.output): layer.name for layer in model.layers}
    inputs = model.get_layer(name).input
    inputs = inputs if isinstance(inputs, list) else [inputs]
    return [names[id(tensor)] for tensor in inputs]


@pytest.mark.parametrize("skip_reduction", [False, True])
def test_states_that_cells_read(skip_reduction):
    """skip_reduction: the first cell after one skips its previous state."""
    model = small(cells_per_stack=2, skip_reduction=skip_reduction)
    assert inputs_of(model, "cell_0") == ["stem_bn"]
    assert inputs_of(model, "cell_1") == ["cell_0", "stem_bn"]
    assert inputs_of(model, "reduction_cell_0") == ["cell_1", "cell_0"]
    skipped = "cell_0" if skip_reduction else "cell_1"
    assert inputs_of(model, "cell_2") == ["reduction_cell_0", skipped]
    assert inputs_of(model, "cell_3") == ["cell_2", "reduction_cell_0"]
    skipped = "cell_2" if skip_reduction else "cell_3"
    assert inputs_of(model, "cell_4") == ["reduction_cell_1", skipped]
    assert tuple(model(images(16, 16)).shape) == (2, 5)


def test_states_of_the_imagenet_stem():
    model = small(stem="imagenet", filters=8)
    assert inputs_of(model, "cell_stem_0") == ["stem_bn"]
    assert inputs_of(model, "cell_stem_1") == ["cell_stem_0", "stem_bn"]
    assert inputs_of(model, "cell_0") == ["cell_stem_1", "cell_stem_0"]
    filters = {
        name: model.get_layer(name).filters
        for name in ("stem_conv", "cell_stem_0", "cell_stem_1", "cell_0")
    }
    assert list(filters.values()) == [32, 2, 4, 8]


def test_stem_filters():
    assert small().get_layer("stem_conv").filters == 6
    assert small(stem_filters=5).get_layer("stem_conv").filters == 5


@pytest.mark.parametrize(
    "stem, momentum, epsilon",
    [("cifar", 0.9, 1e-5), ("imagenet", 0.9997, 1e-3)],
)
def test_batch_norm_of_the_stem_reaches_every_layer(stem, momentum, epsilon):
    def settings(model):
        norms = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        assert len(norms) > 10
        return {(norm.momentum, norm.epsilon) for norm in norms}

    arguments = {"stem": stem, "filters": 8, "input_shape": (80, 80, 3)}
    model = small(**arguments, auxiliary_head=True)
    assert settings(model) == {(momentum, epsilon)}
    given = {"batch_norm_momentum": 0.5, "batch_norm_epsilon": 0.25}
    assert settings(small(**arguments, **given)) == {(0.5, 0.25)}


def test_pooling_semantics_reach_every_cell():
    model = small(pooling_semantics="keras")
    for name in "cell_0", "reduction_cell_0", "cell_2":
        conventions = model.get_layer(name).conventions
        assert conventions.pooling_semantics == "keras"


# The top ----------------------------------------------------------------------


def test_without_top():
    """The end of the backbone after its ReLU, and its global poolings."""
    keras.utils.set_random_seed(0)
    x = images(16, 16)
    models = {
        pooling: small(include_top=False, pooling=pooling)
        for pooling in (None, "avg", "max")
    }
    weights = models[None].get_weights()
    for model in models.values():
        model.set_weights(weights)
    maps = np.asarray(models[None](x))
    assert maps.shape == (2, 4, 4, 8)
    assert maps.min() == 0
    last = keras.Model(
        models[None].input, models[None].get_layer("cell_2").output
    )
    np.testing.assert_allclose(maps, np.maximum(last(x), 0), rtol=1e-6)
    average, highest = models["avg"](x), models["max"](x)
    assert relative_error(average, maps.mean((1, 2))) < 1e-5
    assert relative_error(highest, maps.max((1, 2))) < 1e-6


def test_classifier():
    """Softmax by default, logits on request; average pooling before it."""
    x = images(16, 16)
    model = small(classes=7)
    logits = small(classes=7, classifier_activation=None)
    features = small(include_top=False, pooling="avg")
    logits.set_weights(model.get_weights())
    features.set_weights(model.get_weights()[:-2])
    kernel, bias = model.get_layer("predictions").get_weights()
    expected = np.asarray(features(x)) @ kernel + bias
    assert relative_error(logits(x), expected) < 1e-5
    exponents = np.exp(expected)
    softmax = exponents / exponents.sum(-1, keepdims=True)
    assert relative_error(model(x), softmax) < 1e-5


def test_dropout():
    model = small(dropout_rate=0.25)
    assert model.get_layer("dropout").rate == 0.25
    assert "dropout" not in [layer.name for layer in small().layers]


def test_dropout_of_the_variants(mobile):
    assert mobile.get_layer("dropout").rate == 0.5
    cifar = NASNetCIFAR(
        genotype=one_block_genotype("identity"), cells_per_stack=1
    )
    assert "dropout" not in [layer.name for layer in cifar.layers]


def test_auxiliary_head():
    model = small(auxiliary_head=True, input_shape=(20, 20, 3))
    outputs = model(images(20, 20))
    names = ["predictions", "auxiliary_predictions"]
    assert model.output_names == names
    for output in outputs:
        assert tuple(output.shape) == (2, 5)
        np.testing.assert_allclose(np.asarray(output).sum(-1), 1, 1e-5)
    # It reads the last normal cell before the second reduction.
    assert inputs_of(model, "aux_relu") == ["cell_1"]
    model.compile(
        "sgd",
        dict.fromkeys(names, "sparse_categorical_crossentropy"),
        loss_weights={"predictions": 1.0, "auxiliary_predictions": 0.4},
        run_eagerly=True,
    )
    before = model.get_layer("aux_conv").get_weights()[0].copy()
    targets = np.array([0, 1])
    model.train_on_batch(images(20, 20), dict.fromkeys(names, targets))
    after = model.get_layer("aux_conv").get_weights()[0]
    assert np.abs(after - before).max() > 0


@pytest.mark.parametrize(
    "shape, found", [(None, "NonexNone"), ((8, 16, 3), "4x8")]
)
def test_auxiliary_head_size_error(shape, found):
    with pytest.raises(ValueError, match=f"`auxiliary_head=True`.*{found}"):
        small(auxiliary_head=True, input_shape=shape)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize(
    "output",
    [
        0,
        1,
    ],
    ids=["predictions", "auxiliary_predictions"],
)
def test_probabilities_are_single_precision(policy, output):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = small(auxiliary_head=True, input_shape=(20, 20, 3))
        outputs = model(images(20, 20))
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("cell_0").compute_dtype == policy[6:]
    np.testing.assert_allclose(np.asarray(outputs[0]).sum(-1), 1, 1e-5)
    assert keras.backend.standardize_dtype(outputs[output].dtype) == "float32"


def test_pooled_features_stay_single_precision_before_the_classifier():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small(dropout_rate=0.5)
    finally:
        keras.config.set_dtype_policy(before)
    for name in ("global_pool", "dropout"):
        assert model.get_layer(name).compute_dtype == "float32"


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_features_are_single_precision(policy, pooling):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = small(
            include_top=False, pooling=pooling, include_preprocessing=True
        )
        outputs = model(np.full((1, 16, 16, 3), 200, "uint8"))
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    scaled = model.get_layer("preprocessing").output
    assert scaled.dtype == "float32"  # 8 bits of a bfloat16 are too few.
    assert model.get_layer("cell_2").output.dtype == policy[6:]


# input_tensor -----------------------------------------------------------------


def test_input_tensor():
    """An Input, or what another layer made of one."""
    inputs = keras.Input((16, 16, 3))
    direct = small(input_tensor=inputs)
    scaled = small(input_tensor=keras.layers.Rescaling(2.0)(inputs))
    plain = small()
    plain.set_weights(direct.get_weights())
    scaled.set_weights(direct.get_weights())
    x = images(16, 16)
    outputs, doubled = direct(x), scaled(x)
    np.testing.assert_array_equal(outputs, plain(x))
    assert relative_error(doubled, plain(2 * x)) < 1e-6
    assert relative_error(doubled, plain(x)) > 1e-3


def test_an_input_tensor_has_its_own_shape():
    inputs = keras.Input((16, 16, 3))
    model = small(input_tensor=inputs, input_shape=(1, 1, 3))
    assert model.input_shape == (None, 16, 16, 3)


def test_input_tensor_error():
    with pytest.raises(ValueError, match="`input_tensor` must be a Keras"):
        small(input_tensor=images(16, 16))


# Weights and saving -----------------------------------------------------------


def test_weights_round_trip(tmp_path):
    path = tmp_path / "mine.weights.h5"
    model = small()
    perturb_batch_norm(model)
    model.save_weights(path)
    x = images(16, 16)
    for given in path, str(path):
        again = small(weights=given)
        np.testing.assert_array_equal(again(x), model(x))
    assert relative_error(small()(x), model(x)) > 1e-3


def test_saving_a_whole_network(any_size, tmp_path):
    any_size.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    x = images(65, 64)
    assert relative_error(loaded(x), any_size(x)) < 1e-6
    configuration = any_size.get_layer("cell_0").get_config()
    assert loaded.get_layer("cell_0").get_config() == configuration


def test_saved_model_keeps_its_semantics(tmp_path):
    pools = one_block_genotype("max_pool_3x3", "avg_pool_3x3")
    model = small(genotype=pools, pooling_semantics="keras")
    slim = small(genotype=pools)
    slim.set_weights(model.get_weights())
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    x = images(16, 16)
    assert relative_error(loaded(x), model(x)) < 1e-6
    assert relative_error(slim(x), model(x)) > 1e-4


def test_named_weights_need_a_preset():
    with pytest.raises(ValueError, match=r"`weights` must be None.*'imagenet'"):
        small(weights="imagenet")


def test_missing_weights_file_error(tmp_path):
    path = tmp_path / "missing.weights.h5"
    with pytest.raises(ValueError, match=r"missing\.weights\.h5"):
        small(weights=path)


# Errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value",
    [
        ("filters", 0),
        ("filters", -8),
        ("filters", 1),
        ("filters", 2.5),
        ("filters", None),
        ("cells_per_stack", 0),
        ("cells_per_stack", -1),
        ("cells_per_stack", 1.0),
        ("stem", "tiny"),
        ("stem", None),
        ("stem_filters", 0),
        ("stem_filters", -3),
        ("pooling", "sum"),
        ("pooling", True),
        ("pooling_semantics", "theano"),
        ("pooling_semantics", None),
        ("classes", 0),
        ("classes", -1),
        ("classes", 2.0),
        ("classes", None),
        ("drop_path_rate", 1.0),
        ("drop_path_rate", -0.1),
        ("drop_path_rate", None),
        ("dropout_rate", 1.0),
        ("dropout_rate", -0.5),
        ("dropout_rate", "half"),
        ("genotype", "nasnet_a"),
        ("input_shape", (2, 16, 3)),
        ("input_shape", (16, 16)),
        ("input_shape", (16,)),
        ("input_shape", (16, 16, None)),
        ("input_shape", (16, 16, 0)),
        ("macro", "resnet"),
        ("classes", True),
        ("cells_per_stack", True),
        ("batch_norm_momentum", 1.5),
        ("batch_norm_epsilon", 0),
    ],
)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError) as error:
        small(**{name: value})
    message = str(error.value)
    assert f"`{name}`" in message
    assert f"{name}={value!r}" in message


def test_imagenet_stem_needs_eight_filters():
    """Its first cell has a quarter of them, and factorizes in two."""
    with pytest.raises(ValueError, match=r"`filters` .*at least 8.*filters=7"):
        small(stem="imagenet", filters=7)
    assert small(stem="imagenet", filters=8, input_shape=None)


def test_any_number_of_filters():
    """Odd ones too, that no quarter and no half divides."""
    for stem, filters in ("imagenet", 11), ("cifar", 3):
        model = small(genotype=TWO_BLOCKS, stem=stem, filters=filters)
        assert tuple(model(images(16, 16)).shape) == (2, 5)


def test_auxiliary_head_needs_the_top():
    with pytest.raises(ValueError, match=r"`auxiliary_head=True`.*include_top"):
        small(auxiliary_head=True, include_top=False)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the others run it"
)
def test_channels_first_error():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="'channels_first'"):
            small()
    finally:
        keras.config.set_image_data_format("channels_last")
