"""Numbers as arguments of layers and networks: NumPy's are plain ones."""

import dataclasses
import json
import math

import keras
import numpy as np
import pytest
from PIL import Image

import nasnet_keras
from nasnet_keras import NASNET_A, Block, Cell, NASNet
from nasnet_keras.cells import NormalCell, ReductionCell
from nasnet_keras.cells.conventions import Conventions
from nasnet_keras.cells.operations import FactorizedReduction, Zeros
from nasnet_keras.features import Backbone
from nasnet_keras.images.files import load_image
from nasnet_keras.layers.batch_norm import BatchStatisticsNormalization
from nasnet_keras.layers.drop_path import DropPath
from nasnet_keras.layers.padding import PadImage, PadToHalf
from nasnet_keras.layers.pooling import Pooling
from nasnet_keras.networks.config import NetworkConfig
from nasnet_keras.networks.counting import count
from nasnet_keras.presets import get_preset
from nasnet_keras.presets.types import Preset
from nasnet_keras.training.fine_tuning import replace_head
from tests.support.genotypes import TWO_BLOCKS

# Class -> its numbers, all exact in single precision.
NUMBERS = {
    NetworkConfig: {
        "cells_per_stack": 2,
        "filters": 8,
        "stem_filters": 9,
        "classes": 3,
        "drop_path_rate": 0.25,
        "dropout_rate": 0.5,
        "batch_norm_momentum": 0.5,
        "batch_norm_epsilon": 0.125,
        "input_shape": (32, None, 3),
    },
    Conventions: {
        "batch_norm_momentum": 0.5,
        "batch_norm_epsilon": 0.125,
        "current_projections": 2,
    },
    Preset: {"image_size": 8},
    Block: {"inputs": (0, 1)},
    Cell: {"inputs": 2, "concat": (1, 2)},
    DropPath: {"rate": 0.5, "seed": 7},
    Pooling: {"window": 3, "strides": 2},
    BatchStatisticsNormalization: {"axis": 1, "epsilon": 0.125},
    FactorizedReduction: {"filters": 4},
    Zeros: {"filters": 4, "channel_axis": 1},
    NormalCell: {
        "filters": 4,
        "input_strides": (1, 2),
        "drop_path_rate": 0.5,
        "frozen": (0, 3),
    },
    ReductionCell: {"filters": 4, "input_strides": (1, 4)},
}
# Class -> its other arguments.
OTHERS = {
    Preset: {"name": "mine", "configuration": {}},
    Block: {"operations": ("identity", "identity")},
    Cell: {"blocks": (Block((0, 1), ("identity", "identity")),)},
    Pooling: {"kind": "max"},
    NormalCell: {"cell": TWO_BLOCKS.normal, "name": "cell"},
    ReductionCell: {"cell": TWO_BLOCKS.reduction, "name": "cell"},
    DropPath: {"name": "drop"},
}
LAYERS = [kind for kind in NUMBERS if issubclass(kind, keras.Layer)]


def make(kind, **numbers):
    given = {**OTHERS.get(kind, {}), **NUMBERS[kind], **numbers}
    if issubclass(kind, keras.Layer):
        given.setdefault("name", "layer")
    return kind(**given)


def numpied(value, integer, real):
    if isinstance(value, tuple):
        return tuple(numpied(each, integer, real) for each in value)
    if value is None:
        return None
    return real(value) if isinstance(value, float) else integer(value)


def text_of(made):
    """All arguments as JSON, which has only plain numbers."""
    if isinstance(made, keras.Layer):
        return json.dumps(made.get_config())
    return json.dumps(dataclasses.asdict(made))


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(
    "integer, real",
    [(np.int64, np.float64), (np.int32, np.float32), (np.uint8, np.float16)],
)
def test_numpys_numbers_become_plain_ones(kind, integer, real):
    numbers = {
        name: numpied(value, integer, real)
        for name, value in NUMBERS[kind].items()
    }
    plain, twin = make(kind), make(kind, **numbers)
    assert text_of(twin) == text_of(plain)
    if kind not in LAYERS:
        assert twin == plain
    if kind in (NetworkConfig, Conventions, Block, Cell):
        assert len({twin, plain}) == 1


WRONG = [True, np.True_, math.nan, math.inf, "3", b"3", 1j, [1.5], object()]


@pytest.mark.parametrize("kind", NUMBERS)
def test_what_is_no_number_is_refused(kind):
    for name, value in NUMBERS[kind].items():
        real = isinstance(value, float)
        for wrong in [*WRONG, *([-1.0] if real else [1.0, 2.5])]:
            if name == "frozen" and isinstance(wrong, str):
                continue  # A layer's name.
            given = wrong
            if isinstance(value, tuple):
                given = (wrong, *value[1:])
            with pytest.raises(ValueError, match=name.split("_")[0]) as error:
                make(kind, **{name: given})
            assert "eceived: " in str(error.value)


@pytest.mark.parametrize(
    "kind, arguments",
    [
        (NetworkConfig, {"include_top": "no"}),
        (NetworkConfig, {"aligned": None}),
        (NetworkConfig, {"macro": ["nasnet"]}),
        (NetworkConfig, {"name": 3}),
        (NetworkConfig, {"input_shape": 32}),
        (NetworkConfig, {"input_shape": "abc"}),
        (NetworkConfig, {"include_preprocessing": "yes"}),
        (NetworkConfig, {"classifier_activation": {"class_name": "ReLU"}}),
        (Conventions, {"alignment": "torch"}),
        (Conventions, {"data_format": "NHWC"}),
        (Conventions, {"always_project": "no"}),
        (Preset, {"class_names": ("a", 3)}),
        (Preset, {"class_names": "cifar10"}),
        (Preset, {"name": None}),
        (Block, {"inputs": 0}),
        (Block, {"operations": "ab"}),
        (Cell, {"blocks": 3}),
        (Cell, {"concat": None}),
        (Pooling, {"strides": 3}),
        (DropPath, {"seed": -1}),
        (NormalCell, {"conventions": 3}),
        (FactorizedReduction, {"filters": 1}),
    ],
)
def test_other_wrong_arguments_are_named(kind, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}` .*Received: "):
        make(kind, **arguments)


@pytest.mark.parametrize("kind", [PadImage, PadToHalf])
def test_paddings(kind):
    with pytest.raises(ValueError, match=r"`data_format` .*Received: "):
        kind("NHWC")


def test_flags_of_numpy():
    config = NetworkConfig(
        aligned=np.True_, include_preprocessing=np.True_, include_top=np.True_
    )
    twin = NetworkConfig(aligned=True, include_preprocessing=True)
    assert config.to_json() == twin.to_json()


def test_a_network_of_numpys_numbers(tmp_path):
    shape = tuple(np.array([8, 8, 3]))
    options = {"classes": np.int64(3), "dropout_rate": np.float32(0.5)}
    model = NASNet(
        TWO_BLOCKS,
        np.int64(1),
        np.int32(4),
        "cifar",
        input_shape=shape,
        **options,
    )
    path = tmp_path / "model.keras"
    model.save(path)
    assert keras.saving.load_model(path).output_shape == (None, 3)
    model = replace_head(model, np.int64(5), dropout_rate=np.float16(0.25))
    assert model.output_shape == (None, 5)
    json.loads(model.to_json())
    backbone = Backbone.from_preset(
        "nasnet_tiny", ["P2"], input_shape=shape, filters=np.uint8(8)
    )
    assert json.loads(backbone.to_json())


def test_a_preset_of_numpys_numbers(tmp_path):
    configuration = {
        "genotype": TWO_BLOCKS,
        "stem": "cifar",
        "cells_per_stack": np.int64(1),
        "filters": np.int64(4),
        "classes": np.int64(2),
        "dropout_rate": np.float32(0.5),
    }
    preset = Preset("mine", configuration, np.int64(8))
    model = nasnet_keras.from_preset(preset, weights=None)
    saved = nasnet_keras.save_preset(tmp_path / "mine", preset, model)
    assert saved.image_size == 8
    assert saved.config() == preset.config()


def test_counting_and_images(tmp_path):
    config = get_preset("nasnet_tiny").config()
    assert count(config, np.int64(32), np.uint8(3)) == count(config, 32, 3)
    with pytest.raises(ValueError, match=r"`side` .*Received: side=0"):
        count(config, 0)
    path = tmp_path / "black.png"
    Image.new("RGB", (9, 9)).save(path)
    assert load_image(path, np.int64(4)).shape == (4, 4, 3)
    with pytest.raises(ValueError, match=r"`side` .*Received: side=4\.0"):
        load_image(path, 4.0)


# What a stranger's preset may say --------------------------------------------


def written(tmp_path, **changes):
    """The folder of a preset, with changes of its configuration."""
    preset = Preset("mine", {"genotype": NASNET_A, "stem": "cifar"}, 8)
    data = preset.to_dict()
    data["configuration"].update(changes)
    (tmp_path / "config.json").write_text(json.dumps(data))
    return tmp_path


@pytest.mark.parametrize(
    "activation",
    [
        {"class_name": "Lambda", "config": {"function": "x"}},
        {"module": "keras.layers", "class_name": "ReLU", "config": {}},
        ["relu"],
        3,
        True,
    ],
)
def test_an_activation_in_a_file_is_a_name(activation, tmp_path):
    folder = written(tmp_path, classifier_activation=activation)
    message = "`classifier_activation` must be the name of an activation"
    with pytest.raises(ValueError, match=message):
        nasnet_keras.from_preset(folder)


@pytest.mark.parametrize(
    "name", ["os.system", "keras.layers>ReLU", "nasnet_keras>DropPath", "x"]
)
def test_an_activation_by_name_is_one_of_keras(name, tmp_path):
    folder = written(tmp_path, classifier_activation=name, filters=4)
    with pytest.raises(ValueError, match=r"in keras\.activations, a function"):
        nasnet_keras.from_preset(folder, weights=None, genotype=TWO_BLOCKS)


def test_a_function_is_for_python_alone(tmp_path):
    small = {
        "genotype": TWO_BLOCKS,
        "stem": "cifar",
        "cells_per_stack": 1,
        "filters": 4,
    }
    preset = Preset("mine", {**small, "classifier_activation": math.sin}, 8)
    assert callable(preset.config().classifier_activation)
    with pytest.raises(ValueError, match="must be the name of an activation"):
        preset.to_dict()
    model = NASNet(**small, classifier_activation=keras.ops.sigmoid)
    assert model.get_layer("predictions").activation is keras.ops.sigmoid


@pytest.mark.parametrize(
    "text, message",
    [
        (" " * (17 << 20), "more than 16777216 bytes"),
        ("[" * 100_000, "RecursionError"),
        ("[]", "holds no preset"),
        ("null", "holds no preset"),
        ("", "holds no preset"),
        ('{"name": 3, "image_size": 8, "configuration": {}}', "genotype"),
    ],
)
def test_a_preset_file_that_is_none(text, message, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        get_preset(tmp_path)
    assert str(tmp_path / "config.json") in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"filters": "8"},
        {"classes": 0},
        {"colour": "red"},
        {"macro": {}},
        {"name": ["a"]},
    ],
)
def test_a_preset_with_wrong_arguments(changes, tmp_path):
    (name,) = changes
    with pytest.raises(ValueError, match=f"config.json.*{name}"):
        get_preset(written(tmp_path, **changes))
