"""Loads weights into a network: ours, keras.applications', TF-slim's.

Every loader accounts for each variable of the network and of the source, see
`accounts`. The maps from our variables to their names in the source are
`keras_applications.named_variables` and `tf_slim.named_variables`.
"""

from nasnet_keras.weights.accounts import HEADS, Loaded, WeightsError
from nasnet_keras.weights.keras_applications import load_keras_applications
from nasnet_keras.weights.load import load_weights
from nasnet_keras.weights.own import load_own
from nasnet_keras.weights.published import load_published
from nasnet_keras.weights.stem import adapt_kernel
from nasnet_keras.weights.tf_slim import load_tf_slim

__all__ = [
    "HEADS",
    "Loaded",
    "WeightsError",
    "adapt_kernel",
    "load_keras_applications",
    "load_own",
    "load_published",
    "load_tf_slim",
    "load_weights",
]
