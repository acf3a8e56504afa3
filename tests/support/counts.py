"""Numbers of weights, computed by hand from the paper's description.

A batch norm over f channels has 4 f, no convolution has a bias.
"""


def fitting(c, f):
    """A 1x1 convolution and its batch norm."""
    return c * f + 4 * f


def convolution(area, c, f):
    return area * c * f + 4 * f


def asymmetric(side, c, f):
    return convolution(side, c, f) + convolution(side, f, f)


def separable(side, c, f):
    """Applied twice: depthwise and pointwise kernels, a batch norm."""
    return side**2 * (c + f) + c * f + f * f + 8 * f


# Those that need no weights at all where c = f (identity: at stride 1).
FREE = {
    "identity",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
}

OTHERS = {
    "conv_1x1": lambda c, f: convolution(1, c, f),
    "conv_3x3": lambda c, f: convolution(9, c, f),
    "dil_conv_3x3": lambda c, f: convolution(9, c, f),
    "conv_1x3_3x1": lambda c, f: asymmetric(3, c, f),
    "conv_1x7_7x1": lambda c, f: asymmetric(7, c, f),
    "sep_conv_3x3": lambda c, f: separable(3, c, f),
    "sep_conv_5x5": lambda c, f: separable(5, c, f),
    "sep_conv_7x7": lambda c, f: separable(7, c, f),
}


def operation_weights(name, c, f, strides=1):
    """Weights of an operation from c to f channels."""
    if name not in FREE:
        return OTHERS[name](c, f)
    strided_identity = name == "identity" and strides > 1
    return fitting(c, f) if c != f or strided_identity else 0


def cell_weights(cell, f, strides, channels, sizes_differ=False):
    """Weights of a cell of the paper, with blocks that add.

    Args:
        cell: `Cell` with two inputs.
        f: Integer, its filters.
        strides: 1, or 2 for a reduction.
        channels: Channels of the current and the previous state; the current
            one alone if it replaces a previous state that does not exist.
        sizes_differ: Whether the previous state is larger.
    """
    count = fitting(channels[0], f)
    states = [f, f]
    if len(channels) == 1:
        states[1] = channels[0]
    elif channels[1] != f or sizes_differ:
        count += fitting(channels[1], f)
    for block in cell.blocks:
        for state, name in zip(block.inputs, block.operations):
            stride = strides if state < 2 else 1
            count += operation_weights(name, states[state], f, stride)
        states.append(f)
    for state in cell.concat:
        if state < 2 and (strides == 2 or states[state] != f):
            count += fitting(states[state], f)
    return count
