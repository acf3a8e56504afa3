"""SGD in one operation a weight: the results of Keras' own."""

import keras
import numpy as np
import pytest

from nasnet_keras.momentum import MomentumSGD

X = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
Y = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")


def weights_after(optimizer_class, steps=7, dtype=None, **arguments):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5, activation="tanh", dtype=dtype),
            keras.layers.Dense(2, dtype=dtype),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(0.1, steps)
    model.compile(optimizer_class(schedule, **arguments), "mse")
    for _ in range(steps):
        model.train_on_batch(X, Y)
    return [np.array(w) for w in (*model.weights, *model.optimizer.variables)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.0},
        {"momentum": 0.9, "global_clipnorm": 0.1},
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.9, "gradient_accumulation_steps": 3},
        {"momentum": 0.9, "dtype": "mixed_bfloat16"},
    ],
    ids=str,
)
def test_the_same_weights(arguments):
    ours = weights_after(MomentumSGD, **arguments)
    theirs = weights_after(keras.optimizers.SGD, **arguments)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="counts TensorFlow's graph"
)
def test_one_operation_a_weight():
    import tensorflow as tf

    def updates(optimizer_class):
        variables = [keras.Variable(np.ones(2, "float32")) for _ in range(5)]
        optimizer = optimizer_class(0.1, momentum=0.9)
        optimizer.build(variables)

        @tf.function
        def step(gradients):
            optimizer.apply(gradients, variables)

        graph = step.get_concrete_function([tf.ones(2)] * 5).graph
        kinds = [node.op for node in graph.as_graph_def().node]
        return kinds.count("ResourceApplyKerasMomentum"), len(kinds)

    assert updates(MomentumSGD)[0] == 5
    assert updates(keras.optimizers.SGD)[0] == 0
    assert updates(MomentumSGD)[1] < 0.7 * updates(keras.optimizers.SGD)[1]


def test_it_is_saved_and_loaded(tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    model.compile(MomentumSGD(0.1, momentum=0.9), "mse")
    model.train_on_batch(X, Y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, MomentumSGD)
    for model_ in (model, loaded):
        model_.train_on_batch(X, Y)
    for one, other in zip(model.get_weights(), loaded.get_weights()):
        np.testing.assert_array_equal(one, other)
