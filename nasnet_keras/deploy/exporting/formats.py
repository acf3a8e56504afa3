"""The formats of `nasnet export`, and what Keras needs to write them."""

FORMATS = ("tf_saved_model", "onnx", "openvino", "litert")
# Format -> the ending that Keras demands of the path.
SUFFIXES = {"openvino": ".xml", "litert": ".tflite"}
# Format -> the modules that write it, with TensorFlow as the backend.
MODULES = {"onnx": ("tf2onnx", "onnx"), "openvino": ("openvino",)}
