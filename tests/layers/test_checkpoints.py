"""`tf.train.Checkpoint` of a network."""

import keras
import numpy as np
import pytest

from nasnet_keras import NASNET_A, NASNet
from tests.support.sources import perturb_batch_norm


def test_a_checkpoint_of_tensorflow_has_all_weights(tmp_path):
    """It goes by the structure of objects, and does not see Keras' lists."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("other backends have no such checkpoints")
    tf = pytest.importorskip("tensorflow")
    models = []
    for seed in range(2):
        keras.utils.set_random_seed(seed)
        model = NASNet(
            NASNET_A,
            cells_per_stack=1,
            filters=2,
            stem="cifar",
            classes=3,
            input_shape=(16, 16, 3),
            include_preprocessing="whiten",
        )
        perturb_batch_norm(model, seed)
        models.append(model)
    first, second = models
    path = tf.train.Checkpoint(first).write(tmp_path / "checkpoint")
    saved = tf.train.list_variables(path)
    assert len(saved) == len(first.weights) + 1  # The graph of objects.
    tf.train.Checkpoint(second).read(path).assert_consumed()
    for ours, theirs in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
