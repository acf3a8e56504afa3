"""Presets whose network tells colours apart, with scores known beforehand."""

import keras
import numpy as np

from nasnet_keras import presets
from nasnet_keras.inference import predict
from nasnet_keras.presets.types import Preset, Weights
from nasnet_keras.weights import Loaded

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "grey": (90, 100, 110),
}
CLASSES = ("red thing", "green thing", "blue thing")
SHARPNESS = 3.0


def colour_network(channels_last=True):
    """The mean of each channel, from -1 to 1, is the logit of a class."""
    shape = (8, 8, 3) if channels_last else (3, 8, 8)
    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    x = keras.layers.GlobalAveragePooling2D(
        data_format="channels_last" if channels_last else "channels_first"
    )(x)
    outputs = keras.layers.Activation("softmax")(SHARPNESS * x)
    return keras.Model(inputs, outputs)


def probabilities(colour):
    logits = SHARPNESS * (np.array(colour) / 127.5 - 1)
    return np.exp(logits) / np.exp(logits).sum()


class Zoo:
    """Registers presets for a test; all have the same network."""

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch
        self.model = colour_network()
        self.calls = []
        monkeypatch.setattr(predict, "build_preset", self.build_preset)

    def build_preset(self, preset, weights="default", **overrides):
        self.calls.append((preset.name, weights, overrides))
        return self.model, {}, Loaded(0)

    def add(self, name, weights=("imagenet",), class_names=CLASSES):
        source = Weights("keras_applications", "https://example.org/x")
        preset = Preset(
            name,
            {},
            8,
            weights=dict.fromkeys(weights, source),
            class_names=class_names,
        )
        self.monkeypatch.setitem(presets.PRESETS, name, preset)
