"""What only a model-based strategy promises: it learns, it explains itself, and nothing odd makes it fall over."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import cotune as ct
from builders import history_of
from cotune.errors import StudyError
from cotune.numerics.hypervolume import Front
from cotune.numerics.pareto import staircase
from cotune.records import Failed, Finished, History, Started, Suggestion
from cotune.seeds import Purpose, generator
from cotune.space import Categorical, Float, Int, Prior, Space
from cotune.strategies import Random
from cotune.strategies.bayesian import BayesianOptimization
from cotune.strategies.bayesian.evidence import gathered
from cotune.strategies.bayesian.features import Features
from cotune.strategies.bayesian.fronts import heard
from cotune.strategies.bayesian.results import Results

Objective = Callable[[Mapping[str, Any]], float]


def draw(number: int) -> np.random.Generator:
    return generator(0, Purpose.CHOOSE, number)


def add(history: History, suggestion: Suggestion) -> int:
    """The suggestion as a trial that runs."""
    number = len(history)
    history.extend([Started(number, dict(suggestion.config), "w", None, dict(suggestion.decision), history.position)])
    return number


def end(history: History, number: int, value: float) -> None:
    """Its outcome: a failure if the value is not finite."""
    outcome = Finished(number, 1, 1, {"value": value}) if math.isfinite(value) else Failed(number, 1, "diverged", "nan")
    history.extend([outcome])


def searched(space: Space, objective: Objective, n: int, strategy: Any = None) -> History:
    """A history of n trials one by one, or fewer where the strategy has nothing more to propose."""
    strategy, history = strategy or BayesianOptimization(), history_of(space, [])
    for _ in range(n):
        suggestions = strategy.suggest(history, 1, draw)
        if not suggestions:
            break
        end(history, add(history, suggestions[0]), objective(suggestions[0].config))
    return history


def lowest(history: History) -> float:
    return float(np.nanmin(history.y))


MIXED = Space(
    x=Float(0.0, 1.0), rate=Float(1e-5, 1.0, log=True), kind=["a", "b", "c"], n=Int(1, 9),
    m=Float(0.0, 1.0, when={"kind": "b"}),
)  # fmt: skip


def bowl(c: Mapping[str, Any]) -> float:
    value = (c["x"] - 0.3) ** 2 + 0.05 * (math.log10(c["rate"]) + 2) ** 2 + 0.02 * (c["n"] - 4) ** 2
    return value + {"a": 0.3, "b": 0.0, "c": 0.5}[c["kind"]] + (c["m"] - 0.7) ** 2 if "m" in c else value + 0.4


def test_it_finds_the_bottom_of_a_mixed_and_conditional_bowl_that_random_search_does_not() -> None:
    assert lowest(searched(MIXED, bowl, 45)) < 0.003 < 0.02 < lowest(searched(MIXED, bowl, 45, Random()))


@pytest.mark.parametrize(("d", "is_inner"), [(9, False), (10, True)])
def test_a_space_of_many_numbers_is_begun_nearer_to_its_middle(d: int, is_inner: bool) -> None:
    history = searched(Space({f"x{i}": Float(0.0, 1.0) for i in range(d)}), lambda c: 1.0, 9)
    assert np.all(history.x[0] == 0.5) and len(np.unique(history.x, axis=0)) == 9
    assert bool(np.abs(history.x - 0.5).max() <= 0.2) is is_inner


def test_where_rules_forbid_the_middle_a_wide_space_is_begun_elsewhere() -> None:
    space = Space({f"x{i}": Float(0.0, 1.0) for i in range(10)}, require=lambda c: max(c["x0"], c["x1"]) > 0.8)
    history = searched(space, lambda c: 1.0, 6)
    assert len(history) == 6 and all(space.allows(history.config(number)) for number in range(6))


def test_a_wide_space_whose_middle_fails_is_left_for_the_rest() -> None:
    space = Space({f"x{i}": Float(0.0, 1.0) for i in range(10)})
    history = searched(space, lambda c: c["x1"] if c["x0"] > 0.75 else math.nan, 20)
    assert history.x[:, 0].max() > 0.75 and history.decision(0)["why"] != history.decision(2)["why"]


def test_of_whole_numbers_with_few_values_all_are_tried_at_the_begin_of_a_wide_space() -> None:
    history = searched(Space({f"x{i}": Int(1, 4) for i in range(10)}), lambda c: 1.0, 9)
    assert {value for number in range(9) for value in history.config(number).values()} == {1, 2, 3, 4}


def test_a_maximised_metric_is_climbed() -> None:
    history = history_of(Space(x=Float(0.0, 1.0)), [], accuracy=True)
    strategy = BayesianOptimization()
    for _ in range(14):
        suggestion = strategy.suggest(history, 1, draw)[0]
        number = add(history, suggestion)
        history.extend([Finished(number, 1, 1, {"accuracy": 0.9 - (suggestion.config.x - 0.8) ** 2})])
    assert -lowest(history) == pytest.approx(0.9, abs=1e-4)
    predicted = history.decision(13)["predicted"]
    assert predicted["low"] <= predicted["mean"] <= predicted["high"] < 1.0
    assert predicted["mean"] == pytest.approx(0.9, abs=0.02)


def test_a_wall_of_failures_is_not_run_against_for_ever() -> None:
    """The upper third fails; the best lies just below it."""
    history = searched(
        Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0)),
        lambda c: math.nan if c["x"] > 2 / 3 else 1 - c["x"] + (c["y"] - 0.5) ** 2, 40,
    )  # fmt: skip
    late = np.isnan(history.y[20:, 0])
    assert late.mean() < 0.35 and lowest(history) < 0.36


def test_pending_trials_are_not_proposed_again() -> None:
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0))
    history = searched(space, lambda c: (c["x"] - 0.5) ** 2 + (c["y"] - 0.5) ** 2, 12)
    batch = BayesianOptimization().suggest(history, 8, draw)
    units = np.array([[s.config.x, s.config.y] for s in batch])
    distance = np.abs(units[:, None] - units[None]).max(axis=2) + np.eye(8)
    assert distance.min() > 1e-6
    assert [s.decision["pending"] for s in batch] == list(range(8))


def test_a_small_finite_space_is_proposed_whole_without_repeats_and_then_ends() -> None:
    space = Space(a=Categorical(["p", "q", "r"]), n=Int(1, 5))
    history = searched(space, lambda c: c["n"] + len(c["a"]), 99)
    assert len(history) == 15
    assert len({repr(history.config(i)) for i in range(15)}) == 15


@pytest.mark.parametrize("space", [
    Space(n=Int(1, 40), require=lambda c: c.n in (7, 25, 34)),
    Space(x=Float(0.0, 1.0), n=Int(0, 30), require=lambda c: c.x < 0.9 and c.n % 10 == 3),
], ids=["three legal points", "a narrow rule"])  # fmt: skip
def test_rules_are_obeyed_however_narrow(space: Space) -> None:
    history = searched(space, lambda c: float(c["n"]), 12)
    assert len(history) in (3, 12)
    assert all(space.allows(history.config(i)) for i in range(len(history)))


@pytest.mark.parametrize(("name", "objective"), {
    "all equal": lambda c: 1.0,
    "all failed": lambda c: math.nan,
    "huge": lambda c: 1e300 * (c["x"] - 0.5),
    "tiny": lambda c: 1e-300 * c["x"],
    "mostly failed": lambda c: c["x"] if c["x"] < 0.2 else math.nan,
    "two values": lambda c: float(c["x"] > 0.5),
}.items())  # fmt: skip
@pytest.mark.parametrize("more", [{}, {"kind": ["a", "b"]}], ids=["one parameter", "mixed"])
def test_odd_results_end_in_no_exception(name: str, objective: Objective, more: dict) -> None:
    history = searched(Space(x=Float(0.0, 1.0), **more), objective, 18)
    assert len(history) == 18


def test_a_hundred_thousand_choices_are_searched() -> None:
    space = Space(word=Categorical([f"w{i}" for i in range(100_000)]), x=Float(0.0, 1.0))
    history = searched(space, lambda c: c["x"], 12)
    assert len(history) == 12 and lowest(history) < 0.05


def test_a_constant_space_is_proposed_once() -> None:
    assert len(searched(Space(a=["only"]), lambda c: 1.0, 5)) == 1


def test_a_decision_record_holds_what_a_reader_can_check() -> None:
    history = searched(MIXED, bowl, 30)
    records = [history.decision(i) for i in range(30)]
    whys = {record["why"] for record in records}
    assert whys == {"evenly spread, before there is a model", "expected improvement", "lowest predicted mean"}
    for number, record in enumerate(records[8:], start=8):
        assert record["results"] == number and record["pending"] == 0
        assert record["predicted"]["low"] <= record["predicted"]["mean"] <= record["predicted"]["high"]
        assert record["expected_improvement"] >= 0 and record["noise"] > 0 and 0 <= record["explore"] <= 1
        assert (record["explore"] == 0) is (record["why"] == "lowest predicted mean")
        assert history.y[record["best"], 0] == np.nanmin(history.y[:number, 0])
        assert all(other < number and distance >= 0 for other, distance in record["nearest"])


def test_predictions_are_calibrated_on_a_smooth_objective() -> None:
    history = searched(MIXED, bowl, 40)
    errors = []
    for number in range(20, 40):
        predicted = history.decision(number)["predicted"]
        spread = max(predicted["high"] - predicted["low"], 1e-9) / 2
        errors.append(abs(history.y[number, 0] - predicted["mean"]) / spread)
    assert np.median(errors) < 2.0


def test_hyperparameters_come_from_the_log_alone() -> None:
    """A history whose records were lost proposes from scratch; one with them goes on from what they say."""
    history = searched(MIXED, bowl, 30)
    fitted = [history.decision(i)["model"] for i in range(30) if "model" in history.decision(i)]
    assert all("theta" in model or "fitted_by" in model for model in fitted)
    with_records = BayesianOptimization().suggest(history, 1, draw)
    bare = history_of(MIXED, [])
    for i in range(30):
        end(bare, add(bare, Suggestion(history.config(i), {"strategy": "elsewhere"})), history.y[i, 0])
    without = BayesianOptimization().suggest(bare, 1, draw)
    assert with_records != without


def two_bowls(c: Mapping[str, Any]) -> dict[str, float]:
    off = 0.3 if c["kind"] == "a" else 0.0
    return {"a": (c["x"] - 0.2) ** 2 + c["y"] ** 2 + off, "b": (c["x"] - 0.7) ** 2 + c["y"] ** 2 + off}


def searched_for_both(n: int, strategy: Any, *, fails: bool = False, **directions: bool) -> History:
    space = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0), kind=["a", "b"])
    history = history_of(space, [], **(directions or {"a": False, "b": False}))
    for _ in range(n):
        suggestion = strategy.suggest(history, 1, draw)[0]
        number, losses = add(history, suggestion), two_bowls(suggestion.config)
        signed = {name: -loss if history.objectives[name] else loss for name, loss in losses.items()}
        has_failed = fails and suggestion.config["x"] > 0.5
        history.extend([Failed(number, 1, "error", "") if has_failed else Finished(number, 1, 1, signed)])
    return history


def covered(history: History) -> float:
    losses = history.y[~np.isnan(history.y).any(axis=1)]
    return Front.of(losses, np.array([0.5, 0.5])).volume


def test_two_objectives_make_a_front_that_random_search_does_not_find() -> None:
    ours = covered(searched_for_both(30, BayesianOptimization()))
    x = np.linspace(0.2, 0.7, 200)
    most = Front.of(np.stack([(x - 0.2) ** 2, (x - 0.7) ** 2], axis=1), np.array([0.5, 0.5])).volume
    assert most > ours > 0.97 * most > 0.9 * most > covered(searched_for_both(30, Random()))


def test_an_objective_to_maximise_is_pursued_as_its_negative() -> None:
    plain, turned = (
        searched_for_both(14, BayesianOptimization(), a=False, b=maximise) for maximise in (False, True)
    )  # fmt: skip
    assert np.array_equal(plain.x, turned.x, equal_nan=True)
    predicted = turned.decision(13)["also_predicted"]["b"]
    assert predicted["low"] <= predicted["mean"] <= predicted["high"] < 0.1
    assert predicted["mean"] == -plain.decision(13)["also_predicted"]["b"]["mean"]


def test_with_two_objectives_failures_are_a_bad_region() -> None:
    history = searched_for_both(30, BayesianOptimization(), fails=True)
    assert sum(history.config(number)["x"] > 0.5 for number in range(15, 30)) <= 4


def test_suggestions_for_two_objectives_follow_from_the_history_alone() -> None:
    strategy = BayesianOptimization()
    history = searched_for_both(16, strategy)
    many = strategy.suggest(history, 3, draw)
    assert BayesianOptimization().suggest(history, 3, draw) == many and strategy.suggest(history, 2, draw) == many[:2]
    assert many[0].decision["why"] == "expected hypervolume improvement" and len({repr(s.config) for s in many}) == 3


def test_models_of_a_long_search_hear_of_the_whole_front() -> None:
    space, random = Space(x=Float(0.0, 1.0), y=Float(0.0, 1.0), kind=["a", "b"]), Random()
    history = history_of(space, [], a=False, b=False)
    for _ in range(300):
        suggestion = random.suggest(history, 1, draw)[0]
        history.extend([Finished(add(history, suggestion), 1, 1, two_bowls(suggestion.config))])
    features = Features(space.positions)
    columns = features.of(history.x)
    results = Results(history)
    results.catch_up()
    evidence = gathered(results, columns, [], features, draw(300))
    rows = heard(evidence)
    assert len(rows) == len(set(rows)) == 128 and set(staircase(evidence.each)) <= set(rows)
    x, is_good = history.x[rows, 0], evidence.units[rows, 2] > 0.5
    assert is_good.mean() > 0.6 and np.histogram(x, 5, (0.2, 0.7))[0].min() >= 10


def test_three_objectives_are_pursued_together() -> None:
    history = history_of(Space(x=Float(0.0, 1.0)), [], a=False, b=False, c=False)
    strategy = BayesianOptimization()
    for _ in range(16):
        suggestion = strategy.suggest(history, 1, draw)[0]
        x, number = suggestion.config.x, add(history, suggestion)
        losses = {"a": (x - 0.2) ** 2, "b": (x - 0.7) ** 2, "c": (x - 0.5) ** 2}
        history.extend([Finished(number, 1, 1, losses)])
    tried = np.array([history.config(i).x for i in range(16)])
    assert ((tried > 0.15) & (tried < 0.75)).mean() > 0.6 and np.ptp(tried[8:]) > 0.2


def test_the_callers_number_of_threads_is_left_as_it_was() -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        searched(Space(x=Float(0.0, 1.0)), lambda c: c["x"], 8)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_guess_is_tried_first_and_a_right_prior_helps_while_a_wrong_one_is_forgotten() -> None:
    def far(c: Mapping[str, Any]) -> float:
        return sum((c[f"x{i}"] - 0.83) ** 2 for i in range(6)) + 0.5 * (c["kind"] != "c")

    def space(guess: float | None, kind: str | None) -> Space:
        numbers = {f"x{i}": Float(0.0, 1.0, prior=guess) for i in range(6)}
        return Space({**numbers, "kind": Categorical(["a", "b", "c"], **({"prior": kind} if kind else {}))})

    right, none, wrong = (searched(space(*given), far, 25) for given in ((0.8, "c"), (None, None), (0.2, "a")))
    assert set(right.config(0).values()) == {0.8, "c"}
    assert np.nanmin(right.y[:10]) < 0.02 < np.nanmin(none.y[:10])
    assert lowest(wrong) < 0.1


def test_with_priors_it_also_says_what_it_expects_where_they_do_not_pull() -> None:
    prior = Prior(0.1, spread=0.02)
    space = Space(x=Float(0.0, 1.0, prior=prior), kind=Categorical(["a", "b"]), y=Float(0.0, 1.0, when={"kind": "b"}))
    history = searched(space, lambda c: (c["x"] - 0.8) ** 2 + c.get("y", 0.5), 20)
    records = [record for i in range(20) if (record := history.decision(i))["why"] == "expected improvement"]
    assert records and all(record["largest_improvement"] >= record["expected_improvement"] for record in records)
    assert records[0]["largest_improvement"] > 10 * records[0]["expected_improvement"]
    without = searched(MIXED, bowl, 12)
    assert not any("largest_improvement" in without.decision(i) for i in range(12))


@pytest.mark.parametrize("start", [-1, 1.5, True, "x"])
def test_a_start_that_is_no_count_is_refused(start: object) -> None:
    with pytest.raises(StudyError, match=r"start=.* takes a whole number"):
        BayesianOptimization(start=start)


def test_a_lucky_result_that_is_known_to_be_uncertain_does_not_count_as_the_best() -> None:
    """The same values twice: once with the luckiest of them ten times as uncertain as the others."""

    def spoken(error_of_lucky: float) -> float:
        study = ct.Study(None, {"x": (0.0, 1.0)}, minimize="loss", strategy="bayesian", seed=1)
        random = np.random.default_rng(4)
        for number, x in enumerate(np.linspace(0.05, 0.95, 13)):
            loss = (x - 0.25) ** 2 + 0.01 * random.standard_normal()
            is_lucky = number == 11
            study.enqueue({"x": float(x)})
            error = error_of_lucky if is_lucky else 0.01
            study.tell(study.ask(), loss=-0.1 if is_lucky else loss, loss_se=error)
        return study.ask().config.x

    assert abs(spoken(0.01) - 0.875) < 0.1
    assert abs(spoken(10.0) - 0.25) < 0.15
