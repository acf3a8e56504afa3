"""NASNets on a GPU: images a second in bfloat16, ours beside timm's.

    python benchmarks/speed/gpu.py
    python benchmarks/speed/gpu.py --side 64 --batch 2 --steps 2   # on a CPU

Ours on JAX and on torch, and timm's NASNet-A Large in torch, channels last, as
it is and compiled; timm has no Mobile. Each infers and trains in a process of
its own, on random images that are on the device already. Prints images a
second, and the part of what the device can do at most: the multiply-adds of a
product of two large matrices in bfloat16. A training step counts as three times
the multiply-adds of the paper. Writes `benchmarks/results/speed_gpu.json`; what
is known there is not measured again.
"""

import argparse
import json
import pathlib
import sys
import time

from processes import measured
from subjects import OURS, SIDES, TIMM, Subject, build

OUTPUT = pathlib.Path(__file__).parents[1] / "results" / "speed_gpu.json"
BATCHES = {"mobile": 256, "large": 64}
MACS = {"mobile": 564e6, "large": 23.8e9}
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


class Jax:
    """A Keras model on JAX, compiled."""

    def __init__(self, subject, shape):
        import jax
        import jax.numpy as jnp

        self.model = build(subject)
        self.images = jax.random.normal(jax.random.key(0), shape)
        self.labels = jnp.arange(shape[0]) % 1000
        self.wait = jax.block_until_ready
        self.weights = [
            [x.value for x in self.model.trainable_variables],
            [x.value for x in self.model.non_trainable_variables],
        ]

    def inference(self):
        import jax

        @jax.jit
        def infer(trained, state, images):
            call = self.model.stateless_call
            return call(trained, state, images, training=False)[0]

        return lambda: infer(*self.weights, self.images)

    def training(self):
        import jax
        import keras

        optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
        optimizer.build(self.model.trainable_variables)
        loss = keras.losses.SparseCategoricalCrossentropy()

        def loss_of(trained, state, images, labels):
            outputs, state = self.model.stateless_call(
                trained, state, images, training=True
            )
            return loss(labels, outputs), state

        @jax.jit
        def step(trained, state, slots, *data):
            gradient = jax.grad(loss_of, has_aux=True)
            gradients, state = gradient(trained, state, *data)
            apply = optimizer.stateless_apply
            trained, slots = apply(slots, gradients, trained)
            return trained, state, slots

        now = [*self.weights, [x.value for x in optimizer.variables]]

        def run():
            now[:] = step(*now, self.images, self.labels)
            return now

        return run

    @staticmethod
    def product(side):
        import jax
        import jax.numpy as jnp

        left = jnp.ones((side, side), jnp.bfloat16)
        product = jax.jit(jnp.matmul)
        return lambda: product(left, left)


class Torch:
    """A module of torch: timm's, or a Keras model, which is one, too."""

    def __init__(self, subject, shape, compiled):
        import torch

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = build(subject).to(self.device)
        images = torch.randn(shape, device=self.device)
        if subject.library == TIMM:
            layout = {"memory_format": torch.channels_last}
            self.model = self.model.to(**layout)
            images = images.permute(0, 3, 1, 2).to(**layout)
        self.of_keras = subject.library != TIMM
        self.images = images
        self.labels = torch.arange(shape[0], device=self.device) % 1000
        self.call = torch.compile(self.model) if compiled else self.model

    def wait(self, _):
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()

    def _outputs(self, training):
        import torch

        if self.of_keras:  # Its layers have a policy.
            return self.call(self.images, training=training)
        with torch.autocast(self.device, torch.bfloat16):
            return self.call(self.images)

    def inference(self):
        import torch

        self.model.eval()

        @torch.inference_mode()
        def run():
            return self._outputs(False)

        return run

    def training(self):
        import torch

        self.model.train()
        optimizer = torch.optim.SGD(self.model.parameters(), 0.01, 0.9)

        def run():
            optimizer.zero_grad()
            outputs = self._outputs(True).float()
            # Keras' networks end in a softmax; the cost is the same.
            torch.nn.functional.cross_entropy(outputs, self.labels).backward()
            optimizer.step()

        return run

    def product(self, side):
        import torch

        left = torch.ones((side, side), device=self.device)
        left = left.to(torch.bfloat16)
        return lambda: left @ left


def measure(number, args):
    """Measures one run in this process; returns images a second, share."""
    subject, compiled, training = list(runs())[number]
    batch = args.batch or BATCHES[subject.network]
    macs = MACS[subject.network]
    if args.side:
        macs *= (args.side / SIDES[subject.network]) ** 2
        SIDES[subject.network] = args.side  # So that `build` takes it.
    shape = (batch, subject.side, subject.side, 3)
    if subject.engine == "jax":
        network = Jax(subject, shape)
    else:
        network = Torch(subject, shape, compiled)
    run = network.training() if training else network.inference()
    images = batch / seconds_of(run, network.wait, args.steps)
    product = network.product(args.matrix)
    peak = args.matrix**3 / seconds_of(product, network.wait, 10)
    share = images * macs * (3 if training else 1) / peak
    return {"images/s": round(images, 1), "share": round(share, 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="*", default=tuple(BATCHES))
    parser.add_argument("--side", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--matrix", type=int, default=8192)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    args = parser.parse_args()
    if args.number is not None:
        print(json.dumps(measure(args.number, args)))
        return
    found = {}
    if args.output.is_file():
        found = json.loads(args.output.read_text())["runs"]
    for number, (subject, compiled, training) in enumerate(runs()):
        if subject.network not in args.networks:
            continue
        what = "training" if training else "inference"
        how = ", compiled" if compiled else ""
        name = f"{subject.network}, {what}: {subject.name}{how}"
        if not isinstance(found.get(name), dict):
            words = [*sys.argv, "--number", number]
            found[name] = measured(words, subject.backend, SLOWEST)
            print(f"{name}: {found[name]}", flush=True)
            save(args, found)


def save(args, found):
    from nasnet_keras.runs.files import write_json
    from nasnet_keras.runs.provenance import provenance

    settings = {k: getattr(args, k) for k in ("side", "batch", "steps")}
    content = {
        "runs": found,
        "settings": settings,
        "produced_by": provenance("keras", "jax", "torch", "timm"),
    }
    write_json(args.output, content)


if __name__ == "__main__":
    main()
