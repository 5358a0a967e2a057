"""The rival's side of the pipe: one JSON line in, one JSON line out. Imports nothing but the standard library.

begin {space, strategy, seed, length} -> {}; ask -> {config, cpu_s}; then tell {loss} and ask in one line, again and
again; at last tell -> {cpu_s} and end -> {}. A loss of null is a failed trial. Where trials have learning curves,
report {epoch, loss} -> {goes_on, cpu_s} comes after every epoch, before the trial is told. Every search runs in a
forked process of its own, so that it starts with the library imported and nothing else done. An answer with `error`
ends it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TextIO

Spec = Mapping[str, Any]
"""One parameter of a stored space: name, type, low, high, log, step, choices, ordered, when."""


class Search(Protocol):
    """A running search of another library."""

    def ask(self) -> Mapping[str, Any]:
        """The next config: values of what is active."""

    def tell(self, loss: float | None) -> None:
        """The loss of the config that was asked last; None if it failed."""


class StoppingSearch(Search, Protocol):
    """One that may end a trial before its last epoch."""

    def report(self, epoch: int, loss: float) -> bool:
        """The loss after an epoch (from 1) of the config that was asked last; whether its training goes on."""


Begin = Callable[[Sequence[Spec], str, int, int], Search | StoppingSearch]
"""From (parameters, strategy, seed, length) to a search; length: its trials, or the epochs of each of them."""


def is_active(spec: Spec, values: Mapping[str, Any]) -> bool:
    """Whether a parameter's conditions hold, given the values of those before it."""
    return all(
        parent in values and _holds(condition, values[parent]) for parent, condition in spec.get("when", {}).items()
    )


def active(space: Sequence[Spec], values: Mapping[str, Any]) -> dict[str, Any]:
    """What remains of a value for every parameter when those that do not apply are left out."""
    config: dict[str, Any] = {}
    for spec in space:
        if is_active(spec, config):
            config[spec["name"]] = values[spec["name"]]
    return config


def serve(begin: Begin) -> None:
    """Answer until the pipe closes."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to the log
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            _search(begin, json.loads(line)["begin"], out)
        _, status = os.waitpid(child, 0)
        if status != 0:
            _say(out, {"error": f"the search's process ended with status {status}"})


def _search(begin: Begin, arguments: Mapping[str, Any], out: TextIO) -> None:
    """One search, from its first line to its last; does not return."""
    try:
        search = begin(arguments["space"]["parameters"], arguments["strategy"], arguments["seed"], arguments["length"])
        _say(out, {})
        while line := sys.stdin.readline():
            message = json.loads(line)
            if "end" in message:
                break
            begun = time.process_time()
            if "tell" in message:
                search.tell(message["tell"])
            answer = {"config": dict(search.ask())} if "ask" in message else {}
            if "report" in message:
                answer = {"goes_on": bool(search.report(**message["report"]))}
            _say(out, {**answer, "cpu_s": time.process_time() - begun})
        _say(out, {})
    except Exception:  # noqa: BLE001 - whatever it was, the driver shall hear of it
        _say(out, {"error": traceback.format_exc()})
    finally:
        os._exit(0)


def _holds(condition: Mapping[str, Any], value: Any) -> bool:
    ((kind, bound),) = condition.items()
    if kind == "one_of":
        return value in bound
    return value >= bound if kind == "at_least" else value <= bound


def _say(out: TextIO, answer: Mapping[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()
