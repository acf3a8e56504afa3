"""A search space: an ordered list of categorical decisions, and genotypes.

The controller, the oracles and the baselines know the decisions alone, so
they search any space given in this form.
"""

from typing import NamedTuple

from nasnet_keras.genotypes import COMBINATIONS, Block, Cell, Genotype
from nasnet_keras.operations import PAPER_OPERATIONS, check_operations


class Decision(NamedTuple):
    """A name and the options to choose from (strings or numbers)."""

    name: str
    options: tuple


class SearchSpace:
    """An ordered list of decisions.

    A point of the space has two forms: *values*, a dictionary from the name
    of each decision to the option taken (what KerasTuner holds), and
    *actions*, the tuple of the options' indices (what a policy samples).

    Args:
        decisions: Sequence of `Decision`.

    Raises:
        ValueError: If a name appears twice or a decision has no option.
    """

    def __init__(self, decisions):
        self.decisions = tuple(
            Decision(name, tuple(options)) for name, options in decisions
        )
        names = [decision.name for decision in self.decisions]
        if len(set(names)) != len(names) or not names:
            raise ValueError(
                "`decisions` must be one or more, with different names. "
                f"Received: {names}"
            )
        for decision in self.decisions:
            if not decision.options:
                raise ValueError(
                    f"The decision {decision.name!r} has no option."
                )

    @property
    def sizes(self):
        """Tuple of integers: the number of options of each decision."""
        return tuple(len(decision.options) for decision in self.decisions)

    def to_values(self, actions):
        """Returns the dictionary name -> option of a tuple of indices."""
        if len(actions) != len(self.decisions):
            raise ValueError(
                f"This space has {len(self.decisions)} decisions. "
                f"Received: {len(actions)} actions"
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

    def to_dict(self):
        """Returns the space as a dictionary that JSON can hold."""
        return {
            decision.name: list(decision.options) for decision in self.decisions
        }


class NASNetSpace(SearchSpace):
    """The search space of the paper: a Normal and a Reduction cell.

    Section 3: for each block two inputs, an operation on each, and how the
    two are combined: 5 decisions a block, first all of the Normal cell, then
    all of the Reduction cell. The states that no block reads are a cell's
    output.

    Args:
        blocks: Integer, B in the paper, for each of the two cells.
        inputs: Integer, the hidden states that a cell reads.
        operations: Sequence of operation names. Defaults to the 13 of the
            paper.
        combinations: Sequence of combinations, see `Block`.

    Raises:
        ValueError: If an argument is out of range or names nothing known.
    """

    def __init__(
        self,
        blocks=5,
        inputs=2,
        operations=PAPER_OPERATIONS,
        combinations=COMBINATIONS,
    ):
        for name, value in (("blocks", blocks), ("inputs", inputs)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"`{name}` must be a positive integer. "
                    f"Received: {name}={value!r}"
                )
        check_operations(operations)
        unknown = [c for c in combinations if c not in COMBINATIONS]
        if unknown:
            raise ValueError(
                f"`combinations` must be among {COMBINATIONS}. "
                f"Received: {unknown}"
            )
        self.blocks = blocks
        self.inputs = inputs
        super().__init__(
            decision
            for role in ("normal", "reduction")
            for number in range(blocks)
            for decision in (
                (f"{role}/{number}/input_0", range(inputs + number)),
                (f"{role}/{number}/input_1", range(inputs + number)),
                (f"{role}/{number}/operation_0", operations),
                (f"{role}/{number}/operation_1", operations),
                (f"{role}/{number}/combination", combinations),
            )
        )

    def to_genotype(self, point, name=""):
        """Returns the `Genotype` of a point.

        Args:
            point: Values (a dictionary; entries of other decisions are left
                aside) or actions (a tuple of indices).
            name: Optional string, the genotype's name.
        """
        values = point if isinstance(point, dict) else self.to_values(point)
        return Genotype(
            normal=self._to_cell("normal", values),
            reduction=self._to_cell("reduction", values),
            name=name,
        )

    def _to_cell(self, role, values):
        def pair(number, what):
            place = f"{role}/{number}/{what}"
            return values[f"{place}_0"], values[f"{place}_1"]

        blocks = [
            Block(
                inputs=pair(number, "input"),
                operations=pair(number, "operation"),
                combination=values[f"{role}/{number}/combination"],
            )
            for number in range(self.blocks)
        ]
        used = {state for block in blocks for state in block.inputs}
        made = range(self.inputs, self.inputs + self.blocks)
        concat = [state for state in made if state not in used]
        return Cell(blocks, concat, self.inputs)

    def from_genotype(self, genotype):
        """Returns the actions that give a genotype; inverse of `to_genotype`.

        Raises:
            ValueError: If the genotype is no point of this space, for example
                NASNet-A, whose normal cell also puts out its previous input.
        """
        values = {}
        for role in ("normal", "reduction"):
            cell = getattr(genotype, role)
            if len(cell.blocks) != self.blocks:
                raise ValueError(
                    f"This space has {self.blocks} blocks a cell. "
                    f"The {role} cell has {len(cell.blocks)}."
                )
            for number, block in enumerate(cell.blocks):
                place = f"{role}/{number}"
                for side in (0, 1):
                    values[f"{place}/input_{side}"] = block.inputs[side]
                    values[f"{place}/operation_{side}"] = block.operations[side]
                values[f"{place}/combination"] = block.combination
        actions = self.to_actions(values)
        found = self.to_genotype(actions, genotype.name)
        if found != genotype:
            raise ValueError(
                "The genotype is no point of this space: its cells put out "
                f"the states {genotype.normal.concat} and "
                f"{genotype.reduction.concat}; here a cell puts out what no "
                f"block reads: {found.normal.concat} and "
                f"{found.reduction.concat}."
            )
        return actions
