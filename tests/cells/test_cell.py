"""Cell layers: shapes, values, errors, saving and training."""

import keras
import numpy as np
import pytest

from nasnet_keras import NASNet
from nasnet_keras.cells import NormalCell, ReductionCell
from nasnet_keras.cells.conventions import Conventions
from nasnet_keras.cells.operations import (
    PAPER_OPERATIONS,
    FactorizedReduction,
)
from nasnet_keras.genotypes import COMBINATIONS, Block, Cell
from nasnet_keras.genotypes.published import NASNET_A
from tests.support.genotypes import one_block_genotype, random_genotype
from tests.support.sources import perturb_batch_norm, relative_error

BOTH = pytest.mark.parametrize("layer_class", [NormalCell, ReductionCell])


def images(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, *shape)).astype("float32")


def built(layer, *channels):
    """The built layer, with random batch norm variables."""
    layer.build([(None, None, None, count) for count in channels])
    perturb_batch_norm(layer)
    return layer


def identities(*states, concat, inputs=2, combination="add"):
    names = ("identity", "identity")
    return Cell([Block(states, names, combination)], concat, inputs)


def normalized(x, norm, epsilon=1e-3):
    gamma, beta, mean, variance = norm
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def projected(x, weights):
    kernel, *norm = weights
    return normalized(np.maximum(x, 0) @ kernel[0, 0], norm)


# Shapes -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (6, 5)])
@pytest.mark.parametrize(
    "layer_class, cell, strides, states",
    [
        (NormalCell, NASNET_A.normal, 1, 6),
        (ReductionCell, NASNET_A.reduction, 2, 4),
    ],
)
def test_nasnet_a_shapes(layer_class, cell, strides, states, size):
    """6 F channels and the size; 4 F channels and half the size, rounded up."""
    layer = layer_class(cell, filters=3)
    inputs = [images(*size, 5), images(*size, 7)]
    halved = [-(-side // strides) for side in size]
    expected = (2, *halved, 3 * states)
    assert tuple(layer(inputs).shape) == expected
    shapes = [x.shape for x in inputs]
    assert layer.compute_output_shape(shapes) == expected
    unknown = [(None, None, None, 5), (None, None, None, 7)]
    expected = (None, None, None, 3 * states)
    assert layer.compute_output_shape(unknown) == expected


@BOTH
@pytest.mark.parametrize("size", [(3, 4), (4, 3)])
@pytest.mark.parametrize("input_strides", [(1, 2), (1, 4)])
def test_larger_previous_state(layer_class, input_strides, size):
    """A previous state 2 or 4 times as large, of odd sides or even ones."""
    cell = NASNET_A.normal if layer_class is NormalCell else NASNET_A.reduction
    layer = layer_class(cell, filters=2, input_strides=input_strides)
    for short in 0, 1:  # ceil((k n - 1) / k) = n too.
        previous = [side * input_strides[1] - short for side in size]
        outputs = layer([images(*size, 4), images(*previous, 3)])
        halved = [-(-side // layer.strides) for side in size]
        assert tuple(outputs.shape) == (2, *halved, 2 * len(cell.concat))


@BOTH
def test_four_input_states(layer_class):
    """The form of NASNet-B: 4 blocks, 4 inputs, all blocks in concat."""
    blocks = [
        Block((0, 3), ("conv_1x1", "max_pool_3x3")),
        Block((1, 2), ("sep_conv_3x3", "identity")),
        Block((4, 0), ("identity", "avg_pool_3x3")),
        Block((2, 5), ("conv_3x3", "conv_1x3_3x1"), "concat"),
    ]
    cell = Cell(blocks, (4, 5, 6, 7), inputs=4)
    layer = layer_class(cell, 3, input_strides=(1, 1, 2, 4))
    sizes = [(4, 5, 6), (4, 5, 3), (8, 10, 2), (16, 19, 5)]
    states = [images(*size, seed=seed) for seed, size in enumerate(sizes)]
    outputs = np.asarray(layer(states))
    halved = (4, 5) if layer_class is NormalCell else (2, 3)
    assert outputs.shape == (2, *halved, 12)
    # All four inputs are read.
    for number in range(4):
        other = list(states)
        other[number] = 1 - states[number]
        assert np.abs(np.asarray(layer(other)) - outputs).max() > 1e-2


# Values, by hand --------------------------------------------------------------


def test_current_state_is_projected_and_previous_passes_where_it_fits():
    layer = built(NormalCell(identities(0, 1, concat=(2,)), 3), 3, 3)
    current, previous = images(4, 4, 3), images(4, 4, 3, seed=1)
    fitted = projected(current, layer.fits[0].get_weights())
    expected = fitted + previous
    assert relative_error(layer([current, previous]), expected) < 1e-5
    assert not layer.fits[1].weights


def test_previous_state_of_other_channels_is_projected():
    layer = built(NormalCell(identities(1, 1, concat=(2,)), 3), 3, 5)
    previous = images(4, 4, 5)
    expected = 2 * projected(previous, layer.fits[1].get_weights())
    outputs = layer([images(4, 4, 3), previous])
    assert relative_error(outputs, expected) < 1e-5


@pytest.mark.parametrize("halvings", [1, 2])
def test_larger_previous_state_is_reduced_step_by_step(halvings):
    """ReLU and a factorized reduction for each power of two."""
    cell = identities(1, 1, concat=(2,))
    layer = NormalCell(cell, 4, input_strides=(1, 2**halvings))
    built(layer, 3, 5)
    previous = images(*(3 * 2**halvings - 1,) * 2, 5)
    weights = layer.fits[1].get_weights()
    assert len(weights) == 6 * halvings
    x = previous
    for turn in range(halvings):
        reduction = FactorizedReduction(4)
        x = np.maximum(x, 0)
        reduction.build(x.shape)
        reduction.set_weights(weights[6 * turn : 6 * turn + 6])
        x = np.asarray(reduction(x))
    outputs = layer([images(3, 3, 3), previous])
    assert relative_error(outputs, 2 * x) < 1e-5


def test_blocks_are_added():
    cell = Cell(
        [
            Block((1, 1), ("identity", "identity")),
            Block((2, 1), ("identity", "identity")),
        ],
        (3,),
    )
    previous = images(4, 4, 3)
    outputs = NormalCell(cell, 3)([images(4, 4, 3, seed=1), previous])
    np.testing.assert_allclose(outputs, 3 * previous, rtol=1e-6)


def test_blocks_are_concatenated_and_projected():
    cell = identities(1, 2, concat=(3,), inputs=3, combination="concat")
    layer = built(NormalCell(cell, 3), 4, 3, 3)
    first, second = images(4, 4, 3), images(4, 4, 3, seed=1)
    both = np.concatenate([first, second], -1)
    merge = layer.merges[0].get_weights()
    assert merge[0].shape == (1, 1, 6, 3)
    outputs = layer([images(4, 4, 4), first, second])
    assert relative_error(outputs, projected(both, merge)) < 1e-5


def test_output_is_the_states_of_concat_in_their_order():
    layer = NormalCell(identities(1, 1, concat=(2, 1)), 3)
    previous = images(4, 4, 3)
    outputs = layer([images(4, 4, 3, seed=1), previous])
    expected = np.concatenate([2 * previous, previous], -1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-6)


@pytest.mark.parametrize("size", [(4, 6), (5, 4)])
def test_input_state_in_the_output_of_a_reduction(size):
    """It is halved by a factorized reduction, without a ReLU (TF-slim)."""
    cell = identities(0, 0, concat=(1, 2))
    layer = built(ReductionCell(cell, 4), 3, 4)
    previous = images(*size, 4)
    reduction = FactorizedReduction(4)
    reduction.build(previous.shape)
    reduction.set_weights(layer.outs[0].get_weights())
    outputs = np.asarray(layer([images(*size, 3), previous]))
    assert outputs.shape == (2, *[-(-side // 2) for side in size], 8)
    assert relative_error(outputs[..., :4], reduction(previous)) < 1e-5


def test_strided_identity_is_relu_1x1_batch_norm():
    cell = identities(1, 1, concat=(2,))
    layer = built(ReductionCell(cell, 3), 3, 3)
    previous = images(5, 6, 3)
    even = previous[:, ::2, ::2]
    expected = sum(
        projected(even, path.get_weights()) for path in layer.paths[0]
    )
    outputs = layer([images(5, 6, 3), previous])
    assert relative_error(outputs, expected) < 1e-5


def test_only_the_inputs_are_strided():
    cell = Cell(
        [
            Block((0, 0), ("max_pool_3x3", "max_pool_3x3")),
            Block((2, 2), ("max_pool_3x3", "identity")),
        ],
        (3,),
    )
    outputs = ReductionCell(cell, 2)([images(8, 8, 2)])
    assert tuple(outputs.shape) == (2, 4, 4, 2)


# Fewer states than the cell reads ---------------------------------------------


@BOTH
def test_current_state_stands_in_for_missing_ones(layer_class):
    """The unchanged current state replaces it, as in TF-slim's first cells."""
    cell = identities(1, 2, concat=(3,), inputs=3)
    x = images(4, 4, 3)
    layer = built(layer_class(cell, 3), 3)
    alone = np.asarray(layer([x]))
    np.testing.assert_array_equal(layer(x), alone)
    twin = built(layer_class(cell, 3), 3, 3, 3)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin([x, x, x]), alone)
    if layer_class is NormalCell:
        np.testing.assert_allclose(alone, 2 * x, rtol=1e-6)


def test_stand_in_of_other_channels_goes_out_without_relu():
    """A missing state in concat: 1x1 and batch norm (TF-slim)."""
    layer = built(NormalCell(identities(0, 0, concat=(1, 2)), 3), 5)
    x = images(4, 4, 5)
    kernel, *norm = layer.outs[0].get_weights()
    expected = normalized(x @ kernel[0, 0], norm)
    outputs = np.asarray(layer([x]))
    assert relative_error(outputs[..., :3], expected) < 1e-5


# Errors -----------------------------------------------------------------------


@BOTH
def test_too_many_inputs_error(layer_class):
    layer = layer_class(NASNET_A.normal, 2, name="mine")
    with pytest.raises(ValueError, match=r"mine reads 2 input .*Received: 3"):
        layer([images(4, 4, 3)] * 3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": 0}, "`filters` .* filters=0"),
        ({"filters": -4}, "`filters` .* filters=-4"),
        ({"filters": 2.0}, "`filters` .* filters=2.0"),
        ({"filters": True}, "`filters` .* filters=True"),
        ({"filters": 1, "input_strides": (1, 2)}, "at least 2.* filters=1"),
        ({"input_strides": (1,)}, r"`input_strides` .* 2 .*=\(1,\)"),
        ({"input_strides": (1, 3)}, r"`input_strides` .*=\(1, 3\)"),
        ({"input_strides": (1, 0)}, r"`input_strides` .*=\(1, 0\)"),
        ({"drop_path_rate": 1.0}, "`drop_path_rate` .* drop_path_rate=1.0"),
        ({"drop_path_rate": -0.1}, "`drop_path_rate` .* drop_path_rate=-0.1"),
        ({"cell": "nasnet_a"}, "`cell` .* cell='nasnet_a'"),
    ],
)
def test_argument_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        NormalCell(**{"cell": NASNET_A.normal, "filters": 2, **arguments})


def test_one_filter_cannot_be_factorized_but_can_do_without():
    cell = identities(0, 1, concat=(1, 2))
    with pytest.raises(ValueError, match=r"at least 2.* filters=1"):
        ReductionCell(cell, 1)
    outputs = NormalCell(cell, 1)([images(4, 4, 3), images(4, 4, 3)])
    assert tuple(outputs.shape) == (2, 4, 4, 2)


# Ordinary Keras layers --------------------------------------------------------


@BOTH
def test_config_round_trip(layer_class):
    layer = layer_class(
        NASNET_A.reduction,
        4,
        input_strides=(1, 2),
        drop_path_rate=0.25,
        conventions=Conventions("keras", 0.5, 0.125),
        name="mine",
    )
    config = layer.get_config()
    twin = layer_class.from_config(config)
    assert twin.get_config() == config
    assert twin.cell == NASNET_A.reduction
    assert twin.filters == 4
    assert twin.input_strides == (1, 2)
    assert twin.drop_path_rate == 0.25
    assert twin.conventions == Conventions("keras", 0.5, 0.125)
    assert twin.name == "mine"


def two_cells():
    """A user's model that contains cells and a parallel branch."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(inputs)
    y = ReductionCell(NASNET_A.reduction, 2, name="reduction")([x, inputs])
    cell = NormalCell(NASNET_A.normal, 2, (1, 2), name="normal")
    y = cell([y, x])
    y = keras.layers.GlobalAveragePooling2D()(y)
    return keras.Model(inputs, keras.layers.Dense(2, name="last")(y))


@pytest.fixture(scope="module")
def standalone():
    model = two_cells()
    perturb_batch_norm(model)
    return model


def test_standalone_use_in_a_functional_model(standalone, tmp_path):
    x = images(8, 8, 3)
    outputs = standalone(x)
    assert tuple(outputs.shape) == (2, 2)
    assert standalone.get_layer("normal").output.shape == (None, 4, 4, 12)
    standalone.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert relative_error(loaded(x), outputs) < 1e-6


def test_clone_model(standalone):
    clone = keras.models.clone_model(standalone)
    x = images(8, 8, 3)
    assert relative_error(clone(x), standalone(x)) > 1e-2
    clone.set_weights(standalone.get_weights())
    assert relative_error(clone(x), standalone(x)) < 1e-6
    assert clone.get_layer("normal") is not standalone.get_layer("normal")


def changed_layers(model):
    """Names of the layers that a training step changes."""
    model.compile("sgd", "mse", run_eagerly=True)
    before = {layer.name: layer.get_weights() for layer in model.layers}
    model.train_on_batch(images(8, 8, 3), np.array([[9.0, -9.0]] * 2))
    return {
        layer.name
        for layer in model.layers
        for old, new in zip(before[layer.name], layer.get_weights())
        if not np.array_equal(old, new)
    }


def test_frozen_cell_does_not_learn():
    """Neither its kernels nor its moving statistics."""
    model = two_cells()
    everything = {"first", "reduction", "normal", "last"}
    assert changed_layers(model) == everything
    cell = model.get_layer("reduction")
    cell.trainable = False
    assert cell.trainable_weights == []
    assert changed_layers(model) == everything - {"reduction"}
    cell.trainable = True
    assert changed_layers(model) == everything


def test_cell_frozen_before_it_is_built_does_not_learn():
    cell = NormalCell(NASNET_A.normal, 2, trainable=False, name="cell")
    inputs = keras.Input((8, 8, 3))
    y = keras.layers.GlobalAveragePooling2D()(cell([inputs]))
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(y))
    assert changed_layers(model) == {"last"}


@pytest.mark.parametrize("way", ["save", "clone"])
def test_frozen_cell_stays_frozen(way, tmp_path):
    model = two_cells()
    model.get_layer("reduction").trainable = False
    if way == "save":
        model.save(tmp_path / "a.keras")
        again = keras.models.load_model(tmp_path / "a.keras")
    else:
        again = keras.models.clone_model(model)
    assert changed_layers(again) == {"first", "normal", "last"}


# Random genotypes -------------------------------------------------------------


def drawn(seed, most_blocks):
    """A random generator, and a genotype of 2 to `most_blocks` blocks."""
    rng = np.random.default_rng(seed)
    blocks = int(rng.integers(2, most_blocks + 1))
    inputs = int(rng.integers(1, 5))
    return rng, random_genotype(rng, blocks, inputs, PAPER_OPERATIONS)


def check_random_genotype(seed, most_blocks, path):
    """Builds, trains, saves and loads a network of a random genotype."""
    rng, genotype = drawn(seed, most_blocks)
    side = int(rng.integers(8, 10))
    model = NASNet(
        genotype,
        cells_per_stack=1,
        filters=int(rng.integers(2, 5)),
        stem="cifar",
        classes=3,
        input_shape=(side, side, 3),
        # Probabilities of an untrained network may be 0 and 1 for any image.
        classifier_activation=None,
    )
    # Eager: compiling would take most of the time.
    model.compile(
        keras.optimizers.SGD(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    x = images(side, side, 3, seed=seed)
    before = model.get_weights()
    loss = model.train_on_batch(x, np.array([0, 2]))
    assert np.isfinite(loss), genotype
    assert np.abs(model.get_weights()[0] - before[0]).max() > 0, genotype
    model.save(path)
    loaded = keras.models.load_model(path)
    outputs = np.asarray(model(x))
    assert np.isfinite(outputs).all(), genotype
    assert relative_error(loaded(x), outputs) < 1e-5, genotype
    # The two rows differ: the output depends on the input.
    assert np.abs(outputs[0] - outputs[1]).max() > 0, genotype
    keras.backend.clear_session()


@pytest.mark.parametrize("seed", range(3))
def test_random_genotypes(seed, tmp_path):
    check_random_genotype(seed, 3, tmp_path / "random.keras")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_a_hundred_random_genotypes(seed, tmp_path):
    check_random_genotype(seed, 8, tmp_path / "random.keras")


def test_the_hundred_cover_the_space():
    """2 to 8 blocks, all operations and combinations, inputs in concat."""
    seen = set()
    for seed in range(100, 200):
        _, genotype = drawn(seed, 8)
        for kind in "normal", "reduction":
            cell = getattr(genotype, kind)
            seen |= {f"{len(cell.blocks)} blocks", f"{cell.inputs} inputs"}
            seen |= {block.combination for block in cell.blocks}
            seen |= set(cell.operations)
            if min(cell.concat) < cell.inputs:
                seen.add(f"input in concat, {kind}")
    assert seen == {
        *PAPER_OPERATIONS,
        *(f"{count} blocks" for count in range(2, 9)),
        *(f"{count} inputs" for count in range(1, 5)),
        *COMBINATIONS,
        *("input in concat, normal", "input in concat, reduction"),
    }


@BOTH
def test_a_state_that_nothing_reads_has_no_weights(layer_class):
    """Keras would warn of them in every training: they have no gradient."""
    layer = layer_class(identities(0, 0, concat=(2,)), 2, (1, 2))
    layer.build([(None, None, None, 2), (None, None, None, 5)])
    assert not layer.fits[1].weights


def test_genotype_of_one_block_and_one_state():
    genotype = one_block_genotype("sep_conv_3x3", combination="concat")
    cell = NormalCell(genotype.normal, 2)
    assert tuple(cell([images(4, 4, 3)]).shape) == (2, 4, 4, 2)
