"""What `nasnet search` does, step by step, in its folder."""

import dataclasses
import functools
import shlex

import numpy as np

import nasnet_keras
from nasnet_keras.genotypes.published import NASNET_A, load_genotype
from nasnet_keras.search import comparison
from nasnet_keras.search.commands.progress import Progress, say
from nasnet_keras.search.commands.retrain import write_arguments
from nasnet_keras.search.commands.search import ROUND
from nasnet_keras.search.evaluators.from_scratch import (
    ChildRecipe,
    TrainFromScratch,
    child_network,
    choose_stem,
)
from nasnet_keras.search.evaluators.isolated import Isolated
from nasnet_keras.search.evaluators.limits import Limits
from nasnet_keras.search.evaluators.rewards import Reward
from nasnet_keras.search.evaluators.shared.evaluator import (
    SHARED,
    Rounds,
    SharedWeights,
)
from nasnet_keras.search.evaluators.stopping import MedianStopping
from nasnet_keras.search.run import search
from nasnet_keras.search.spaces import find_space
from nasnet_keras.training.data import load_dataset

# Whoever follows a search through a pipe wants its lines at once.
tell = functools.partial(print, flush=True)


class Session:
    """A search in a folder, from the data to the networks of the best cell.

    Args:
        args: The parsed arguments of `nasnet search`.
    """

    def __init__(self, args):
        self.args = args
        recipe = SHARED if args.evaluator == "shared" else ChildRecipe()
        self.recipe = dataclasses.replace(
            recipe,
            cells_per_stack=args.cells_per_stack,
            filters=args.filters,
            epochs=args.epochs,
            batch_size=args.batch_size,
            learning_rate=args.learning_rate or recipe.learning_rate,
            augmentation=args.augmentation,
        )

    def run(self):
        """Searches, compares and assembles; prints what comes out."""
        self.load()
        self.evaluator = self._make_evaluator()
        found = self._search(self.args.oracle, self.args.directory)
        (best,) = found.best()
        tell(
            f"\nBest cell, reward {best['score']:.4f} (trial {best['trial']}):"
        )
        tell(found.genotype(best))
        self._warn_of_chance(best)
        if self.args.compare:
            self._compare(found)
        self._assemble(found.genotype(best))
        self._say_commands()

    def load(self):
        """Loads the data and makes the space."""
        self.dataset = self._load()
        space = find_space(self.args.space, self.args.blocks)
        self.space = space.with_settings(**dict(self.args.also or ()))

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

    def _make_evaluator(self):
        args = self.args
        reward = Reward(args.cost, args.target)
        if args.evaluator == "shared":
            tell(
                "children  share their weights: before the first, minutes to "
                "compile their network and to warm it up"
            )
            return SharedWeights(
                self.space,
                self.dataset,
                self.recipe,
                Rounds(
                    args.warm_up_steps,
                    children=args.update_every or ROUND,
                    steps=args.round_steps,
                ),
                seed=args.seed,
                reward=reward,
            )
        stopping = MedianStopping() if args.stop_early else None
        evaluator = TrainFromScratch(
            self.dataset, self.recipe, args.seed, stopping, reward
        )
        if not args.trials_per_process:
            return evaluator
        return Isolated(evaluator, args.trials_per_process)

    def _search(self, kind, folder):
        """Runs a search to its end, or on to it; returns what it found."""
        trials = self.args.trials

        def progress(oracle):
            if folder == self.args.directory:
                write_arguments(self.args)  # The folder is ours by now.
            finished = len(oracle.end_order)
            say(f"{kind:9} {folder}: {_standing(finished, trials)}")
            return Progress(oracle, trials)

        return search(
            self.dataset,
            folder,
            trials,
            self.space,
            kind,
            self.evaluator,
            self.args.seed,
            progress,
            **self._options(kind),
        )

    def _options(self, kind):
        args = self.args
        options = {"limits": self._limits()}
        if kind == args.oracle:  # Not in the random search to compare with.
            options["warm_start"] = args.warm_start
            options["enqueue"] = [
                self.space.from_genotype(load_genotype(source))
                for source in args.enqueue
            ]
        if kind in ("ppo", "reinforce"):
            options["batch_size"] = args.update_every  # None: the setting's.
        if kind == "evolution":
            options["population_size"] = args.population_size
            options["sample_size"] = args.sample_size
        return options

    def _limits(self):
        if self.args.max_parameters is None and self.args.max_macs is None:
            return None
        return Limits(
            child_network(self.recipe, self.dataset),
            self.args.max_parameters,
            self.args.max_macs,
        )

    def _warn_of_chance(self, best):
        """Says so if shared weights have not learned what orders cells."""
        chance = 1 / len(self.dataset.classes)
        if (
            self.args.evaluator == "shared"
            and best["metrics"]["val_accuracy"] < 2 * chance
        ):
            tell(
                "\nThe shared weights classify hardly better than chance: "
                "these rewards order nothing yet. Search anew with more steps, "
                f"--warm-up-steps {4 * self.args.warm_up_steps or 2000}, or in "
                "a space of known wiring, --space nasnet_a_wired."
            )

    def _compare(self, found):
        """Trains the best cells and NASNet-A alike; prints test accuracies."""
        cells = {"searched": found.genotypes()[0]}
        if self.args.oracle != "random":
            say(
                f"\nFor comparison: {self.args.trials} random cells, evaluated "
                "alike."
            )
            random = self._search("random", self.args.directory / "random")
            cells["random"] = random.genotypes()[0]
            found.draw(baseline=random)
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
        again = "nasnet search"
        if not self.args.demonstration:
            again += " <the same options>"
        tell(
            "\nGo on with:\n"
            f"  {again} --directory {run} --trials {more}\n"
            f"  nasnet retrain {run}   # the best cells, for longer\n"
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
