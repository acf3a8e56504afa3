"""Search spaces: decisions and genotypes, both ways."""

import numpy as np
import pytest

from nasnet_keras import NASNET_A, PAPER_OPERATIONS
from nasnet_keras.search import NASNetSpace, SearchSpace


def test_the_papers_space_has_fifty_predictions():
    space = NASNetSpace()
    assert len(space.decisions) == 2 * 5 * 5
    # Normal cell first; input, input, operation, operation, combination; one
    # more state to choose from after each block.
    assert space.sizes[:10] == (2, 2, 13, 13, 2, 3, 3, 13, 13, 2)
    assert space.sizes[:25] == space.sizes[25:]
    assert [d.name.split("/")[0] for d in space.decisions] == (
        ["normal"] * 25 + ["reduction"] * 25
    )
    assert len(PAPER_OPERATIONS) == 13


@pytest.mark.parametrize("blocks, inputs", [(1, 1), (2, 2), (5, 2), (4, 4)])
def test_actions_values_and_genotypes_are_one_point(blocks, inputs):
    space = NASNetSpace(blocks=blocks, inputs=inputs)
    for seed in range(50):
        actions = space.sample(np.random.default_rng(seed))
        values = space.to_values(actions)
        genotype = space.to_genotype(values)
        assert space.to_actions(values) == actions
        assert space.to_genotype(actions) == genotype
        assert space.from_genotype(genotype) == actions


def test_a_cell_puts_out_what_no_block_reads():
    space = NASNetSpace(blocks=3)
    for seed in range(50):
        for role in ("normal", "reduction"):
            cell = getattr(
                space.to_genotype(space.sample(np.random.default_rng(seed))),
                role,
            )
            used = {state for block in cell.blocks for state in block.inputs}
            assert set(cell.concat) == {2, 3, 4} - used
            assert 4 in cell.concat


def test_a_genotype_outside_the_space_is_refused():
    with pytest.raises(ValueError, match="no point of this space"):
        NASNetSpace().from_genotype(NASNET_A)
    with pytest.raises(ValueError, match="4 blocks a cell"):
        NASNetSpace(blocks=4).from_genotype(NASNET_A)
    with pytest.raises(ValueError, match="sep_conv_5x5"):
        NASNetSpace(operations=("identity",)).from_genotype(NASNET_A)


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"blocks": 0}, "blocks=0"),
        ({"inputs": -1}, "inputs=-1"),
        ({"operations": ("conv_9x9",)}, "conv_9x9"),
        ({"operations": ()}, "no option"),
        ({"combinations": ("multiply",)}, "multiply"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        NASNetSpace(**arguments)


def test_a_space_of_ones_own():
    space = SearchSpace([("edge", ("none", "skip")), ("rate", (0.1, 0.01))])
    assert space.to_values((1, 0)) == {"edge": "skip", "rate": 0.1}
    assert space.to_actions({"rate": 0.01, "edge": "none"}) == (0, 1)
    assert space.to_dict() == {"edge": ["none", "skip"], "rate": [0.1, 0.01]}
    with pytest.raises(ValueError, match="'edge' must be one of"):
        space.to_actions({"rate": 0.1})
    with pytest.raises(ValueError, match="2 decisions"):
        space.to_values((1,))
    with pytest.raises(ValueError, match="different names"):
        SearchSpace([("edge", (1,)), ("edge", (2,))])
