"""Genotypes for tests: random ones and the smallest ones."""

from nasnet_keras.genotypes import COMBINATIONS, Block, Cell, Genotype


def random_cell(rng, blocks, inputs, operations):
    """Draws a cell: all unused states go to its output, and some used ones.

    Args:
        rng: `numpy.random.Generator`.
        blocks: Integer, the number of blocks.
        inputs: Integer, the number of input states.
        operations: Sequence of operation names to draw from.
    """
    drawn = [
        Block(
            inputs=rng.integers(0, inputs + number, 2).tolist(),
            operations=rng.choice(operations, 2).tolist(),
            combination=str(rng.choice(COMBINATIONS)),
        )
        for number in range(blocks)
    ]
    states = inputs + blocks
    used = {state for block in drawn for state in block.inputs}
    concat = set(range(states)) - used
    concat |= set(rng.integers(0, states, 2).tolist())
    return Cell(drawn, rng.permutation(sorted(concat)).tolist(), inputs)


def random_genotype(rng, blocks, inputs, operations):
    """A Normal and a Reduction cell by `random_cell`."""
    return Genotype(
        random_cell(rng, blocks, inputs, operations),
        random_cell(rng, blocks, inputs, operations),
        name="random",
    )


def one_block_genotype(operation, other="identity", combination="add"):
    """Both cells are one block: `operation` on state 0, `other` on state 1."""
    cell = Cell([Block((0, 1), (operation, other), combination)], (2,))
    return Genotype(cell, cell, name=f"one {operation}")


# One block a cell; the reduction gives an input on, halved.
ONE_BLOCK = Genotype(
    normal=Cell([Block((0, 1), ("sep_conv_3x3", "avg_pool_3x3"))], (2,), 2),
    reduction=Cell([Block((0, 1), ("conv_1x1", "skip_connect"))], (2, 0), 2),
)
# All that decides shapes and sizes, in two blocks: convolutions, both pools,
# identities, a concatenation, an input that goes to the output.
TWO_BLOCKS = Genotype(
    normal=Cell(
        [
            Block((0, 1), ("sep_conv_3x3", "avg_pool_3x3")),
            Block((1, 2), ("identity", "conv_1x1"), "concat"),
        ],
        (1, 2, 3),
    ),
    reduction=Cell(
        [
            Block((0, 1), ("max_pool_3x3", "sep_conv_5x5")),
            Block((2, 1), ("identity", "avg_pool_3x3")),
        ],
        (0, 2, 3),
    ),
    name="two blocks",
)
