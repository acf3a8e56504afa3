"""Genotypes as plain data, and the errors of malformed ones."""

import json
import subprocess
import sys

import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.genotypes import Block, Cell, Genotype
from nasnet_keras.genotypes.published import NASNET_A
from tests.support.genotypes import random_genotype

ONE_BLOCK = Genotype(
    Cell([Block((0, 0), ("conv_1x1", "identity"))], [1], inputs=1),
    Cell([Block((0, 0), ("conv_3x3", "mine"), "concat")], [1, 0], inputs=1),
    name="a 'quoted' name",
)
EIGHT_BLOCKS = random_genotype(
    np.random.default_rng(0), 8, 4, ["identity", "conv_1x1", "sep_conv_3x3"]
)
EXAMPLES = pytest.mark.parametrize(
    "genotype",
    [NASNET_A, ONE_BLOCK, EIGHT_BLOCKS],
    ids=["NASNet-A", "one block, one input", "eight blocks, four inputs"],
)


@EXAMPLES
def test_repr_is_python(genotype):
    names = {"Block": Block, "Cell": Cell, "Genotype": Genotype}
    assert eval(repr(genotype), names) == genotype


@EXAMPLES
def test_hash_follows_equality(genotype):
    twin = Genotype(
        Cell(
            list(genotype.normal.blocks),
            list(genotype.normal.concat),
            genotype.normal.inputs,
        ),
        genotype.reduction,
        genotype.name,
    )
    renamed = Genotype(genotype.normal, genotype.reduction, "another")
    assert twin is not genotype
    assert len({genotype, twin, renamed}) == 2
    assert {genotype: "found"}[twin] == "found"


@EXAMPLES
def test_json_round_trip(genotype):
    text = genotype.to_json()
    assert Genotype.from_json(text) == genotype
    assert Genotype.from_json(genotype.to_json(indent=2)) == genotype
    assert Genotype.from_dict(json.loads(text)) == genotype
    assert Genotype.from_dict(genotype.to_dict()) == genotype
    assert Cell.from_dict(genotype.normal.to_dict()) == genotype.normal


def test_json_states_every_field():
    assert json.loads(ONE_BLOCK.to_json()) == {
        "normal": {
            "blocks": [
                {
                    "inputs": [0, 0],
                    "operations": ["conv_1x1", "identity"],
                    "combination": "add",
                }
            ],
            "concat": [1],
            "inputs": 1,
        },
        "reduction": {
            "blocks": [
                {
                    "inputs": [0, 0],
                    "operations": ["conv_3x3", "mine"],
                    "combination": "concat",
                }
            ],
            "concat": [1, 0],
            "inputs": 1,
        },
        "name": "a 'quoted' name",
    }


def test_json_may_leave_out_what_has_a_default():
    cell = {
        "blocks": [{"inputs": [0, 1], "operations": ["identity", "identity"]}],
        "concat": [2],
    }
    genotype = Genotype.from_dict({"normal": cell, "reduction": cell})
    assert genotype.normal.inputs == 2
    assert genotype.normal.blocks[0].combination == "add"
    assert genotype.name == ""


def test_genotypes_cannot_be_changed():
    with pytest.raises(AttributeError):
        NASNET_A.normal.concat = (2,)
    assert isinstance(EIGHT_BLOCKS.normal.blocks, tuple)
    assert isinstance(EIGHT_BLOCKS.normal.blocks[0].inputs, tuple)


def test_operations_of_a_cell():
    assert NASNET_A.normal.operations == [
        "avg_pool_3x3",
        "identity",
        "sep_conv_3x3",
        "sep_conv_5x5",
    ]


def block(inputs=(0, 1), operations=("identity", "identity"), **kwargs):
    return Block(inputs, operations, **kwargs)


@pytest.mark.parametrize(
    "inputs", [(0,), (0, 1, 2), (0, 1.0), (True, 0), (0, "1"), (0, None)]
)
def test_block_inputs_error(inputs):
    with pytest.raises(ValueError, match=r"`inputs` of a Block.*inputs=\("):
        block(inputs)


@pytest.mark.parametrize(
    "operations",
    [("identity",), ("identity",) * 3, ("", "identity"), (1, 2), "ab"],
)
def test_block_operations_error(operations):
    with pytest.raises(ValueError, match=r"`operations`.*operations=[('']"):
        block(operations=operations)


def test_unknown_combination_error():
    with pytest.raises(ValueError, match="combination='multiply'"):
        block(combination="multiply")


@pytest.mark.parametrize("inputs", [0, -1, True, 2.0, None])
def test_cell_inputs_error(inputs):
    with pytest.raises(ValueError, match=f"`inputs` of a Cell.*{inputs!r}"):
        Cell([block()], [2], inputs)


@pytest.mark.parametrize("blocks", [(), ("identity",), (block(), None)])
def test_cell_blocks_error(blocks):
    with pytest.raises(ValueError, match=r"`blocks` of a Cell.*blocks=\("):
        Cell(blocks, [2])


@pytest.mark.parametrize(
    "inputs, number, state, last",
    [((0, 2), 0, 2, 1), ((-1, 0), 0, -1, 1), ((3, 0), 1, 3, 2)],
)
def test_index_out_of_range_error(inputs, number, state, last):
    blocks = [block()] * number + [block(inputs)]
    with pytest.raises(
        ValueError,
        match=rf"Block {number} reads state {state}, .* states 0 to {last} ",
    ):
        Cell(blocks, [2])


def test_blocks_may_read_the_block_before_them():
    cell = Cell([block(), block((2, 0))], [3])
    assert cell.blocks[1].inputs == (2, 0)


@pytest.mark.parametrize(
    "concat, message",
    [
        ((), "`concat` of a Cell must name at least one state"),
        ((2, 2), r"`concat` of a Cell must name each.*concat=\(2, 2\)"),
        ((2, 3), "`concat` reads state 3, .* states 0 to 2 "),
        ((-1,), "`concat` reads state -1"),
        ((True,), "`concat` reads state True"),
        (("2",), "`concat` reads state '2'"),
    ],
)
def test_concat_errors(concat, message):
    with pytest.raises(ValueError, match=message):
        Cell([block()], concat)


def test_genotype_cell_errors():
    with pytest.raises(ValueError, match=r"`normal` of a Genotype .*None"):
        Genotype(None, NASNET_A.reduction)
    with pytest.raises(ValueError, match=r"`reduction` of a Genotype .*'x'"):
        Genotype(NASNET_A.normal, "x")
    with pytest.raises(ValueError, match=r"same number of input.* 2 and 1"):
        Genotype(NASNET_A.normal, ONE_BLOCK.reduction)


def find(kind, data):
    """The first dictionary of that kind within a genotype's."""
    return {
        "Genotype": data,
        "Cell": data["normal"],
        "Block": data["normal"]["blocks"][0],
    }[kind]


@pytest.mark.parametrize("kind", ["Genotype", "Cell", "Block"])
def test_unknown_json_key_error(kind):
    data = json.loads(NASNET_A.to_json())
    find(kind, data)["colour"] = 1
    with pytest.raises(ValueError, match=rf"A {kind} .*Unknown: \['colour'\]"):
        Genotype.from_dict(data)


@pytest.mark.parametrize(
    "kind, key",
    [
        ("Genotype", "normal"),
        ("Genotype", "reduction"),
        ("Cell", "blocks"),
        ("Cell", "concat"),
        ("Block", "inputs"),
        ("Block", "operations"),
    ],
)
def test_missing_json_key_error(kind, key):
    data = json.loads(NASNET_A.to_json())
    del find(kind, data)[key]
    with pytest.raises(ValueError, match=rf"A {kind} .*Missing: \['{key}'\]"):
        Genotype.from_dict(data)


def test_json_of_another_kind_error():
    with pytest.raises(ValueError, match=r"A Genotype is read from a dict.* 7"):
        Genotype.from_json("7")
    with pytest.raises(ValueError, match="A Cell is read from a dict"):
        Genotype.from_dict({"normal": [], "reduction": []})


@pytest.mark.parametrize("module", ["nasnet_keras", "nasnet_keras.presets"])
def test_import_is_light(module):
    """In a fresh interpreter: no backend is imported."""
    heavy = ["keras", "numpy", "tensorflow", "jax", "torch", "keras_tuner"]
    code = (
        f"import sys, {module}\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_public_names():
    for name in nasnet_keras.__all__:
        value = getattr(nasnet_keras, name)
        assert name in dir(nasnet_keras)
        home = nasnet_keras._HOMES[name]
        assert value is getattr(sys.modules[f"nasnet_keras.{home}"], name)
    with pytest.raises(AttributeError, match="no attribute 'NASNetHuge'"):
        nasnet_keras.NASNetHuge  # noqa: B018
