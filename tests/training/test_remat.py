"""`rematerialize`: the same training step, with the same state after it."""

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.layers.drop_path import DropPath
from nasnet_keras.layers.remat import recomputed
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.training.remat import rematerialize
from tests.support.genotypes import TWO_BLOCKS, one_block_genotype
from tests.support.policies import with_policy
from tests.support.sources import perturb_batch_norm, relative_error

CELLS = 5  # Three normal ones, two reductions.
FAMILIES = ("nasnet_tiny", "pnasnet_tiny", "amoebanet_tiny")


def network(genotype=TWO_BLOCKS, **arguments):
    keras.utils.set_random_seed(0)
    model = nasnet_keras.NASNet(
        genotype,
        cells_per_stack=1,
        filters=4,
        stem="cifar",
        classes=3,
        input_shape=(16, 16, 3),
        batch_norm_momentum=0.5,
        **arguments,
    )
    perturb_batch_norm(model)
    # Drawn paths must not depend on how many layers were made before.
    for number, layer in enumerate(all_layers(model)):
        if isinstance(layer, DropPath):
            layer.seed_generator.state.assign([number, 0])
    return model


def images(model):
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, *model.input_shape[1:])).astype("float32")


def trained(model, steps=3, **how):
    """Losses and weights after some steps; `how` is for `compile`."""
    x, y = images(model), np.arange(6) % 3
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(0.05), loss, **how)
    losses = [float(model.train_on_batch(x, y)) for _ in range(steps)]
    return losses, [np.asarray(w, "float64") for w in model.get_weights()]


@pytest.mark.parametrize("drop_path_rate", [0.0, 0.5])
def test_the_same_training(drop_path_rate):
    """Also the averages of batch norms, and the paths that are dropped."""
    losses, weights = trained(network(drop_path_rate=drop_path_rate))
    again = network(drop_path_rate=drop_path_rate)
    assert rematerialize(again) == CELLS
    their_losses, their_weights = trained(again)
    np.testing.assert_allclose(their_losses, losses, rtol=1e-4)
    for ours, theirs in zip(weights, their_weights, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-5)
    before = network(drop_path_rate=drop_path_rate).get_weights()
    changed = [np.abs(a - b).max() > 1e-6 for a, b in zip(before, weights)]
    assert np.mean(changed) > 0.9


def assert_the_same_step(make, **how):
    """Outputs in training; gradients and averages, by what a step changes."""
    plain, again = make(), make()
    rematerialize(again)
    x, before = images(plain), plain.get_weights()
    outputs = [
        keras.ops.convert_to_numpy(model(x, training=True))
        for model in (plain, again)
    ]
    assert relative_error(*outputs) < 1e-4
    (losses, weights), (others, theirs) = (
        trained(model, steps=1, **how) for model in (plain, again)
    )
    np.testing.assert_allclose(others, losses, rtol=1e-4)
    for start, ours, other in zip(before, weights, theirs, strict=True):
        assert relative_error(other - start, ours - start) < 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    """On images with an odd side."""

    def make():
        keras.utils.set_random_seed(0)
        shape = {"input_shape": (33, 32, 3)}
        model = nasnet_keras.from_preset(name, None, dropout_rate=0.0, **shape)
        perturb_batch_norm(model)
        return model

    # Compiling takes longer than all else; other tests compile.
    assert_the_same_step(make, run_eagerly=True)


def test_shipped_weights():
    def make():
        return nasnet_keras.from_preset(
            "nasnet_cifar", "cifar10", drop_path_rate=0.0, dropout_rate=0.0
        )

    assert_the_same_step(make)


def test_mixed_precision():
    plain, again = (with_policy("mixed_bfloat16", network) for _ in range(2))
    rematerialize(again)
    (losses, weights), (others, again) = trained(plain), trained(again)
    np.testing.assert_allclose(others, losses, rtol=0.05)
    for ours, theirs in zip(weights, again, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=0.05, atol=0.05)


def test_outside_training_nothing_changes():
    model = network()
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 3))
    before = keras.ops.convert_to_numpy(model(x, training=False))
    rematerialize(model)
    after = keras.ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_array_equal(after, before)


def test_each_cell_is_computed_again(monkeypatch):
    """Otherwise all results were the same, too."""
    again = []

    def counted(layer, *args):
        again.append(layer.name)
        return recomputed(layer, *args)

    monkeypatch.setattr("nasnet_keras.cells.cell.recomputed", counted)
    model = network()
    rematerialize(model)
    trained(model, steps=1)
    assert len(set(again)) == CELLS


def test_losses_that_are_added_inside(operations):
    """Those of activities, which are no weights."""

    @nasnet_keras.register_operation("small_conv")
    def small_conv(slot):
        return [slot.conv(3, activity_regularizer="l2"), slot.batch_norm()]

    plain, again = (
        network(genotype=one_block_genotype("small_conv")) for _ in range(2)
    )
    rematerialize(again)
    (losses, _), (others, _) = trained(plain), trained(again)
    np.testing.assert_allclose(others, losses, rtol=1e-4)
    assert losses[0] > 2 * np.log(3)  # More than that of the classes.


def test_undone():
    model = network()
    rematerialize(model)
    assert rematerialize(model, enabled=False) == CELLS
    assert not any(getattr(x, "remat", False) for x in all_layers(model))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_frozen_cells(policy):
    """Bit by bit: no rounded value is written back."""
    model = with_policy(policy, network)
    nasnet_keras.freeze_to(model, "cell_1")
    rematerialize(model)
    frozen = [w.copy() for w in model.get_layer("cell_0").get_weights()]
    trained(model)
    for before, after in zip(frozen, model.get_layer("cell_0").get_weights()):
        np.testing.assert_array_equal(after, before)


def test_a_model_without_cells_is_refused():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(ValueError, match="must have NormalCell"):
        rematerialize(model)
    with pytest.raises(ValueError, match="`enabled` must be True or False"):
        rematerialize(model, "no")
