"""All spaces, and one that a user writes."""

import sys

import numpy as np
import pytest

from nasnet_keras import NASNET_A, NASNet
from nasnet_keras.genotypes import Block, Cell
from nasnet_keras.genotypes.published import DARTS_V2
from nasnet_keras.search import NASNetSpace, SearchSpace, find_space
from nasnet_keras.search.names import SPACES


class ChainSpace(SearchSpace):
    """The example of search/README.md: a chain of three operations."""

    def __init__(self, operations=("conv_3x3", "sep_conv_3x3", "identity")):
        super().__init__((f"step_{i}", operations) for i in range(3))

    def make_cells(self, values):
        names = [values[f"step_{i}"] for i in range(3)]
        blocks = [
            Block((0, 1), (names[0], "identity")),
            Block((2, 0), (names[1], "identity")),
            Block((3, 0), (names[2], "identity")),
        ]
        cell = Cell(blocks, concat=(4,))
        return cell, cell


@pytest.mark.parametrize("name", SPACES)
def test_points_and_genotypes_are_one(name):
    space = find_space(name)
    for seed in range(30):
        actions = space.sample(np.random.default_rng(seed))
        genotype = space.to_genotype(actions, "mine")
        assert genotype.name == "mine"
        assert space.to_genotype(space.from_genotype(genotype)) == (
            space.to_genotype(actions)
        )
        assert space.to_actions(space.to_values(actions)) == actions


@pytest.mark.parametrize("name", SPACES)
def test_children_of_every_space_run(name):
    space = find_space(name)
    genotype = space.to_genotype(space.sample(np.random.default_rng(1)))
    model = NASNet(genotype, 1, 4, "cifar", classes=3, input_shape=(8, 8, 3))
    output = model.predict(np.ones((2, 8, 8, 3)), verbose=0)
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-5)


def test_a_users_own_space():
    space = ChainSpace()
    assert space.sizes == (3, 3, 3)
    genotype = space.to_genotype((0, 1, 2))
    assert genotype.normal.blocks[1].operations == ("sep_conv_3x3", "identity")
    with pytest.raises(NotImplementedError, match="read_cells"):
        space.from_genotype(genotype)
    assert find_space(f"{__name__}:ChainSpace").sizes == space.sizes


def test_a_space_of_a_module_in_the_current_folder(tmp_path, monkeypatch):
    """An installed command, unlike `python -m`, does not search there."""
    (tmp_path / "space_of_mine.py").write_text(
        "from nasnet_keras.search import NASNetSpace\n"
        "space = NASNetSpace(blocks=3)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    assert find_space("space_of_mine:space").blocks == 3


def test_settings_ride_along():
    space = NASNetSpace(blocks=1).with_settings(learning_rate=(0.1, 0.2))
    assert space.sizes == (*NASNetSpace(blocks=1).sizes, 2)
    values = space.to_values((0,) * 10 + (1,))
    assert space.to_settings(values) == {"learning_rate": 0.2}
    genotype = space.to_genotype(values)
    assert space.from_genotype(genotype) == (0,) * 11
    assert NASNetSpace(blocks=1).settings == ()


def test_the_sides_of_an_addition_may_be_swapped():
    space = NASNetSpace(blocks=1, combinations=("add", "concat"))
    for combination in ("add", "concat"):
        values = space.to_values((0, 1, 0, 3, 0) * 2)
        for role in ("normal", "reduction"):
            values[f"{role}/0/combination"] = combination
        found = space.from_genotype(space.to_genotype(values))
        assert space.to_values(found) == values
    darts = find_space("darts")
    found = darts.to_genotype(darts.from_genotype(DARTS_V2))
    for ours, theirs in zip(found.normal.blocks, DARTS_V2.normal.blocks):
        assert sorted(zip(ours.inputs, ours.operations)) == sorted(
            zip(theirs.inputs, theirs.operations)
        )


@pytest.mark.parametrize(
    "name, named",
    [
        ("resnet", "Received: 'resnet'"),
        ("nowhere.module:Space", "nowhere.module:Space"),
        ("nasnet_keras:list_presets", "list_presets"),
    ],
)
def test_unknown_spaces(name, named):
    with pytest.raises(ValueError, match=named):
        find_space(name)


def test_options_are_of_one_type():
    """KerasTuner requires it."""
    space = ChainSpace().with_settings(learning_rate=(1, 0.5))
    assert space.decisions[-1].options == (1.0, 0.5)
    with pytest.raises(ValueError, match="options of 'epochs' must be"):
        ChainSpace().with_settings(epochs=(1, "many"))


def test_actions_that_are_no_options():
    for action in (-1, 3):
        with pytest.raises(ValueError, match="has 3 options"):
            ChainSpace().to_values((0, 0, action))


def test_sizes_of_spaces():
    assert len(find_space("nasnet").decisions) == 50
    assert len(find_space("nasnet_b").decisions) == 40
    assert find_space("nasnet_b").sizes[:5] == (4, 4, 13, 13, 4)
    assert np.prod(find_space("nasbench201").sizes) == 15625
    assert find_space("darts").sizes[:12] == (
        1,
        7,
        7,
        3,
        7,
        7,
        6,
        7,
        7,
        10,
        7,
        7,
    )
    with pytest.raises(ValueError, match="blocks=3"):
        find_space("darts", blocks=3)


def test_nasnet_a_is_no_point_of_the_papers_space():
    """Its normal cell outputs its previous input, which no point does."""
    with pytest.raises(ValueError, match="no point of this space"):
        find_space("nasnet_a").from_genotype(NASNET_A)
