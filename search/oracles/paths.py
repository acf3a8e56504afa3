"""What a cell computes, as the paths through it."""

from collections import Counter


def count_paths(cell):
    """Counts the ways from a cell's inputs to its output.

    White et al. 2021 (BANANAS, arXiv 1910.11858) describe a cell by them.
    Cells that are written differently and compute the same have the same
    paths: nothing leads through `none`, and `identity` is not mentioned.

    Args:
        cell: `nasnet_keras.Cell`.

    Returns:
        `Counter`: tuple of an input's number and the operations that are
        passed from there -> how many paths pass them.
    """
    states = [Counter({(number,): 1}) for number in range(cell.inputs)]
    for block in cell.blocks:
        state = Counter()
        for source, operation in zip(block.inputs, block.operations):
            if operation == "none":
                continue
            passed = () if operation == "identity" else (operation,)
            for path, count in states[source].items():
                state[path + passed] += count
        states.append(state)
    return sum((states[number] for number in cell.concat), Counter())
