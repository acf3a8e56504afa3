"""The formats of `nasnet export`: their files, precisions and packages."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Format:
    """A format and what writes and runs it.

    Args:
        title: String, its name in messages.
        suffix: String, the ending of its path; a folder has none.
        beside: Suffix of a second file that belongs to it, or `""`.
        precisions: Tuple of strings; the first is the default.
        writers: Modules that write it.
        runtime: Module that runs it.
        int8: Modules that quantize it.
        multiple: Integer, of channels, for which its runtime is fastest; see
            `fuse`.
        extra: String, the extra of this package that installs the modules.
    """

    title: str
    suffix: str = ""
    beside: str = ""
    precisions: tuple[str, ...] = ("float32",)
    writers: tuple[str, ...] = ()
    runtime: str = "tensorflow"
    int8: tuple[str, ...] = ()
    multiple: int = 1
    extra: str = "export"


ALL = ("float32", "float16", "int8")
FORMATS = {
    "tf_saved_model": Format("SavedModel", precisions=("float32", "bfloat16")),
    "onnx": Format(
        *("ONNX", ".onnx", "", ALL, ("tf2onnx", "onnx")),
        runtime="onnxruntime",
        multiple=16,
    ),
    "openvino": Format(
        *("OpenVINO", ".xml", ".bin", ALL, ("openvino",)),
        runtime="openvino",
        int8=("nncf",),
        multiple=16,
    ),
    "litert": Format(*("LiteRT", ".tflite", "", ALL), runtime="ai_edge_litert"),
    "coreml": Format(
        *("Core ML", ".mlpackage", "", ("float32", "float16")),
        writers=("coremltools",),
        runtime="coremltools",
        extra="coreml",
    ),
}
PRECISIONS = ("float32", "float16", "bfloat16", "int8")
