"""A worker: `python -m cotune.executors.processes PIPE PARENT`. Started by a search, never by hand."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from cotune.executors.processes.lifeline import tie_to

if TYPE_CHECKING:
    from cotune.executors.executor import Executor
    from cotune.executors.processes.office import Office
    from cotune.executors.processes.outputs import Outputs

_WAIT_S = 0.2


def main() -> None:
    """Train what comes, until the search says goodbye or ends."""
    pipe, parent = (int(argument) for argument in sys.argv[1:3])
    os.set_inheritable(pipe, False)
    tie_to(parent)
    from cotune.executors.processes.office import Office  # loads torch, which takes a while

    office = Office(Connection(pipe))
    for number in (signal.SIGINT, signal.SIGTERM):  # as a cluster sends them to all processes of a job
        signal.signal(number, lambda number, _: office.leave(number))
    made = _set_up(office)
    if made is not None:
        office.ready()
        try:
            _work(office, *made)
        except Exception as error:  # noqa: BLE001 - no trial's fault; the search tells its user
            office.broken(_sendable(error, "a worker cannot go on"))


def _set_up(office: Office) -> tuple[Executor, Outputs] | None:
    """What to train with and where to print; None if that cannot be had, which the search is told."""
    import torch

    from cotune.executors.processes import memory
    from cotune.executors.processes.outputs import Outputs

    welcome = office.welcome()
    os.set_inheritable(welcome.outfit.descriptor, False)
    sys.path[:] = welcome.path
    try:
        torch.set_num_threads(welcome.threads)
        outfit = welcome.outfit.opened()
        executor = outfit.each.equip(office.equipment(outfit))
        if welcome.memory_limit is not None:
            memory.limit_data(welcome.memory_limit, os.getpid())
    except Exception as error:  # noqa: BLE001 - of the user's modules, which are imported here anew
        office.broken(_sendable(error, "a worker cannot load what it shall train"))
    else:
        return executor, Outputs(welcome.log, outfit.folder)
    return None


def _sendable(error: Exception, what: str) -> Exception:
    """An error that can be sent and says what to do: one of ours, or one of ours around another's traceback."""
    from cotune.errors import CotuneError, StudyError

    return error if isinstance(error, CotuneError) else StudyError(f"{what}:\n{traceback.format_exc()}")


def _work(office: Office, executor: Executor, outputs: Outputs) -> None:
    while (jobs := office.work()) is not None:
        if jobs and executor.slots == 1:
            outputs.of(jobs[0].number)
        executor.submit(jobs)
        executor.wait(_WAIT_S, office.emit)
        if not office.is_busy:
            outputs.of(None)
            if office.interruption.is_requested:
                return  # a signal that came to this process; the search starts another one if there is more to do
    executor.close()


if __name__ == "__main__":
    main()
