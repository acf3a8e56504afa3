"""What `nasnet search` does, step by step, in its folder."""

import functools
import json
import shlex

import keras_tuner
import numpy as np

import nasnet_keras
from nasnet_keras.files import write_atomically
from nasnet_keras.provenance import provenance
from nasnet_keras.published import NASNET_A
from nasnet_keras.search import comparison
from nasnet_keras.search.evaluator import Recipe, TrainFromScratch, choose_stem
from nasnet_keras.search.oracle import RandomOracle
from nasnet_keras.search.ppo_oracle import PPOOracle
from nasnet_keras.search.progress import Progress, say
from nasnet_keras.search.space import NASNetSpace
from nasnet_keras.search.tuner import CellTuner
from nasnet_keras.training.data import load_dataset
from nasnet_keras.visualize import plot_genotype, plot_rewards

# Whoever follows a search through a pipe wants its lines at once.
tell = functools.partial(print, flush=True)


class Session:
    """A search in a folder, from the data to the networks of the best cell.

    Args:
        args: The parsed arguments of `nasnet search`.
    """

    def __init__(self, args):
        self.args = args
        self.recipe = Recipe(
            cells_per_stack=args.cells_per_stack,
            filters=args.filters,
            epochs=args.epochs,
            batch_size=args.batch_size,
        )

    def run(self):
        """Searches, compares and assembles; prints what comes out."""
        self.dataset = self._load()
        self.evaluator = TrainFromScratch(
            self.dataset, self.recipe, seed=self.args.seed
        )
        oracle = self._search(self.args.oracle, self.args.directory)
        best = self._best(oracle)
        if best is None:
            raise RuntimeError(
                f"No trial of {self.args.directory} was completed; see the "
                "messages in its trials.jsonl."
            )
        tell(f"\nBest cell, reward {best.score:.4f} (trial {best.trial_id}):")
        tell(self._genotype(oracle, best))
        if self.args.compare:
            self._compare(oracle)
        self._assemble(self._genotype(oracle, best))
        self._say_commands()

    def _load(self):
        args = self.args
        dataset = load_dataset(
            args.dataset,
            data_dir=args.data_dir,
            image_size=args.image_size,
            validation_split=args.validation_split,
            images=args.images,
            seed=args.seed,
            in_memory=True,
        )
        if not isinstance(dataset.train[0], np.ndarray):
            raise ValueError(
                f"--dataset {args.dataset} is streamed; a search holds its "
                "images in memory. Give digits, cifar10, cifar100, a folder "
                "or an .npz file."
            )
        if not len(dataset.validation[1]):
            raise ValueError(
                "--validation-split must be above 0: the reward is the "
                "accuracy of the validation."
            )
        side = dataset.input_shape[0]
        sizes = ", ".join(
            f"{len(part[1])} {name}"
            for name, part in (
                ("to train", dataset.train),
                ("to validate", dataset.validation),
                ("to test", dataset.test),
            )
        )
        tell(
            f"data      {dataset.name}: {len(dataset.classes)} classes, {sizes}"
        )
        tell(f"images    {side}x{side}: {choose_stem(side)} stem")
        return dataset

    def _search(self, kind, folder):
        """Runs a search to its end, or on to it; returns its oracle."""
        oracle = self._make_oracle(kind)
        tuner = CellTuner(oracle, self.evaluator, folder.parent, folder.name)
        oracle.verbose = 0
        oracle.restore()
        finished, trials = len(oracle.end_order), self.args.trials
        say(f"{kind:9} {folder}: {_standing(finished, trials)}")
        try:
            with Progress(oracle, trials) as progress:
                tuner.after_trial = functools.partial(
                    self._after_trial, oracle, progress
                )
                tuner.search()
        finally:
            self._draw(oracle)
            oracle.close()
        return oracle

    def _make_oracle(self, kind):
        options = {
            "max_trials": self.args.trials,
            "seed": self.args.seed,
            "objective": keras_tuner.Objective("val_accuracy", "max"),
            "context": self.evaluator.describe(),
        }
        space = NASNetSpace(blocks=self.args.blocks)
        if kind == "random":
            return RandomOracle(space, **options)
        return PPOOracle(space, batch_size=self.args.update_every, **options)

    def _after_trial(self, oracle, progress, trial):
        progress.update(trial)
        best = self._best(oracle)
        if best is not None and best.trial_id == trial.trial_id:
            self._write_best(oracle)

    @staticmethod
    def _best(oracle):
        trials = oracle.get_best_trials(1)
        return trials[0] if trials and trials[0].score is not None else None

    def _genotype(self, oracle, trial):
        name = f"{self.args.directory.name}-{trial.trial_id}"
        return oracle.space.to_genotype(trial.hyperparameters.values, name)

    def _write_best(self, oracle):
        best = self._best(oracle)
        result = {
            "genotype": self._genotype(oracle, best).to_dict(),
            "reward": best.score,
            "trial": int(best.trial_id),
            "trials": len(oracle.end_order),
            "produced_by": {
                **provenance("keras-tuner"),
                "configuration": oracle.describe(),
            },
        }
        text = json.dumps(result, indent=1) + "\n"
        write_atomically(oracle.folder / "best.json", text)

    def _draw(self, oracle):
        best = self._best(oracle)
        if best is None:
            return
        self._write_best(oracle)
        rewards = [record["score"] for record in oracle.records]
        plot_genotype(self._genotype(oracle, best), oracle.folder / "cells.png")
        plot_rewards(rewards, oracle.folder / "reward.png")

    def _compare(self, oracle):
        """Trains the best cells and NASNet-A alike; prints test accuracies."""
        cells = {"searched": self._genotype(oracle, self._best(oracle))}
        if self.args.oracle != "random":
            say(
                f"\nFor comparison: {self.args.trials} random cells, evaluated "
                "alike."
            )
            random = self._search("random", self.args.directory / "random")
            cells["random"] = self._genotype(random, self._best(random))
            plot_rewards(
                [record["score"] for record in oracle.records],
                oracle.folder / "reward.png",
                baseline=[record["score"] for record in random.records],
            )
        cells["nasnet_a"] = NASNET_A
        results = comparison.compare(
            cells,
            self.recipe,
            self.dataset,
            self.args.seed,
            self.args.directory / "comparison.json",
        )
        tell("\n" + comparison.table(results))

    def _assemble(self, genotype):
        from nasnet_keras.summary import totals

        tell("\nThe best cell, assembled for ImageNet (random weights):")
        for build in (nasnet_keras.NASNetMobile, nasnet_keras.NASNetLarge):
            model = build(genotype=genotype, weights=None)
            parameters, macs = totals(model)
            side = model.input_shape[1]
            tell(
                f"  {build.__name__:13} {parameters / 1e6:8.2f} M parameters "
                f"{macs / 1e6:10.1f} M multiply-adds at {side}x{side}"
            )

    def _say_commands(self):
        run = shlex.quote(str(self.args.directory))
        more = 2 * self.args.trials
        again = [] if self.args.dataset == "digits" else ["<the same options>"]
        again = " ".join(["nasnet search", *again])
        tell(
            "\nGo on with:\n"
            f"  {again} --directory {run} --trials {more}\n"
            f"  nasnet summary nasnet_large --genotype {run}/best.json\n"
            f"  nasnet plot {run}/best.json --output cells.svg\n"
            "  nasnet search --dataset FOLDER   # one folder of images a class"
        )


def _standing(finished, trials):
    if finished >= trials:
        return (
            f"finished, {finished} of {trials} trials; --trials "
            f"{2 * finished} would add as many"
        )
    if finished:
        return f"{finished} of {trials} trials are done, going on"
    return f"{trials} trials"
