"""What a study's results say about its hyperparameters, in words and a table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from cotune.cli.layout import print_facts, print_table
from cotune.explain import Insight, Rungs, Share, Step
from cotune.explain.insight import DOUBTFUL, SAFE
from cotune.printable import printable
from cotune.spelled import counted, shown

_WIDTH = 68
_MOST_ROWS = 12
_MOST_STEPS = 6
_INTERACTION = 0.02


def print_insight(found: Insight) -> None:
    """A table of importance, and below it what else there is to be said."""
    n = counted(found.n_results, "result")
    title = f"\nwhat {'raises' if found.maximise else 'lowers'} {printable(found.objective)}, from {n}"
    if not found.importance:
        print_facts(title, of_insight(found))
        return
    print_facts(title, [])
    print_table(("hyperparameter", "alone", "with others", "90 %", "top 10 %"), list(_rows(found)))
    print_facts("", of_insight(found))


def of_insight(found: Insight) -> Iterator[tuple[str, str]]:
    """The rest as names and facts; a fact that is not known is empty."""
    yield "together", _together(found)
    yield "rule", _wrapped([found.rule])
    yield "path", _path(found)
    yield "hint", _wrapped(found.hints)
    yield "stopping", _wrapped(map(_rung, found.rungs))
    yield "model", _wrapped([_worth(found)])
    yield "note", _wrapped(found.notes)


def _wrapped(lines: Iterable[str]) -> str:
    """One below the other, each at most as wide as fits beside the names."""
    return "\n".join(textwrap.fill(printable(line), _WIDTH, subsequent_indent="  ") for line in lines if line)


def _rows(found: Insight) -> Iterator[Sequence[str]]:
    for name, own in list(found.importance.items())[:_MOST_ROWS]:
        top = "" if own.top is None else f"{own.top:.0%}"
        yield name, f"{own.first.value:.0%}", f"{own.total.value:.0%}", _interval(own.total), top
    if len(found.importance) > _MOST_ROWS:
        yield f"and {len(found.importance) - _MOST_ROWS} more", "", "", "", ""


def _interval(share: Share) -> str:
    return f"{100 * share.low:.0f} to {100 * share.high:.0f}%"


def _together(found: Insight) -> str:
    """Pairs that matter together beyond what each does alone."""
    pairs = [one for one in found.interactions if one.share.value >= _INTERACTION][:3]
    return ", ".join(printable(f"{one.first} and {one.second} {one.share.value:.0%}") for one in pairs)


def _path(found: Insight) -> str:
    """From the defaults, change by change."""
    if found.start_value is None or not found.path:
        return ""
    steps = found.path
    lines = [f"the defaults are predicted {shown(found.start_value)}", *map(_step, steps[:_MOST_STEPS])]
    return "\n".join([*lines, *([f"and {len(steps) - _MOST_STEPS} more steps"] if len(steps) > _MOST_STEPS else [])])


def _step(step: Step) -> str:
    return f"{shown(step.value)}  {printable(f'{step.name} {shown(step.before)} -> {shown(step.after)}')}"


def _rung(rung: Rungs) -> str:
    """Whether it was safe to stop trials there."""
    verdict = "safe to stop" if rung.correlation >= SAFE else "stopping there is a gamble"
    if DOUBTFUL <= rung.correlation < SAFE:
        verdict = "stopping there loses some good ones"
    trials = counted(rung.n, "trial")
    return f"step {rung.step} of {rung.until}: ranks agree {rung.correlation:.2f} with the end ({trials}), {verdict}"


def _worth(found: Insight) -> str:
    if found.explained is None:
        return ""
    return f"foretells {max(found.explained, 0):.0%} of the differences between results from the other results"
