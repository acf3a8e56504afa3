"""The end of a search is a model: its best cells, trained for longer."""

import dataclasses
import json

import keras

from nasnet_keras.inference.evaluate import measure
from nasnet_keras.model_files import load_model, save_model
from nasnet_keras.runs.files import write_atomically
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search.evaluators.from_scratch import choose_stem
from nasnet_keras.search.evaluators.limits import Network
from nasnet_keras.training.callbacks import DivergedError
from nasnet_keras.training.feeds.evaluation import evaluation_batches
from nasnet_keras.training.fit import MODEL_FILE, fit

FOLDER = "retrain"
WINNER = "winner.json"
RESULTS = "retrained.json"
CARD = "model.md"


def retrain(
    found,
    dataset,
    recipe,
    top=1,
    cells_per_stack=2,
    filters=16,
    seed=0,
    verbose="auto",
):
    """Trains the best cells of a search from scratch, and keeps the best.

    They are ranked by their accuracy on the validation images; the winner
    alone is measured on the test images. What was trained already in the
    folder, under the same recipe, is not trained again.

    Args:
        found: `Found`, what a search returned.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        recipe: `nasnet_keras.training.recipes.Recipe`.
        top: Integer, how many cells to train.
        cells_per_stack: Integer, N of the networks.
        filters: Integer, F of their first stack.
        seed: Integer.
        verbose: As in Keras' `fit`.

    Returns:
        `keras.Model`, the winner: it takes images of 0 to 255. It is in the
        search's folder as `model.keras`, with its class names and the size of
        its images, beside `model.md`, its card, `winner.json`, its genotype,
        and `retrained.json`, the ranking.

    Raises:
        ValueError: If there are no such trials, or no validation images.
        DivergedError: If no training kept a finite loss. Where some did, the
            others are only noted in the ranking.
    """
    if top < 1:
        raise ValueError(f"`top` must be at least 1. Received: top={top}")
    if not len(dataset.validation[0]):
        raise ValueError(
            "`dataset` must have validation images: by them cells are ranked."
        )
    network = Network(
        cells_per_stack,
        filters,
        dataset.input_shape[0],
        len(dataset.classes),
        choose_stem(dataset.input_shape[0]),
        dataset.input_shape[-1],
    )
    recipe = dataclasses.replace(recipe, image_size=dataset.input_shape[0])
    rows, failed = [], []
    for record in found.best(top):
        try:
            rows.append(
                _train(found, record, network, recipe, dataset, seed, verbose)
            )
        except DivergedError as error:  # The others may do better.
            failed.append({"trial": record["trial"], "failed": str(error)})
    if not rows:
        raise DivergedError(failed[0]["failed"])
    rows.sort(key=lambda row: -row["val_accuracy"])
    return _crown(found, rows, failed, dataset, recipe)


def _train(found, record, network, recipe, dataset, seed, verbose):
    """Trains the network of a trial's cells in a folder; returns its row."""
    genotype = found.genotype(record)
    folder = found.folder / FOLDER / f"{record['trial']:05d}"
    about = {
        "class_names": list(dataset.classes),
        "image_size": dataset.input_shape[0],
        "images": "values of 0 to 255",
        "genotype": genotype.to_dict(),
        "network": dataclasses.asdict(network),
        "recipe": dataclasses.asdict(recipe),
        "seed": seed,
        "data": {"name": dataset.name, "sha256": dataset.digest},
    }
    _refuse_another(folder / "run.json", about)
    keras.utils.set_random_seed(seed)
    model = dataclasses.replace(network, side=_side(recipe, network)).build(
        genotype,
        auxiliary_head=recipe.auxiliary_weight > 0,
        drop_path_rate=recipe.drop_path_rate,
        dropout_rate=recipe.dropout_rate,
        include_preprocessing="whiten" if recipe.whiten else True,
        name="winner",
    )
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


def _side(recipe, network):
    """Fixed where the auxiliary head reads maps of one size."""
    return network.side if recipe.auxiliary_weight else None


def _refuse_another(path, about):
    text = json.dumps(about, indent=1) + "\n"
    if path.is_file() and _unnamed(path.read_text()) != _unnamed(text):
        raise ValueError(
            f"{path.parent} holds a training with other settings (see "
            f"{path.name} there). Nothing was changed. Remove the folder, or "
            "give the same settings."
        )
    write_atomically(path, text)


def _unnamed(text):
    """A training without its cell's name, which is that of the folder."""
    about = json.loads(text)
    return {**about, "genotype": {**about["genotype"], "name": None}}


def _accuracy(model, part, recipe):
    batches = evaluation_batches(part, recipe.image_size, recipe.batch_size)
    return measure(model, batches)["top1"]


def _crown(found, rows, failed, dataset, recipe):
    """Writes the winner's files; returns its model."""
    best = found.folder / rows[0]["folder"] / MODEL_FILE
    model = load_model(best)
    about = json.loads((best.parent / "run.json").read_text())
    about["accuracy"] = {"validation": rows[0]["val_accuracy"]}
    if len(dataset.test[0]):
        about["accuracy"]["test"] = _accuracy(model, dataset.test, recipe)
    about["produced_by"] = provenance("keras-tuner")
    save_model(model, found.folder / MODEL_FILE, about)
    result = {"genotype": about["genotype"], **about["accuracy"]}
    for name, content in ((WINNER, result), (RESULTS, rows + failed)):
        text = json.dumps(content, indent=1) + "\n"
        write_atomically(found.folder / name, text)
    write_atomically(found.folder / CARD, card(about, rows, failed))
    return model


def card(about, rows, failed=()):
    """Returns the card of a retrained winner, as Markdown.

    Args:
        about: Dictionary, what is stored with the model.
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
