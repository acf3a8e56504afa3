"""Rewards from a table: a search without training."""

import hashlib

from nasnet_keras.search.evaluators.evaluator import Evaluator
from nasnet_keras.search.spaces import SearchSpace


class Tabular(Evaluator):
    """Evaluates a genotype by looking it up.

    Args:
        table: Dictionary: tuple of a point's options, in the order of the
            space's decisions -> accuracy. See `read_table`.
        space: `SearchSpace` that reads genotypes.

    Raises:
        ValueError: If the table is no dictionary.
    """

    def __init__(self, table: dict[tuple, float], space: SearchSpace):
        super().__init__()
        if not isinstance(table, dict):
            raise ValueError(
                "`table` must be a dictionary, see `read_table`. Received: "
                f"table={table!r}"
            )
        self.table = table
        self.space = space

    def measure(self, genotype):
        """Returns the table's accuracy.

        Raises:
            ValueError: If the genotype is not in the table.
        """
        values = self.space.to_values(self.space.from_genotype(genotype))
        point = tuple(values.values())
        if point not in self.table:
            raise ValueError(f"The table has no row for {point}.")
        return {"val_accuracy": self.table[point]}, []

    def describe(self):
        """Returns what the rewards depend on, with a digest of the table."""
        rows = repr(sorted(self.table.items())).encode()
        digest = hashlib.sha256(rows).hexdigest()
        return {**super().describe(), "table": digest}
