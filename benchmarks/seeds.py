"""Compares settings over several seeds: runs, tables, plots.

Each result is written at once, so that a stopped benchmark can be resumed.
"""

import argparse
import json
import pathlib
import statistics
import time

RESULTS = pathlib.Path(__file__).parent / "results"


def parse(description, name, **arguments):
    """Parses the command line: common arguments, and the benchmark's own.

    Args:
        description: String, the script's docstring.
        name: String, the default name of the results' file.
        arguments: Name -> default (integer, float or path) of the benchmark's
            own arguments.
    """
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--output", type=pathlib.Path, default=RESULTS / f"{name}.json"
    )
    for argument, default in arguments.items():
        parser.add_argument(
            f"--{argument.replace('_', '-')}",
            type=type(default),
            default=default,
        )
    return parser.parse_args()


def run(settings, args):
    """Runs every setting with every seed, except finished ones.

    Args:
        settings: Dictionary, name -> function of a seed that returns a
            dictionary of results; `curve` in it is a list of numbers.
        args: The result of `parse`. Results in `args.output` are reused if
            their arguments are the same.

    Returns:
        Dictionary: name -> list of results, by seed.
    """
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    arguments = {
        name: str(value)
        for name, value in vars(args).items()
        if name not in ("seeds", "output")
    }
    content = {"arguments": arguments, "results": {}}
    if args.output.is_file():
        before = json.loads(args.output.read_text())
        content = before if before["arguments"] == arguments else content
    for seed in range(args.seeds):  # All settings per seed, to compare early.
        for name, function in settings.items():
            results = content["results"].setdefault(name, [])
            if len(results) > seed:
                continue
            began = time.time()
            result = function(seed)
            result["seconds"] = round(time.time() - began, 1)
            results.append(result)
            content["produced_by"] = provenance()
            write_json(args.output, content)
            shown = {k: v for k, v in result.items() if k != "curve"}
            print(f"seed {seed}, {name}: {shown}", flush=True)
    return {n: r[: args.seeds] for n, r in content["results"].items()}


def print_table(results, measures):
    """Prints mean, standard deviation and single values as Markdown.

    Args:
        results: The result of `run`.
        measures: Dictionary, key of a result -> column title.
    """
    header = ["", *measures.values(), "by seed: " + next(iter(measures))]
    print("\n| " + " | ".join(header) + " |")
    print("|---" * len(header) + "|")
    for name, rows in results.items():
        cells = [name]
        for key in measures:
            cells.append(_summary([row[key] for row in rows]))
        first = next(iter(measures))
        cells.append(", ".join(f"{row[first]:.2f}" for row in rows))
        print("| " + " | ".join(cells) + " |")


def _summary(values):
    if all(isinstance(value, int) for value in values):  # Counts.
        return f"{statistics.mean(values):,.0f}"
    spread = statistics.stdev(values) if len(values) > 1 else 0
    return f"{statistics.mean(values):.2f} ± {spread:.2f}"


def plot(results, path, ylabel):
    """Plots the curves of each setting and their mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel=ylabel)
    axes.grid(color="#e5e7eb", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    for name, rows in results.items():
        curves = [row["curve"] for row in rows]
        epochs = range(1, len(curves[0]) + 1)
        mean = [statistics.mean(values) for values in zip(*curves)]
        (line,) = axes.plot(epochs, mean, label=f"{name} ({mean[-1]:.1f})")
        for curve in curves:
            axes.plot(epochs, curve, color=line.get_color(), alpha=0.25, lw=0.8)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path)
    print(f"\n{path}")
