"""Every preset in every form: any size, with and without top, saved.

In a file of its own: a file's tests run in one process, and these take long.
"""

import keras
import numpy as np
import pytest

from nasnet_keras import from_preset
from nasnet_keras.presets import get_preset
from tests.presets.test_presets import REAL, TINY, some

# They build in seconds and stand for the others, which are long.
QUICK_TINY = ["nasnet_tiny", "darts_imagenet_tiny"]


def sides_of(preset):
    """A size at which every family has pixels left at its end."""
    return 32 if preset.configuration.get("stem") != "cifar" else 16


def build(name, **arguments):
    # One class has no softmax.
    return from_preset(
        name, weights=None, classifier_activation="sigmoid", **arguments
    )


def check_forms(name, tmp_path, classes, poolings):
    """Of unknown size: classifiers, the body and its poolings; the two saved.

    The quick tests save the body alone.
    """
    side = sides_of(get_preset(name))
    any_size = (None, None, 3)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2, side, side, 3)).astype("float32")
    for count in classes:
        model = build(name, classes=count, input_shape=any_size)
        assert tuple(model(x).shape) == (2, count)
    body = build(name, include_top=False, input_shape=any_size)
    maps = np.asarray(body(x))
    assert maps.ndim == 4
    for pooling in poolings:
        pooled = build(
            name,
            include_top=False,
            pooling=pooling,
            input_shape=(side, side, 3),
        )
        pooled.set_weights(body.get_weights())
        expected = {"avg": np.mean, "max": np.max}[pooling](maps, (1, 2))
        np.testing.assert_allclose(pooled(x), expected, 1e-4, 1e-5)
    for network in (body, model)[: len(classes)]:
        network.save(tmp_path / "saved.keras")
        loaded = keras.models.load_model(tmp_path / "saved.keras")
        np.testing.assert_allclose(loaded(x), network(x), 1e-4, 1e-5)


@pytest.mark.parametrize("name", some(TINY, QUICK_TINY))
def test_tiny_presets(name, tmp_path):
    check_forms(name, tmp_path, classes=[7], poolings=["avg"])


@pytest.mark.long
@pytest.mark.parametrize("name", [*TINY, *REAL])
def test_presets_in_every_form(name, tmp_path):
    check_forms(name, tmp_path, classes=[1, 7], poolings=["avg", "max"])
