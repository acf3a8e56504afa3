"""Retraining the best cells of a search, to keep one model."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from nasnet_keras import checks
from nasnet_keras.inference.evaluate import NotFiniteError, measure
from nasnet_keras.layers.image_axes import image_shape
from nasnet_keras.model_files import load_model, save_model
from nasnet_keras.model_files.contract import PIXELS
from nasnet_keras.networks.build import build_network
from nasnet_keras.runs.files import (
    json_text,
    read_json,
    write_atomically,
    write_json,
)
from nasnet_keras.runs.folder import differences, without_data_name
from nasnet_keras.runs.lock import FolderLock
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search.evaluators.children import (
    cost_of_nasnet_a,
    data_network,
)
from nasnet_keras.search.evaluators.shared.evaluator import SharedWeights
from nasnet_keras.search.names import BUDGETS, equal_size
from nasnet_keras.search.results import SearchResults
from nasnet_keras.training.callbacks import DivergedError
from nasnet_keras.training.data.dataset import Dataset
from nasnet_keras.training.feeds.augmentation import steps_per_epoch
from nasnet_keras.training.feeds.evaluation import evaluation_batches
from nasnet_keras.training.fit import MODEL_FILE, fit
from nasnet_keras.training.recipes import Recipe

FOLDER = "retrain"
WINNER = "winner.json"
RANKING = "retrained.json"
CARD = "model.md"
TRAINING = "run.json"
USUAL_FILTERS = 16
# What a network takes and gives; `images` is of earlier versions.
CONTRACT = ("images", "input_range", "outputs")


def retrain(
    found: SearchResults,
    dataset: Dataset,
    recipe: Recipe,
    top: int = 1,
    cells_per_stack: int = 2,
    filters: int | None = None,
    seed: int = 0,
    verbose: int | str = "auto",
    parameters: int | None = None,
    macs: int | None = None,
) -> keras.Model:
    """Trains the best cells of a search from scratch, and keeps the best.

    They are ranked by their accuracy on the validation images; the winner
    alone is measured on the test images. Cells that were trained in the
    folder with the same settings are not trained again.

    Args:
        found: `SearchResults`, as `search` returns it.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        recipe: `nasnet_keras.training.recipes.Recipe`.
        top: Integer, the number of cells to train.
        cells_per_stack: Integer, N of the networks.
        filters: Integer, F of their first stack, the same for all cells.
        seed: Integer.
        verbose: As in Keras' `fit`.
        parameters, macs: Integer, about the parameters, or the multiply-adds,
            of each network. If no size is given, it is that of NASNet-A's
            with 16 filters, in what was equal in the search: parameters,
            multiply-adds or filters.

    Returns:
        `keras.Model`, the winner: it takes images of 0 to 255. It is saved in
        the search's folder as `model.keras` with its class names and image
        size; beside it `model.md`, its card, `winner.json`, its genotype, and
        `retrained.json`, the ranking.

    Raises:
        ValueError: If an argument is out of range, or there are no validation
            images.
        DivergedError: If all trainings diverged. If only some did, the
            ranking says so.
        FolderInUseError: If another process works in the search's folder.
    """
    top, seed = checks.integer("top", top, 1), checks.seed(seed)
    if not len(dataset.validation[0]):
        raise ValueError(
            "`dataset` must have validation images: the cells are ranked by "
            "them."
        )
    size = {"filters": filters, "parameters": parameters, "macs": macs}
    network = _network_for(found, dataset, cells_per_stack, size)
    recipe = dataclasses.replace(recipe, image_size=network.side)
    # Before anything is written.
    first = found.genotype(found.best(1)[0])
    network.check_budget(first)
    _winner_config(network, first, recipe)
    steps_per_epoch(
        len(dataset.train[0]), recipe.batch_size, recipe.accumulation_steps
    )
    with FolderLock(found.folder):
        rows, failed = [], []
        for record in found.best(top):
            try:
                row = _train(
                    found, record, network, recipe, dataset, seed, verbose
                )
                rows.append(row)
            except (DivergedError, NotFiniteError) as error:
                # Others may converge.
                failed.append({"trial": record["trial"], "failed": str(error)})
        if not rows:
            raise DivergedError(failed[0]["failed"])
        rows.sort(key=lambda row: -row["val_accuracy"])
        return _save_winner(found, rows, failed, dataset, recipe)


def _network_for(found, dataset, cells_per_stack, size):
    """Returns the `Network` of all cells; its size is by default a usual one
    in what was equal in the search."""
    if all(value is None for value in size.values()):
        usual = data_network(dataset, cells_per_stack, filters=USUAL_FILTERS)
        equal = _equal_in_search(found.configuration)
        if equal is None:
            return usual
        size = {equal: cost_of_nasnet_a(usual, equal)}
    return data_network(dataset, cells_per_stack, **size)


def _equal_in_search(configuration):
    """Returns the budget that the children of the last stage shared, if any.

    Children of shared weights have equal filters, but those that are trained
    from scratch at the end have equal parameters.
    """
    if configuration.get("evaluator") == SharedWeights.__name__:
        return "parameters"
    equal = equal_size(configuration)
    return equal if equal in BUDGETS else None


def _train(found, record, network, recipe, dataset, seed, verbose):
    """Trains the network of a trial's cells; returns its ranking row."""
    genotype = found.genotype(record)
    network = network.sized(genotype)
    folder = found.folder / FOLDER / f"{record['trial']:05d}"
    about = {
        "class_names": list(dataset.classes),
        "image_size": dataset.input_shape[0],
        "input_range": PIXELS,
        "outputs": "probabilities",
        "genotype": genotype.to_dict(),
        "network": dataclasses.asdict(network),
        "recipe": dataclasses.asdict(recipe),
        "seed": seed,
        "data": {"name": dataset.name, "sha256": dataset.digest},
    }
    _check_settings(folder / TRAINING, about)
    keras.utils.set_random_seed(seed)
    model, _ = build_network(_winner_config(network, genotype, recipe))
    about = _with_reading(about, dataset)
    rows = fit(
        model, recipe, dataset, folder, seed, about=about, verbose=verbose
    )
    return {
        "trial": record["trial"],
        "reward": record["score"],
        "val_accuracy": _accuracy(model, dataset.validation, recipe),
        "parameters": model.count_params(),
        "epochs": len(rows),
        "folder": str(folder.relative_to(found.folder)),
    }


def _winner_config(network, genotype, recipe):
    """Returns the configuration; for images of any size where possible."""
    auxiliary_head = recipe.auxiliary_weight > 0
    config = network.config(
        genotype,
        auxiliary_head=auxiliary_head,
        drop_path_rate=recipe.drop_path_rate,
        dropout_rate=recipe.dropout_rate,
        include_preprocessing=recipe.preprocessing,
        name="winner",
    )
    if auxiliary_head:  # Its weights depend on the size.
        return config
    data_format = keras.config.image_data_format()
    shape = image_shape(None, data_format, network.channels)
    return config.replace(input_shape=shape)


def _check_settings(path, about):
    """Writes the settings; refuses a folder with other settings."""
    remedy = f"Remove {path.parent}: its cell is trained again."
    before = read_json(path, remedy=remedy) if path.is_file() else None
    about = json.loads(json_text(about))  # No tuples.
    if before and list(
        differences(_without_names(before), _without_names(about))
    ):
        raise ValueError(
            f"{path.parent} holds a training with other settings (see "
            f"{path.name} there). Nothing was changed. Remove the folder, or "
            "give the same settings."
        )
    write_json(path, about)


def _with_reading(about, dataset):
    """Adds how images are read and drawn, which earlier settings lack."""
    return {
        **about,
        "crop": dataset.crop,
        "interpolation": dataset.interpolation,
        "data": {**about["data"], **dataset.draw},
    }


def _without_names(about):
    """Removes the names of genotype and data, which folders determine.

    Also what all networks take and give, which earlier versions wrote
    otherwise.
    """
    genotype = dict(about.get("genotype") or {})
    genotype.pop("name", None)
    about = {**without_data_name(about), "genotype": genotype}
    return {k: v for k, v in about.items() if k not in CONTRACT}


def _accuracy(model, part, recipe):
    batches = evaluation_batches(part, recipe.image_size, recipe.batch_size)
    return measure(model, batches)["top1"]


def _save_winner(found, rows, failed, dataset, recipe):
    """Writes the winner's files; returns its model."""
    path: pathlib.Path = found.folder / rows[0]["folder"] / MODEL_FILE
    model = load_model(path)
    about = _with_reading(read_json(path.parent / TRAINING), dataset)
    about["accuracy"] = {"validation": rows[0]["val_accuracy"]}
    if len(dataset.test[0]):
        about["accuracy"]["test"] = _accuracy(model, dataset.test, recipe)
    about["produced_by"] = provenance("keras-tuner")
    save_model(model, found.folder / MODEL_FILE, about)
    winner = {"genotype": about["genotype"], **about["accuracy"]}
    for name, content in ((WINNER, winner), (RANKING, rows + failed)):
        write_json(found.folder / name, content)
    write_atomically(found.folder / CARD, card(about, rows, failed))
    return model


def card(
    about: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    failed: Sequence[dict[str, Any]] = (),
) -> str:
    """Returns the model card of a retrained winner, as Markdown.

    Args:
        about: Dictionary that is stored with the model.
        rows: List of dictionaries, the ranking.
        failed: List of dictionaries, the cells whose training diverged.
    """
    accuracy, network = about["accuracy"], about["network"]
    made = about["produced_by"]
    facts = {
        "Network": f"N {network['cells_per_stack']}, F {network['filters']}, "
        f"{rows[0]['parameters']:,} parameters",
        "Input": f"RGB images of {about['image_size']} pixels, values 0 to 255",
        "Classes": ", ".join(about["class_names"]),
        "Data": f"{about['data']['name']} (SHA-256 "
        f"{about['data']['sha256'][:12]}...)",
        "Validation accuracy": f"{accuracy['validation']:.2%}",
        "Test accuracy": f"{accuracy['test']:.2%}, measured for this network "
        "alone"
        if "test" in accuracy
        else "no test images",
        "Trained": f"{rows[0]['epochs']} epochs; {made['machine']}; Keras "
        f"{made['keras']}, {made['backend']}; {made['time']}",
    }
    lines = ["# " + about["genotype"]["name"], "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    lines += ["", "| trial | reward | validation accuracy | parameters |"]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {r['trial']} | {r['reward']:.4f} | {r['val_accuracy']:.2%} | "
        f"{r['parameters']:,} |"
        for r in rows
    ]
    lines += [f"| {r['trial']} | | diverged | |" for r in failed]
    return "\n".join(lines) + "\n"
