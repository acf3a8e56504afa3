"""The comparison's file of results."""

import pytest

from nasnet_keras import NASNET_A
from nasnet_keras.runs.files import DamagedFileError
from nasnet_keras.search import ChildRecipe
from nasnet_keras.search.comparison import compare


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff"])
def test_a_damaged_file_is_named(tmp_path, content):
    """Before anything is trained."""
    path = tmp_path / "comparison.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="Remove it") as error:
        compare({"a": NASNET_A}, ChildRecipe(), None, 0, path)
    assert str(path) in str(error.value)
