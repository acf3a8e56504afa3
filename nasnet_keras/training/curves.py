"""Training curves as `history.csv`, as a plot and for TensorBoard."""

import csv
import io
import os
import pathlib
import time

import keras

from nasnet_keras.runs.files import DamagedFileError, write_atomically
from nasnet_keras.runs.notices import notice
from nasnet_keras.training.inner_optimizers import inner_optimizers

HISTORY_FILE = "history.csv"


class Curves(keras.callbacks.Callback):
    """Writes the metrics of each epoch.

    Args:
        folder: Path, for `history.csv`, `curves.png` and `logs/`.
        epochs: Integer, the number of finished epochs. Later rows, which a
            killed training may have left, are dropped. The metrics of rows
            that are missing or damaged become NaN, and a line says so.
    """

    def __init__(self, folder, epochs=0):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self._writer = None
        self.rows = self._read(epochs)

    def _read(self, epochs):
        """Returns the rows of all finished epochs; mends the file."""
        path = self.folder / HISTORY_FILE
        found = _intact_rows(path) if path.is_file() and epochs else {}
        rows = [found.get(n, {"epoch": n}) for n in range(1, epochs + 1)]
        lost = [str(n) for n in range(1, epochs + 1) if n not in found]
        if lost:
            notice(
                f"{path} is damaged or incomplete: the metrics of epoch "
                f"{', '.join(lost)} are lost and become NaN."
            )
            write_atomically(path, _csv_text(rows))
        return rows

    def on_train_begin(self, logs=None):
        self._writer = _tensorboard_writer(self.folder / "logs")

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1}
        row.update({name: float(value) for name, value in logs.items()})
        row["learning_rate"] = _learning_rate(self.model.optimizer)
        row["seconds"] = round(time.monotonic() - self._began, 1)
        self.rows.append(row)
        write_atomically(self.folder / HISTORY_FILE, _csv_text(self.rows))
        self._log(row)
        self._plot()

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._writer.close()

    def _log(self, row):
        if self._writer is not None:
            for name, value in row.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, row["epoch"])
            self._writer.flush()

    def _plot(self):
        try:
            from nasnet_keras.visualize import plot_curves

            plot_curves(self.rows, self.folder / "curves.png")
        except ImportError:  # matplotlib is optional.
            return


def _tensorboard_writer(folder):
    """Returns a writer of TensorBoard's logs; `None` without TensorBoard."""
    try:
        from tensorboard.summary import Writer
    except ImportError:
        return None
    return Writer(str(folder))


def _learning_rate(optimizer):
    """Returns the learning rate; the classifier's if each cell has its own."""
    rates = [each.learning_rate for each in inner_optimizers(optimizer)]
    return max(map(float, rates))


def _csv_text(rows):
    text = io.StringIO()
    names = dict.fromkeys(name for row in reversed(rows) for name in row)
    # The rows of epochs whose metrics were lost have no more than a number.
    writer = csv.DictWriter(text, names, restval="nan", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_history(path: str | os.PathLike) -> list[dict[str, int | float]]:
    """Returns the rows of a `history.csv`, one dictionary per epoch.

    Raises:
        DamagedFileError: If a row is not complete.
    """
    rows = _rows(path)
    if None in rows:
        raise DamagedFileError(
            f"{path}, line {rows.index(None) + 2} is damaged. The training's "
            "own command mends the file."
        )
    return rows


def _intact_rows(path):
    """Returns the rows that can be read, by epoch."""
    return {row["epoch"]: row for row in _rows(path) if row is not None}


def _rows(path):
    """Returns all rows of the file; `None` for those that are damaged."""
    text = pathlib.Path(path).read_text(errors="replace")
    *lines, rest = text.split("\n")  # `rest`: a line that was cut.
    header = lines[0].split(",") if lines else []
    rows = [_row(header, line.split(",")) for line in lines[1:]]
    return [*rows, None] if rest else rows


def _row(header, values):
    if "epoch" not in header or len(values) != len(header):
        return None
    row = dict(zip(header, values))
    try:
        return {
            name: int(value) if name == "epoch" else float(value)
            for name, value in row.items()
        }
    except ValueError:
        return None
