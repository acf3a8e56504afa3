"""The steps of `nasnet search`, in its folder."""

import argparse
import contextlib
import dataclasses
import functools
import shlex
from typing import Any

from nasnet_keras import checks
from nasnet_keras.genotypes.files import load_genotype
from nasnet_keras.genotypes.published import NASNET_A
from nasnet_keras.runs.files import read_json, write_json
from nasnet_keras.search import comparison
from nasnet_keras.search.assembly import imagenet_networks
from nasnet_keras.search.commands.defaults import (
    CELLS_ON_GPU,
    CELLS_PER_STACK,
    CHILDREN_PER_ROUND,
    SCHEDULE,
)
from nasnet_keras.search.commands.engine import Engine
from nasnet_keras.search.commands.flags import about_flag, naming_flags
from nasnet_keras.search.commands.inputs import load_data, make_space
from nasnet_keras.search.commands.progress import (
    Progress,
    print_result,
    print_status,
)
from nasnet_keras.search.commands.recorded import write_arguments
from nasnet_keras.search.evaluators.children import ChildRecipe, child_network
from nasnet_keras.search.evaluators.from_scratch import TrainFromScratch
from nasnet_keras.search.evaluators.funnel import (
    EPOCHS,
    funnel_text,
    parse_funnel,
    settings_of_stage,
)
from nasnet_keras.search.evaluators.limits import Limits
from nasnet_keras.search.evaluators.rewards import Reward
from nasnet_keras.search.evaluators.shared.evaluator import (
    SHARED_RECIPE,
    Rounds,
    SharedWeights,
)
from nasnet_keras.search.evaluators.stopping import MedianStopping
from nasnet_keras.search.finals import digest
from nasnet_keras.search.names import BUDGETS, REWARDS, SIZES
from nasnet_keras.search.planning import (
    has_gpu,
    make_plan,
    plan_children,
    plan_steps,
)
from nasnet_keras.search.run import search

EARLIER_REWARD_IMAGES = 500
# NASNet-A's reward in the last stage, beside a comparison.
OTHER_REWARD = "nasnet_a.json"
# Arguments that are fields of the children's recipe.
RECIPE = (
    *("learning_rate", "cells_per_stack", "epochs", "steps", "batch_size"),
    "augmentation",
)


class Session:
    """A search in a folder, from the data to the networks of the best cell.

    Args:
        args: The parsed arguments of `nasnet search`.
    """

    def __init__(self, args: argparse.Namespace):
        self.args = args
        recipe = SHARED_RECIPE if args.evaluator == "shared" else ChildRecipe()
        # What is not given is the recipe's.
        given = {
            name: value
            for name in RECIPE
            if (value := getattr(args, name)) is not None
        }
        self.searched = dict(args.also or ())
        if largest := self._largest(EPOCHS):  # The plan is that of these.
            given[EPOCHS] = largest
        with naming_flags(args):
            self.recipe = dataclasses.replace(recipe, **self._size(), **given)

    def _size(self):
        """Returns what sets the size of the children."""
        args = self.args
        size = {n: getattr(args, n) for n in SIZES if getattr(args, n)}
        if args.evaluator == "shared":
            for name in BUDGETS:
                if size.get(name):
                    raise ValueError(
                        f"--{name} is for children trained from scratch: all "
                        "that share their weights have the same filters. "
                        f"Received: --{name} {size[name]}"
                    )
        searched = {name: self._largest(name) for name in SIZES}
        return size or {n: value for n, value in searched.items() if value}

    def _largest(self, name):
        """The largest option of a searched setting; `None` if it has none.

        Options of another kind are refused later, all of them.
        """
        options = self.searched.get(name, ())
        whole = all(checks.is_integer(option, 1) for option in options)
        return max(options, default=None) if whole else None

    def run(self) -> None:
        """Searches, compares and assembles; prints the results."""
        self._prepare()
        results = self._search(self.args.oracle, self.args.directory)
        (best,) = results.best()
        genotype = results.genotype(best)
        print_result(
            f"\nBest cell, reward {best['score']:.4f} (trial {best['trial']}):"
        )
        print_result(genotype)
        self._warn_if_at_chance(results.by_reward()[0])
        if self.args.compare:
            self._compare(results)
        _print_networks(networks := imagenet_networks(genotype))
        self._print_next_commands(networks)

    def _prepare(self):
        """Makes the space, the data and the evaluator, and checks them."""
        self.space = make_space(self.args)
        shared = self.args.evaluator == "shared"
        flags = {"stopping": "--stop-early"}
        if shared:
            flags = {"children": "--update-every", "steps": "--round-steps"}
        with naming_flags(self.args, **flags):
            self.dataset = load_data(self.args)
            self._set(batch_size=self.args.batch_size)
            if not shared:
                self._choose_schedule()
            self.own_evaluator = own = self._make_evaluator()
            # Shared weights stay in this process.
            self.evaluator = own if shared else self.engine(own)
            if self.args.trials is None:
                self.args.trials = self.evaluator.trials or plan_children(
                    self.engine.workers
                )
            if not shared:
                self._make_plan()
            network = self.evaluator.network
            network.check_budget(NASNET_A)
            network.config(NASNET_A)
        with about_flag("--also"):
            self.evaluator.check(self.space)

    def _choose_schedule(self):
        """Sets what was not given; it is recorded with the arguments."""
        args = self.args
        if args.cells_per_stack is None:
            cells = CELLS_ON_GPU if has_gpu() else CELLS_PER_STACK
            args.cells_per_stack = cells
            self._set(cells_per_stack=cells)
        if args.funnel:
            self._set(**parse_funnel(args.funnel)[0].schedule)
        elif EPOCHS not in self.searched and not any(
            getattr(args, name) for name in SCHEDULE
        ):
            args.steps = plan_steps(
                self.recipe, self.dataset, self.engine.workers, self._blocks()
            )
            self._set(steps=args.steps)

    def _set(self, **fields):
        self.recipe = dataclasses.replace(self.recipe, **fields)

    def _make_plan(self):
        """Makes the plan, and prints what is to come."""
        args = self.args
        stages = parse_funnel(args.funnel) if args.funnel else None
        self.plan = make_plan(
            self.recipe,
            self.dataset,
            stages,
            args.trials,
            self.engine.workers,
            self._blocks(),
        )
        print_result(f"children  {self._describe_size()}")
        print_result(f"stages    {self.plan}")
        if args.compare:
            print_result(f"compare   {self._describe_comparison()}")

    def _blocks(self):
        """The blocks of the larger cell of a point."""
        first = self.space.to_genotype((0,) * len(self.space.sizes))
        return max(len(first.normal.blocks), len(first.reduction.blocks))

    def _describe_size(self):
        network = child_network(self.recipe, self.dataset)
        size = f"{network.filters} filters"
        if network.budget is not None:
            unit = {"macs": "multiply-adds"}.get(network.budget, network.budget)
            size = f"about {getattr(network, network.budget):,} {unit}"
        cells = network.cells_per_stack
        plural = "s" if cells > 1 else ""
        return f"{cells} cell{plural} per stack, {size} each"

    def _describe_comparison(self):
        """Says what follows the search, and how long that takes."""
        cells, minutes, first = 2, 0.0, ""
        if self.args.oracle != "random":
            cells, minutes = 3, self.plan.minutes
            first = f"{self.args.trials} random children in the same way, then "
        networks = comparison.SEEDS * cells
        minutes += self.plan.comparison_minutes(networks)
        return (
            f"{first}{networks} longer trainings: about "
            f"{max(1, round(minutes))} minutes more"
        )

    def _make_evaluator(self):
        args = self.args
        reward = Reward(args.cost, args.target, quality=REWARDS[args.reward])
        if args.evaluator == "shared":
            return self._make_shared_weights(reward)
        stopping = MedianStopping() if args.stop_early else None
        return TrainFromScratch(
            self.dataset,
            self.recipe,
            args.seed,
            stopping,
            reward,
            args.funnel,
            args.reward_images,
        )

    def _make_shared_weights(self, reward):
        args = self.args
        print_result(
            "children  share their weights; compiling and warming up their "
            "network takes minutes"
        )
        rounds = Rounds(
            args.warm_up_steps,
            children=CHILDREN_PER_ROUND
            if args.update_every is None
            else args.update_every,
            steps=args.round_steps,
            # Searches of earlier versions have none.
            reward_images=args.reward_images or EARLIER_REWARD_IMAGES,
        )
        return SharedWeights(
            self.space,
            self.dataset,
            self.recipe,
            rounds,
            seed=args.seed,
            reward=reward,
        )

    def _search(self, oracle_name, folder):
        """Runs or resumes a search; returns its results."""
        trials = self.args.trials

        def progress(oracle):
            # Only now is it certain that the folder holds no other search.
            if folder == self.args.directory:
                write_arguments(self.args)
            finished = len(oracle.end_order)
            status = self._status(finished)
            print_status(f"{oracle_name:9} {folder}: {status}")
            return Progress(
                *(oracle, trials, self._later(), self.engine.workers),
                running=self.evaluator.running,
            )

        limits = [
            flag
            for flag, value in (
                ("--max-parameters", self.args.max_parameters),
                ("--max-macs", self.args.max_macs),
            )
            if value is not None
        ]
        with naming_flags(
            self.args,
            batch_size="--update-every",
            limits=" and ".join(limits),
        ):
            return search(
                self.dataset,
                folder,
                trials,
                self.space,
                oracle_name,
                self.evaluator,
                self.args.seed,
                progress,
                **self._oracle_options(oracle_name),
            )

    def _later(self):
        """Returns the stages after the trials: children, relative length."""
        if self.args.evaluator != "scratch":
            return []
        first, *later = self.plan.steps
        stages = self.plan.stages[1:]
        return [
            (stage.children, steps / first)
            for stage, steps in zip(stages, later)
        ]

    @functools.cached_property
    def engine(self):
        """Where the children are trained."""
        with naming_flags(
            self.args, cpus="--cpus-per-trial", gpus="--gpus-per-trial"
        ):
            return Engine(self.args)

    def _oracle_options(self, oracle_name):
        args = self.args
        options: dict[str, Any] = {"limits": self._limits()}
        if oracle_name == args.oracle:  # Not the random search to compare.
            options["warm_start"] = args.warm_start
            with about_flag("--enqueue"):
                options["enqueue"] = [
                    self.space.from_genotype(load_genotype(source))
                    for source in args.enqueue
                ]
        if oracle_name in ("ppo", "reinforce"):
            # `None`: the batch size of the oracle's setting.
            options["batch_size"] = args.update_every
        if oracle_name == "evolution":
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

    def _warn_if_at_chance(self, best):
        """Warns if shared weights are too little trained to rank cells."""
        chance = 1 / len(self.dataset.classes)
        if (
            self.args.evaluator == "shared"
            and best["metrics"]["val_accuracy"] < 2 * chance
        ):
            print_result(
                "\nThe shared weights classify hardly better than chance: "
                "their rewards do not rank cells yet. Search again with more "
                f"steps, --warm-up-steps {4 * self.args.warm_up_steps or 2000},"
                " or in a space with fixed wiring, --space nasnet_a_wired."
            )

    def _compare(self, results):
        """Trains the best cells and NASNet-A; prints their test accuracies."""
        found = {"searched": results}
        if self.args.oracle != "random":
            print_status(
                f"\nFor comparison: {self.args.trials} random cells, evaluated "
                "in the same way."
            )
            random = self._search("random", self.args.directory / "random")
            found["random"] = random
            results.draw(baseline=random)
        last = self._last_stage()
        cells, settings, rewards = {}, {}, {}
        for label, one in found.items():
            (best,) = one.best()
            cells[label] = one.genotype(best)
            settings[label] = settings_of_stage(
                self.space.to_settings(best["values"]), last.length
            )
            rewards[label] = best["score"]
        cells["nasnet_a"] = NASNET_A
        rewards["nasnet_a"] = self._last_reward(NASNET_A)
        rows = comparison.compare(
            cells,
            last.evaluator.recipe,
            self.dataset,
            self.args.seed,
            self.args.directory / "comparison.json",
            print_status,
            settings,
            engine=functools.partial(self.engine, limited=False),
        )
        print_result("\n" + comparison.table(rows, rewards))

    def _last_reward(self, genotype):
        """Returns what the last stage says of a cell that was not searched.

        It is kept: a search that has ended is often started again.
        """
        judge = self.evaluator.later_stages(self.args.trials)[-1]
        path, schedule = self.args.directory / OTHER_REWARD, digest(judge)
        known = read_json(path) if path.is_file() else {}
        if known.get("schedule") != schedule:
            with contextlib.closing(judge.evaluator) as evaluator:
                reward = evaluator(genotype).reward
            known = {"schedule": schedule, "reward": reward}
            write_json(path, known)
        return known["reward"]

    def _last_stage(self):
        """The last stage, not on the engine: its recipe can be read."""
        return self.own_evaluator.later_stages(self.args.trials)[-1]

    def _status(self, finished):
        """Says how far a search is."""
        trials = self.args.trials
        if finished >= trials:
            return (
                f"finished, {finished} of {trials} trials; {self._twice()} "
                "would add as many"
            )
        if finished:
            return f"{finished} of {trials} trials are done, resuming"
        return f"{trials} trials"

    def _twice(self):
        """The flag that makes the trials twice as many."""
        if not self.args.funnel:
            return f"--trials {2 * self.args.trials}"
        first, *later = parse_funnel(self.args.funnel)
        stages = [dataclasses.replace(first, children=2 * first.children)]
        return f"--funnel {funnel_text([*stages, *later])}"

    def _print_next_commands(self, networks):
        large = networks[-1]
        run = shlex.quote(str(self.args.directory))
        again = "nasnet search"
        if not self.args.demonstration:
            again += " <the same options>"
        elif self.args.seed:
            again += f" --seed {self.args.seed}"
        print_result(
            "\nNext commands:\n"
            f"  {again} --directory {run} {self._twice()}\n"
            f"  nasnet retrain {run}{self._own_space()}   # the best cells, "
            "for longer\n"
            f"  nasnet summary nasnet_large --genotype {run}/best.json "
            f"--filters {large.filters}\n"
            f"  nasnet plot {run}/best.json --output cells.svg\n"
            "  nasnet search --dataset FOLDER   # one folder of images a class"
        )

    def _own_space(self):
        """The flag that lets `nasnet retrain` import the user's space."""
        space = self.args.space
        return f" --space {shlex.quote(space)}" if ":" in space else ""


def _print_networks(networks):
    print_result(
        "\nThe best cell, assembled for ImageNet with as many parameters or "
        "multiply-adds\nas the paper's networks (random weights):"
    )
    for network in networks:
        print_result(
            f"  {network.name:13} {network.filters:4} filters "
            f"{network.parameters / 1e6:8.2f} M parameters "
            f"{network.macs / 1e6:10.1f} M multiply-adds at "
            f"{network.side}x{network.side}"
        )
