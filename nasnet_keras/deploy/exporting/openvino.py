"""Repairs the OpenVINO files of Keras' export."""

import os
import pathlib
import re
import tempfile

# TensorFlow's name of a function's output, in the order of the outputs.
OUTPUT = re.compile(r"Identity(_\d+)?:0")


def keep_outputs(path: pathlib.Path) -> None:
    """Removes what are no outputs of the model from an exported file.

    Keras' export (3.15) also makes an output of each intermediate result that
    nothing uses, for example of a batch size that a layer has asked for.

    Args:
        path: Path of the `.xml` file, which has its `.bin` file beside it.
    """
    import openvino

    model = openvino.Core().read_model(path)
    unused = [x for x in model.get_results() if not _is_output(x)]
    if not unused or len(unused) == len(model.get_results()):
        return
    for result in unused:
        model.remove_result(result)
    # The files are in use while the model is: they are replaced afterwards.
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = pathlib.Path(folder, path.name)
        openvino.serialize(model, new)
        del model
        for file in (new, new.with_suffix(".bin")):
            os.replace(file, path.with_name(file.name))


def _is_output(result):
    names = result.input_value(0).get_names()
    return any(OUTPUT.fullmatch(name) for name in names)
