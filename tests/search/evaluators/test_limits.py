"""Limits hold before anything is trained, whatever the oracle."""

import keras_tuner
import pytest

from nasnet_keras.search import (
    EvolutionOracle,
    Limits,
    NASNetSpace,
    Network,
    PPOOracle,
    PredictorOracle,
    RandomOracle,
)

SPACE = NASNetSpace(blocks=2, operations=("identity", "conv_3x3"))
NETWORK = Network(cells_per_stack=1, filters=4, side=8, classes=10)
MAKERS = {
    "random": RandomOracle,
    "ppo": lambda *a, **kw: PPOOracle(*a, units=8, batch_size=4, **kw),
    "evolution": lambda *a, **kw: EvolutionOracle(
        *a, population_size=4, sample_size=2, **kw
    ),
    "predictor": lambda *a, **kw: PredictorOracle(
        *a, first=4, trees=5, samples=20, **kw
    ),
}


def sizes(oracle, folder):
    """Runs a search that likes parameters; returns those of its trials."""
    counts = []

    class Tuner(keras_tuner.Tuner):
        def run_trial(self, trial):
            genotype = SPACE.to_genotype(trial.hyperparameters.values)
            counts.append(NETWORK.count(genotype))
            return {"val_accuracy": counts[-1].parameters}

    oracle.verbose = 0
    Tuner(oracle, directory=folder, project_name="run").search()
    oracle.close()
    return counts


@pytest.mark.parametrize("kind", MAKERS)
def test_no_trial_is_beyond_them(kind, tmp_path):
    free = sizes(MAKERS[kind](SPACE, max_trials=30), tmp_path / "free")
    most = sorted(count.parameters for count in free)[5]
    limits = Limits(NETWORK, max_parameters=most)
    bound = sizes(
        MAKERS[kind](SPACE, max_trials=30, limits=limits), tmp_path / "bound"
    )
    assert len(bound) == 30
    assert max(count.parameters for count in bound) <= most
    assert max(count.parameters for count in free) > most


def test_limits_that_nothing_meets_leave_the_folder_free(tmp_path):
    """The same folder takes the search once they are mended."""
    oracle = RandomOracle(
        SPACE, limits=Limits(NETWORK, max_parameters=1, max_macs=2)
    )
    oracle.folder = tmp_path / "run"
    named = "at most 1 parameters and at most 2 multiply-adds"
    with pytest.raises(ValueError, match=named):
        oracle.restore()
    assert not list((tmp_path / "run").iterdir())
    limits = Limits(NETWORK, max_parameters=10**6)
    oracle = RandomOracle(SPACE, max_trials=2, limits=limits)
    assert len(sizes(oracle, tmp_path)) == 2


def test_either_limit_refuses():
    genotype = SPACE.to_genotype((0,) * 20)
    found = NETWORK.count(genotype)
    assert Limits(NETWORK, found.parameters, found.macs)(genotype)
    assert not Limits(NETWORK, found.parameters - 1)(genotype)
    assert not Limits(NETWORK, max_macs=found.macs - 1)(genotype)


def test_they_hold_for_what_rides_along(tmp_path):
    space = SPACE.with_settings(filters=(4, 64))
    most = 2 * NETWORK.count(SPACE.to_genotype((1,) * 20)).parameters
    oracle = RandomOracle(
        space, max_trials=10, limits=Limits(NETWORK, max_parameters=most)
    )
    sizes(oracle, tmp_path)
    assert {r["values"]["filters"] for r in oracle.records} == {4}


def test_limits_that_nothing_keeps(tmp_path):
    oracle = RandomOracle(SPACE, limits=Limits(NETWORK, max_parameters=1))
    with pytest.raises(ValueError, match="at most 1 parameters"):
        sizes(oracle, tmp_path)
    with pytest.raises(ValueError, match="`enqueue` must hold points within"):
        RandomOracle(SPACE, limits=Limits(NETWORK, 1), enqueue=[(0,) * 20])
    with pytest.raises(ValueError, match="max_macs=-1"):
        Limits(NETWORK, max_macs=-1)


def test_a_network_takes_weights_and_an_input_tensor(tmp_path):
    import keras

    genotype = SPACE.to_genotype((0,) * len(SPACE.sizes))
    path = tmp_path / "network.weights.h5"
    first = NETWORK.build(genotype)
    first.save_weights(path)
    inputs = keras.Input((8, 8, 3))
    second = NETWORK.build(genotype, weights=path, input_tensor=inputs)
    for one, other in zip(first.get_weights(), second.get_weights()):
        assert (one == other).all()
