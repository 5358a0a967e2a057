from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from builders import created, done, history_of, plane, started
from cotune.errors import FormatError
from cotune.records import (
    ATTEMPTS,
    TRANSITIONS,
    Checkpointed,
    Enqueued,
    Failed,
    Finished,
    History,
    Passed,
    Reached,
    Reclaimed,
    Released,
    Reported,
    Resumed,
    Setting,
    State,
    Stopped,
    Suggestion,
    from_json,
    to_json,
)
from cotune.records.columns import undominated
from cotune.records.events import KINDS
from cotune.records.row import Row
from cotune.space import Categorical, Float, Space

A, B = {"x": 0.5, "n": 3}, {"x": -2.0, "n": 8}


def test_the_fold_does_not_depend_on_how_the_log_is_cut() -> None:
    events = [started(0, A), Reported(0, 1, [1], {"value": [2.0]}), done(0, 1.0), started(1, B), done(1, -3.0)]
    whole = history_of(plane(), events)
    pieces = History(plane())
    for event in [created(plane()), *events]:
        pieces.extend([event])
        pieces.x, pieces.y  # noqa: B018 - reading in between must not matter
    assert np.array_equal(whole.x, pieces.x) and np.array_equal(whole.y, pieces.y, equal_nan=True)
    assert [whole.trial(i) for i in range(2)] == [pieces.trial(i) for i in range(2)]


def test_what_is_planned_is_pending_in_another_history() -> None:
    history = history_of(plane(), [started(0, A), done(0, 1.0), started(1, B)])
    before = history.x.copy(), history.y.copy(), dict(history.running), history.position, history.steps_paid
    ahead = history.and_pending([Suggestion(history.space.check(config), {"strategy": "start"}) for config in (A, B)])
    assert len(ahead) == 4 and list(ahead.running) == [1, 2, 3] and ahead.strategy(3) == "start"
    assert np.array_equal(ahead.x, [*before[0], *before[0]]) and ahead.ended.tolist() == [True, False, False, False]
    assert np.array_equal(history.x, before[0]) and np.array_equal(history.y, before[1], equal_nan=True)
    assert (len(history), dict(history.running), history.position, history.steps_paid) == (2, *before[2:])


def test_a_history_goes_on_as_if_nothing_had_been_planned() -> None:
    events = [started(0, A), done(0, 1.0)]
    history, untouched = history_of(plane(), events), history_of(plane(), [*events, started(1, B), done(1, 2.0)])
    history.and_pending([Suggestion(history.space.check(A), {})] * 20).x  # noqa: B018 - it writes what is encoded
    history.extend([started(1, B), done(1, 2.0)])
    assert np.array_equal(history.x, untouched.x) and np.array_equal(history.y, untouched.y)
    assert [history.trial(i) for i in range(2)] == [untouched.trial(i) for i in range(2)]


def test_x_is_the_encoding_of_the_configurations() -> None:
    history = history_of(plane(), [started(0, A), started(1, B)])
    assert np.array_equal(history.x[1], plane().encode(history.config(1))[0])


def test_x_is_nan_where_a_parameter_is_inactive() -> None:
    space = Space(kind=Categorical(["a", "b"]), depth=Float(0.0, 1.0, when={"kind": "b"}))
    history = history_of(space, [started(0, {"kind": "a"}), started(1, {"kind": "b", "depth": 0.5})])
    assert np.isnan(history.x[0, 1]) and history.x[1, 1] == 0.5


def test_y_turns_the_sign_of_what_is_maximised() -> None:
    history = History(plane())
    outcome = Finished(0, 1, 1, {"accuracy": 0.9, "latency": 3.0})
    history.extend([created(plane(), accuracy=True, latency=False), started(0, A), outcome])
    assert history.y.tolist() == [[-0.9, 3.0]]


def test_y_is_nan_for_trials_without_result() -> None:
    history = history_of(plane(), [started(0, A), started(1, B), Failed(1, 1, "error", "no"), started(2, A)])
    assert np.isnan(history.y).all() and history.y.shape == (3, 1)


def test_the_best_has_the_lowest_loss_and_ties_go_to_the_earlier_trial() -> None:
    events = [started(i, A) for i in range(4)] + [done(i, value) for i, value in enumerate([3.0, 1.0, 1.0, 2.0])]
    assert history_of(plane(), events).best() == 1


def test_the_best_is_chosen_among_trials_that_went_furthest() -> None:
    events = [started(0, A, until=3), started(1, B, until=30), done(0, 0.0, step=3), done(1, 9.0, step=30)]
    assert history_of(plane(), events, steps=30).best() == 1


def test_a_trial_that_ended_by_itself_competes_with_those_that_reported_more() -> None:
    events = [started(0, A), done(0, 5.0, step=2), started(1, B), done(1, 20.0, step=7)]
    assert history_of(plane(), events).best() == 0


def test_the_front_keeps_what_nothing_beats_everywhere() -> None:
    history = History(plane())
    points = [(1.0, 5.0), (2.0, 2.0), (3.0, 3.0), (5.0, 1.0), (2.0, 2.0)]
    history.extend([created(plane(), a=False, b=False), *(started(i, A) for i in range(5))])
    history.extend(Finished(i, 1, 1, {"a": a, "b": b}) for i, (a, b) in enumerate(points))
    assert history.front() == [0, 1, 3, 4]


def test_reports_of_one_lease_add_up() -> None:
    reports = [Reported(0, 1, [1, 2], {"loss": [3.0, 2.0]}), Reported(0, 1, [3], {"loss": [1.0], "auc": [0.5]})]
    trial = history_of(plane(), [started(0, A), *reports]).trial(0)
    assert trial.steps == [1, 2, 3] and trial.curve["loss"] == [3.0, 2.0, 1.0]
    assert math.isnan(trial.curve["auc"][0]) and trial.curve["auc"][2] == 0.5


def test_steps_that_were_trained_again_replace_the_old_ones() -> None:
    events = [
        started(0, A), Reported(0, 1, [1, 2, 3], {"loss": [3.0, 2.0, 1.0]}), Reclaimed(0, 1),
        Resumed(0, "v", 2, None, 4), Reported(0, 2, [1, 2], {"loss": [3.0, 2.0]}),
    ]  # fmt: skip
    trial = history_of(plane(), events).trial(0)
    assert trial.steps == [1, 2] and trial.curve["loss"] == [3.0, 2.0]


def test_a_trial_waits_after_release_and_reclaim_and_its_lease_is_over() -> None:
    for ending in (Released(0, 1), Reclaimed(0, 1)):
        history = history_of(plane(), [started(0, A), ending])
        assert history.waiting == {0} and not history.running and not history.holds(0, 1)


def test_a_checkpoint_forgives_earlier_deaths() -> None:
    events = [
        started(0, A), Reclaimed(0, 1), Resumed(0, "v", 2, None, 3), Reclaimed(0, 2), Resumed(0, "u", 3, None, 5),
        Checkpointed(0, 3, 7, "file", "sha"),
    ]  # fmt: skip
    history = history_of(plane(), events)
    assert history.attempts(0) == 0 < ATTEMPTS and history.step(0) == 7


def test_steps_are_paid_when_promised_and_refunded_when_not_trained() -> None:
    history = history_of(plane(), [started(0, A, until=10), started(1, B, until=10)], steps=10)
    assert history.steps_paid == 20
    history.extend([Failed(0, 1, "error", "no"), Reported(1, 1, [1, 2], {"value": [1.0, 1.0]}), Released(1, 1)])
    assert history.steps_paid == 0


def test_the_first_trial_sets_the_last_step_when_it_was_not_known() -> None:
    assert history_of(plane(), [started(0, A), done(0, 1.0, step=12)]).steps == 12


def test_a_setting_is_kept_by_name() -> None:
    assert history_of(plane(), [Setting("strategy", {"name": "grid"})]).settings == {"strategy": {"name": "grid"}}


def test_a_paused_trial_can_go_on_or_be_stopped() -> None:
    history = history_of(plane(), [started(0, A, until=1), Reached(0, 1, 1)], steps=3)
    assert history.paused == {0}
    history.extend([Stopped(0, {"rung": 1}, 3)])
    assert history.state(0) is State.STOPPED and history.trial(0).decision["stop"] == {"rung": 1}


def test_the_history_can_be_rebuilt_from_the_stored_text() -> None:
    events = [created(plane()), started(0, A), done(0, 1.0)]
    again = History()
    again.extend(from_json([to_json(event) for event in events]))
    assert again.trial(0) == history_of(plane(), events[1:]).trial(0)


def _examples() -> dict[type, object]:
    return {
        Enqueued: Enqueued(0, A), type(started(0, A)): started(0, A), Resumed: Resumed(0, "w", 2, None, 1),
        Reported: Reported(0, 1, [1], {"value": [1.0]}), Checkpointed: Checkpointed(0, 1, 1, "f", "s"),
        Reached: Reached(0, 1, 1), Passed: Passed(0, 1, 1, 3, {}, 1), Released: Released(0, 1),
        Reclaimed: Reclaimed(0, 1), Finished: done(0, 1.0),
        Failed: Failed(0, 1, "error", "no"), Stopped: Stopped(0, {}, 1),
    }  # fmt: skip


PATHS = {
    State.WAITING: [started(0, A), Released(0, 1)],
    State.RUNNING: [started(0, A)],
    State.PAUSED: [started(0, A), Reached(0, 1, 1)],
    State.DONE: [started(0, A), done(0, 1.0)],
    State.FAILED: [started(0, A), Failed(0, 1, "error", "no")],
    State.STOPPED: [started(0, A), Reached(0, 1, 1), Stopped(0, {}, 1)],
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.kind not in ("created", "setting")])
@pytest.mark.parametrize("state", PATHS)
def test_what_the_table_does_not_allow_is_refused(state: State, kind: type) -> None:
    history = history_of(plane(), PATHS[state])
    event = _examples()[kind]
    if (state, kind) in TRANSITIONS:
        history.extend([event])
        assert history.state(0) is TRANSITIONS[state, kind]
    else:
        with pytest.raises(FormatError, match="trial 0"):
            history.extend([event])


@pytest.mark.parametrize("state", [state for state in State if state.is_final])
def test_nothing_follows_an_outcome(state: State) -> None:
    assert [kind for before, kind in TRANSITIONS if before is state] == []


def test_an_outcome_or_a_decision_to_stop_ends_a_trial_and_nothing_else_does() -> None:
    assert {kind for (_, kind), after in TRANSITIONS.items() if after.is_final} == {Finished, Failed, Stopped}


def test_a_trial_that_passes_its_milestone_arrives_there_and_keeps_its_lease() -> None:
    events = [started(0, A, until=1), Reported(0, 1, [1], {"value": [2.0]}), Passed(0, 1, 1, 3, {"rung": 1}, 2)]
    history = history_of(plane(), events, steps=9)
    assert history.holds(0, 1) and history.until(0) == 3 and history.steps_paid == 3
    assert history.arrivals == [(0, 1, False)] and history.y[0, 0] == 2.0
    assert history.decision(0)["promotions"] == [{"rung": 1}]


def test_a_fork_begins_where_its_parent_was_and_is_paid_for_its_own_steps() -> None:
    events = [
        started(0, A, until=2), Reported(0, 1, [1, 2], {"value": [2.0, 1.0]}), Checkpointed(0, 1, 2, "f", "s"),
        Reached(0, 1, 2), started(1, A, until=4, parent=(0, 2)),
    ]  # fmt: skip
    history = history_of(plane(), events, steps=9)
    assert (history.step(1), history.steps_paid, history.forks, history.n_proposed) == (2, 4, [1], 1)
    assert history.checkpoint(1).file.startswith("000000-1-2") and history.checkpoint(1).step == 2
    history.extend([Reported(1, 1, [3], {"value": [0.5]}), Released(1, 1)])
    assert history.step(1) == 2  # goes back to what it inherited
    assert history.lineage(1) == [(0, 0), (1, 2)] and history.lineage(0) == [(0, 0)]


def test_the_place_of_a_trial_counts_proposed_ones_only() -> None:
    events = [
        started(0, A, until=1),
        Checkpointed(0, 1, 1, "f", "s"),
        Reached(0, 1, 1),
        started(1, A, parent=(0, 1)),
        started(2, A),
    ]
    history = history_of(plane(), events, steps=9)
    assert [history.place(number) for number in range(3)] == [0, 1, 1] and history.n_proposed == 2


def test_a_lease_that_cannot_pause_is_known_as_one() -> None:
    for pausable in (True, False):
        row = Row((0.5, 3), 0)
        assert row.fold(replace(started(0, A), pausable=pausable)) and row.pausable is pausable


def test_a_fact_of_an_old_lease_is_refused() -> None:
    history = history_of(plane(), [started(0, A), Reclaimed(0, 1), Resumed(0, "v", 2, None, 3)])
    with pytest.raises(FormatError):
        history.extend([done(0, 1.0, epoch=1)])


def test_a_fact_of_an_unknown_trial_is_refused() -> None:
    with pytest.raises(FormatError, match="trial 7"):
        history_of(plane(), [done(7, 1.0)])


@pytest.mark.parametrize("m", [1, 2, 3])
def test_the_front_is_of_those_that_no_other_beats(m: int) -> None:
    random = np.random.default_rng(m)
    for _ in range(20):
        losses = random.integers(0, 6, size=(random.integers(1, 40), m)).astype(float)
        beaten = [any((other <= own).all() and (other < own).any() for other in losses) for own in losses]
        assert undominated(losses).tolist() == np.flatnonzero(~np.array(beaten)).tolist()
    assert undominated(np.empty((0, m))).tolist() == []
