"""Which trials may share a worker, after one of several brought theirs down."""

from __future__ import annotations

from collections.abc import Collection, Sequence


class Company:
    """Suspects share a worker with suspects only, and after each accident with half as many, until each is alone."""

    def __init__(self) -> None:
        self._most: dict[int, int] = {}

    def suspect(self, numbers: Sequence[int]) -> None:
        """One of these brought a worker down."""
        self._most |= dict.fromkeys(numbers, max(1, len(numbers) // 2))

    def acquit(self, number: int) -> None:
        """The trial has come to its milestone or to an outcome of its own."""
        self._most.pop(number, None)

    def suits(self, number: int, others: Collection[int]) -> bool:
        """Whether a trial may train beside others."""
        together = [number, *others]
        limits = [self._most[one] for one in together if one in self._most]
        return not limits or len(limits) == len(together) <= min(limits)
