"""`about.json` in a `.keras` file."""

import zipfile

import pytest

from nasnet_keras.model_files import read_about
from nasnet_keras.runs.files import DamagedFileError


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
