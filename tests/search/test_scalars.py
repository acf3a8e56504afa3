"""What TensorBoard shows of a search."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)
from tensorboard.util.tensor_util import make_ndarray

from nasnet_keras.search import Evaluator, NASNetSpace, search


class Children(Evaluator):
    """Its reward follows from the genotype; one child fails."""

    def measure(self, genotype, **settings):
        reward = sum(map(ord, repr(genotype))) % 101 / 101
        if reward < 0.05:
            raise ValueError("this child has no sense")
        return {"val_accuracy": reward}, []


def read(folder):
    """Returns name -> step -> number."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {
        name: {
            event.step: make_ndarray(event.tensor_proto).item()
            for event in events.Tensors(name)
        }
        for name in events.Tags()["tensors"]
    }


def run(folder, trials):
    space = NASNetSpace(1)
    return search(None, folder, trials, space, "ppo", Children(), batch_size=10)


def test_a_point_for_each_trial(tmp_path):
    """Also of a search that was stopped and goes on; a finished one adds no
    file."""
    run(tmp_path, 15)
    results = run(tmp_path, 35)
    files = list((tmp_path / "tensorboard").iterdir())
    run(tmp_path, 35)
    assert list((tmp_path / "tensorboard").iterdir()) == files
    found = read(tmp_path / "tensorboard")
    scores = [record["score"] for record in results.records]
    known = {n: s for n, s in enumerate(scores, 1) if s is not None}
    assert found["reward"] == pytest.approx(known)
    best = np.fmax.accumulate(np.array(scores, "float64"))
    assert list(found["best"].values()) == pytest.approx(best)
    assert set(found["busy_workers"].values()) == {1}
    # A batch of ten is learned before the next proposal.
    assert found["policy/updates"][10] == 0
    assert found["policy/updates"][12] == 1
    assert found["policy/updates"][35] == 3
    assert set(found["policy/staleness"].values()) == {0}
    most = np.log(NASNetSpace(1).sizes).sum()
    assert 0.9 * most < found["policy/entropy"][1] < 1.1 * most
