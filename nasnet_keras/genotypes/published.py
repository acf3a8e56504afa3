"""The published cells, as genotypes.

Each is written in its authors' order and numbering, so that it can be compared
with its source; the functions at the top translate.
"""

from nasnet_keras.genotypes import Block, Cell, Genotype


def _cell(concat, *blocks):
    """A cell of blocks `(operation, input, operation, input)`, added."""
    return Cell(
        [Block((i, j), (left, right)) for left, i, right, j in blocks], concat
    )


def _older_first(concat, *blocks):
    """The same where the authors number the older input 0, the newer 1."""
    ours = {0: 1, 1: 0}
    return _cell(
        [ours.get(state, state) for state in concat],
        *(
            (left, ours.get(i, i), right, ours.get(j, j))
            for left, i, right, j in blocks
        ),
    )


# TF-slim `nasnet/nasnet_utils.py`, the cells of the published weights.
NASNET_A = Genotype(
    normal=_cell(
        (1, 2, 3, 4, 5, 6),
        ("sep_conv_5x5", 0, "sep_conv_3x3", 1),
        ("sep_conv_5x5", 1, "sep_conv_3x3", 1),
        ("avg_pool_3x3", 0, "identity", 1),
        ("avg_pool_3x3", 1, "avg_pool_3x3", 1),
        ("sep_conv_3x3", 0, "identity", 0),
    ),
    reduction=_cell(
        (3, 4, 5, 6),
        ("sep_conv_5x5", 0, "sep_conv_7x7", 1),
        ("max_pool_3x3", 0, "sep_conv_7x7", 1),
        ("avg_pool_3x3", 0, "sep_conv_5x5", 1),
        ("identity", 3, "avg_pool_3x3", 2),
        ("sep_conv_3x3", 2, "max_pool_3x3", 0),
    ),
    name="NASNet-A",
)

# TF-slim `nasnet/pnasnet.py`; one cell, strided where it reduces.
_PNASNET_5_CELL = _cell(
    (2, 3, 4, 5, 6),
    ("sep_conv_5x5", 1, "max_pool_3x3", 1),
    ("sep_conv_7x7", 0, "max_pool_3x3", 0),
    ("sep_conv_5x5", 0, "sep_conv_3x3", 0),
    ("sep_conv_3x3", 4, "max_pool_3x3", 0),
    ("sep_conv_3x3", 1, "identity", 0),
)
PNASNET_5 = Genotype(_PNASNET_5_CELL, _PNASNET_5_CELL, name="PNASNet-5")

# tensorflow/tpu `amoeba_net/model_specs.py`. There "dil_2_sep_5x5" takes the
# plain separable path, and convolutions wider than 1x1 are bottlenecked.
AMOEBANET_A = Genotype(
    normal=_cell(
        (1, 3, 4, 6),
        ("avg_pool_3x3", 0, "max_pool_3x3", 0),
        ("sep_conv_3x3", 1, "identity", 1),
        ("identity", 0, "avg_pool_3x3", 1),
        ("sep_conv_3x3", 0, "sep_conv_5x5", 2),
        ("avg_pool_3x3", 5, "sep_conv_3x3", 0),
    ),
    reduction=_cell(
        (2, 3, 4, 5, 6),
        ("sep_conv_3x3", 1, "avg_pool_3x3", 0),
        ("max_pool_3x3", 0, "sep_conv_7x7", 2),
        ("max_pool_3x3", 1, "max_pool_3x3", 0),
        ("sep_conv_3x3", 4, "bottleneck_conv_1x7_7x1", 0),
        ("avg_pool_3x3", 1, "sep_conv_7x7", 0),
    ),
    name="AmoebaNet-A",
)
AMOEBANET_B = Genotype(
    normal=_cell(
        (0, 3, 4, 6),
        ("conv_1x1", 1, "max_pool_3x3", 1),
        ("identity", 1, "sep_conv_3x3", 0),
        ("conv_1x1", 1, "sep_conv_3x3", 0),
        ("conv_1x1", 2, "identity", 2),
        ("avg_pool_3x3", 1, "conv_1x1", 5),
    ),
    reduction=_cell(
        (5, 6),
        ("max_pool_2x2", 0, "max_pool_3x3", 0),
        ("identity", 2, "bottleneck_conv_3x3", 1),
        ("sep_conv_5x5", 2, "max_pool_3x3", 2),
        ("identity", 3, "sep_conv_3x3", 1),
        ("avg_pool_3x3", 4, "conv_1x1", 3),
    ),
    name="AmoebaNet-B",
)
AMOEBANET_C = Genotype(
    normal=_cell(
        (1, 2, 4, 5, 6),
        ("avg_pool_3x3", 0, "sep_conv_3x3", 0),
        ("identity", 0, "sep_conv_3x3", 0),
        ("avg_pool_3x3", 2, "sep_conv_3x3", 1),
        ("identity", 0, "sep_conv_3x3", 1),
        ("avg_pool_3x3", 3, "sep_conv_3x3", 0),
    ),
    reduction=_cell(
        (0, 2, 3, 4, 5, 6),
        ("max_pool_3x3", 0, "max_pool_3x3", 0),
        ("sep_conv_7x7", 2, "sep_conv_3x3", 0),
        ("sep_conv_7x7", 0, "max_pool_3x3", 1),
        ("sep_conv_5x5", 4, "sep_conv_5x5", 4),
        ("max_pool_3x3", 1, "sep_conv_3x3", 1),
    ),
    name="AmoebaNet-C",
)
AMOEBANET_D = Genotype(
    normal=_cell(
        (0, 3, 4, 6),
        ("conv_1x1", 1, "max_pool_3x3", 1),
        ("identity", 1, "bottleneck_conv_1x7_7x1", 0),
        ("conv_1x1", 0, "bottleneck_conv_1x7_7x1", 0),
        ("max_pool_3x3", 2, "identity", 2),
        ("avg_pool_3x3", 1, "conv_1x1", 5),
    ),
    reduction=_cell(
        (4, 5, 6),
        ("max_pool_2x2", 0, "max_pool_3x3", 0),
        ("identity", 2, "bottleneck_conv_3x3", 1),
        ("bottleneck_conv_1x7_7x1", 2, "max_pool_3x3", 2),
        ("identity", 3, "max_pool_2x2", 1),
        ("avg_pool_3x3", 2, "conv_1x1", 3),
    ),
    name="AmoebaNet-D",
)

# melodyguan/enas, the micro cells of `scripts/cifar10_micro_final.sh`.
ENAS = Genotype(
    normal=_older_first(
        (2, 3, 4, 5, 6),
        ("avg_pool_3x3", 0, "sep_conv_3x3", 0),
        ("factorized_identity", 0, "sep_conv_5x5", 0),
        ("factorized_identity", 0, "sep_conv_5x5", 1),
        ("sep_conv_3x3", 1, "sep_conv_5x5", 0),
        ("avg_pool_3x3", 0, "sep_conv_5x5", 1),
    ),
    reduction=_older_first(
        (2, 4, 5, 6),
        ("sep_conv_3x3", 1, "sep_conv_3x3", 1),
        ("max_pool_3x3", 0, "avg_pool_3x3", 0),
        ("sep_conv_5x5", 1, "sep_conv_5x5", 3),
        ("sep_conv_3x3", 1, "factorized_identity", 0),
        ("max_pool_3x3", 0, "sep_conv_5x5", 1),
    ),
    name="ENAS",
)

# quark0/darts `cnn/genotypes.py`.
DARTS_V1 = Genotype(
    normal=_older_first(
        (2, 3, 4, 5),
        ("sep_conv_3x3", 1, "sep_conv_3x3", 0),
        ("skip_connect", 0, "sep_conv_3x3", 1),
        ("skip_connect", 0, "sep_conv_3x3", 1),
        ("sep_conv_3x3", 0, "skip_connect", 2),
    ),
    reduction=_older_first(
        (2, 3, 4, 5),
        ("max_pool_3x3", 0, "max_pool_3x3", 1),
        ("skip_connect", 2, "max_pool_3x3", 0),
        ("max_pool_3x3", 0, "skip_connect", 2),
        ("skip_connect", 2, "avg_pool_3x3", 0),
    ),
    name="DARTS V1",
)
DARTS_V2 = Genotype(
    normal=_older_first(
        (2, 3, 4, 5),
        ("sep_conv_3x3", 0, "sep_conv_3x3", 1),
        ("sep_conv_3x3", 0, "sep_conv_3x3", 1),
        ("sep_conv_3x3", 1, "skip_connect", 0),
        ("skip_connect", 0, "dil_sep_conv_3x3", 2),
    ),
    reduction=_older_first(
        (2, 3, 4, 5),
        ("max_pool_3x3", 0, "max_pool_3x3", 1),
        ("skip_connect", 2, "max_pool_3x3", 1),
        ("max_pool_3x3", 0, "skip_connect", 2),
        ("skip_connect", 2, "max_pool_3x3", 1),
    ),
    name="DARTS V2",
)

PUBLISHED: dict[str, Genotype] = {
    "nasnet_a": NASNET_A,
    "pnasnet_5": PNASNET_5,
    "amoebanet_a": AMOEBANET_A,
    "amoebanet_b": AMOEBANET_B,
    "amoebanet_c": AMOEBANET_C,
    "amoebanet_d": AMOEBANET_D,
    "enas": ENAS,
    "darts_v1": DARTS_V1,
    "darts_v2": DARTS_V2,
}
