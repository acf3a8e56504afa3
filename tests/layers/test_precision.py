"""The precision of a cell, a layer or a network is that of its inner layers."""

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.cells import NormalCell, ReductionCell
from nasnet_keras.cells.operations import FactorizedReduction
from nasnet_keras.genotypes import Block, Cell, Genotype
from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.layers.batch_norm import (
    BatchNormalization,
    BatchStatisticsNormalization,
)
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.layers.whitening import Whitening

COMPUTE = {
    "mixed_bfloat16": "bfloat16",
    "mixed_float16": "float16",
    "bfloat16": "bfloat16",
    "float16": "float16",
    "float64": "float64",
}
VARIABLES = {name: name.removeprefix("mixed_") for name in COMPUTE}
VARIABLES.update(mixed_bfloat16="float32", mixed_float16="float32")
# Custom layers, pooling, a merge with its own layers, group normalization.
MANY = Cell(
    [
        Block((0, 1), ("sep_conv_3x3", "avg_pool_3x3"), "add_layer_norm"),
        Block((0, 0), ("factorized_identity", "none"), "concat"),
        Block((2, 3), ("max_pool_3x3", "dil_conv_3x3")),
    ],
    (4, 1),
)
FEW = Cell([Block((0, 1), ("conv_1x1", "skip_connect"))], (2,), 2)
CELLS = [(NormalCell, NASNET_A.normal), (ReductionCell, MANY)]


def states(dtype="float32", side=8):
    rng = np.random.default_rng(0)
    return [
        keras.ops.convert_to_tensor(rng.normal(size=(2, side, side, n)), dtype)
        for n in (3, 5)
    ]


def dtype_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


def array(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float64"))


def inner_policies(layer):
    return [x.dtype_policy for x in all_layers(layer, include_self=False)]


@pytest.fixture
def global_policy():
    """Function that sets the global policy until the test ends."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("policy", COMPUTE)
@pytest.mark.parametrize("layer_class, cell", CELLS)
def test_a_cell_computes_in_its_own_precision(layer_class, cell, policy):
    layer = layer_class(cell, 4, drop_path_rate=0.5, dtype=policy)
    outputs = layer(states(), training=True)
    assert dtype_of(outputs) == COMPUTE[policy]
    assert np.isfinite(array(outputs)).all()
    inner = all_layers(layer, include_self=False)
    assert len(inner) > 20
    assert {x.compute_dtype for x in inner} == {COMPUTE[policy]}
    assert {w.dtype for w in layer.weights} == {VARIABLES[policy]}
    # Each value is one of that precision, and rounding can be seen.
    exact = layer_class.from_config({**layer.get_config(), "dtype": "float64"})
    exact.build([tuple(x.shape) for x in states()])
    exact.set_weights(layer.get_weights())
    error = np.abs(array(layer(states())) - array(exact(states()))).max()
    assert error < {"float64": 1e-12}.get(COMPUTE[policy], 0.5)
    assert (error > 1e-4) == (COMPUTE[policy] != "float64")


def test_the_global_policy_does_not_change(global_policy):
    global_policy("mixed_float16")
    NormalCell(NASNET_A.normal, 4, dtype="float64")(states())
    assert keras.config.dtype_policy().name == "mixed_float16"
    with pytest.raises(ValueError, match="must divide the size"):
        wrong = Cell([Block((0, 0), ("wrong", "identity"))], (2,), 2)
        with_operation(wrong)
    assert keras.config.dtype_policy().name == "mixed_float16"


def with_operation(cell):
    from nasnet_keras.cells.operations import OPERATIONS

    OPERATIONS["wrong"] = lambda slot: [keras.layers.AveragePooling2D(2)]
    try:
        NormalCell(cell, 4, dtype="float64")(states())
    finally:
        del OPERATIONS["wrong"]


def test_a_policy_object_and_a_map():
    policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    cell = NormalCell(NASNET_A.normal, 4, dtype=policy)
    cell(states())
    assert set(map(str, inner_policies(cell))) == {str(policy)}
    by_path = keras.dtype_policies.DTypePolicyMap("float32")
    by_path["mapped/fit_0/.*"] = "mixed_bfloat16"
    cell = NormalCell(NASNET_A.normal, 4, dtype=by_path, name="mapped")
    cell(states())
    half, single = (
        {x.compute_dtype for x in inner_layers(fit) if x.weights}
        for fit in cell.fits
    )
    assert (half, single) == ({"bfloat16"}, {"float32"})


@pytest.mark.parametrize("policy", ["int8_from_float32", "float8_from_float32"])
def test_policies_that_quantize_are_refused(policy, global_policy):
    with pytest.raises(ValueError, match=f"cannot be quantized.*{policy}"):
        NormalCell(NASNET_A.normal, 4, dtype=policy)
    with pytest.raises(ValueError, match=f"cannot be quantized.*{policy}"):
        FactorizedReduction(4, dtype=policy)
    global_policy(policy)
    with pytest.raises(ValueError, match=f"cannot be quantized.*{policy}"):
        nasnet_keras.from_preset("nasnet_cifar_tiny", weights=None)


@pytest.mark.parametrize("policy", COMPUTE)
def test_layers_outside_a_cell(policy):
    """Those whose sums or counts exceed half precision are exact enough."""
    layer = FactorizedReduction(4, dtype=policy)
    assert dtype_of(layer(states()[0])) == COMPUTE[policy]
    assert {x.compute_dtype for x in inner_layers(layer)} == {COMPUTE[policy]}
    x = np.random.default_rng(0).uniform(0, 255, (2, 160, 160, 3))
    for layer in (
        Whitening(dtype=policy),
        BatchNormalization(momentum=0.5, dtype=policy),
        BatchNormalization(momentum=0.5, axis=1, dtype=policy),
        BatchStatisticsNormalization(dtype=policy),
        BatchStatisticsNormalization(axis=1, dtype=policy),
    ):
        arguments = {"training": True} if hasattr(layer, "momentum") else {}
        outputs = layer(x, **arguments)
        assert dtype_of(outputs) == COMPUTE[policy]
        assert abs(array(outputs).std() - 1) < 0.02
        for weight in layer.weights:
            assert np.isfinite(array(weight)).all()
    grey = Whitening(dtype=policy)(np.full((1, 224, 224, 3), 200.0))
    np.testing.assert_array_equal(array(grey), 0)


def inner_layers(layer):
    return all_layers(layer, include_self=False)


def copies(model, path):
    """The model from its file, cloned, and from its configuration."""
    model.save(path)
    yield nasnet_keras.load_model(path)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    yield clone
    rebuilt = type(model).from_config(model.get_config())
    rebuilt.set_weights(model.get_weights())
    yield rebuilt


def network():
    return nasnet_keras.NASNet(
        Genotype(FEW, FEW),
        cells_per_stack=1,
        filters=2,
        stem="cifar",
        classes=3,
        input_shape=(20, 20, 3),
        auxiliary_head=True,
        drop_path_rate=0.3,
        include_preprocessing="whiten",
    )


def backbone():
    return nasnet_keras.Backbone.from_preset(
        "nasnet_cifar_tiny", weights=None, genotype=Genotype(FEW, FEW)
    )


@pytest.mark.parametrize(
    "make, policy, other",
    [
        (network, "mixed_bfloat16", "float32"),
        (backbone, "float32", "mixed_float16"),
    ],
)
def test_a_copy_computes_as_the_model_did(
    make, policy, other, tmp_path, global_policy
):
    """Whatever the global policy is by then."""
    global_policy(policy)
    model = make()
    global_policy(other)
    images = np.random.default_rng(1).uniform(0, 255, (2, 20, 20, 3))
    expected = keras.tree.flatten(model(images))
    for copy in copies(model, tmp_path / "model.keras"):
        inner = []
        for layer, copied in zip(model.layers, copy.layers, strict=True):
            inner += inner_policies(layer)
            assert inner_policies(layer) == inner_policies(copied), layer.name
        assert {each.name for each in inner} == {policy}
        for ours, theirs in zip(expected, keras.tree.flatten(copy(images))):
            assert dtype_of(ours) == dtype_of(theirs)
            np.testing.assert_array_equal(array(ours), array(theirs))
