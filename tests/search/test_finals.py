"""The later stages of a search: who is judged again, and who wins."""

import json
import math

import pytest

from nasnet_keras.runs.files import DamagedFileError
from nasnet_keras.search import (
    Evaluator,
    EvaluatorError,
    NASNetSpace,
    open_search,
    search,
)
from nasnet_keras.search.evaluators.evaluator import Judge

SPACE = NASNetSpace(1, operations=("identity", "max_pool_3x3", "conv_3x3"))


class Noisy(Evaluator):
    """Its trials reward one thing, its later stages another.

    Args:
        name: String, of the stage.
        score: Function of the genotype's text.
        later: Its later stages: (children, name, score).
        log: List, to which (name, genotype) is appended.
    """

    def __init__(self, name, score, later=(), log=None):
        super().__init__()
        self.name, self.score, self.later = name, score, later
        self.log = [] if log is None else log
        self.closed = False

    def measure(self, genotype):
        self.log.append((self.name, genotype))
        return {"val_accuracy": self.score(repr(genotype))}, []

    def later_stages(self, trials):
        return [
            Judge(children, Noisy(name, score, log=self.log), name)
            for children, name, score in self.later
        ]

    def describe(self):
        return {**super().describe(), "name": self.name}


def by_length(text):
    return len(text) % 17 / 17


def by_letters(text):
    return text.count("conv") + sum(map(ord, text)) % 101 / 101


def run(folder, log=None, trials=8, later=None, **options):
    if later is None:
        later = [(4, "second", by_letters), (2, "last", by_length)]
    evaluator = Noisy("trials", by_length, later, log)
    return search(None, folder, trials, SPACE, "random", evaluator, **options)


def test_the_last_stage_alone_decides(tmp_path):
    results = run(tmp_path / "run", later=[(4, "last", by_letters)])
    first = results.by_reward()[:4]
    assert [r["score"] for r in first] == sorted(
        (r["score"] for r in first), reverse=True
    )
    judged = {r["trial"]: by_letters(repr(results._cells(r))) for r in first}
    best = results.best(8)
    expected = sorted(judged, key=lambda trial: -judged[trial])
    assert [r["trial"] for r in best[:4]] == expected
    assert [r["score"] for r in best[:4]] == [judged[t] for t in expected]
    # Behind them the others, by the reward of their trial.
    assert [r["score"] for r in best[4:]] == [
        r["score"] for r in results.by_reward()[4:]
    ]
    assert expected != [r["trial"] for r in first]
    file = json.loads((tmp_path / "run" / "best.json").read_text())
    assert (file["trial"], file["stage"]) == (expected[0], 1)
    assert file["reward"] == judged[expected[0]]
    assert open_search(tmp_path / "run", SPACE).best(8) == best


def test_each_stage_takes_the_best_of_the_one_before(tmp_path):
    log = []
    results = run(tmp_path / "run", log)
    assert [name for name, _ in log] == ["trials"] * 8 + ["second"] * 4 + [
        "last"
    ] * 2
    second = [genotype for name, genotype in log if name == "second"]
    best_two = sorted(second, key=lambda g: -by_letters(repr(g)))[:2]
    assert {g for name, g in log if name == "last"} == set(best_two)
    stages = [record.get("stage", 0) for record in results.best(8)]
    assert stages == [2, 2, 1, 1, 0, 0, 0, 0]


def test_what_was_judged_is_not_judged_again(tmp_path):
    """After a kill at any line; and with more trials only what is new."""
    log = []
    whole = run(tmp_path / "run", log).best(8)
    path = tmp_path / "run" / "finals.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines) + 1):
        (tmp_path / "run" / "ranking.json").unlink()
        path.write_bytes(b"".join(lines[:kept]) + lines[0][: 9 * (kept % 2)])
        log.clear()
        results = run(tmp_path / "run", log).best(8)
        assert len(log) == len(lines) - kept
        assert [strip(r) for r in results] == [strip(r) for r in whole]
    log.clear()
    run(tmp_path / "run", log, trials=12)
    new = [g for name, g in log if name == "trials"]
    assert len(new) == 4
    judged = [json.loads(line) for line in lines]
    known = {record["trial"] for record in judged if record["stage"] == 1}
    # Of the best four of all twelve, those that were not judged before.
    best = {r["trial"] for r in results_of(tmp_path).by_reward()[:4]}
    again = [g for name, g in log if name == "second"]
    assert len(again) == len(best - known) and set(again) <= set(new)


def results_of(folder):
    return open_search(folder / "run", SPACE)


def test_searched_epochs_are_longer_in_a_later_stage(tmp_path):
    """As the epochs of the recipe are: by the length of the stage."""
    seen = []

    class Schedule(Noisy):
        settings = ("epochs",)

        def measure(self, genotype, epochs):
            seen.append((self.name, epochs))
            return super().measure(genotype)

        def later_stages(self, trials):
            return [Judge(2, Schedule("last", by_letters), "last", 3.0)]

    space = SPACE.with_settings(epochs=(2, 4))
    evaluator = Schedule("trials", by_length)
    results = search(None, tmp_path / "run", 6, space, "random", evaluator)
    trials = [epochs for name, epochs in seen if name == "trials"]
    assert set(trials) == {2, 4}
    first = results.by_reward()[:2]
    expected = [3 * trials[record["trial"]] for record in first]
    assert [epochs for name, epochs in seen if name == "last"] == expected


def strip(record):
    return {k: v for k, v in record.items() if k != "seconds"}


def test_another_schedule_is_judged_anew(tmp_path):
    log = []
    run(tmp_path / "run", log, later=[(2, "short", by_letters)])
    log.clear()
    run(tmp_path / "run", log, later=[(2, "long", by_letters)])
    assert [name for name, _ in log] == ["long"] * 2


def test_a_genotype_that_fails_is_out(tmp_path, capsys):
    def fails(text):
        raise MemoryError("too large")

    def nan(text):
        return math.nan

    results = run(tmp_path / "run", later=[(3, "fails", fails)])
    assert results.ranking == []
    assert "no genotype could be trained in stage 1" in capsys.readouterr().err
    assert results.best(1)[0]["score"] == results.by_reward()[0]["score"]
    lines = (tmp_path / "run" / "finals.jsonl").read_text().splitlines()
    assert all("MemoryError: too large" in line for line in lines)
    run(tmp_path / "nan", later=[(3, "nan", nan)])
    lines = (tmp_path / "nan" / "finals.jsonl").read_text().splitlines()
    assert all(json.loads(line)["score"] is None for line in lines)


def test_an_error_of_the_evaluator_stops_it(tmp_path):
    def gone(text):
        raise EvaluatorError("There is no data any more.")

    with pytest.raises(EvaluatorError, match="no data any more"):
        run(tmp_path / "run", later=[(3, "gone", gone)])
    # The trials are kept, and what they found so far.
    assert (tmp_path / "run" / "best.json").is_file()
    assert len(open_search(tmp_path / "run", SPACE).records) == 8


def test_damaged_files_are_named(tmp_path):
    run(tmp_path / "run")
    path = tmp_path / "run" / "ranking.json"
    for damage in (b"", b"{", b"[]", b"null"):
        path.write_bytes(damage)
        with pytest.raises(DamagedFileError, match=r"ranking\.json"):
            open_search(tmp_path / "run", SPACE)
    path.unlink()
    finals = tmp_path / "run" / "finals.jsonl"
    finals.write_bytes(
        finals.read_bytes().replace(b'"stage": 1', b'"stage": 2', 1)
    )
    with pytest.raises(DamagedFileError, match=r"finals\.jsonl, line 1"):
        run(tmp_path / "run")
