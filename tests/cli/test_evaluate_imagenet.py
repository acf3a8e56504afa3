"""`nasnet evaluate` on networks and images of known accuracy."""

import hashlib
import json

import keras
import numpy as np
import pytest
from PIL import Image

import nasnet_keras
from nasnet_keras import presets
from nasnet_keras.cli.main import make_parser
from nasnet_keras.images.imagenet import class_index
from nasnet_keras.inference import predict
from nasnet_keras.inference.labelled_images import LabelledImages
from nasnet_keras.inference.network_facts import weights_file
from nasnet_keras.layers.pooling import Pooling
from nasnet_keras.training.data.image_files import read_named_folder
from nasnet_keras.training.feeds import evaluation
from tests.support.commands import call, nasnet

SIDE = 8
CLASSES = tuple(f"kind {letter}" for letter in "abcdefghijkl")


def linear_network(kernel, bias, pool="tf_slim"):
    """Scores are linear in the mean colour; it takes values of 0 to 255.

    The pooling changes nothing: images have one colour each.
    """
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    x = Pooling("average", 3, 2, pool)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(len(bias))(x)
    model = keras.Model(inputs, outputs)
    model.layers[-1].set_weights([kernel, bias])
    return model


@pytest.fixture
def use(monkeypatch, tmp_path):
    """Function that registers a network as preset `linear`."""
    weights = tmp_path / "linear.weights.h5"
    weights.write_bytes(b"stands for weights")

    def register(model, class_names=CLASSES):
        preset = presets.Preset("linear", {}, SIDE, class_names=class_names)
        monkeypatch.setitem(presets.PRESETS, "linear", preset)
        monkeypatch.setattr(
            predict, "build_preset", lambda *_, **__: (model, {}, None)
        )
        return weights

    return register


def rng():
    return np.random.default_rng(7)


def random_network(classes=12):
    kernel = rng().normal(size=(3, classes)).astype("float32")
    return kernel, rng().normal(size=classes).astype("float32") / 5


def colours(number):
    return rng().integers(0, 256, (number, 3), "uint8")


def write_folder(folder, pixels, labels, classes=CLASSES):
    """Images of one colour each, of many sizes, in folders by class."""
    for number, (colour, label) in enumerate(zip(pixels, labels)):
        path = folder / classes[label] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (9 + number % 5, 9 + number % 7)
        Image.new("RGB", size, tuple(map(int, colour))).save(path)
    return folder


def accuracies(kernel, bias, pixels, labels):
    """Top-1 and top-5 in percent, by NumPy alone."""
    scores = (pixels / 127.5 - 1) @ kernel + bias
    own = scores[np.arange(len(labels)), labels][:, None]
    rank = (scores > own).sum(axis=1)
    return 100 * (rank < 1).mean(), 100 * (rank < 5).mean()


@pytest.fixture
def measured(tmp_path):
    """Function from arguments to what `nasnet evaluate` writes as JSON."""

    def run(*arguments, preset="linear"):
        path = tmp_path / "measured.json"
        words = ["evaluate", "--preset", preset, "--output", path]
        words += [*arguments, *split(arguments)]
        args = make_parser().parse_args([*map(str, words)])
        args.run(args)
        return in_percent(json.loads(path.read_text()))

    return run


def split(words):
    """All images of a folder; for ImageNet that is the default."""
    linear = presets.PRESETS.get("linear")
    given = {"--split", "imagenet2012"} & set(map(str, words))
    default = linear is not None and linear.class_names == "imagenet"
    return [] if given or default else ["--split", "all"]


def in_percent(result):
    """The result with its accuracies in percent.

    Of at most five classes no top-5 accuracy is written: it is 100 %.
    """
    figures = {
        "top-1": 100 * result["top1"],
        "top-5": 100 * result.get("top5", 1),
    }
    return {**result, **figures}


def test_accuracy_of_a_folder(use, measured, tmp_path):
    kernel, bias = random_network()
    weights = use(linear_network(kernel, bias))
    pixels, labels = colours(60), rng().integers(0, 12, 60)
    # Half of the labels are the right ones, so that neither figure is 0.
    right = ((pixels / 127.5 - 1) @ kernel + bias).argmax(axis=1)
    labels[::2] = right[::2]
    folder = write_folder(tmp_path / "data", pixels, labels)
    result = measured("--weights", weights, "--data", folder, "--batch-size", 7)
    top1, top5 = accuracies(kernel, bias, pixels, labels)
    assert 50 <= top1 < top5 < 100
    assert result["images"] == 60
    np.testing.assert_allclose(
        [result["top-1"], result["top-5"]], [top1, top5], atol=6e-4
    )
    digest = hashlib.sha256(b"stands for weights").hexdigest()
    assert result["weights_sha256"] == digest


def test_folders_of_imagenet_are_named_by_wordnet_id(use, measured, tmp_path):
    """Labels are the positions of the ids in the class index."""
    wnids = [wnid for wnid, _ in class_index()]
    kernel, bias = random_network(1000)
    weights = use(linear_network(kernel, bias), class_names="imagenet")
    pixels = colours(30)
    scores = (pixels / 127.5 - 1) @ kernel + bias
    # The first is right of ten, the fifth of ten, the sixth of ten.
    order = np.argsort(-scores, axis=1)
    labels = order[np.arange(30), [0, 4, 5] * 10]
    folder = write_folder(tmp_path / "data", pixels, labels, wnids)
    result = measured("--weights", weights, "--data", folder)
    assert result["top-1"] == pytest.approx(100 / 3, abs=1e-3)
    assert result["top-5"] == pytest.approx(200 / 3, abs=1e-3)


def test_a_network_that_cannot_decide_is_not_right(use, measured, tmp_path):
    """Equal scores count for the first five classes only."""
    weights = use(linear_network(np.zeros((3, 12)), np.zeros(12)))
    folder = write_folder(tmp_path / "data", colours(12), np.arange(12))
    result = measured("--weights", weights, "--data", folder)
    assert result["top-1"] == pytest.approx(100 / 12, abs=1e-3)
    assert result["top-5"] == pytest.approx(500 / 12, abs=1e-3)


def test_scores_that_are_no_numbers(use, tmp_path, capsys):
    weights = use(linear_network(np.full((3, 12), np.nan), np.zeros(12)))
    folder = write_folder(tmp_path / "data", colours(3), [0, 0, 0])
    command = ["evaluate", "--preset", "linear", "--weights", weights]
    assert call(*command, "--data", folder, "--split", "all") == 1
    assert "not finite" in capsys.readouterr().err


def test_limit_takes_images_of_all_classes(tmp_path):
    labels = np.repeat(np.arange(12), 5)
    folder = write_folder(tmp_path / "data", colours(60), labels)
    part = read_named_folder(folder, CLASSES, SIDE)
    images = LabelledImages("data", "all", *part)
    assert images.limited(12).labels.tolist() == list(range(12))
    assert len(images.limited(12)) == 12
    assert len(images.limited(99)) == 60


def test_batches_are_read_when_due(use, measured, tmp_path, monkeypatch):
    kernel, bias = random_network()
    model = linear_network(kernel, bias)
    weights = use(model)
    folder = write_folder(tmp_path / "data", colours(7), [0] * 7)
    events = []
    predict_on_batch = model.predict_on_batch
    load_image = evaluation.load_image

    def predict(x):
        events.append(len(x))
        return predict_on_batch(x)

    def load(*args):
        events.append("read")
        return load_image(*args)

    monkeypatch.setattr(model, "predict_on_batch", predict)
    monkeypatch.setattr(evaluation, "load_image", load)
    options = ("--weights", weights, "--data", folder, "--batch-size", 3)
    measured(*options)
    assert events == [*["read"] * 3, 3, *["read"] * 3, 3, "read", 1]


def test_crop_and_interpolation_are_used(use, measured, tmp_path, monkeypatch):
    kernel, bias = random_network()
    weights = use(linear_network(kernel, bias))
    folder = write_folder(tmp_path / "data", colours(1), [0])
    seen, load_image = [], evaluation.load_image

    def load(path, *options):
        seen.append(options)
        return load_image(path, *options)

    monkeypatch.setattr(evaluation, "load_image", load)
    options = ("--weights", weights, "--data", folder)
    measured(*options)
    measured(*options, "--crop", 0.5, "--interpolation", "bilinear")
    assert seen == [(8, 0.875, "bicubic", 3), (8, 0.5, "bilinear", 3)]


def test_table_and_result_file(use, tmp_path, capsys):
    kernel, bias = random_network()
    weights = use(linear_network(kernel, bias, "keras"))
    pixels, labels = colours(9), np.arange(9)
    folder = write_folder(tmp_path / "data", pixels, labels)
    output = tmp_path / "new" / "results.json"
    command = ["evaluate", "--preset", "linear", "--weights", weights]
    command += ["--data", folder, "--batch-size", 32, "--output", output]
    assert call(*command, "--split", "all") == 0
    out, err = capsys.readouterr()
    assert err == f"Written: {output}\n"
    line, facts = out.splitlines()
    top1, top5 = accuracies(kernel, bias, pixels, labels)
    assert line.startswith(
        f"linear on the 9 images of {folder} (all): "
        f"top-1 {top1:.2f}%, top-5 {top5:.2f}%, loss "
    )
    assert facts.split(", ") == [
        f"  weights {weights}",
        "image size 8",
        "crop 0.875",
        "bicubic",
        "pooling semantics keras",
    ]
    written = json.loads(output.read_text())
    assert 100 * written["top5"] == pytest.approx(top5, abs=6e-4)
    expected = {
        "network": "linear",
        "weights": str(weights),
        "images": 9,
        "image_size": 8,
        "crop": 0.875,
        "interpolation": "bicubic",
        "pooling_semantics": "keras",
        "split": "all",
    }
    assert expected.items() <= written.items()
    source = written["produced_by"]
    for key in ("nasnet_keras", "keras", "backend", "time", "pillow"):
        assert source[key]
    assert source[source["backend"]]
    configuration = {
        "preset": "linear",
        "weights": str(weights),
        "data": str(folder),
        "crop": 0.875,
        "interpolation": "bicubic",
        "batch_size": 32,
        "output": str(output),
    }
    assert configuration.items() <= source["configuration"].items()


def unknown_class(folder):
    write_folder(folder, colours(2), [0, 1], ("kind a", "kind of blue"))
    return "kind of blue", "kind a, kind b, kind c"


def empty(folder):
    folder.mkdir()
    return "holds no images", "Found 0 such folders"


def empty_classes(folder):
    (folder / "kind a").mkdir(parents=True)
    return "holds no images", "Found 1 such folders"


def unsorted(folder):
    folder.mkdir()
    Image.new("RGB", (9, 9)).save(folder / "ILSVRC2012_val_00000001.JPEG")
    return "holds no images", "1 image beside them; sort those"


def missing(folder):
    return "must be a folder", str(folder)


def damaged(folder):
    write_folder(folder, colours(1), [0])
    path = folder / "kind a" / "torn.jpg"
    path.write_bytes(b"no image")
    return str(path), "cannot be read as an image"


@pytest.mark.parametrize(
    "prepare", [unknown_class, empty, empty_classes, unsorted, missing, damaged]
)
def test_folders_that_do_not_do(use, tmp_path, capsys, prepare):
    weights = use(linear_network(*random_network()))
    folder = tmp_path / "data"
    expected = prepare(folder)
    command = ["evaluate", "--preset", "linear", "--weights", weights]
    assert call(*command, "--data", folder, "--split", "all") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert all(part in err for part in expected), err


def test_presets_that_do_not_do(use, measured, tmp_path):
    folder = write_folder(tmp_path / "data", colours(2), [0, 1])
    data = ("--data", folder)
    weights = use(linear_network(*random_network(5)))
    with pytest.raises(ValueError, match=r"12 classes.*\(None, 5\)"):
        measured("--weights", weights, *data)
    use(linear_network(*random_network()), class_names=None)
    with pytest.raises(ValueError, match=r"tells 12 classes .* has 2: kind a"):
        measured("--weights", weights, *data, "--split", "all")
    use(linear_network(*random_network()))
    with pytest.raises(ValueError, match="random weights predict nothing"):
        measured(*data)
    data = ("--data", "imagenet2012", "--data-dir", tmp_path)
    with pytest.raises(ValueError, match="are others: n01440764"):
        measured("--weights", weights, *data)


@pytest.mark.parametrize(
    "option, value",
    [("--batch-size", "0"), ("--limit", "-1")],
)
def test_arguments_out_of_range(measured, tmp_path, option, value):
    with pytest.raises(ValueError, match=rf"{option}.*Received: {value}"):
        measured("--data", tmp_path, option, value)


def test_weights_of_checkpoints_are_found(tmp_path):
    """TF-slim's: by prefix, and in the folder of a fetched archive."""
    preset = presets.get_preset("nasnet_tiny")
    (tmp_path / "model.ckpt.index").write_bytes(b"")
    values = tmp_path / "model.ckpt.data-00000-of-00001"
    values.write_bytes(b"")
    prefix = tmp_path / "model.ckpt"
    assert weights_file(preset, str(prefix)) == values
    assert weights_file(preset, tmp_path) == values


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """imagenet2012 as TensorFlow Datasets prepares it, of 20 images."""
    tfds = pytest.importorskip("tensorflow_datasets")
    folder = tmp_path_factory.mktemp("tfds")
    pixels = colours(20)
    kernel, bias = random_network(1000)
    scores = (pixels / 127.5 - 1) @ kernel + bias
    order = np.argsort(-scores, axis=1)
    labels = order[np.arange(20), [0, 2, 4, 6] * 5]
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(encoding_format="png"),
            "label": tfds.features.ClassLabel(num_classes=1000),
        }
    )
    place = folder / "imagenet2012" / "5.1.0"
    place.mkdir(parents=True)
    writer = tfds.core.SequentialWriter(
        ds_info=tfds.core.DatasetInfo(
            builder=tfds.core.dataset_info.DatasetIdentity(
                name="imagenet2012",
                version=tfds.core.Version("5.1.0"),
                data_dir=str(place),
                module_name="tests",
            ),
            features=features,
        ),
        max_examples_per_shard=8,
    )
    writer.initialize_splits(["validation"])
    writer.add_examples(
        {
            "validation": [
                {
                    "image": np.broadcast_to(colour, (10, 12, 3)).copy(),
                    "label": int(label),
                }
                for colour, label in zip(pixels, labels)
            ]
        }
    )
    writer.close_all()
    return folder, (kernel, bias)


def test_tensorflow_datasets(use, measured, prepared):
    folder, network = prepared
    weights = use(linear_network(*network), class_names="imagenet")
    options = ("--weights", weights, "--batch-size", 6)
    options += ("--data", "imagenet2012", "--data-dir", folder)
    result = measured(*options)
    assert result["images"] == 20
    assert (result["top-1"], result["top-5"]) == (25.0, 75.0)
    assert measured(*options, "--limit", 8)["images"] == 8


def test_tensorflow_datasets_not_prepared(use, measured, tmp_path):
    weights = use(linear_network(*random_network()), class_names="imagenet")
    with pytest.raises(ValueError, match="no prepared imagenet2012"):
        measured(
            *("--weights", weights),
            *("--data", "imagenet2012", "--data-dir", tmp_path),
        )


def test_as_a_script(tmp_path):
    """From the shell: wrong input ends in one line and status 2."""
    options = ("--data", tmp_path, "--split", "all")
    result = nasnet("evaluate", "--preset", "nasnet_tiny", *options)
    assert result.returncode == 2
    assert "no weights of its own" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_real_network_on_real_images(measured, shared_data, tmp_path):
    """A preset folder with weights, and flowers; expected from its outputs."""
    from nasnet_keras.images.files import load_image

    flowers = shared_data("flowers", "test")
    names = tuple(sorted(path.name for path in flowers.iterdir()))
    configuration = {"cells_per_stack": 1, "filters": 4, "stem": "cifar"}
    preset = nasnet_keras.Preset(
        "flowers",
        {**configuration, "classes": len(names)},
        image_size=32,
        class_names=names,
    )
    model = nasnet_keras.from_preset(preset, weights=None)
    folder = tmp_path / "flowers"
    nasnet_keras.save_preset(folder, preset, model)
    data, images, labels = tmp_path / "data", [], []
    for label, name in enumerate(names):
        (data / name).mkdir(parents=True)
        for path in sorted((flowers / name).iterdir())[:3]:
            (data / name / path.name).symlink_to(path)
            images.append(load_image(path, 32))
            labels.append(label)
    scores = model.predict(np.array(images) / 127.5 - 1, verbose=0)
    right = scores.argmax(-1) == labels
    said = ("--input-range", "-1..1")
    result = measured("--data", data, *said, preset=folder)
    assert result["images"] == 3 * len(names)
    assert result["top-1"] == pytest.approx(100 * right.mean(), abs=1e-3)
    assert result["top-5"] == 100  # Of five classes.
    digest = (folder / "model.weights.h5").read_bytes()
    assert result["weights_sha256"] == hashlib.sha256(digest).hexdigest()
