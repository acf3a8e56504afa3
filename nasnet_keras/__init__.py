"""NASNet for Keras 3: the cells, the networks, and the search for new ones.

Names are loaded when they are first used, so that `nasnet --help` and plain
data (genotypes) do not wait for a backend.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "Block": "genotypes",
    "Cell": "genotypes",
    "Genotype": "genotypes",
    "NASNET_A": "genotypes.published",
    "PUBLISHED": "genotypes.published",
    "load_genotype": "genotypes.files",
    "OPERATIONS": "cells.operations",
    "PAPER_OPERATIONS": "cells.operations",
    "Conventions": "cells.conventions",
    "register_operation": "cells.operations",
    "AdaptiveDropPath": "training.drop_path",
    "DropPath": "layers.drop_path",
    "ScheduledDropPath": "training.drop_path",
    "NormalCell": "cells",
    "ReductionCell": "cells",
    "NASNet": "networks.build",
    "NASNetCIFAR": "zoo",
    "NASNetLarge": "zoo",
    "NASNetMobile": "zoo",
    "PNASNetLarge": "zoo",
    "PNASNetMobile": "zoo",
    "from_preset": "zoo",
    "save_preset": "zoo",
    "Preset": "presets.types",
    "get_preset": "presets",
    "list_presets": "presets",
    "Backbone": "features",
    "load_model": "model_files",
    "load_keras_applications": "weights",
    "load_tf_slim": "weights",
    "discriminative_optimizer": "training.discriminative",
    "freeze_batch_norm": "training.fine_tuning",
    "freeze_to": "training.fine_tuning",
    "replace_head": "training.fine_tuning",
    "unfreeze_from": "training.fine_tuning",
    "rematerialize": "training.remat",
    "decode_predictions": "images.imagenet",
    "preprocess_input": "images.imagenet",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)


def __dir__():
    return sorted([*globals(), *__all__])
