"""What one backend computes, for `test_backends.py` to compare.

    KERAS_BACKEND=jax python -m tests.backend_probe FOLDER

reads `inputs.npz` and `saved.keras` of FOLDER and writes `jax.npz` there.
"""

import pathlib
import sys
import time

import keras
import numpy as np

from nasnet_keras import (
    DropPath,
    NASNet,
    ScheduledDropPath,
    from_preset,
    list_presets,
    rematerialize,
)
from nasnet_keras.cells.cell import NormalCell
from nasnet_keras.cells.conventions import Conventions, Slot
from nasnet_keras.cells.operations import (
    PAPER_OPERATIONS,
    FactorizedReduction,
)
from nasnet_keras.cells.plan import Part, make_chain
from nasnet_keras.deploy import fuse
from nasnet_keras.genotypes import Block, Cell
from nasnet_keras.layers.names import POOLING_SEMANTICS
from tests.support.genotypes import TWO_BLOCKS
from tests.support.recorder import observed_model

# These two have all kinds of layers.
QUICK = ["nasnet_tiny", "darts_imagenet_tiny"]
STEPS = 6
EXAMPLES = 1024


def network(semantics, shape=(None, None, 3), **arguments):
    """A network whose output is that of its last cell."""
    defaults = {
        "genotype": TWO_BLOCKS,
        "cells_per_stack": 1,
        "filters": 2,
        "stem": "cifar",
        "pooling_semantics": semantics,
        "input_shape": shape,
        "include_top": False,
        "classes": 5,
        "classifier_activation": None,
    }
    return NASNet(**{**defaults, **arguments})


def side_by_side(semantics):
    """Operations at both strides, as one model; the pools alone as "keras"."""
    inputs = keras.Input((None, None, 3))
    conventions = Conventions(semantics)
    outputs = {}
    if semantics == "tf_slim":
        reduction = FactorizedReduction(4, conventions)
        outputs["factorized_reduction"] = reduction(inputs)
    for name in PAPER_OPERATIONS:
        for strides in 1, 2:
            key = f"{name}_{strides}"
            if "pool" in name:  # Without the 1x1 that hides the extremes.
                pool = make_chain(
                    [Part(name, Slot(3, 3, strides, conventions))]
                )
                outputs[f"{key}_alone"] = pool(inputs)
            if "pool" in name or semantics == "tf_slim":
                slot = Slot(3, 4, strides, conventions)
                outputs[key] = make_chain([Part(name, slot)])(inputs)
    return keras.Model(inputs, outputs)


def zeros(self, shape, dtype=None):
    """Replaces the initializers: all weights are set afterwards.

    JAX compiles the drawing of each shape, most of the time of this script.
    """
    return keras.ops.convert_to_tensor(np.zeros(shape, dtype or "float32"))


def set_weights(model):
    """The same values on every backend: NumPy's, scaled as initializers do."""
    rng = np.random.default_rng(0)
    values = []
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.path.rsplit("/", 1)[-1]
        if "kernel" in name:
            values.append(rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape))
        elif name in ("gamma", "moving_variance"):
            values.append(rng.uniform(0.7, 1.3, shape))
        else:
            values.append(rng.uniform(-0.3, 0.3, shape))
    model.set_weights(values)
    return model


def run(model, x):
    """The outputs, in the fastest way: eager, on JAX compiled."""
    if keras.backend.backend() == "jax":
        return model.predict(x, verbose=0)
    outputs = model(x, training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def forward(inputs):
    for semantics in POOLING_SEMANTICS:
        operations = set_weights(side_by_side(semantics))
        any_size = set_weights(network(semantics))
        for size, x in inputs.items():
            place = f"{semantics}/{size}"
            outputs = run(operations, x)
            for name, value in outputs.items():
                yield f"operations/{place}/{name}", value
            plain = any_size.predict(x, verbose=0)
            yield f"any size/{place}", plain
            fused = run(fuse(any_size), x)
            assert np.abs(fused - plain).max() < 1e-4 * np.abs(plain).max()
            yield f"fused/{place}", fused
    fixed = set_weights(network("keras", inputs["17x15"].shape[1:]))
    yield "fixed size/keras/17x15", run(fixed, inputs["17x15"])


def tiny_presets():
    return [n for n in list_presets(test_sized=True) if n.endswith("_tiny")]


def families(names):
    """Families at test size, of unknown image size."""
    x = np.random.default_rng(0).uniform(-1, 1, (2, 33, 32, 3))
    for name in names:
        model = from_preset(name, weights=None, input_shape=(None, None, 3))
        yield f"presets/{name}", run(set_weights(model), x.astype("float32"))


def channels_first(names):
    """The same with the channels first, where the backend convolves so."""
    if keras.backend.backend() == "tensorflow":
        return
    x = np.random.default_rng(0).uniform(-1, 1, (2, 33, 32, 3))
    x = np.moveaxis(x, -1, 1).astype("float32")
    keras.config.set_image_data_format("channels_first")
    try:
        for name in names:
            model = from_preset(name, weights=None, input_shape=(3, None, None))
            yield f"first/{name}", run(set_weights(model), x)
    finally:
        keras.config.set_image_data_format("channels_last")


def mixed_precision():
    """Outputs are single precision and nearly the same."""
    x = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3))
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        try:
            model = network(
                "tf_slim", (16, 16, 3), include_top=False, pooling="avg"
            )
            yield f"policy/{policy}", run(set_weights(model), x)
        finally:
            keras.config.set_dtype_policy("float32")


def train(x, remat=False):
    """The loss of one compiled step, and all weights after it."""
    model = set_weights(network("tf_slim", x.shape[1:], include_top=True))
    what = "train"
    if remat:
        what = "remat"
        rematerialize(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss)
    targets = np.arange(len(x)) % 5
    yield f"{what}/loss", model.train_on_batch(x, targets)
    for number, weight in enumerate(model.weights):
        name = weight.path.rsplit("/", 1)[-1]
        value = keras.ops.convert_to_numpy(weight)
        yield f"{what}/weights/{number}/{name}", value


def few_channels():
    """Gradients of strided 1x1 convolutions, where torch may die.

    oneDNN, behind it on CPUs, writes past its workspace in them where the
    channels are fewer than 8 or 16 (github.com/uxlfoundation/oneDNN, issue
    6035). Sometimes it survives, hence the repetition.
    """
    if keras.backend.backend() == "torch":
        import torch

        identity = make_chain([Part("identity", Slot(4, 4, 2))])
        for layer in identity, FactorizedReduction(4):
            for _ in range(60):
                x = torch.randn(4, 16, 16, 4, requires_grad=True)
                layer(x).square().sum().backward()
        yield "few channels", True


def schedule():
    """Rates in compiled steps: of a DropPath, and of one in a cell."""
    pools = ("max_pool_3x3", "max_pool_3x3")
    # The current state is zeros: only the path of the previous one has effect.
    cell = Cell([Block((1, 0), pools)], (2,))
    cell = NormalCell(cell, filters=1, drop_path_rate=0.6)
    for name, layer, shape, steps_per_execution in (
        ("layer", DropPath(0.6, seed=0), (1,), 1),
        ("cell", lambda x: cell([x - x, x]), (1, 1, 1), 1),
        ("layer, two steps at once", DropPath(0.6, seed=0), (1,), 2),
    ):
        if steps_per_execution > 1 and keras.backend.backend() == "torch":
            continue  # Keras refuses it there.
        model, history = observed_model(
            layer, STEPS, shape, steps_per_execution=steps_per_execution
        )
        x = np.ones((EXAMPLES * STEPS // 2, *shape), "float32")
        # Two fits: the second continues the first.
        for _ in range(2):
            model.fit(
                x,
                x,
                batch_size=EXAMPLES,
                verbose=0,
                callbacks=[ScheduledDropPath(total_steps=STEPS)],
            )
        yield f"schedule/{name}", history.values()


def main(folder, everything=True):
    """Writes all results to `folder`; families only some, unless `everything`.

    Building and compiling a family takes seconds on each backend.
    """
    backend = keras.backend.backend()
    names = tiny_presets() if everything else QUICK
    keras.initializers.VarianceScaling.__call__ = zeros
    with np.load(folder / "inputs.npz") as file:
        inputs = dict(file)
    results = {}
    parts = (
        forward(inputs),
        families(names),
        channels_first(names if everything and backend != "jax" else QUICK),
        mixed_precision(),
        train(inputs["16x16"]),
        train(inputs["16x16"], remat=True),
        schedule(),
        few_channels(),
    )
    for part in parts:
        start = time.perf_counter()
        results.update(part)
        print(f"{backend}: {time.perf_counter() - start:.1f} s")
    loaded = keras.models.load_model(folder / "saved.keras")
    results["loaded"] = loaded.predict(inputs["17x15"], verbose=0)
    results["has tensorflow"] = sys.modules.get("tensorflow") is not None
    np.savez(folder / f"{backend}.npz", **results)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
