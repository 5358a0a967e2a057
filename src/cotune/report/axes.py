"""Values along pixels, and round numbers to label them with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_PADDING = 0.04
_TAIL = 12
"""From so many values on, the worst quarter may lie outside, if it would flatten all others."""
_PART = 4
_FLAT = 2.5


@dataclass(frozen=True, slots=True)
class Axis:
    """The values from low to high, evenly or logarithmically (then low > 0), along the pixels from start to end."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value; of one that lies outside, the nearer end."""
        low, high, here = (self._scaled(one) for one in (self.low, self.high, min(max(value, self.low), self.high)))
        return self.start + (self.end - self.start) * ((here - low) / (high - low) if high > low else 0.5)

    def holds(self, value: float) -> bool:
        """Whether a value lies within."""
        return self.low <= value <= self.high

    def ticks(self, n: int) -> list[float]:
        """About n round values within."""
        if self.is_log and (found := _decades(self.low, self.high, n)):
            return found
        return _evenly(self.low, self.high, n)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.is_log else value / 2  # halved: the span of two floats may overflow


def axis_over(values: Iterable[float], start: float, end: float, *, is_log: bool = False) -> Axis:
    """An axis with room for all finite values, and a little more."""
    known = [value for value in values if math.isfinite(value) and (value > 0 or not is_log)]
    low, high = min(known, default=1.0 if is_log else 0.0), max(known, default=1.0)
    if is_log:
        room = (high / low) ** _PADDING if high > low else 1.2
        return Axis(max(low / room, 1e-307), min(high * room, 1e308), start, end, is_log=True)
    room = _PADDING * (high / 2 - low / 2) * 2 or abs(low) * 0.1 or 1.0
    return Axis(max(low - room, -1.7e308), min(high + room, 1.7e308), start, end)


def axis_of_most(values: Sequence[float], start: float, end: float, *, maximise: bool) -> Axis:
    """The same; the worst quarter may lie outside where it would leave the others less than two fifths of the way."""
    known = sorted((value for value in values if math.isfinite(value)), reverse=maximise)
    if len(known) < _TAIL:
        return axis_over(known, start, end)
    most = known[: len(known) - len(known) // _PART]
    is_flat = abs(known[-1] / 2 - known[0] / 2) > _FLAT * abs(most[-1] / 2 - most[0] / 2)
    return axis_over(most if is_flat else known, start, end)


def spelled(values: Sequence[float]) -> list[str]:
    """Labels of ticks, with as many digits as tell them apart.

    >>> spelled([0.9, 0.95, 1.0]), spelled([0.0001, 0.01]), spelled([2e6, 4e6])
    (['0.90', '0.95', '1.00'], ['0.0001', '0.01'], ['2e6', '4e6'])
    """
    gaps = [abs(b - a) for a, b in zip(values, values[1:], strict=False)]
    largest = max((abs(value) for value in values), default=0.0)
    is_even = bool(gaps) and max(gaps) <= 1.001 * min(gaps) and (len(gaps) > 1 or largest < 5 * min(map(abs, values)))
    if not is_even or not 1e-4 <= min(gaps) <= largest < 1e5:
        return [_short(value) for value in values]
    digits = next(n for n in range(7) if all(abs(round(v, n) - v) < 1e-3 * min(gaps) for v in values) or n == 6)
    return [f"{value:.{digits}f}" for value in values]


def _short(value: float) -> str:
    return f"{value:.4g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def _evenly(low: float, high: float, n: int) -> list[float]:
    rough = (high / 2 - low / 2) / n * 2
    if not math.isfinite(rough) or rough <= 0:
        return [low] if low == high else [low, high]
    size = 10.0 ** math.floor(math.log10(rough))
    step = next((size * factor for factor in _ROUND if size * factor >= rough * 0.999), size)
    first = math.ceil(low / step - 1e-9)
    found = [(first + k) * step for k in range(2 * n + 2)]
    return [float(f"{value:.12g}") for value in found if value <= high + 1e-9 * step]


def _decades(low: float, high: float, n: int) -> list[float]:
    """Powers of ten; with 2 and 5 between them where these are few; nothing where even that is too little."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = [10.0**k for k in range(max(first, -307), min(last, 308) + 1) if low <= 10.0**k <= high]
    if len(powers) > n:
        return powers[:: math.ceil(len(powers) / n)]
    finer = [m * 10.0**k for k in range(max(first, -307), min(last, 307) + 1) for m in (1, 2, 5)]
    within = [float(f"{value:.12g}") for value in finer if low <= value <= high]
    chosen = powers if len(powers) >= 3 else within
    return chosen if len(chosen) >= 2 else []
