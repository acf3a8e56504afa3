"""How often does the demonstration's search beat random? Several seeds.

    python benchmarks/demonstration.py [--searches 5]

Runs the demonstration, `nasnet search` without other options, with other seeds:
PPO, as many random cells, then the best cell of each and NASNet-A trained three
times and measured on the test images. Prints a line for each search, and how
often the searched cell was above the random one. A search that was stopped goes
on. Writes `benchmarks/results/demonstration.json`.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

RESULTS = pathlib.Path(__file__).parent / "results"
# Kept between runs: a search that was stopped goes on.
SEARCHES = pathlib.Path(tempfile.gettempdir(), "nasnet_demonstrations")
LABELS = ("searched", "random", "nasnet_a")


def run(seed, folder):
    """Runs a demonstration; returns label -> test accuracies, and minutes."""
    command = [sys.executable, "-m", "nasnet_keras.cli", "search"]
    began = time.monotonic()
    with (folder.parent / f"{folder.name}.log").open("a") as log:
        subprocess.run(
            [*command, "--seed", str(seed), "--directory", str(folder)],
            stdout=log,
            stderr=log,
            check=True,
        )
    compared = json.loads((folder / "comparison.json").read_text())
    return {
        "minutes": round((time.monotonic() - began) / 60, 1),
        **{
            label: list(compared[label]["test_accuracies"].values())
            for label in LABELS
        },
    }


def table(results):
    """Returns the results of all searches as Markdown."""
    lines = ["| seed | " + " | ".join(LABELS) + " | minutes |"]
    lines.append("|---" * (len(LABELS) + 2) + "|")
    for seed, row in results.items():
        means = [f"{statistics.mean(row[label]):.2%}" for label in LABELS]
        lines.append(
            f"| {seed} | " + " | ".join(means) + f" | {row['minutes']} |"
        )
    for rival in LABELS[1:]:
        margins = [
            statistics.mean(row["searched"]) - statistics.mean(row[rival])
            for row in results.values()
        ]
        wins = sum(margin > 0 for margin in margins)
        lines.append(
            f"\nsearched above {rival}: {wins} of {len(margins)} searches, by "
            f"{100 * statistics.mean(margins):+.2f} points on average"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--searches", type=int, default=5)
    parser.add_argument("--directory", type=pathlib.Path, default=SEARCHES)
    parser.add_argument(
        "--output", type=pathlib.Path, default=RESULTS / "demonstration.json"
    )
    args = parser.parse_args()
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    known = {}
    if args.output.is_file():
        known = json.loads(args.output.read_text())["results"]
    directory = args.directory
    directory.mkdir(parents=True, exist_ok=True)
    for seed in map(str, range(args.searches)):
        if seed not in known:
            known[seed] = run(seed, directory / seed)
            content = {"results": known, "produced_by": provenance()}
            write_json(args.output, content)
        print(table(known), flush=True)


if __name__ == "__main__":
    main()
