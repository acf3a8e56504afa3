r"""NASNets on a GPU: images a second in bfloat16, ours beside timm's.

    python benchmarks/speed/gpu.py
    # To try it on a CPU, ten minutes:
    python benchmarks/speed/gpu.py --networks mobile --side 32 --batch 1 \
        --steps 1 --matrix 256 --output gpu.json

Ours on JAX and on torch, and timm's NASNet-A Large in torch, channels last, as
it is and compiled; timm has no Mobile. Each infers and trains in a process of
its own, on random images that are on the device already. Prints images a
second, and the part of what the device can do at most: the multiply-adds of a
product of two large matrices in bfloat16. A training step counts as three times
the multiply-adds of a prediction.

Each row names the device and the settings with which it was measured; where a
backend falls back to the CPU, it says so. A row that is known for the same two
is not measured again. Writes `benchmarks/results/speed_gpu.json`; where there
is no GPU, only the path that is given.
"""

import argparse
import json
import pathlib
import sys
import time

from engines import CPU, Jax, Torch, device_name
from processes import measured
from subjects import OURS, SIDES, TIMM, Subject

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "speed_gpu.json"
BATCHES = {"mobile": 256, "large": 64}
ENGINES = ("jax", "torch")
SLOWEST = 400  # Seconds of one process.
WARM_UP = 3  # Calls, the first of which compiles.


def runs():
    """Yields what is measured: subject, whether compiled, whether trained."""
    half = {"precision": "bfloat16"}
    for network in BATCHES:
        for fused in (True, False):
            subject = Subject(OURS, network, "jax", fused, **half)
            yield subject, True, False
        yield Subject(OURS, network, "jax", **half), True, True
        for training in (False, True):
            yield Subject(OURS, network, "torch", **half), False, training
            if network == "large":
                for compiled in (False, True):
                    subject = Subject(TIMM, network, "torch", **half)
                    yield subject, compiled, training
        yield Subject(OURS, network, "torch", True, **half), True, False


def seconds_of(run, wait, steps):
    """Seconds of one call of `run`."""
    for _ in range(WARM_UP):
        wait(run())
    began = time.perf_counter()
    for _ in range(steps):
        last = run()
    wait(last)
    return (time.perf_counter() - began) / steps


def settings_of(subject, args):
    """What is set for a subject, by the command line or by default."""
    return {
        "side": args.side or SIDES[subject.network],
        "batch": args.batch or BATCHES[subject.network],
        "steps": args.steps,
        "matrix": args.matrix,
    }


def measure(number, args):
    """Measures one run in this process; returns its row."""
    from nasnet_keras.runs.provenance import provenance

    subject, compiled, training = list(runs())[number]
    settings = settings_of(subject, args)
    side, batch = settings["side"], settings["batch"]
    macs = subject.multiply_adds * (side / subject.side) ** 2
    SIDES[subject.network] = side  # So that `build` takes it.
    shape = (batch, side, side, 3)
    if subject.engine == "jax":
        network = Jax(subject, shape)
    else:
        network = Torch(subject, shape, compiled)
    run = network.training() if training else network.inference()
    images = batch / seconds_of(run, network.wait, args.steps)
    product = network.product(args.matrix)
    peak = args.matrix**3 / seconds_of(product, network.wait, 10)
    share = images * macs * (3 if training else 1) / peak
    return {
        "images/s": round(images, 1),
        "share": round(share, 4),
        "device": device_name(subject.engine),
        "settings": settings,
        "produced_by": provenance("timm"),
    }


def device_of(engine):
    """The device of a backend in a process of its own; `None` without it."""
    words = [__file__, "--device", engine]
    found = measured(words, engine, SLOWEST)
    return found["device"] if isinstance(found, dict) else None


def is_known(row, wanted):
    """Whether a row was measured, as it is wanted."""
    if not isinstance(row, dict) or "error" in row:
        return False
    return all(row.get(key) == value for key, value in wanted.items())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="*", default=tuple(BATCHES))
    parser.add_argument("--side", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--matrix", type=int, default=8192)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--device", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=pathlib.Path)
    return parser.parse_args()


def main():
    args = arguments()
    if args.device is not None:
        print(json.dumps({"device": device_name(args.device)}))
    elif args.number is not None:
        print(json.dumps(measure(args.number, args)))
    else:
        measure_all(args)


def measure_all(args):
    """Measures what is not known yet, in processes of their own."""
    devices = {engine: device_of(engine) for engine in ENGINES}
    print(f"Devices: {devices}", flush=True)
    output = args.output
    if set(devices.values()) <= {CPU, None}:
        kept = f"written to {output}" if output else "printed only"
        print(f"No GPU: these are figures of a CPU, {kept}.", flush=True)
    else:
        output = output or OUTPUT
    found = {}
    if output and output.is_file():
        found = json.loads(output.read_text())["runs"]
    for number, (subject, compiled, training) in enumerate(runs()):
        if subject.network not in args.networks:
            continue
        what = "training" if training else "inference"
        how = ", compiled" if compiled else ""
        name = f"{subject.network}, {what}: {subject.name}{how}"
        wanted = {
            "device": devices[subject.engine],
            "settings": settings_of(subject, args),
        }
        if not is_known(found.get(name), wanted):
            words = [*sys.argv, "--number", number]
            row = measured(words, subject.backend, SLOWEST)
            row = row if isinstance(row, dict) else {"error": row}
            found[name] = {**wanted, **row}
            print(f"{name}: {shown(found[name])}", flush=True)
            save(output, found)


def shown(row):
    """What of a row is printed."""
    keys = ("images/s", "share", "error", "device")
    return {key: row[key] for key in keys if key in row}


def save(output, found):
    from nasnet_keras.runs.files import write_json

    if output:
        write_json(output, {"runs": found})


if __name__ == "__main__":
    main()
