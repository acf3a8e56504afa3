"""A training in a folder: loads data and network, trains, can be resumed."""

import dataclasses
import pathlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras

import nasnet_keras
from nasnet_keras import checks
from nasnet_keras.layers.drop_path import has_drop_path
from nasnet_keras.model_files import (
    load_model,
    load_with_preset,
    read_about,
)
from nasnet_keras.model_files.contract import PIXELS, Said, pixel_range
from nasnet_keras.model_files.functional import functional
from nasnet_keras.model_files.graph import final_activation
from nasnet_keras.model_files.precision import in_precision
from nasnet_keras.model_files.standard import with_preprocessing
from nasnet_keras.presets import get_preset
from nasnet_keras.presets.types import Preset
from nasnet_keras.runs.lock import FolderLock
from nasnet_keras.runs.notices import first, notice, printable
from nasnet_keras.training.data import Dataset
from nasnet_keras.training.data.dataset import is_cropped
from nasnet_keras.training.data.recorded import (
    load_as_recorded,
    recorded_digest,
)
from nasnet_keras.training.feeds.augmentation import steps_per_epoch
from nasnet_keras.training.fine_tuning import freeze_to, replace_head
from nasnet_keras.training.fit import MODEL_FILE, fit
from nasnet_keras.training.network import (
    build_for_recipe,
    check_channels_last,
    check_images,
)
from nasnet_keras.training.recipes import Recipe
from nasnet_keras.training.remat import rematerialize
from nasnet_keras.training.run_file import RUN_FILE, write_run_file

PRESET = "nasnet_cifar"
# Arguments of a job that `run.json` records under `fine_tuning`.
FINE_TUNING = (
    "teacher",
    "teacher_input_range",
    "teacher_from_logits",
    "input_range",
    "freeze_to",
)


@dataclasses.dataclass(frozen=True)
class TrainingJob:
    """A training: its network, data, recipe and folder.

    Args:
        directory: Path of the folder of this training.
        recipe: `Recipe`.
        settings: Settings of the recipe to replace, by name.
        preset: Name or folder; `"nasnet_cifar"` by default.
        genotype: Cells in place of the preset's: a name or a JSON file.
        cells_per_stack, filters: Integers in place of the preset's.
        weights: Initial weights of the preset, by name or path; random by
            default.
        model: Path of a `.keras` file to start from, in place of a preset and
            its options. Unless `settings` change them, its image size is
            used, and drop path only if it has any.
        data, data_dir, validation_split, images: See `load_dataset`.
        crop: The same. Defaults to the recipe's.
        freeze_to: Name of a cell, see `fine_tuning.freeze_to`.
        teacher: Path of a `.keras` file to learn from as well.
        input_range: `"0..255"`, `"0..1"` or `"-1..1"`: the values that a
            `model` takes which does not say it itself.
        teacher_input_range, teacher_from_logits: The same of the teacher, and
            whether it gives logits.
        seed: Integer, of all randomness.
        precision: Keras' dtype policy.
        distribute: Whether to share each batch among all devices (JAX).
        remat: Whether cells keep no activations, see `rematerialize`. It
            changes no result, so that a training may be resumed without it.
        command: String, the command of the training, for `run.json`.
    """

    directory: pathlib.Path
    recipe: Recipe
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    preset: str | None = None
    genotype: str | None = None
    cells_per_stack: int | None = None
    filters: int | None = None
    weights: str | None = None
    model: str | None = None
    data: str = "cifar10"
    data_dir: str | None = None
    validation_split: float = 0.1
    images: int | None = None
    crop: float | str | None = None
    freeze_to: str | None = None
    teacher: str | None = None
    input_range: str | None = None
    teacher_input_range: str | None = None
    teacher_from_logits: bool | None = None
    seed: int = 0
    precision: str = "float32"
    distribute: bool = False
    remat: bool = False
    command: str = ""

    def network_options(self) -> dict[str, Any]:
        """Returns the given options of the network."""
        names = ("cells_per_stack", "filters", "weights", "model")
        options = {
            name: getattr(self, name)
            for name in names
            if getattr(self, name) is not None
        }
        if self.genotype is not None:
            options["genotype"] = nasnet_keras.load_genotype(self.genotype)
        return options


def run_training(
    job: TrainingJob,
    verbose: int = 2,
    report: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Trains, or resumes after the last complete epoch in the job's folder.

    Args:
        job: `TrainingJob`.
        verbose: As in Keras' `fit`.
        report: Function that takes lines about the training; prints them by
            default.

    Returns:
        List of dictionaries, the curve: one per epoch.

    Raises:
        ValueError: If an argument is out of range or does not fit the others,
            or the folder holds another training.
        TrainingError, FolderInUseError: See `fit`.
    """
    report = report or _print_at_once
    checks.seed(job.seed)
    origin = _origin(job)
    preset = None if job.model is not None else get_preset(job.preset or PRESET)
    recipe = _recipe(job, origin)
    _set_up_keras(job)
    dataset = _dataset(job, recipe)
    keras.utils.set_random_seed(job.seed)
    model, recipe = _network(job, preset, origin, recipe, dataset)
    if job.freeze_to is not None:
        freeze_to(model, job.freeze_to)
    if job.remat:
        rematerialize(model)
    teacher = _teacher(job, recipe, dataset)
    configuration = _configuration(job, preset, recipe, dataset)
    name = str(job.model) if preset is None else preset.name
    began = time.monotonic()
    with FolderLock(job.directory):
        write_run_file(job.directory, job.command, configuration)
        report(_description(name, model, dataset))
        rows = fit(
            model,
            recipe,
            dataset,
            job.directory,
            seed=job.seed,
            teacher=teacher,
            about=_about(origin, recipe, dataset, configuration),
            verbose=verbose,
        )
    minutes = (time.monotonic() - began) / 60
    report(
        f"{job.directory / MODEL_FILE}: after {len(rows)} epochs "
        f"({minutes:.0f} min in this process)"
    )
    return rows


def _print_at_once(line: str) -> None:
    print(printable(line, sys.stdout), flush=True)


def _origin(job: TrainingJob) -> dict[str, Any]:
    """What the file `job.model` holds besides its model; `{}` without one."""
    if job.model is None:
        return {}
    given = [name for name in job.network_options() if name != "model"]
    if job.preset is not None:
        given.append("preset")
    if given:
        raise ValueError(
            "`model` has its own network and weights. Received with it: "
            f"{', '.join(f'`{name}`' for name in given)}"
        )
    return read_about(job.model)


def _recipe(job: TrainingJob, origin: dict[str, Any]) -> Recipe:
    """The recipe with the job's settings, and the model's image size."""
    settings = dict(job.settings)
    if origin.get("image_size") is not None:
        settings.setdefault("image_size", origin["image_size"])
    return dataclasses.replace(job.recipe, **settings)


def _dataset(job: TrainingJob, recipe: Recipe) -> Dataset:
    """The data: as the run in the job's folder recorded them, if there is one.

    Raises:
        ValueError: If there are fewer images than a batch has.
    """
    crop = job.crop
    if crop is None and is_cropped(job.data):
        crop = recipe.crop
    dataset = load_as_recorded(
        recorded_digest(job.directory / RUN_FILE, "configuration"),
        0,  # The seed of all trainings' splits.
        job.data,
        data_dir=job.data_dir,
        image_size=recipe.image_size,
        validation_split=job.validation_split,
        images=job.images,
        crop=crop,
        random_crops=recipe.augmentation == "inception",
    )
    # Too few images are reported before the network is built.
    steps_per_epoch(
        len(dataset.train[0]), recipe.batch_size, recipe.accumulation_steps
    )
    return dataset


def _network(
    job: TrainingJob,
    preset: Preset | None,
    origin: dict[str, Any],
    recipe: Recipe,
    dataset: Dataset,
) -> tuple[keras.Model, Recipe]:
    """The network, and the recipe: without drop path if it has none."""
    check_channels_last()
    if preset is not None:
        options = job.network_options()
        return build_for_recipe(preset, recipe, dataset, **options), recipe
    source, model = str(job.model), load_model(str(job.model))
    taken = pixel_range(model, origin, source, Said(job.input_range))
    check_images(source, model, recipe, dataset)
    if "drop_path_rate" not in job.settings and not has_drop_path(model):
        recipe = dataclasses.replace(recipe, drop_path_rate=0.0)
    model = in_precision(functional(model), job.precision)
    if reason := _reason_for_new_head(model, origin, dataset):
        number = len(dataset.classes)
        model = replace_head(model, number)
        notice(
            f"{source} gets a new classifier for the {number} classes of "
            f"{dataset.name}: {reason}."
        )
    return with_preprocessing(model, taken), recipe


def _reason_for_new_head(
    model: keras.Model, origin: dict[str, Any], dataset: Dataset
) -> str:
    """Why a model's classifier cannot be trained on; empty text if it can."""
    names, wanted = origin.get("class_names"), list(dataset.classes)
    if not isinstance(names, list):
        return "its file does not say for which classes its own is"
    if names != wanted:
        order = sorted(map(str, names)) == sorted(wanted)
        return f"its own is for {'another order' if order else 'others'}, " + (
            first([str(name) for name in names])
        )
    activation = final_activation(model)
    ending = f"its own ends in {activation}, not in softmax"
    return "" if activation == "softmax" else ending


def _set_up_keras(job: TrainingJob) -> None:
    keras.config.set_dtype_policy(job.precision)
    if not job.distribute:
        return
    if keras.backend.backend() != "jax":
        raise ValueError(
            "`distribute` is Keras' own distribution, which runs on JAX: set "
            "KERAS_BACKEND=jax. Received: the backend "
            f"{keras.backend.backend()!r}"
        )
    keras.distribution.set_distribution(keras.distribution.DataParallel())


def _teacher(
    job: TrainingJob, recipe: Recipe, dataset: Dataset
) -> keras.Model | None:
    """The teacher, which takes 0 to 255 and gives probabilities."""
    if job.teacher is None:
        return None
    said = Said(job.teacher_input_range, job.teacher_from_logits, "teacher_")
    teacher, preset = load_with_preset(job.teacher, recipe.image_size, said)
    check_images(job.teacher, teacher, recipe, dataset)
    classes, number = preset.class_names, teacher.output_shape[-1]
    if classes not in (None, tuple(dataset.classes)):
        raise ValueError(
            "`teacher` must have the classes of the data. Received: "
            f"{job.teacher}, which knows {', '.join(classes)}"
        )
    if number != len(dataset.classes):
        raise ValueError(
            f"`teacher` must have the {len(dataset.classes)} classes of the "
            f"data. Received: {job.teacher}, which tells {number} apart"
        )
    if final_activation(teacher) == "sigmoid":
        raise ValueError(
            "`teacher` must end in softmax: distillation compares "
            f"distributions over the classes. Received: {job.teacher}, which "
            "ends in a sigmoid for each class"
        )
    return teacher


def _configuration(
    job: TrainingJob, preset: Preset | None, recipe: Recipe, dataset: Dataset
) -> dict[str, Any]:
    """All that the curve depends on."""
    fine_tuning = {
        name: str(getattr(job, name))
        for name in FINE_TUNING
        if getattr(job, name) is not None
    }
    options = job.network_options()
    # Runs of earlier versions have no such entry.
    crop = {} if job.crop is None else {"crop": job.crop}
    return {
        "precision": keras.config.dtype_policy().name,
        "fine_tuning": fine_tuning,
        "preset": preset and preset.name,
        "network": {name: str(value) for name, value in options.items()},
        "recipe": dataclasses.asdict(recipe),
        "data": {
            "name": dataset.name,
            "sha256": dataset.digest,
            "training_images": len(dataset.train[0]),
            "validation_images": len(dataset.validation[0]),
            **crop,
        },
        "seed": job.seed,
    }


def _about(
    origin: dict[str, Any],
    recipe: Recipe,
    dataset: Dataset,
    configuration: dict[str, Any],
) -> dict[str, Any]:
    """What is stored with the model."""
    cells = {k: v for k, v in origin.items() if k == "genotype"}
    return {
        **cells,
        "class_names": list(dataset.classes),
        "image_size": recipe.image_size,
        "input_range": PIXELS,
        "outputs": "probabilities",
        "crop": dataset.crop,
        "interpolation": dataset.interpolation,
        **configuration,
        "data": {
            **configuration["data"],
            **dataset.draw,
        },
    }


def _description(name: str, model: keras.Model, dataset: Dataset) -> str:
    return (
        f"{name}: {model.count_params():,} parameters; {dataset.name}: "
        f"{len(dataset.train[0]):,} images to train on, "
        f"{len(dataset.validation[0]):,} to validate"
    )
