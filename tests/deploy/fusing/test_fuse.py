"""`fuse`: the outputs of the plain model, from fewer operations."""

import collections

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras import from_preset, get_preset, list_presets
from nasnet_keras.cells.conventions import Slot
from nasnet_keras.cells.operations import OPERATIONS
from nasnet_keras.cells.plan import Part, make_chain
from nasnet_keras.deploy import fuse
from nasnet_keras.genotypes import COMBINATIONS, Block, Cell, Genotype
from nasnet_keras.layers.names import POOLING_SEMANTICS
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.model_files.graph import input_shape
from tests.support.genotypes import random_genotype
from tests.support.networks import small_network
from tests.support.policies import with_policy
from tests.support.sources import perturb_batch_norm, relative_error

# Of the largest output. Both compute in single precision.
CLOSE = 1e-4
TINY = [n for n in list_presets(test_sized=True) if n.endswith("_tiny")]
BATCH_NORMS = keras.layers.BatchNormalization


def outputs_of(model, x):
    """The outputs of a model, as a list of arrays."""
    outputs = keras.tree.flatten(model(x, training=False))
    return [keras.ops.convert_to_numpy(each) for each in outputs]


def images_for(model, sides):
    shape = input_shape(model)
    rng = np.random.default_rng(0)
    sides = [fixed or side for fixed, side in zip(shape[1:3], sides)]
    return rng.uniform(-1, 1, (2, *sides, shape[3])).astype("float32")


def assert_fused(model, sides=(33, 40), close=CLOSE):
    """Fuses a model with random norms; returns the fused one."""
    perturb_batch_norm(model)
    x = images_for(model, sides)
    expected = outputs_of(model, x)
    # Filters of 2, 4 and 6: zeros are added to some of them.
    for fused in (fuse(model, multiple=3), fuse(model)):
        for ours, theirs in zip(outputs_of(fused, x), expected, strict=True):
            assert relative_error(ours, theirs) < close
            assert np.ptp(theirs) > 0
    # The model itself is as it was.
    for ours, theirs in zip(outputs_of(model, x), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    return fused


def network(genotype=None, **arguments):
    defaults = {"filters": 4, "input_shape": (None, None, 3)}
    return small_network(genotype, **{**defaults, **arguments})


def count(model, layer_class):
    return sum(isinstance(x, layer_class) for x in all_layers(model))


QUICK = ("nasnet_tiny", "pnasnet_tiny", "darts_imagenet_tiny")


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.long)
        for name in TINY
    ],
)
def test_every_family(preset):
    model = from_preset(
        preset,
        weights=None,
        input_shape=(None, None, 3),
        classifier_activation=None,
    )
    fused = assert_fused(model)
    assert count(model, BATCH_NORMS) > 10
    assert count(fused, BATCH_NORMS) == 0
    # One of the two moments of each norm, and its scale, are gone.
    assert fused.count_params() < model.count_params()


@pytest.mark.parametrize("semantics", POOLING_SEMANTICS)
@pytest.mark.parametrize(
    "sides",
    [(31, 34), pytest.param((32, 33), marks=pytest.mark.long)],
)
def test_odd_and_even_sides(semantics, sides):
    model = network(
        nasnet_keras.NASNET_A, pooling_semantics=semantics, filters=2
    )
    assert_fused(model, sides)


def side_by_side(operations):
    """A model with each operation, at both strides and other channels."""
    inputs = keras.Input((None, None, 4))
    outputs = {}
    for name in operations:
        for strides, filters in ((1, 4), (1, 6), (2, 4), (2, 6)):
            chain = make_chain([Part(name, Slot(4, filters, strides))])
            outputs[f"{name}_{strides}_{filters}"] = chain(inputs)
    return keras.Model(inputs, outputs)


def test_every_operation():
    assert_fused(side_by_side(set(OPERATIONS) - {"none"}), (17, 18))


def test_every_combination():
    """All of `COMBINATIONS` in one cell, and "none"."""
    operations = ("sep_conv_3x3", "avg_pool_3x3")
    blocks = [
        Block((number, 1), operations, combination)
        for number, combination in enumerate(COMBINATIONS)
    ]
    blocks.append(Block((2, 3), ("none", "identity")))
    last = 2 + len(COMBINATIONS)
    cell = Cell(blocks, range(2, last + 1), 2)
    assert_fused(network(Genotype(cell, cell)))


@pytest.mark.parametrize("seed", range(3))
def test_random_genotypes(seed):
    rng = np.random.default_rng(seed)
    genotype = random_genotype(rng, 4, 2, list(OPERATIONS))
    assert_fused(network(genotype))


def test_what_is_equal_is_computed_once():
    """NASNet-A's two averages of one state, and the ReLU of a state."""
    model = network(nasnet_keras.NASNET_A)
    fused = assert_fused(model)
    pools = nasnet_keras.layers.pooling.Pooling

    def averages(model):
        return sum(
            x.kind == "average" and x.strides == 1
            for x in all_layers(model)
            if isinstance(x, pools)
        )

    # In a normal cell avg3(1) + avg3(1) and avg3(0) + 1; in a reduction cell
    # avg3 of an inner state, once.
    assert averages(model) == 3 * 3 + 2
    assert averages(fused) == 3 * 2 + 2
    active = [
        id(x.input) for x in fused.layers if isinstance(x, keras.layers.ReLU)
    ]
    assert len(set(active)) == len(active) < count(model, keras.layers.ReLU)


def test_no_pass_over_joined_states():
    """Their ReLU belongs to each; nothing is padded to be halved."""
    fused = assert_fused(network(nasnet_keras.NASNET_A))
    # What reads each state: a ReLU alone reads none that is joined.
    readers = collections.defaultdict(list)
    for layer in fused.layers:
        for tensor in keras.tree.flatten(layer.input):
            readers[id(tensor)].append(type(layer))
    joined = [
        readers[id(layer.output)]
        for layer in fused.layers
        if isinstance(layer, keras.layers.Concatenate)
    ]
    assert len(joined) > 5
    assert [keras.layers.ReLU] not in joined
    assert count(fused, keras.layers.ZeroPadding2D) == 0


def test_no_pointwise_convolution_strides():
    """Its gradient, in oneDNN, writes past its workspace."""
    fused = fuse(network(nasnet_keras.NASNET_A))
    strides = [
        x.strides
        for x in fused.layers
        if isinstance(x, keras.layers.Conv2D) and x.kernel_size == (1, 1)
    ]
    assert set(strides) == {(1, 1)}


def test_zeros_behind_the_filters():
    """Of every convolution, and none of the classifier's outputs."""
    model = network(nasnet_keras.NASNET_A, filters=12, stem="imagenet")
    perturb_batch_norm(model)
    x = images_for(model, (64, 64))
    fused = fuse(model, multiple=16)
    (ours,), (theirs,) = outputs_of(fused, x), outputs_of(model, x)
    assert relative_error(ours, theirs) < CLOSE
    filters = {
        layer.filters
        for layer in fused.layers
        if isinstance(layer, keras.layers.Conv2D)
        # Of these one alone gets zeros: they are the halves of a state.
        and "path" not in layer.name
    }
    # 3 and 6, of the cells of the stem, would become several times as many.
    assert filters == {3, 6, 16, 32, 48}
    assert fused.count_params() > fuse(model).count_params()


def test_a_user_s_model():
    """A head of one's own, a network inside it, dropout, preprocessing."""
    inputs = keras.Input((24, 24, 3), name="picture")
    body = network(
        include_top=False,
        drop_path_rate=0.2,
        include_preprocessing=True,
        input_shape=(24, 24, 3),
    )
    x = keras.layers.GlobalAveragePooling2D()(body(inputs * 1.5))
    x = keras.layers.Dropout(0.5)(x)
    outputs = {
        "logits": keras.layers.Dense(3)(x),
        "other": keras.layers.Dense(2, activation="sigmoid")(x),
    }
    model = keras.Model(inputs, outputs)
    fused = assert_fused(model)
    assert list(fused.output) == ["logits", "other"]
    assert fused.input.name == "picture"
    assert count(fused, keras.layers.Dropout) == 0


def test_an_auxiliary_head():
    model = network(auxiliary_head=True, input_shape=(24, 24, 3))
    assert len(assert_fused(model).outputs) == 2


def test_a_sequential_model():
    body = network(include_top=False, pooling="avg", input_shape=(24, 24, 3))
    model = keras.Sequential([body, keras.layers.Dense(3)])
    assert_fused(model)


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
def test_a_sequential_model_of_two_outputs():
    """It keeps both, and the name and type of its input."""
    body = network(auxiliary_head=True, input_shape=(24, 24, 3))
    model = keras.Sequential([keras.Input((24, 24, 3), name="photo"), body])
    fused = assert_fused(model)
    assert len(fused.outputs) == 2
    assert fused.input.name == "photo"


def test_a_sequential_model_without_a_shape():
    model = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="`model` must know the shape"):
        fuse(model)


def test_another_policy_in_force():
    """What is fused computes in the precision of the model."""
    cell = Cell([Block((0, 1), ("identity", "skip_connect"))], (2,), 2)
    model = network(Genotype(cell, cell))
    fused = with_policy("mixed_bfloat16", lambda: assert_fused(model))
    policies = {
        x.dtype_policy.name
        for x in fused.layers
        if not isinstance(x, keras.layers.InputLayer)
    }
    assert policies == {"float32"}


def test_features():
    """Each feature map of a backbone stays an output."""
    features = nasnet_keras.Backbone.from_preset("nasnet_tiny", weights=None)
    assert len(assert_fused(features).outputs) == len(features.outputs) > 2


def test_layers_that_are_not_known_are_kept():
    """A convolution with another activation, a layer of the user's own."""

    class Doubled(keras.layers.ReLU):
        def call(self, inputs):
            return 2 * super().call(inputs)

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="gelu")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = Doubled()(x)
    left, right = keras.ops.split(x, 2, axis=-1)
    x = keras.layers.Multiply()([left, right])
    model = keras.Model(inputs, x)
    fused = assert_fused(model)
    assert count(fused, Doubled) == 1
    assert count(fused, BATCH_NORMS) == 1  # After an activation.


def test_a_norm_of_rows():
    """It is not along the filters: it cannot become part of them."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(inputs)
    x = keras.layers.BatchNormalization(axis=1)(x)
    fused = assert_fused(keras.Model(inputs, x))
    assert count(fused, BATCH_NORMS) == 1


def channels_that_multiply():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3)(inputs)
    x = keras.layers.SeparableConv2D(4, 3, depth_multiplier=2)(x)
    return keras.Model(inputs, keras.layers.Conv2D(3, 1)(x))


def rows_that_are_normalized():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(axis=1)(x))
    return keras.Model(inputs, keras.layers.Conv2D(4, 1)(x))


def rows_that_are_joined():
    inputs = keras.Input((8, 8, 3))
    parts = [keras.layers.Conv2D(4, 3)(inputs) for _ in range(2)]
    x = keras.layers.Concatenate(axis=1)(parts)
    return keras.Model(inputs, keras.layers.Conv2D(4, 1)(x))


@pytest.mark.parametrize(
    "make",
    [channels_that_multiply, rows_that_are_normalized, rows_that_are_joined],
)
def test_zeros_go_no_further_than_channels_do(make):
    assert_fused(make())


def test_what_is_asked_to_train():
    """Keras' models ignore it as well when they predict."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    x = keras.layers.Dropout(0.5)(x, training=True)
    x = keras.layers.BatchNormalization()(x, training=True)
    assert_fused(keras.Model(inputs, x))


def test_a_convolution_that_two_read():
    """Its norm cannot become part of it."""
    inputs = keras.Input((8, 8, 3))
    shared = keras.layers.Conv2D(4, 3)(inputs)
    x = keras.layers.BatchNormalization()(shared)
    model = keras.Model(inputs, keras.layers.Add()([x, shared]))
    assert_fused(model)


def test_a_layer_that_is_called_twice():
    """With another norm after each call, and once as it is."""
    conv = keras.layers.Conv2D(3, 3, padding="same")
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization()(conv(inputs))
    x = keras.layers.BatchNormalization()(conv(x))
    assert_fused(keras.Model(inputs, [conv(x), x]))


def test_saved_and_loaded(tmp_path):
    fused = assert_fused(network(nasnet_keras.NASNET_A))
    fused.save(tmp_path / "fused.keras")
    loaded = keras.saving.load_model(tmp_path / "fused.keras")
    x = images_for(fused, (24, 24))
    for ours, theirs in zip(outputs_of(loaded, x), outputs_of(fused, x)):
        np.testing.assert_array_equal(ours, theirs)
    assert not loaded.trainable_weights


def test_mixed_precision():
    """Norms are folded in double precision; layers keep their policies."""
    model = with_policy(
        "mixed_bfloat16", lambda: network(nasnet_keras.NASNET_A)
    )
    # Half precision has 8 bits.
    fused = assert_fused(model, close=0.05)
    names = {x.dtype_policy.name for x in fused.layers if x.weights}
    assert names == {"mixed_bfloat16", "float32"}
    assert fused.output.dtype == "float32"


def test_the_shipped_weights(shared_data):
    """Of real images: the same classes, the same probabilities."""
    from nasnet_keras.inference.predict import load_network
    from nasnet_keras.training.data import load_dataset

    folder = shared_data("tensorflow_datasets")
    dataset = load_dataset("cifar10", data_dir=folder, images=200)
    x = np.asarray(dataset.test[0][:50], "float32")
    model = load_network(get_preset("nasnet_cifar"), "cifar10")
    (ours,), (theirs,) = outputs_of(fuse(model), x), outputs_of(model, x)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert (ours.argmax(1) == dataset.test[1][:50]).mean() > 0.8


def test_channels_first():
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow convolves with the channels last on a CPU")
    keras.config.set_image_data_format("channels_first")
    try:
        model = network(nasnet_keras.NASNET_A, input_shape=(3, None, None))
        perturb_batch_norm(model)
        x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 24, 25))
        (ours,), (theirs,) = outputs_of(fuse(model), x), outputs_of(model, x)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert relative_error(ours, theirs) < CLOSE


def test_models_of_other_classes_are_refused():
    class Custom(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="`model` must be a functional"):
        fuse(Custom())
