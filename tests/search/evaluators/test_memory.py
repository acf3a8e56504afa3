"""Between two children the settings of the caller stay."""

import keras
import numpy as np

from nasnet_keras.layers.walk import all_layers
from nasnet_keras.search import ChildRecipe, NASNetSpace, TrainFromScratch
from nasnet_keras.search.evaluators.memory import free_memory
from nasnet_keras.training.data import load_dataset

SPACE = NASNetSpace(blocks=1, operations=("identity", "conv_1x1"))
GENOTYPE = SPACE.to_genotype((0, 1, 1, 0, 0, 0, 0, 1, 1, 0))


def test_settings_stay():
    policy = keras.config.dtype_policy()
    data_format = keras.config.image_data_format()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.config.set_floatx("float64")
        keras.config.set_image_data_format("channels_first")
        keras.config.disable_interactive_logging()
        keras.config.disable_traceback_filtering()
        keras.utils.set_random_seed(7)
        draws = [np.random.uniform(), keras.random.uniform(())]
        keras.utils.set_random_seed(7)
        free_memory()
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert keras.config.floatx() == "float64"
        assert keras.config.image_data_format() == "channels_first"
        assert not keras.config.is_interactive_logging_enabled()
        assert not keras.config.is_traceback_filtering_enabled()
        assert [np.random.uniform(), keras.random.uniform(())] == draws
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_image_data_format(data_format)
        keras.config.enable_interactive_logging()
        keras.config.enable_traceback_filtering()
        keras.config.set_dtype_policy(policy)


def test_every_child_has_the_precision_of_the_first(monkeypatch):
    digits = load_dataset(
        "digits", image_size=8, validation_split=0.2, images=160
    )
    seen = []
    fit = keras.Model.fit

    def recording_fit(model, *args, **kwargs):
        cells = (layer for layer in model.layers if hasattr(layer, "cell"))
        inner = [x for c in cells for x in all_layers(c) if x.weights]
        seen.append({x.compute_dtype for x in inner})
        return fit(model, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", recording_fit)
    evaluator = TrainFromScratch(digits, ChildRecipe(epochs=1, filters=2))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rewards = [evaluator(GENOTYPE).reward for _ in range(2)]
    finally:
        keras.config.set_dtype_policy(before)
    assert seen == [{"bfloat16"}] * 2
    assert rewards[0] == rewards[1]
