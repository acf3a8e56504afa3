"""Ours and the rivals in turn: start, inference, training, memory.

    make bench                           # on TensorFlow, Mobile and Large
    make bench ARGS="--sections start training --rounds 5"
    make bench ARGS="--backend torch"    # beside timm, if it is installed

Each subject runs in a process of its own, started one after the other, in as
many rounds as `--rounds`. Those that predict or train then stay, and are
measured in turn again and again, so that what slows the machine for a while
slows all. Prints medians and, for each rival, the median over the samples of
theirs / ours. Writes `benchmarks/results/speed.json` and `speed.md`, on another
backend `speed_jax` or `speed_torch`; the rounds that are there are not measured
again by `--resume`.

TensorFlow trains with oneDNN, as in `nasnet train`, the rivals too: it is off
by default on AMD's processors. It predicts as it does by default.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import statistics

from machine import limits
from processes import Measuring
from subjects import APPLICATIONS, OURS, RUNTIMES, TIMM, Subject

HERE = pathlib.Path(__file__).parent
RESULTS = HERE.parent / "results"
SLOWEST = 3600  # Seconds of one process.
TRAINING = {"TF_ENABLE_ONEDNN_OPTS": "1"}
SAMPLES = 20  # In turn, of what is measured again and again.


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


def start(kind, subject):
    """Starts a process that measures a subject."""
    words = [HERE / "measure.py", kind, json.dumps(dataclasses.asdict(subject))]
    more = TRAINING if kind in ("training", "memory") else {}
    return Measuring(words, subject.backend, SLOWEST, more)


def one_round(kind, subjects):
    """Subject -> its samples in one round; a string if it failed."""
    found = {subject.name: [] for subject in subjects}
    names = again(kind, subjects[0])
    with contextlib.ExitStack() as stack:
        processes = {}
        for subject in subjects:
            process = stack.enter_context(start(kind, subject))
            found[subject.name].append(process.sample())
            processes[subject.name] = process
            if not names:
                stack.pop_all().close()  # The next one has the machine alone.
        for name in names:
            for _ in range(SAMPLES):
                for label, process in processes.items():
                    found[label].append(process.sample(name))
        errors = {label: process.error for label, process in processes.items()}
    return {label: errors[label] or samples for label, samples in found.items()}


def again(kind, subject):
    """Names of what is measured again and again."""
    return {"predictions": subject.batches, "training": ["step"]}.get(kind, [])


def samples(rounds):
    """All samples of a subject, of the rounds in which it gave them."""
    return [x for found in rounds if not isinstance(found, str) for x in found]


def ratios(ours, theirs):
    """Measure -> the median over the samples of theirs / ours."""
    pairs = [
        pair
        for a, b in zip(ours, theirs)
        if not isinstance(a, str) and not isinstance(b, str)
        for pair in zip(a, b)
    ]
    keys = dict.fromkeys(key for a, b in pairs for key in a if key in b)
    return {
        key: round(
            statistics.median(b[key] / a[key] for a, b in pairs if key in a), 3
        )
        for key in keys
    }


def run_section(name, kind, subjects, rounds, known, report):
    """Measures the rounds that are not known yet; `report` saves them."""
    rows = known.setdefault(name, {subject.name: [] for subject in subjects})
    for number in range(min(map(len, rows.values())), rounds):
        for subject, found in one_round(kind, subjects).items():
            rows[subject].append(found)
            shown = found if isinstance(found, str) else medians(found)
            print(f"{name}, {number}: {subject}: {shown}", flush=True)
        report()


def medians(found):
    """Measure -> its median over samples."""
    keys = dict.fromkeys(key for sample in found for key in sample)
    return {
        key: statistics.median(x[key] for x in found if key in x)
        for key in keys
    }


def table(name, rows):
    """Returns the Markdown table of a section: medians, then theirs / ours."""
    first, *_ = rows.values()
    keys = list(medians(samples(first)))
    lines = [f"### {name}", "", f"| | {' | '.join(keys)} |"]
    lines.append("|---" * (len(keys) + 1) + "|")
    for subject, found in rows.items():
        good = medians(samples(found))
        if not good:
            lines.append(f"| {subject} | {found[-1] if found else ''} |")
            continue
        cells = [f"{good[key]:.3g}" if key in good else "" for key in keys]
        lines.append(f"| {subject} | {' | '.join(cells)} |")
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
