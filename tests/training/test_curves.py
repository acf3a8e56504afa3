"""`history.csv`: what is read back, also from damaged files."""

import math

import pytest

from nasnet_keras.runs.files import DamagedFileError
from nasnet_keras.training.curves import Curves, read_history

TEXT = (
    "epoch,loss,val_loss,seconds\n"
    "1,2.5,2.25,0.5\n"
    "2,1.5,1.75,0.5\n"
    "3,0.5,1.25,0.5\n"
)
ROWS = [
    {"epoch": 1, "loss": 2.5, "val_loss": 2.25, "seconds": 0.5},
    {"epoch": 2, "loss": 1.5, "val_loss": 1.75, "seconds": 0.5},
    {"epoch": 3, "loss": 0.5, "val_loss": 1.25, "seconds": 0.5},
]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(TEXT)
    return path


def test_later_rows_are_dropped(path, capsys):
    assert Curves(path.parent, 3).rows == ROWS
    assert Curves(path.parent, 2).rows == ROWS[:2]
    assert Curves(path.parent).rows == []
    assert path.read_text() == TEXT and capsys.readouterr().err == ""


def test_a_file_that_is_cut_anywhere_is_mended(path, capsys):
    for length in range(len(TEXT)):
        path.write_text(TEXT[:length])
        finished = max(0, TEXT[:length].count("\n") - 1)
        rows = Curves(path.parent, 3).rows
        assert rows[:finished] == ROWS[:finished]
        assert rows[finished:] == [{"epoch": n} for n in range(finished + 1, 4)]
        lost = ", ".join(str(n) for n in range(finished + 1, 4))
        error = capsys.readouterr().err
        assert (
            f"{path} is damaged or incomplete: the metrics of epoch {lost}"
            in error
        )
        again = Curves(path.parent, 3).rows  # The file is mended.
        assert capsys.readouterr().err == ""
        assert again[:finished] == ROWS[:finished]
        assert [row["epoch"] for row in again] == [1, 2, 3]
        if finished:
            assert math.isnan(again[2]["loss"])


@pytest.mark.parametrize(
    "content", [None, b"", b"\x00\xff" * 50, b"[]\n", b"epoch\n1\n2\n\n3,4\n"]
)
def test_a_file_of_something_else_is_mended(path, content, capsys):
    path.unlink() if content is None else path.write_bytes(content)
    assert [row["epoch"] for row in Curves(path.parent, 3).rows] == [1, 2, 3]
    assert "are lost and become NaN" in capsys.readouterr().err


def test_a_damaged_row_in_between(path, capsys):
    path.write_text(TEXT.replace("1.5", "1.x"))
    assert Curves(path.parent, 3).rows == [ROWS[0], {"epoch": 2}, ROWS[2]]
    assert "the metrics of epoch 2 are lost" in capsys.readouterr().err
    assert math.isnan(read_history(path)[1]["loss"])
    path.write_text(TEXT.replace("1.5", "1.x"))
    with pytest.raises(DamagedFileError, match=r"history\.csv, line 3"):
        read_history(path)
