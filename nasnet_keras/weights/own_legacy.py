"""Loads our networks from the h5 files that `model.save("x.h5")` writes.

Such a file names each variable by its path in the model, in which Keras has
numbered the layers inside the cells: `cell_0/fit_0/conv2d_7/kernel`. These
numbers count from the start of the process that built the model, so only their
order is compared.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from nasnet_keras.weights.accounts import (
    Loaded,
    assign,
    fresh_heads,
    is_own,
    layer_names,
    leave_out,
    without_foreign,
)
from nasnet_keras.weights.h5 import Datasets, Path
from nasnet_keras.weights.stem import with_adapted_stem

if TYPE_CHECKING:
    import keras

SCOPES = {"predictions": "predictions/", "auxiliary_predictions": "aux"}


def load_own_legacy(
    model: keras.Model,
    path: Path,
    datasets: Datasets,
    classifier: bool,
    adapt: bool,
) -> Loaded:
    """Loads a network of this package from a legacy file.

    Args: See `load_own`; `datasets` are those of the file.
    """
    values = _numbered(
        {name: np.asarray(d) for (_, name), d in datasets.items()}
    )
    own = {layer.name for layer in model.layers}
    paths = {w.path: w for layer in model.layers for w in layer.weights}
    variables = [(w, name) for name, w in _numbered(paths).items()]
    if adapt:
        values = without_foreign(
            values, lambda name: name in own or is_own(name)
        )
    fresh = fresh_heads(model, variables, values, classifier, adapt)
    variables, values, passed_over = leave_out(
        variables, values, fresh, model, SCOPES
    )
    adapted = False
    if adapt:
        values, adapted = with_adapted_stem(model, variables, values)
    assign(model, variables, values, fresh, path)
    return Loaded(
        len(variables),
        fresh=layer_names(fresh),
        passed_over=passed_over,
        adapted=adapted,
    )


def _numbered(items):
    """Renames paths: the number of each is its place among those alike."""
    alike = defaultdict(list)
    for path, item in items.items():
        layer, *inner = _within_model(path)
        words = [re.sub(r"_\d+$", "", part) for part in inner]
        numbers = [
            int((re.findall(r"_(\d+)$", part) or [0])[0]) for part in inner
        ]
        alike["/".join([layer, *words])].append((numbers, item))
    return {
        f"{name}#{place}": item
        for name, group in alike.items()
        for place, (_, item) in enumerate(sorted(group, key=lambda x: x[0]))
    }


def _within_model(path):
    """Splits a path; without the names of models around the network."""
    parts = path.split("/")
    own = (i for i, part in enumerate(parts[:-1]) if is_own(part))
    return parts[next(own, -2) :]
