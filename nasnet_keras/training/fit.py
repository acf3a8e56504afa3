"""One training in one folder, from its first step or from its last epoch.

The folder holds `checkpoints/epoch_NNNN.keras` (the whole state after an
epoch), `history.csv`, `curves.png`, `logs/` for TensorBoard and, in the end,
`model.keras`.
"""

import pathlib
import tempfile

import keras

from nasnet_keras.layers.drop_path import AdaptiveDropPath, ScheduledDropPath
from nasnet_keras.model_files import save_model
from nasnet_keras.training.callbacks import (
    Checkpoints,
    Reseed,
    StopOnNaN,
    TrainingError,
)
from nasnet_keras.training.curves import Curves
from nasnet_keras.training.distill import make_distiller
from nasnet_keras.training.feeds.evaluation import evaluation_batches
from nasnet_keras.training.feeds.make import make_feed
from nasnet_keras.training.optimizers import (
    allow_unused_weights,
    compile_model,
)

MODEL_FILE = "model.keras"
CHECKPOINTS = "checkpoints"


def fit(
    model,
    recipe,
    dataset,
    folder,
    seed=0,
    teacher=None,
    about=None,
    verbose=2,
):
    """Trains a model by a recipe, or goes on where its folder ends.

    A training that was killed goes on from its last whole epoch, to the same
    curve: order and augmentation of the images, what drops in the network, the
    schedules and the averages all follow from the seed and the step.

    Args:
        model: `keras.Model`, that takes images of 0 to 255. Outputs:
            `predictions` and, with `recipe.auxiliary_weight`,
            `auxiliary_predictions`, as probabilities.
        recipe: `nasnet_keras.training.Recipe`.
        dataset: `nasnet_keras.training.data.dataset.Dataset`. Its validation part, if
            it has one, is evaluated after each epoch.
        folder: Path, of this training alone.
        seed: Integer, of all chance but the initial weights.
        teacher: Optional `keras.Model` that takes the same images and tells
            the same classes apart: the model learns from it as well.
        about: Optional dictionary, stored with the model: see
            `nasnet_keras.model_files`.
        verbose: As in Keras' `fit`.

    Returns:
        List of dictionaries, the curve: one per epoch.

    Raises:
        TrainingError: If the loss becomes NaN or infinite, or the folder
            cannot be written; the message names the last good checkpoint.
    """
    folder = pathlib.Path(folder)
    outputs = len(model.outputs)
    feed = make_feed(dataset, recipe, seed, copies=outputs)
    steps = feed.steps_per_epoch
    compile_model(model, recipe, steps)
    trained = model if teacher is None else make_distiller(model, teacher)
    checkpoints = Checkpoints(model, folder / CHECKPOINTS, about)
    done = checkpoints.epoch()
    if done:
        model.load_weights(checkpoints.last())
    curves = Curves(folder, done)
    validation = _validation(dataset, recipe, outputs)
    try:
        _check_writable(checkpoints.folder)  # Now, not after an epoch.
        if done < recipe.epochs:
            callbacks = _callbacks(recipe, steps, seed, curves, checkpoints)
            with allow_unused_weights():
                trained.fit(
                    feed.batches(done * steps),
                    epochs=recipe.epochs,
                    initial_epoch=done,
                    steps_per_epoch=steps,
                    validation_data=validation,
                    shuffle=False,  # The feed has an order of its own.
                    callbacks=callbacks,
                    verbose=verbose,
                )
        elif recipe.ema:  # Killed after the last epoch, before its average.
            model.optimizer.finalize_variable_values(model.trainable_variables)
        save_model(model, folder / MODEL_FILE, about)
    except OSError as error:
        raise TrainingError(
            f"{folder} cannot be written: {error}. {checkpoints.kept()}"
        ) from error
    return curves.rows


def _check_writable(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _callbacks(recipe, steps, seed, curves, checkpoints):
    callbacks = [Reseed(seed), StopOnNaN(checkpoints)]
    if recipe.drop_path_rate and recipe.drop_path_schedule == "linear":
        callbacks.append(ScheduledDropPath(recipe.epochs * steps))
    if recipe.drop_path_rate and recipe.drop_path_schedule == "adaptive":
        callbacks.append(AdaptiveDropPath(history=curves.rows))
    if recipe.ema:
        callbacks.append(keras.callbacks.SwapEMAWeights())
    # A row is written before the checkpoint of its epoch: rows that are ahead
    # of the last checkpoint are taken back when a training goes on.
    return [*callbacks, curves, checkpoints]


def _validation(dataset, recipe, copies):
    """The batches of the validation part; `None` without one."""
    if not len(dataset.validation[0]):
        return None
    return evaluation_batches(
        dataset.validation,
        recipe.image_size,
        recipe.batch_size,
        classes=len(dataset.classes),
        copies=copies,
    )
