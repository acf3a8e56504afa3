"""CIFAR without TensorFlow."""

import io
import pickle
import tarfile

import numpy as np
import pytest

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.data.sources import CIFAR_CLASSES
from tests.support.keras_internals import file_utils


def batch(number, labels):
    """A file of the CIFAR archives: an image's pixels are its number."""
    rows = (np.arange(number) % 251).astype("uint8")
    data = np.zeros((number, 3, 1024), "uint8")
    data[:, 1, 0] = rows  # Green, top left.
    data[:, 0, 1] = 255  # Red, beside it.
    values = {b"data": data.reshape(number, 3072), **labels(number)}
    return pickle.dumps(values)


def archive(path, folder, files):
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """The folder of `keras.datasets`' downloads, with hash checks disabled."""
    monkeypatch.setattr(
        file_utils.config, "keras_home", lambda: str(tmp_path / "home")
    )
    monkeypatch.setattr(file_utils, "validate_file", lambda *_, **__: True)
    (tmp_path / "home").mkdir()
    return tmp_path / "home" / "datasets"


def fine_and_coarse(number):
    fine = [i % 100 for i in range(number)]
    return {b"fine_labels": fine, b"coarse_labels": [i // 5 for i in fine]}


def check(dataset, train, test):
    assert dataset.classes == CIFAR_CLASSES[dataset.name]
    for (images, labels), number in (
        (dataset.train, train),
        (dataset.test, test),
    ):
        assert images.shape == (number, 32, 32, 3)
        assert labels.shape == (number,) and labels.dtype == np.int32
        assert set(labels) == set(range(len(dataset.classes)))
        assert (images[:, 0, 1] == [255, 0, 0]).all()
    images, labels = dataset.test
    np.testing.assert_array_equal(images[:, 0, 0, 1], np.arange(test) % 251)
    np.testing.assert_array_equal(
        labels, np.arange(test) % len(dataset.classes)
    )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_cifar100_of_keras(data_format, downloads, without_tensorflow):
    import keras

    archive(
        downloads / "cifar-100-python-target_archive",
        "cifar-100-python",
        {name: batch(500, fine_and_coarse) for name in ("train", "test")},
    )
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(data_format)
    try:
        check(load_dataset("cifar100", validation_split=0), 500, 500)
    finally:
        keras.config.set_image_data_format(before)


def test_cifar10_of_keras(downloads, without_tensorflow):
    def labels(number):
        return {b"labels": [i % 10 for i in range(number)]}

    content = batch(10000, labels)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    archive(
        downloads / "cifar-10-batches-py-target_archive",
        "cifar-10-batches-py",
        dict.fromkeys(names, content),
    )
    check(load_dataset("cifar10", validation_split=0), 50000, 10000)


def test_a_failed_download_says_what_to_do(
    downloads, without_tensorflow, monkeypatch
):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # No server.
    with pytest.raises(ValueError, match=r"URL fetch failure.*convert-data"):
        load_dataset("cifar100")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_without_network_it_says_so_at_once(name, tmp_path, monkeypatch):
    """TensorFlow Datasets would retry for minutes."""
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # No server.
    retried = []
    monkeypatch.setattr(
        tfds.core.DatasetBuilder,
        "download_and_prepare",
        lambda *args, **kwargs: retried.append(args),
    )
    with pytest.raises(ValueError, match=r"cannot be downloaded.*`data_dir`"):
        load_dataset(name, data_dir=tmp_path)
    assert not retried


def test_names_of_classes(shared_data):
    for names, number in zip(CIFAR_CLASSES.values(), (10, 100)):
        assert len(set(names)) == number and list(names) == sorted(names)
    file = shared_data("tensorflow_datasets/cifar10/3.0.2/label.labels.txt")
    assert tuple(file.read_text().split()) == CIFAR_CLASSES["cifar10"]
