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
    from nasnet_keras.checks import integer
    from nasnet_keras.summary import format_rows

    preset = nasnet_keras.get_preset(args.preset)
    side = args.image_size
    side = integer("image_size", preset.image_size if side is None else side, 3)
    options = _options(args)
    rows = _rows(preset, side, options)
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


def _rows(preset: Any, side: int, options: dict[str, Any]) -> list:
    """The costs of the preset's layers for square images."""
    import keras

    from nasnet_keras.layers.image_axes import image_shape, split_shape
    from nasnet_keras.networks.build import build_network
    from nasnet_keras.networks.counting import count_layers
    from nasnet_keras.summary import summarize

    data_format = keras.config.image_data_format()
    given = preset.configuration.get("input_shape")
    channels = split_shape((None, *given), data_format)[3] if given else 3
    shape = image_shape(side, data_format, channels)
    config = preset.config(input_shape=shape, **options)
    if config.auxiliary_head:  # Counting leaves it out.
        model, _ = build_network(config)
        return summarize(model)
    return count_layers(config, side, channels)
