"""Training curves as `history.csv`, as a plot and for TensorBoard."""

import csv
import io
import os
import pathlib
import time

import keras

from nasnet_keras.runs.files import write_atomically
from nasnet_keras.training.inner_optimizers import inner_optimizers

HISTORY_FILE = "history.csv"


class Curves(keras.callbacks.Callback):
    """Writes the metrics of each epoch.

    Args:
        folder: Path, for `history.csv`, `curves.png` and `logs/`.
        epochs: Integer, the number of finished epochs. Later rows, which a
            killed training may have left, are dropped.
    """

    def __init__(self, folder, epochs=0):
        super().__init__()
        self.folder = pathlib.Path(folder)
        path = self.folder / HISTORY_FILE
        self._writer = None
        self.rows = read_history(path)[:epochs] if path.is_file() else []

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
    writer = csv.DictWriter(text, list(rows[-1]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_history(path: str | os.PathLike) -> list[dict[str, int | float]]:
    """Returns the rows of a `history.csv`, one dictionary per epoch."""
    with open(path, newline="") as file:
        return [
            {
                name: int(value) if name == "epoch" else float(value)
                for name, value in row.items()
            }
            for row in csv.DictReader(file)
        ]
