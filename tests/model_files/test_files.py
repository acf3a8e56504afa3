"""`.keras` files that are damaged or hold something else."""

import zipfile

import keras
import pytest

from nasnet_keras.model_files import load_model, read_about, save_model
from nasnet_keras.runs.files import DamagedFileError
from tests.support.bright_and_dark import scaled
from tests.support.commands import call


@pytest.mark.parametrize(
    "content", [b"", b'{"crop": 1', b"[]", b"null", b"7", b"\xff"]
)
def test_a_damaged_one_is_named(tmp_path, content):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("about.json", content)
    with pytest.raises(DamagedFileError, match=r"about\.json in .*is damaged"):
        read_about(path)
    assert path.is_file()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_model(scaled(), path, {"class_names": ["bright", "dark"]})
    return path


def flipped(path, near):
    """The file's content with one other byte after a text that it holds."""
    content = bytearray(path.read_bytes())
    content[content.rindex(near) + len(near) + 9] ^= 1
    return bytes(content)


def rewritten(path, target, change):
    """Writes a copy of an archive whose members `change` may replace."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)


def without_config(name, content):
    return None if name == "config.json" else content


def with_half_a_config(name, content):
    return content[: len(content) // 2] if name == "config.json" else content


def of_another_class(name, content):
    return content.replace(b'"Rescaling"', b'"Resonating"')


DAMAGE = {
    "no config": (without_config, "no item named 'config.json' in the archive"),
    "half a config": (with_half_a_config, ""),
    "another class": (of_another_class, "keras.layers.Resonating"),
    "a flipped byte of the weights": (b"HDF", "CRC-32"),
    "a flipped byte of the directory": (b"PK\x05\x06", ""),
}


@pytest.mark.parametrize("form", DAMAGE)
def test_a_damaged_model_is_named(form, saved, tmp_path, capsys):
    change, message = DAMAGE[form]
    path = tmp_path / "damaged.keras"
    if callable(change):
        rewritten(saved, path, change)
        message = f"cannot be loaded as a model: .*{message}.*Copy it again"
    else:
        path.write_bytes(flipped(saved, change))
    with pytest.raises(ValueError, match=f"{path} (?s:.*){message}"):
        load_model(path)
    words = ("export", "--model", path, "--output", tmp_path / "exported")
    assert call(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line and "internal error" not in line


@pytest.mark.parametrize("number", range(24))
def test_any_flipped_byte_is_noticed(number, saved, tmp_path):
    """Wherever it is: the model is refused by name, or computes the same."""
    content = bytearray(saved.read_bytes())
    content[number * len(content) // 24] ^= 1 << number % 8
    path = tmp_path / "flipped.keras"
    path.write_bytes(content)
    try:
        weights = load_model(path).get_weights()
    except ValueError as error:
        assert str(path) in str(error)
    else:
        expected = load_model(saved).get_weights()
        assert keras.tree.map_structure(lambda x: x.tolist(), weights) == (
            keras.tree.map_structure(lambda x: x.tolist(), expected)
        )
