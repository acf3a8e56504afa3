"""The results of a search, in memory and in its folder."""

import dataclasses
import itertools
import os
import pathlib
from typing import Any

from nasnet_keras import checks
from nasnet_keras.genotypes import Genotype
from nasnet_keras.runs.files import read_json, write_json
from nasnet_keras.runs.folder import differences
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.search.evaluators.rewards import pareto_front
from nasnet_keras.search.names import CONFIG, JOURNAL, RANKING
from nasnet_keras.search.oracles.journal import parse_lines
from nasnet_keras.search.oracles.trials import check_records
from nasnet_keras.search.spaces import SearchSpace
from nasnet_keras.visualize import plot_genotype, plot_rewards

BEST = "best.json"
FRONT = "pareto.json"
CELLS_PLOT = "cells.png"
REWARD_PLOT = "reward.png"


@dataclasses.dataclass(frozen=True)
class SearchResults:
    """The trials of a search, and the files made from them.

    Args:
        folder: `pathlib.Path` of the search.
        space: `SearchSpace`.
        records: List of dictionaries, its ended trials.
        configuration: Dictionary, everything that the search depends on.
        ranking: List of records, best first, of the genotypes that later
            stages judged again, see `nasnet_keras.search.finals`. Each is
            that of its trial, with `score`, `metrics` and `stage` of the last
            stage that judged it.
    """

    folder: pathlib.Path
    space: SearchSpace
    records: list[dict[str, Any]]
    configuration: dict[str, Any]
    ranking: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def best(self, number: int = 1) -> list[dict[str, Any]]:
        """Returns the records of the best genotypes, best first.

        First those that the last stage judged, then those of the stages
        before, then the others by the reward of their trial. Each genotype
        appears once, with the settings of its best trial.

        Args:
            number: Integer, the largest number of records.

        Raises:
            ValueError: If `number` is below 1.
        """
        number = checks.integer("number", number, 1)
        judged = {self._cells(record) for record in self.ranking}
        others = (r for r in self._unique() if self._cells(r) not in judged)
        return list(
            itertools.islice(itertools.chain(self.ranking, others), number)
        )

    def by_reward(self) -> list[dict[str, Any]]:
        """Returns the best trial of each genotype, the highest reward first."""
        return list(self._unique())

    def _unique(self):
        """Yields them. Few are asked for after each trial: the cells of all
        records are not made then."""
        completed = [r for r in self.records if r["score"] is not None]
        completed.sort(key=lambda record: -record["score"])
        known: set[Genotype] = set()
        for record in completed:
            cells = self._cells(record)
            if cells not in known:
                known.add(cells)
                yield record

    def _cells(self, record):
        return self.space.to_genotype(record["values"])

    def genotype(self, record: dict[str, Any]) -> Genotype:
        """Returns the `Genotype` of a record, named after search and trial."""
        name = f"{self.folder.resolve().name}-{record['trial']:05d}"
        return self.space.to_genotype(record["values"], name)

    def genotypes(self, number: int = 1) -> list[Genotype]:
        """Returns the best genotypes, best first."""
        return [self.genotype(record) for record in self.best(number)]

    def write(self) -> None:
        """Writes the best cell (`best.json`) and the Pareto front
        (`pareto.json`)."""
        (best,) = self.best()
        result = {
            "genotype": self.genotype(best).to_dict(),
            "settings": self.space.to_settings(best["values"]),
            "reward": best["score"],
            "measurements": best["metrics"],
            "trial": best["trial"],
            "trials": len(self.records),
            # 0: by the reward of its trial alone, which may be a lucky one.
            "stage": best.get("stage", 0),
            "produced_by": {
                **provenance("keras-tuner"),
                "configuration": self.configuration,
            },
        }
        write_json(self.folder / BEST, result)
        front = [
            {**r["metrics"], "genotype": self.genotype(r).to_dict()}
            for r in pareto_front(self.records, self._cost())
        ]
        write_json(self.folder / FRONT, front)

    def _cost(self):
        reward = self.configuration.get("reward")
        return reward["cost"] if isinstance(reward, dict) else "parameters"

    def draw(self, baseline: "SearchResults | None" = None) -> None:
        """Draws the best cell (`cells.png`) and the rewards (`reward.png`).

        Args:
            baseline: Optional `SearchResults` to compare with.
        """
        plot_genotype(self.genotypes()[0], self.folder / CELLS_PLOT)
        plot_rewards(
            self._scores(),
            self.folder / REWARD_PLOT,
            baseline=None if baseline is None else baseline._scores(),
        )

    def _scores(self):
        return [record["score"] for record in self.records]


def open_search(
    directory: str | os.PathLike[str], space: SearchSpace
) -> SearchResults:
    """Returns the results of the search in a folder.

    Args:
        directory: Path.
        space: `SearchSpace` of the search.

    Raises:
        ValueError: If the folder holds no search, one of another space, or
            one in which no trial was completed; or a file is damaged.
    """
    directory = pathlib.Path(directory)
    try:
        configuration = read_json(directory / CONFIG)
        content = (directory / JOURNAL).read_bytes()
    except OSError as error:
        raise ValueError(f"{directory} holds no search: {error}") from error
    _check_space(directory, configuration, space)
    # A search that is still running may be writing its last line.
    records = check_records(
        parse_lines(content, directory / JOURNAL), directory / JOURNAL
    )
    results = SearchResults(
        directory, space, records, configuration, read_ranking(directory)
    )
    if not results.best():
        raise ValueError(f"No trial of {directory} has been completed.")
    return results


def read_ranking(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the ranking in the folder of a search; empty without one."""
    path = folder / RANKING
    if not path.is_file():
        return []
    remedy = "Remove it: the same search command writes it again."
    return read_json(path, remedy=remedy)["ranking"]


def _check_space(directory, configuration, space):
    lines = list(differences(configuration.get("space"), space.to_dict()))
    if lines:
        raise ValueError(
            f"{directory} holds a search of another space. Give its own. They "
            "differ in:\n  " + "\n  ".join(lines[:9])
        )
