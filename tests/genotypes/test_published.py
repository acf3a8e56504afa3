"""The published cells equal their sources; `load_genotype`."""

import json

import pytest

from nasnet_keras.genotypes import Block, Cell, published
from nasnet_keras.genotypes.files import load_genotype
from nasnet_keras.genotypes.published import NASNET_A, PUBLISHED
from tests.support.genotypes import TWO_BLOCKS

OPERATIONS = {
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "sep7": "sep_conv_7x7",
    "dil3": "dil_sep_conv_3x3",
    "avg": "avg_pool_3x3",
    "avg3": "avg_pool_3x3",
    "max": "max_pool_3x3",
    "max3": "max_pool_3x3",
    "max2": "max_pool_2x2",
    "id": "identity",
    "none": "identity",
    "skip": "skip_connect",
    "1x1": "conv_1x1",
    "3x3": "bottleneck_conv_3x3",
    "1x7_7x1": "bottleneck_conv_1x7_7x1",
    "dil_2_sep5": "sep_conv_5x5",
}

# "operation(state)" by block, and the states in concat. TF-slim numbers the
# current state 0; ENAS and DARTS number the older one 0.
NASNET_CELLS = {
    "nasnet_a normal": (
        "sep5(0)+sep3(1); sep5(1)+sep3(1); avg3(0)+id(1); avg3(1)+avg3(1); "
        "sep3(0)+id(0)",
        (1, 2, 3, 4, 5, 6),
    ),
    "nasnet_a reduction": (
        "sep5(0)+sep7(1); max3(0)+sep7(1); avg3(0)+sep5(1); id(3)+avg3(2); "
        "sep3(2)+max3(0)",
        (3, 4, 5, 6),
    ),
    "pnasnet_5 normal": (
        "sep5(1)+max3(1); sep7(0)+max3(0); sep5(0)+sep3(0); sep3(4)+max3(0); "
        "sep3(1)+id(0)",
        (2, 3, 4, 5, 6),
    ),
}
OLDER_FIRST_CELLS = {
    "enas normal": (
        "avg(0)+sep3(0); id(0)+sep5(0); id(0)+sep5(1); sep3(1)+sep5(0); "
        "avg(0)+sep5(1)",
        (2, 3, 4, 5, 6),
    ),
    "enas reduction": (
        "sep3(1)+sep3(1); max(0)+avg(0); sep5(1)+sep5(3); sep3(1)+id(0); "
        "max(0)+sep5(1)",
        (2, 4, 5, 6),
    ),
    "darts_v1 normal": (
        "sep3(1)+sep3(0); skip(0)+sep3(1); skip(0)+sep3(1); sep3(0)+skip(2)",
        (2, 3, 4, 5),
    ),
    "darts_v1 reduction": (
        "max(0)+max(1); skip(2)+max(0); max(0)+skip(2); skip(2)+avg(0)",
        (2, 3, 4, 5),
    ),
    "darts_v2 normal": (
        "sep3(0)+sep3(1); sep3(0)+sep3(1); sep3(1)+skip(0); skip(0)+dil3(2)",
        (2, 3, 4, 5),
    ),
    "darts_v2 reduction": (
        "max(0)+max(1); skip(2)+max(1); max(0)+skip(2); skip(2)+max(1)",
        (2, 3, 4, 5),
    ),
}

# tensorflow/tpu `model_specs.py`: operations, inputs, and the mask of the
# states that are not in concat.
AMOEBANET_CELLS = {
    "amoebanet_a normal": "avg3,max3,sep3,none,none,avg3,sep3,sep5,avg3,sep3 "
    "/ 0,0,1,1,0,1,0,2,5,0 / 1,0,1,0,0,1,0",
    "amoebanet_a reduction": "sep3,avg3,max3,sep7,max3,max3,sep3,1x7_7x1,avg3,"
    "sep7 / 1,0,0,2,1,0,4,0,1,0 / 1,1,0,0,0,0,0",
    "amoebanet_b normal": "1x1,max3,none,sep3,1x1,sep3,1x1,none,avg3,1x1 "
    "/ 1,1,1,0,1,0,2,2,1,5 / 0,1,1,0,0,1,0",
    "amoebanet_b reduction": "max2,max3,none,3x3,dil_2_sep5,max3,none,sep3,"
    "avg3,1x1 / 0,0,2,1,2,2,3,1,4,3 / 1,1,1,1,1,0,0",
    "amoebanet_c normal": "avg3,sep3,none,sep3,avg3,sep3,none,sep3,avg3,sep3 "
    "/ 0,0,0,0,2,1,0,1,3,0 / 1,0,0,1,0,0,0",
    "amoebanet_c reduction": "max3,max3,sep7,sep3,sep7,max3,sep5,sep5,max3,"
    "sep3 / 0,0,2,0,0,1,4,4,1,1 / 0,1,0,0,0,0,0",
    "amoebanet_d normal": "1x1,max3,none,1x7_7x1,1x1,1x7_7x1,max3,none,avg3,"
    "1x1 / 1,1,1,0,0,0,2,2,1,5 / 0,1,1,0,0,1,0",
    "amoebanet_d reduction": "max2,max3,none,3x3,1x7_7x1,max3,none,max2,avg3,"
    "1x1 / 0,0,2,1,2,2,3,1,2,3 / 1,1,1,1,0,0,0",
}


def cell_of(name):
    key, role = name.split()
    return getattr(PUBLISHED[key], role)


def parse(text, first=(0, 1), **names):
    """A cell's blocks from "operation(state)+operation(state); ..."."""
    states = dict(zip((0, 1), first))
    blocks = []
    for block in text.split("; "):
        sides = [side.rstrip(")").split("(") for side in block.split("+")]
        numbers = [int(number) for _, number in sides]
        blocks.append(
            Block(
                [states.get(number, number) for number in numbers],
                [{**OPERATIONS, **names}[side] for side, _ in sides],
            )
        )
    return tuple(blocks)


@pytest.mark.parametrize("name", NASNET_CELLS)
def test_cells_of_tf_slim(name):
    text, concat = NASNET_CELLS[name]
    assert cell_of(name) == Cell(parse(text), concat)


def test_pnasnet_has_one_cell():
    assert published.PNASNET_5.reduction == published.PNASNET_5.normal


@pytest.mark.parametrize("name", OLDER_FIRST_CELLS)
def test_cells_whose_older_state_is_0(name):
    text, concat = OLDER_FIRST_CELLS[name]
    names = {"id": "factorized_identity"}  # What ENAS does at stride 2.
    assert cell_of(name) == Cell(parse(text, (1, 0), **names), concat)


@pytest.mark.parametrize("name", AMOEBANET_CELLS)
def test_cells_of_amoebanet(name):
    operations, inputs, mask = (
        part.split(",") for part in AMOEBANET_CELLS[name].split(" / ")
    )
    operations = [OPERATIONS[operation] for operation in operations]
    inputs = list(map(int, inputs))
    blocks = [
        Block(inputs[i : i + 2], operations[i : i + 2]) for i in range(0, 10, 2)
    ]
    concat = [state for state, used in enumerate(mask) if used == "0"]
    assert cell_of(name) == Cell(blocks, concat)


def test_every_published_cell_is_held_to_its_source():
    checked = {*NASNET_CELLS, *OLDER_FIRST_CELLS, *AMOEBANET_CELLS}
    checked = {name.split()[0] for name in checked}
    assert checked == set(PUBLISHED)


# Finding one ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nasnet_a", "NASNet-A", "NASNET_A"])
def test_load_by_name(name):
    assert load_genotype(name) is NASNET_A


def test_load_by_the_name_that_is_printed():
    for genotype in PUBLISHED.values():
        assert load_genotype(genotype.name) is genotype


def test_load_from_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(TWO_BLOCKS.to_json())
    assert load_genotype(path) == TWO_BLOCKS
    assert load_genotype(str(path)) == TWO_BLOCKS


def test_load_from_a_result_of_the_search(tmp_path):
    path = tmp_path / "best.json"
    result = {"reward": 0.9, "genotype": TWO_BLOCKS.to_dict()}
    path.write_text(json.dumps(result))
    assert load_genotype(path) == TWO_BLOCKS


def test_load_unknown_name_error():
    with pytest.raises(ValueError, match=r"`nasnet_z` .* \(nasnet_a.* JSON"):
        load_genotype("nasnet_z")


@pytest.mark.parametrize(
    "content",
    [
        b"not JSON",
        b"\xff\xfe\x00",
        b"[]",
        b'{"genotype": 5}',
        pytest.param(b"[" * 100_000, id="deep"),
        b'{"normal": {"blocks": 3, "concat": [0]}, "reduction": {}}',
    ],
)
def test_load_bad_file_error(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.json` holds no genotype: ."):
        load_genotype(path)


def test_load_bad_file_says_what_is_bad(tmp_path):
    data = json.loads(NASNET_A.to_json())
    data["normal"]["blocks"][0]["inputs"] = [0, 9]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="Block 0 reads state 9"):
        load_genotype(path)
