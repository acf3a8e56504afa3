"""Rewards with a target for the cost, and the Pareto front."""

import pytest

from nasnet_keras.search import Reward
from nasnet_keras.search.evaluators.rewards import pareto_front


def measured(accuracy, parameters):
    return {"val_accuracy": accuracy, "parameters": parameters}


def test_accuracy_alone():
    assert Reward()(measured(0.8, 1e9)) == 0.8


def test_doubling_the_cost_is_worth_five_percent():
    """MnasNet, section 3.1: the exponent -0.07 is chosen for that."""
    reward = Reward("parameters", 1000)
    assert reward(measured(0.8, 1000)) == pytest.approx(0.8)
    assert reward(measured(0.8 * 1.05, 2000)) == pytest.approx(0.8, rel=2e-3)
    assert reward(measured(0.8, 500)) > 0.8


def test_a_hard_target_does_not_reward_what_is_below():
    reward = Reward("macs", 100, exponent=-1, hard=True)
    assert reward({"val_accuracy": 0.6, "macs": 10}) == 0.6
    assert reward({"val_accuracy": 0.6, "macs": 200}) == pytest.approx(0.3)


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"cost": "memory", "target": 1}, "cost='memory'"),
        ({"cost": "macs"}, "target=None"),
        ({"target": 5}, "cost=None"),
        ({"cost": "macs", "target": 0}, "target=0"),
        ({"cost": "macs", "target": 1, "exponent": 1}, "exponent=1"),
    ],
)
def test_arguments_out_of_range(arguments, named):
    with pytest.raises(ValueError, match=named):
        Reward(**arguments)


def test_the_front_holds_what_nothing_beats():
    trials = [
        measured(0.5, 10),
        measured(0.7, 30),
        measured(0.6, 30),  # The same cost, worse.
        measured(0.65, 40),  # Dearer and worse.
        measured(0.9, 50),
    ]
    records = [
        {"trial": i, "score": 0.0, "metrics": metrics}
        for i, metrics in enumerate(trials)
    ]
    records.append({"trial": 5, "score": None, "metrics": {}})
    front = pareto_front(records, "parameters")
    assert [record["trial"] for record in front] == [0, 1, 4]


def test_the_likelihood_as_quality():
    found = {"val_accuracy": 0.5, "val_likelihood": 0.25, "macs": 20}
    assert Reward(quality="val_likelihood")(found) == 0.25
    reward = Reward("macs", 10, -0.5, quality="val_likelihood")
    assert reward(found) == pytest.approx(0.25 * 2**-0.5)
    assert Reward(quality="val_likelihood").describe() == "val_likelihood"
    assert reward.describe()["quality"] == "val_likelihood"
    # As earlier versions described it: their searches go on.
    assert "quality" not in Reward("macs", 10).describe()
    with pytest.raises(ValueError, match="`quality` must be one of"):
        Reward(quality="val_loss")
