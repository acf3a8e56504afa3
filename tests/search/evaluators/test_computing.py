"""Threads and graphs in the processes of children."""

import keras
import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.search import Evaluator, Isolated, Network
from nasnet_keras.search.evaluators.computing import usual_threads


class Settings(Evaluator):
    """Measures how its process computes."""

    def measure(self, genotype):
        import tensorflow as tf

        options = tf.config.optimizer.get_experimental_options()
        threads = tf.config.threading.get_intra_op_parallelism_threads()
        return {
            "val_accuracy": 0.5,
            "threads": threads,
            "as_traced": options["disable_meta_optimizer"],
        }, []


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="reads TensorFlow's"
)
@pytest.mark.parametrize(
    "side, threads, expected", [(8, None, 1), (32, None, 0), (32, 3, 3)]
)
def test_what_a_process_is_told(side, threads, expected):
    """0 is TensorFlow's own number."""
    network = Network(1, 4, side, 10)
    isolated = Isolated(Settings(network), threads=threads)
    found = isolated(NASNET_A).measurements
    isolated.close()
    assert found["threads"] == expected
    assert found["as_traced"]
    assert found["parameters"] == network.count(NASNET_A).parameters


def test_one_thread_for_small_images():
    assert [usual_threads(side) for side in (7, 8, 9, None)] == [
        1,
        1,
        None,
        None,
    ]
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="`threads` must be"):
            Isolated(Settings(), threads=wrong)
