"""What a search shows while it runs."""

import re
import types

from nasnet_keras.search.commands import progress


class Search:
    """Stands for an oracle whose children take a known time."""

    def __init__(self):
        self.end_order, self.records = [], []

    def end(self, **metrics):
        self.end_order.append(str(len(self.end_order)))
        self.records.append({"metrics": metrics, "score": 0.25})


def seconds_left(line):
    minutes, seconds = re.search(r"(\d+):(\d\d) left$", line).groups()
    return 60 * int(minutes) + int(seconds)


def left_after(monkeypatch, capsys, later, each, workers=1, **metrics):
    """The seconds that are left of 48 trials after the first ten.

    One ends every `each` seconds.
    """
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    search = Search()
    with progress.Progress(search, 48, later, workers) as display:
        for number in range(10):
            clock[0] += each
            search.end(**metrics)
            score = 0.5 if number == 3 else 0.25
            display.update(types.SimpleNamespace(score=score))
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("trial 10/48: reward 0.2500, best 0.5000, ")
    return seconds_left(line)


def test_what_is_left_holds_the_later_stages(monkeypatch, capsys):
    """Children of 20 s, 14 of them in steps: those of three times as many
    steps take 48."""
    later = [(8, 3.0)]
    left = left_after(monkeypatch, capsys, later, 20, step_seconds=14)
    assert left == 38 * 20 + 8 * (20 + 2 * 14)
    # Where steps are not measured, all of it is taken to grow.
    assert left_after(monkeypatch, capsys, later, 20) == 38 * 20 + 8 * 60
    assert left_after(monkeypatch, capsys, [], 20) == 38 * 20


def test_the_children_at_hand_are_shown(capsys):
    search = Search()
    search.end()
    display = progress.Progress(search, 3, running=lambda: [4.2, 61.0])
    with display:
        search.end()
        display.update(types.SimpleNamespace(score=None))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("trial 2/3: reward failed, best 0.2500, ")
    assert line.endswith(" left, 2 running, for up to 61 s")


def test_what_is_left_with_several_workers(monkeypatch, capsys):
    """Every 10 s one of two children ends: each takes 20 s."""
    later = [(7, 3.0)]
    left = left_after(monkeypatch, capsys, later, 10, 2, step_seconds=14)
    assert left == 38 * 10 + 4 * (20 + 2 * 14)


def test_what_a_later_stage_found_is_shown(capsys):
    with progress.Progress(Search(), 0) as display:
        display.report("stage 2, 1/8: trial 3, reward 0.5")
    assert capsys.readouterr().err == "stage 2, 1/8: trial 3, reward 0.5\n"
