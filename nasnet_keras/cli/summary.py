"""Count the parameters and multiply-adds of a network, cell by cell.

The network is counted without being built.
"""

import argparse
from typing import Any

from nasnet_keras.cli.arguments import GENOTYPE_HELP, PRESET_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `nasnet summary`."""
    parser.add_argument(
        "preset", nargs="?", default="nasnet_mobile", help=PRESET_HELP
    )
    parser.add_argument(
        "--genotype", help=f"in place of the preset's: {GENOTYPE_HELP}"
    )
    parser.add_argument("--cells-per-stack", type=int, help="N in the paper")
    parser.add_argument("--filters", type=int, help="F of the first stack")
    parser.add_argument("--image-size", type=int, help="side in pixels")
    parser.add_argument("--classes", type=int, help="number of classes")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Runs `nasnet summary`."""
    import nasnet_keras
    from nasnet_keras.networks.counting import count_layers
    from nasnet_keras.summary import format_rows

    preset = nasnet_keras.get_preset(args.preset)
    options = _options(args)
    side = args.image_size or preset.image_size
    channels = _channels(preset)
    rows = count_layers(preset.config(**options), side, channels)
    genotype = {**preset.configuration, **options}.get("genotype")
    cells = f" of {genotype.name or args.genotype} cells" if genotype else ""
    print(format_rows(rows, f"{preset.name}{cells} at {side}x{side}"))


def _options(args: argparse.Namespace) -> dict[str, Any]:
    import nasnet_keras

    options = {
        name: getattr(args, name)
        for name in ("cells_per_stack", "filters", "classes")
        if getattr(args, name) is not None
    }
    if args.genotype is not None:
        options["genotype"] = nasnet_keras.load_genotype(args.genotype)
    return options


def _channels(preset: Any) -> int:
    """The channels of the preset's images."""
    import keras

    from nasnet_keras.layers.image_axes import split_shape

    given = preset.configuration.get("input_shape")
    if given is None:
        return 3
    data_format = keras.config.image_data_format()
    return split_shape((None, *given), data_format)[3]
