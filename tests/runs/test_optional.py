"""The error for missing packages names them."""

import pytest

from nasnet_keras.runs import optional as extras


def test_what_is_there_is_passed_over():
    extras.require("This test", ["json", "numpy"], "test")


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(extras.PACKAGES, "no_such_module", "its-package")
    with pytest.raises(ImportError) as error:
        extras.require("A dream", ["numpy", "no_such_module"], "dreams")
    assert str(error.value) == (
        "A dream also needs its-package: pip install 'nasnet-keras[dreams]'"
    )
