"""Successive halving in brackets of fixed size: a rung waits for all of its trials, then the best go on together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, islice

from cotune.records import Action, Arrival, Draw, History, Resume, Start, Suggestion, whole_number
from cotune.records.following import Follower, followed
from cotune.schedulers.rungs import Ladder, Rung, promoted, rungs
from cotune.schedulers.unfinished import unfinished, waiting

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

    def leaders(self, *, is_closed: bool) -> Iterator[Resume]:
        """Who goes on from the rungs that are complete. is_closed: whether no more trials will begin."""
        history, n = self.ladder.history, self.shape.sizes[0]
        is_complete = self.ladder.rungs[0].n >= (min(n, len(history) - self.begin) if is_closed else n)
        for rung, above, size in self._levels:
            if not is_complete:
                return
            for place in rung.leaders(size, history):
                yield promoted(place, rung, above, _LEADER)
            is_complete = _is_complete(rung, above, size)

    @property
    def is_over(self) -> bool:
        """Whether all that could go on are at the end."""
        is_full = self.ladder.rungs[0].n >= self.shape.sizes[0]
        return is_full and all(_is_complete(*level) for level in self._levels)

    @property
    def _levels(self) -> Iterator[tuple[Rung, Rung, int]]:
        """Every rung, the one above it, and how many go on, from the lowest."""
        return ((*pair, size) for pair, size in zip(self.ladder.levels, self.shape.sizes[1:], strict=True))


def _is_complete(rung: Rung, above: Rung, size: int) -> bool:
    """Whether as many have come from a rung to the one above it as may go on, and can."""
    return above.n - above.n_failed >= min(size, len(rung.losses))


class _Brackets(Follower):
    """All brackets of a study that are not over."""

    def __init__(self, history: History, shapes: Sequence[Shape]) -> None:
        super().__init__(history)
        self.known: dict[int, _Bracket] = {}
        self._shapes, self._n_over = shapes, 0
        self._ends = list(accumulate(shape.sizes[0] for shape in shapes))

    def of(self, number: int) -> _Bracket | None:
        """The bracket that a trial belongs to; None if it is over."""
        turn, place = divmod(number, self._ends[-1])
        at = bisect_right(self._ends, place)
        index = turn * len(self._ends) + at
        if index not in self.known and index >= self._n_over:
            shape = self._shapes[at]
            begin = turn * self._ends[-1] + self._ends[at] - shape.sizes[0]
            self.known[index] = _Bracket(shape, begin, Ladder(self.history, shape.steps))
        return self.known.get(index)

    def lowest(self, number: int) -> int:
        """Until which step a trial trains first."""
        bracket = self.of(number)
        assert bracket is not None, "a bracket is over only when all of its trials have come to their ends"
        return bracket.shape.steps[0]

    def take(self, arrival: Arrival) -> None:
        """Take in one arrival."""
        bracket = self.of(arrival.number)
        if bracket is not None:
            bracket.ladder.take(arrival)

    def catch_up(self) -> None:
        """Take in who arrived since, and forget what is over."""
        super().catch_up()
        while (first := self.known.get(self._n_over)) is not None and first.is_over:
            del self.known[self._n_over]
            self._n_over += 1

    def winners(self, slots: int, *, is_closed: bool) -> list[Action]:
        """Up to so many that go on, the oldest bracket first."""
        every = (self.known[index].leaders(is_closed=is_closed) for index in sorted(self.known))
        return list(islice(chain.from_iterable(every), slots))


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
        whole_number(f"{type(self).__name__}(factor=", self.factor, 2)
        whole_number(f"{type(self).__name__}(first=", self.first, 1)

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
        shapes = self.shapes(history.steps)
        brackets = followed(self._cache, history, lambda: _Brackets(history, shapes))
        begun = waiting(history, slots, brackets.lowest)
        winners = brackets.winners(slots - len(begun), is_closed=False)
        free = slots - len(begun) - len(winners)
        if not free:
            return [*begun, *winners]
        fresh = suggest(free)
        if not fresh:
            return [*begun, *brackets.winners(slots - len(begun), is_closed=True)]
        new = [Start(one, brackets.lowest(number)) for number, one in enumerate(fresh, start=len(history))]
        return [*begun, *winners, *new]

    def _shape(self, steps: tuple[int, ...], size: int) -> Shape:
        return Shape(steps, tuple(max(1, size // self.factor**k) for k in range(len(steps))))


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
