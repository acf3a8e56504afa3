"""Code for keras.applications' NASNet, applied to these networks.

The table in `docs/migrating.md` has a line for each test here.
"""

import contextlib
import io

import keras
import numpy as np
import pytest

from nasnet_keras import NASNetMobile, NormalCell, ReductionCell
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.training.fine_tuning import (
    freeze_batch_norm,
    replace_head,
    unfreeze_from,
)
from tests.support.genotypes import TWO_BLOCKS, one_block_genotype
from tests.support.sources import perturb_batch_norm, relative_error

SIZE = 96  # The last cell gives 3x3 pixels.


@pytest.fixture(scope="module")
def built():
    keras.utils.set_random_seed(0)
    model = NASNetMobile(
        weights=None,
        genotype=TWO_BLOCKS,
        cells_per_stack=1,
        filters=8,
        input_shape=(SIZE, SIZE, 3),
        classes=5,
        classifier_activation=None,
    )
    perturb_batch_norm(model)
    return model


@pytest.fixture
def model(built):
    """The network, not compiled; changes by a test are undone."""
    weights = built.get_weights()
    yield keras.Model(built.input, built.output, name=built.name)
    built.set_weights(weights)
    # Twice: setting a value that is set already does not reach sublayers.
    built.trainable = False
    built.trainable = True


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (2, SIZE, SIZE, 3)).astype("float32")


def inner_layers(model, kind):
    return [x for x in all_layers(model) if isinstance(x, kind)]


def step(model, x):
    """A training step; returns the paths of the weights that it changed."""
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    before = [value.copy() for value in model.get_weights()]
    model.train_on_batch(x, np.ones((len(x), *model.output_shape[1:])))
    pairs = zip(model.weights, before, model.get_weights())
    return [w.path for w, old, new in pairs if not np.array_equal(old, new)]


def layers_of(paths):
    return {path.split("/")[0] for path in paths}


# Freezing ---------------------------------------------------------------------


def test_freezing_batch_norm(model, images):
    """The loop over `model.layers` finds one of them, the stem's."""
    norm = keras.layers.BatchNormalization
    loop = [layer for layer in model.layers if isinstance(layer, norm)]
    assert [layer.name for layer in loop] == ["stem_bn"]
    assert freeze_batch_norm(model) == len(inner_layers(model, norm)) > 30
    changed = step(model, images)
    parts = {path.rsplit("/", 1)[1] for path in changed}
    assert "kernel" in parts
    assert not parts & {"gamma", "beta", "moving_mean", "moving_variance"}


def test_unfreezing_the_last_cells(model, images):
    names = unfreeze_from(model, "reduction_cell_1")
    assert names == ["reduction_cell_1", "cell_2", "predictions"]
    changed = step(model, images)
    assert layers_of(changed) == set(names)
    trainable = {weight.path for weight in model.trainable_weights}
    assert set(changed) <= trainable


def test_unfreezing_in_plain_keras(model, images):
    """By the names of layers; batch norm inside the cells changes too."""
    for layer in model.layers:
        layer.trainable = layer.name in ("cell_2", "predictions")
    changed = step(model, images)
    assert layers_of(changed) == {"cell_2", "predictions"}
    assert any(path.endswith("/moving_mean") for path in changed)


def test_layer_index(images):
    """`model.layers[:-20]` counts cells here: 20 layers are nearly all."""
    genotype = one_block_genotype("identity")
    mobile = NASNetMobile(
        (32, 32, 3), weights=None, classes=5, genotype=genotype, filters=8
    )
    assert len(mobile.layers) == 23
    names = [layer.name for layer in mobile.layers[:-20]]
    assert names[1:] == ["stem_conv", "stem_bn"]
    for layer in mobile.layers[:-20]:
        layer.trainable = False
    changed = layers_of(step(mobile, images[:, :32, :32]))
    assert {"cell_stem_0", "cell_0", "cell_11", "predictions"} <= changed
    # Cut by the name of a cell, not by its index.
    assert mobile.layers[-8].name == "cell_8"


def test_new_head_on_a_frozen_network(model, images):
    """As in Keras' guide: a frozen network as one layer, in inference mode."""
    base = keras.Model(model.input, model.get_layer("global_pool").output)
    base.trainable = False
    inputs = keras.Input((SIZE, SIZE, 3))
    x = base(inputs, training=False)
    new = keras.Model(inputs, keras.layers.Dense(2, name="mine")(x))
    assert layers_of(step(new, images)) == {"mine"}


def test_replaced_head(model, images):
    """`layers[-2]` is Mobile's dropout here, the pooling there."""
    assert model.layers[-2].name == "dropout"
    model.trainable = False
    # Logits: a softmax of random weights may be saturated and not learn.
    new = replace_head(model, classes=2, activation=None)
    assert new.output_shape == (None, 2)
    assert layers_of(step(new, images)) == {"predictions"}
    assert new.get_layer("cell_2") is model.get_layer("cell_2")


# Layers and their outputs -----------------------------------------------------


def test_layers_inside_a_cell(model):
    """`get_layer` gives cells; their layers are public attributes."""
    cell = model.get_layer("cell_2")
    assert isinstance(cell, NormalCell)
    assert isinstance(model.get_layer("reduction_cell_1"), ReductionCell)
    relu, conv, norm = cell.fits[0].layers
    assert isinstance(relu, keras.layers.ReLU)
    assert isinstance(conv, keras.layers.Conv2D)
    assert isinstance(norm, keras.layers.BatchNormalization)
    left, right = cell.paths[0]  # Of the first block.
    operations = cell.cell.blocks[0].operations
    assert operations == ("sep_conv_3x3", "avg_pool_3x3")
    assert isinstance(left.layers[1], keras.layers.SeparableConv2D)
    assert (left.name, right.name) == ("block_0_left", "block_0_right")
    assert cell.merges[0] is None and cell.merges[1].layers  # add, concat
    assert len(cell.outs) == len(cell.cell.concat)
    parts = [*cell.fits, *cell.paths[0], *cell.paths[1], cell.merges[1]]
    parts += cell.outs
    weights = {id(weight) for part in parts for weight in part.weights}
    assert weights == {id(weight) for weight in cell.weights}


def test_get_layer_of_an_inner_name_error(model):
    with pytest.raises(ValueError, match="No such layer: block_0_left"):
        model.get_layer("block_0_left")


def test_all_layers_of_a_kind(model):
    """A loop over `model.layers` sees no convolution inside a cell."""
    conv = keras.layers.Conv2D
    names = [layer.name for layer in model.layers if isinstance(layer, conv)]
    assert names == ["stem_conv"]
    inner = inner_layers(model, conv)
    kernels = {id(layer.kernel) for layer in inner}
    assert len(kernels) == len(inner) > 20
    assert id(model.get_layer("cell_2").fits[0].layers[1].kernel) in kernels


def test_inner_output(model, images):
    """Of several cells at once: a pyramid of features."""
    names = ["cell_0", "cell_1", "cell_2"]
    outputs = [model.get_layer(name).output for name in names]
    taps = keras.Model(model.input, outputs)(images)
    assert [tap.shape[1:3] for tap in taps] == [(12, 12), (6, 6), (3, 3)]
    rest = keras.Model(outputs[-1], model.output)
    assert relative_error(rest(taps[-1]), model(images)) < 1e-5


def test_output_inside_a_cell(model, images):
    """Inner layers have no `.output`; they are called on the cell's inputs."""
    cell = model.get_layer("cell_2")
    path = cell.paths[0][1]  # An average pool of the previous state.
    with pytest.raises((AttributeError, ValueError)):
        path.output  # noqa: B018
    _, previous = keras.Model(model.input, cell.input)(images)
    output = path(cell.fits[1](previous))
    assert tuple(output.shape) == (2, 3, 3, cell.filters)
    traced = keras.Model(model.input, path(cell.fits[1](cell.input[1])))
    assert relative_error(traced(images), output) < 1e-6


def gradient_map(model, name, x, label):
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391), one map an image."""
    import tensorflow as tf

    both = keras.Model(
        model.input, [model.get_layer(name).output, model.output]
    )
    with tf.GradientTape() as tape:
        maps, scores = both(x, training=False)
        score = tf.reduce_sum(scores[:, label])
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2))
    return np.einsum("bhwc,bc->bhw", maps, weights), np.asarray(maps)


def test_grad_cam(model, images):
    """The map at one pixel is the slope of the score along its features.

    All pixels move by the features of the one, divided by their number:
    sum_c (mean over pixels of d score / d map_c) map_c, its definition.
    """
    if keras.backend.backend() != "tensorflow":
        pytest.skip("written with tf.GradientTape")
    label = 3
    cam, maps = gradient_map(model, "cell_2", images, label)
    assert cam.shape == (2, 3, 3) and (cam > 0).any()
    heat = np.maximum(cam[0], 0)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    direction = maps[:1, row, column][:, None, None, :] / heat.size
    rest = keras.Model(model.get_layer("cell_2").output, model.output)
    # Steps that are small, as the score bends where a feature passes zero.
    ahead, behind = (
        float(rest(maps[:1] + size * direction)[0, label])
        for size in (1e-2, -1e-2)
    )
    slope = (ahead - behind) / 2e-2
    assert slope > 0
    assert abs(heat[row, column] - slope) < 0.01 * slope


# Copies and files -------------------------------------------------------------


def test_clone_model(model, images):
    clone = keras.models.clone_model(model)
    assert relative_error(clone(images), model(images)) > 1e-2
    clone.set_weights(model.get_weights())
    assert relative_error(clone(images), model(images)) < 1e-6


def test_clone_model_with_a_function(model, images):
    """It is called with cells, which have a configuration like any layer."""
    seen = []

    def clone(layer):
        seen.append(layer.name)
        config = layer.get_config()
        if isinstance(layer, NormalCell):
            config["drop_path_rate"] = 0.5
        return type(layer).from_config(config)

    twin = keras.models.clone_model(model, clone_function=clone)
    assert set(seen) == {layer.name for layer in model.layers[1:]}
    assert twin.get_layer("cell_2").drop_path_rate == 0.5
    twin.set_weights(model.get_weights())
    assert relative_error(twin(images), model(images)) < 1e-6


def test_saving_and_loading(model, images, tmp_path):
    """Needs no `custom_objects`; a compiled model can train further."""
    unfreeze_from(model, "cell_2", batch_norm=True)
    step(model, images)
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert relative_error(loaded(images), model(images)) < 1e-6
    assert loaded.compiled
    trainable = {weight.path for weight in loaded.trainable_weights}
    assert layers_of(trainable) == {"cell_2", "predictions"}


def test_weights_file(model, images, tmp_path):
    model.save_weights(tmp_path / "a.weights.h5")
    clone = keras.models.clone_model(model)
    clone.load_weights(tmp_path / "a.weights.h5")
    assert relative_error(clone(images), model(images)) < 1e-6


@pytest.mark.parametrize("expand_nested", [False, True])
def test_summary(model, expand_nested):
    """One line per cell; there is no nested model to expand."""
    lines = []
    model.summary(
        expand_nested=expand_nested,
        show_trainable=True,
        line_length=120,
        print_fn=lambda text, **kwargs: lines.append(text),
    )
    text = "\n".join(lines)
    assert all(f"{layer.name} (" in text for layer in model.layers[1:6])
    assert f"{model.count_params():,}" in text
    assert "block_0_left" not in text
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        model.summary()
    assert "reduction_cell_1" in printed.getvalue()
