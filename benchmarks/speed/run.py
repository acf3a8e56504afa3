"""Ours and the rivals in turn: start, inference, training, memory.

    make bench                           # on TensorFlow, Mobile and Large
    make bench ARGS="--sections start training --rounds 5"
    make bench ARGS="--backend torch"    # beside timm, if it is installed

Each subject runs in a process of its own, started one after the other, in as
many rounds as `--rounds`. Those that predict or train then stay, and are
measured in turn again and again, so that what slows the machine for a while
slows all. Prints medians and, for each rival, the median over the samples of
theirs / ours. Writes `benchmarks/results/speed.json` and `speed.md`, on another
backend `speed_jax` or `speed_torch`. What is there of other sections stays; the
sections asked for are measured anew or, by `--resume`, gone on with. Each has
the machine, its limits and the versions with which it was measured.

TensorFlow trains with oneDNN, as in `nasnet train`, the rivals too: it is off
by default on AMD's processors. It predicts as it does by default; one section
shows one image with oneDNN, as by default on Intel's.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib

from machine import origin
from processes import Measuring
from report import medians, read, save, table
from subjects import APPLICATIONS, OURS, RUNTIMES, TIMM, Subject

HERE = pathlib.Path(__file__).parent
RESULTS = HERE.parent / "results"
SLOWEST = 3600  # Seconds of one process.
ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"}
WITH_ONEDNN = ("training", "memory", "one image")
PREDICTING = ("predictions", "one image")
SAMPLES = 20  # In turn, of what is measured again and again.
# Whose versions are noted, where they are installed.
PACKAGES = (
    *("tensorflow", "torch", "timm", "openvino", "onnxruntime"),
    *("ai-edge-litert", "tf2onnx"),
)


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
        "training, bfloat16": ("training", half[:2]),
        "memory": ("memory", [remat, *mobile]),
    }
    if backend == "tensorflow":
        found["one image, oneDNN"] = ("one image", [fused, *mobile])
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
    more = ONEDNN if kind in WITH_ONEDNN else {}
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
    names = {
        "predictions": subject.batches,
        "one image": ["latency"],
        "training": ["step"],
    }
    return names.get(kind, [])


def section_of(known, subjects):
    """What is known of a section, or an empty one if it had other subjects."""
    names = [subject.name for subject in subjects]
    if known and list(known["subjects"]) == names:
        return known
    return {"subjects": {name: [] for name in names}, "origins": []}


def run_section(section, kind, subjects, rounds):
    """Measures the rounds that are not known yet; yields after each."""
    rows, origins = section["subjects"], section["origins"]
    done = min(map(len, rows.values()))
    for number in range(done, rounds):
        for subject, found in one_round(kind, subjects).items():
            rows[subject].append(found)
            shown = found if isinstance(found, str) else medians(found)
            print(f"{number}: {subject}: {shown}", flush=True)
        if number == done:
            origins.append({"rounds": 0, **origin(*PACKAGES)})
        origins[-1]["rounds"] += 1
        yield


def multiply_adds(every):
    """Section -> those of an image, if it is predicted in single precision."""
    return {
        name: subjects[0].multiply_adds
        for name, (kind, subjects) in every.items()
        if kind in PREDICTING and subjects[0].precision == "float32"
    }


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
    os.environ["KERAS_BACKEND"] = args.backend  # The origin names it.
    every = sections(args.backend)
    chosen = {name: every[name] for name in args.sections or every}
    known = read(args.output)
    for name, (kind, subjects) in chosen.items():
        before = known.get(name) if args.resume else None
        section = section_of(before, subjects)
        print(f"{name}:", flush=True)
        for _ in run_section(section, kind, subjects, args.rounds):
            known[name] = section
            save(args.output, known, multiply_adds(every))
        print(table(name, section["subjects"]), flush=True)
    if known:  # Also if all rounds were there: the tables may be older.
        save(args.output, known, multiply_adds(every))


if __name__ == "__main__":
    main()
