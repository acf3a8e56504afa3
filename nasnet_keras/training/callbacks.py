"""Keras callbacks for trainings that can be resumed."""

import math
import pathlib
import zipfile

import keras
import numpy as np

from nasnet_keras.layers.walk import all_layers
from nasnet_keras.model_files import save_model
from nasnet_keras.runs.notices import notice


class TrainingError(RuntimeError):
    """Training cannot continue; the message names the last checkpoint."""


class DivergedError(TrainingError):
    """The loss is NaN or infinite."""


class Reseed(keras.callbacks.Callback):
    """Seeds the random generators of all layers before each epoch.

    Keras does not save their states. With states that depend on the seed and
    the epoch alone, a resumed training drops the same paths as an
    uninterrupted one.

    Args:
        seed: Integer.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        generators = [
            layer.seed_generator
            for layer in all_layers(self.model)
            if getattr(layer, "seed_generator", None) is not None
        ]
        for i, generator in enumerate(generators):
            rng = np.random.default_rng([self.seed, 2, epoch, i])
            state = rng.integers(0, 2**31, 2)
            generator.state.assign(state.astype("uint32"))


class StopOnNaN(keras.callbacks.Callback):
    """Ends training with an error when the loss is NaN or infinite.

    Args:
        checkpoints: Optional `Checkpoints`, for the error message.

    Raises:
        DivergedError: In training.
    """

    def __init__(self, checkpoints=None):
        super().__init__()
        self.checkpoints = checkpoints

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if math.isfinite(loss):
            return
        last = self.checkpoints.describe_last() if self.checkpoints else ""
        raise DivergedError(
            f"The loss is {loss} at step {batch + 1} of epoch "
            f"{self._epoch + 1}. {last} Lower the learning rate, or clip the "
            "gradients."
        )


class Checkpoints(keras.callbacks.Callback):
    """Saves the state of training after each epoch.

    A checkpoint is written atomically. It holds the weights as trained; their
    moving averages are part of the optimizer's state.

    Args:
        model: `keras.Model` to save: the trained one, or its student.
        folder: Path.
        about: Optional dictionary, stored with each, see `save_model`.
        keep: Integer, the number of checkpoints to keep.
    """

    def __init__(self, model, folder, about=None, keep=2):
        super().__init__()
        self._saved_model = model
        self.about = about
        self.folder = pathlib.Path(folder)
        self.keep = keep

    def on_epoch_end(self, epoch, logs=None):
        path = self.folder / f"epoch_{epoch + 1:04d}.keras"
        save_model(self._saved_model, path, self.about)
        for old in self._all()[: -self.keep]:
            old.unlink()

    def last(self):
        """Returns the newest checkpoint that is not damaged, or `None`."""
        return next(filter(_is_intact, reversed(self._all())), None)

    def to_go_on_from(self):
        """Returns `last()`, and names the newer ones, which are damaged.

        Raises:
            TrainingError: If there are checkpoints and all are damaged.
        """
        last = self.last()
        names = self._all()
        damaged = names[names.index(last) + 1 :] if last else names
        for path in damaged:
            notice(f"{path} is damaged.")
        if damaged and last is None:
            raise TrainingError(
                f"All checkpoints in {self.folder} are damaged. Restore a copy "
                "of one, or remove the folder to train from the beginning."
            )
        if damaged:
            notice(f"The training goes on from {last}.")
        return last

    def describe_last(self):
        """Returns a sentence that names the newest checkpoint."""
        last = self.last()
        if last is None:
            return "There is no checkpoint yet."
        return f"The last good checkpoint is {last}."

    def _all(self):
        paths = self.folder.glob("epoch_*.keras")
        return sorted((p for p in paths if epoch_of(p)), key=epoch_of)


def epoch_of(path):
    """Returns the epoch of a checkpoint; 0 for another file or `None`."""
    number = path.stem.removeprefix("epoch_") if path else ""
    return int(number) if number.isdecimal() else 0


def _is_intact(path):
    """Whether a checkpoint has the content that was written to it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None  # It compares checksums.
    except Exception:  # Damaged files raise many kinds of errors.
        return False
