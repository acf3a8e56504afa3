"""Ours and the rivals in turn: start, inference, training, memory.

    make bench                           # on TensorFlow, Mobile and Large
    make bench ARGS="--sections start training --rounds 5"
    make bench ARGS="--backend torch"    # beside timm, if it is installed

Each measure of each subject runs in a process of its own, one after the other,
in as many rounds as `--rounds`. Prints medians and, for each rival, the median
over the rounds of theirs / ours, so that what slows the machine for a while
slows both. Writes `benchmarks/results/speed.json` and `speed.md`, on another
backend `speed_jax` or `speed_torch`; what is known there is not measured again
by `--resume`.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics

from machine import limits
from processes import measured
from subjects import APPLICATIONS, OURS, RUNTIMES, TIMM, Subject

HERE = pathlib.Path(__file__).parent
RESULTS = HERE.parent / "results"
SLOWEST = 1800  # Seconds of one process.


def sections(backend):
    """Section -> measure, ours first, and the subjects beside them."""
    mobile = [
        Subject(OURS, "mobile", backend),
        Subject(APPLICATIONS, "mobile", backend),
    ]
    fused = Subject(OURS, "mobile", backend, fused=True)
    large = [dataclasses.replace(x, network="large") for x in (*mobile, fused)]
    remat = dataclasses.replace(mobile[0], remat=True)
    half = [
        dataclasses.replace(x, precision="bfloat16") for x in (*mobile, fused)
    ]
    found = {
        "start": ("start", mobile),
        "inference": ("predictions", [fused, *mobile]),
        "inference, Large": ("predictions", [large[2], *large[:2]]),
        "inference, bfloat16": ("predictions", [half[2], *half[:2]]),
        "training": ("training", mobile),
        "memory": ("memory", [remat, *mobile]),
    }
    if backend == "tensorflow":
        for engine in RUNTIMES:
            pair = [
                Subject(OURS, "mobile", engine, fused=True),
                Subject(APPLICATIONS, "mobile", engine),
            ]
            found[f"inference, {engine}"] = ("predictions", pair)
    if backend == "torch":
        for network in ("large", "pnasnet_large"):
            pair = [
                Subject(OURS, network, backend, fused=True),
                Subject(OURS, network, backend),
                Subject(TIMM, network, backend),
            ]
            found[f"inference, {network}, timm"] = ("predictions", pair)
    return found


def measure(name, subject):
    """Returns what a new process measured; a string if it failed."""
    words = [HERE / "measure.py", name, json.dumps(dataclasses.asdict(subject))]
    return measured(words, subject.backend, SLOWEST)


def ratios(ours, theirs):
    """Measure -> the median over the rounds of theirs / ours."""
    pairs = [
        (a, b)
        for a, b in zip(ours, theirs)
        if not isinstance(a, str) and not isinstance(b, str)
    ]
    keys = pairs[0][0] if pairs else ()
    return {
        key: round(statistics.median(b[key] / a[key] for a, b in pairs), 3)
        for key in keys
        if all(key in b for _, b in pairs)
    }


def run_section(name, kind, subjects, rounds, known, report):
    """Measures what is not known yet, in turn; `report` saves it."""
    rows = known.setdefault(name, {subject.name: [] for subject in subjects})
    for number in range(rounds):
        for subject in subjects:
            found = rows.setdefault(subject.name, [])
            if len(found) <= number:
                found.append(measure(kind, subject))
                print(
                    f"{name}, {number}: {subject.name}: {found[-1]}", flush=True
                )
                report()


def table(name, rows):
    """Returns the Markdown table of a section: medians, then theirs / ours."""
    first, *_ = rows.values()
    keys = list(next((x for x in first if not isinstance(x, str)), {}))
    lines = [f"### {name}", "", f"| | {' | '.join(keys)} |"]
    lines.append("|---" * (len(keys) + 1) + "|")
    for subject, found in rows.items():
        good = [x for x in found if not isinstance(x, str)]
        if not good:
            lines.append(f"| {subject} | {found[-1] if found else ''} |")
            continue
        medians = [
            f"{statistics.median(x[key] for x in good):.3g}"
            if key in good[0]
            else ""
            for key in keys
        ]
        lines.append(f"| {subject} | {' | '.join(medians)} |")
        if found is not first:
            ratio = ratios(first, found)
            cells = [
                f"**{ratio[key]:.2f}**" if key in ratio else "" for key in keys
            ]
            lines.append(f"| its ratio to the first | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--sections", nargs="*")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args()
    if args.output is None:
        other = args.backend != "tensorflow"
        name = f"speed_{args.backend}" if other else "speed"
        args.output = RESULTS / f"{name}.json"
    every = sections(args.backend)
    chosen = args.sections or list(every)
    known = read(args.output) if args.resume else {}

    def report():
        save(args.output, known)

    for name in chosen:
        run_section(name, *every[name], args.rounds, known, report)
        print(table(name, known[name]), flush=True)
    text = "\n\n".join(table(name, known[name]) for name in known)
    args.output.with_suffix(".md").write_text(text + "\n")


def read(path):
    return json.loads(path.read_text())["sections"] if path.is_file() else {}


def save(path, known):
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    content = {
        "sections": known,
        "ratios": {
            name: {
                subject: ratios(next(iter(rows.values())), found)
                for subject, found in list(rows.items())[1:]
            }
            for name, rows in known.items()
        },
        "machine": limits(),
        "produced_by": provenance(
            "keras", "tensorflow", "torch", "timm", "onnxruntime", "openvino"
        ),
    }
    write_json(path, content)


if __name__ == "__main__":
    main()
