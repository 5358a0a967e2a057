from __future__ import annotations

from builders import done, history_of, plane, started
from cotune.executors.checkpoints import MemoryCheckpoints
from cotune.records import Checkpointed, Event, Failed, Reclaimed
from cotune.study.keeper import Keeper

CONFIG = {"x": 0.5, "n": 3}


def kept(events: list[Event], *saved: tuple[int, int, int]) -> set[tuple[int, int, int]]:
    """Which of the states, saved as (number, epoch, step), are still there after tidying."""
    store = MemoryCheckpoints()
    files = {store.save(number, epoch, step, {}).file: (number, epoch, step) for number, epoch, step in saved}
    Keeper(store).tidy(history_of(plane(), events))
    return {files[file] for file in store.sizes()}


def checkpointed(number: int, epoch: int, step: int) -> Checkpointed:
    return Checkpointed(number, epoch, step, f"{number:06d}-{epoch}-{step}.safetensors", "")


def test_a_state_of_a_running_trial_stays_though_the_log_does_not_name_it_yet() -> None:
    assert kept([started(0, CONFIG)], (0, 1, 3)) == {(0, 1, 3)}


def test_a_state_of_a_lease_that_was_not_read_yet_stays() -> None:
    assert kept([started(0, CONFIG), Reclaimed(0, 1)], (0, 2, 3), (1, 1, 1)) == {(0, 2, 3), (1, 1, 1)}


def test_the_last_state_of_a_waiting_trial_stays_and_the_one_it_replaced_goes() -> None:
    events = [started(0, CONFIG), checkpointed(0, 1, 1), checkpointed(0, 1, 2), Reclaimed(0, 1)]
    assert kept(events, (0, 1, 1), (0, 1, 2), (0, 1, 3)) == {(0, 1, 2)}


def test_states_of_a_failed_trial_go_and_that_of_a_finished_one_stays() -> None:
    events = [
        started(0, CONFIG), checkpointed(0, 1, 1), Failed(0, 1, "error", "no"),
        started(1, CONFIG), checkpointed(1, 1, 1), done(1, 1.0),
    ]  # fmt: skip
    assert kept(events, (0, 1, 1), (1, 1, 1)) == {(1, 1, 1)}
