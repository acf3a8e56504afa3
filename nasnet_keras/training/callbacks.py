"""What a resumable training needs beside Keras' own callbacks."""

import math
import pathlib

import keras
import numpy as np

from nasnet_keras.model_files import save_model


class TrainingError(RuntimeError):
    """A training that cannot go on; the message names the last checkpoint."""


class DivergedError(TrainingError):
    """A training whose loss is no longer a number."""


class Reseed(keras.callbacks.Callback):
    """Seeds what draws in the network anew before each epoch.

    Keras saves no state of random generators. So each epoch's state follows
    from the seed and the number of the epoch, and a resumed training drops
    the paths that an uninterrupted one would.

    Args:
        seed: Integer.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        layers = self.model._flatten_layers()
        generators = (getattr(x, "seed_generator", None) for x in layers)
        for i, generator in enumerate(g for g in generators if g is not None):
            rng = np.random.default_rng([self.seed, 2, epoch, i])
            state = rng.integers(0, 2**31, 2)
            generator.state.assign(state.astype("uint32"))


class StopOnNaN(keras.callbacks.Callback):
    """Ends training with an error at the first loss that is no number.

    Args:
        checkpoints: `Checkpoints`, which knows the last one, or `None`.

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
        kept = self.checkpoints.kept() if self.checkpoints else ""
        raise DivergedError(
            f"The loss is {loss} at step {batch + 1} of epoch "
            f"{self._epoch + 1}. {kept} Lower the learning rate, or clip the "
            "gradients."
        )


class Checkpoints(keras.callbacks.Callback):
    """Writes the whole state of training after each epoch, whole or not.

    The weights in a file are those that training goes on with; averages of
    them are in the optimizer's state.

    Args:
        model: `keras.Model` to save: that which is trained, or the student in
            it.
        folder: Path.
        about: Optional dictionary, stored with each, see `save_model`.
        keep: Integer, how many to keep.
    """

    def __init__(self, model, folder, about=None, keep=2):
        super().__init__()
        self.saved = model
        self.about = about
        self.folder = pathlib.Path(folder)
        self.keep = keep

    def on_epoch_end(self, epoch, logs=None):
        path = self.folder / f"epoch_{epoch + 1:04d}.keras"
        save_model(self.saved, path, self.about)
        for old in self._all()[: -self.keep]:
            old.unlink()

    def last(self):
        """Returns the path of the newest checkpoint, or `None`."""
        return next(reversed(self._all()), None)

    def kept(self):
        """Returns a sentence that says which checkpoint is left."""
        last = self.last()
        if last is None:
            return "There is no checkpoint yet."
        return f"The last good checkpoint is {last}."

    def epoch(self):
        """Returns how many epochs the newest one has seen; 0 without one."""
        last = self.last()
        return int(last.stem.removeprefix("epoch_")) if last else 0

    def _all(self):
        return sorted(self.folder.glob("epoch_*.keras"))
