"""Distillation: the loss by hand, and a training."""

import keras
import numpy as np
import pytest

from nasnet_keras.training.distill import make_distiller
from nasnet_keras.training.optimizers import decay_weights

X = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
Y = np.eye(3, dtype="float32")[np.abs(X[:, :3]).argmax(axis=1)]


def classifier(seed, heads=1):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6,))
    outputs = [
        keras.layers.Dense(3, activation="softmax", name=name)(inputs)
        for name in ("predictions", "auxiliary_predictions")[:heads]
    ]
    model = keras.Model(inputs, outputs[0] if heads == 1 else outputs)
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    return model


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_loss_by_hand():
    """(1 - w) cross-entropy + w T^2 KL(teacher || student) + decay."""
    student, teacher = classifier(1), classifier(2)
    decay_weights(student, 0.2)
    numbers = {"weight": np.float64(0.3), "temperature": np.int64(4)}
    distiller = make_distiller(student, teacher, **numbers)
    logits = [
        X @ model.get_weights()[0] + model.get_weights()[1]
        for model in (student, teacher)
    ]
    own = -(Y * np.log(softmax(logits[0]))).sum(axis=1).mean()
    soft, target = softmax(logits[0] / 4), softmax(logits[1] / 4)
    divergence = (target * np.log(target / soft)).sum(axis=1).mean()
    decay = 0.1 * (student.get_weights()[0] ** 2).sum()
    expected = 0.7 * own + 0.3 * 16 * divergence + decay
    logs = distiller.train_on_batch(X, Y, return_dict=True)
    assert float(logs["loss"]) == pytest.approx(expected, rel=1e-5)


def test_the_student_alone_is_trained():
    student, teacher = classifier(1), classifier(2)
    before = [np.array(w) for w in teacher.get_weights()]
    start = [np.array(w) for w in student.get_weights()]
    distiller = make_distiller(student, teacher, weight=1.0)
    distiller.fit(X, Y, epochs=60, batch_size=16, verbose=0)
    for one, other in zip(before, teacher.get_weights()):
        np.testing.assert_array_equal(one, other)
    assert not np.allclose(start[0], student.get_weights()[0], atol=0.01)
    # It learned from the teacher alone, so it predicts the same.
    np.testing.assert_allclose(
        student.predict(X, verbose=0),
        teacher.predict(X, verbose=0),
        atol=0.05,
    )


@pytest.mark.parametrize("who", ["student", "teacher"])
def test_several_outputs_error(who):
    pair = {"student": classifier(1), "teacher": classifier(2)}
    pair[who] = classifier(3, heads=2)
    with pytest.raises(ValueError, match=f"`{who}` must have one output"):
        make_distiller(**pair)


@pytest.mark.parametrize(
    "name, value",
    [("weight", 1.5), ("weight", np.nan), ("temperature", 0)],
)
def test_number_errors(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a finite number"):
        make_distiller(classifier(1), classifier(2), **{name: value})
