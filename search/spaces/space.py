"""A search space: an ordered list of categorical decisions, and genotypes.

The controller and the oracles use only the decisions, so they search any
space of this form.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasnet_keras import checks
from nasnet_keras.genotypes import Block, Cell, Genotype

Actions = tuple[int, ...]
Values = dict[str, Any]


class Decision(NamedTuple):
    """A name and the options to choose from (strings or numbers)."""

    name: str
    options: tuple[Any, ...]


class SearchSpace:
    """An ordered list of decisions.

    A point of the space has two forms: *values*, a dictionary from the name
    of each decision to the option taken (what KerasTuner holds), and
    *actions*, the tuple of the options' indices (what a policy samples).

    A subclass whose points are cells implements `make_cells(values)`, and
    `read_cells(genotype)` to find the point of a given genotype.

    Args:
        decisions: Sequence of `Decision`, or of pairs of name and options.

    Attributes:
        settings: Tuple of the names of the decisions that are not part of
            the cells, see `with_settings`.

    Raises:
        ValueError: If a name appears twice, or a decision has no option or
            one that appears twice.
    """

    def __init__(self, decisions: Iterable[tuple[str, Iterable[Any]]]):
        self.decisions = _check_decisions(decisions)
        self.settings: tuple[str, ...] = ()

    def with_settings(self, **options: Sequence[Any]) -> SearchSpace:
        """Returns this space with further decisions, about training settings.

        An evaluator receives their values beside the genotype. For
        `TrainFromScratch` they are fields of its recipe, those named in its
        `settings`.

        Args:
            options: Name -> sequence of options, for example
                `learning_rate=(0.05, 0.1)`.
        """
        space = copy.copy(self)
        space.decisions = _check_decisions([*self.decisions, *options.items()])
        space.settings = (*self.settings, *options)
        return space

    @property
    def sizes(self) -> tuple[int, ...]:
        """Tuple of integers: the number of options of each decision."""
        return tuple(len(decision.options) for decision in self.decisions)

    def sample(self, rng: np.random.Generator) -> Actions:
        """Returns the actions of a random point, uniform in each decision.

        Args:
            rng: `numpy.random.Generator`.
        """
        return tuple(int(rng.integers(size)) for size in self.sizes)

    def to_values(self, actions: Sequence[int]) -> Values:
        """Returns the values of actions.

        Raises:
            ValueError: If their number is not that of the decisions, or a
                decision has no such option.
        """
        if not isinstance(actions, (Sequence, np.ndarray)):
            raise ValueError(
                "A point is a dictionary of values or a tuple of the indices "
                f"of options. Received: {actions!r}"
            )
        if len(actions) != len(self.decisions):
            raise ValueError(
                f"This space has {len(self.decisions)} decisions. "
                f"Received: {len(actions)} actions"
            )
        for decision, action in zip(self.decisions, actions):
            known = len(decision.options)
            if not checks.is_integer(action, 0) or action >= known:
                raise ValueError(
                    f"{decision.name!r} has {len(decision.options)} options, "
                    f"counted from 0. Received: {action!r}"
                )
        return {
            decision.name: decision.options[action]
            for decision, action in zip(self.decisions, actions)
        }

    def to_actions(self, values: Values) -> Actions:
        """Returns the actions of values. Other entries are ignored.

        Raises:
            ValueError: If a decision is missing or its option is unknown.
        """
        return tuple(
            _index_of(values.get(decision.name), decision)
            for decision in self.decisions
        )

    def to_settings(self, values: Values) -> Values:
        """Returns the values of the settings, see `with_settings`."""
        return {name: values[name] for name in self.settings}

    def to_genotype(
        self, point: Values | Sequence[int], name: str = ""
    ) -> Genotype:
        """Returns the `Genotype` of a point.

        Args:
            point: Values (a dictionary; other entries are ignored) or actions
                (a tuple of indices).
            name: Optional string, the genotype's name.
        """
        values = point if isinstance(point, dict) else self.to_values(point)
        normal, reduction = self.make_cells(values)
        return Genotype(normal, reduction, name)

    def from_genotype(self, genotype: Genotype) -> Actions:
        """Returns the actions that give a genotype; inverse of `to_genotype`.

        The two sides of a block that adds may be swapped. Settings get their
        first option.

        Raises:
            ValueError: If the genotype is no point of this space, for example
                NASNet-A, whose normal cell also outputs its previous input.
        """
        first = {d.name: d.options[0] for d in self.decisions}
        settings = {name: first[name] for name in self.settings}
        values = {**settings, **self.read_cells(genotype)}
        actions = self.to_actions(values)
        nearest = self.to_genotype(actions)
        for role in ("normal", "reduction"):
            given, made = getattr(genotype, role), getattr(nearest, role)
            if _sorted(given) != _sorted(made):
                raise ValueError(
                    f"The {role} cell is no point of this space. The nearest: "
                    f"{made!r}. Received: {given!r}"
                )
        return actions

    def make_cells(self, values: Values) -> Sequence[Cell]:
        """Returns the normal and the reduction `Cell` of values."""
        raise NotImplementedError(
            f"{type(self).__name__} has no cells: implement make_cells(values)"
        )

    def read_cells(self, genotype: Genotype) -> Values:
        """Returns the values that are closest to a genotype.

        Raises:
            ValueError: If the genotype has another form.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not read genotypes: implement "
            "read_cells(genotype)"
        )

    def to_dict(self) -> dict[str, list[Any]]:
        """Returns the decisions as a dictionary for JSON."""
        return {
            decision.name: list(decision.options) for decision in self.decisions
        }


def _index_of(value, decision):
    try:
        return decision.options.index(value)
    except ValueError:
        raise ValueError(
            f"{decision.name!r} must be one of {decision.options}. "
            f"Received: {value!r}"
        ) from None


def _check_decisions(decisions):
    decisions = tuple(
        Decision(name, _check_options(name, options))
        for name, options in decisions
    )
    names = [decision.name for decision in decisions]
    if len(set(names)) != len(names) or not names:
        raise ValueError(
            "`decisions` must be one or more, with different names. "
            f"Received: {names}"
        )
    for decision in decisions:
        if not decision.options:
            raise ValueError(f"The decision {decision.name!r} has no option.")
    return decisions


def _check_options(name, options):
    """Returns different options of one type, which KerasTuner requires.

    NumPy's numbers become plain ones, and integers floats if there are both.
    """
    if isinstance(options, str):
        options = (options,)
    if not isinstance(options, Iterable):
        raise ValueError(
            f"The options of {name!r} must be a sequence. Received: {options!r}"
        )
    options = tuple(
        option.item() if isinstance(option, np.generic) else option
        for option in options
    )
    for option in options:
        if not isinstance(option, (str, bool)) and not checks.is_number(option):
            raise ValueError(
                f"The options of {name!r} must be strings, truth values or "
                f"finite numbers. Received: {option!r}"
            )
    if len(set(options)) < len(options):
        raise ValueError(
            f"The options of {name!r} must differ. Received: {options}"
        )
    kinds = {type(option) for option in options}
    if kinds == {int, float}:
        return tuple(map(float, options))
    if len(kinds) > 1:
        raise ValueError(
            f"The options of {name!r} must be of one type. Received: {options}"
        )
    return options


def _sorted(cell):
    """Returns the cell with the two sides of each addition in sorted order."""
    return Cell(map(_sorted_block, cell.blocks), cell.concat, cell.inputs)


def _sorted_block(block):
    if block.combination == "concat":
        return block
    sides = sorted(zip(block.inputs, block.operations))
    return Block(*zip(*sides), block.combination)
