"""Class folders, and folders of parts: what is used, what is said."""

import os
import re

import pytest
from PIL import Image

from nasnet_keras.images.files import loose_images
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.data.folders import find_parts, list_classes


@pytest.fixture
def make(tmp_path):
    """Function that writes images into folders, each with its own colour."""

    def write(*names, number=4):
        for name in names:
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            for i in range(number):
                image = Image.new("RGB", (8, 8), (i, 0, 0))
                image.save(tmp_path / name / f"{i}.png")
        return tmp_path

    return write


def both(*parts):
    return [f"{part}/{name}" for part in parts for name in ("a", "b")]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
@pytest.mark.parametrize("split", [0, 0.5])
def test_a_folder_val_is_the_validation_part(val, split, make):
    folder = make(*both("train", val, "test"))
    dataset = load_dataset(folder, validation_split=split, image_size=8)
    parts = dataset.train, dataset.validation, dataset.test
    assert [len(labels) for _, labels in parts] == [8, 8, 8]


def test_train_and_val_alone(make):
    """The test part is a fifth of train, at least one of each class."""
    dataset = load_dataset(make(*both("train", "val")), image_size=8)
    parts = dataset.train, dataset.validation, dataset.test
    assert [len(labels) for _, labels in parts] == [6, 8, 2]
    assert dataset.classes == ("a", "b")


def test_train_alone_is_split(make):
    folder = make(*both("train"))
    alone = load_dataset(folder, image_size=8)
    assert alone.classes == ("a", "b")
    given = load_dataset(folder / "train", image_size=8)
    assert given.digest == alone.digest


@pytest.mark.parametrize(
    "names, message",
    [
        ([*both("train"), "extra"], "beside other folders (extra): are these"),
        (both("test", "val"), "no folder `train` to train on"),
        (both("train", "val", "valid"), "one folder for each part"),
        (["train", "test"], "test, train must hold a folder of images"),
        ([*both("train"), "test"], "test must hold a folder of images"),
        ([*both("train"), "test/a", "test/c"], "Only in one of them: b, c"),
    ],
)
def test_unclear_folders_are_refused(names, message, make):
    with pytest.raises(ValueError, match=re.escape(message)):
        load_dataset(make(*names), image_size=8)


def test_a_class_may_be_named_like_a_part(make, capsys):
    """CIFAR-100 has such a class: its folder holds the images itself."""
    folder = make("bus", "train", "tram")
    classes = load_dataset(folder, image_size=8).classes
    assert classes == ("bus", "train", "tram")
    assert "train holds images itself and is a class" in capsys.readouterr().err


def test_other_folders_beside_the_parts_are_named(make, capsys):
    assert set(find_parts(make(*both("train", "test"), "extra"))) == {
        "train",
        "test",
    }
    assert "not used beside test, train: extra" in capsys.readouterr().err


def test_what_is_not_used_is_said(make, capsys):
    folder = make("red", "blue/one/two")
    for name in ("a.txt", "b.TXT", "c.heic", "Makefile"):
        (folder / "red" / name).write_text("x")
    (folder / "beside.jpg").write_bytes(b"x")
    classes, names, labels = list_classes(folder)
    assert classes == ["blue", "red"] and labels == [0] * 4 + [1] * 4
    assert names[0] == "blue/one/two/0.png"
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "red: 4 files not used (.heic, .txt, Makefile)"
    assert said[1].endswith(": 1 image beside its folders not used")


@pytest.mark.parametrize("parts", [("train", "test"), ("train",)])
@pytest.mark.parametrize("number, said", [(1, "1 image"), (3, "3 images")])
def test_images_beside_the_folders_of_parts(parts, number, said, make, capsys):
    folder = make(*both(*parts))
    for name in ("0.jpg", "1.PNG", "2.webp")[:number]:
        (folder / name).write_bytes(b"x")
    load_dataset(folder, image_size=8)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"{folder}: {said} beside its folders not used"


def test_what_is_beside_the_folders_and_no_image(make, capsys):
    folder = make(*both("train"))
    (folder / "folder.png").mkdir()
    (folder / ".hidden.png").write_bytes(b"x")
    os.mkfifo(folder / "pipe.png")
    (folder / "circle.png").symlink_to("circle.png")
    assert not loose_images(folder)
    (folder / "link.png").symlink_to(folder / "train" / "a" / "0.png")
    assert loose_images(folder) == "1 image"


def test_what_file_managers_leave_behind_is_passed_over(make, capsys):
    folder = make("red", "blue", "__MACOSX/red", ".hidden", "red/@eaDir")
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / "red" / name).write_bytes(b"x")
        (folder / name).write_bytes(b"x")
    assert len(list_classes(folder)[1]) == 8
    assert capsys.readouterr().err == ""


def test_many_folders_with_other_files_are_summed_up(make, capsys):
    names = [f"class{i:02d}" for i in range(13)]
    folder = make(*names, number=1)
    for name in names:
        (folder / name / "label.xml").write_text("x")
    list_classes(folder)
    lines = capsys.readouterr().err.splitlines()
    assert lines[9] == "class09: 1 file not used (.xml)"
    assert lines[10:] == ["and files in 3 more folders"]
