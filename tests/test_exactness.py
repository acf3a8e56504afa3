"""Same weights, same numbers: TF-slim's networks and keras.applications'."""

import keras
import numpy as np
import pytest

import nasnet_keras
from tests.support.sources import (
    copy_keras_applications,
    copy_tf_slim,
    perturb_batch_norm,
    relative_error,
)

TF_SLIM = {
    "nasnet_cifar_tiny": {"cells_per_stack": 2, "stem": "cifar"},
    "nasnet_mobile_tiny": {"cells_per_stack": 4},
    "nasnet_large_tiny": {
        "cells_per_stack": 6,
        "stem_filters": 96,
        "skip_reduction": True,
    },
}


class Reference:
    """A TF-slim network: its checkpoint, its outputs, and ours beside it."""

    def __init__(self, folder, auxiliary_head=True):
        self.configuration = TF_SLIM[folder.name]
        self.checkpoint = str(folder / "model.ckpt")
        with np.load(folder / "reference.npz") as file:
            arrays = dict(file)
        self.input = arrays["input"]
        self.logits = arrays["logits"]
        self.end_points = {
            name.removeprefix("endpoint/"): arrays[name]
            for name in arrays
            if name.startswith("endpoint/")
        }
        # TF-slim's ImageNet networks have one more class, the first.
        self.background = self.logits.shape[1] - 10
        self.model = nasnet_keras.NASNet(
            filters=8,
            classes=10,
            input_shape=self.input.shape[1:],
            auxiliary_head=auxiliary_head,
            classifier_activation=None,
            **self.configuration,
        )
        copy_tf_slim(self.checkpoint, self.model)

    @property
    def imagenet(self):
        return "stem" not in self.configuration

    def layer_name(self, end_point):
        stem = "cell_stem_1" if self.imagenet else "stem_bn"
        special = {"Stem": stem, "Logits": "predictions"}
        return special.get(end_point, end_point.lower())

    def expected(self):
        """Every end point, by name, without the background class."""
        expected = dict(self.end_points)
        expected["Logits"] = expected["Logits"][:, self.background :]
        probabilities = expected["Predictions"][:, self.background :]
        total = probabilities.sum(-1, keepdims=True)
        expected["Predictions"] = probabilities / total
        return expected

    def actual(self):
        """Our values at every end point but the softmax, and that of ours."""
        names = [name for name in self.end_points if name != "Predictions"]
        outputs = keras.Model(
            self.model.input,
            {
                name: self.model.get_layer(self.layer_name(name)).output
                for name in names
            },
        )(self.input)
        softmax = keras.ops.softmax(outputs["Logits"])
        return {**outputs, "Predictions": softmax}


@pytest.fixture(scope="module", params=TF_SLIM)
def reference(request, shared_data):
    return Reference(shared_data("tf_slim_reference", request.param))


def test_every_end_point_of_tf_slim(reference):
    """And every variable of the checkpoint, the auxiliary head's included."""
    expected, actual = reference.expected(), reference.actual()
    cells = 3 * reference.configuration["cells_per_stack"]
    assert len(expected) == cells + 6
    assert actual.keys() == expected.keys()
    errors = {
        name: relative_error(actual[name], expected[name]) for name in expected
    }
    assert max(errors.values()) < 1e-4, errors


def test_auxiliary_head_of_tf_slim(reference):
    """From TF-slim's own end point and variables, in NumPy."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(reference.checkpoint)
    names = reader.get_variable_to_shape_map()
    (proj,) = [name for name in names if name.endswith("proj/weights")]
    scope = proj.removesuffix("proj/weights")

    def take(name):
        return reader.get_tensor(scope + name)

    def norm_relu(x, name):
        parts = ("gamma", "beta", "moving_mean", "moving_variance")
        gamma, beta, mean, variance = (take(f"{name}/{p}") for p in parts)
        epsilon = 1e-3 if reference.imagenet else 1e-5
        x = (x - mean) / np.sqrt(variance + epsilon) * gamma + beta
        return np.maximum(x, 0)

    last = 2 * reference.configuration["cells_per_stack"] - 1
    x = np.maximum(reference.end_points[f"Cell_{last}"], 0)
    starts = range(0, x.shape[1] - 4, 3)
    pooled = [
        [x[:, i : i + 5, j : j + 5].mean((1, 2)) for j in starts]
        for i in starts
    ]
    x = np.array(pooled).transpose(2, 0, 1, 3)
    x = norm_relu(x @ take("proj/weights")[0, 0], "aux_bn0")
    x = norm_relu(
        np.einsum("bhwc,hwco->bo", x, take("Conv/weights")), "aux_bn1"
    )
    logits = x @ take("FC/weights") + take("FC/biases")
    outputs = reference.model(reference.input)
    assert reference.model.output_names[1] == "auxiliary_predictions"
    expected = logits[:, reference.background :]
    assert relative_error(outputs[1], expected) < 1e-4


def test_without_the_auxiliary_head(shared_data):
    folder = shared_data("tf_slim_reference", "nasnet_cifar_tiny")
    plain = Reference(folder, auxiliary_head=False)
    outputs = plain.model(plain.input)
    assert relative_error(outputs, plain.logits) < 1e-4


def features_and_probabilities(model, features, x):
    outputs = [model.get_layer(features).output, model.output]
    return keras.Model(model.input, outputs)(x)


def check_keras_applications(theirs, ours_keras, ours_slim, cells, side):
    """Equal with the padding of keras.applications, and not with TF-slim's."""
    perturb_batch_norm(theirs)
    copy_keras_applications(theirs, ours_keras, cells)
    ours_slim.set_weights(ours_keras.get_weights())
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2, side, side, 3)).astype("float32")
    # The last ReLU, before the pooling and the classifier.
    relu = theirs.layers[-3].name
    expected = features_and_probabilities(theirs, relu, x)
    actual = features_and_probabilities(ours_keras, "top_relu", x)
    assert relative_error(actual[0], expected[0]) < 1e-4
    assert relative_error(actual[1], expected[1]) < 1e-4
    slim, _ = features_and_probabilities(ours_slim, "top_relu", x)
    expected = np.asarray(expected[0])
    distance = np.linalg.norm(np.asarray(slim) - expected)
    assert distance > 0.01 * np.linalg.norm(expected)  # 100 tolerances


def test_keras_applications_mobile(mobile):
    check_keras_applications(
        keras.applications.NASNetMobile(weights=None),
        nasnet_keras.NASNetMobile(pooling_semantics="keras"),
        mobile,
        cells=4,
        side=224,
    )


@pytest.mark.long
def test_keras_applications_large():
    check_keras_applications(
        keras.applications.NASNetLarge(weights=None),
        nasnet_keras.NASNetLarge(pooling_semantics="keras"),
        nasnet_keras.NASNetLarge(),
        cells=6,
        side=331,
    )
