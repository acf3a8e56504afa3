"""Hostile and unusual image files."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from nasnet_keras.images.files import image_size, load_image


def grey(value, kind, path):
    """Writes an image whose pixels all have one value."""
    Image.fromarray(np.full((16, 16), value, kind)).save(path)
    return path


def white(path, size):
    Image.new("1", size).save(path)


def program(path):
    """Pillow would give it to Ghostscript."""
    Image.new("RGB", (8, 8)).save(path, "EPS")


def loads(path):
    return load_image(path, 8)


@pytest.mark.filterwarnings("ignore:Image size")  # Pillow's, of the second.
@pytest.mark.parametrize("read", [image_size, loads])
@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: os.mkfifo(path), "it is no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is no regular file"),
        (lambda path: path.symlink_to(path.name), "symbolic links"),
        (lambda path: path.write_bytes(b""), "its content is no picture"),
        (lambda path: path.write_text("<html>"), "its content is no picture"),
        (program, "its content is no picture"),
        (lambda path: white(path, (20000, 10000)), "200000000 pixels"),
        (lambda path: white(path, (10000, 10000)), "100,000,000 pixels"),
        (lambda path: path.mkdir(), "directory"),
    ],
    ids=range(9),
)
def test_a_hostile_file_is_named_at_once(read, make, message, tmp_path):
    """Its header shows it: nothing is waited for, nothing fills the memory."""
    path = tmp_path / "image.png"
    make(path)
    with pytest.raises(ValueError, match=re.escape(f"{path} cannot be")) as e:
        read(path)
    assert message in str(e.value)


def test_a_link_to_an_image_is_one(tmp_path):
    path = tmp_path / "link.png"
    path.symlink_to(grey(7, "uint8", tmp_path / "image.png"))
    assert (load_image(path, 8) == 7).all()


def test_a_name_that_is_no_text(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    grey(7, "uint8", path)
    assert (load_image(path, 8) == 7).all()


@pytest.mark.parametrize("suffix", ["png", "tif", "jp2", "pgm"])
def test_sixteen_bits_are_scaled(tmp_path, suffix):
    path = grey(15000, "uint16", tmp_path / f"image.{suffix}")
    assert (load_image(path, 8) == 58).all()


def test_big_endian(tmp_path):
    pixels = np.full((16, 16), 15000, ">u2").tobytes()
    image = Image.frombytes("I;16B", (16, 16), pixels)
    image.save(tmp_path / "big.tif")
    assert (load_image(tmp_path / "big.tif", 8) == 58).all()


def test_twelve_bits(tmp_path):
    """0x800 of 0xFFF, packed in a TIFF file of 4 x 4 pixels."""
    data = bytes.fromhex("800800") * 8
    tags = [
        *((256, 4), (257, 4), (258, 12), (259, 1), (262, 1)),
        *((273, 8), (277, 1), (278, 4), (279, len(data))),
    ]
    entries = b"".join(
        np.array([tag, 3], "<u2").tobytes()
        + np.array([1, value], "<u4").tobytes()
        for tag, value in tags
    )
    start = np.array([8 + len(data)], "<u4").tobytes()
    number = np.array([len(tags)], "<u2").tobytes()
    content = b"II*\0" + start + data + number + entries + b"\0" * 4
    (tmp_path / "twelve.tif").write_bytes(content)
    assert (load_image(tmp_path / "twelve.tif", 4) == 128).all()


def test_grey_of_another_range_is_scaled_by_it(tmp_path):
    """A PGM says its largest value."""
    path = tmp_path / "image.pgm"
    path.write_bytes(b"P5 4 4 1000\n" + np.full(16, 500, ">u2").tobytes())
    assert (load_image(path, 4) == 128).all()


@pytest.mark.parametrize("read", [image_size, loads])
@pytest.mark.parametrize(
    "kind, suffix, mode",
    [("float32", "tif", "F"), ("int32", "tif", "I"), ("float32", "pfm", "F")],
)
def test_pixels_of_no_known_range_are_refused(
    read, kind, suffix, mode, tmp_path
):
    path = grey(1, kind, tmp_path / f"image.{suffix}")
    message = rf"image\.{suffix} .*mode '{mode}'"
    with pytest.raises(ValueError, match=message):
        read(path)
