"""What came of the study, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cotune.explain.confirmation import Confirmation
from cotune.explain.course import Point, course, middle
from cotune.explain.failures import failures
from cotune.explain.insight import TRUSTED, Importance, Insight
from cotune.records import CAUSES, History, State
from cotune.report.confirmation import flattery
from cotune.report.markup import Content, Markup, tag, together
from cotune.report.parts import code, listed, paragraph, section
from cotune.spelled import counted, first_line, shown

_MATTERS = 0.05
"""A parameter is named as one that matters from this share of the variance on."""
_MOST_CHARACTERS = 200


def verdict(
    history: History, insights: Mapping[str, Insight], confirmation: Confirmation | None, *, ended: str | None
) -> Markup:
    """The headline, then what supports it, sentence by sentence."""
    told = [*_gains(history, confirmation), *_certainty(history, confirmation), *_counts(history, ended)]
    found = [sentence for insight in insights.values() for sentence in _found(insight, len(insights) > 1)]
    return section(
        "verdict", "Verdict", paragraph(_headline(history, confirmation), kind="lead"), listed([*told, *found])
    )


def _headline(history: History, confirmation: Confirmation | None) -> Markup:
    if not len(history):
        return together(
            ["There are no trials yet. ", code("study.optimize(trials=100)"), " or ", code("study.ask()"), " begins."]
        )
    front = history.front()
    if not front:
        return _without_result(history)
    if len(history.objectives) > 1:
        are = "is" if len(front) == 1 else "are"
        return together(
            [strong(f"{len(front)} of {counted(len(history), 'trial')}"),
             f" {are} on the front: none of the others beats them in every objective."]
        )  # fmt: skip
    if confirmation is not None:
        return _confirmed(confirmation)
    best, name = history.best(), next(iter(history.objectives))
    assert best is not None
    value = strong(f"{name} {shown(history.metrics(best)[name])}")
    is_left = history.state(best) is not State.DONE
    after = f" after {history.step(best)} of {history.steps} steps" if is_left else ""
    of = counted(len(history), "trial")
    return together(["The best of ", of, " is ", strong(f"trial {best}"), ", with ", value, f"{after}."])


def _confirmed(told: Confirmation) -> Markup:
    one = told.best
    interval = f" on average; one on new samples lies between {shown(one.low)} and {shown(one.high)} with 95 %."
    value = strong(f"{told.objective} {shown(one.mean)}")
    return together(["The winner is ", strong(f"trial {one.trial}"), ", confirmed: ", value, interval])


def _without_result(history: History) -> Markup:
    n_failed = history.count(State.FAILED)
    if n_failed < len(history):
        return together(["No trial has a result yet: ", _states(history), "."])
    kind = failures(history)[0]
    every = "The only trial" if n_failed == 1 else f"All {n_failed} trials"
    why = f"{CAUSES.get(kind.cause, kind.cause)}{f' ({kind.error})' if kind.error else ''}"
    said = f", last in trial {kind.trials[-1]}: {first_line(kind.reason, _MOST_CHARACTERS)}"
    return together([strong(f"{every} failed."), f" The commonest reason: {why}{said}"])


def _gains(history: History, confirmation: Confirmation | None) -> Iterator[Content]:
    """How much better the best is than the first trial and the median one; of several objectives, the ends."""
    for objective, maximise in history.objectives.items():
        points = course(history, objective)
        known = [point for point in points if point.is_contender and point.value is not None]
        if not known:
            return
        if len(history.objectives) > 1:
            yield _end_of_front(history, objective, maximise)
        elif len(known) > 1:
            best = points[min(history.contenders(), key=lambda number: (history.y[number, 0], number))]
            who = "It is" if confirmation is None else f"In the search, trial {best.number} was"
            yield _against(known, best, history, who)


def _end_of_front(history: History, objective: str, maximise: bool) -> Content:
    front, sign = history.front(), -1 if maximise else 1
    number = min(front, key=lambda one: (sign * history.metrics(one)[objective], one))
    told = ", ".join(f"{name} {shown(value)}" for name, value in history.metrics(number).items()
                     if name in history.objectives)  # fmt: skip
    return f"Trial {number} has the {'highest' if maximise else 'lowest'} {objective}: {told}."


def _against(known: Sequence[Point], best: Point, history: History, who: str) -> Content:
    first, half = known[0], middle(known)
    assert best.value is not None and first.value is not None and half is not None
    if all(point.value == best.value for point in known):
        return f"All {len(known)} trials that came as far did equally well."
    is_start = history.strategy(first.number) == "start"
    what = f"trial {first.number}{', the starting point' if is_start else ''} ({shown(first.value)})"
    than_first = f"{_apart(best.value, first.value)} better than {what}" if first != best else ""
    median = f"the median of {counted(len(known), 'trial')} that came as far"
    than_half = f"{_apart(best.value, half)} better than {median}" if best.value != half else f"as good as {median}"
    since = sum(point.number > best.number and point.is_contender for point in known)
    stale = f" None of the {since} after it that came as far beat it." if since > 1 else ""
    return f"{who} {' and '.join(part for part in (than_first, than_half) if part)}.{stale}"


def _apart(a: float, b: float) -> str:
    return shown(float(f"{abs(a - b):.3g}"))


def _certainty(history: History, confirmation: Confirmation | None) -> Iterator[Content]:
    if confirmation is not None:
        one, n = confirmation.best, len(confirmation.candidates)
        yield (
            f"It is the best of the {counted(n, 'candidate')} with probability {one.probability_best:.0%}. "
            f"{flattery(confirmation)}"
        )
    elif len(history.objectives) == 1 and len(history.contenders()) > 1:
        yield together([
            "The winner was not confirmed. The best of many noisy results looks a little better than it is; ",
            code("study.confirm(top=5, seeds=5)"), " trains the best again and says by how much.",
        ])  # fmt: skip


def _counts(history: History, ended: str | None) -> Iterator[Content]:
    if len(history):
        yield together(["Trials: ", _states(history), "."])
    if ended:
        yield f"The search ended: {ended}."


def _states(history: History) -> str:
    names = {State.STOPPED: "stopped early"}
    forks = f" ({counted(len(history.forks), 'fork')})" if history.forks else ""
    return ", ".join(f"{n} {names.get(state, state)}" for state in State if (n := history.count(state))) + forks


def _found(insight: Insight, is_one_of_several: bool) -> Iterator[Content]:
    """What mattered, where the good configurations lie, and what to look at next."""
    of = f" for {insight.objective}" if is_one_of_several else ""
    ranked = sorted(insight.importance.values(), key=lambda one: -one.total.value)
    matter = [one for one in ranked if one.total.value >= _MATTERS][:3]
    if matter and (insight.explained or 0.0) >= TRUSTED:
        yield together([f"What mattered most{of}: ", ", then ".join(map(_with_share, matter)), "."])
    if insight.rule:
        yield together([strong(insight.rule.rstrip(".")), "."])
    yield from (together([tag("em", "Hint: "), hint]) for hint in insight.hints)


def _with_share(importance: Importance) -> str:
    total = importance.total
    return f"{importance.name} ({total.value:.0%} of the variance, {total.low:.0%} to {total.high:.0%})"


def strong(text: str) -> Markup:
    """Words that carry the sentence."""
    return tag("strong", text)
