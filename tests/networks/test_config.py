"""The configuration of a network: defaults, checks, JSON."""

import dataclasses
import inspect
import json
import subprocess
import sys

import pytest

from nasnet_keras import NASNet
from nasnet_keras.networks.config import NetworkConfig
from nasnet_keras.presets import PRESETS
from tests.support.genotypes import TWO_BLOCKS


def test_nasnet_takes_its_arguments():
    """One list of arguments: NASNet adds weights and an input tensor."""
    fields = {f.name: f.default for f in dataclasses.fields(NetworkConfig)}
    parameters = dict(inspect.signature(NASNet).parameters)
    for name in ("weights", "input_tensor"):
        assert parameters.pop(name).default is None
    assert {n: p.default for n, p in parameters.items()} == fields
    order = list(inspect.signature(NASNet).parameters)
    assert order[:4] == ["genotype", "cells_per_stack", "filters", "stem"]
    assert order[11:16] == [
        *("include_top", "weights", "classes", "input_shape", "input_tensor")
    ]


def test_arguments_by_position_and_by_name():
    model = NASNet(TWO_BLOCKS, 1, 4, "cifar", classes=3)
    assert model.get_layer("cell_0").filters == 4
    with pytest.raises(TypeError, match="colour"):
        NASNet(TWO_BLOCKS, colour="red")
    with pytest.raises(TypeError, match="multiple values"):
        NASNet(TWO_BLOCKS, genotype=TWO_BLOCKS)


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name):
    config = PRESETS[name].config(drop_path_rate=0.25)
    text = config.to_json()
    assert NetworkConfig.from_json(text) == config
    assert json.loads(text)["drop_path_rate"] == 0.25


def test_json_of_something_else():
    data = NetworkConfig().to_dict()
    with pytest.raises(ValueError, match="no argument colour"):
        NetworkConfig.from_dict({**data, "colour": "red"})
    with pytest.raises(ValueError, match="filters=-1"):
        NetworkConfig.from_dict({**data, "filters": -1})
    assert NetworkConfig.from_dict({"filters": 9}) == NetworkConfig(filters=9)


def test_it_is_frozen_and_hashable():
    config = NetworkConfig(input_shape=[8, 8, 3])
    assert config.input_shape == (8, 8, 3)
    assert len({config, NetworkConfig(input_shape=(8, 8, 3))}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.filters = 3
    wider = config.replace(filters=48)
    assert (wider.filters, config.filters) == (48, 44)
    with pytest.raises(ValueError, match="filters=0"):
        config.replace(filters=0)


@pytest.mark.parametrize(
    "arguments, cells, stem_channels, batch_norm",
    [
        ({}, 16, 32, (0.9997, 1e-3)),
        ({"cells_per_stack": 6, "stem_filters": 96}, 22, 96, (0.9997, 1e-3)),
        ({"stem": "cifar", "cells_per_stack": 6}, 20, 132, (0.9, 1e-5)),
        ({"macro": "pnasnet"}, 14, 32, (0.9997, 1e-3)),
        ({"macro": "darts"}, 14, 44, (0.9, 1e-5)),
        ({"batch_norm_momentum": 0.5}, 16, 32, (0.5, 1e-3)),
    ],
)
def test_what_follows_from_the_arguments(
    arguments, cells, stem_channels, batch_norm
):
    """TF-slim: 16 cells of Mobile, 22 of Large, 20 of CIFAR."""
    config = NetworkConfig(**arguments)
    assert config.cells == cells
    assert config.stem_channels == stem_channels
    assert config.batch_norm == batch_norm


def test_it_needs_no_keras():
    code = (
        "import sys; from nasnet_keras.networks.config import NetworkConfig;"
        "NetworkConfig(filters=32); import nasnet_keras.presets;"
        "assert 'keras' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
