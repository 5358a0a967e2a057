"""Studies to draw and to write pages about, with insights made by hand."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from builders import done, history_of, started
from cotune.explain.insight import Dependence, Importance, Insight, Interaction, Rungs, Share, Step
from cotune.records import Event, Failed, Finished, History, Reached, Reported, Started, Stopped
from cotune.report import Subject, page
from cotune.space import Float, Int, Space

EVIL = "<img src=x onerror=alert(1)>"
TURNED = "left\u202ethgir"


def mixed() -> Space:
    """Numbers on both scales, choices, and a parameter that is active under one of them."""
    return Space(
        optimizer=["sgd", "adam"],
        learning_rate=Float(1e-4, 1e-1, log=True),
        momentum=Float(0.0, 0.99, when={"optimizer": "sgd"}),
        hidden=Int(16, 512, log=True),
    )


def config(number: int) -> dict:
    """One of `mixed`, another for each number."""
    share = number * 0.6180339887 % 1
    chosen = {"optimizer": "sgd", "momentum": 0.9 * share} if number % 3 == 0 else {"optimizer": "adam"}
    return {**chosen, "learning_rate": 1e-4 * 1000**share, "hidden": 16 + number % 496}


def life(number: int, steps: int = 9) -> Iterator[Event]:
    """A trial that is stopped at step 3, or fails, or comes to its end."""
    yield Started(number, config(number), "w", 3, {"strategy": "random"}, 0)
    if number % 20 == 7:
        yield Failed(number, 1, "error", f"ValueError: {EVIL} {TURNED}\nmore", "", 0.1)
        return
    last = steps if number % 4 == 0 else 3
    values = [1 - config(number)["learning_rate"] - math.exp(-step / 2) for step in range(1, last + 1)]
    yield Reported(number, 1, list(range(1, last + 1)), {"accuracy": values})
    if number % 4 == 0:
        yield Finished(number, 1, last, {"accuracy": values[-1]}, 0.25)
    else:
        yield Reached(number, 1, 3, 0.125)
        yield Stopped(number, {"why": "rank 9 of 9"}, 0)


def search(n: int) -> History:
    """n trials of `mixed`, with curves; some stopped, some failed."""
    events = [event for number in range(n) for event in life(number)]
    return history_of(mixed(), events, steps=9, accuracy=True)


def told(values: list[float]) -> History:
    """Trials of one number, with these results."""
    space = Space(x=(0.0, 1.0))
    events = [e for n, value in enumerate(values) for e in (started(n, {"x": n / 100}), done(n, value))]
    return history_of(space, events)


def chosen() -> History:
    """Trials of choices only, one of which would turn a line of text around."""
    space = Space(shape=[EVIL, "square", TURNED], deep=[True, False])
    configs = space.grid(budget=6)
    events = [e for n, one in enumerate(configs) for e in (started(n, dict(one)), done(n, float(n)))]
    return history_of(space, events)


def failing() -> History:
    """Three trials that failed, with messages that would rather be markup."""
    space = Space({EVIL: (0.0, 1.0)})
    events: list[Event] = []
    for number in range(3):
        events += [started(number, {EVIL: 0.5}), Failed(number, 1, "error", f"KeyError: {EVIL}{TURNED}")]
    return history_of(space, events)


def two() -> History:
    """Trials of two objectives, of which 0, 1 and 2 are on the front."""
    space = Space(width=Int(1, 64))
    pairs = [(0.9, 30.0), (0.8, 10.0), (0.5, 1.0), (0.4, 20.0)]
    events = [
        event
        for n, (accuracy, latency) in enumerate(pairs)
        for event in (started(n, {"width": n + 1}), Finished(n, 1, 1, {"accuracy": accuracy, "latency": latency}))
    ]
    return history_of(space, events, accuracy=True, latency=False)


def nothing(history: History, objective: str) -> Insight:
    """What is found where there is too little to find."""
    up = history.objectives[objective]
    return Insight(objective, up, 0, {}, (), {}, {}, None, (), "", (), None, (), ("0 results: that is too few",))


def found(history: History, objective: str) -> Insight:
    """Something about every parameter."""
    importance, dependence, path = {}, {}, []
    for place, (name, parameter) in enumerate(history.space.parameters.items()):
        total = 0.6 / 2**place
        share = Share(total, total * 0.8, total * 1.2)
        importance[name] = Importance(name, Share(total / 2, total / 3, total), share, total)
        levels = tuple(parameter.levels(12))
        mean = tuple(math.sin(k) for k in range(len(levels)))
        low, high = tuple(m - 0.1 for m in mean), tuple(m + 0.2 for m in mean)
        is_number = parameter.kind != "categorical"
        counts = tuple(k % 3 for k in range(len(levels)))
        is_log = is_number and history.space.to_json()["parameters"][place]["log"]
        dependence[name] = Dependence(name, levels, mean, low, high, counts, is_log, is_number)
        path.append(Step(name, parameter.preferred(), levels[-1], 0.5 + place))
    first, last = history.space.names[0], history.space.names[-1]
    interactions = Interaction(first, last, Share(0.1, 0.05, 0.2)), Interaction(last, first, Share(0.001, 0.0, 0.2))
    return Insight(
        objective, history.objectives[objective], len(history), importance, interactions, dependence, {}, 0.25,
        tuple(path), f"{objective} is highest with small widths", ("widen hidden",), 0.75, (Rungs(3, 9, 0.9, 25),),
        ("momentum is active in half the space",),
    )  # fmt: skip


def written(history: History, *, subject: Subject | None = None, is_found: bool = True) -> str:
    """The page about a history."""
    make = found if is_found else nothing
    insights = {name: make(history, name) for name in history.objectives}
    return page(history, subject or Subject("digits", "runs/digits"), insights)


def parsed(text: str) -> ET.Element:
    """The page as a tree; an error if it is not well-formed."""
    return ET.fromstring(text)


def words(text: str) -> str:
    """All the text that the page shows, on one line."""
    root = parsed(text)
    body = root.find("body")
    assert body is not None
    return " ".join("".join(part for element in body for part in _shown(element)).split())


def _shown(element: ET.Element) -> Iterator[str]:
    if element.tag != "script":
        yield element.text or ""
        for child in element:
            yield from _shown(child)
    yield (element.tail or "") + " "
