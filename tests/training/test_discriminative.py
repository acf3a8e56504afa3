"""Learning rates that decrease from cell to cell."""

import keras
import numpy as np
import pytest

from nasnet_keras import NASNet, discriminative_optimizer
from tests.support.genotypes import one_block_genotype


@pytest.fixture(scope="module")
def network():
    return NASNet(
        one_block_genotype("conv_1x1"),
        cells_per_stack=1,
        filters=4,
        stem="cifar",
        classes=3,
        input_shape=(16, 16, 3),
    )


def test_each_layer_moves_at_its_own_rate(network):
    """One step of SGD on the sum of all weights, whose gradient is 1."""
    optimizer = discriminative_optimizer(
        network, lambda factor: keras.optimizers.SGD(factor), decay=0.5
    )
    variables = network.trainable_variables
    before = [np.array(v) for v in variables]
    optimizer.build(variables)
    ones = [keras.ops.ones(v.shape) for v in variables]
    optimizer.apply(ones, variables)
    moved = {}
    for variable, value in zip(variables, before):
        layer = variable.path.split("/")[0]
        step = value - np.array(variable)
        moved.setdefault(layer, []).append(step)
    factors = {
        layer: float(np.mean([s.mean() for s in steps]))
        for layer, steps in moved.items()
    }
    # From the classifier down: three stacks and two reductions.
    assert factors == pytest.approx(
        {
            "predictions": 1.0,
            "cell_2": 0.5,
            "reduction_cell_1": 0.25,
            "cell_1": 0.125,
            "reduction_cell_0": 0.0625,
            "cell_0": 0.03125,
            "stem_conv": 0.015625,
            "stem_bn": 0.015625,
        },
        rel=1e-4,
    )


def test_it_trains_saves_and_loads(network, tmp_path):
    import nasnet_keras

    network.compile(
        discriminative_optimizer(
            network,
            lambda factor: keras.optimizers.SGD(0.1 * factor, momentum=0.9),
            decay=0.8,
        ),
        "categorical_crossentropy",
    )
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 3))
    network.fit(x, np.eye(3)[[0, 1, 2, 0]], verbose=0)
    network.save(tmp_path / "a.keras")
    loaded = nasnet_keras.load_model(tmp_path / "a.keras", compile=True)
    rates = sorted(float(o.learning_rate) for o in loaded.optimizer.optimizers)
    expected = [0.1 * 0.8**depth for depth in range(6, -1, -1)]
    assert rates == pytest.approx(expected)


def test_errors(network):
    make = keras.optimizers.SGD
    with pytest.raises(ValueError, match=r"`decay` must be .*decay=1.5"):
        discriminative_optimizer(network, make, 1.5)
    for decay in (0, True, float("nan"), "1"):
        with pytest.raises(ValueError, match="Received: decay="):
            discriminative_optimizer(network, make, decay)
    discriminative_optimizer(network, make, np.float32(0.5))
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="must have cells"):
        discriminative_optimizer(plain, make, 0.5)
