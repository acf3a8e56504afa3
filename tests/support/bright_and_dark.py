"""Images of two classes by brightness, and models that tell them apart.

All models compute the same probabilities, in forms that people save. They
need the right range of pixels: fed with another, they answer one class.
"""

import keras
import numpy as np
from keras import layers
from PIL import Image

# Grey levels; the first bright one is taken for dark.
LEVELS = {"bright": (100, 180, 200, 220), "dark": (20, 40, 60, 80, 100)}
ACCURACY = 8 / 9


def folder_of_images(folder):
    """Folder with a folder for each class, of images of one grey each."""
    for name, levels in LEVELS.items():
        (folder / name).mkdir(parents=True)
        for number, level in enumerate(levels):
            image = Image.new("RGB", (12, 10), (level,) * 3)
            image.save(folder / name / f"{number}.png")
    return folder


def probabilities(level):
    """Those of `bright` and `dark`."""
    bright = 1 / (1 + np.exp(-2 * (level / 127.5 - 1)))
    return np.array([bright, 1 - bright])


def loss():
    """The mean cross-entropy of all images."""
    pairs = enumerate(LEVELS.values())
    chances = [probabilities(x)[label] for label, v in pairs for x in v]
    return -np.log(chances).mean()


def head(x, units=2, activation="softmax", least=-1.0, most=1.0, **options):
    """Scores of the mean of images `x`, which are from `least` to `most`."""
    x = layers.GlobalAveragePooling2D(**options)(x)
    signs = np.array([[1.0, -1.0]]) if units == 2 else np.array([[-2.0]])
    channels = x.shape[-1]
    scale = 2 / (most - least)
    kernel = np.repeat(signs * scale / channels, channels, axis=0)
    bias = signs[0] * (-1 - least * scale)
    dense = layers.Dense(units, activation=activation, name="predictions")
    outputs = dense(x)
    dense.set_weights([kernel, bias])
    return outputs


def raw(shape=(8, 8, 3), **options):
    """A network without preprocessing; see `head`."""
    inputs = keras.Input(shape)
    return keras.Model(inputs, head(inputs, **options), name="raw")


def scaled(shape=(8, 8, 3), **options):
    """A network whose first layer takes 0 to 255."""
    inputs = keras.Input(shape)
    x = layers.Rescaling(1 / 127.5, -1.0)(inputs)
    return keras.Model(inputs, head(x, **options), name="scaled")


def around(network, before=lambda x: x, after=lambda y: y):
    """A functional model around a network."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, after(network(before(inputs))))


def two_heads():
    model = scaled()
    other = layers.Dense(2, activation="softmax", name="auxiliary_predictions")
    x = layers.Flatten()(model.layers[1].output)
    return keras.Model(model.input, [model.output, other(x)])
