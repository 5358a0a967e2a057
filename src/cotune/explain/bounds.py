"""Advice on the bounds of a space: whether the best results press against one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cotune.explain.insight import Dependence
from cotune.explain.results import Results
from cotune.space import Space

Floats = NDArray[np.float64]

_FEWEST = 20
_TOP, _FEWEST_TOP = 0.1, 5
_EDGE = 0.05
_FEW_VALUES = 20
_CHANCE = 0.01
_NEAR_BEST = 0.2


def hints(space: Space, results: Results, dependence: Mapping[str, Dependence]) -> tuple[str, ...]:
    """A line for each bound that the best tenth of the results sit on, more than chance would have it.

    Near is a twentieth of the range, in its logarithm where it is searched so; of few whole numbers, the last one.
    """
    if len(results) < _FEWEST:
        return ()
    k = max(_FEWEST_TOP, math.ceil(_TOP * len(results)))
    best = results.units[np.argsort(results.losses, kind="stable")[:k]]
    return tuple(
        _words(space, name, is_upper=is_upper)
        for j, name in enumerate(space.names)
        for is_upper in (False, True)
        if name in dependence
        and dependence[name].is_number
        and _presses(best[:, j], space.positions.counts[j], is_upper=is_upper)
        and _leads_there(dependence[name], results.sign, is_upper=is_upper)
    )


def _presses(units: Floats, count: float, *, is_upper: bool) -> bool:
    """Whether half of the positions or more lie at the bound, and that is no chance."""
    known = units[~np.isnan(units)]
    if len(known) < _FEWEST_TOP or count < 2:
        return False
    width = 1 / count if count <= _FEW_VALUES else _EDGE
    n_near = int(np.count_nonzero(known >= 1 - width if is_upper else known <= width))
    return 2 * n_near >= len(known) and _tail(n_near, len(known), width) < _CHANCE


def _tail(least: int, n: int, share: float) -> float:
    """Probability that at least so many of n uniform positions lie in that share of the range."""
    return sum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(least, n + 1))


def _leads_there(dependence: Dependence, sign: float, *, is_upper: bool) -> bool:
    """Whether the predicted objective is about as good at the bound as anywhere."""
    losses = sign * np.array(dependence.mean)
    end = losses[-1] if is_upper else losses[0]
    return bool(end <= losses.min() + _NEAR_BEST * (losses.max() - losses.min()))


def _words(space: Space, name: str, *, is_upper: bool) -> str:
    scale = space.parameters[name].scale()
    low, high = scale.decode(0.0, 0.0), scale.decode(1.0, 0.0)
    side, bound = ("upper", high) if is_upper else ("lower", low)
    shown = f"{bound:.3g}" if isinstance(bound, float) else str(bound)
    is_natural = (low >= 0 and 0.9 <= high <= 1.0) if is_upper else low in (0, 1)
    advice = f"widen it if {'more' if is_upper else 'less'} makes sense" if is_natural else "widen it"
    return f"the best trials sit on the {side} bound of {name} ({shown}): {advice}"
