"""Frozen layers inside a cell are saved by name; older files load."""

import json
import pathlib
import re
import zipfile

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.cells import NormalCell
from nasnet_keras.genotypes import Block, Cell
from nasnet_keras.layers.walk import all_layers

BEFORE = pathlib.Path(__file__).parents[1] / "data" / "before_rooms"
CELL = Cell(
    [
        Block((0, 1), ("sep_conv_3x3", "skip_connect"), "concat"),
        Block((2, 0), ("conv_3x3", "identity")),
    ],
    (1, 3),
)
SHAPES = [(None, 8, 8, 4), (None, 16, 16, 3)]


def built(**arguments):
    cell = NormalCell(CELL, 4, input_strides=(1, 2), **arguments)
    cell.build(SHAPES)
    return cell


def rebuilt(cell):
    again = NormalCell.from_config(cell.get_config())
    again.build(SHAPES)
    return again


def flags(layer):
    """Whether each weight is trainable."""
    trained = {id(weight) for weight in layer.trainable_weights}
    return [id(weight) in trained for weight in layer.weights]


def without_counters(paths):
    """Sorted paths of weights, without the numbers that Keras gives.

    It numbers the layers of a process: `conv2d_17`.
    """
    split = [path.split("/") for path in paths]
    return sorted(
        (*parts[:2], *(re.sub(r"_\d+$", "", part) for part in parts[2:]))
        for parts in split
    )


def saved_frozen(path):
    """The lists `frozen` of the cells in a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    layers = config["config"]["layers"]
    return [
        layer["config"]["frozen"]
        for layer in layers
        if "frozen" in layer["config"]
    ]


def test_names_are_paths_in_the_cell():
    cell = built()
    cell.fits[0].trainable = False
    cell.paths[0][0].layers[2].trainable = False
    cell.merges[0].layers[1].trainable = False
    # The convolution inside a factorized reduction.
    cell.paths[1][0].layers[1].trainable = False
    cell.fits[1].layers[1].path_2.trainable = False
    names = ["fit_0", "fit_1/1/1", "block_0_left/2", "block_1_left/1"]
    names.insert(3, "block_0_merge/1")
    assert sorted(cell.get_config()["frozen"]) == sorted(names)
    again = rebuilt(cell)
    assert flags(again) == flags(cell)
    assert not all(flags(cell)) and any(flags(cell))
    assert again.get_config() == cell.get_config()


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_every_layer_has_a_name_of_its_own(rate):
    """Each layer, frozen alone, is frozen again; also with drop path."""
    inner = all_layers(built(), include_self=False)
    seen = set()
    for position in range(len(inner)):
        cell = built(drop_path_rate=rate)
        layers = [
            layer
            for layer in all_layers(cell, include_self=False)
            if type(layer).__name__ != "DropPath"
        ]
        assert len(layers) == len(inner)
        layers[position].trainable = False
        (name,) = cell.get_config()["frozen"]
        seen.add(name)
        plain = built(frozen=[name])
        again = all_layers(plain, include_self=False)
        expected = [layer.trainable for layer in layers]
        assert [layer.trainable for layer in again] == expected
        # Older files have the position.
        assert flags(built(frozen=[position])) == flags(plain)
    assert len(seen) == len(inner)


def test_names_before_the_cell_is_built():
    cell = NormalCell(CELL, 4, frozen=["fit_0"])
    assert cell.get_config()["frozen"] == ["fit_0"]


def test_an_unknown_name():
    with pytest.raises(ValueError, match=r"`frozen` .*fit_0.* 'fit_7'"):
        built(frozen=["fit_7"])


def test_a_file_with_positions(tmp_path):
    """Written before names were saved, by `freeze_batch_norm` and `save`."""
    path = BEFORE / "classifier.keras"
    positions = saved_frozen(path)
    assert positions and all(isinstance(n, int) for x in positions for n in x)
    model = nasnet_keras.load_model(path)
    with np.load(BEFORE / "classifier.npz") as arrays:
        images, expected = arrays["images"], arrays["outputs"]
    np.testing.assert_allclose(
        model.predict(images, verbose=0), expected, atol=1e-5
    )
    frozen = [weight.path for weight in model.non_trainable_weights]
    before = json.loads((BEFORE / "frozen.json").read_text())
    assert without_counters(frozen) == without_counters(before)
    # Saved again, it has names, and the same weights are frozen.
    model.save(tmp_path / "again.keras")
    names = saved_frozen(tmp_path / "again.keras")
    assert [len(x) for x in names] == [len(x) for x in positions]
    assert all(isinstance(name, str) for x in names for name in x)
    again = keras.models.load_model(tmp_path / "again.keras")
    assert flags(again) == flags(model)
