"""A small "ImageNet" of real photos, prepared by TensorFlow Datasets."""

import io
from itertools import chain

import numpy as np
import pytest

from nasnet_keras.images.files import load_image
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.feeds.evaluation import evaluation_batches
from nasnet_keras.training.feeds.make import make_feed

TRAIN, VALIDATION = 60, 10


def write_records(data_dir, photos):
    """Prepares a dataset with ImageNet's name."""
    tfds = pytest.importorskip("tensorflow_datasets")
    features = {
        "file_name": tfds.features.Text(),
        "image": tfds.features.Image(encoding_format="jpeg"),
        "label": tfds.features.ClassLabel(num_classes=1000),
    }
    examples = [
        (label, {"file_name": file.name, "image": file, "label": label})
        for label, file in enumerate(photos)
    ]
    tfds.dataset_builders.store_as_tfds_dataset(
        name="imagenet2012",
        version="5.1.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={
            "train": examples[:TRAIN],
            "validation": examples[TRAIN:],
        },
        data_dir=data_dir,
    )


@pytest.fixture(scope="module")
def photos(shared_data):
    folder = shared_data("flowers", "test")
    return sorted(folder.glob("*/*.jpg"))[: TRAIN + VALIDATION]


@pytest.fixture(scope="module")
def data_dir(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    write_records(folder, photos)
    return folder


@pytest.fixture(scope="module")
def dataset(data_dir):
    return load_dataset(
        "imagenet2012", data_dir=data_dir, image_size=24, validation_split=0.1
    )


def test_parts(dataset):
    assert dataset.input_shape == (24, 24, 3)
    assert len(dataset.classes) == 1000
    parts = dataset.train, dataset.validation, dataset.test
    assert [len(images) for images, _ in parts] == [54, 6, 10]
    seen = [
        {int(label) for _, label in images.examples()} for images, _ in parts
    ]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(TRAIN))


def labels_of(batches):
    return [labels.argmax(axis=1).tolist() for _, labels in batches]


def test_epochs_differ_and_a_resumed_one_does_not(dataset, make_recipe):
    """Also with TensorFlow's seed 0, with which `shuffle` fails."""
    import keras

    keras.utils.set_random_seed(0)
    recipe = make_recipe(
        epochs=3, batch_size=10, image_size=24, augmentation="inception"
    )
    feed = make_feed(dataset, recipe, seed=0)
    assert feed.steps_per_epoch == 5
    whole = list(feed.batches().as_numpy_iterator())
    assert len(whole) == 15
    labels = labels_of(whole)
    epochs = [list(chain(*labels[i : i + 5])) for i in (0, 5, 10)]
    for epoch in epochs:
        assert len(set(epoch)) == 50
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    keras.utils.set_random_seed(7)
    for first in (5, 8):
        again = make_feed(dataset, recipe, seed=0).batches(first)
        again = list(again.as_numpy_iterator())
        assert len(again) == 15 - first
        for old, new in zip(whole[first:], again):
            np.testing.assert_array_equal(old[0], new[0])
            np.testing.assert_array_equal(old[1], new[1])
    other = make_feed(dataset, recipe, seed=1).batches()
    assert labels_of(other.take(5).as_numpy_iterator()) != labels[:5]


def test_labels_stay_with_their_images(dataset, photos, make_recipe):
    recipe = make_recipe(
        epochs=1, batch_size=10, image_size=24, augmentation="none"
    )
    known = {
        int(label): load_image_of(encoded)
        for encoded, label in dataset.train[0].examples()
    }
    feed = make_feed(dataset, recipe, seed=0, copies=2)
    for images, (labels, copy) in feed.batches().as_numpy_iterator():
        np.testing.assert_array_equal(labels, copy)
        for image, label in zip(images, labels.argmax(axis=1)):
            np.testing.assert_array_equal(image, known[label])
            expected = load_image(photos[label], 24, crop=1.0)
            assert np.abs(image - expected).mean() < 4


def load_image_of(encoded):
    file = io.BytesIO(encoded.numpy())
    return load_image(file, 24, crop=1.0).astype("uint8")


def test_evaluation_sees_all(dataset):
    batches = evaluation_batches(dataset.test, 16, 4)
    images, labels = zip(*batches.as_numpy_iterator())
    assert [len(x) for x in images] == [4, 4, 2]
    assert images[0].shape == (4, 16, 16, 3)
    assert set(np.concatenate(labels)) == set(range(TRAIN, TRAIN + VALIDATION))
    one_hot = evaluation_batches(dataset.test, 16, 4, classes=1000, copies=2)
    _, (first, second) = next(iter(one_hot))
    assert first.shape == second.shape == (4, 1000)


def test_the_digest_tells_parts_apart(dataset, data_dir):
    def digest(split):
        return load_dataset(
            "imagenet2012", data_dir=data_dir, validation_split=split
        ).digest

    assert digest(0.1) == dataset.digest != digest(0.2)


def test_errors(data_dir, tmp_path):
    with pytest.raises(ValueError, match="images=61"):
        load_dataset("imagenet2012", data_dir=data_dir, images=61)
    with pytest.raises(ValueError, match="is not prepared in"):
        load_dataset("imagenet2012", data_dir=tmp_path)


def test_without_tensorflow(without_tensorflow):
    with pytest.raises(ValueError, match="give a folder of images"):
        load_dataset("imagenet2012")
