"""What a search does if it is told nothing, and how long that takes."""

import dataclasses

import numpy as np
import pytest

from nasnet_keras.search import ChildRecipe, planning
from nasnet_keras.search.evaluators.funnel import parse_funnel
from nasnet_keras.training.data.dataset import Dataset


def dataset(side, number=2000):
    images = np.zeros((number, side, side, 3), "uint8")
    part = images, np.arange(number) % 5
    return Dataset("zeros", tuple("abcde"), part, part, part)


@pytest.fixture
def speed(monkeypatch):
    """Sets how fast this machine is, and that it has no GPU."""

    def set_speed(value):
        monkeypatch.setattr(planning, "_relative_speed", lambda: value)

    monkeypatch.setattr(planning, "has_gpu", lambda: False)
    monkeypatch.setattr(planning, "usable_cores", lambda: 2)
    set_speed(1)
    return set_speed


@pytest.mark.parametrize("workers", [1, 2])
def test_children_take_half_a_minute_at_most(speed, workers):
    recipe = ChildRecipe()
    for side in (8, 16, 32, 64):
        data = dataset(side)
        steps = planning.plan_steps(recipe, data, workers)
        assert planning.FEWEST_STEPS <= steps <= planning.MOST_STEPS
        first = dataclasses.replace(recipe, steps=steps)
        plan = planning.make_plan(first, data, None, 48, workers)
        assert plan.seconds[0] <= 30
    assert planning.plan_steps(recipe, dataset(8)) == planning.MOST_STEPS


def test_a_slower_machine_takes_fewer_steps(speed):
    recipe, data = ChildRecipe(), dataset(16)
    steps = [planning.plan_steps(recipe, data)]
    for value in (0.7, 0.4, 0.01):
        speed(value)
        steps.append(planning.plan_steps(recipe, data))
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == planning.FEWEST_STEPS < steps[0]


def test_a_gpu_takes_more_steps(speed, monkeypatch):
    without = planning.plan_steps(ChildRecipe(), dataset(32))
    monkeypatch.setattr(planning, "has_gpu", lambda: True)
    assert planning.plan_steps(ChildRecipe(), dataset(32)) > 2 * without
    speed(2)  # What is traced takes half as long.
    steps = planning.plan_steps(ChildRecipe(), dataset(32))
    assert steps == planning.GPU_FACTOR * planning.MOST_STEPS


def test_what_it_says(speed):
    recipe = ChildRecipe(steps=125)
    stages = parse_funnel("125x48,375x8")
    plan = planning.make_plan(recipe, dataset(8), stages, 48)
    step = planning.step_seconds(recipe, dataset(8))
    # Five cells of five blocks are traced first.
    expected = [25 * planning.START + n * step for n in (125, 375)]
    assert plan.seconds == pytest.approx(expected)
    minutes = (48 * expected[0] + 8 * expected[1]) / 60
    assert plan.minutes == pytest.approx(minutes)
    assert str(plan) == (
        f"48 of 125 steps (about {expected[0]:.0f} s each), then the best 8 of "
        f"375 steps (about {expected[1]:.0f} s each): about {minutes:.0f} "
        "minutes in all"
    )
    # On one core each, a step takes longer; in all it is less.
    both = planning.make_plan(recipe, dataset(8), stages, 48, 2)
    assert both.seconds[0] > plan.seconds[0]
    assert plan.minutes / 2 < both.minutes < plan.minutes
    assert ", 2 at a time: about" in str(both)
    # The same without a funnel, and by epochs of 31 steps.
    assert planning.make_plan(recipe, dataset(8), None, 48) == plan
    by_epochs = planning.make_plan(ChildRecipe(epochs=2), dataset(8), None, 12)
    assert by_epochs.steps == (62, 186)


def test_what_is_traced(speed):
    """Larger cells take longer, and so do the two of ImageNet's stem."""
    recipe = ChildRecipe()
    two = dataclasses.replace(recipe, cells_per_stack=2)
    found = [
        planning.start_seconds(recipe, dataset(32)),
        planning.start_seconds(recipe, dataset(32), 2),
        planning.start_seconds(recipe, dataset(64)),
        planning.start_seconds(two, dataset(32)),
    ]
    # Blocks times cells.
    expected = [planning.START * n for n in (5 * 5, 2 * 5, 5 * 7, 5 * 8)]
    assert found == pytest.approx(expected)


def test_as_many_children_at_a_time_as_cores(speed, monkeypatch):
    assert planning.plan_workers() == 2
    monkeypatch.setattr(planning, "has_gpu", lambda: True)
    assert planning.plan_workers() == 1


def test_this_machine_is_measured():
    planning._relative_speed.cache_clear()
    first = planning._relative_speed()
    assert 0 < first < 1000
    assert planning._relative_speed() == first


def test_many_workers_get_more_children():
    """All of them would start before any reward, and nothing be searched."""
    assert [planning.plan_children(n) for n in (1, 2, 6, 64)] == [
        *(48, 48, 48),
        512,
    ]


def test_how_long_a_comparison_takes(speed):
    stages = parse_funnel("125x48,375x8")
    recipe = ChildRecipe(steps=125)
    plan = planning.make_plan(recipe, dataset(8), stages, 48, workers=2)
    seconds = plan.start + 2 * 375 * plan.step
    assert plan.comparison_minutes(9) == pytest.approx(5 * seconds / 60)
