"""`nasnet search`, run, interrupted, killed and run again as a user would."""

import json
import random
import re
import shlex
import shutil
import signal
import subprocess
import time

import pytest

from nasnet_keras import Genotype, load_genotype
from tests.support.commands import NASNET, call, nasnet

# Children of a few seconds.
TINY = (
    "--blocks 1 --images 300 --epochs 1 --filters 2 --update-every 2 "
    "--no-compare --workers 1"
)
IN_ONE_PROCESS = ("--trials-per-process", 0)  # It starts sooner.
OUR_LINES = re.compile(
    r"|(ppo|random) +\S+: .*|trial \d+/\d+: reward \S+, best \S+, \d+:\d\d left"
    r"|For comparison: .*|training  .*|\w+ cell, .*|Stopped\. .*"
    r"|stage \d+, \d+/\d+: trial \d+, reward \S+"
)


def search(folder, *more, trials=3):
    words = ["search", *TINY.split(), "--directory", str(folder)]
    return [*words, "--trials", str(trials), *map(str, more)]


def records(folder):
    lines = (folder / "trials.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "run"
    result = nasnet(*search(folder))
    assert result.returncode == 0, result.stderr
    return folder, result


def test_what_it_prints(finished):
    folder, result = finished
    assert "300 to train" not in result.stdout
    assert re.search(
        r"240 to train, 60 to validate, 359 to test", result.stdout
    )
    assert "images    8x8: cifar stem" in result.stdout
    for name in ("NASNetMobile", "NASNetLarge"):
        found = re.findall(
            rf"{name} +(\d+) filters +([\d.]+) M parameters", result.stdout
        )
        assert len(found) == 2  # At equal parameters, and multiply-adds.
        published = {"NASNetMobile": 5.33, "NASNetLarge": 88.9}[name]
        assert float(found[0][1]) == pytest.approx(published, rel=0.05)
    assert "stages    3 of 1 epochs (about " in result.stdout
    assert "then the best 2 of 3 epochs (about " in result.stdout
    assert f"--directory {folder} --trials 6" in result.stdout
    assert f"--genotype {folder}/best.json" in result.stdout


def test_standard_error_holds_our_lines_only(finished):
    folder, result = finished
    lines = result.stderr.splitlines()
    assert all(OUR_LINES.fullmatch(line) for line in lines), result.stderr
    assert sum(line.startswith("trial ") for line in lines) == 3
    assert (folder / "log").stat().st_size > 0


def test_what_it_writes(finished):
    folder, _ = finished
    ended = records(folder)
    assert [record["trial"] for record in ended] == [0, 1, 2]
    assert all(0 <= record["score"] <= 1 for record in ended)
    best = json.loads((folder / "best.json").read_text())
    lines = (folder / "finals.jsonl").read_text().splitlines()
    judged = [json.loads(line) for line in lines]
    assert len(judged) == 2
    assert best["reward"] == max(record["score"] for record in judged)
    assert best["stage"] == 1
    genotype = load_genotype(folder / "best.json")
    assert genotype == Genotype.from_dict(best["genotype"])
    source = best["produced_by"]
    for key in ("nasnet_keras", "keras", "backend", "time", "machine"):
        assert source[key]
    assert source["configuration"]["seed"] == 0
    assert len(source["configuration"]["data"]["sha256"]) == 64
    for picture in ("cells.png", "reward.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    assert (folder / "controller.npz").exists()  # PPO has learned: trials > 2


def test_a_finished_search_says_so(finished, capfd):
    folder, _ = finished
    before = (folder / "trials.jsonl").read_bytes()
    assert call(*search(folder)) == 0
    errors = capfd.readouterr().err
    assert "finished, 3 of 3 trials; --trials 6" in errors
    assert (folder / "trials.jsonl").read_bytes() == before


def test_a_funnel_is_extended_as_it_says(tmp_path, capfd):
    """The command that is printed at the end adds as many trials."""
    words = "search --blocks 1 --images 300 --filters 2 --no-compare"
    words = [*words.split(), *IN_ONE_PROCESS, "--directory", tmp_path / "run"]
    assert call(*words, "--funnel", "1x2,2x1") == 2
    assert call(*words, "--funnel", "1x3,2x2") == 0
    output = capfd.readouterr().out
    (flag,) = re.findall(r"--directory \S+ (--funnel \S+)", output)
    assert flag == "--funnel 1x6,2x2"
    assert call(*words, *flag.split()) == 0
    assert len(records(tmp_path / "run")) == 6
    assert call(*words) == 0
    errors = capfd.readouterr().err
    assert "finished, 6 of 6 trials; --funnel 1x12,2x2 would add" in errors


def contents(folder):
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "log"
    }


def test_another_search_in_the_folder_is_refused(finished, capfd):
    folder, _ = finished
    before = contents(folder)
    assert call(*search(folder, "--filters", 3, "--seed", 7, trials=9)) == 2
    errors = capfd.readouterr().err
    assert "recipe.filters: there 2, now 3" in errors
    assert "seed: there 0, now 7" in errors
    assert contents(folder) == before


def test_a_folder_of_other_things_is_refused(tmp_path, capfd):
    (tmp_path / "thesis.txt").write_text("important")
    assert call(*search(tmp_path)) == 2
    assert "thesis.txt" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "options, message",
    [
        ("--space nowhere", "A space is one of nasnet, "),
        ("--space mine:Space", "There is no space 'mine:Space'"),
        ("--space darts --blocks 4", "has cells of one size"),
        ("--also bogus=1,2", "It takes: accumulation_steps, augmentation,"),
        ("--also learning_rate=-1,0.1", "learning_rate"),
        ("--also ema=0.9,0.99", "does not take. It takes: acc"),
        ("--also whiten=yes,no", "`whiten` must be True or False"),
        ("--also epochs=few,many", "`epochs` must be an integer"),
        ("--space tests.search.test_run:SPACE --blocks 2", "says itself"),
        ("--also learning_rate", "must be NAME=VALUE,VALUE"),
        ("--enqueue nowhere.json", "nowhere.json"),
        ("--enqueue NASNET_A", "blocks"),
        ("--warm-start nowhere", "must be the folder of a search"),
        ("--cost macs", "--cost and --target go together"),
        ("--max-parameters 10", "is within the limits"),
        ("--population-size 0", "population_size=0"),
        (
            "--evaluator shared --space nasnet_a_wired --also epochs=2,3",
            "It takes: none",
        ),
        ("--evaluator shared --stop-early", "--stop-early is for children"),
        ("--trials 0", "--trials must be at least 1"),
        ("--funnel 5x9,10x3", "--epochs and --funnel exclude each other"),
        ("--parameters 9000", "--filters and --parameters exclude each other"),
        ("--steps 9", "--epochs and --steps exclude each other"),
        ("--evaluator shared --space nasnet", "--space must have a fixed"),
    ],
)
def test_wrong_arguments(tmp_path, capfd, options, message):
    """Reported before anything is trained."""
    folder = tmp_path / "run"
    options = ["--oracle", "evolution", *shlex.split(options)]
    assert call(*search(folder, *options)) == 2
    assert message in capfd.readouterr().err
    assert not (folder / "trials.jsonl").is_file() or not records(folder)


@pytest.mark.parametrize(
    "flag, values",
    [
        ("--trials", (0, -1)),
        ("--epochs", (0, -1)),
        ("--filters", (0, 1, -1)),
        ("--cells-per-stack", (0, -1, 100_000)),
        ("--batch-size", (0, -1, 100_000)),
        ("--learning-rate", (0, -1, "nan", "inf")),
        ("--image-size", (0, -1, 100_000)),
        ("--images", (0, -1, 100_000)),
        ("--validation-split", (0, 1, -1, "nan")),
        ("--blocks", (0, -1, 100_000)),
        ("--seed", (-1, 2**32, 2**80)),
        ("--update-every", (0, 1, -1)),
        ("--population-size", (0, 1, -1)),
        ("--sample-size", (0, -1, 21)),
        ("--target", (0, -1, "nan", "inf")),
        ("--max-parameters", (0, -1)),
        ("--max-macs", (0, -1)),
        ("--workers", (0, -1)),
        ("--trials-per-process", (-1,)),
        ("--parameters", (0, -1, 10, 10**12)),
        ("--macs", (0, -1, 10, 10**15)),
        ("--steps", (0, -1)),
        ("--reward-images", (0, -1)),
        ("--funnel", ("", "125", "9x5", "5x9,5x3", "5x9,9x1", "5x9,2x3")),
        ("--warm-up-steps", (-1,)),
        ("--round-steps", (0, -1)),
        ("--space", ("", ":", "os:", ":x", "os:path", "os:getcwd", "sys:exit")),
        ("--data", ("",)),
        ("--cost", ("macs",)),
        ("--also", ("filters=1,2", "batch_size=8,100000", "epochs=1,1")),
        ("--also", ("learning_rate=nan,1", "learning_rate=0,1")),
        ("--enqueue", ("", "NASNET_A")),
        ("--warm-start", ("", "nowhere")),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(tmp_path, capfd, flag, values):
    for value in values:
        words = ["search", "--images", "100", "--oracle", "evolution"]
        folder = tmp_path / "run"
        words += ["--directory", folder, f"{flag}={value}"]
        assert call(*words) == 2, value
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(("nasnet search: ", "nasnet: "))
        assert flag in line
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "flag, values",
    [
        ("--top", (0, -1)),
        ("--filters", (0, 1, -1)),
        ("--cells-per-stack", (0, -1, 100_000)),
        ("--seed", (-1, 2**32, 2**80)),
        ("--epochs", (0, -1)),
        ("--batch-size", (0, 100_000)),
        ("--learning-rate", (0, -1, "nan")),
        ("--image-size", (0, 16)),
    ],
)
def test_a_wrong_argument_of_retrain(finished, capfd, flag, values):
    folder, _ = finished
    before = sorted(folder.rglob("*"))
    for value in values:
        assert call("retrain", folder, f"{flag}={value}") == 2, value
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("nasnet retrain: ")
        assert flag in line
    assert sorted(folder.rglob("*")) == before


def test_a_small_image_size_takes_other_filters(tmp_path, capfd):
    """The stem for images from 64 pixels on has a quarter of the filters."""
    words = (
        "--image-size",
        64,
        "--filters",
        4,
        "--directory",
        tmp_path / "run",
    )
    assert call("search", *words) == 2
    errors = capfd.readouterr().err
    assert "--filters must be an integer of at least 8" in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options, message",
    [
        ("--funnel 5x9", "--funnel must be two stages or more"),
        ("--funnel 5x9,10x3 --trials 8", "--trials must be the children of"),
        ("--parameters 100", "--parameters must be a size that networks of 1"),
        ("--evaluator shared --parameters 9000", "--parameters is for child"),
        ("--evaluator shared --macs 9000", "--macs is for children trained"),
        ("--evaluator shared --funnel 5x9,10x3", "--funnel is for children"),
        ("--stop-early --steps 5", "--stop-early compares children after each"),
        ("--stop-early --funnel 5x9,10x3", "--stop-early compares children"),
        ("--workers 2 --trials-per-process 0", "--workers above 1 is for"),
        ("--workers 2 --evaluator shared", "--workers above 1 is for"),
        ("--engine ray --evaluator shared", "--engine ray is for children"),
        ("--timeout 9 --trials-per-process 0", "--timeout is for children"),
        ("--gpus-per-trial 1", "--gpus-per-trial is for the other engine"),
        ("--address auto", "--address is for the other engine"),
        ("--engine ray --memory-per-worker 2", "--memory-per-worker is for"),
        ("--timeout 0", "--timeout must be a finite number"),
    ],
)
def test_wrong_sizes_and_schedules(tmp_path, capfd, options, message):
    words = ["search", "--images", 100, "--directory", tmp_path / "run"]
    assert call(*words, *shlex.split(options)) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"nasnet search: {message}")
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_shared_weights_that_know_nothing_are_said_to(tmp_path, capfd):
    folder = tmp_path / "run"
    options = "--evaluator shared --space nasnet_a_wired --warm-up-steps 0"
    assert call(*search(folder, *options.split(), "--oracle", "evolution")) == 0
    output = capfd.readouterr().out
    assert "children  share their weights" in output
    assert "hardly better than chance" in output
    assert "--warm-up-steps 2000" in output
    assert len(records(folder)) == 3


def wait_for_trials(folder, number, process):
    journal = folder / "trials.jsonl"
    while process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= number:
            return
        time.sleep(0.02)
    raise AssertionError(process.stderr.read())


def test_ctrl_c_ends_cleanly(tmp_path, capfd):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [*NASNET, *search(folder, *IN_ONE_PROCESS, trials=500)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_trials(folder, 1, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Stopped. Every finished trial is kept" in errors
    assert "Traceback" not in errors
    ended = records(folder)
    assert json.loads((folder / "best.json").read_text())["trials"] == len(
        ended
    )
    assert call(*search(folder, *IN_ONE_PROCESS, trials=len(ended) + 1)) == 0
    errors = capfd.readouterr().err
    assert f"{len(ended)} of {len(ended) + 1} trials are done" in errors
    assert [r["trial"] for r in records(folder)] == list(range(len(ended) + 1))


@pytest.mark.parametrize(
    "kills, trials, options",
    [
        (1, 3, IN_ONE_PROCESS),
        pytest.param(6, 12, ("--workers", 2), marks=pytest.mark.long),
    ],
)
def test_killed_and_started_again(tmp_path, kills, trials, options):
    """SIGKILL at random moments of real trainings."""
    folder = tmp_path / "run"
    rng = random.Random(kills)
    first_values = {}
    for kill in range(kills):
        process = subprocess.Popen(
            [*NASNET, *search(folder, *options, trials=trials)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for_trials(folder, 1 + kill * (trials - 2) // kills, process)
        time.sleep(rng.uniform(0, 2))
        process.kill()
        process.communicate()
        for record in records(folder):
            kept = first_values.setdefault(record["trial"], record)
            assert kept == record  # What was on disk is unchanged.
    assert call(*search(folder, *options, trials=trials)) == 0
    ended = [record["trial"] for record in records(folder)]
    if options != IN_ONE_PROCESS:  # Two workers end them in any order.
        ended.sort()
    assert ended == list(range(trials))


def finals(folder):
    path = folder / "finals.jsonl"
    content = path.read_text() if path.is_file() else ""
    lines = content[: content.rfind("\n") + 1].splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.long
def test_killed_in_a_later_stage(tmp_path):
    """What it had judged is kept, and judged no second time."""
    folder, whole = tmp_path / "run", tmp_path / "whole"
    options = (*IN_ONE_PROCESS, "--funnel", "2x4,3x3,4x2")
    words = [str(word) for word in search(folder, *options, trials=4)]
    process = subprocess.Popen(
        [*NASNET, *_without_epochs(words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not finals(folder):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    kept = finals(folder)
    assert kept and not (folder / "ranking.json").exists()
    assert call(*_without_epochs(words)) == 0
    judged = finals(folder)
    assert judged[: len(kept)] == kept
    places = [(record["stage"], record["trial"]) for record in judged]
    assert len(places) == len(set(places)) == 3 + 2
    words[words.index(str(folder))] = str(whole)
    assert call(*_without_epochs(words)) == 0
    scores = [
        {(r["stage"], r["trial"]): r["score"] for r in finals(one)}
        for one in (folder, whole)
    ]
    assert scores[0] == scores[1]


def _without_epochs(words):
    place = words.index("--epochs")
    return words[:place] + words[place + 2 :]


def test_it_goes_on_as_it_began(finished, tmp_path, capfd):
    """Size and schedule are those of the folder, unless they are given."""
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    words = "search --blocks 1 --images 300 --no-compare --directory"
    assert call(*words.split(), folder, *IN_ONE_PROCESS) == 0
    assert "finished, 3 of 3 trials" in capfd.readouterr().err
    assert call(*words.split(), folder, "--parameters", 9000) == 2
    assert "network.parameters: there null, now 9000" in capfd.readouterr().err
