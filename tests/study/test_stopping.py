from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

import cotune as ct
from builders import done, history_of, plane, started
from cotune.errors import StudyError
from cotune.records import Draw, Enqueued, Failed, Finished, History, Reclaimed, Resumed, Started, State, Suggestion
from cotune.schedulers import Plain
from cotune.strategies import Random
from cotune.study.budget import Budget
from cotune.study.panel import Panel
from cotune.study.planner import Planner
from cotune.study.stopping import Stopping, why_ended

SPACE = {"x": (-2.0, 2.0)}
WITHOUT_MODEL = '30 trials without a better one (stop="auto", where no model says what to expect)'


def told(*values: float | None, **objectives: bool) -> History:
    """One trial after the other; None: it failed."""
    events = []
    for number, value in enumerate(values):
        outcome = Failed(number, 1, "error", "broken") if value is None else done(number, value)
        events += [started(number, {"x": 0.0, "n": 1}), outcome]
    return history_of(plane(), events, **objectives)


@dataclass(frozen=True)
class Modelled:
    """Random configs, with the records of a model that expects these gains, the last one for ever."""

    gains: tuple[float, ...]
    noise: float = 0.01

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        first = len(history)
        return [self._suggestion(history, first + i, draw) for i in range(n)]

    def _suggestion(self, history: History, number: int, draw: Draw) -> Suggestion:
        record = {
            "strategy": "modelled", "why": "expected improvement", "results": len(history.outcomes),
            "expected_improvement": self.gains[min(number, len(self.gains) - 1)], "noise": self.noise,
        }  # fmt: skip
        return Suggestion(history.space.sample(draw(number)), record)


def modelled(
    *gains: float, noise: float | None = 0.01, results: list[int] | None = None, n_before: int = 20,
    largest: float | None = None,
) -> History:  # fmt: skip
    """Results without a model, then trials that a model proposed for these gains."""
    events = [
        event for k in range(n_before) for event in (started(k, {"x": 0.0, "n": 1}), done(k, float(n_before - k)))
    ]
    for i, gain in enumerate(gains):
        record = {"strategy": "modelled", "why": "expected improvement", "expected_improvement": gain}
        record |= {} if noise is None else {"noise": noise}
        record |= {} if results is None else {"results": results[i]}
        record |= {} if largest is None else {"largest_improvement": largest}
        number = n_before + i
        events += [Started(number, {"x": 0.0, "n": 1}, "w", None, record, 0), done(number, 0.0)]
    return history_of(plane(), events)


AUTO = Stopping(is_auto=True)


def test_a_target_ends_with_the_first_trial_that_is_as_good() -> None:
    words = why_ended(told(3.0, 1.0, 0.5), Stopping({"value": 1.0}))
    assert words == "trial 1 reached the target: value 1 (target 1)"
    assert why_ended(told(3.0, 1.5, None), Stopping({"value": 1.0})) is None


def test_the_target_of_a_maximised_metric_is_reached_from_below() -> None:
    assert why_ended(told(0.5, 0.7, value=True), Stopping({"value": 0.9})) is None
    assert why_ended(told(0.5, 0.95, value=True), Stopping({"value": 0.9})) == (
        "trial 1 reached the target: value 0.95 (target 0.9)"
    )


def test_the_first_in_time_is_named_and_not_the_first_by_number() -> None:
    begun = [started(number, {"x": 0.0, "n": 1}) for number in range(2)]
    history = history_of(plane(), [*begun, done(1, 0.0), done(0, 0.0)])
    assert why_ended(history, Stopping({"value": 1.0})) == "trial 1 reached the target: value 0 (target 1)"


def test_targets_of_two_objectives_must_be_reached_by_one_trial() -> None:
    def history(*pairs: tuple[float, float]) -> History:
        events = []
        for number, (accuracy, seconds) in enumerate(pairs):
            outcome = Finished(number, 1, 1, {"accuracy": accuracy, "seconds": seconds})
            events += [started(number, {"x": 0.0, "n": 1}), outcome]
        return history_of(plane(), events, accuracy=True, seconds=False)

    both = Stopping({"accuracy": 0.9, "seconds": 5.0})
    assert why_ended(history((0.95, 9.0), (0.5, 1.0)), both) is None
    assert why_ended(history((0.95, 9.0), (0.92, 4.0)), both) == (
        "trial 1 reached the target: accuracy 0.92 (target 0.9), seconds 4 (target 5)"
    )
    assert why_ended(history((0.5, 4.0)), Stopping({"seconds": 5.0})) is not None


def test_patience_ends_after_so_many_outcomes_without_a_new_best() -> None:
    assert why_ended(told(1.0, 2.0, 3.0), Stopping(patience=3)) is None
    assert why_ended(told(1.0, 2.0, 3.0, 4.0), Stopping(patience=3)) == "3 trials without a better one"
    assert why_ended(told(1.0, 2.0, 0.5, 4.0, 5.0), Stopping(patience=3)) is None


def test_an_equal_result_is_no_better_one_and_a_failure_counts() -> None:
    assert why_ended(told(1.0, 1.0, None), Stopping(patience=2)) == "2 trials without a better one"
    assert why_ended(told(None, None), Stopping(patience=2)) == "2 trials without a better one"


def test_patience_counts_in_the_order_in_which_outcomes_came() -> None:
    begun = [started(number, {"x": 0.0, "n": 1}) for number in range(4)]
    late_best = history_of(plane(), [*begun, done(1, 5.0), done(2, 5.0), done(3, 5.0), done(0, 1.0)])
    assert why_ended(late_best, Stopping(patience=2)) is None
    early_best = history_of(plane(), [*begun, done(3, 1.0), done(0, 5.0), done(1, 5.0)])
    assert why_ended(early_best, Stopping(patience=2)) == "2 trials without a better one"


def test_a_result_of_fewer_steps_than_others_is_no_new_best() -> None:
    begun = [started(0, {"x": 0.0, "n": 1}, until=9), started(1, {"x": 0.0, "n": 1}, until=3)]
    history = history_of(plane(), [*begun, done(0, 5.0, step=9), done(1, 1.0, step=3)], steps=9)
    assert why_ended(history, Stopping(patience=1)) == "1 trial without a better one"
    assert why_ended(history, Stopping({"value": 2.0})) is None


def test_what_is_new_on_the_front_is_better() -> None:
    events = []
    for number, (a, b) in enumerate([(1.0, 9.0), (9.0, 1.0), (5.0, 5.0), (9.0, 9.0)]):
        events += [started(number, {"x": 0.0, "n": 1}), Finished(number, 1, 1, {"a": a, "b": b})]
    front = history_of(plane(), events[:6], a=False, b=False)
    assert why_ended(front, Stopping(patience=1)) is None
    assert why_ended(history_of(plane(), events, a=False, b=False), Stopping(patience=1)) is not None


def test_auto_ends_when_three_in_a_row_expect_at_most_the_noise() -> None:
    assert why_ended(modelled(0.5, 0.009, 0.01), AUTO) is None
    assert why_ended(modelled(0.009, 0.5, 0.009, 0.01), AUTO) is None
    assert why_ended(modelled(0.5, 0.009, 0.01, 0.008), AUTO) == (
        "3 times in a row the expected improvement was at most the noise (0.008 of 0.01)"
    )


def test_a_tolerance_counts_where_it_is_above_the_noise() -> None:
    gains = (0.09, 0.1, 0.08)
    assert why_ended(modelled(*gains), AUTO) is None
    words = "3 times in a row the expected improvement was at most the tolerance (0.08 of 0.1)"
    assert why_ended(modelled(*gains), Stopping(is_auto=True, tolerance=0.1)) == words
    assert why_ended(modelled(*gains, noise=None), Stopping(is_auto=True, tolerance=0.1)) == words


def test_auto_waits_for_twenty_results() -> None:
    assert why_ended(modelled(0.0, 0.0, 0.0, n_before=16), AUTO) is None
    assert why_ended(modelled(0.0, 0.0, 0.0, n_before=17), AUTO) is not None


def test_of_a_batch_only_the_most_promising_counts() -> None:
    batch = [20] * 4
    assert why_ended(modelled(0.5, 0.0, 0.0, 0.0, results=batch), AUTO) is None
    assert why_ended(modelled(0.0, 0.0, 0.0, 0.0, results=batch), AUTO) is None
    assert why_ended(modelled(*[0.0] * 6, results=[20, 20, 22, 22, 24, 24]), AUTO) is not None
    assert why_ended(modelled(*[0.0] * 5, 0.5, results=[20, 20, 22, 22, 24, 24]), AUTO) is None


def test_where_priors_pull_the_largest_improvement_counts() -> None:
    assert why_ended(modelled(0.0, 0.0, 0.0, largest=0.5), AUTO) is None
    assert why_ended(modelled(0.0, 0.0, 0.0, largest=0.005), AUTO) == (
        "3 times in a row the expected improvement was at most the noise (0.005 of 0.01)"
    )


def test_without_a_model_auto_is_a_patience_of_thirty_and_says_so() -> None:
    assert why_ended(told(*[float(30 - k) for k in range(30)], *[9.0] * 29), AUTO) is None
    assert why_ended(told(*[float(30 - k) for k in range(30)], *[9.0] * 30), AUTO) == WITHOUT_MODEL


def test_expected_improvement_of_two_objectives_is_not_compared_with_the_noise_of_one() -> None:
    record = {"strategy": "m", "why": "expected improvement", "expected_improvement": 0.0, "noise": 1.0}
    events = []
    for number in range(25):
        events += [Started(number, {"x": 0.0, "n": 1}, "w", None, record, 0),
                   Finished(number, 1, 1, {"a": float(-number), "b": 0.0})]  # fmt: skip
    assert why_ended(history_of(plane(), events, a=False, b=False), AUTO) is None


def test_nothing_said_ends_nothing() -> None:
    assert why_ended(told(*[1.0] * 100), Stopping()) is None
    assert why_ended(history_of(plane(), []), Stopping({"value": 1.0}, 1, True, 1.0)) is None


def test_what_was_told_survives_as_json() -> None:
    for stopping in (Stopping(), Stopping({"value": 1.0}), Stopping(patience=3), Stopping({}, 3, True, 0.5)):
        assert Stopping.from_json(stopping.to_json()) == stopping
    assert Stopping().to_json() is None


def planner(**options: object) -> Planner:
    return Planner(Random(), Plain(), Budget(trials=100), Stopping(**options))


def test_an_ended_search_brings_to_its_end_what_a_dead_worker_left_and_starts_nothing() -> None:
    begun = [started(number, {"x": 0.0, "n": 1}) for number in range(2)]
    events = [*begun, done(0, 0.0), Reclaimed(1, 1), Enqueued(2, {"x": 1.0, "n": 1})]
    history = history_of(plane(), events)
    assert planner(targets={"value": 1.0}).plan(history, 4, "me") == [Resumed(1, "me", 2, None, history.position)]
    assert len(planner().plan(history, 4, "me")) == 4


def square(trial: object) -> float:
    return (trial.config.x - 1) ** 2


def study(objective: object = square, **options: object) -> ct.Study:
    return ct.Study(objective, SPACE, **{"strategy": "random", **options})


def test_a_search_ends_with_its_target_and_says_so_again() -> None:
    ours = study().optimize(trials=500, target=0.01, progress=False)
    n = len(ours.trials)
    assert n < 500 and ours.best.number == n - 1 and ours.best.value <= 0.01
    words = ours.ended
    assert words == f"trial {n - 1} reached the target: value {ours.best.value:.5g} (target 0.01)"
    position = ours.history.position
    assert ours.optimize(trials=500, target=0.01, progress=False).ended == words
    assert ours.history.position == position


def test_another_rule_or_none_goes_on() -> None:
    ours = study().optimize(trials=500, patience=5, progress=False)
    n = len(ours.trials)
    assert ours.ended == "5 trials without a better one" and n < 100
    ours.optimize(trials=500, patience=20, progress=False)
    assert ours.ended == "20 trials without a better one" and n < len(ours.trials) < 500
    n = len(ours.trials)
    ours.optimize(trials=n + 3, progress=False)
    assert ours.ended is None and len(ours.trials) == n + 3


def test_the_budget_still_bounds_a_search_that_did_not_end() -> None:
    ours = study().optimize(trials=5, patience=50, progress=False)
    assert len(ours.trials) == 5 and ours.ended is None


def test_auto_ends_a_search_by_the_records_of_its_strategy() -> None:
    ours = study(strategy=Modelled((0.5,) * 30 + (0.001,))).optimize(trials=100, stop="auto", progress=False)
    assert len(ours.trials) == 33
    assert ours.ended == "3 times in a row the expected improvement was at most the noise (0.001 of 0.01)"


def test_minimize_and_maximize_end_early_too() -> None:
    assert len(ct.minimize(lambda c: c.x, SPACE, trials=500, patience=10).trials) < 500
    assert len(ct.maximize(lambda c: c.x, SPACE, trials=500, target=0.0).trials) < 500


@pytest.mark.parametrize(
    "options",
    [{"stop": "soon"}, {"stop": True}, {"tolerance": 0.1}, {"tolerance": -1.0, "stop": "auto"}, {"patience": 0},
     {"tolerance": "0.1", "stop": "auto"}, {"patience": 1.5}, {"patience": True}, {"target": "0.9"},
     {"target": float("nan")}, {"target": {}}, {"target": {"accuracy": 0.9}}, {"target": {"value": None}},
     {"target": True}],
)  # fmt: skip
def test_what_cannot_end_a_search_is_refused_before_trial_0(options: dict) -> None:
    ours = study()
    with pytest.raises(StudyError, match=rf"study\.optimize\({'(target|stop|tolerance|patience)'}="):
        ours.optimize(trials=5, **options)
    assert ours.history.position == 1


def test_one_target_for_two_objectives_is_refused_and_says_how() -> None:
    ours = ct.Study(square, SPACE, maximize=["accuracy"], minimize=["seconds"])
    with pytest.raises(StudyError, match=r"target=\{'accuracy': \.\.\., 'seconds': \.\.\.\}"):
        ours.optimize(trials=5, target=0.9)


def test_an_enqueued_trial_of_an_ended_search_waits_for_more_patience() -> None:
    ours = study().optimize(trials=500, patience=5, progress=False)
    number = ours.enqueue({"x": 1.0})
    assert ours.optimize(trials=500, patience=5, progress=False).history.waiting == {number}
    ours.optimize(trials=500, patience=40, progress=False)
    assert ours.best.number == number


def test_threads_on_one_path_end_together_and_leave_nothing_running(tmp_path: Path) -> None:
    endings = []

    def work() -> None:
        with study(path=tmp_path) as ours:
            endings.append(ours.optimize(trials=1000, patience=15, progress=False).ended)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert endings == ["15 trials without a better one"] * 3
    with ct.Study.open(tmp_path) as shared:
        assert shared.ended == endings[0] and not shared.history.running
        assert shared.history.count(State.DONE) == len(shared.trials) < 1000


KILLED = """
import os, signal, sys
from pathlib import Path
import cotune as ct
import cotune.study.search  # loads torch once for all children
from study.test_stopping import Modelled

folder = Path(sys.argv[1])

def f(trial):
    mark = folder / f"mark-{trial.number}"
    if trial.number in (3, 20, 22) and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return trial.config.x

while True:
    child = os.fork()
    if child == 0:
        study = ct.Study(f, {"x": (-2.0, 2.0)}, path=folder / "s", strategy=Modelled((0.5,) * 20 + (0.0,)))
        study.optimize(trials=100, stop="auto", progress=False)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(code)
    if code != -signal.SIGKILL:
        break
"""


def test_a_search_that_was_killed_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    codes = subprocess.run([sys.executable, "-c", KILLED, tmp_path], env=env, capture_output=True, check=True).stdout
    assert codes.split() == [
        b"-9",
        b"-9",
        b"-9",
        b"0",
    ]  # also in trial 22, whose record is the last that it takes to end
    whole = study(lambda trial: trial.config.x, strategy=Modelled((0.5,) * 20 + (0.0,)))
    whole.optimize(trials=100, stop="auto", progress=False)
    with ct.Study.open(tmp_path / "s") as resumed:
        assert resumed.ended == whole.ended is not None
        assert [trial.metrics for trial in resumed.trials] == [trial.metrics for trial in whole.trials]
        assert len(whole.trials) == 23


def shown(history: History, **options: object) -> str:
    stream = io.StringIO()
    with Panel(Budget(trials=10), title="cotune s", stream=stream, **options) as panel:
        panel.show(history)
    return stream.getvalue()


def test_the_last_line_says_what_auto_chose_and_why_the_search_ended() -> None:
    choice = {"name": "bayesian", "why": "one objective and few parameters"}
    line = shown(told(1.0, 2.0, 3.0), stopping=Stopping(patience=2), choice=choice)
    assert line.splitlines()[-1] == (
        "cotune s: 3/10 trials · best value 1 (trial 0) · auto: bayesian, because one objective and few parameters · "
        "ended: 2 trials without a better one"
    )
    assert line.count("auto:") == 1


def test_a_search_that_its_budget_ended_says_nothing_of_an_end() -> None:
    line = shown(told(1.0, 2.0, 3.0), stopping=Stopping(patience=4))
    assert line == "cotune s: 3/10 trials · best value 1 (trial 0)\n"


def test_the_choice_of_auto_is_not_shown_for_a_strategy_that_was_named(capsys: pytest.CaptureFixture[str]) -> None:
    study(strategy="auto").optimize(trials=2)
    assert "auto: sobol, because 2 trials are too few" in capsys.readouterr().err
    study(strategy="random").optimize(trials=2)
    assert "auto:" not in capsys.readouterr().err


@pytest.mark.parametrize("guess", [0.1, 0.85], ids=["wrong", "right"])
def test_with_a_guess_a_search_ends_when_little_is_expected_anywhere(guess: float) -> None:
    """Near a wrong guess nothing is expected from the beginning, and that alone ends nothing."""
    space = {name: ct.Float(0.0, 1.0, prior=ct.Prior(guess, spread=0.02)) for name in "xy"}
    study = ct.minimize(
        lambda c: (c.x - 0.9) ** 2 + (c.y - 0.8) ** 2, space,
        trials=60, stop="auto", tolerance=1e-4, strategy="bayesian", progress=False,
    )  # fmt: skip
    assert study.ended is not None and "expected improvement was at most the tolerance" in study.ended
    assert study.best.value < 1e-4


def test_a_search_that_has_tried_everything_says_so_and_goes_on_with_what_is_enqueued() -> None:
    exhausted = ct.minimize(lambda c: c.n, {"n": (1, 3)}, trials=10, strategy="bayesian", progress=False)
    assert len(exhausted.trials) == 3 and exhausted.ended == "there is nothing left to try"
    exhausted.enqueue({"n": 2})
    assert exhausted.ended is None
