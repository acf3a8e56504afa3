"""A SavedModel whose weights are constants.

TensorFlow prepares its kernels once for weights that cannot change, so that
such a model runs faster than one with variables, and it is half as large.
"""

import os
import pathlib
import shutil
import tempfile


def freeze(path: pathlib.Path) -> None:
    """Turns the variables of a SavedModel that Keras wrote into constants.

    Args:
        path: Path of the folder.
    """
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    loaded = tf.saved_model.load(str(path))  # Owns the variables of `given`.
    (given,) = loaded.serve.concrete_functions
    frozen = convert_to_constants.convert_variables_to_constants_v2(given)

    @tf.function(input_signature=given.structured_input_signature[0])
    def serve(*inputs):
        outputs = frozen(*tf.nest.flatten(inputs))
        return tf.nest.pack_sequence_as(given.structured_outputs, outputs)

    module = tf.Module()
    module.serve = serve
    signatures = {"serve": serve, "serving_default": serve}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        target = pathlib.Path(folder, path.name)
        tf.saved_model.save(module, str(target), signatures)
        shutil.rmtree(path)
        os.replace(target, path)
