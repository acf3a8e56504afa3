"""Genotypes by name or from files."""

import json
import os
import pathlib

from nasnet_keras.genotypes.published import PUBLISHED
from nasnet_keras.genotypes.types import Genotype


def load_genotype(source: str | os.PathLike[str]) -> Genotype:
    """Returns a published genotype by name, or one from a JSON file.

    Args:
        source: String, a key of `PUBLISHED` (case and dashes do not matter)
            or the path of a JSON file: a genotype's own, or a result of the
            search (`best.json`), which holds one under the key `"genotype"`.

    Returns:
        A `Genotype`.

    Raises:
        ValueError: If it is neither, or the file does not hold a genotype.
    """
    key = str(source).lower().replace("-", "_").replace(" ", "_")
    if key in PUBLISHED:
        return PUBLISHED[key]
    path = pathlib.Path(source)
    if not path.is_file():
        raise ValueError(
            f"`{source}` is neither a published genotype "
            f"({', '.join(PUBLISHED)}) nor a JSON file."
        )
    try:
        data = json.loads(path.read_text())
        if isinstance(data, dict) and "genotype" in data:
            data = data["genotype"]
        return Genotype.from_dict(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"`{source}` holds no genotype: {error}") from error
