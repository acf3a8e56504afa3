"""A search space: an ordered list of categorical decisions, and genotypes.

The controller, the oracles and the baselines know the decisions alone, so
they search any space given in this form.
"""

import copy
from typing import NamedTuple

from nasnet_keras.genotypes import Block, Cell, Genotype


class Decision(NamedTuple):
    """A name and the options to choose from (strings or numbers)."""

    name: str
    options: tuple


class SearchSpace:
    """An ordered list of decisions.

    A point of the space has two forms: *values*, a dictionary from the name
    of each decision to the option taken (what KerasTuner holds), and
    *actions*, the tuple of the options' indices (what a policy samples).

    A subclass whose points are cells implements `make_cells(values)`, and
    `read_cells(genotype)` if known cells shall be found in it.

    Args:
        decisions: Sequence of `Decision`.

    Raises:
        ValueError: If a name appears twice or a decision has no option.
    """

    def __init__(self, decisions):
        self.decisions = _check_decisions(decisions)
        self.settings = ()

    def with_settings(self, **options):
        """Returns this space with further decisions that ride along.

        An evaluator is given what they take beside the genotype: of
        `TrainFromScratch`, fields of its recipe (those in its `settings`).

        Args:
            options: Name -> sequence of options, for example
                `learning_rate=(0.05, 0.1)`.
        """
        space = copy.copy(self)
        space.decisions = _check_decisions([*self.decisions, *options.items()])
        space.settings = (*self.settings, *options)
        return space

    @property
    def sizes(self):
        """Tuple of integers: the number of options of each decision."""
        return tuple(len(decision.options) for decision in self.decisions)

    def sample(self, rng):
        """Returns the actions of a random point, uniform in each decision.

        Args:
            rng: `numpy.random.Generator`.
        """
        return tuple(int(rng.integers(size)) for size in self.sizes)

    def to_values(self, actions):
        """Returns the dictionary name -> option of a tuple of indices.

        Raises:
            ValueError: If there are more or fewer than decisions, or one of
                them has no such option.
        """
        if len(actions) != len(self.decisions):
            raise ValueError(
                f"This space has {len(self.decisions)} decisions. "
                f"Received: {len(actions)} actions"
            )
        for decision, action in zip(self.decisions, actions):
            if not 0 <= action < len(decision.options):
                raise ValueError(
                    f"{decision.name!r} has {len(decision.options)} options, "
                    f"counted from 0. Received: {action}"
                )
        return {
            decision.name: decision.options[action]
            for decision, action in zip(self.decisions, actions)
        }

    def to_actions(self, values):
        """Returns the tuple of indices of a dictionary name -> option.

        Raises:
            ValueError: If a decision is missing or takes no known option.
        """
        actions = []
        for decision in self.decisions:
            value = values.get(decision.name)
            if value not in decision.options:
                raise ValueError(
                    f"{decision.name!r} must be one of {decision.options}. "
                    f"Received: {value!r}"
                )
            actions.append(decision.options.index(value))
        return tuple(actions)

    def to_settings(self, values):
        """Returns what the decisions that ride along take."""
        return {name: values[name] for name in self.settings}

    def to_genotype(self, point, name=""):
        """Returns the `Genotype` of a point.

        Args:
            point: Values (a dictionary; entries of other decisions are left
                aside) or actions (a tuple of indices).
            name: Optional string, the genotype's name.
        """
        values = point if isinstance(point, dict) else self.to_values(point)
        normal, reduction = self.make_cells(values)
        return Genotype(normal, reduction, name)

    def from_genotype(self, genotype):
        """Returns the actions that give a genotype; inverse of `to_genotype`.

        The two sides of a block that adds may be swapped. Decisions that ride
        along take their first option.

        Raises:
            ValueError: If the genotype is no point of this space, for example
                NASNet-A, whose normal cell also puts out its previous input.
        """
        first = {d.name: d.options[0] for d in self.decisions}
        settings = {name: first[name] for name in self.settings}
        values = {**settings, **self.read_cells(genotype)}
        actions = self.to_actions(values)
        found = self.to_genotype(actions)
        for role in ("normal", "reduction"):
            asked, made = getattr(genotype, role), getattr(found, role)
            if _sorted(asked) != _sorted(made):
                raise ValueError(
                    f"The {role} cell is no point of this space. The nearest: "
                    f"{made!r}\nReceived: {asked!r}"
                )
        return actions

    def make_cells(self, values):
        """Returns the normal and the reduction `Cell` of a point's values."""
        raise NotImplementedError(
            f"{type(self).__name__} has no cells: implement make_cells(values)"
        )

    def read_cells(self, genotype):
        """Returns the values that come nearest to a genotype.

        Raises:
            ValueError: If the genotype is of another form.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not read genotypes: implement "
            "read_cells(genotype)"
        )

    def to_dict(self):
        """Returns the space as a dictionary that JSON can hold."""
        return {
            decision.name: list(decision.options) for decision in self.decisions
        }


def _check_decisions(decisions):
    decisions = tuple(
        Decision(name, _alike(name, options)) for name, options in decisions
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


def _alike(name, options):
    """Options of one type, which KerasTuner asks for: 1 beside 0.5 is 1.0."""
    options = tuple(options)
    kinds = {type(option) for option in options}
    if kinds == {int, float}:
        return tuple(map(float, options))
    if len(kinds) > 1:
        raise ValueError(
            f"The options of {name!r} must be of one type. Received: {options}"
        )
    return options


def _sorted(cell):
    """The cell with the sides of additions in one order: they are equal."""
    return Cell(map(_sorted_block, cell.blocks), cell.concat, cell.inputs)


def _sorted_block(block):
    if block.combination == "concat":
        return block
    sides = sorted(zip(block.inputs, block.operations))
    return Block(*zip(*sides), block.combination)
