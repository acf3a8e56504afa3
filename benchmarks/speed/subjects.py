"""The networks that are measured: ours, and those of the rivals.

A subject is a library, a network and how it is run. It runs in a process of
its own, whose environment must be set before Keras is imported.
"""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

BATCHES = {"latency": 1, "batch 8": 8, "batch 32": 32}
SIDES = {"mobile": 224, "large": 331, "pnasnet_large": 331}
PRESETS = {
    "mobile": "nasnet_mobile",
    "large": "nasnet_large",
    "pnasnet_large": "pnasnet_large",
}
OURS = "nasnet-keras"
APPLICATIONS = "keras.applications"
TIMM = "timm"
RUNTIMES = ("tf_saved_model", "openvino", "onnx", "litert")


@dataclasses.dataclass(frozen=True)
class Subject:
    """Args:
    library: `"nasnet-keras"`, `"keras.applications"` or `"timm"`.
    network: A key of `SIDES`.
    engine: A backend of Keras, or one of `RUNTIMES` for an exported file.
    fused: Whether it was fused before.
    precision: `"float32"`, `"bfloat16"` or `"int8"`.
    remat: Whether activations are computed again in the backward pass.
    """

    library: str
    network: str
    engine: str = "tensorflow"
    fused: bool = False
    precision: str = "float32"
    remat: bool = False

    @property
    def name(self) -> str:
        parts = [self.library, *(["fused"] if self.fused else [])]
        parts += [self.precision] if self.precision != "float32" else []
        parts += ["remat"] if self.remat else []
        return ", ".join([*parts, self.engine])

    @property
    def backend(self) -> str:
        """The backend of Keras in its process."""
        return "tensorflow" if self.engine in RUNTIMES else self.engine

    @property
    def batches(self) -> dict[str, int]:
        """Name -> images of the batches that are predicted."""
        large = self.network != "mobile"
        return {k: n for k, n in BATCHES.items() if not large or n <= 8}

    @property
    def side(self) -> int:
        return SIDES[self.network]

    @property
    def multiply_adds(self) -> int:
        """Those of an image of the network's own size."""
        from nasnet_keras.presets import figures

        return figures()[PRESETS[self.network]]["multiply_adds"]


def import_library(subject: Subject) -> Callable[[], Any]:
    """Imports a library; returns the function that builds the network."""
    if subject.library == TIMM:
        import timm

        names = {"large": "nasnetalarge", "pnasnet_large": "pnasnet5large"}
        return lambda: timm.create_model(names[subject.network])
    if subject.library == APPLICATIONS:
        from keras import applications

        classes = {
            "mobile": applications.NASNetMobile,
            "large": applications.NASNetLarge,
        }
        return lambda: classes[subject.network](weights=None)
    from nasnet_keras import from_preset

    shape = (subject.side, subject.side, 3)
    return lambda: from_preset(
        PRESETS[subject.network], weights=None, input_shape=shape
    )


def build(subject: Subject) -> Any:
    """Returns the network as it is run in Keras or torch."""
    if subject.precision == "bfloat16" and subject.library != TIMM:
        import keras

        keras.config.set_dtype_policy("mixed_bfloat16")
    model = import_library(subject)()
    if subject.remat:
        from nasnet_keras import rematerialize

        rematerialize(model)
    if subject.fused and subject.engine not in RUNTIMES:
        from nasnet_keras.deploy import fuse

        model = fuse(model)
    return model


def predictor(subject: Subject, folder: pathlib.Path) -> Callable[[Any], Any]:
    """Returns a function of a batch of images that runs the network.

    Args:
        subject: `Subject`.
        folder: Path, where an exported file is written for a runtime.
    """
    model = build(subject)
    if subject.engine in RUNTIMES:
        from nasnet_keras.deploy.exporting.runtimes import open_file

        path = export(model, subject, folder)
        return open_file(path, subject.engine)
    if subject.library == TIMM:
        import torch

        model.eval()

        def run(images):
            with torch.inference_mode():
                return model(torch.from_numpy(images).permute(0, 3, 1, 2))

        return run
    return model.predict_on_batch


def export(model: Any, subject: Subject, folder: pathlib.Path) -> pathlib.Path:
    """Writes an exported file: ours by `deploy.export`, a rival's by Keras."""
    from nasnet_keras.deploy import export
    from nasnet_keras.deploy.exporting.formats import FORMATS

    path = folder / f"model{FORMATS[subject.engine].suffix}"
    if subject.library == OURS:
        export(model, path, subject.engine, fused=subject.fused)
    else:
        import numpy as np

        # Keras exports no model to ONNX that was never called.
        model(np.zeros((1, subject.side, subject.side, 3), "float32"))
        model.export(str(path), format=subject.engine, verbose=False)
    return path
