"""Image files of every kind, resized and cropped."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from nasnet_keras.images.files import (
    SUFFIXES,
    describe_unused,
    find_images,
    image_size,
    load_image,
    visible_folders,
)

RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def noise(width, height, seed=0):
    """A smooth RGB image: neighbouring pixels differ little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), "uint8")
    image = Image.fromarray(coarse)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def save(image, path, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "size", [(500, 375), (375, 500), (256, 256), (40, 31), (333, 1000)]
)
@pytest.mark.parametrize("side, crop, shorter", [(56, 0.875, 64), (33, 1, 33)])
def test_two_plain_steps_give_the_same(
    tmp_path, size, side, crop, shorter, interpolation
):
    """Resize the whole image, then cut: as timm and torchvision do."""
    path = save(noise(*size), tmp_path / "image.png")
    least = min(size)
    resized = [
        shorter if length == least else int(shorter * length / least)
        for length in size
    ]
    left, top = (round((length - side) / 2) for length in resized)
    expected = Image.open(path).resize(resized, RESAMPLING[interpolation])
    expected = expected.crop((left, top, left + side, top + side))
    actual = load_image(path, side, crop, interpolation)
    assert actual.shape == (side, side, 3) and actual.dtype == "float32"
    # Pillow rounds after each of two passes: a coordinate's last bit can
    # tip a pixel value by one.
    assert np.abs(actual - np.asarray(expected, "float32")).max() <= 1


def test_nothing_is_resized_where_nothing_has_to_be(tmp_path):
    image = noise(64, 80)
    path = save(image, tmp_path / "image.png")
    expected = np.asarray(image, "float32")[12:68, 4:60]
    np.testing.assert_array_equal(load_image(path, 56, 0.875), expected)


def test_the_middle_is_kept(tmp_path):
    """Crop 0.5 shows nothing of a frame of width 1/4."""
    pixels = np.zeros((80, 80, 3), "uint8")
    pixels[20:60, 20:60] = (10, 200, 90)
    path = save(Image.fromarray(pixels), tmp_path / "frame.png")
    inner = load_image(path, 40, 0.5)
    assert (inner == [10, 200, 90]).all()
    assert (load_image(path, 40, 1.0)[0] == 0).all()


def test_side_by_crop_is_rounded(tmp_path):
    """299 / 0.875 is 341.7: of 342 pixels, 21 and 22 are cut off."""
    ramp = np.tile(np.arange(342) // 2, (342, 1)).astype("uint8")
    path = save(Image.fromarray(ramp), tmp_path / "ramp.png")
    actual = load_image(path, 299, channels=1)[:, :, 0]
    np.testing.assert_array_equal(actual, ramp[22:321, 22:321])


def test_interpolations_differ(tmp_path):
    path = save(noise(300, 300), tmp_path / "image.png")
    bilinear = load_image(path, 50, interpolation="bilinear")
    assert (load_image(path, 50) != bilinear).any()
    np.testing.assert_array_equal(
        load_image(path, 50), load_image(path, 50, interpolation="bicubic")
    )


def test_a_long_and_narrow_image(tmp_path):
    """Resized whole, it would have 256 x 5,120,000 pixels."""
    path = save(Image.new("RGB", (20000, 1), (1, 2, 3)), tmp_path / "line.png")
    assert (load_image(path, 224) == [1, 2, 3]).all()


COLOUR = (200, 40, 120)
GREY = round(0.299 * 200 + 0.587 * 40 + 0.114 * 120)


def plain(mode):
    image = Image.new("RGB", (20, 16), COLOUR)
    return image.quantize(4) if mode == "P" else image.convert(mode)


@pytest.mark.parametrize(
    "image, suffix, expected",
    [
        (plain("RGB"), "png", COLOUR),
        (plain("RGB"), "webp", COLOUR),
        (plain("P"), "png", COLOUR),
        (plain("P"), "gif", COLOUR),
        (plain("L"), "png", [GREY] * 3),
        (plain("LA"), "png", [GREY] * 3),
        (plain("RGBA"), "png", COLOUR),
        (plain("CMYK"), "jpg", COLOUR),
        (plain("CMYK"), "tif", COLOUR),
        (Image.new("1", (20, 16), 1), "png", [255] * 3),
    ],
    ids=lambda value: getattr(value, "mode", None),
)
def test_every_mode_becomes_rgb(tmp_path, image, suffix, expected):
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(image, tmp_path / f"image.{suffix}", **options)
    pixels = load_image(path, 8)
    tolerance = 8 if suffix == "jpg" else 1
    assert np.abs(pixels - np.array(expected)).max() <= tolerance


def test_a_palette_with_transparency(tmp_path):
    """Pillow warns of these, and warnings are errors here."""
    image = plain("P")
    path = save(image, tmp_path / "image.png", transparency=b"\x80\x40")
    with Image.open(path) as file:
        assert isinstance(file.info["transparency"], bytes)
    assert np.abs(load_image(path, 8) - np.array(COLOUR)).max() <= 1


def test_grey(tmp_path):
    path = save(plain("RGB"), tmp_path / "image.png")
    grey = load_image(path, 8, channels=1)
    assert grey.shape == (8, 8, 1)
    assert np.abs(grey - GREY).max() <= 1


def test_exif_orientation(tmp_path):
    """Photographs are turned upright: left of this one was its top."""
    pixels = np.zeros((40, 40, 3), "uint8")
    pixels[:20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(Image.fromarray(pixels), tmp_path / "photo.png", exif=exif)
    upright = load_image(path, 40, 1.0)
    assert (upright[:, 20:] == 255).all() and (upright[:, :20] == 0).all()


def test_an_open_file():
    file = io.BytesIO()
    plain("RGB").save(file, "png")
    file.seek(0)
    assert (load_image(file, 8) == COLOUR).all()


def test_missing_file(tmp_path):
    path = tmp_path / "none.png"
    with pytest.raises(ValueError, match=re.escape(f"no image {path}")):
        load_image(path, 8)


def test_files_that_are_no_images(tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    noise(200, 200).save(tmp_path / "whole.jpg")
    cut = (tmp_path / "whole.jpg").read_bytes()[:2000]
    (tmp_path / "cut.jpg").write_bytes(cut)
    for name in ("text.png", "empty.jpg", "folder.png", "cut.jpg"):
        path = tmp_path / name
        with pytest.raises(ValueError, match=re.escape(f"{path} cannot be")):
            load_image(path, 8)


@pytest.mark.parametrize(
    "arguments",
    [
        {"side": 0},
        {"side": 2.5},
        {"crop": 0},
        {"crop": 1.1},
        {"crop": "squeeze"},
        {"crop": True},
        {"side": True},
        {"interpolation": "nearest"},
        {"channels": 4},
    ],
)
def test_arguments_out_of_range(tmp_path, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=re.escape(f"{name}={value!r}")):
        load_image(tmp_path / "none.png", **{"side": 8, **arguments})


def test_the_images_of_a_folder(tmp_path):
    for name in ("b.JPEG", "a.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "inner.png").mkdir()
    assert [path.name for path in find_images(tmp_path)[0]] == [
        "a.png",
        "b.JPEG",
    ]


def test_every_suffix_is_one_that_pillow_opens():
    Image.init()
    formats = Image.registered_extensions()
    assert {".webp", ".tif", ".tiff", ".jfif", ".jpe", ".ppm"} < set(SUFFIXES)
    for suffix in SUFFIXES:
        assert formats[suffix] in Image.OPEN or suffix == ".mpo"


@pytest.mark.parametrize("suffix", sorted({*SUFFIXES} - {".apng", ".psd"}))
def test_a_file_of_every_suffix_is_read(suffix, tmp_path):
    """Those that Pillow can write; JPEG changes colours a little."""
    image = Image.new("L" if suffix == ".pgm" else "RGB", (32, 32), "white")
    image = image.convert("1") if suffix == ".pbm" else image
    path = save(image, tmp_path / f"image{suffix}")
    assert (load_image(path, 8) >= 253).all()
    assert find_images(tmp_path)[0] == [path]


def test_squash_keeps_the_whole_image(tmp_path):
    """As Pillow resizes it, whatever its proportions."""
    image = noise(120, 30)
    path = save(image, tmp_path / "image.png")
    for name, resampling in RESAMPLING.items():
        expected = np.asarray(image.resize((16, 16), resampling))
        actual = load_image(path, 16, "squash", name)
        np.testing.assert_array_equal(actual, expected)


def test_numpy_numbers_are_accepted(tmp_path):
    path = save(noise(40, 30), tmp_path / "image.png")
    actual = load_image(path, np.int64(8), np.float32(0.5))
    np.testing.assert_array_equal(actual, load_image(path, 8, 0.5))


def test_size_is_read_from_the_header(tmp_path):
    path = save(noise(40, 30), tmp_path / "image.jpg")
    path.write_bytes(path.read_bytes()[:-20])  # Its pixels are cut short.
    assert image_size(path) == (40, 30)


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def relative(folder, paths):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_images_of_deeper_folders_are_found_once(tmp_path):
    """Though links lead back, or round in circles; hidden ones are not."""
    write(tmp_path, "b.png", "a/c.JPG", "a/deep/d.webp", ".git/e.png")
    write(tmp_path, "__MACOSX/f.png", "a/Thumbs.db", "a/._c.JPG", "a/notes.md")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "a" / "loop.png").symlink_to("loop.png")
    (tmp_path / "link.png").symlink_to("b.png")
    images, others = find_images(tmp_path)
    expected = ["a/c.JPG", "a/deep/d.webp", "b.png", "link.png"]
    assert relative(tmp_path, images) == expected
    assert relative(tmp_path, others) == ["a/loop.png", "a/notes.md"]
    assert relative(tmp_path, visible_folders(tmp_path)) == ["a"]
    line = "cats: 2 files not used (.md, no regular .png)"
    assert describe_unused("cats", others) == line
