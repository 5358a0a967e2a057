"""What a study's results say about its hyperparameters."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from pytest import approx

import cotune as ct
from builders import created
from cotune.config import Config
from cotune.errors import StudyError
from cotune.explain import Insight, Step
from cotune.explain.ablation import improving
from cotune.explain.insights import insight
from cotune.records import Failed, Finished, History, Reached, Reported, Started, Stopped
from cotune.space import Categorical, Float, Int, Space

Objective = Callable[[Config], float]
CUBE = Space({name: Float(0.0, 1.0) for name in ("a", "b", "c")})
BRANCHED = Space(
    optimizer=["sgd", "adam", "rmsprop"], rate=Float(1e-4, 1e-1, log=True),
    momentum=Float(0.0, 0.9, when={"optimizer": "sgd"}),
)  # fmt: skip


def studied(space: Space, objective: Objective, n: int = 60, *, maximise: bool = False, seed: int = 0) -> History:
    """n configurations drawn at random with their results; NaN is a failure."""
    random = np.random.default_rng(seed)
    history = History(space)
    history.extend([created(space, seed=seed, value=maximise)])
    for number in range(n):
        config = space.sample(random)
        value = objective(config)
        end = Failed(number, 1, "error", "broken") if math.isnan(value) else Finished(number, 1, 1, {"value": value})
        history.extend([Started(number, dict(config), "w", None, {}, 0), end])
    return history


def about(space: Space, objective: Objective, n: int = 60, *, maximise: bool = False) -> Insight:
    return insight(studied(space, objective, n, maximise=maximise))


def branched(config: Config) -> float:
    """Best at a rate of 1e-2 with adam; momentum helps sgd."""
    away = (math.log10(config.rate) + 2) ** 2
    return away + {"adam": 0.0, "sgd": 1.5 - config.get("momentum", 0.0), "rmsprop": 1.5}[config.optimizer]


def test_shares_of_a_sum_are_those_of_its_terms() -> None:
    found = about(CUBE, lambda c: 3 * c.a + c.b).importance
    for name, share in (("a", 0.9), ("b", 0.1), ("c", 0.0)):
        assert found[name].first.value == approx(share, abs=0.02)
        assert found[name].total.value == approx(share, abs=0.02)
        assert found[name].total.low <= found[name].total.value <= found[name].total.high
    assert list(found) == ["a", "b", "c"], "the largest first"


def test_a_product_of_centred_terms_is_an_interaction() -> None:
    found = about(CUBE, lambda c: (c.a - 0.5) * (c.c - 0.5), 100)
    pair = found.interactions[0]
    assert {pair.first, pair.second} == {"a", "c"} and pair.share.value > 0.9
    assert found.importance["a"].first.value < 0.05 < 0.9 < found.importance["a"].total.value


def test_noise_is_not_explained_and_widens_the_intervals() -> None:
    random = np.random.default_rng(5)
    noisy = about(CUBE, lambda c: c.a + 0.5 * float(random.standard_normal()), 80)
    clear = about(CUBE, lambda c: c.a, 80)
    width = lambda one: one.importance["a"].total.high - one.importance["a"].total.low  # noqa: E731
    assert width(noisy) > width(clear) and noisy.explained < 0.6 < 0.99 < clear.explained


def test_pure_noise_is_said_to_explain_nothing() -> None:
    random = np.random.default_rng(1)
    found = about(CUBE, lambda c: float(random.standard_normal()))
    assert found.explained < 0.2 and any("first guess" in note for note in found.notes) and found.rule == ""


def test_one_parameter_has_it_all() -> None:
    found = about(Space(x=Float(0.0, 1.0)), lambda c: math.sin(4 * c.x))
    assert found.importance["x"].first.value == approx(1.0, abs=0.02)
    assert found.importance["x"].top == approx(1.0) and found.interactions == ()


def test_choices_alone_are_explained() -> None:
    space = Space(kind=["p", "q", "r"], size=Categorical([1, 2, 4], ordered=True), flag=[False, True])
    found = about(space, lambda c: {"p": 0.0, "q": 1.0, "r": 2.0}[c.kind] + 0.2 * c.size)
    assert list(found.importance) == ["kind", "size", "flag"]
    assert found.importance["flag"].total.value < 0.01
    assert found.dependence["kind"].values == ("p", "q", "r") and not found.dependence["kind"].is_number
    assert found.dependence["kind"].mean == approx((0.467, 1.467, 2.467), abs=0.05)
    assert "kind p" in found.rule


def test_a_conditional_parameter_counts_for_where_it_is_active() -> None:
    found = about(BRANCHED, lambda c: c.get("momentum", 0.0), 90)
    assert found.importance["momentum"].total.value > 0.3
    assert found.importance["rate"].total.value < 0.02
    assert "momentum is active in 33% of the space" in found.notes
    assert found.dependence["momentum"].mean == approx(found.dependence["momentum"].values, abs=0.06)
    assert sum(found.dependence["momentum"].counts) < 60


def test_a_parents_dependence_has_that_of_the_children_it_switches_on() -> None:
    found = about(BRANCHED, lambda c: 10 * c.get("momentum", 0.0), 90).dependence["optimizer"]
    assert found.mean == approx((4.5, 0.0, 0.0), abs=0.3)


def test_a_child_that_does_nothing_gets_nothing_of_its_parents_share() -> None:
    found = about(BRANCHED, lambda c: float(c.optimizer == "sgd"), 90)
    assert found.importance["optimizer"].first.value > 0.97
    assert found.importance["momentum"].total.value < 0.02 and found.importance["momentum"].top < 0.05


def test_dependence_is_in_the_objectives_own_sign_and_units() -> None:
    for maximise in (False, True):
        curve = about(CUBE, lambda c: 100 + 50 * c.a, maximise=maximise).dependence["a"]
        assert curve.mean == approx([100 + 50 * value for value in curve.values], abs=1.0)
        assert all(low <= mean <= high for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True))
        assert sum(curve.counts) == 60 and len(curve.values) == 30


def test_the_path_leads_from_the_defaults_to_the_best_most_useful_change_first() -> None:
    found = about(CUBE, lambda c: 3 * abs(c.a - 0.9) + abs(c.b - 0.1) + 0 * c.c)
    assert dict(found.start) == {"a": 0.5, "b": 0.5, "c": 0.5}
    assert found.start_value == approx(1.6, abs=0.1)
    assert [step.name for step in found.path[:2]] == ["a", "b"] and {s.name for s in found.path} == {"a", "b", "c"}
    assert found.path[0].before == 0.5 and found.path[1].value < found.path[0].value < found.start_value


def test_the_path_switches_branches() -> None:
    found = about(BRANCHED, lambda c: branched(c), 90)
    names = [step.name for step in found.path]
    assert "optimizer" in names and "momentum" not in names[names.index("optimizer") :]
    away = about(BRANCHED, lambda c: -branched(c) - 2 * c.get("momentum", 0.0), 90)
    assert len(away.path) == len({step.name for step in away.path})


def test_the_rule_names_the_region_of_the_best() -> None:
    rule = about(BRANCHED, branched, 90).rule
    assert rule.startswith("value is lowest with ") and "optimizer adam" in rule and "rate between 0.00" in rule
    assert about(BRANCHED, lambda c: -branched(c), 90, maximise=True).rule.startswith("value is highest with ")


def test_a_bound_that_the_best_press_against_is_told() -> None:
    space = Space(hidden=Int(8, 512, log=True), rate=Float(1e-4, 1e-1, log=True), dropout=Float(0.0, 0.6))
    found = about(space, lambda c: -math.log(c.hidden), 200)
    assert found.hints == ("the best trials sit on the upper bound of hidden (512): widen it",)
    natural = about(space, lambda c: c.dropout, 200)
    assert natural.hints == (
        "the best trials sit on the lower bound of dropout (0): widen it if less makes sense",
    )  # fmt: skip
    assert about(space, lambda c: abs(math.log10(c.rate) + 2.5), 200).hints == ()


def test_without_enough_results_it_is_said_why() -> None:
    assert about(CUBE, lambda c: c.a, 0).notes == ("0 results so far: importance needs at least 10",)
    assert about(CUBE, lambda c: c.a, 1).notes == ("1 result so far: importance needs at least 10",)
    failed = about(CUBE, lambda c: math.nan, 4)
    assert failed.n_results == 0 and failed.notes[1] == "4 failed trials are left out"
    assert failed.importance == {} and failed.path == () and failed.explained is None


def test_results_that_are_all_alike_say_so() -> None:
    assert about(CUBE, lambda c: 0.25, 30).notes == ("all 30 results are 0.25: no hyperparameter made a difference",)


@pytest.mark.parametrize("unit", [1e300, 1e-300])
def test_units_do_not_matter(unit: float) -> None:
    found, plain = (about(CUBE, lambda c, u=u: u * (c.a + c.b * c.c)) for u in (unit, 1.0))
    for name in "abc":
        assert found.importance[name].total.value == approx(plain.importance[name].total.value, abs=0.01)


def test_failures_and_outliers_are_left_out_and_pulled_in() -> None:
    def broken(config: Config) -> float:
        return math.nan if config.c > 0.9 else 1e9 if config.c > 0.87 else config.a

    found = about(CUBE, broken, 80)
    assert list(found.importance)[0] == "a" or found.explained < 0.9
    assert any("failed trials are left out" in note for note in found.notes)
    assert any("far off all others" in note for note in found.notes)


def test_with_two_objectives_it_is_about_the_one_that_is_named() -> None:
    history = History(CUBE)
    history.extend([created(CUBE, accuracy=True, seconds=False)])
    random = np.random.default_rng(0)
    for number in range(40):
        config = CUBE.sample(random)
        history.extend([
            Started(number, dict(config), "w", None, {}, 0),
            Finished(number, 1, 1, {"accuracy": config.a, "seconds": config.b}),
        ])  # fmt: skip
    assert [next(iter(insight(history, name).importance)) for name in (None, "accuracy", "seconds")] == ["a", "a", "b"]
    assert insight(history).maximise and not insight(history, "seconds").maximise
    assert "this is about seconds; there is also accuracy" in insight(history, "seconds").notes
    with pytest.raises(StudyError, match="no objective 'loss'. Use one of 'accuracy', 'seconds'"):
        insight(history, "loss")


def test_the_same_history_says_the_same_to_the_last_bit() -> None:
    assert about(BRANCHED, branched, 40) == about(BRANCHED, branched, 40)


def test_it_neither_reads_nor_changes_global_generators() -> None:
    import torch

    history = studied(CUBE, lambda c: c.a, 20)
    torch.manual_seed(1)
    before = torch.random.get_rng_state(), torch.get_num_threads()
    first = insight(history)
    assert torch.equal(torch.random.get_rng_state(), before[0]) and torch.get_num_threads() == before[1]
    torch.manual_seed(2)
    assert insight(history) == first


def test_ten_thousand_trials_cost_little_more_than_five_hundred() -> None:
    history = studied(CUBE, lambda c: c.a + c.b * c.c, 10_000)
    _ = history.x
    begun = time.process_time()
    found = insight(history)
    assert time.process_time() - begun < 1.5
    assert "the model was given 200 of the 10,000 results, evenly spread over the study" in found.notes


def racing(until: int, *losses: tuple[float, float]) -> History:
    """Trials that paused after step 1 with the first loss; those whose second one is a number went on to the end."""
    history = History(CUBE)
    history.extend([created(CUBE, steps=until)])
    random = np.random.default_rng(0)
    for number, (early, late) in enumerate(losses):
        started = Started(number, dict(CUBE.sample(random)), "w", 1, {}, 0)
        history.extend([started, Reported(number, 1, [1], {"value": [early]}), Reached(number, 1, 1)])
        if math.isnan(late):
            history.extend([Stopped(number, {}, 0)])
        else:
            from cotune.records import Resumed

            history.extend([Resumed(number, "w", 2, None, 0), Finished(number, 2, until, {"value": late})])
    return history


def test_ranks_at_a_rung_are_compared_with_the_end_among_those_that_came_there() -> None:
    pairs = [(0.1, 1.0), (0.2, 2.0), (0.3, 4.0), (0.4, 3.0), (0.5, 5.0), (0.9, math.nan)]
    [rung] = insight(racing(9, *pairs)).rungs
    assert (rung.step, rung.until, rung.n, rung.correlation) == (1, 9, 5, approx(0.9))


def test_results_of_trials_left_early_count_and_are_told() -> None:
    found = insight(racing(9, *[(0.1 * i, float(i) if i % 2 else math.nan) for i in range(14)]))
    assert found.n_results == 14
    assert "7 of the results are of trials that were left before their end, as they stood there" in found.notes


def test_an_insight_shows_as_a_short_table() -> None:
    found = about(BRANCHED, branched, 90)
    assert str(found).splitlines()[0] == "what lowers value (90 results)" and "optimizer" in str(found)
    assert "<table>" in found._repr_html_() and "optimizer" in found._repr_html_()
    assert len({len(line) for line in str(found).splitlines()[2:5]}) == 1, "aligned"
    evil = dataclasses.replace(found, rule="<script>\x1b[31m")
    assert "<script>" not in evil._repr_html_() and "\x1b" not in str(evil)
    little = about(CUBE, lambda c: c.a, 2)
    assert "needs at least 10" in str(little) and "needs at least 10" in little._repr_html_()


def test_a_study_explains_itself_while_it_runs_and_when_it_is_opened(tmp_path) -> None:
    with ct.Study(None, CUBE, minimize="value", path=tmp_path / "s", strategy="random") as study:
        for _ in range(12):
            trial = study.ask()
            study.tell(trial, trial.config.a)
        running = study.explain()
        study.ask()
        assert study.explain() == running
    with ct.Study.open(tmp_path / "s") as opened:
        assert opened.explain("value") == running
        with pytest.raises(StudyError):
            opened.explain("loss")


def test_importing_what_explains_loads_no_torch() -> None:
    code = "import sys, cotune.explain, cotune.explain.insights; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("values", "maximise", "n"),
    [([0.2, 0.1, 0.15], False, 2), ([0.2, 0.1, 0.15], True, 0), ([0.4, 0.5, 0.45], True, 2), ([], True, 0)],
)
def test_a_path_goes_as_far_as_it_gets_better(values: list[float], *, maximise: bool, n: int) -> None:
    steps = [Step("x", 0, 1, value) for value in values]
    assert len(improving(steps, 0.3, maximise=maximise)) == n
