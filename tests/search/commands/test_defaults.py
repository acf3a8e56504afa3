"""What `nasnet search` does where it is not told."""

import pytest

from nasnet_keras.cli.main import make_parser
from nasnet_keras.search.commands.defaults import DEMONSTRATION
from nasnet_keras.search.commands.search import _complete


def completed(folder, *words):
    words = ["search", "--directory", str(folder), *words]
    args = make_parser().parse_args(words)
    _complete(args)
    return vars(args)


def test_without_options_it_is_the_demonstration(tmp_path):
    for words in ((), ("--seed", "3"), ("--workers", "1"), ("--compare",)):
        args = completed(tmp_path, *words)
        assert args.items() >= DEMONSTRATION.items()
        assert args["dataset"] == "digits" and args["compare"]
        assert args["epochs"] is args["filters"] is args["funnel"] is None
    more = completed(tmp_path, "--trials", "80")
    assert more.items() >= {**DEMONSTRATION, "trials": 80}.items()


@pytest.mark.parametrize(
    "words",
    ["--space nasnet", "--epochs 1", "--filters 4", "--reward cross-entropy"],
)
def test_with_an_option_it_is_a_search_of_its_own(tmp_path, words):
    args = completed(tmp_path, *words.split())
    assert args["space"] == "nasnet" and args["blocks"] is None
    assert args["trials"] == 6 and args["parameters"] is None


def test_one_of_an_earlier_version_goes_on_as_it_was(tmp_path):
    earlier = (
        '{"dataset": "digits", "data_dir": null, "image_size": 8, "epochs": 2, '
        '"validation_split": 0.2, "images": null, "batch_size": 64, "seed": 0, '
        '"space": "nasnet", "blocks": null, "also": null, "trials": 6, '
        '"filters": 8, "cells_per_stack": 1, "update_every": 2}'
    )
    (tmp_path / "arguments.json").write_text(earlier)
    args = completed(tmp_path)
    assert (args["space"], args["blocks"], args["trials"]) == (
        "nasnet",
        None,
        6,
    )
    assert (args["epochs"], args["steps"], args["filters"]) == (2, None, 8)
    assert args["update_every"] == 2 and args["parameters"] is None
    assert args["reward"] == "accuracy" and args["reward_images"] is None


def test_another_funnel_has_trials_of_its_own(tmp_path):
    """It extends the search in the folder: those of before do not count."""
    earlier = (
        '{"dataset": "digits", "data_dir": null, "image_size": 8, '
        '"validation_split": 0.2, "images": null, "batch_size": 64, "seed": 0, '
        '"space": "nasnet", "blocks": null, "also": null, "trials": 8, '
        '"funnel": "5x8,9x2", "steps": null, "epochs": null, '
        '"cells_per_stack": 1, "update_every": 2}'
    )
    (tmp_path / "arguments.json").write_text(earlier)
    same = completed(tmp_path, "--images", "100")
    assert (same["funnel"], same["trials"]) == ("5x8,9x2", 8)
    more = completed(tmp_path, "--funnel", "5x16,9x2")
    assert (more["funnel"], more["trials"]) == ("5x16,9x2", None)
