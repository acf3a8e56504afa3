"""A run that goes on gets the data that it recorded."""

import json

import numpy as np
import pytest
from PIL import Image

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.data.recorded import (
    load_as_recorded,
    recorded_digest,
)

OPTIONS = {"image_size": 8, "images": 300}


def test_the_older_draw_is_known_by_its_digest():
    older = load_dataset("digits", **OPTIONS, older_draw=1)
    new = load_dataset("digits", **OPTIONS)
    assert older.digest != new.digest
    again = load_as_recorded(older.digest, 1, "digits", **OPTIONS)
    assert again.digest == older.digest
    assert again.draw["older_draw"] == 1 and "older_draw" not in new.draw
    for recorded in (None, new.digest, "0" * 64):
        loaded = load_as_recorded(recorded, 1, "digits", **OPTIONS)
        assert loaded.digest == new.digest


def test_an_older_folder_was_squashed(odd_folders):
    """As `keras.utils.load_img`, which read it then, squashes it."""
    options = {"name": str(odd_folders / "plain"), "image_size": 8}
    older = load_dataset(
        **options, crop="squash", interpolation="bilinear", older_draw=0
    )
    file = (
        load_dataset(**options, in_memory=False, older_draw=0).train[0].path(3)
    )
    with Image.open(file) as image:
        expected = image.resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(older.train[0][3], expected)
    again = load_as_recorded(older.digest, 0, **options)
    assert again.digest == older.digest
    assert (again.crop, again.interpolation) == ("squash", "bilinear")


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "{", '{"data": null}', '{"data": {}}', "1"]
)
def test_a_damaged_record_is_left_to_its_reader(content, tmp_path):
    (tmp_path / "run.json").write_text(content)
    assert recorded_digest(tmp_path / "run.json") is None
    assert recorded_digest(tmp_path / "none.json") is None


def test_a_record(tmp_path):
    record = {"configuration": {"data": {"sha256": "abc"}}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert recorded_digest(tmp_path / "run.json", "configuration") == "abc"
