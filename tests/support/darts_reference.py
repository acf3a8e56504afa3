"""The evaluation networks of DARTS in PyTorch, to compare ours with.

Every list of states begins with the older one. Submodules are registered in
the order in which they act, so that a test can walk a cell: `preprocess0`,
`preprocess1`, then of each of its `blocks` `left` and `right`.
"""

import math

import torch
from torch import nn
from torch.nn import functional

# Of each block, in order: (operation, state) on the left and on the right.
DARTS_V1 = {
    "normal": [
        [("sep_conv_3x3", 1), ("sep_conv_3x3", 0)],
        [("skip_connect", 0), ("sep_conv_3x3", 1)],
        [("skip_connect", 0), ("sep_conv_3x3", 1)],
        [("sep_conv_3x3", 0), ("skip_connect", 2)],
    ],
    "reduction": [
        [("max_pool_3x3", 0), ("max_pool_3x3", 1)],
        [("skip_connect", 2), ("max_pool_3x3", 0)],
        [("max_pool_3x3", 0), ("skip_connect", 2)],
        [("skip_connect", 2), ("avg_pool_3x3", 0)],
    ],
}

DARTS_V2 = {
    "normal": [
        [("sep_conv_3x3", 0), ("sep_conv_3x3", 1)],
        [("sep_conv_3x3", 0), ("sep_conv_3x3", 1)],
        [("sep_conv_3x3", 1), ("skip_connect", 0)],
        [("skip_connect", 0), ("dil_conv_3x3", 2)],
    ],
    "reduction": [
        [("max_pool_3x3", 0), ("max_pool_3x3", 1)],
        [("skip_connect", 2), ("max_pool_3x3", 1)],
        [("max_pool_3x3", 0), ("skip_connect", 2)],
        [("skip_connect", 2), ("max_pool_3x3", 1)],
    ],
}


class FactorizedReduce(nn.Module):
    """Halves a state by two strided 1x1 convolutions, one a pixel further."""

    def __init__(self, channels, filters):
        super().__init__()
        if filters % 2:
            raise ValueError(f"filters must be even, not {filters}")
        self.path_1 = _conv(channels, filters // 2, 1, stride=2)
        self.path_2 = _conv(channels, filters // 2, 1, stride=2)
        self.norm = nn.BatchNorm2d(filters)

    def forward(self, x):
        x = functional.relu(x)
        # At even sizes the zeros are not read; at odd ones path 2 ends in them.
        shifted = functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        halves = [self.path_1(x), self.path_2(shifted)]
        return self.norm(torch.cat(halves, dim=1))


class Block(nn.Module):
    """The sum of two operations, each on a state of its choice."""

    def __init__(self, choices, filters, reduces):
        super().__init__()
        self.inputs = [state for _, state in choices]
        self.left, self.right = (
            _operation(name, filters, 2 if reduces and state < 2 else 1)
            for name, state in choices
        )

    def forward(self, states):
        left, right = self.inputs
        return self.left(states[left]) + self.right(states[right])


class Cell(nn.Module):
    """A cell on two states.

    Args:
        blocks: List of pairs of (operation, state), as in `DARTS_V1`.
        channels: Channels of the older state and of the newer one.
        filters: Integer, the channels of every state inside.
        reduces: Whether it halves the resolution.
        sizes_differ: Whether the older state is twice as large.
    """

    def __init__(self, blocks, channels, filters, reduces, sizes_differ):
        super().__init__()
        older, newer = channels
        fit = FactorizedReduce if sizes_differ else _relu_conv_norm
        self.preprocess0 = fit(older, filters)
        self.preprocess1 = _relu_conv_norm(newer, filters)
        self.blocks = nn.ModuleList(
            Block(choices, filters, reduces) for choices in blocks
        )
        self.channels = filters * len(blocks)

    def forward(self, s0, s1):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for block in self.blocks:
            states.append(block(states))
        return torch.cat(states[2:], dim=1)


class Network(nn.Module):
    """An evaluation network.

    Its output is a dictionary: "stem", the list of the stem's states (one for
    CIFAR, two for ImageNet), "cells", the list of all cells' outputs,
    "logits", and "auxiliary", the auxiliary head's logits, if it has one.

    Args:
        genotype: Dictionary like `DARTS_V1`.
        filters: Integer, those of the first cell.
        layers: Integer, the number of cells, of which two reduce.
        classes: Integer.
        imagenet: Whether the stem is ImageNet's, which reduces eightfold.
        auxiliary: Whether there is an auxiliary head, which then acts in
            inference too. It needs states of 8 to 10 pixels (ImageNet: of 7
            or 8) a side.
    """

    def __init__(
        self,
        genotype,
        filters,
        layers,
        classes,
        imagenet=False,
        auxiliary=False,
    ):
        super().__init__()
        stem = _imagenet_stem if imagenet else _cifar_stem
        self.stem = nn.ModuleList(stem(filters))
        self.reductions = (layers // 3, 2 * layers // 3)
        self.cells = nn.ModuleList()
        channels = [filters if imagenet else 3 * filters] * 2
        sizes_differ = imagenet
        for number in range(layers):
            reduces = number in self.reductions
            filters *= 2 if reduces else 1
            blocks = genotype["reduction" if reduces else "normal"]
            cell = Cell(blocks, channels, filters, reduces, sizes_differ)
            self.cells.append(cell)
            channels = [channels[1], cell.channels]
            sizes_differ = reduces
        self.auxiliary = None
        if auxiliary:
            head = _imagenet_head if imagenet else _cifar_head
            state = self.cells[self.reductions[1]].channels
            self.auxiliary = head(state, classes)
        self.classifier = nn.Linear(channels[1], classes)

    def forward(self, x):
        stem = []
        for part in self.stem:
            x = part(x)
            stem.append(x)
        states = [stem[0], stem[-1]]
        for cell in self.cells:
            states.append(cell(*states[-2:]))
        cells = states[2:]
        pooled = states[-1].mean(dim=(2, 3))
        outputs = {
            "stem": stem,
            "cells": cells,
            "logits": self.classifier(pooled),
        }
        if self.auxiliary is not None:
            reduced = cells[self.reductions[1]]
            outputs["auxiliary"] = self.auxiliary(reduced)
        return outputs


def randomize(network, seed):
    """Gives every parameter and statistic a value that shows in the output.

    Kernels are normal, scaled by their fan-in; the factors and variances of
    batch norms are uniform in [0.7, 1.3], means and all biases in
    [-0.3, 0.3].
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        tensor.uniform_(low, high, generator=generator)

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                uniform(module.weight, 0.7, 1.3)
                uniform(module.running_mean, -0.3, 0.3)
                uniform(module.running_var, 0.7, 1.3)
            elif isinstance(module, (nn.Conv2d, nn.Linear)):
                scale = 1 / math.sqrt(module.weight[0].numel())
                module.weight.normal_(0, scale, generator=generator)
            if getattr(module, "bias", None) is not None:
                uniform(module.bias, -0.3, 0.3)


def _conv(channels, filters, size, **options):
    return nn.Conv2d(channels, filters, size, bias=False, **options)


def _conv3x3_norm(channels, filters, stride):
    return [
        _conv(channels, filters, 3, stride=stride, padding=1),
        nn.BatchNorm2d(filters),
    ]


def _relu_conv_norm(channels, filters):
    return nn.Sequential(
        nn.ReLU(),
        _conv(channels, filters, 1),
        nn.BatchNorm2d(filters),
    )


def _depthwise_turn(filters, size, stride, dilation=1):
    """ReLU, depthwise and pointwise convolution, batch norm."""
    depthwise = _conv(
        filters,
        filters,
        size,
        stride=stride,
        padding=dilation * (size // 2),
        dilation=dilation,
        groups=filters,
    )
    pointwise = _conv(filters, filters, 1)
    return [nn.ReLU(), depthwise, pointwise, nn.BatchNorm2d(filters)]


def _separable(filters, size, stride):
    first = _depthwise_turn(filters, size, stride)
    return nn.Sequential(*first, *_depthwise_turn(filters, size, 1))


def _dilated(filters, size, stride):
    return nn.Sequential(*_depthwise_turn(filters, size, stride, dilation=2))


def _skip(filters, stride):
    return nn.Identity() if stride == 1 else FactorizedReduce(filters, filters)


OPERATIONS = {
    "max_pool_3x3": lambda f, s: nn.MaxPool2d(3, s, padding=1),
    "avg_pool_3x3": lambda f, s: nn.AvgPool2d(
        3, s, padding=1, count_include_pad=False
    ),
    "skip_connect": _skip,
    "sep_conv_3x3": lambda f, s: _separable(f, 3, s),
    "sep_conv_5x5": lambda f, s: _separable(f, 5, s),
    "dil_conv_3x3": lambda f, s: _dilated(f, 3, s),
    "dil_conv_5x5": lambda f, s: _dilated(f, 5, s),
}


def _operation(name, filters, stride):
    return OPERATIONS[name](filters, stride)


def _cifar_stem(filters):
    return [nn.Sequential(*_conv3x3_norm(3, 3 * filters, 1))]


def _imagenet_stem(filters):
    """The two states: a quarter and an eighth of the image's sides."""
    half = filters // 2
    first = _conv3x3_norm(3, half, 2)
    second = _conv3x3_norm(half, filters, 2)
    third = _conv3x3_norm(filters, filters, 2)
    return [
        nn.Sequential(*first, nn.ReLU(), *second),
        nn.Sequential(nn.ReLU(), *third),
    ]


def _cifar_head(channels, classes):
    return _head(channels, classes, 3, [nn.BatchNorm2d(768)])


def _imagenet_head(channels, classes):
    """Strided less, and without the second batch norm."""
    return _head(channels, classes, 2, [])


def _head(channels, classes, stride, norm):
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(5, stride),
        _conv(channels, 128, 1),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        _conv(128, 768, 2),
        *norm,
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(768, classes),
    )
