from __future__ import annotations

from pathlib import Path

import torch

import cotune as ct
from builders import done, history_of, plane, started
from cotune.executors.checkpoints import FolderCheckpoints, MemoryCheckpoints
from cotune.executors.snapshot import Snapshot, Stamp
from cotune.records import Checkpointed, Event, Failed, Reached, Reclaimed, Reported, Resumed, Stopped
from cotune.study.keeper import Keeper

CONFIG = {"x": 0.5, "n": 3}


def kept(events: list[Event], *saved: tuple[int, int, int]) -> set[tuple[int, int, int]]:
    """Which of the states, saved as (number, epoch, step), are still there after tidying."""
    store = MemoryCheckpoints()
    files = {
        store.save(Snapshot(Stamp(number, epoch, step), {})).file: (number, epoch, step)
        for number, epoch, step in saved
    }
    Keeper(store).tidy(history_of(plane(), events))
    return {files[file] for file in store.sizes()}


def checkpointed(number: int, epoch: int, step: int) -> Checkpointed:
    return Checkpointed(number, epoch, step, f"{number:06d}-{epoch}-{step}.safetensors", "")


def resumed(number: int, *, epoch: int) -> Resumed:
    return Resumed(number, "w", epoch, None, 0)


def test_a_state_of_a_running_trial_stays_though_the_log_does_not_name_it_yet() -> None:
    assert kept([started(0, CONFIG)], (0, 1, 3)) == {(0, 1, 3)}


def test_a_state_of_a_lease_that_was_not_read_yet_stays() -> None:
    assert kept([started(0, CONFIG), Reclaimed(0, 1)], (0, 2, 3), (1, 1, 1)) == {(0, 2, 3), (1, 1, 1)}


def test_the_last_state_of_a_waiting_trial_stays_and_the_one_it_replaced_goes() -> None:
    events = [started(0, CONFIG), checkpointed(0, 1, 1), checkpointed(0, 1, 2), Reclaimed(0, 1)]
    assert kept(events, (0, 1, 1), (0, 1, 2), (0, 1, 3)) == {(0, 1, 2)}


def test_a_running_trial_keeps_its_last_state_and_what_is_being_written() -> None:
    events = [started(0, CONFIG), checkpointed(0, 1, 1), checkpointed(0, 1, 2)]
    assert kept(events, (0, 1, 1), (0, 1, 2), (0, 1, 3)) == {(0, 1, 2), (0, 1, 3)}


def test_a_lease_that_began_again_may_write_earlier_steps() -> None:
    events = [started(0, CONFIG), checkpointed(0, 1, 5), Reclaimed(0, 1), resumed(0, epoch=2)]
    assert kept(events, (0, 1, 5), (0, 2, 1)) == {(0, 1, 5), (0, 2, 1)}


def test_the_state_that_a_fork_begins_from_stays_when_its_parent_has_a_later_one() -> None:
    events = [
        started(0, CONFIG, until=1), checkpointed(0, 1, 1), Reached(0, 1, 1),
        started(1, CONFIG, parent=(0, 1)), resumed(0, epoch=2), checkpointed(0, 2, 2),
    ]  # fmt: skip
    assert kept(events, (0, 1, 1), (0, 2, 2)) == {(0, 1, 1), (0, 2, 2)}


def test_states_of_a_failed_trial_go_and_that_of_a_finished_one_stays() -> None:
    events = [
        started(0, CONFIG), checkpointed(0, 1, 1), Failed(0, 1, "error", "no"),
        started(1, CONFIG), checkpointed(1, 1, 1), done(1, 1.0),
    ]  # fmt: skip
    assert kept(events, (0, 1, 1), (1, 1, 1)) == {(1, 1, 1)}


def test_a_file_of_several_states_stays_until_nobody_needs_it(tmp_path: Path) -> None:
    store = FolderCheckpoints(tmp_path)
    together = store.save_together([Snapshot(Stamp(number, 1, 1), {"n": number}) for number in (0, 1)])
    later = [store.save(Snapshot(Stamp(number, 1, 2), {})) for number in (0, 1)]
    events = [started(number, CONFIG) for number in (0, 1)]
    events += [Checkpointed(number, 1, 1, at.file, at.sha256) for number, at in enumerate(together)]
    events.append(Checkpointed(0, 1, 2, later[0].file, later[0].sha256))
    Keeper(store).tidy(history_of(plane(), events))
    assert store.load(together[1]) == {"n": 1}
    events.append(Checkpointed(1, 1, 2, later[1].file, later[1].sha256))
    Keeper(store).tidy(history_of(plane(), events))
    assert set(store.sizes()) == {at.file for at in later}


def test_beyond_the_quota_stopped_trials_go_first_and_then_the_worst(tmp_path: Path) -> None:
    store = FolderCheckpoints(tmp_path)
    saved = [store.save(Snapshot(Stamp(number, 1, 1), {"n": number})) for number in range(4)]
    events: list[Event] = []
    for number, at in enumerate(saved):
        events += [started(number, CONFIG, until=1), Checkpointed(number, 1, 1, at.file, at.sha256)]
        events += [Reached(number, 1, 1), Stopped(number, {}, 0)] if number == 3 else [done(number, float(number))]
    (size, *_) = store.sizes().values()
    for n_kept, expected in ((3, {0, 1, 2}), (2, {0, 1}), (0, {0})):
        Keeper(store, quota_bytes=n_kept * size).tidy(history_of(plane(), events))
        assert {Stamp.of(file).number for file in store.sizes()} == expected


def test_then_paused_ones_go_that_came_least_far_but_no_forks_and_not_the_best(tmp_path: Path) -> None:
    store = FolderCheckpoints(tmp_path)
    saved = [store.save(Snapshot(Stamp(number, 1, 1 if number < 3 else 3), {"n": number})) for number in range(5)]
    events: list[Event] = []
    for number, at in enumerate(saved):
        events.append(started(number, CONFIG, until=3, parent=(3, 1) if number == 4 else None))
        events.append(Reported(number, 1, [at.step], {"value": [[2.0, 1.0, 3.0, 9.0, 5.0][number]]}))
        events += [Checkpointed(number, 1, at.step, at.file, at.sha256), Reached(number, 1, at.step)]
    (size, *_) = store.sizes().values()
    for n_kept, expected in ((4, {0, 1, 3, 4}), (3, {1, 3, 4}), (2, {3, 4}), (0, {4})):
        Keeper(store, quota_bytes=n_kept * size).tidy(history_of(plane(), events, steps=9))
        assert {Stamp.of(file).number for file in store.sizes()} == expected


def test_a_paused_trial_whose_state_went_begins_again_and_ends_the_same(tmp_path: Path) -> None:
    def train(trial: object) -> None:
        trial.track(own=torch.Generator())
        for epoch in trial.epochs():
            trial.report(value=trial.config.x + 1 / (epoch + 1))

    def study(path: Path) -> ct.Study:
        space = {"x": (0.0, 1.0)}
        return ct.Study(train, space, path=path, minimize="value", epochs=9, strategy="random", scheduler="asha")

    whole = study(tmp_path / "whole").optimize(trials=12, progress=False)
    study(tmp_path / "poor").optimize(trials=12, total_epochs=8, progress=False)
    for file in (tmp_path / "poor" / "checkpoints").iterdir():
        file.unlink()
    poor = study(tmp_path / "poor").optimize(trials=12, progress=False)
    assert [(t.metrics, t.state, t.curve) for t in poor.trials] == [(t.metrics, t.state, t.curve) for t in whole.trials]
