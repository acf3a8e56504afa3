"""The operations of the paper and its relatives, and a user's own."""

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.cells.conventions import Conventions, Slot
from nasnet_keras.cells.operations import (
    OPERATIONS,
    PAPER_OPERATIONS,
    FactorizedReduction,
    check_operations,
    register_operation,
)
from nasnet_keras.cells.plan import Part, make_chain
from tests.support.counts import operation_weights
from tests.support.genotypes import one_block_genotype
from tests.support.sources import perturb_batch_norm, relative_error

THIRTEEN = [
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
]
EACH = pytest.mark.parametrize("name", THIRTEEN)


# The pixels of the output that one pixel of the input reaches at stride 1.
REACH = {
    "identity": 1,
    "conv_1x1": 1,
    "conv_3x3": 3**2,
    "conv_1x3_3x1": 3**2,
    "conv_1x7_7x1": 7**2,
    "dil_conv_3x3": 3**2,
    "avg_pool_3x3": 3**2,
    "max_pool_3x3": 3**2,
    "max_pool_5x5": 5**2,
    "max_pool_7x7": 7**2,
    "sep_conv_3x3": 5**2,
    "sep_conv_5x5": 9**2,
    "sep_conv_7x7": 13**2,
}


def built(name, slot):
    operation = make_chain([Part(name, slot)])
    operation.build((None, None, None, slot.channels))
    return operation


def images(height, width, channels, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, height, width, channels)).astype("float32")


def fill_kernels(layer, value):
    for weight in layer.weights:
        if weight.path.endswith("kernel"):
            weight.assign(np.full(weight.shape, value, "float32"))


def test_the_table_holds_the_thirteen_of_the_paper():
    assert sorted(PAPER_OPERATIONS) == sorted(THIRTEEN)
    assert list(OPERATIONS)[:13] == list(PAPER_OPERATIONS)


@EACH
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("channels", [4, 3], ids=["equal", "different"])
def test_output_shape(name, strides, channels):
    slot = Slot(channels, 4, strides)
    operation = built(name, slot)
    for size in (7, 8), (8, 7), (1, 2):
        expected = (2, *(-(-side // strides) for side in size), 4)
        outputs = operation(images(*size, channels))
        assert tuple(outputs.shape) == expected
        given = operation.compute_output_shape((2, *size, channels))
        assert tuple(given) == expected
    unknown = operation.compute_output_shape((None, None, None, channels))
    assert tuple(unknown) == (None, None, None, 4)


@EACH
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("channels", [4, 3], ids=["equal", "different"])
def test_number_of_weights(name, strides, channels):
    operation = built(name, Slot(channels, 4, strides))
    expected = operation_weights(name, channels, 4, strides)
    assert operation.count_params() == expected


@EACH
def test_reach(name):
    """The receptive field is the window; of separable convolutions, twice."""
    operation = built(name, Slot(2, 2))
    fill_kernels(operation, 0.1)
    x = np.ones((1, 17, 17, 2), "float32")
    impulse = x.copy()
    impulse[0, 8, 8] = 2
    changed = np.asarray(operation(impulse)) != np.asarray(operation(x))
    reached = np.argwhere(changed.any(-1)[0]) - 8
    assert len(reached) == REACH[name]
    np.testing.assert_array_equal(reached.min(0), -reached.max(0))
    steps = 2 if name == "dil_conv_3x3" else 1
    assert set(np.diff(np.unique(reached[:, 0]))) <= {steps}
    assert set(np.diff(np.unique(reached[:, 1]))) <= {steps}


# Weights of the relatives' operations at 8 filters, by hand: kernels and four
# numbers per channel of each batch norm. A factorized reduction has two 1x1
# kernels of half of the filters. By stride.
RELATIVES = {
    "max_pool_2x2": (0, 0),
    "bottleneck_conv_3x3": (8 * 2 + 9 * 2 * 2 + 2 * 8 + 4 * (2 + 2 + 8),) * 2,
    "bottleneck_conv_1x7_7x1": (
        8 * 2 + 2 * 7 * 2 * 2 + 2 * 8 + 4 * (2 + 2 + 2 + 8),
    )
    * 2,
    "dil_sep_conv_3x3": (9 * 8 + 8 * 8 + 4 * 8,) * 2,
    "dil_sep_conv_5x5": (25 * 8 + 8 * 8 + 4 * 8,) * 2,
    "skip_connect": (0, 8 * 8 + 4 * 8),
    "factorized_identity": (0, 8 * 8 + 4 * 8),
    "none": (0, 0),
    "linear_conv_1x1": (8 * 8 + 4 * 8,) * 2,
    "layer_norm": (2 * 8,) * 2,
    "instance_norm": (2 * 8,) * 2,
}


@pytest.mark.parametrize("name", RELATIVES)
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("alignment", ["tensorflow", "pytorch"])
def test_operations_of_the_relatives(name, strides, alignment):
    slot = Slot(8, 8, strides, Conventions(alignment=alignment))
    operation = built(name, slot)
    assert operation.count_params() == RELATIVES[name][strides - 1]
    for side in 7, 8:
        y = operation(images(side, side + 1, 8))
        expected = [-(-s // strides) for s in (side, side + 1)]
        assert list(y.shape) == [2, *expected, 8]


def test_relatives_are_all_that_the_paper_lacks():
    assert set(OPERATIONS) == {*PAPER_OPERATIONS, *RELATIVES}


@pytest.mark.parametrize("name", ["skip_connect", "factorized_identity"])
def test_identities_of_the_relatives(name):
    x = images(7, 8, 4)
    operation = built(name, Slot(4, 4))
    np.testing.assert_array_equal(operation(x), x)
    # The ReLU before DARTS' reduction, and none before ENAS'.
    reduction = built(name, Slot(4, 4, 2))
    same = np.allclose(reduction(x), reduction(np.maximum(x, 0)), atol=1e-6)
    assert same == (name == "skip_connect")


def test_no_bottleneck_below_four_filters():
    operation = built("bottleneck_conv_3x3", Slot(3, 3))
    assert operation.count_params() == 9 * 3 * 3 + 4 * 3


@EACH
@pytest.mark.parametrize("strides", [1, 2])
def test_relu_comes_first_but_before_pools(name, strides):
    """ReLU, convolution, batch norm; no ReLU before pools and identities."""
    operation = built(name, Slot(4, 4, strides))
    perturb_batch_norm(operation)
    x = images(7, 8, 4)
    x[..., 0] -= 10  # Negative in the largest window.
    same = np.allclose(operation(x), operation(np.maximum(x, 0)), atol=1e-6)
    plain = "pool" in name or (name, strides) == ("identity", 1)
    assert same == (not plain)


def test_identity_is_the_input():
    x = images(7, 8, 4)
    np.testing.assert_array_equal(built("identity", Slot(4, 4))(x), x)


@pytest.mark.parametrize(
    "name, channels, strides",
    [("identity", 3, 1), ("identity", 4, 2), ("conv_1x1", 4, 2)],
)
def test_fitting_is_relu_1x1_batch_norm(name, channels, strides):
    operation = built(name, Slot(channels, 4, strides))
    perturb_batch_norm(operation)
    kernel, *norm = operation.get_weights()
    x = images(7, 8, channels)
    pixels = np.maximum(x, 0)[:, ::strides, ::strides]
    expected = normalized(pixels @ kernel[0, 0], norm)
    assert relative_error(operation(x), expected) < 1e-5


def normalized(x, norm, epsilon=1e-3):
    gamma, beta, mean, variance = norm
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (7, 8), (3, 2), (12, 13)])
def test_strided_dilated_conv_is_the_dilated_one_at_even_pixels(size):
    plain = built("dil_conv_3x3", Slot(3, 4, 1))
    strided = built("dil_conv_3x3", Slot(3, 4, 2))
    perturb_batch_norm(plain)
    strided.set_weights(plain.get_weights())
    x = images(*size, 3)
    expected = np.asarray(plain(x))[:, ::2, ::2]
    assert relative_error(strided(x), expected) < 1e-5


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (7, 8), (8, 7), (1, 2)])
@pytest.mark.parametrize("filters", [4, 5])
def test_factorized_reduction_against_numpy(size, filters):
    layer = FactorizedReduction(filters)
    layer.build((None, None, None, 3))
    perturb_batch_norm(layer)
    layer.norm.moving_mean.assign(np.linspace(-1, 1, filters))
    first, second, *norm = layer.get_weights()
    assert (first.shape[-1], second.shape[-1]) == (
        filters // 2,
        -(-filters // 2),
    )
    x = images(*size, 3)
    padded = np.zeros((2, size[0] + 1, size[1] + 1, 3), "float32")
    padded[:, : size[0], : size[1]] = x
    paths = [
        x[:, ::2, ::2] @ first[0, 0],
        padded[:, 1::2, 1::2] @ second[0, 0],
    ]
    expected = normalized(np.concatenate(paths, -1), norm)
    actual = layer(x)
    assert relative_error(actual, expected) < 1e-5
    assert layer.compute_output_shape(x.shape) == tuple(actual.shape)


def test_factorized_reduction_config_and_error():
    layer = FactorizedReduction(4, Conventions("keras", 0.5, 0.25))
    twin = FactorizedReduction.from_config(layer.get_config())
    assert twin.conventions == Conventions("keras", 0.5, 0.25)
    assert twin.get_config() == layer.get_config()
    with pytest.raises(ValueError, match="filters=1"):
        FactorizedReduction(1)


@pytest.mark.parametrize("name", ["conv_3x3", "sep_conv_3x3", "max_pool_3x3"])
def test_conventions_reach_the_layers(name):
    conventions = Conventions("keras", 0.5, 0.25)
    operation = built(name, Slot(3, 4, 2, conventions))
    norms = [layer for layer in operation.layers if hasattr(layer, "momentum")]
    assert norms
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.5, 0.25)}
    if "pool" in name:
        assert operation.layers[0].pooling_semantics == "keras"


def test_initializer_is_variance_scaling_by_fan_out():
    """Variance 2 / fan-out: here 9 * 64 for the kernel of a 3x3."""
    operation = built("conv_3x3", Slot(64, 64))
    kernel = operation.get_weights()[0]
    assert np.var(kernel) == pytest.approx(2 / (9 * 64), rel=0.05)
    few_out = built("conv_3x3", Slot(64, 8)).get_weights()[0]
    assert np.var(few_out) == pytest.approx(2 / (9 * 8), rel=0.1)


def test_no_convolution_has_a_bias():
    for name in THIRTEEN:
        paths = [weight.path for weight in built(name, Slot(3, 4)).weights]
        assert not [path for path in paths if path.endswith("bias")]


@pytest.fixture
def scaled_conv(operations):
    @nasnet_keras.register_operation("scaled_conv")
    def scaled_conv(slot):
        return [
            keras.layers.Rescaling(0.5),
            slot.conv(5, activation="tanh"),
            slot.batch_norm(),
        ]

    return scaled_conv


def network(genotype):
    keras.utils.set_random_seed(0)
    return nasnet_keras.NASNet(
        genotype,
        cells_per_stack=1,
        filters=2,
        stem="cifar",
        classes=3,
        input_shape=(8, 8, 3),
    )


def test_user_defined_operation_builds_trains_saves_and_loads(
    scaled_conv, operations, tmp_path
):
    model = network(one_block_genotype("scaled_conv"))
    kernel = model.get_layer("cell_0").paths[0][0].layers[1].kernel
    before = kernel.numpy()
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    model.train_on_batch(images(8, 8, 3), np.array([0, 2]))
    assert np.abs(kernel.numpy() - before).max() > 0
    path = tmp_path / "mine.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    x = images(8, 8, 3, seed=1)
    assert relative_error(loaded(x), model(x)) < 1e-6
    del operations["scaled_conv"]
    # Keras wraps errors of loading.
    with pytest.raises(TypeError, match=r"Unknown operation.*'scaled_conv'"):
        keras.models.load_model(path)


def test_duplicate_registration_error(scaled_conv, operations):
    for name in "scaled_conv", "identity":
        before = operations[name]
        with pytest.raises(ValueError, match=f"'{name}' is registered already"):
            register_operation(name)(lambda slot: [])
        assert operations[name] is before


def test_unknown_operation_error():
    message = r"Unknown operation.*: 'conv_9x9'. Known: .*sep_conv_7x7"
    with pytest.raises(ValueError, match=message):
        check_operations(["identity", "conv_9x9"])
    with pytest.raises(ValueError, match=message):
        make_chain([Part("conv_9x9", Slot(4, 4))])
    with pytest.raises(ValueError, match=message):
        network(one_block_genotype("conv_9x9"))


def test_operation_with_wrong_channels_error(operations):
    @register_operation("greedy")
    def greedy(slot):
        return [slot.conventions.conv(slot.filters + 1, 1)]

    message = r"'greedy' must give 2 channels .*It gives 3"
    with pytest.raises(ValueError, match=message):
        network(one_block_genotype("greedy"))


def test_operation_that_ignores_its_strides_error(operations):
    """The error comes when the cell is built, as for channels."""

    @register_operation("lazy")
    def lazy(slot):
        return [slot.conv(3, strides=1)]

    with pytest.raises(ValueError, match=r"'lazy' .*strides"):
        network(one_block_genotype("lazy"))
