"""Class names and weights of the networks that `nasnet predict` runs."""

import re

import numpy as np
import pytest

from nasnet_keras import presets
from nasnet_keras.inference.predict import class_names, load_network
from nasnet_keras.presets.types import Preset, Weights
from tests.support.colours import Zoo


@pytest.fixture
def zoo(monkeypatch):
    zoo = Zoo(monkeypatch)
    zoo.add("colours")
    return zoo


def test_the_presets_own_activation(zoo):
    """A sigmoid of one class, or of many, is no softmax."""
    for given, expected in (("sigmoid", "sigmoid"), (None, "softmax")):
        preset = Preset(
            "mine",
            {"classifier_activation": given},
            8,
            weights={"imagenet": Weights("keras_applications", "")},
        )
        load_network(preset)
        overrides = zoo.calls[-1][2]
        assert overrides["classifier_activation"] == expected


def test_names_of_imagenet(zoo):
    zoo.add("imagenet", class_names="imagenet")
    preset = presets.get_preset("imagenet")
    names = class_names(preset, np.zeros((2, 1000)))
    assert names[0] == "tench (n01440764)"
    assert len(set(names)) == 1000


@pytest.mark.parametrize("shape", [(2, 4), (2, 5, 5, 3)])
def test_other_classes_than_named(zoo, shape):
    with pytest.raises(ValueError, match=re.escape(str(shape))):
        class_names(presets.get_preset("colours"), np.zeros(shape))
