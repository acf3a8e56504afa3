"""Fine-tuning: frozen layers do not change, all others do."""

import warnings

import keras
import numpy as np
import pytest

from nasnet_keras import NASNet
from nasnet_keras.layers.walk import all_layers
from nasnet_keras.training.fine_tuning import (
    freeze_batch_norm,
    replace_head,
    unfreeze_from,
)
from tests.support.genotypes import TWO_BLOCKS, one_block_genotype
from tests.support.sources import perturb_batch_norm, relative_error

SIZE = 20


def images(seed=0, count=2):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, SIZE, SIZE, 3)).astype("float32")


def small(**arguments):
    keras.utils.set_random_seed(0)
    defaults = {
        "genotype": one_block_genotype("conv_1x1"),
        "cells_per_stack": 1,
        "filters": 2,
        "stem": "cifar",
        "classes": 5,
        "input_shape": (SIZE, SIZE, 3),
    }
    return NASNet(**{**defaults, **arguments})


def batch_norms(layer):
    return [
        inner
        for inner in all_layers(layer)
        if isinstance(inner, keras.layers.BatchNormalization)
    ]


def statistics(model):
    """Moving means and variances, one array."""
    return np.concatenate(
        [
            np.ravel(value)
            for norm in batch_norms(model)
            for value in (norm.moving_mean, norm.moving_variance)
        ]
    )


def train(model, compile=True):
    """Does a training step; returns the names of the layers that it changed.

    A change of moving statistics alone counts too.
    """
    if compile:
        model.compile(
            keras.optimizers.SGD(0.1),
            "categorical_crossentropy",
            run_eagerly=True,
        )
    before = {layer.name: layer.get_weights() for layer in model.layers}
    classes = model.outputs[0].shape[-1]
    y = np.eye(classes, dtype="float32")[:2]
    model.train_on_batch(images(), [y] * len(model.outputs))
    return [
        layer.name
        for layer in model.layers
        if any(
            not np.array_equal(old, new)
            for old, new in zip(before[layer.name], layer.get_weights())
        )
    ]


# Batch normalization ----------------------------------------------------------


def test_freeze_batch_norm_reaches_into_the_cells():
    """All are frozen; a step changes no statistic, gamma or beta."""
    model = small(genotype=TWO_BLOCKS, auxiliary_head=True)
    norms = batch_norms(model)
    top_level = [layer for layer in model.layers if layer in norms]
    assert len(top_level) == 3 and len(norms) > 20
    assert freeze_batch_norm(model) == len(norms)
    before = statistics(model)
    affine = [norm.get_weights() for norm in norms]
    changed = train(model)
    assert "cell_0" in changed and "stem_conv" in changed
    np.testing.assert_array_equal(statistics(model), before)
    for norm, old in zip(norms, affine):
        np.testing.assert_array_equal(norm.get_weights(), old)


def test_loop_over_the_layers_misses_the_cells():
    """The usual loop fails silently, which is why the function exists."""
    model = small()
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    before = statistics(model.get_layer("cell_1"))
    train(model)
    assert np.abs(statistics(model.get_layer("cell_1")) - before).min() > 0


def test_frozen_batch_norm_runs_in_inference_mode():
    """A frozen network without dropout computes the same in training."""
    model = small()
    perturb_batch_norm(model)
    x = images()
    freeze_batch_norm(model)
    inference = np.asarray(model(x, training=False))
    assert relative_error(model(x, training=True), inference) < 1e-6
    unfreeze_from(model, "stem_conv", batch_norm=True)
    assert relative_error(model(x, training=True), inference) > 1e-3


def test_freeze_batch_norm_of_one_cell():
    model = small()
    cell = model.get_layer("cell_1")
    assert freeze_batch_norm(cell) == len(batch_norms(cell)) > 0
    frozen = {norm for norm in batch_norms(model) if not norm.trainable}
    assert frozen == set(batch_norms(cell))


def test_freeze_batch_norm_reaches_into_a_model_in_a_model():
    base = small(include_top=False, pooling="avg")
    inputs = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(base(inputs)))
    assert freeze_batch_norm(model) == len(batch_norms(base)) > 0
    assert not any(norm.trainable for norm in batch_norms(base))


def test_freeze_batch_norm_errors():
    inputs = keras.Input((3,))
    plain = keras.Model(inputs, keras.layers.Dense(2)(inputs), name="plain")
    with pytest.raises(ValueError, match=r"`model` .*model='plain'.* none"):
        freeze_batch_norm(plain)
    cell = small().get_layer("cell_0")
    unbuilt = keras.Sequential([type(cell).from_config(cell.get_config())])
    with pytest.raises(ValueError, match=r"must be built.*'sequential"):
        freeze_batch_norm(unbuilt)


@pytest.mark.parametrize("way", ["save", "clone"])
def test_batch_norm_stays_frozen(way, tmp_path):
    """In cells too; their other layers stay trainable."""
    model = small()
    count = freeze_batch_norm(model)
    if way == "save":
        model.save(tmp_path / "a.keras")
        again = keras.models.load_model(tmp_path / "a.keras")
    else:
        again = keras.models.clone_model(model)
    frozen = [norm for norm in batch_norms(again) if not norm.trainable]
    assert len(frozen) == count
    paths = [weight.path for weight in model.trainable_weights]
    assert len(again.trainable_weights) == len(paths)


def test_frozen_batch_norm_survives_another_drop_path_rate():
    """Which layers are frozen must not depend on a DropPath layer."""
    model = small()
    count = freeze_batch_norm(model)

    def dropping(layer):
        config = layer.get_config()
        if hasattr(layer, "cell"):
            config["drop_path_rate"] = 0.5
        return layer.__class__.from_config(config)

    clone = keras.models.clone_model(model, clone_function=dropping)
    assert clone.get_layer("cell_0").drop_path is not None
    frozen = [norm for norm in batch_norms(clone) if not norm.trainable]
    assert len(frozen) == count
    assert len(clone.trainable_weights) == len(model.trainable_weights)


# Unfreezing -------------------------------------------------------------------

TRUNK = [
    *("stem_conv", "stem_bn", "cell_0", "reduction_cell_0", "cell_1"),
    *("reduction_cell_1", "cell_2", "predictions"),
]


@pytest.mark.parametrize(
    "cell", ["stem_conv", "reduction_cell_0", "cell_2", "predictions"]
)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_unfreeze_from(cell, batch_norm):
    """A step changes the cell and the layers after it, nothing else."""
    model = small()
    names = unfreeze_from(model, cell, batch_norm)
    expected = TRUNK[TRUNK.index(cell) :]
    if not batch_norm:
        expected = [name for name in expected if name != "stem_bn"]
    assert names == expected
    before = statistics(model)
    assert train(model) == expected
    learns = batch_norm and cell != "predictions"
    assert np.array_equal(statistics(model), before) != learns


def test_unfreeze_from_counts_every_weight():
    """With batch norm: the same weights as with Keras' own freezing."""
    model = small(genotype=TWO_BLOCKS)
    for layer in model.layers:
        layer.trainable = layer.name in TRUNK[TRUNK.index("cell_1") :]
    paths = [weight.path for weight in model.trainable_weights]
    model.trainable = False
    unfreeze_from(model, "cell_1", batch_norm=True)
    assert [weight.path for weight in model.trainable_weights] == paths
    unfreeze_from(model, "cell_1")
    kernels = [p for p in paths if not p.endswith(("/gamma", "/beta"))]
    assert [weight.path for weight in model.trainable_weights] == kernels


def test_unfreeze_from_does_not_undo_frozen_batch_norm():
    """Setting `trainable = True` on the model does: Keras recurses."""
    model = small()
    freeze_batch_norm(model)
    unfreeze_from(model, "stem_conv")
    assert not any(norm.trainable for norm in batch_norms(model))
    model.trainable = False
    model.trainable = True
    assert all(norm.trainable for norm in batch_norms(model))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_unfreeze_from_depends_on_nothing_done_before(batch_norm):
    """A frozen model, and trainable cells with frozen layers inside.

    TensorFlow skips `cell.trainable = True` there, see the first lines.
    """
    model = small()
    expected = unfreeze_from(model, "cell_1", batch_norm)
    weights = [weight.path for weight in model.trainable_weights]
    for name in "cell_1", "cell_2":
        cell = model.get_layer(name)
        cell.trainable = False
        cell.trainable = True
        for inner in all_layers(cell, include_self=False):
            inner.trainable = False
    assert model.get_layer("cell_2").trainable_weights == []
    if keras.backend.backend() == "tensorflow":
        model.get_layer("cell_2").trainable = True
        assert model.get_layer("cell_2").trainable_weights == []
    assert unfreeze_from(model, "cell_1", batch_norm) == expected
    assert [weight.path for weight in model.trainable_weights] == weights
    model.trainable = False
    assert unfreeze_from(model, "cell_1", batch_norm) == expected
    assert [weight.path for weight in model.trainable_weights] == weights


def test_auxiliary_head_is_trainable_wherever_it_stands():
    """Keras lists its layers between the trunk's cells."""
    model = small(auxiliary_head=True)
    order = [layer.name for layer in model.layers]
    assert order.index("aux_proj") < order.index("cell_2")
    names = unfreeze_from(model, "cell_2")
    assert set(names) == {
        *("cell_2", "predictions"),
        *("aux_proj", "aux_conv", "auxiliary_predictions"),
    }
    assert set(train(model)) == set(names)


def test_unfreeze_a_network_that_is_a_layer():
    base = small(include_top=False, pooling="avg", name="base")
    inputs = keras.Input((SIZE, SIZE, 3))
    head = keras.layers.Dense(2, activation="softmax", name="head")
    model = keras.Model(inputs, head(base(inputs)))
    with pytest.raises(ValueError, match=r"Its cells: none.*layer of your"):
        unfreeze_from(model, "cell_2")
    assert unfreeze_from(model.get_layer("base"), "cell_2") == ["cell_2"]
    trained = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert trained == {"cell_2", "head"}
    assert train(model) == ["base", "head"]


def test_unfreeze_from_errors():
    cells = "cell_0, reduction_cell_0, cell_1, reduction_cell_1, cell_2"
    with pytest.raises(ValueError, match=f"`cell`.*{cells}.*cell='cell_9'"):
        unfreeze_from(small(), "cell_9")
    with pytest.raises(ValueError, match=r"`model` must be a functional"):
        unfreeze_from(small().get_layer("cell_0"), "cell_0")


# Compiled models --------------------------------------------------------------


def compiled(model):
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    return model


def cheap():
    return small(genotype=one_block_genotype("identity"))


def test_compiled_model_goes_on_training_what_it_did():
    """On TensorFlow, silently, as the docstring says; so ours warns."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow traces a step and keeps it")
    model = compiled(cheap())
    everything = train(model, compile=False)
    assert "cell_0" in everything
    with pytest.warns(UserWarning, match=r"'nasnet' was compiled .*compile\("):
        unfreeze_from(model, "predictions")
    assert train(model, compile=False) == everything  # Keras does not warn.
    assert train(compiled(model), compile=False) == ["predictions"]


def test_warnings_come_only_with_a_change():
    model = compiled(cheap())
    with pytest.warns(UserWarning, match="compiled before") as record:
        freeze_batch_norm(model)
    assert record[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        freeze_batch_norm(model)
        unfreeze_from(model, "stem_conv")
        freeze_batch_norm(cheap())


# Heads ------------------------------------------------------------------------


def body(model):
    """The network up to the input of its classifier."""
    return keras.Model(model.input, model.get_layer("global_pool").output)


def expected_outputs(model, x, name="predictions"):
    kernel, bias = model.get_layer(name).get_weights()
    return np.asarray(body(model)(x)) @ kernel + bias


def test_replace_head():
    """The body's weights are shared; the given model remains usable."""
    model = small(dropout_rate=0.25)
    perturb_batch_norm(model)
    x = images()
    outputs = np.asarray(model(x))
    config = model.get_config()
    new = replace_head(model, 3, activation=None)
    assert new.output_names == ["predictions"]
    assert new.output_shape == (None, 3)
    assert new.name == model.name and not new.compiled
    assert relative_error(new(x), expected_outputs(new, x)) < 1e-5
    for name in "stem_conv", "cell_2", "dropout":
        assert new.get_layer(name) is model.get_layer(name)
    assert new.get_layer("predictions") is not model.get_layer("predictions")
    np.testing.assert_array_equal(model(x), outputs)
    assert model.get_config() == config
    assert set(train(model)) > {"cell_2", "predictions"}


def test_activation_of_the_head():
    outputs = np.asarray(replace_head(small(), 3)(images()))
    np.testing.assert_allclose(outputs.sum(-1), 1, rtol=1e-5)
    new = replace_head(small(), 3, activation="sigmoid")
    assert new.get_layer("predictions").activation is keras.activations.sigmoid


@pytest.mark.parametrize("old", [0.0, 0.25])
@pytest.mark.parametrize("new", [None, 0, 0.5])
def test_dropout_of_the_head(old, new):
    model = replace_head(small(dropout_rate=old), 3, dropout_rate=new)
    rates = [
        layer.rate
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    expected = old if new is None else new
    assert rates == ([expected] if expected else [])
    assert [layer.name for layer in model.layers][-2] == (
        "dropout" if expected else "global_pool"
    )


@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_head_on_a_network_without_top(pooling):
    model = small(include_top=False, pooling=pooling)
    new = replace_head(model, 3, activation=None, dropout_rate=0.5)
    kinds = [type(layer).__name__ for layer in new.layers[-3:]]
    kind = "Max" if pooling == "max" else "Average"
    assert kinds == [f"Global{kind}Pooling2D", "Dropout", "Dense"]
    x = images()
    maps = np.asarray(keras.Model(new.input, new.layers[-4].output)(x))
    pooled = maps.max((1, 2)) if pooling == "max" else maps.mean((1, 2))
    kernel, bias = new.get_layer("predictions").get_weights()
    assert relative_error(new(x), pooled @ kernel + bias) < 1e-5
    assert new.get_layer("cell_0") is model.get_layer("cell_0")


def test_both_heads_are_replaced():
    model = small(auxiliary_head=True, dropout_rate=0.25)
    new = replace_head(model, np.int64(3), dropout_rate=np.float32(0.5))
    assert new.output_names == ["predictions", "auxiliary_predictions"]
    assert [tuple(y.shape) for y in new(images())] == [(2, 3), (2, 3)]
    assert new.get_layer("aux_conv") is model.get_layer("aux_conv")
    # Dropout is before the main classifier only.
    assert new.get_layer("auxiliary_predictions").input is (
        new.get_layer("aux_flatten").output
    )
    dropouts = [x for x in new.layers if isinstance(x, keras.layers.Dropout)]
    assert [layer.rate for layer in dropouts] == [0.5]
    assert {"aux_proj", "cell_0", "predictions"} < set(train(new))


def test_head_may_be_replaced_again_saved_and_loaded(tmp_path):
    model = replace_head(replace_head(small(), 3), 4, dropout_rate=0.5)
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    x = images()
    assert model(x).shape == (2, 4)
    assert relative_error(loaded(x), model(x)) < 1e-6


@pytest.mark.parametrize("include_top", [True, False])
def test_head_is_single_precision(include_top):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        new = replace_head(small(include_top=include_top), 3)
        outputs = new(images())
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    np.testing.assert_allclose(np.asarray(outputs).sum(-1), 1, rtol=1e-5)
    if not include_top:  # The average is not in half precision either.
        assert new.get_layer("global_pool").compute_dtype == "float32"


def test_frozen_body_and_new_head():
    model = small()
    model.trainable = False
    new = replace_head(model, 3)
    assert train(new) == ["predictions"]
    with pytest.warns(UserWarning, match="compiled before"):
        names = unfreeze_from(new, "cell_2")
    assert names == ["cell_2", "predictions"]
    assert train(new) == ["cell_2", "predictions"]


@pytest.mark.parametrize(
    "name, value",
    [
        ("classes", 0),
        ("classes", 2.0),
        ("classes", True),
        ("classes", None),
        ("dropout_rate", 1.0),
        ("dropout_rate", -0.5),
        ("dropout_rate", "half"),
    ],
)
def test_bad_arguments_of_the_head(name, value):
    with pytest.raises(ValueError) as error:
        replace_head(cheap(), **{"classes": 3, name: value})
    assert f"`{name}`" in str(error.value)
    assert f"{name}={value!r}" in str(error.value)


def test_head_on_a_head_error():
    """A classifier on top of a softmax would train badly, without an error."""
    model = cheap()
    softmax = keras.layers.Softmax(name="mine")(model.output)
    with pytest.raises(ValueError, match=r"`model` must end in .*'mine'"):
        replace_head(keras.Model(model.input, softmax), 3)


def test_head_of_other_outputs_error():
    model = cheap()
    tap = model.get_layer("cell_1").output
    both = keras.Model(model.input, [model.output, tap])
    with pytest.raises(ValueError, match=r"`model`.*'predictions', 'cell_1'"):
        replace_head(both, 3)
    with pytest.raises(ValueError, match=r"`model` must be a functional"):
        replace_head(model.get_layer("cell_0"), 3)


def test_head_on_a_model_in_a_model():
    base = small(include_top=False)
    inputs = keras.Input((SIZE, SIZE, 3))
    new = replace_head(keras.Model(inputs, base(inputs)), 3)
    assert new(images()).shape == (2, 3)
    assert new.get_layer(base.name) is base
