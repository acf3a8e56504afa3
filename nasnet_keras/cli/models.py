"""List the presets with computed and published figures."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet models`."""
    parser.add_argument(
        "--all", action="store_true", help="include the presets for tests"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Runs `nasnet models`."""
    from nasnet_keras.presets import figures
    from nasnet_keras.presets.tables import aligned_table

    print(aligned_table(figures(), test_sized=args.all))
