"""`convert_weights`: what is written reads back, or nothing is written."""

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.deploy.convert import convert_weights
from nasnet_keras.weights import WeightsError

PRESET = "nasnet_cifar_tiny"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "a.weights.h5"
    nasnet_keras.from_preset(PRESET, weights=None).save_weights(path)
    return path


def test_weights_read_back(source, tmp_path):
    path = tmp_path / "new" / "b.weights.h5"
    loaded = convert_weights(source, PRESET, path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    first, second = (
        nasnet_keras.from_preset(PRESET, weights=str(file)).get_weights()
        for file in (source, path)
    )
    assert loaded.variables == len(first)
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one, other)


def test_a_file_that_does_not_read_back_is_not_kept(
    source, tmp_path, monkeypatch
):
    save = keras.Model.save_weights

    def damage(model, path, **options):
        model.set_weights([value + 1 for value in model.get_weights()])
        save(model, path, **options)

    monkeypatch.setattr(keras.Model, "save_weights", damage)
    with pytest.raises(WeightsError, match="did not read back"):
        convert_weights(source, PRESET, tmp_path / "b.weights.h5")
    assert list(tmp_path.iterdir()) == []
