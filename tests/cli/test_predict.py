"""`nasnet predict`, on a network whose answers are known beforehand."""

import argparse
import dataclasses
import io
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import nasnet_keras
from nasnet_keras import presets
from nasnet_keras.cli import predict
from nasnet_keras.model_files import save_model
from tests.support.colours import (
    CLASSES,
    COLOURS,
    Zoo,
    colour_network,
    probabilities,
)
from tests.support.commands import call, nasnet


@pytest.fixture
def zoo(monkeypatch):
    zoo = Zoo(monkeypatch)
    zoo.add("colours")
    return zoo


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (20, 12), colour).save(folder / f"{name}.png")
    return folder


def run(*arguments, preset="colours"):
    parser = argparse.ArgumentParser()
    predict.add_arguments(parser)
    args = parser.parse_args([*map(str, arguments), "--preset", preset])
    assert args.run is predict.run
    return args.run(args)


def read(text):
    """What was printed: path -> list of pairs of probability and name."""
    found, path = {}, None
    for line in text.splitlines():
        if row := re.fullmatch(r"  (\d\.\d{4})  (.+)", line):
            found[path].append((float(row[1]), row[2]))
        else:
            path = line
            found[path] = []
    return found


def test_paths_names_and_probabilities(zoo, images, capsys):
    paths = [images / "blue.png", images / "grey.png"]
    assert run(*paths) == 0
    out, err = capsys.readouterr()
    printed = read(out)
    assert list(printed) == [str(path) for path in paths]
    for path in paths:
        expected = probabilities(COLOURS[path.stem])
        order = np.argsort(-expected)
        assert printed[str(path)] == [
            (round(float(expected[i]), 4), CLASSES[i]) for i in order
        ]
    assert err == ""


def test_top(zoo, images, capsys):
    assert run(images / "red.png", "--top", 1) == 0
    (rows,) = read(capsys.readouterr().out).values()
    assert [name for _, name in rows] == ["red thing"]


def test_a_folder_stands_for_its_images(zoo, images, capsys):
    (images / "notes.txt").write_text("no image")
    Image.new("RGB", (8, 8)).save(images.parent / "apart.bmp")
    assert run(images.parent / "apart.bmp", images) == 0
    expected = [images.parent / "apart.bmp"]
    expected += [images / f"{name}.png" for name in sorted(COLOURS)]
    assert list(read(capsys.readouterr().out)) == [str(p) for p in expected]


def test_a_folder_without_images(zoo, tmp_path):
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))):
        run(tmp_path)


def test_the_unreadable_are_named_and_the_others_predicted(zoo, images, capsys):
    (images / "damaged.png").write_bytes(b"\x89PNG and no more")
    missing = images / "missing.png"
    assert run(missing, images, "--batch-size", 2) == 1
    out, err = capsys.readouterr()
    expected = [str(images / f"{name}.png") for name in sorted(COLOURS)]
    assert list(read(out)) == expected
    assert all(len(rows) == 3 for rows in read(out).values())
    first, second, last = err.splitlines()
    assert str(missing) in first
    assert str(images / "damaged.png") in second
    assert "2 of 6 images" in last


def test_names_that_a_terminal_cannot_print(images, tmp_path):
    """Neither the name of a file nor that of a class stops a prediction."""
    names = ["r\u00f6d", "\u7eff", "blue"]
    about = {"class_names": names, "image_size": 8, "crop": 1.0}
    save_model(colour_network(), tmp_path / "model.keras", about)
    latin1 = os.fsencode(images) + b"/caf\xe9.png"
    os.rename(images / "red.png", latin1)
    os.rename(images / "blue.png", images / "bl\u00e5.png")
    damaged = images / "cut.png"
    damaged.write_bytes((images / "grey.png").read_bytes()[:60])
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = ["predict", images, "--model", tmp_path / "model.keras", "--top", 1]
    done = nasnet(*words, env=environment)
    assert done.returncode == 1
    found = read(done.stdout)
    assert {
        path.split("/")[-1]: rows[0][1] for path, rows in found.items()
    } == {
        "bl\\xe5.png": "blue",
        "caf\\udce9.png": "r\\xf6d",
        "green.png": "\\u7eff",
        "grey.png": "blue",
    }
    assert f"{damaged} cannot be read" in done.stderr


def test_no_image_can_be_read(zoo, tmp_path, capsys):
    assert run(tmp_path / "missing.png") == 1
    out, err = capsys.readouterr()
    assert out == "" and "missing.png" in err and len(err.splitlines()) == 1


def test_batches(zoo, images, monkeypatch):
    """Images are read when their batch is due, not all at once."""
    events = []
    predict_on_batch = zoo.model.predict_on_batch

    def spy(x):
        events.append(len(x))
        return predict_on_batch(x)

    from nasnet_keras.images import files as reader

    load_image = reader.load_image

    def load(path, *args, **kwargs):
        events.append(path.stem)
        return load_image(path, *args, **kwargs)

    monkeypatch.setattr(zoo.model, "predict_on_batch", spy)
    monkeypatch.setattr(reader, "load_image", load)
    assert run(images, "--batch-size", 3) == 0
    assert events == ["blue", "green", "grey", 3, "red", 1]


def test_crop(zoo, tmp_path, capsys):
    pixels = np.full((16, 16, 3), COLOURS["red"], "uint8")
    pixels[4:12, 4:12] = COLOURS["blue"]
    path = tmp_path / "framed.png"
    Image.fromarray(pixels).save(path)
    run(path, "--crop", 0.5)
    (rows,) = read(capsys.readouterr().out).values()
    blue = probabilities(COLOURS["blue"])[2]
    assert rows[0] == (round(float(blue), 4), "blue thing")
    run(path, "--crop", 1)
    (rows,) = read(capsys.readouterr().out).values()
    assert rows[0][1] == "red thing"


def test_the_crop_of_the_network(zoo, tmp_path, capsys):
    """A stored crop is used unless another is asked for."""
    pixels = np.full((16, 16, 3), COLOURS["red"], "uint8")
    pixels[4:12, 4:12] = COLOURS["blue"]
    Image.fromarray(pixels).save(path := tmp_path / "framed.png")
    model = tmp_path / "model.keras"
    about = {"class_names": CLASSES, "image_size": 8, "crop": 0.5}
    save_model(colour_network(), model, about)
    for more, expected in ((), "blue thing"), (("--crop", 1), "red thing"):
        assert call("predict", path, "--model", model, *more) == 0
        output = capsys.readouterr()
        (rows,) = read(output.out).values()
        assert rows[0][1] == expected
        assert output.err == ""


def test_the_whole_of_a_wide_image(tmp_path, capsys):
    """Stored or asked for, `squash` is the same in predict and evaluate."""
    for name, other in (("blue", "red"), ("red", "blue")):
        pixels = np.full((8, 64, 3), COLOURS[name], "uint8")
        pixels[:, 28:36] = COLOURS[other]
        folder = tmp_path / "data" / f"{name} thing"
        folder.mkdir(parents=True)
        Image.fromarray(pixels).save(folder / "wide.png")
    model = tmp_path / "model.keras"
    about = {"class_names": CLASSES, "image_size": 8}
    for stored, flag in (("squash", ()), (1.0, ("--crop", "squash"))):
        save_model(colour_network(), model, {**about, "crop": stored})
        for crop, right in ((flag, True), (("--crop", 1), False)):
            words = ("--model", model, *crop)
            assert call("predict", tmp_path / "data", *words) == 0
            for path, rows in read(capsys.readouterr().out).items():
                assert (rows[0][1] in path) is right
            words = (*words, "--data", tmp_path / "data", "--split", "all")
            assert call("evaluate", *words) == 0
            expected = "top-1 100.00%" if right else "top-1 0.00%"
            assert expected in capsys.readouterr().out


def test_what_a_folder_holds_besides_images(zoo, images, capsys):
    (images / "notes.txt").write_text("x")
    (images / "Thumbs.db").write_bytes(b"x")
    os.mkfifo(images / "pipe.png")
    assert run(images) == 0
    output = capsys.readouterr()
    assert len(read(output.out)) == len(COLOURS)
    expected = f"{images}: 2 files not used (.txt, no regular .png)\n"
    assert output.err == expected


def test_published_weights_are_the_default(zoo, images):
    run(images)
    ((name, weights, _),) = zoo.calls
    assert (name, weights) == ("colours", "imagenet")


def test_weights_are_handed_on(zoo, images):
    run(images, "--weights", "some/file.h5")
    ((_, weights, _),) = zoo.calls
    assert weights == "some/file.h5"


def test_random_weights_are_refused(zoo, images):
    zoo.add("untrained", weights=())
    with pytest.raises(ValueError, match=r"'untrained'.*--weights"):
        run(images, preset="untrained")
    assert not zoo.calls


def test_an_unknown_preset(zoo, images):
    with pytest.raises(ValueError, match="nasnet_molecule"):
        run(images, preset="nasnet_molecule")


@pytest.mark.long
def test_a_preset_of_ones_own(tmp_path, images, capsys):
    """The real thing: built, saved, and read again from its folder."""
    names = tuple(f"kind {i}" for i in range(10))
    preset = dataclasses.replace(
        presets.get_preset("nasnet_cifar_tiny"), class_names=names
    )
    keras.utils.set_random_seed(0)
    model = nasnet_keras.from_preset(preset, weights=None)
    kernel, bias = model.get_layer("predictions").get_weights()
    kernel /= 10  # No two classes come out alike.
    bias[:] = np.random.default_rng(0).permutation(10) / 3
    model.get_layer("predictions").set_weights([kernel, bias])
    nasnet_keras.save_preset(tmp_path / "mine", preset, model)
    words = (images / "grey.png", "--input-range", "-1..1")
    assert run(*words, preset=str(tmp_path / "mine")) == 0
    (rows,) = read(capsys.readouterr().out).values()
    side = preset.image_size
    x = np.full((1, side, side, 3), COLOURS["grey"]) / 127.5 - 1
    expected = model.predict_on_batch(x.astype("float32"))[0]
    order = np.argsort(-expected)[:5]
    assert [name for _, name in rows] == [names[i] for i in order]
    np.testing.assert_allclose(
        [value for value, _ in rows], expected[order], atol=2e-4
    )


def test_classes_without_names(zoo, images, capsys):
    zoo.add("nameless", class_names=None)
    run(images / "green.png", preset="nameless")
    (rows,) = read(capsys.readouterr().out).values()
    assert rows[0][1] == "class 1"


def test_the_main_output_is_taken(zoo, images, capsys):
    """A network with an auxiliary head has two."""
    main = zoo.model
    reverse = keras.layers.Activation("softmax")(-5.0 * main.output)
    zoo.model = keras.Model(main.input, [main.output, reverse])
    run(images / "blue.png")
    (rows,) = read(capsys.readouterr().out).values()
    assert rows[0][1] == "blue thing"


def test_channels_first(zoo, images, capsys):
    before = keras.config.image_data_format()
    zoo.model = colour_network(channels_last=False)
    keras.config.set_image_data_format("channels_first")
    try:
        run(images / "blue.png")
    finally:
        keras.config.set_image_data_format(before)
    (rows,) = read(capsys.readouterr().out).values()
    assert rows[0][1] == "blue thing"


def test_grey_images(zoo, images, capsys):
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Concatenate()([x + 2.0, 0.0 * x, 0.0 * x + 1.0])
    zoo.model = keras.Model(inputs, outputs)
    run(images / "green.png")
    (rows,) = read(capsys.readouterr().out).values()
    grey = round(0.587 * 255) / 127.5 + 1
    assert rows[0] == (round(grey, 4), "red thing")


@pytest.mark.parametrize(
    "option, value",
    [
        ("--top", "0"),
        ("--batch-size", "0"),
    ],
)
def test_arguments_out_of_range(zoo, images, option, value):
    with pytest.raises(ValueError, match=rf"{option}.*Received: {value}"):
        run(images, option, value)
    assert not zoo.calls


def test_adding_the_arguments_is_light():
    code = (
        "import argparse, sys; from nasnet_keras.cli import predict;"
        "predict.add_arguments(argparse.ArgumentParser());"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'torch', 'numpy',"
        "'PIL', 'tqdm') if m in sys.modules])"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert loaded == "[]\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal(zoo, images, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", Terminal())
    run(images)
    assert "4/4" in sys.stderr.getvalue()
    printed = read(capsys.readouterr().out)
    assert [pathlib.Path(path).stem for path in printed] == sorted(COLOURS)


def test_no_bar_for_one_image(zoo, images, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    run(images / "red.png")
    assert sys.stderr.getvalue() == ""
