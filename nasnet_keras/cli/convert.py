"""Rewrite published weights as one file that loads on every backend.

SOURCE is an h5 file of keras.applications or the prefix of a TF-slim
checkpoint, which only TensorFlow can read. Every variable is accounted for,
and the file is read back before it gets its name.
"""

import os
import pathlib
import tempfile


def add_arguments(parser):
    """Adds the arguments of `nasnet convert` to a parser."""
    parser.add_argument("source", metavar="SOURCE", help="weights to convert")
    parser.add_argument(
        "--preset", required=True, help="whose weights they are"
    )
    parser.add_argument(
        "--output",
        required=True,
        type=pathlib.Path,
        help="a .weights.h5 file, or a .keras file with the network itself",
    )
    parser.add_argument(
        "--classes", type=int, help="classes, if not those of the preset"
    )
    parser.add_argument(
        "--no-top", action="store_true", help="leave the classifier out"
    )
    parser.add_argument(
        "--auxiliary-head",
        action="store_true",
        help="keep the auxiliary classifier, for training",
    )
    parser.add_argument(
        "--moving-average",
        choices=("auto", "yes", "no"),
        default="auto",
        help="of a TF-slim checkpoint: take averages where there are some "
        "(default), demand them, or take the raw variables",
    )
    parser.set_defaults(run=run)


def run(args):
    """Runs `nasnet convert`."""
    whole = args.output.name.endswith(".keras")
    if not whole and not args.output.name.endswith(".weights.h5"):
        raise ValueError(
            "--output must end in .weights.h5 or .keras. "
            f"Received: {args.output}"
        )
    if args.output.exists():
        raise ValueError(f"--output {args.output} exists: remove it first.")
    model, loaded = _load(args)
    write_whole(args.output, model.save if whole else model.save_weights, model)
    taken = f"{loaded.variables} variables"
    if loaded.averages:
        taken += f", {loaded.averages} of them moving averages"
    print(f"{args.output}: {taken}")
    if loaded.passed_over:
        heads = {name.split("/")[0] for name in loaded.passed_over}
        print(
            f"Left out: {len(loaded.passed_over)} variables of heads that the "
            f"network was not asked to have ({', '.join(sorted(heads))})."
        )


def _load(args):
    """The network with its weights, and what was loaded."""
    import nasnet_keras
    from nasnet_keras.weights import load_weights

    overrides = {"include_top": not args.no_top}
    if args.auxiliary_head:
        overrides["auxiliary_head"] = True
    if args.classes is not None:
        overrides["classes"] = args.classes
    model = nasnet_keras.from_preset(args.preset, weights=None, **overrides)
    if not os.path.isfile(f"{args.source}.index"):
        return model, load_weights(model, args.source)
    average = {"auto": "auto", "yes": True, "no": False}[args.moving_average]
    loaded = nasnet_keras.load_tf_slim(model, args.source, average)
    return model, loaded


def write_whole(path, save, model):
    """Saves under a temporary name, reads back, and renames.

    Args:
        path: `pathlib.Path` of the file.
        save: Function of a path that writes the model or its weights.
        model: `keras.Model`.
    """
    from nasnet_keras.weights import WeightsError, load_weights

    path.parent.mkdir(parents=True, exist_ok=True)
    expected = [value.copy() for value in model.get_weights()]
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        temporary = pathlib.Path(folder) / path.name
        save(temporary)
        load_weights(model, temporary)
        same = zip(expected, model.get_weights())
        if not all((old == new).all() for old, new in same):
            raise WeightsError(f"{path} did not read back as it was written.")
        os.replace(temporary, path)
