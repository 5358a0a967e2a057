"""The points of a grid over parameters with conditions: how many there are, and which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Test = Callable[[Any], bool]
Gates = Mapping[str, Sequence[tuple[str, Test]]]
"""For every name, parents first, the tests that its parents' values have to pass."""

LIMIT = 1_000_000
"""A grid of more points is refused."""


def count_points(counts: Mapping[str, int], parents: Mapping[str, Sequence[Any]], gates: Gates) -> int:
    """Number of points without listing them: an inactive parameter multiplies nothing.

    counts: levels of every name. parents: the levels themselves, of those names that conditions look at. Goes through
    the names and counts the ways to arrive at each set of passed tests, because only those matter later.
    """
    ways: Counter[frozenset[tuple[str, str]]] = Counter({frozenset(): 1})
    for name, own in gates.items():
        needed = frozenset((name, parent) for parent, _ in own)
        outcomes = _outcomes(name, counts[name], parents.get(name, ()), gates)
        after: Counter[frozenset[tuple[str, str]]] = Counter()
        for passed, n_ways in ways.items():
            if needed <= passed:
                for outcome, n_levels in outcomes.items():
                    after[passed - needed | outcome] += n_ways * n_levels
            else:
                after[passed - needed] += n_ways
        ways = after
    return ways.total()


def points(levels: Mapping[str, Sequence[Any]], gates: Gates) -> Iterator[dict[str, Any]]:
    """Every point once, the last name varying fastest. Its memory is that of a few points, not of the grid."""
    names = list(gates)
    stack: list[tuple[int, dict[str, Any]]] = [(0, {})]
    while stack:
        depth, values = stack.pop()
        while depth < len(names) and not is_active(gates[names[depth]], values):
            depth += 1
        if depth == len(names):
            yield values
            continue
        name = names[depth]
        stack.extend((depth + 1, {**values, name: level}) for level in reversed(levels[name]))


def is_active(own: Sequence[tuple[str, Test]], values: Mapping[str, Any]) -> bool:
    """Whether all tests pass; an inactive parent is absent from `values` and passes none."""
    return all(parent in values and test(values[parent]) for parent, test in own)


def largest(fits: Callable[[int], bool], limit: int) -> int:
    """A k in [2, limit] that fits while k + 1 does not; 2 if nothing fits, limit if everything does."""
    low, high = 2, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _outcomes(name: str, count: int, levels: Sequence[Any], gates: Gates) -> Counter[frozenset[tuple[str, str]]]:
    """How many levels of `name` pass each set of tests, a test being called (child, name)."""
    tests = [((child, name), test) for child, own in gates.items() for parent, test in own if parent == name]
    if not tests:
        return Counter({frozenset[tuple[str, str]](): count})
    return Counter(frozenset(which for which, test in tests if test(level)) for level in levels)
