"""Repairs the LiteRT files of Keras' export."""

import pathlib
import re

# Keras' name of an output that has none of its own: its place follows.
OUTPUT = re.compile(rb"output_(\d+)")


def order_outputs(path: pathlib.Path) -> None:
    """Gives an exported file its outputs in the order of the model's.

    The converter (TensorFlow 2.21) has an order of its own, but leaves the
    signature as it was.

    Args:
        path: Path of the `.tflite` file.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    for signature in model.signatureDefs:
        graph = model.subgraphs[signature.subgraphIndex]
        outputs = sorted(signature.outputs, key=lambda x: _place(x.name))
        graph.outputs = [x.tensorIndex for x in outputs]
    flatbuffer_utils.write_model(model, str(path))


def _place(name):
    """Sorts outputs by number, those of a dictionary by name."""
    number = OUTPUT.fullmatch(name)
    return (int(number[1]), b"") if number else (0, name)
