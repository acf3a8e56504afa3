"""Puts odd image folders through every command that reads images.

    python benchmarks/odd_images.py FOLDER

FOLDER holds data sets of two classes as people have them: turned photos,
16-bit grey, other suffixes, cut files, hidden files, and so on. On each of
them a small network is trained; the model is evaluated with the images in
memory and read from disk, and predicts every image file. Prints a table of
what came out, and whether training and serving agree; writes it as JSON to
`benchmarks/results/odd_images.json`.
"""

import argparse
import contextlib
import io
import json
import pathlib
import re
import sys
import tempfile

from nasnet_keras.cli.main import main as nasnet
from nasnet_keras.runs.files import write_json
from nasnet_keras.runs.notices import printable
from nasnet_keras.training.data import image_files

RESULTS = pathlib.Path(__file__).parent / "results" / "odd_images.json"
SMALL = "--cells-per-stack 1 --filters 4 --image-size 16"
TRAIN = "--recipe cifar10_short --augmentation none --epochs 5"
SEARCH = "--oracle random --trials 1 --epochs 1 --batch-size 4 --no-compare"
CHILD = "--filters 2 --image-size 16 --trials-per-process 0"


def call(*words):
    """Runs `nasnet WORDS...`; returns exit status, output, error lines."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = nasnet([str(word) for word in words])
        except SystemExit as error:  # By argparse.
            status = error.code
    return status, out.getvalue(), err.getvalue().strip()


@contextlib.contextmanager
def from_disk():
    """Reads every folder lazily, as if it did not fit in memory."""
    before, image_files.MEMORY_LIMIT = image_files.MEMORY_LIMIT, 0
    try:
        yield
    finally:
        image_files.MEMORY_LIMIT = before


def evaluate(model, folder, output, *options):
    """Returns the top-1 accuracy of all images, or the error."""
    words = ("evaluate", "--model", model, "--data", folder, "--output", output)
    status, _, errors = call(*words, *options)
    if status:
        return last_line(errors)
    return json.loads(output.read_text())["top1"]


def predict(model, folder):
    """Returns the accuracy of the predictions of all files of the classes."""
    words = ("predict", "--model", model, *class_folders(folder))
    status, text, errors = call(*words)
    pairs = re.findall(r"^(\S.*)\n  \S+  (\S+)", text, re.MULTILINE)
    right = [f"/{name}/" in path for path, name in pairs]
    accuracy = sum(right) / max(1, len(right))
    return accuracy, len(right), last_line(errors) if status else ""


def class_folders(folder):
    """The folders of the classes, those of the test part if it is split."""
    inner = folder / "test" if (folder / "test").is_dir() else folder
    return [inner / name for name in ("blue", "red")]


def last_line(text):
    return text.splitlines()[-1] if text else "no message"


def try_folder(folder, work):
    """Returns a row: what each command made of a folder."""
    row = {"folder": folder.name}
    words = ("--data", folder, "--directory", work / "run", "--batch-size", 4)
    status, _, errors = call("train", *SMALL.split(), *TRAIN.split(), *words)
    row["said"] = said(errors)
    if status:
        return {**row, "refused": last_line(errors)}
    model = work / "run" / "model.keras"
    split = () if (folder / "test").is_dir() else ("--split", "all")
    row["in memory"] = evaluate(model, folder, work / "memory.json", *split)
    with from_disk():
        row["from disk"] = evaluate(model, folder, work / "disk.json", *split)
    row["predict"], row["images"], row["unreadable"] = predict(model, folder)
    row["agree"] = row["in memory"] == row["from disk"] == row["predict"]
    npz = work / "data.npz"
    status, text, errors = call("convert-data", folder, npz)
    row["convert-data"] = last_line(errors if status else text)
    words = (
        *SEARCH.split(),
        *CHILD.split(),
        "--data",
        folder,
        "--directory",
        work / "search",
    )
    status, _, errors = call("search", *words)
    row["search"] = last_line(errors) if status else "ran"
    return row


def said(errors):
    """The lines about images that were not used."""
    return [line for line in errors.splitlines() if "not used" in line]


def table(rows):
    """Returns the rows as a Markdown table."""
    names = "in memory", "from disk", "predict", "agree", "search", "said"
    lines = [
        "| folder | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for row in rows:
        if "refused" in row:
            cells = ["refused: " + row["refused"]] + [""] * (len(names) - 1)
        else:
            cells = [cell(row[name]) for name in names]
        lines.append("| " + " | ".join([row["folder"], *cells]) + " |")
    return "\n".join(lines)


def cell(value):
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.0%}"
    return "; ".join(value) if isinstance(value, list) else str(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    rows = []
    for folder in sorted(args.folder.iterdir()):
        with tempfile.TemporaryDirectory() as work:
            rows.append(try_folder(folder, pathlib.Path(work)))
        print(json.dumps(rows[-1]), flush=True)
    print(printable("\n" + table(rows), sys.stdout))
    write_json(RESULTS, rows)


if __name__ == "__main__":
    main()
