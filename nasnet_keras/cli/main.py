"""The command `nasnet`.

Subcommands import what they need when they run: `nasnet --help` loads no
backend.
"""

import argparse
import sys

from absl import app, flags
from absl.flags import argparse_flags

import nasnet_keras

PRESET_HELP = "a preset (`nasnet models` lists them) or its folder"
GENOTYPE_HELP = (
    "a published genotype (nasnet_a, darts_v2, ...) or a JSON file, such as a "
    "search's best.json"
)


def make_parser():
    """Returns the parser of the whole command."""
    from nasnet_keras.cli import (
        convert,
        convert_data,
        evaluate,
        export,
        predict,
        train,
    )
    from nasnet_keras.search.commands import retrain, search

    parser = argparse_flags.ArgumentParser(
        prog="nasnet",
        description="NASNet for Keras 3: networks and the search for cells.",
        inherited_absl_flags=None,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=nasnet_keras.__version__
    )
    subparsers = parser.add_subparsers(dest="command", required=True)
    commands = (
        ("search", "search for cells on images", search),
        ("retrain", "train a search's best cells, keep one model", retrain),
        ("train", "train a network by a recipe", train),
        ("evaluate", "measure a network's accuracy", evaluate),
        ("predict", "name what is on images", predict),
        ("export", "write a model for other programs", export),
        ("convert", "rewrite published weights for every backend", convert),
        ("convert-data", "rewrite a dataset for every backend", convert_data),
    )
    for name, text, module in commands:
        module.add_arguments(_add(subparsers, name, text, module))
    _add_models(subparsers)
    _add_summary(subparsers)
    _add_plot(subparsers)
    return parser


def _add(subparsers, name, text, module=None):
    """Adds a subcommand; its module's docstring describes it."""
    return subparsers.add_parser(
        name,
        help=text,
        description=module and module.__doc__,
        formatter_class=getattr(
            module, "HelpFormatter", argparse.HelpFormatter
        ),
        inherited_absl_flags=None,
    )


def _add_models(subparsers):
    parser = _add(
        subparsers, "models", "the presets: computed and published figures"
    )
    parser.add_argument(
        "--all", action="store_true", help="those of test size too"
    )
    parser.set_defaults(run=models)


def _add_summary(subparsers):
    parser = _add(
        subparsers,
        "summary",
        "parameters and multiply-adds of a network, cell by cell",
    )
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
    parser.set_defaults(run=summary)


def _add_plot(subparsers):
    parser = _add(subparsers, "plot", "draw both cells of a genotype")
    parser.add_argument("genotype", help=GENOTYPE_HELP)
    parser.add_argument(
        "--output", default="cells.png", help="a .png or .svg file"
    )
    parser.set_defaults(run=plot)


def models(args):
    """`nasnet models`: prints the table of presets."""
    from nasnet_keras.presets import figures
    from nasnet_keras.presets.tables import aligned_table

    print(aligned_table(figures(), test_sized=args.all))


def summary(args):
    """`nasnet summary`: prints the table of a network."""
    from nasnet_keras.summary import format_rows, summarize

    preset = nasnet_keras.get_preset(args.preset)
    options = {
        name: getattr(args, name)
        for name in ("cells_per_stack", "filters", "classes")
        if getattr(args, name) is not None
    }
    if args.genotype is not None:
        options["genotype"] = nasnet_keras.load_genotype(args.genotype)
    side = args.image_size or preset.image_size
    options["input_shape"] = _input_shape(preset, side)
    model = nasnet_keras.from_preset(preset, weights=None, **options)
    genotype = {**preset.configuration, **options}.get("genotype")
    cells = f" of {genotype.name or args.genotype} cells" if genotype else ""
    title = f"{preset.name}{cells} at {side}x{side}"
    print(format_rows(summarize(model), title))


def _input_shape(preset, side):
    """Of square images with as many channels as the preset's."""
    import keras

    from nasnet_keras.layers.image_axes import image_shape, split_shape

    data_format = keras.config.image_data_format()
    given = preset.configuration.get("input_shape")
    channels = split_shape((None, *given), data_format)[3] if given else 3
    return image_shape(side, data_format, channels)


def plot(args):
    """`nasnet plot`: draws the cells of a genotype."""
    from nasnet_keras.visualize import plot_genotype

    genotype = nasnet_keras.load_genotype(args.genotype)
    print(plot_genotype(genotype, args.output))


def main(args):
    """Runs a subcommand; returns 2 on wrong input, 1 if it cannot go on."""
    try:
        return args.run(args)
    except (ValueError, ImportError, RuntimeError, OSError) as error:
        print(f"nasnet {args.command}: {error}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeError) else 2


def _parse(argv):
    flags.FLAGS.mark_as_parsed()  # absl asks for it; we define no flag.
    return make_parser().parse_args(argv[1:])


def run():
    """The entry point of the command."""
    app.run(main, flags_parser=_parse)


if __name__ == "__main__":
    run()
