"""Drop path: the formula, the layer, and the layer in cells and networks."""

import keras
import numpy as np
import pytest
from keras import ops

from nasnet_keras import NASNet, checks
from nasnet_keras.cells import NormalCell, ReductionCell
from nasnet_keras.genotypes import Block, Cell
from nasnet_keras.layers.drop_path import DropPath, drop_path_rate
from nasnet_keras.training.drop_path import ScheduledDropPath
from tests.support.genotypes import one_block_genotype
from tests.support.sources import perturb_batch_norm, relative_error

ROWS = 4096


@pytest.mark.parametrize(
    "step, total, cell, cells, final, expected",
    [
        # Large: 22 cells, keep 0.7. Half of the depth and of the training.
        (125_000, 250_000, 10, 22, 0.3, 0.075),
        # Its last cell, at the first step, at the last, and long after.
        (0, 250_000, 21, 22, 0.3, 0.0),
        (250_000, 250_000, 21, 22, 0.3, 0.3),
        (400_000, 250_000, 21, 22, 0.3, 0.3),
        # CIFAR: 20 cells, keep 0.6. The first cell has rate too: (0 + 1) / 20.
        (937_500, 937_500, 0, 20, 0.4, 0.02),
        (93_750, 937_500, 4, 20, 0.4, 0.01),
        # Mobile: 16 cells, keep 1.
        (250_000, 250_000, 15, 16, 0.0, 0.0),
    ],
)
def test_schedule_by_hand(step, total, cell, cells, final, expected):
    rate = drop_path_rate(step, total, cell, cells, final)
    assert rate == pytest.approx(expected, abs=1e-12)


def test_dropping_whole_examples():
    """Every example is all zeros or all divided by keep, at the right rate."""
    x = np.random.default_rng(0).normal(size=(ROWS, 2, 3, 4)).astype("float32")
    y = np.asarray(DropPath(0.25, seed=0)(x, training=True))
    dropped = (y == 0).all((1, 2, 3))
    np.testing.assert_allclose(y[~dropped], x[~dropped] / 0.75, rtol=1e-6)
    deviation = np.sqrt(0.25 * 0.75 / ROWS)
    assert abs(dropped.mean() - 0.25) < 4 * deviation


def test_the_mean_of_many_draws_is_the_undropped_output():
    x = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
    layer = DropPath(0.4, seed=0)
    drawn = np.asarray(layer(np.repeat(x, ROWS, axis=0), training=True))
    means = drawn.reshape(8, ROWS, 5).mean(axis=1)
    # A value is x / keep or 0, so its deviation is |x| sqrt(rate / keep).
    deviation = np.abs(x) * np.sqrt(0.4 / 0.6 / ROWS)
    assert (np.abs(means - x) < 4.5 * deviation).all()


def test_gradients_are_those_of_what_was_kept():
    """The gradient of the mean of `w x` counts the examples kept."""
    inputs = keras.Input((1,))
    x = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(
        inputs
    )
    model = keras.Model(inputs, DropPath(0.25, seed=3)(x))
    model.compile(
        keras.optimizers.SGD(1.0), loss=lambda y, p: ops.mean(p * y, axis=-1)
    )
    model.train_on_batch(np.ones((ROWS, 1)), np.ones((ROWS, 1)))
    (kernel,) = model.get_weights()
    gradient = -float(kernel[0, 0])
    kept = gradient * 0.75 * ROWS
    assert kept == pytest.approx(round(kept), abs=0.2)
    deviation = np.sqrt(0.25 / 0.75 / ROWS)
    assert 0 < abs(gradient - 1) < 4.5 * deviation


@pytest.mark.parametrize("shape", [(64,), (64, 3), (64, 2, 2, 2, 2)])
def test_any_rank(shape):
    y = np.asarray(DropPath(0.5, seed=0)(np.ones(shape), training=True))
    rows = y.reshape(64, -1)
    assert set(np.unique(rows)) == {0, 2}
    assert (rows == rows[:, :1]).all()


@pytest.mark.parametrize("training", [False, None])
def test_identity_outside_training(training):
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    layer = DropPath(0.9, seed=0)
    np.testing.assert_array_equal(layer(x, training=training), x)


def test_rate_zero_is_the_identity_in_training():
    x = np.random.default_rng(0).normal(size=(ROWS, 3)).astype("float32")
    np.testing.assert_array_equal(DropPath(0.0)(x, training=True), x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype):
    x = ops.ones((ROWS, 1), dtype)
    y = DropPath(0.5, seed=0, dtype=dtype)(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    assert set(np.unique(np.asarray(ops.cast(y, "float32")))) == {0, 2}


def test_draws_follow_the_seed_and_move_on():
    x = np.ones((ROWS, 1), "float32")
    first, second = DropPath(0.5, seed=3), DropPath(0.5, seed=3)
    one, two = first(x, training=True), second(x, training=True)
    np.testing.assert_array_equal(one, two)
    next_one = first(x, training=True)
    other = DropPath(0.5, seed=4)(x, training=True)
    for draw in next_one, other:
        assert 0.4 < np.mean(np.asarray(draw) == np.asarray(one)) < 0.6


def test_progress_scales_the_rate():
    layer = DropPath(0.5, seed=0)
    layer.set_progress(0.5)
    assert float(layer.current_rate.state) == 0.25
    kept = np.asarray(layer(np.ones((64, 1)), training=True)).max()
    assert kept == pytest.approx(1 / 0.75)
    assert layer.rate == 0.5


def test_config_round_trip():
    layer = DropPath(0.3, seed=7)
    twin = DropPath.from_config(layer.get_config())
    assert (twin.rate, twin.seed) == (0.3, 7)
    assert float(twin.current_rate.state) == pytest.approx(0.3)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, None, "0.1", float("nan")])
def test_rate_error(rate):
    with pytest.raises(ValueError, match=f"`rate` .* rate={rate!r}"):
        DropPath(rate)
    with pytest.raises(ValueError, match=f"`mine` .* mine={rate!r}"):
        checks.rate("mine", rate)


# Drop path within cells and networks ------------------------------------------


def network(drop_path_rate):
    keras.utils.set_random_seed(0)
    return NASNet(
        one_block_genotype("conv_1x1", "max_pool_3x3"),
        cells_per_stack=2,
        filters=2,
        stem="cifar",
        classes=3,
        input_shape=(8, 8, 3),
        drop_path_rate=drop_path_rate,
    )


@pytest.fixture(scope="module")
def with_drop_path():
    return network(0.4)


@pytest.fixture(scope="module")
def without_drop_path():
    return network(0.0)


def images(count=4):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (count, 8, 8, 3)).astype("float32")


def test_rates_grow_with_depth(with_drop_path, without_drop_path):
    """Eight cells, reductions included: the k-th has k / 8 of the rate."""
    rates = {
        layer.name: layer.drop_path_rate
        for layer in with_drop_path.layers
        if hasattr(layer, "drop_path_rate")
    }
    order = ["cell_0", "cell_1", "reduction_cell_0", "cell_2", "cell_3"]
    order += ["reduction_cell_1", "cell_4", "cell_5"]
    assert list(rates) == order
    expected = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4]
    assert list(rates.values()) == pytest.approx(expected)
    assert without_drop_path.get_layer("cell_5").drop_path is None


def test_stem_cells_count():
    model = NASNet(
        one_block_genotype("conv_1x1"),
        cells_per_stack=1,
        filters=8,
        drop_path_rate=0.7,
    )
    assert model.get_layer("cell_stem_0").drop_path_rate == pytest.approx(0.1)
    assert model.get_layer("cell_stem_1").drop_path_rate == pytest.approx(0.2)
    assert model.get_layer("cell_2").drop_path_rate == pytest.approx(0.7)


def test_callback_sets_every_cell_of_a_network(with_drop_path):
    model = keras.models.clone_model(with_drop_path)
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    callbacks = [ScheduledDropPath(total_steps=4)]
    targets = np.zeros(4)
    model.fit(images(), targets, batch_size=2, callbacks=callbacks, verbose=0)
    # Two steps are done; the last batch began after one.
    for layer in model.layers:
        if hasattr(layer, "drop_path_rate"):
            current = float(layer.drop_path.current_rate.state)
            assert current == pytest.approx(layer.drop_path_rate / 4)


def test_weights_are_the_same_with_and_without(
    with_drop_path, without_drop_path, tmp_path
):
    plain, dropping = without_drop_path, with_drop_path
    shapes = [weight.shape for weight in plain.weights]
    assert [weight.shape for weight in dropping.weights] == shapes
    assert dropping.count_params() == plain.count_params()
    x = images()
    for source, target in (plain, dropping), (dropping, plain):
        perturb_batch_norm(source, seed=len(source.name))
        source.save_weights(tmp_path / "a.weights.h5")
        target.load_weights(tmp_path / "a.weights.h5")
        np.testing.assert_array_equal(target(x), source(x))
        # The next turn starts from other weights.
        perturb_batch_norm(target, seed=99)
        assert relative_error(target(x), source(x)) > 1e-4
        target.set_weights(source.get_weights())
        np.testing.assert_array_equal(target(x), source(x))


def test_saved_model_keeps_its_rates(with_drop_path, tmp_path):
    with_drop_path.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    drop_path = loaded.get_layer("cell_5").drop_path
    assert drop_path.rate == pytest.approx(0.4)
    assert float(drop_path.current_rate.state) == pytest.approx(0.4)


@pytest.mark.parametrize("layer_class", [NormalCell, ReductionCell])
@pytest.mark.parametrize(
    "operation, dropped",
    [("identity", False), ("conv_1x1", True), ("max_pool_3x3", True)],
)
def test_identities_are_never_dropped(layer_class, operation, dropped):
    """Nor at stride 2. Frozen, so that batch norm does not differ."""
    cell = Cell([Block((0, 1), (operation, operation))], (2,))
    layer = layer_class(cell, filters=2, drop_path_rate=0.9)
    layer.build([(None, None, None, 2)] * 2)
    layer.trainable = False
    x = np.random.default_rng(0).uniform(1, 2, (16, 4, 4, 2)).astype("float32")
    still = np.asarray(layer([x, x], training=False))
    moving = np.asarray(layer([x, x], training=True))
    assert np.array_equal(still, moving) == (not dropped)


def test_paths_of_a_cell_are_dropped_one_by_one():
    """Two pools of ones: 0, 1 or both kept, as independent draws give."""
    pools = ("max_pool_3x3", "max_pool_3x3")
    cell = Cell([Block((1, 1), pools)], (2,))
    layer = NormalCell(cell, filters=1, drop_path_rate=0.5)
    keras.utils.set_random_seed(0)
    x = np.ones((ROWS, 2, 2, 1), "float32")
    y = np.asarray(layer([x, x], training=True))
    values, counts = np.unique(y[:, 0, 0, 0], return_counts=True)
    np.testing.assert_array_equal(values, [0, 2, 4])
    expected = np.array([0.25, 0.5, 0.25])
    deviation = np.sqrt(expected * (1 - expected) / ROWS)
    assert (np.abs(counts / ROWS - expected) < 4 * deviation).all()
