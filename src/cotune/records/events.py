"""What can happen in a study, as frozen values, and their JSON form.

A study *is* the sequence of these events; everything else is folded from them. Two kinds:

* decisions (`is_decision`) say what shall be done; they conflict with every other decision,
* facts say what came of it; they conflict only with events of their own trial.

A lease is the pair (worker, epoch): every time a trial is handed out its epoch grows by one, and a fact counts only
while its epoch is the trial's current one. The JSON form is part of the file format: fields may be added with a
default, never renamed or removed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol

from cotune.errors import FormatError

FORMAT = 1
"""Version of the file format; files of a larger version are refused."""

JsonValue = Any
"""None, bool, int, float, str, or a list or dict of these."""


class Event(Protocol):
    """One entry of the log."""

    kind: ClassVar[str]
    is_decision: ClassVar[bool]

    @property
    def number(self) -> int | None:
        """The trial that the event is about; None for the study itself."""


@dataclass(frozen=True, slots=True)
class Created:
    """First event of every log: what is searched, and for what."""

    kind: ClassVar[str] = "created"
    is_decision: ClassVar[bool] = True
    number: ClassVar[None] = None

    space: dict[str, JsonValue]
    objectives: dict[str, bool]  # metric name -> whether it is maximised
    seed: int
    steps: int | None  # last step of a trial, if it is known before the first one
    tasks: list[str] = field(default_factory=lambda: [""])
    version: int = FORMAT


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that a clock, the machine or `auto` decided once, to be read ever after.

    Some are written anew when they change: `stopping`, what the last `optimize` was told of when to end, `exhausted`,
    after how many trials the strategy had nothing more to propose, and `lanes that fit` into the memory.
    """

    kind: ClassVar[str] = "setting"
    is_decision: ClassVar[bool] = True
    number: ClassVar[None] = None

    name: str
    value: JsonValue


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A configuration that a user wants tried next; its trial waits for a worker."""

    kind: ClassVar[str] = "enqueued"
    is_decision: ClassVar[bool] = True

    number: int
    config: dict[str, JsonValue]
    task: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """A new trial, handed to a worker with epoch 1. With `parent` it is a fork: it goes on from that trial's state.

    isolated: whether it trains where it cannot end the worker, so that the worker's death is not its fault.
    """

    kind: ClassVar[str] = "started"
    is_decision: ClassVar[bool] = True

    number: int
    config: dict[str, JsonValue]
    worker: str
    until: int | None  # step at which the trial yields; None: at its own end
    decision: dict[str, JsonValue]
    seen: int
    task: int = 0
    parent: tuple[int, int] | None = None  # (trial, step)
    pausable: bool = True
    state: tuple[str, str] | None = None  # (file, sha256) of the parent's checkpoint at that step
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Resumed:
    """A waiting or paused trial, handed to a worker with the next epoch; `decision` says why a paused one was chosen
    (rung, rank, threshold).
    """

    kind: ClassVar[str] = "resumed"
    is_decision: ClassVar[bool] = True

    number: int
    worker: str
    epoch: int
    until: int | None
    seen: int
    pausable: bool = True
    decision: dict[str, JsonValue] = field(default_factory=dict)
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """The trial's worker died, which may be the trial's fault: an attempt is counted, and it waits for another one."""

    kind: ClassVar[str] = "reclaimed"
    is_decision: ClassVar[bool] = True

    number: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """A paused or waiting trial shall not go on; `decision` says why (rung, rank, threshold)."""

    kind: ClassVar[str] = "stopped"
    is_decision: ClassVar[bool] = True

    number: int
    decision: dict[str, JsonValue]
    seen: int


@dataclass(frozen=True, slots=True)
class Reported:
    """Points of a trial's learning curves: steps (k,), ascending, and k values of every metric (NaN where absent)."""

    kind: ClassVar[str] = "reported"
    is_decision: ClassVar[bool] = False

    number: int
    epoch: int
    steps: list[int]
    metrics: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """The trial can continue from `step`: `file` holds its state, `sha256` proves that it is whole."""

    kind: ClassVar[str] = "checkpointed"
    is_decision: ClassVar[bool] = False

    number: int
    epoch: int
    step: int
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Reached:
    """The trial came to its milestone and yielded. seconds: measured time of this lease."""

    kind: ClassVar[str] = "reached"
    is_decision: ClassVar[bool] = False

    number: int
    epoch: int
    step: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Passed:
    """A trial that cannot pause came to its milestone and goes on at once, until a later one; `decision` says why."""

    kind: ClassVar[str] = "passed"
    is_decision: ClassVar[bool] = True

    number: int
    epoch: int
    step: int
    until: int | None
    decision: dict[str, JsonValue]
    seen: int


@dataclass(frozen=True, slots=True)
class Released:
    """The trial came back unfinished without its fault, after a signal, say; it waits, and no attempt is counted."""

    kind: ClassVar[str] = "released"
    is_decision: ClassVar[bool] = False

    number: int
    epoch: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The trial's outcome: all objectives among `metrics`, finite, at the last step that it trained."""

    kind: ClassVar[str] = "finished"
    is_decision: ClassVar[bool] = False

    number: int
    epoch: int
    step: int
    metrics: dict[str, float]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """The trial's outcome when there is no result. `cause` is one word of `trial.CAUSES`."""

    kind: ClassVar[str] = "failed"
    is_decision: ClassVar[bool] = False

    number: int
    epoch: int
    cause: str
    reason: str
    traceback: str = ""
    seconds: float = 0.0


KINDS: tuple[type[Event], ...] = (
    Created, Setting, Enqueued, Started, Resumed, Reclaimed, Stopped,
    Reported, Checkpointed, Reached, Passed, Released, Finished, Failed,
)  # fmt: skip
_BY_KIND: dict[str, Any] = {event.kind: event for event in KINDS}
_FIELDS = {event.kind: tuple(f.name for f in fields(event)) for event in KINDS}  # type: ignore[arg-type]
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_json(event: Event) -> str:
    """The event as one line of strict JSON; a float that is not finite becomes "nan", "inf" or "-inf"."""
    content = {name: getattr(event, name) for name in _FIELDS[event.kind]}
    if "metrics" in content:
        content["metrics"] = {name: _spell(value) for name, value in content["metrics"].items()}
    return json.dumps({"kind": event.kind, **content}, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def from_json(lines: Sequence[str]) -> list[Event]:
    """The events that `to_json` wrote, one a line. Raises FormatError for anything else."""
    try:
        # one parse for all lines: the parser then shares the names of the fields between them
        return [_event(content) for content in json.loads(f"[{','.join(lines)}]")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"the log holds an event that this cotune cannot read ({type(error).__name__}: {error}). "
            "It is damaged, or was written by a newer cotune; update cotune to open it."
        ) from error


def _event(content: dict[str, Any]) -> Event:
    if "metrics" in content:
        content["metrics"] = {name: _unspell(value) for name, value in content["metrics"].items()}
    for name in ("parent", "state"):
        if content.get(name) is not None:
            content[name] = tuple(content[name])
    return _BY_KIND[content.pop("kind")](**content)


def _spell(value: Any) -> Any:
    if isinstance(value, list):
        return [_spell(v) for v in value]
    return value if math.isfinite(value) else str(value)


def _unspell(value: Any) -> Any:
    if isinstance(value, list):
        return [_NOT_FINITE[v] if isinstance(v, str) else v for v in value] if str in map(type, value) else value
    return _NOT_FINITE[value] if isinstance(value, str) else value
