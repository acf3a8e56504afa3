"""Draw the normal and the reduction cell of a genotype."""

import argparse

from nasnet_keras.cli.arguments import GENOTYPE_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet plot`."""
    parser.add_argument("genotype", help=GENOTYPE_HELP)
    parser.add_argument(
        "--output", default="cells.png", help="a .png or .svg file"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Runs `nasnet plot`."""
    import nasnet_keras
    from nasnet_keras.visualize import plot_genotype

    genotype = nasnet_keras.load_genotype(args.genotype)
    print(plot_genotype(genotype, args.output))
