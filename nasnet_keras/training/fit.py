"""Trains a network in a folder, and resumes a training that was stopped.

The folder holds `checkpoints/epoch_NNNN.keras` (the state after an epoch),
`history.csv`, `curves.png`, `logs/` for TensorBoard and, at the end,
`model.keras`.
"""

import os
import pathlib
import tempfile
from typing import Any

import keras

from nasnet_keras.checks import seed as check_seed
from nasnet_keras.model_files import save_model
from nasnet_keras.runs.files import remove_temporaries
from nasnet_keras.runs.lock import FolderLock
from nasnet_keras.training.callbacks import (
    Checkpoints,
    Reseed,
    StopOnNaN,
    TrainingError,
    epoch_of,
)
from nasnet_keras.training.curves import Curves
from nasnet_keras.training.data import Dataset
from nasnet_keras.training.distill import make_distiller
from nasnet_keras.training.drop_path import AdaptiveDropPath, ScheduledDropPath
from nasnet_keras.training.evaluated_weights import (
    BATCH_OF_SMALL,
    IMAGES,
    LEAST_BATCH,
    SMALL_SIDE,
    EvaluatedWeights,
    ImageBatches,
    sample,
    use_evaluated_weights,
)
from nasnet_keras.training.feeds.evaluation import evaluation_batches
from nasnet_keras.training.feeds.make import make_feed
from nasnet_keras.training.optimizers import (
    allow_unused_weights,
    compile_model,
)
from nasnet_keras.training.recipes import Recipe

MODEL_FILE = "model.keras"
CHECKPOINTS = "checkpoints"


def fit(
    model: keras.Model,
    recipe: Recipe,
    dataset: Dataset,
    folder: str | os.PathLike,
    seed: int = 0,
    teacher: keras.Model | None = None,
    about: dict[str, Any] | None = None,
    verbose: int | str = 2,
) -> list[dict[str, Any]]:
    """Trains a model by a recipe, or resumes the training in a folder.

    A killed training resumes after its last complete epoch and gives the same
    curve: the order and augmentation of the images, drop path, schedules and
    moving averages depend on the seed and the step alone.

    Evaluated and saved are the moving averages of the weights, if the recipe
    has an `ema`, and statistics of batch normalization that are estimated for
    them, see `nasnet_keras.training.evaluated_weights`.

    Args:
        model: `keras.Model` that takes images of 0 to 255. Outputs:
            `predictions` and, with `recipe.auxiliary_weight`,
            `auxiliary_predictions`, as probabilities.
        recipe: `nasnet_keras.training.recipes.Recipe`.
        dataset: `nasnet_keras.training.data.Dataset`. Its validation part, if
            it has one, is evaluated after each epoch.
        folder: Path, used by this training only.
        seed: Integer of 32 bits, of all random choices but the initial
            weights.
        teacher: Optional `keras.Model` for the same images and classes, for
            distillation.
        about: Optional dictionary that is stored with the model, see
            `nasnet_keras.model_files`.
        verbose: As in Keras' `fit`.

    Returns:
        List of dictionaries, the metrics of each epoch.

    Raises:
        ValueError: If the seed is out of range, or the images are too few for
            one update of the weights.
        TrainingError: If the loss becomes NaN or infinite, or the folder
            cannot be written; the message names the last good checkpoint. If
            all checkpoints are damaged.
        FolderInUseError: If another process trains in the folder.
    """
    folder, seed = pathlib.Path(folder), check_seed(seed)
    copies = len(model.outputs)
    feed = make_feed(dataset, recipe, seed, copies)
    compile_model(model, recipe, feed.steps_per_epoch)
    trained = model if teacher is None else make_distiller(model, teacher)
    checkpoints = Checkpoints(model, folder / CHECKPOINTS, about)
    validation = _validation(dataset, recipe, copies)
    images = _statistics_images(dataset, recipe, seed)
    try:
        with FolderLock(folder):
            _check_writable(checkpoints.folder)  # Before the first epoch.
            remove_temporaries(checkpoints.folder)
            done = _load_last(model, checkpoints)
            curves = Curves(folder, done)
            callbacks = _callbacks(
                recipe, feed.steps_per_epoch, seed, curves, checkpoints
            )
            callbacks.append(EvaluatedWeights(model, images))
            if done < recipe.epochs:
                _train(trained, feed, validation, callbacks, done, verbose)
            use_evaluated_weights(model, images)
            save_model(model, folder / MODEL_FILE, about)
    except OSError as error:
        raise TrainingError(
            f"{folder} cannot be written: {error}. "
            f"{checkpoints.describe_last()}"
        ) from error
    return curves.rows


def _load_last(model, checkpoints):
    """Loads the last checkpoint; returns the number of finished epochs."""
    path = checkpoints.to_go_on_from()
    if path is None:
        return 0
    try:
        model.load_weights(path)
    except Exception as error:  # Keras' errors do not name the file.
        raise TrainingError(
            f"{path} is no checkpoint of this training: {error}"
        ) from error
    return epoch_of(path)


def _train(model, feed, validation, callbacks, done, verbose):
    """Trains from the epoch after the last finished one to the end."""
    with allow_unused_weights():
        model.fit(
            feed.batches(done * feed.steps_per_epoch),
            epochs=feed.recipe.epochs,
            initial_epoch=done,
            steps_per_epoch=feed.steps_per_epoch,
            validation_data=validation,
            shuffle=False,  # The feed shuffles.
            callbacks=callbacks,
            verbose=verbose,
        )


def _check_writable(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _callbacks(recipe, steps, seed, curves, checkpoints):
    callbacks = [Reseed(seed), StopOnNaN(checkpoints)]
    if recipe.drop_path_rate and recipe.drop_path_schedule == "linear":
        callbacks.append(ScheduledDropPath(recipe.total_steps(steps)))
    if recipe.drop_path_rate and recipe.drop_path_schedule == "adaptive":
        known = [row for row in curves.rows if "val_loss" in row]
        callbacks.append(AdaptiveDropPath(history=known))
    # A row is written before the checkpoint of its epoch; a resumed training
    # drops rows that are ahead of the last checkpoint.
    return [*callbacks, curves, checkpoints]


def _validation(dataset, recipe, copies):
    """Returns the batches of the validation part; `None` without one."""
    if not len(dataset.validation[0]):
        return None
    return evaluation_batches(
        dataset.validation,
        recipe.image_size,
        recipe.batch_size,
        classes=len(dataset.classes),
        copies=copies,
    )


def _statistics_images(dataset, recipe, seed):
    """Returns training images for the statistics of batch normalization."""
    side = recipe.image_size
    least = BATCH_OF_SMALL if side <= SMALL_SIDE else LEAST_BATCH
    batch = max(recipe.batch_size, least)
    part = sample(dataset.train, max(IMAGES, batch), seed)
    return ImageBatches(evaluation_batches(part, side, batch))
