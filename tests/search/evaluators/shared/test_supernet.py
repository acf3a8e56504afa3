"""The supernet: its output for an architecture is that architecture's."""

import keras
import numpy as np
import pytest

from nasnet_keras.layers.walk import all_layers
from nasnet_keras.search import NASNetSpace, find_space
from nasnet_keras.search.evaluators.shared.candidates import Candidates
from nasnet_keras.search.evaluators.shared.supernet import Supernet

SPACE = NASNetSpace(
    blocks=2,
    operations=("identity", "max_pool_3x3", "sep_conv_3x3"),
)
SIDE, CLASSES = 12, 5


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (8, SIDE, SIDE, 3)).astype("float32")


def make(space, cells_per_stack=2):
    keras.utils.set_random_seed(0)
    net = Supernet(Candidates.of(space), cells_per_stack, 4, SIDE, CLASSES)
    rng = np.random.default_rng(1)
    for weight in net.model.trainable_weights:  # None is 0, none is 1.
        value = keras.ops.convert_to_numpy(weight)
        weight.assign(value + rng.normal(size=value.shape, scale=0.05))
    return net


def largest_difference(net, genotype, images):
    child = net.child(genotype)
    ours = net.predict(genotype, images)
    theirs = keras.ops.convert_to_numpy(child(images, training=True))
    assert ours.std(axis=0).max() > 1e-3
    return np.abs(ours - theirs).max()


@pytest.mark.parametrize(
    "seeds", [(0, 1, 3, 5), pytest.param(range(50), marks=pytest.mark.long)]
)
def test_random_architectures(seeds, images):
    """Two cells a stack: inputs that need no fitting are among them."""
    net = make(SPACE)
    concats = set()
    for seed in seeds:
        genotype = SPACE.to_genotype(SPACE.sample(np.random.default_rng(seed)))
        concats.add((genotype.normal.concat, genotype.reduction.concat))
        assert largest_difference(net, genotype, images) < 1e-4
    assert len(concats) == 4  # One output block or two, in either cell.


@pytest.mark.parametrize("name", ["darts", "nasbench201", "nasnet_b"])
def test_other_spaces(name, images, monkeypatch):
    """Of these, each place of the cells, with some of the operations."""
    space = small(name, monkeypatch)
    net = make(space, cells_per_stack=1)
    for seed in range(3):
        genotype = space.to_genotype(space.sample(np.random.default_rng(seed)))
        assert largest_difference(net, genotype, images) < 1e-4


def small(name, monkeypatch):
    if name == "darts":
        from nasnet_keras.search.spaces import darts

        monkeypatch.setattr(darts, "OPERATIONS", ("skip_connect", "none"))
        monkeypatch.setattr(darts, "BLOCKS", 2)
    if name == "nasnet_b":
        return NASNetSpace(
            blocks=2,
            inputs=4,
            operations=("identity", "conv_1x1"),
            combinations=("add_layer_norm", "concat"),
            outputs="all",
        )
    return find_space(name)


def test_a_space_that_it_cannot_hold():
    space = NASNetSpace(blocks=2, inputs=3, operations=("identity",))
    with pytest.raises(ValueError, match="3 input states"):
        make(space)


def test_a_genotype_outside_the_space(images):
    net = make(NASNetSpace(blocks=1, operations=("identity", "conv_1x1")), 1)
    space = NASNetSpace(blocks=1, operations=("conv_3x3",))
    with pytest.raises(ValueError, match="'conv_3x3'"):
        net.predict(space.to_genotype((0,) * 10), images)
    space = NASNetSpace(blocks=2, operations=("identity",))
    with pytest.raises(ValueError, match="Not a cell of this space"):
        net.child(space.to_genotype((0,) * 20))


def test_mixed_precision(images):
    """The supercells compute in it, and about what they compute without."""
    space = NASNetSpace(blocks=1, operations=("identity", "conv_1x1"))
    genotype = space.to_genotype((0, 1, 1, 0, 0, 0, 0, 1, 1, 0))
    expected = make(space, 1).predict(genotype, images)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = make(space, 1)
    finally:
        keras.config.set_dtype_policy(before)
    inner = all_layers(net.model.get_layer("cell_0"))
    assert {x.compute_dtype for x in inner} == {"bfloat16"}
    assert {w.dtype for w in net.model.weights} == {"float32"}
    found = net.predict(genotype, images)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert np.abs(found - expected).max() > 1e-6
