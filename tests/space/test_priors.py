"""Guesses of a parameter's best value: how they are written, kept and weighed."""

import json
import math

import numpy as np
import pytest

from cotune.space import Categorical, Float, Int, Prior, Space, at_least

WITHOUT = Space(
    lr=Float(1e-5, 1e-1, log=True),
    n=Int(1, 9),
    rare=Float(0.0, 1.0, when={"n": at_least(5)}),
    kind=Categorical(["a", "b", None]),
    size=Categorical([16, 32, 64], ordered=True),
)
WITH = Space(
    lr=Float(1e-5, 1e-1, log=True, prior=0.001),
    n=Int(1, 9, prior=Prior(3, spread=0.3)),
    rare=Float(0.0, 1.0, when={"n": at_least(5)}, prior=0.25),
    kind=Categorical(["a", "b", None], prior=None),
    size=Categorical([16, 32, 64], ordered=True, prior=32),
)


def log_prior(space: Space, **values: object) -> float:
    return float(space.positions.log_prior(space.encode(space.check(values))[0][None])[0])


def test_a_guess_alone_has_the_default_spread() -> None:
    assert Space(x=Float(0, 1, prior=0.5)) == Space(x=Float(0, 1, prior=Prior(0.5, spread=0.15)))
    assert Space(x=Float(0, 1, prior=0)).parameters["x"].prior == Prior(0.0)
    assert Space(x=Float(0, 1, prior=np.float32(0.5))).parameters["x"].prior.guess == 0.5


def test_a_prior_is_written_as_it_was_given() -> None:
    assert repr(WITH.parameters["lr"]) == "Float(1e-05, 0.1, log=True, prior=Prior(0.001))"
    assert repr(WITH.parameters["kind"]) == "Categorical(['a', 'b', None], prior=Prior(None))"
    assert eval(repr(WITH.parameters["n"])) == Int(1, 9, prior=Prior(3, spread=0.3))


def test_nothing_is_stored_where_none_was_given() -> None:
    assert "prior" not in json.dumps(WITHOUT.to_json())


def test_the_stored_form_returns_the_same_priors() -> None:
    stored = json.loads(json.dumps(WITH.to_json(), allow_nan=False))
    assert stored["parameters"][0]["prior"] == {"guess": 0.001, "spread": 0.15}
    returned = Space.from_json(stored)
    assert returned == WITH and repr(returned) == repr(WITH)
    assert log_prior(returned, lr=0.01, n=2, kind="a", size=64) == log_prior(WITH, lr=0.01, n=2, kind="a", size=64)


def test_a_difference_of_priors_is_told() -> None:
    lines = WITHOUT.difference(WITH).splitlines()
    assert lines[0] == "lr: prior None -> {'guess': 0.001, 'spread': 0.15}" and len(lines) == 5
    assert WITHOUT != WITH


def test_priors_change_nothing_of_what_the_space_does() -> None:
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(50):
        config = WITHOUT.sample(first)
        assert config == WITH.sample(second)
        assert np.array_equal(WITHOUT.encode(config)[0], WITH.encode(config)[0], equal_nan=True)
        assert WITHOUT.decode(WITH.encode(config)[0]) == WITH.decode(WITH.encode(config)[0])
    assert WITHOUT.grid(200) == WITH.grid(200)
    assert WITHOUT.starts == WITH.starts == () and WITHOUT.default() == WITH.default()


def test_without_priors_every_configuration_is_alike() -> None:
    positions = WITHOUT.positions
    assert not positions.has_priors and WITH.positions.has_priors
    units = positions.snapped(np.random.default_rng(0).random((9, 5)))
    assert positions.log_prior(units).tolist() == [0.0] * 9


def test_a_number_has_a_normal_around_its_guess_in_the_unit_cube() -> None:
    space = Space(lr=Float(1e-5, 1e-1, log=True, prior=Prior(1e-3, spread=0.25)))
    at_guess = log_prior(space, lr=1e-3)
    for lr in (1e-2, 1e-4):  # a quarter of the range away: one standard deviation
        assert log_prior(space, lr=lr) - at_guess == pytest.approx(-0.5)
    assert log_prior(space, lr=1e-5) - at_guess == pytest.approx(-2.0)


def test_a_guessed_choice_has_what_the_spread_leaves_and_the_others_share_alike() -> None:
    space = Space(kind=Categorical(["a", "b", None], prior=Prior("b", spread=0.3)))
    weights = [math.exp(log_prior(space, kind=kind)) / 3 for kind in ("a", "b", None)]
    assert weights == pytest.approx([0.1, 0.8, 0.1])


def test_a_guess_that_is_not_sure_at_all_weighs_choices_alike() -> None:
    space = Space(kind=Categorical(["a", "b"], prior=Prior("b", spread=1)))
    assert log_prior(space, kind="a") == log_prior(space, kind="b") == 0.0


def test_ordered_choices_and_ints_fall_off_with_their_distance() -> None:
    sizes = [log_prior(WITH, lr=0.001, n=3, kind=None, size=size) for size in (16, 32, 64)]
    assert sizes[1] > sizes[0] == pytest.approx(sizes[2])
    numbers = [log_prior(WITH, lr=0.001, n=n, kind=None, size=32) for n in (1, 2, 3, 4)]
    assert numbers[0] < numbers[1] < numbers[2] > numbers[3]


@pytest.mark.parametrize(
    "parameter",
    [
        Float(0, 1, prior=Prior(0.0, spread=0.05)),
        Float(1e-3, 1.0, log=True, prior=Prior(0.9, spread=0.01)),
        Float(2.0, 2.0, prior=Prior(2, spread=0.01)),
        Float(0, 1, step=0.25, prior=Prior(0.25, spread=0.01)),
        Int(1, 3, prior=2),
        Int(1, 5, log=True, prior=Prior(1, spread=0.02)),
        Int(-(2**63), 2**63 - 1, prior=0),
        Categorical(list(range(7)), prior=3),
        Categorical(["only"], prior="only"),
    ],
)
def test_the_mean_density_over_the_range_is_one(parameter: object) -> None:
    """So that a branch of the space with more priors is not favoured."""
    positions = Space(x=parameter).positions
    units = positions.snapped(((np.arange(20_000) + 0.5) / 20_000)[:, None])
    assert np.exp(positions.log_prior(units)).mean() == pytest.approx(1.0, abs=0.01)


def test_an_inactive_parameter_adds_nothing() -> None:
    units = np.array([[0.5, 0.0, np.nan, 0.5, 0.5], [0.5, 0.0, 0.25, 0.5, 0.5], [0.5, 1.0, 0.25, 0.5, 0.5]])
    units = WITH.positions.snapped(units)
    without, anything, active = WITH.positions.log_prior(units)
    assert without == anything != active
