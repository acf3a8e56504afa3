"""NAS-Bench-201: its table, its cells."""

import keras
import numpy as np
import pytest

from nasnet_keras.cells.cell import NormalCell
from nasnet_keras.search import NASBench201Space
from nasnet_keras.search.spaces.nasbench201 import EDGES, read_table


def test_the_table_has_every_cell_once(shared_data):
    table = read_table(shared_data("nasbench201_cifar10.csv"))
    assert len(table) == 15625
    assert max(table.values()) == pytest.approx(84.892)
    space = NASBench201Space()
    values = dict(zip(EDGES, next(iter(table))))
    assert space.to_values(space.to_actions(values)) == values


@pytest.mark.parametrize(
    "text, named",
    [
        ("architecture,test\nx,1\n", "validation_accuracy"),
        (
            "architecture,validation_accuracy\n|conv~0|,1\n",
            r"line 2.*\|conv~0\|",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, text, named):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=named):
        read_table(path)


def test_a_node_is_the_sum_of_its_edges():
    """Cells of identities and zeros, compared with explicit sums."""
    space = NASBench201Space()
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, 6, 6, 4)).astype("float32")
    for _ in range(8):
        edges = {e: rng.choice(["none", "skip_connect"]) for e in EDGES}
        weight = {e: float(op == "skip_connect") for e, op in edges.items()}
        cell = space.to_genotype(edges).normal
        layer = NormalCell(cell, filters=4)
        found = keras.ops.convert_to_numpy(layer([image]))
        start = keras.ops.convert_to_numpy(layer.fits[0](image))
        one = weight["0-1"] * start
        two = weight["0-2"] * start + weight["1-2"] * one
        three = (
            weight["0-3"] * start + weight["1-3"] * one + weight["2-3"] * two
        )
        np.testing.assert_allclose(found, three, atol=1e-5)
