"""Progress where there is no terminal; `tests/cli/test_predict.py` has one."""

from nasnet_keras.runs import progress


def test_a_line_now_and_then_elsewhere(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.Progress(100) as images:
        for _ in range(5):
            clock[0] += 6
            images.update(10)
    assert capsys.readouterr().err.splitlines() == [
        "image 20/100, 0:48 left",
        "image 40/100, 0:36 left",
    ]
