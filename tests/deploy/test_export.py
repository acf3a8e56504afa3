"""`export_model`; `tests/search/test_run.py` runs an exported model."""

import pytest

from nasnet_keras.deploy.export import export_model


@pytest.mark.parametrize("name", ["exported", "exported.classes.json"])
def test_nothing_is_overwritten(name, tmp_path):
    (tmp_path / name).write_text("precious")
    with pytest.raises(ValueError, match=rf"{name} exists\. Nothing"):
        export_model("none.keras", tmp_path / "exported")
    assert (tmp_path / name).read_text() == "precious"
