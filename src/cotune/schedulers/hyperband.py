"""Successive halving in brackets of fixed size: a rung waits for all of its trials, then the best go on together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from cotune.records import Action, Draw, History, Resume, Start, Suggestion
from cotune.schedulers.rungs import Ladder, record, require_whole, rungs
from cotune.schedulers.unfinished import unfinished

_LEADER = "among the best of its bracket"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a bracket looks like. sizes: how many trials train to each of the steps."""

    steps: tuple[int, ...]
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        rows = ", ".join(f"{size} x {step}" for size, step in zip(self.sizes, self.steps, strict=True))
        return f"{rows} epochs"


@dataclass
class _Bracket:
    """Trials that are compared with each other: those with numbers from `begin`."""

    shape: Shape
    begin: int
    ladder: Ladder

    def leaders(self, history: History, *, is_closed: bool) -> Iterator[Resume]:
        """Who goes on from the rungs that are complete. is_closed: whether no more trials will begin."""
        levels = self.ladder.rungs
        size = min(self.shape.sizes[0], len(history) - self.begin) if is_closed else self.shape.sizes[0]
        is_complete = levels[0].n >= size
        for rung, above, goes_on in zip(levels, levels[1:], self.shape.sizes[1:], strict=False):
            if not is_complete:
                return
            for place in rung.leaders(goes_on, history):
                yield Resume(place.number, above.step, record(_LEADER, rung, place, above.step))
            is_complete = above.n - above.n_failed >= min(goes_on, len(rung.losses))

    @property
    def is_over(self) -> bool:
        """Whether all that could go on are at the end."""
        levels, sizes = self.ladder.rungs, self.shape.sizes
        return levels[0].n >= sizes[0] and all(
            above.n - above.n_failed >= min(size, len(rung.losses))
            for rung, above, size in zip(levels, levels[1:], sizes[1:], strict=False)
        )


@dataclass
class _Brackets:
    """All brackets of a study, kept up to date with its history; all of it can be computed again."""

    history: History
    shapes: Sequence[Shape]
    known: dict[int, _Bracket] = field(default_factory=dict)
    _n_read: int = 0
    _n_over: int = 0

    def of(self, number: int) -> _Bracket | None:
        """The bracket that a trial belongs to; None if it is over."""
        ends = list(accumulate(shape.sizes[0] for shape in self.shapes))
        turn, place = divmod(number, ends[-1])
        at = next(at for at, end in enumerate(ends) if place < end)
        index = turn * len(ends) + at
        if index not in self.known and index >= self._n_over:
            shape = self.shapes[at]
            begin = turn * ends[-1] + ends[at] - shape.sizes[0]
            self.known[index] = _Bracket(shape, begin, Ladder.of(shape.steps))
        return self.known.get(index)

    def catch_up(self) -> None:
        """Take in who arrived since, and forget what is over."""
        for arrival in self.history.arrivals[self._n_read :]:
            bracket = self.of(arrival.number)
            if bracket is not None:
                bracket.ladder.take(arrival, self.history)
        self._n_read = len(self.history.arrivals)
        while (first := self.known.get(self._n_over)) is not None and first.is_over:
            del self.known[self._n_over]
            self._n_over += 1


@dataclass(frozen=True)
class Hyperband:
    """Brackets from many short trials to few long ones, in turn (Li et al. 2018, "Hyperband", algorithm 1).

    Slots that a bracket leaves free while it waits begin the next one. Trials that fail count in their rung, and
    another one goes on in the place of one that fails later.

    factor: of how many one goes on, and by how much further. first: the lowest step of a rung.
    """

    factor: int = 3
    first: int = 1
    _cache: list[_Brackets] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_whole(f"{type(self).__name__}(factor=", self.factor, 2)
        require_whole(f"{type(self).__name__}(first=", self.first, 1)

    def shapes(self, steps: int) -> list[Shape]:
        """The brackets of one turn, for trials of so many steps.

        >>> [str(shape) for shape in Hyperband().shapes(9)]
        ['9 x 1, 3 x 3, 1 x 9 epochs', '5 x 3, 1 x 9 epochs', '3 x 9 epochs']
        """
        places = rungs(steps, self.first, self.factor)
        most = len(places) - 1
        return [
            self._shape(places[most - s :], -(-(most + 1) * self.factor**s // (s + 1))) for s in range(most, -1, -1)
        ]

    def outline(self, steps: int) -> str:
        """The brackets in words."""
        return "; ".join(map(str, self.shapes(steps)))

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """Resume what waits, then the winners of complete rungs, oldest bracket first; free slots get new trials."""
        if history.steps is None:
            return unfinished(history, slots, suggest, None)
        brackets = self._brackets(history, history.steps)
        waiting = sorted(history.waiting)[:slots]
        begun: list[Action] = [Resume(n, history.until(n) or _lowest(brackets, n)) for n in waiting]
        begun += self._winners(brackets, slots - len(begun), is_closed=False)
        if len(begun) == slots:
            return begun
        fresh = suggest(slots - len(begun))
        if fresh:
            numbers = range(len(history), len(history) + len(fresh))
            return [*begun, *(Start(one, _lowest(brackets, n)) for one, n in zip(fresh, numbers, strict=True))]
        return [*begun[: len(waiting)], *self._winners(brackets, slots - len(waiting), is_closed=True)]

    def _shape(self, steps: tuple[int, ...], size: int) -> Shape:
        return Shape(steps, tuple(max(1, size // self.factor**k) for k in range(len(steps))))

    def _brackets(self, history: History, steps: int) -> _Brackets:
        kept = self._cache[0] if self._cache else None
        if kept is None or kept.history is not history:
            kept = _Brackets(history, self.shapes(steps))
            self._cache[:] = [kept]
        kept.catch_up()
        return kept

    def _winners(self, brackets: _Brackets, slots: int, *, is_closed: bool) -> list[Action]:
        found = list[Action]()
        for index in sorted(brackets.known):
            for action in brackets.known[index].leaders(brackets.history, is_closed=is_closed):
                if len(found) >= slots:
                    return found
                found.append(action)
        return found


@dataclass(frozen=True)
class SuccessiveHalving(Hyperband):
    """The first bracket of `Hyperband` again and again (Jamieson & Talwalkar 2016, algorithm 1)."""

    def shapes(self, steps: int) -> list[Shape]:
        """The one bracket, for trials of so many steps.

        >>> [str(shape) for shape in SuccessiveHalving().shapes(27)]
        ['27 x 1, 9 x 3, 3 x 9, 1 x 27 epochs']
        """
        places = rungs(steps, self.first, self.factor)
        return [self._shape(places, self.factor ** (len(places) - 1))]


def _lowest(brackets: _Brackets, number: int) -> int:
    """Until which step a trial trains first."""
    bracket = brackets.of(number)
    assert bracket is not None, "a bracket is over only when all of its trials have come to their ends"
    return bracket.shape.steps[0]
