"""Cells as plain data: blocks, cells, genotypes.

A genotype says which operations are combined and how; `nasnet_keras.cells`
turns it into layers. Its `repr` is Python that rebuilds it.

States are numbered as in the authors' code: 0 is the current state (the
cell's newest input), 1 the previous one, and so on for every further input;
then the outputs of the blocks, in order.
"""

import dataclasses
import json
import numbers
from collections.abc import Iterable, Sequence
from typing import Any, Self

COMBINATIONS = ("add", "concat", "add_layer_norm", "add_instance_norm")


def _is_integer(value):
    """Whether it is an integer; NumPy's are."""
    if type(value) is int:  # Most are, and to ask for Integral is slow.
        return True
    is_int = isinstance(value, numbers.Integral)
    return is_int and not isinstance(value, bool)


def _set_sequence(item, name):
    """Makes an argument a tuple, and its integers plain ones."""
    value = getattr(item, name)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ValueError(
            f"`{name}` of a {type(item).__name__} must be a sequence. "
            f"Received: {name}={value!r}"
        )
    entries = (int(each) if _is_integer(each) else each for each in value)
    object.__setattr__(item, name, tuple(entries))


@dataclasses.dataclass(frozen=True)
class Block:
    """Two states, an operation on each, and how the results are combined.

    Args:
        inputs: Two integers, the states that the block reads.
        operations: Two operation names, see `nasnet_keras.cells.operations`.
        combination: `"add"`, `"concat"` (along the channels), or an addition
            with normalization, as in NASNet-B and C: `"add_layer_norm"` (over
            an image's pixels and channels), `"add_instance_norm"` (over its
            pixels, for each channel).

    Raises:
        ValueError: If an argument has another form.
    """

    inputs: Sequence[int]
    operations: Sequence[str]
    combination: str = "add"

    def __post_init__(self):
        _set_sequence(self, "inputs")
        _set_sequence(self, "operations")
        if len(self.inputs) != 2 or not all(map(_is_integer, self.inputs)):
            raise ValueError(
                "`inputs` of a Block must be two integers. "
                f"Received: inputs={self.inputs}"
            )
        if len(self.operations) != 2 or not all(
            isinstance(op, str) and op for op in self.operations
        ):
            raise ValueError(
                "`operations` of a Block must be two operation names. "
                f"Received: operations={self.operations}"
            )
        if self.combination not in COMBINATIONS:
            raise ValueError(
                f"`combination` of a Block must be one of {COMBINATIONS}. "
                f"Received: combination={self.combination!r}"
            )


@dataclasses.dataclass(frozen=True)
class Cell:
    """The blocks of a cell and the states that make up its output.

    Args:
        blocks: Sequence of `Block`, in order; each may read the cell's inputs
            and the blocks before it.
        concat: Sequence of integers, the states whose concatenation along the
            channels is the output. Always explicit: NASNet-A, for example,
            concatenates a state that its blocks read, too.
        inputs: Integer, the number of input states: 2 for NASNet-A.

    Raises:
        ValueError: If the cell has no block, or a block or `concat` names a
            state that does not exist.
    """

    blocks: Sequence[Block]
    concat: Sequence[int]
    inputs: int = 2

    def __post_init__(self):
        _set_sequence(self, "blocks")
        _set_sequence(self, "concat")
        if not _is_integer(self.inputs) or self.inputs < 1:
            raise ValueError(
                "`inputs` of a Cell, the number of its input states, must be "
                f"a positive integer. Received: inputs={self.inputs!r}"
            )
        object.__setattr__(self, "inputs", int(self.inputs))
        if not self.blocks or not all(
            isinstance(block, Block) for block in self.blocks
        ):
            raise ValueError(
                "`blocks` of a Cell must be one or more Block objects. "
                f"Received: blocks={self.blocks}"
            )
        for number, block in enumerate(self.blocks):
            self._check_states(block.inputs, f"Block {number}", number)
        if not self.concat:
            raise ValueError(
                "`concat` of a Cell must name at least one state, or the cell "
                "has no output. Received: concat=()"
            )
        self._check_states(self.concat, "`concat`", len(self.blocks))
        if len(set(self.concat)) != len(self.concat):
            raise ValueError(
                "`concat` of a Cell must name each state once. "
                f"Received: concat={self.concat}"
            )

    def _check_states(self, states, reader, blocks_before):
        known = self.inputs + blocks_before
        for state in states:
            if not _is_integer(state) or not 0 <= state < known:
                raise ValueError(
                    f"{reader} reads state {state!r}, but only states 0 to "
                    f"{known - 1} exist at that point. Received: {states}"
                )

    @property
    def operations(self) -> list[str]:
        """The names of the operations used, sorted, without repetition."""
        return sorted({op for block in self.blocks for op in block.operations})

    def to_dict(self) -> dict[str, Any]:
        """Returns the cell as a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuilds a cell from `to_dict()` and validates it."""
        _check_keys(cls, data, required=("blocks", "concat"))
        blocks = []
        if not isinstance(data["blocks"], list | tuple):
            raise ValueError(
                "`blocks` of a Cell must be a list. "
                f"Received: blocks={data['blocks']!r}"
            )
        for block in data["blocks"]:
            _check_keys(Block, block, required=("inputs", "operations"))
            blocks.append(Block(**block))
        return cls(**{**data, "blocks": blocks})


@dataclasses.dataclass(frozen=True)
class Genotype:
    """A Normal and a Reduction cell.

    Args:
        normal: `Cell` that keeps the spatial size.
        reduction: `Cell` that halves it. It reads as many input states as
            `normal`.
        name: Optional string, for printing.

    Raises:
        ValueError: If a cell is missing or the cells read different numbers
            of inputs.
    """

    normal: Cell
    reduction: Cell
    name: str = ""

    def __post_init__(self):
        for role in ("normal", "reduction"):
            if not isinstance(getattr(self, role), Cell):
                raise ValueError(
                    f"`{role}` of a Genotype must be a Cell. "
                    f"Received: {role}={getattr(self, role)!r}"
                )
        if not isinstance(self.name, str):
            raise ValueError(
                "`name` of a Genotype must be a string. "
                f"Received: name={self.name!r}"
            )
        if self.normal.inputs != self.reduction.inputs:
            raise ValueError(
                "`normal` and `reduction` must read the same number of input "
                f"states. Received: {self.normal.inputs} and "
                f"{self.reduction.inputs}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns the genotype as a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuilds a genotype from `to_dict()` and validates it."""
        _check_keys(cls, data, required=("normal", "reduction"))
        return cls(
            normal=Cell.from_dict(data["normal"]),
            reduction=Cell.from_dict(data["reduction"]),
            name=data.get("name", ""),
        )

    def to_json(self, indent: int | None = None) -> str:
        """Returns the genotype as a JSON string."""
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuilds a genotype from `to_json()`."""
        return cls.from_dict(json.loads(text))


def _check_keys(cls, data, required):
    known = {field.name for field in dataclasses.fields(cls)}
    if not isinstance(data, dict):
        raise ValueError(f"A {cls.__name__} is read from a dict. Got: {data!r}")
    missing = [key for key in required if key not in data]
    unknown = sorted(set(data) - known)
    if missing or unknown:
        raise ValueError(
            f"A {cls.__name__} has the keys {sorted(known)}. "
            f"Missing: {missing}. Unknown: {unknown}"
        )
