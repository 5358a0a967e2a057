from __future__ import annotations

import numpy as np
from pytest import approx

from builders import done, history_of, plane, started
from cotune.explain import Choices, Period, calibration, choices
from cotune.records import History, Started


def predicted(*pairs: tuple[float, float, float]) -> History:
    """Trials of (mean, standard deviation, result)."""
    events = []
    for number, (mean, deviation, value) in enumerate(pairs):
        record = {"strategy": "m", "predicted": {"mean": mean, "low": mean - deviation, "high": mean + deviation}}
        events += [Started(number, {"x": 0.0, "n": 1}, "w", None, record, 0), done(number, value)]
    return history_of(plane(), events)


def exploring(*shares: float | None) -> History:
    events = []
    for number, share in enumerate(shares):
        record = {"strategy": "sobol"} if share is None else {"strategy": "bayesian", "explore": share}
        events += [Started(number, {"x": 0.0, "n": 1}, "w", None, record, 0), done(number, 0.0)]
    return history_of(plane(), events)


def test_without_a_prediction_there_is_no_calibration() -> None:
    assert calibration(history_of(plane(), [])) is None
    assert calibration(history_of(plane(), [started(0, {"x": 0.0, "n": 1}), done(0, 1.0)])) is None


def test_shares_error_and_bias_are_those_of_the_definitions() -> None:
    found = calibration(predicted((0.0, 1.0, 0.5), (0.0, 1.0, -1.5), (0.0, 1.0, 3.0), (1.0, 1.0, 1.0)))
    assert found is not None
    assert (found.n, found.within_one, found.within_two) == (4, 0.5, 0.75)
    assert (found.mean_error, found.bias) == (1.25, 0.5)


def test_right_predictions_of_normal_results_are_within_one_in_68_and_two_in_95_percent() -> None:
    rng = np.random.default_rng(1)
    found = calibration(predicted(*[(mean, 0.3, mean + 0.3 * error) for mean, error in rng.normal(size=(2000, 2))]))
    assert found is not None
    assert found.within_one == approx(0.683, abs=0.03) and found.within_two == approx(0.954, abs=0.02)
    assert found.mean_error == approx(0.3 * np.sqrt(2 / np.pi), abs=0.01) and found.bias == approx(0.0, abs=0.02)


def test_predictions_without_width_have_an_error_and_no_share() -> None:
    found = calibration(predicted((0.0, 0.0, 2.0)))
    assert found is not None
    assert (found.n, found.n_judged, found.within_one, found.mean_error) == (1, 0, None, 2.0)


def test_running_trials_do_not_count() -> None:
    history = predicted((0.0, 1.0, 0.5))
    record = {"predicted": {"mean": 0.0, "low": -1.0, "high": 1.0}}
    history.extend([Started(1, {"x": 0.0, "n": 1}, "w", None, record, 0)])
    assert calibration(history) == calibration(predicted((0.0, 1.0, 0.5)))


def test_exploring_is_told_in_four_periods() -> None:
    found = choices(exploring(None, None, 1.0, 0.8, 0.6, 0.6, 0.3, 0.1, 0.0, 0.0))
    assert found.strategies == {"bayesian": 8, "sobol": 2}
    assert found.periods == (
        Period(2, 3, 2, approx(0.9)), Period(4, 5, 2, approx(0.6)), Period(6, 7, 2, approx(0.2)), Period(8, 9, 2, 0.0)
    )  # fmt: skip


def test_few_trials_make_few_periods_and_none_makes_none() -> None:
    assert choices(exploring(0.5, None)).periods == (Period(0, 0, 1, 0.5),)
    assert choices(history_of(plane(), [])) == Choices({}, ())


def test_results_near_the_largest_float_have_an_error_too() -> None:
    found = calibration(predicted((0.0, 1.0, 1.7e308), (0.0, 1.0, -1.7e308), (0.0, 1.0, 1.7e308)))
    assert found is not None
    assert found.mean_error == approx(1.7e308) and found.bias == approx(1.7e308 / 3)
