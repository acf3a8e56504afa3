"""A cell as the paths from its inputs to its output."""

from __future__ import annotations

from collections import Counter

from nasnet_keras.genotypes import Cell


def count_paths(cell: Cell) -> Counter[tuple]:
    """Counts the paths from a cell's inputs to its output.

    White et al. 2021 (BANANAS, arXiv 1910.11858) encode cells by them. Cells
    that are written differently but compute the same have equal paths: `none`
    ends a path, `identity` is left out of it.

    Args:
        cell: `nasnet_keras.Cell`.

    Returns:
        `Counter`: tuple of the number of an input and the operations on the
        path -> the number of such paths.
    """
    states = [Counter({(number,): 1}) for number in range(cell.inputs)]
    for block in cell.blocks:
        state: Counter[tuple] = Counter()
        for source, operation in zip(block.inputs, block.operations):
            if operation == "none":
                continue
            step = () if operation == "identity" else (operation,)
            for path, count in states[source].items():
                state[path + step] += count
        states.append(state)
    return sum((states[number] for number in cell.concat), Counter())
