"""Stages of a funnel: their spelling, schedules and seeds."""

import pytest

from nasnet_keras.search import ChildRecipe
from nasnet_keras.search.evaluators.funnel import (
    Stage,
    check_stages,
    funnel_text,
    last_stage,
    parse_funnel,
    seed_of_stage,
    settings_of_stage,
)


def test_the_spelling():
    assert parse_funnel("125x48,375x8") == (
        Stage(48, steps=125),
        Stage(8, steps=375),
    )
    assert parse_funnel(" 10x9, 20x4 , 40x2")[-1] == Stage(2, steps=40)


@pytest.mark.parametrize(
    "text",
    [
        *("", "125", "125x48", "x", "125x48;375x8", "125x48,", "-1x4,2x2"),
        *("125x48,375x48", "125x8,375x48", "375x48,125x8", "125x48,125x8"),
        *("0x48,375x8", "125x48,375x1", "1.5x4,2x2"),
    ],
)
def test_what_is_no_funnel(text):
    with pytest.raises(ValueError, match="`funnel` must be") as error:
        parse_funnel(text)
    assert repr(text) in str(error.value)
    assert "125x48,375x8 (48 children" in str(error.value)


def test_stages_as_objects():
    stages = [Stage(9, steps=10), Stage(3, steps=30)]
    assert check_stages(stages) == tuple(stages)
    for wrong in ([], [Stage(9, epochs=1), Stage(3, epochs=2)], "ab", None):
        with pytest.raises(ValueError, match="`funnel` must be"):
            check_stages(wrong)


def test_the_stage_that_follows_where_none_is_given():
    by_steps, by_epochs = ChildRecipe(steps=40), ChildRecipe(epochs=2)
    assert last_stage(by_steps, 48) == Stage(8, steps=120)
    assert last_stage(by_epochs, 48) == Stage(8, epochs=6)
    assert last_stage(by_epochs, 3) == Stage(2, epochs=6)
    assert last_stage(by_epochs, 1) == Stage(1, epochs=6)


def test_searched_epochs_grow_with_the_stage():
    assert settings_of_stage({"epochs": 2, "filters": 4}, 3.0) == {
        "epochs": 6,
        "filters": 4,
    }
    assert settings_of_stage({"filters": 4}, 3.0) == {"filters": 4}


def test_a_funnel_is_spelt_as_it_is_read():
    for text in ("125x48,375x8", "2x9,4x3,8x2"):
        assert funnel_text(parse_funnel(text)) == text


def test_each_stage_has_a_seed_of_its_own():
    seeds = {
        seed_of_stage(seed, stage) for seed in (0, 1) for stage in (0, 1, 2)
    }
    assert len(seeds) == 6
    assert seed_of_stage(7, 0) == 7
    assert all(0 <= seed < 2**32 for seed in seeds)
