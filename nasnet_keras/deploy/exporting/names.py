"""Removes names from exported files that nothing needs.

TensorFlow names each result by its place in the model, which takes more room
than the weights of a small network in 8 bits. Inputs, outputs and signatures
keep theirs.
"""

import itertools
import pathlib


def shorten_onnx(path: pathlib.Path) -> None:
    """Numbers what is inside an ONNX graph."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    numbers = itertools.count()
    short = {x.name: x.name for x in (*graph.input, *graph.output)}

    def shortened(name: str) -> str:
        if not name:  # An input that is left out.
            return name
        return short.setdefault(name, str(next(numbers)))

    for node in graph.node:
        if any(attribute.HasField("g") for attribute in node.attribute):
            return  # A graph inside it may use any name.
    for node in graph.node:
        node.name = ""
        for names in (node.input, node.output):
            names[:] = [shortened(name) for name in names]
    for tensor in graph.initializer:
        tensor.name = shortened(tensor.name)
    del graph.value_info[:]
    onnx.save(model, path)


def shorten_litert(path: pathlib.Path) -> None:
    """Removes the names of what is inside a LiteRT file."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    for graph in model.subgraphs:
        outside = {*graph.inputs, *graph.outputs}
        for number, tensor in enumerate(graph.tensors):
            if number not in outside:
                tensor.name = b""
    flatbuffer_utils.write_model(model, str(path))
