"""Same weights, same numbers: TF-slim, keras.applications, DARTS."""

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.genotypes.published import PNASNET_5
from tests.support.sources import (
    perturb_batch_norm,
    relative_error,
    write_legacy_h5,
)

PNASNET = {"genotype": PNASNET_5, "macro": "pnasnet"}
TF_SLIM = {
    "nasnet_cifar_tiny": {"cells_per_stack": 2, "stem": "cifar"},
    "nasnet_mobile_tiny": {"cells_per_stack": 4},
    "nasnet_large_tiny": {
        "cells_per_stack": 6,
        "stem_filters": 96,
        "skip_reduction": True,
    },
    "pnasnet_large_tiny": {
        "cells_per_stack": 4,
        "stem_filters": 96,
        **PNASNET,
    },
    "pnasnet_mobile_tiny": {"cells_per_stack": 3, **PNASNET},
}
# End points: those of the cells, and stem, pool, logits, predictions; with
# NASNet the two reductions too, which PNASNet counts among its cells.
END_POINTS = {"nasnet": 6, "pnasnet": 4}


class Reference:
    """A TF-slim network: its checkpoint, its outputs, and ours beside it."""

    def __init__(self, folder, auxiliary_head=True):
        pytest.importorskip("tensorflow")  # It reads the checkpoint.
        self.configuration = TF_SLIM[folder.name]
        self.checkpoint = str(folder / "model.ckpt")
        with np.load(folder / "reference.npz") as file:
            arrays = dict(file)
        self.input = arrays["input"]
        self.logits = arrays["logits"]
        self.averaged_logits = arrays.get("logits_ema")
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
        self.load(moving_average=False)

    def load(self, moving_average):
        return nasnet_keras.load_tf_slim(
            self.model, self.checkpoint, moving_average
        )

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
    macro = reference.configuration.get("macro", "nasnet")
    cells = 3 * reference.configuration["cells_per_stack"]
    assert len(expected) == cells + END_POINTS[macro]
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


def test_moving_averages_of_tf_slim(reference):
    """By default they are used where they exist; the log says so."""
    loaded = reference.load("auto")
    logits = np.asarray(reference.model(reference.input)[0])
    expected = reference.logits
    if reference.averaged_logits is not None:
        assert (
            relative_error(logits, expected[:, reference.background :]) > 0.01
        )
        expected = reference.averaged_logits
    else:
        assert loaded.averages == 0
    assert relative_error(logits, expected[:, reference.background :]) < 1e-4
    trainable = len(reference.model.trainable_weights)
    averaged = reference.averaged_logits is not None
    assert loaded.averages == (trainable if averaged else 0)
    assert loaded.variables == len(reference.model.weights)
    reference.load(moving_average=False)  # The others expect them raw.


def test_without_the_auxiliary_head(shared_data):
    folder = shared_data("tf_slim_reference", "nasnet_cifar_tiny")
    plain = Reference(folder, auxiliary_head=False)
    outputs = plain.model(plain.input)
    assert relative_error(outputs, plain.logits) < 1e-4


def features_and_probabilities(model, features, x):
    outputs = [model.get_layer(features).output, model.output]
    return keras.Model(model.input, outputs)(x)


def check_keras_applications(build, tmp_path, ours_keras, ours_slim, side):
    """Through its own files, with and without top.

    Equal with the padding of keras.applications, and not with TF-slim's.
    """
    theirs = build(weights=None)
    perturb_batch_norm(theirs)
    path = tmp_path / "with-top.h5"
    write_legacy_h5(theirs, path)
    loaded = nasnet_keras.load_keras_applications(ours_keras, path)
    assert loaded.variables == len(theirs.weights)
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
    check_without_top(theirs, ours_keras, tmp_path / "no-top.h5")


def check_without_top(theirs, ours, path):
    """The body comes from the file without top, the classifier stays."""
    write_legacy_h5(keras.Model(theirs.input, theirs.layers[-3].output), path)
    expected = ours.get_weights()
    ours.set_weights([np.zeros_like(value) for value in expected])
    loaded = nasnet_keras.load_keras_applications(ours, path, classifier=False)
    assert loaded.fresh == ("predictions",)
    for value, wanted in zip(ours.get_weights()[:-2], expected[:-2]):
        np.testing.assert_array_equal(value, wanted)
    assert not any(value.any() for value in ours.get_weights()[-2:])


def test_keras_applications_mobile(mobile, tmp_path):
    pytest.importorskip("tensorflow")  # On torch, Keras refuses its own.
    check_keras_applications(
        keras.applications.NASNetMobile,
        tmp_path,
        nasnet_keras.NASNetMobile(weights=None, pooling_semantics="keras"),
        mobile,
        side=224,
    )


@pytest.mark.long
def test_keras_applications_large(tmp_path):
    check_keras_applications(
        keras.applications.NASNetLarge,
        tmp_path,
        nasnet_keras.NASNetLarge(weights=None, pooling_semantics="keras"),
        nasnet_keras.NASNetLarge(weights=None),
        side=331,
    )


# DARTS ------------------------------------------------------------------------


def weighted(layer):
    """The layers with weights within a layer of ours, in order."""
    kinds = (
        keras.layers.Conv2D,
        keras.layers.SeparableConv2D,
        keras.layers.BatchNormalization,
        keras.layers.Dense,
    )
    if isinstance(layer, kinds):
        return [layer]
    inner = getattr(layer, "layers", None)
    if inner is None and hasattr(layer, "path_1"):
        inner = [layer.path_1, layer.path_2, layer.norm]
    return [leaf for part in inner or () for leaf in weighted(part)]


def copy_torch(module, layers):
    """Copies the weights of a torch module into our layers, in order."""
    from torch import nn

    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
    theirs = [part for part in module.modules() if isinstance(part, kinds)]

    def arrays(*tensors):
        return [tensor.detach().numpy() for tensor in tensors]

    for layer in layers:
        part = theirs.pop(0)
        if isinstance(layer, keras.layers.SeparableConv2D):
            depth, point = arrays(part.weight, theirs.pop(0).weight)
            values = [depth.transpose(2, 3, 0, 1), point.transpose(2, 3, 1, 0)]
        elif isinstance(layer, keras.layers.Conv2D):
            values = [arrays(part.weight)[0].transpose(2, 3, 1, 0)]
        elif isinstance(layer, keras.layers.Dense):
            weight, bias = arrays(part.weight, part.bias)
            values = [weight.T, bias]
        else:
            values = arrays(
                part.weight, part.bias, part.running_mean, part.running_var
            )
        layer.set_weights(values)
    assert not theirs


def copy_darts(network, model):
    layers = {layer.name: layer for layer in model.layers}
    stem = [name for name in layers if name.startswith("stem")]
    copy_torch(network.stem, [w for n in stem for w in weighted(layers[n])])
    cells = [layer for layer in model.layers if hasattr(layer, "cell")]
    for theirs, cell in zip(network.cells, cells):
        current, previous = cell.fits
        parts = [previous, current, *(p for pair in cell.paths for p in pair)]
        copy_torch(theirs, [w for part in parts for w in weighted(part)])
    head = [n for n in layers if n.startswith("aux")]
    copy_torch(
        network.auxiliary, [w for n in head for w in weighted(layers[n])]
    )
    copy_torch(network.classifier, [layers["predictions"]])
    return cells


@pytest.mark.parametrize(
    "stem, side", [("cifar", 32), ("cifar", 33), ("imagenet", 224)]
)
@pytest.mark.parametrize("version", ["DARTS_V1", "DARTS_V2"])
def test_darts(version, stem, side):
    """Against the authors' macro-architecture written in PyTorch."""
    torch = pytest.importorskip("torch")
    from nasnet_keras.genotypes import published
    from tests.support import darts_reference

    network = darts_reference.Network(
        getattr(darts_reference, version),
        filters=8,
        layers=5,
        classes=7,
        imagenet=stem == "imagenet",
        auxiliary=True,
    ).eval()
    darts_reference.randomize(network, seed=0)
    model = nasnet_keras.NASNet(
        getattr(published, version),
        cells_per_stack=1,
        filters=8,
        stem=stem,
        macro="darts",
        classes=7,
        auxiliary_head=True,
        input_shape=(side, side, 3),
        classifier_activation=None,
    )
    cells = copy_darts(network, model)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2, side, side, 3)).astype("float32")
    with torch.no_grad():
        expected = network(torch.tensor(x.transpose(0, 3, 1, 2)))
    outputs = [cell.output for cell in cells] + model.output
    *maps, logits, auxiliary = keras.Model(model.input, outputs)(x)
    assert len(maps) == len(expected["cells"]) == 5
    for ours, theirs in zip(maps, expected["cells"]):
        theirs = theirs.numpy().transpose(0, 2, 3, 1)
        assert relative_error(ours, theirs) < 1e-4
    assert relative_error(logits, expected["logits"].numpy()) < 1e-4
    assert relative_error(auxiliary, expected["auxiliary"].numpy()) < 1e-4
