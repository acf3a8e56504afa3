"""The features of points, from which a model predicts their rewards."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from nasnet_keras.search.oracles.paths import count_paths
from nasnet_keras.search.spaces.space import Actions, SearchSpace

# Paths that are features: the most frequent ones in the trials.
MAX_PATHS = 300
# Points whose paths are cached, some kilobytes each.
CACHED_POINTS = 16384


class Features:
    """Each decision, how often options are taken, and the paths of the cells.

    Cells that compute the same have equal paths, see `count_paths`.

    Args:
        space: `SearchSpace`.
    """

    def __init__(self, space: SearchSpace):
        self.space = space
        self._paths_of = functools.lru_cache(CACHED_POINTS)(self._count_paths)

    def vocabulary(self, points: Sequence[Actions]) -> dict[tuple, int]:
        """Returns the most frequent paths of points: path -> column."""
        counts: Counter[tuple] = Counter()
        for point in points:
            counts.update(self._paths_of(tuple(point)).keys())
        common = counts.most_common(MAX_PATHS)
        return {path: column for column, (path, _) in enumerate(common)}

    def _count_paths(self, point):
        """Counts each path in the cells of a point."""
        genotype = self.space.to_genotype(point)
        return {
            (kind, *path): count
            for kind in ("normal", "reduction")
            for path, count in count_paths(getattr(genotype, kind)).items()
        }

    def encode(
        self, points: Sequence | np.ndarray, vocabulary: dict[tuple, int]
    ) -> np.ndarray:
        """Returns the features of points, an array `(points, features)`.

        They are: each decision one-hot; how often each option is taken, and
        in each cell, where the names of decisions say in which; how often
        each path of the vocabulary occurs.
        """
        taken = [
            np.eye(size, dtype="float32")[column]
            for size, column in zip(self.space.sizes, np.asarray(points).T)
        ]
        counts: dict[Any, Any] = {}
        by_cell: dict[Any, Any] = {}
        for decision, columns in zip(self.space.decisions, taken):
            cell = decision.name.split("/")[0]
            for option, column in zip(decision.options, columns.T):
                counts[option] = counts.get(option, 0) + column
                if "/" in decision.name:
                    key = cell, option
                    by_cell[key] = by_cell.get(key, 0) + column
        paths = np.zeros((len(points), len(vocabulary)), "float32")
        for row, point in zip(paths, points):
            for path, count in self._paths_of(tuple(point)).items():
                if path in vocabulary:
                    row[vocabulary[path]] = count
        counted = [*counts.values(), *by_cell.values()]
        return np.column_stack([*taken, *counted, paths])
