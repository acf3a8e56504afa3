"""Datasets: real images, splits, errors that name the file."""

import hashlib
import pathlib
import shutil

import numpy as np
import pytest

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.data.image_files import ImageFiles


def keys(part):
    return {image.tobytes() for image in part[0]}


def test_digits():
    dataset = load_dataset("digits", image_size=8)
    assert dataset.input_shape == (8, 8, 3)
    assert dataset.classes == tuple("0123456789")
    parts = dataset.train, dataset.validation, dataset.test
    assert sum(len(labels) for _, labels in parts) == 1797
    assert [len(labels) for _, labels in parts] == [1294, 144, 359]
    for images, labels in parts:
        assert images.dtype == np.uint8 and images.max() == 255
        assert set(labels) == set(range(10))
    # The test part is disjoint from the others.
    assert not keys(dataset.test) & (keys(dataset.train) | keys(parts[1]))


def test_the_digest_tells_datasets_apart():
    digests = [
        load_dataset("digits", image_size=8, **options).digest
        for options in ({}, {}, {"images": 400}, {"validation_split": 0.2})
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_resizing_keeps_the_picture():
    small = load_dataset("digits", image_size=8).test[0]
    large = load_dataset("digits", image_size=16).test[0]
    pooled = large.reshape(-1, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    error = np.abs(pooled - small.astype("float32")).mean()
    assert large.shape[1:3] == (16, 16) and error < 20


def test_cifar10(shared_data, cifar10_file):
    """The file has the images of TensorFlow Datasets, in the same order."""
    import tensorflow_datasets as tfds

    dataset = load_dataset(str(cifar10_file), validation_split=0)
    assert dataset.input_shape == (32, 32, 3)
    assert "airplane" in dataset.classes
    for part, name in ((dataset.train, "train"), (dataset.test, "test")):
        few = tfds.load(
            "cifar10",
            split=f"{name}[-50:]",
            data_dir=shared_data("tensorflow_datasets"),
            batch_size=-1,
        )
        np.testing.assert_array_equal(part[0][-50:], few["image"])
        np.testing.assert_array_equal(part[1][-50:], few["label"])


def test_the_split_of_the_paper(cifar10_file):
    """45,000 to train on, 5,000 to validate, always the same."""
    dataset = load_dataset(str(cifar10_file))
    again = load_dataset(str(cifar10_file))
    parts = dataset.train, dataset.validation, dataset.test
    assert [len(labels) for _, labels in parts] == [45000, 5000, 10000]
    assert (np.bincount(dataset.validation[1]) == 500).all()
    np.testing.assert_array_equal(dataset.validation[0], again.validation[0])
    # The images of the first version: shipped results depend on them.
    sha = hashlib.sha256(dataset.validation[0].data)
    sha.update(dataset.validation[1].tobytes())
    assert sha.hexdigest().startswith("beab91aed12ccd3d")
    held = keys(dataset.validation)
    # CIFAR-10 has no image twice in its training part.
    assert not held & keys(dataset.train)
    assert len(held | keys(dataset.train)) == 50000


def test_a_part_of_cifar10(cifar10_file):
    dataset = load_dataset(str(cifar10_file), validation_split=0.25, images=400)
    assert [len(p[1]) for p in (dataset.train, dataset.validation)] == [
        300,
        100,
    ]
    assert len(dataset.test[1]) == 10000


def test_a_folder_of_real_photos(shared_data, tmp_path):
    source = shared_data("flowers", "test")
    for folder in source.iterdir():
        (tmp_path / folder.name).mkdir()
        for file in sorted(folder.iterdir())[:8]:
            shutil.copy(file, tmp_path / folder.name)
    dataset = load_dataset(str(tmp_path), image_size=24, validation_split=0.2)
    assert len(dataset.classes) == 5
    assert dataset.input_shape == (24, 24, 3)
    for _, labels in (dataset.train, dataset.validation, dataset.test):
        assert set(labels) == set(range(5))


@pytest.fixture
def folder(tmp_path):
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            image = Image.new("RGB", (9, 9), (number, 0, 0))
            image.save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_an_empty_class_folder_is_named(folder):
    (folder / "mouse").mkdir()
    (folder / "mouse" / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match=r"mouse holds 0 images"):
        load_dataset(str(folder))


def test_images_in_deeper_folders_are_used(folder):
    before = load_dataset(str(folder), image_size=9)
    (folder / "dog" / "puppies").mkdir()
    for file in folder.glob("dog/*.png"):
        file.rename(file.parent / "puppies" / file.name)
    assert load_dataset(str(folder), image_size=9).digest == before.digest


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_an_unreadable_image_is_named(folder, content):
    broken = folder / "dog" / "2.png"
    broken.write_bytes(broken.read_bytes()[:50] if content is None else content)
    with pytest.raises(ValueError, match=r"dog/2\.png cannot be read"):
        load_dataset(str(folder))


def test_bad_arguments_are_named(folder, tmp_path):
    with pytest.raises(ValueError, match="no/such/folder"):
        load_dataset("no/such/folder")
    with pytest.raises(ValueError, match="validation_split"):
        load_dataset("digits", validation_split=1.5)
    for size in (0, 8193, 100000, 8.5):
        with pytest.raises(ValueError, match=f"8192.*image_size={size}"):
            load_dataset("digits", image_size=size)
    for name in ("", " "):
        with pytest.raises(ValueError, match=f"Received: {name}{name!r}"):
            load_dataset(name)
    with pytest.raises(ValueError, match=r"crop=0\.5, interpolation=None"):
        load_dataset("digits", crop=0.5)
    with pytest.raises(ValueError, match="`crop` must be above 0"):
        load_dataset(str(folder), crop="squeeze")
    for in_memory in (True, False):
        with pytest.raises(ValueError, match="interpolation='lanczos'"):
            load_dataset(folder, in_memory=in_memory, interpolation="lanczos")
    for name in ("in_memory", "random_crops", "older_draw"):
        with pytest.raises(ValueError, match=f"{name}='no'"):
            load_dataset(folder, **{name: "no"})
    with pytest.raises(ValueError, match="images=5000"):
        load_dataset("digits", image_size=8, images=5000)
    shutil.rmtree(folder / "dog")
    with pytest.raises(ValueError, match="at least two classes"):
        load_dataset(str(folder))


def test_a_folder_with_train_and_test(shared_data):
    flowers = shared_data("flowers")
    dataset = load_dataset(flowers, image_size=8, validation_split=0.1)
    lengths = [
        len(part[0])
        for part in (dataset.train, dataset.validation, dataset.test)
    ]
    assert lengths == [1260, 140, 200]
    assert len(dataset.classes) == 5
    test = load_dataset(flowers / "test", image_size=8, validation_split=0)
    together = np.concatenate([test.train[0], test.test[0]])
    one, other = (
        {image.tobytes() for image in images}
        for images in (dataset.test[0], together)
    )
    assert one == other


def test_other_classes_in_test(tmp_path):
    from PIL import Image

    for folder in ("train/a", "train/b", "test/a", "test/c"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(4):
            image = Image.new("RGB", (8, 8), (number, 0, 0))
            image.save(tmp_path / folder / f"{number}.png")
    with pytest.raises(ValueError, match="Only in one of them: b, c"):
        load_dataset(tmp_path, image_size=8)


def test_a_folder_does_not_replace_a_dataset_in_silence(
    folder, tmp_path, monkeypatch, capsys
):
    (tmp_path / "here").mkdir()
    shutil.copytree(folder, tmp_path / "here" / "digits", ignore=ignore("here"))
    monkeypatch.chdir(tmp_path / "here")
    assert len(load_dataset("digits").classes) == 10
    assert "Give ./digits for that" in capsys.readouterr().err
    for name in ("./digits", pathlib.Path("digits")):
        assert load_dataset(name).classes == ("cat", "dog")
    assert not capsys.readouterr().err


def ignore(name):
    return lambda folder, names: {name} & set(names)


# Images of each class to train, validate and test on: (blue, red).
PARTS = {
    "plain": [(8, 9), (1, 1), (3, 2)],
    "exif": [(8, 9), (1, 1), (3, 2)],
    "grey16": [(8, 9), (1, 1), (3, 2)],
    "hidden_files": [(8, 9), (1, 1), (3, 2)],
    "latin1_name": [(8, 9), (1, 1), (3, 2)],
    "pipe": [(8, 9), (1, 1), (3, 2)],
    "wide": [(8, 9), (1, 1), (3, 2)],
    "imbalance": [(219, 2), (24, 1), (61, 1)],
    "nested": [(9, 22), (1, 3), (2, 7)],
    "other_suffixes": [(9, 20), (1, 2), (2, 6)],
    "train_val_test": [(10, 10), (6, 6), (6, 6)],
}
SAID = {
    "pipe": "red: 1 file not used (no regular .png)\n",
    "wide": "the central square is 25% of the median image. --crop squash",
}


@pytest.mark.parametrize("name", PARTS)
def test_odd_folders_give_the_same_in_memory_and_from_disk(
    name, odd_folders, capsys
):
    """All images are used, each class is in each part, pixels are equal."""
    held = load_dataset(str(odd_folders / name), image_size=8)
    said = capsys.readouterr().err
    assert SAID[name] in said if name in SAID else said == ""
    files = load_dataset(str(odd_folders / name), image_size=8, in_memory=False)
    assert held.classes == ("blue", "red") and files.digest
    for part, expected in zip(("train", "validation", "test"), PARTS[name]):
        images, labels = getattr(held, part)
        lazy, same = getattr(files, part)
        assert tuple(np.bincount(labels, minlength=2)) == expected
        np.testing.assert_array_equal(labels, same)
        for index, image in enumerate(images):
            np.testing.assert_array_equal(image, lazy[index])


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    "name, file",
    [
        ("bomb", "big.png"),
        ("cut", "red00.jpg"),
        ("empty_file", "red00.jpg"),
        ("html", "red00.jpg"),
    ],
)
def test_files_that_are_no_images_are_named(name, file, in_memory, odd_folders):
    folder = odd_folders / name
    with pytest.raises(ValueError, match=f"red/{file} cannot be read as"):
        load_dataset(str(folder), image_size=8, in_memory=in_memory)


def test_sixteen_bits_and_turned_photos_in_memory(odd_folders):
    images, labels = load_dataset(str(odd_folders / "grey16")).train
    levels = [round(images[labels == label].mean()) for label in (0, 1)]
    assert levels == pytest.approx([58, 195], abs=1)  # 15,000 and 50,000.
    images, labels = load_dataset(str(odd_folders / "exif"), image_size=8).train
    top = images[:, :3].mean(axis=(1, 2, 3))
    assert (top[labels == 0] > 200).all() and (top[labels == 1] < 50).all()


def test_crop_and_interpolation_are_kept(odd_folders):
    """Squashed, the ends of a wide photo are seen; cut, they are not."""
    options = {"name": str(odd_folders / "wide"), "image_size": 8}
    dataset = load_dataset(**options)
    assert (dataset.crop, dataset.interpolation) == (1.0, "bicubic")
    assert (dataset.train[0] == 128).all()
    dataset = load_dataset(**options, crop="squash", interpolation="bilinear")
    assert (dataset.crop, dataset.interpolation) == ("squash", "bilinear")
    images, labels = dataset.train
    assert ((images[:, 4, 0, 0] > 128) == labels).all()


def test_random_crops_take_the_files(odd_folders):
    """Whole files to train on, however small the data; the rest cropped."""
    dataset = load_dataset(
        str(odd_folders / "plain"), image_size=8, crop=0.875, random_crops=True
    )
    assert isinstance(dataset.train[0], ImageFiles)
    assert dataset.train[0].crop == 1.0
    lazy = load_dataset(
        str(odd_folders / "plain"), image_size=8, crop=0.875, in_memory=False
    )
    assert isinstance(dataset.test[0], np.ndarray)
    np.testing.assert_array_equal(dataset.test[0][0], lazy.test[0][0])
