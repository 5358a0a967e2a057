"""Laws 1, 6 and 7 for every storage. A new storage joins by one line in `STORAGES`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builders import created, done, plane, started
from cotune.records import Reported, Setting
from cotune.storage import CHUNK, MemoryStorage, SqliteStorage, Storage

Pair = tuple[Storage, Storage]
"""Two workers on one log."""


def _memory(_folder: Path) -> Pair:
    storage = MemoryStorage()
    return storage, storage.sibling()


def _sqlite(folder: Path) -> Pair:
    return SqliteStorage(folder / "study"), SqliteStorage(folder / "study")


def _sqlite_power(folder: Path) -> Pair:
    return SqliteStorage(folder / "study", durability="power"), SqliteStorage(folder / "study", durability="power")


STORAGES: dict[str, Callable[[Path], Pair]] = {"memory": _memory, "sqlite": _sqlite, "sqlite-power": _sqlite_power}

CREATED = created(plane())
CONFIG = {"x": 0.5, "n": 3}


@pytest.fixture(params=STORAGES)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    one, other = STORAGES[request.param](tmp_path)
    yield one, other
    one.close()
    other.close()


def test_an_empty_log_reads_as_nothing(pair: Pair) -> None:
    assert pair[0].read(0) == []


def test_what_one_worker_appends_the_other_reads_in_order(pair: Pair) -> None:
    one, other = pair
    events = [CREATED, started(0, CONFIG), done(0, 0.1 + 0.2)]
    assert one.append(events[:1], 0)
    assert one.append(events[1:], 1)
    assert other.read(0) == events
    assert other.read(2) == events[2:]


def test_a_long_log_is_read_in_pieces(pair: Pair) -> None:
    one, other = pair
    one.append([CREATED, *(Setting(f"s{i}", i) for i in range(2 * CHUNK))], 0)
    pieces = [other.read(0), other.read(CHUNK), other.read(2 * CHUNK), other.read(2 * CHUNK + 1)]
    assert [len(piece) for piece in pieces] == [CHUNK, CHUNK, 1, 0]
    assert sum(pieces, []) == [CREATED, *(Setting(f"s{i}", i) for i in range(2 * CHUNK))]


def test_floats_come_back_to_the_last_bit(pair: Pair) -> None:
    one, other = pair
    values = [5e-324, 1.7976931348623157e308, 0.1, -0.0, float("inf")]
    one.append([CREATED, started(0, CONFIG), Reported(0, 1, [1, 2, 3, 4, 5], {"loss": values})], 0)
    assert [v.hex() for v in other.read(2)[0].metrics["loss"]] == [v.hex() for v in values]


def test_a_nan_comes_back_as_nan(pair: Pair) -> None:
    one, other = pair
    one.append([CREATED, started(0, CONFIG), Reported(0, 1, [1], {"loss": [float("nan")]})], 0)
    (value,) = other.read(2)[0].metrics["loss"]
    assert value != value


def test_a_decision_made_without_knowing_another_decision_is_refused(pair: Pair) -> None:
    one, other = pair
    one.append([CREATED], 0)
    assert one.append([started(0, CONFIG)], 1)
    assert not other.append([started(0, CONFIG)], 1)
    assert len(one.read(0)) == 2


def test_a_decision_about_another_trial_conflicts_too(pair: Pair) -> None:
    one, other = pair
    one.append([CREATED, started(0, CONFIG)], 0)
    assert one.append([Setting("a", 1)], 2)
    assert not other.append([started(1, CONFIG)], 2)


def test_a_fact_does_not_void_a_decision_about_another_trial(pair: Pair) -> None:
    one, other = pair
    one.append([CREATED, started(0, CONFIG)], 0)
    assert one.append([done(0, 1.0)], 2)
    assert other.append([started(1, CONFIG)], 2)


def test_a_fact_is_refused_when_its_own_trial_moved_on(pair: Pair) -> None:
    one, other = pair
    one.append([CREATED, started(0, CONFIG)], 0)
    assert one.append([done(0, 1.0)], 2)
    assert not other.append([done(0, 2.0)], 2)
    assert len(other.read(0)) == 3


def test_a_fact_stands_beside_decisions_and_facts_of_others(pair: Pair) -> None:
    one, other = pair
    one.append([CREATED, started(0, CONFIG), started(1, CONFIG)], 0)
    assert one.append([done(0, 1.0), started(2, CONFIG)], 3)
    assert other.append([done(1, 2.0)], 3)


def test_a_refused_append_writes_nothing_of_its_events(pair: Pair) -> None:
    one, other = pair
    one.append([CREATED, started(0, CONFIG), started(1, CONFIG)], 0)
    one.append([done(0, 1.0)], 3)
    assert not other.append([done(1, 2.0), done(0, 2.0)], 3)
    assert len(one.read(0)) == 4


def test_workers_that_write_at_once_neither_fail_nor_lose_anything(pair: Pair) -> None:
    def report(storage: Storage, number: int) -> bool:
        position = 0
        for step in range(1, 51):
            position += len(storage.read(position))
            if not storage.append([Reported(number, 1, [step], {"loss": [0.5]})], position):
                return False
        return True

    pair[0].append([CREATED, started(0, CONFIG), started(1, CONFIG)], 0)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(report, pair, (0, 1))) == [True, True]
    written = [(event.number, event.steps[0]) for event in pair[0].read(3)]
    assert sorted(written) == [(number, step) for number in (0, 1) for step in range(1, 51)]


def test_workers_have_different_names_and_live(pair: Pair) -> None:
    one, other = pair
    assert one.worker != other.worker
    assert {one.worker, other.worker} <= one.alive()


def test_a_worker_that_closed_is_dead_to_the_others(pair: Pair) -> None:
    one, other = pair
    name = other.worker
    other.close()
    assert name not in one.alive()


def test_a_closed_storage_opens_again_under_a_new_name(pair: Pair) -> None:
    one, _ = pair
    one.append([CREATED], 0)
    name = one.worker
    one.close()
    assert one.worker != name
    assert one.worker in one.alive()


def test_only_one_worker_decides_at_a_time(pair: Pair) -> None:
    import threading

    one, other = pair
    order: list[str] = []
    inside = threading.Event()

    def decide_later() -> None:
        inside.wait()
        with other.deciding():
            order.append("other")

    thread = threading.Thread(target=decide_later)
    thread.start()
    with one.deciding():
        inside.set()
        thread.join(0.05)
        order.append("one")
    thread.join()
    assert order == ["one", "other"]
