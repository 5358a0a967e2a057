"""Rules that a whole configuration obeys: the user's predicates, asked safely."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from cotune.config import Config
from cotune.errors import SpaceError

Rule = Callable[[Config], bool]

TRIES = 10_000
"""Configurations drawn before a space whose rules reject all of them is called empty."""
_PROBES = 200
_HARD = 0.95


def as_rules(require: Any) -> tuple[Rule, ...]:
    """One callable, or several, as a tuple."""
    if callable(require):
        return (require,)
    if not isinstance(require, Iterable) or isinstance(require, str | Mapping):
        raise SpaceError(f"require= needs a function of a config, or a list of them, got {require!r}. Use a lambda.")
    rules = tuple(require)
    for rule in rules:
        if not callable(rule):
            raise SpaceError(f"require= needs functions of a config, got {rule!r}. Use e.g. lambda c: c.low < c.high.")
    return rules


def broken(rules: Iterable[Rule], values: Mapping[str, Any], inactive: Iterable[str]) -> Rule | None:
    """The first rule that a configuration breaks; None if it obeys all. A rule sees a Config of its own."""
    for rule in rules:
        config = Config(values, inactive)
        try:
            answer = rule(config)
        except Exception as cause:
            raise SpaceError(f"{title(rule)} failed on {config!r}: {cause!r}. {_remedy(config, inactive)}") from cause
        if not isinstance(answer, bool | np.bool_):
            raise SpaceError(f"{title(rule)} needs to return True or False, got {answer!r} for {config!r}. Use bool().")
        if not answer:
            return rule
    return None


def probe(rules: tuple[Rule, ...], broken_by: Iterator[Rule | None]) -> None:
    """Warns when rules reject more than 95 % of 200 configurations; SpaceError when they reject all of 10,000.

    broken_by: for one configuration after another the rule that it breaks, or None.
    """
    if not rules:
        return
    verdicts = [next(broken_by) for _ in range(_PROBES)]
    if None not in verdicts and all(next(broken_by) is not None for _ in range(TRIES - _PROBES)):
        raise empty(_worst(verdicts))
    rate = 1 - verdicts.count(None) / _PROBES
    if rate > _HARD:
        warnings.warn(
            f"the rules reject {rate:.1%} of all configurations, most of them {title(_worst(verdicts))}. "
            "Sampling will be slow: narrow the ranges instead, or use conditions (when=).",
            UserWarning,
            stacklevel=3,
        )


def empty(rule: Rule) -> SpaceError:
    """The error for a space in which nothing legal was found."""
    return SpaceError(
        f"{title(rule)} rejected {TRIES:,} configurations in a row. Relax it, or narrow the ranges to where it holds."
    )


def title(rule: Rule) -> str:
    """What a message calls a rule: its name, and for a lambda where it stands."""
    name = getattr(rule, "__name__", None) or repr(rule)
    code = getattr(rule, "__code__", None)
    place = f" (line {code.co_firstlineno} of {code.co_filename})" if code and name == "<lambda>" else ""
    return f"the rule {name}{place}"


def _remedy(config: Config, inactive: Iterable[str]) -> str:
    absent = sorted(config.read & frozenset(inactive))
    if not absent:
        return "A rule must work for every configuration of the space."
    return f"{absent[0]!r} is inactive here: read it with c.get({absent[0]!r}, default)."


def _worst(verdicts: list[Rule | None]) -> Rule:
    rules = [rule for rule in verdicts if rule is not None]
    return max(rules, key=rules.count)
