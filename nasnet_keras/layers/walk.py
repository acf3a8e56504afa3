"""The layers inside a layer, at any depth.

`model.layers` stops at a cell, and Keras has no public way into it.
"""

import keras

# The only private members of Keras that this package uses, as read in Keras
# 3.15. Nothing is imported from `keras.src`.
# - `Layer._flatten_layers(recursive, include_self)`, here. If recursive,
#   parents come before children, and the children in reverse order.
# - `Function._run_through_graph(inputs, call_fn)`, in `deploy/fusing/read.py`:
#   walks through a functional model; the inputs may be of any kind.
# - `Layer._trackable_children(save_type)`, in `checkpoints.py`: what
#   TensorFlow's checkpoints find in a layer; Keras has it from TensorFlow.
# - `Optimizer._iterations`, in `averages.py` and
#   `training/inner_optimizers.py`: the training steps; the public `iterations`
#   counts updates of the weights.
# - `Optimizer._update_model_variables_moving_average`, which `averages.py`
#   replaces; `_model_variables_moving_average` and `_trainable_variables`, in
#   these two files: the averages and what they are averages of.


def all_layers(
    layer: keras.Layer, include_self: bool = True
) -> list[keras.Layer]:
    """Returns a layer and every layer inside it, parents before children.

    Args:
        layer: Built `keras.Layer` or `keras.Model`.
        include_self: Whether `layer` itself is the first of them.

    Returns:
        List of layers.
    """
    return list(layer._flatten_layers(include_self=include_self))


def child_layers(layer: keras.Layer) -> list[keras.Layer]:
    """Returns the layers directly inside a layer, in order of creation."""
    return list(layer._flatten_layers(recursive=False, include_self=False))
