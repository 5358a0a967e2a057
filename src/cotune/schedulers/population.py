"""Population based training: the worst of a population go on from the best, with hyperparameters changed a little."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from numpy.random import Generator

from cotune.errors import StudyError
from cotune.records import Action, Draw, History, JsonValue, Resume, Start, State, Stop, Suggestion, whole_number
from cotune.records.following import followed
from cotune.schedulers.explore import explored
from cotune.schedulers.members import Generation, Members, Populations
from cotune.schedulers.unfinished import unfinished, waiting


@dataclass(frozen=True, slots=True)
class _Verdict:
    """On those who came to a step: the best, whose states are copied, and the worst, who are replaced.

    threshold: with one objective, that of the last that is not replaced.
    """

    generation: Generation
    best: tuple[int, ...]
    worst: frozenset[int]
    threshold: Mapping[str, JsonValue]

    @classmethod
    def on(cls, generation: Generation, k: int, history: History) -> _Verdict:
        """With the k best, and the k worst or all that failed."""
        worst = frozenset(generation.worst(k))
        stays = [number for number in generation.ranks if number not in worst]
        losses = generation.losses.get(stays[-1], ()) if stays else ()
        threshold = {"threshold": history.value_of(losses[0])} if len(losses) == 1 else {}
        return cls(generation, tuple(generation.best(k)), worst, threshold)

    def standing(self, number: int) -> dict[str, JsonValue]:
        """For a record: where one of them stands."""
        return {**self.generation.standing(number), **self.threshold}


@dataclass(frozen=True)
class PBT:
    """Population based training (Jaderberg et al. 2017, "Population based training of neural networks").

    So many trials train together. Every few epochs the worst fifth of them are given up, and each place goes to a fork
    of one of the best fifth: it takes over that one's weights and optimiser, and trains on with hyperparameters that
    are changed a little, so that what is found is a schedule (`Best.schedule`). Changed are those marked with
    `schedule=True`; the others stay as they are in the trial that is copied. A trial that failed is replaced like one
    of the worst; NaN is worse than any loss, and ties go to the earlier trial. With several objectives the
    non-dominated come first. A new population begins when all of the one before have come to their ends.

    population: how many train together. every: epochs from one comparison to the next; None: a tenth of all. share: of
    how many are replaced. asynchronous: whether a trial is compared with those that came as far before it, rather than
    waiting for the whole population: for workers of different speed.
    """

    population: int = 16
    every: int | None = None
    share: float = 0.2
    asynchronous: bool = False
    _cache: list[Populations] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole_number("PBT(population=", self.population, 2)
        if self.every is not None:
            whole_number("PBT(every=", self.every)
        if isinstance(self.share, bool) or not isinstance(self.share, int | float) or not 0 < self.share <= 0.5:
            raise StudyError(f"PBT(share={self.share!r}) takes a number above 0, and at most 0.5")
        if not isinstance(self.asynchronous, bool):
            raise StudyError(f"PBT(asynchronous={self.asynchronous!r}) takes True or False")

    def plan(
        self, history: History, slots: int, suggest: Callable[[int], list[Suggestion]], draw: Draw
    ) -> list[Action]:
        """Stop who was replaced, resume what waits, then forks and who goes on; free slots fill up the population."""
        if not history.space.scheduled:
            raise StudyError(
                "scheduler='pbt' changes hyperparameters while trials train, and the space marks none that may change. "
                "Mark them so: learning_rate=ct.Float(1e-4, 1e-1, log=True, schedule=True)."
            )
        if history.steps is None:
            return unfinished(history, slots, suggest, None)
        steps = self._checked(history.steps)
        populations = followed(self._cache, history, lambda: Populations(history, self.population))
        stops = [_stopped(number, fork, history) for number, fork in populations.replaced.items()]
        members = populations.current
        begun = waiting(history, slots, lambda number: self._next(0, steps), members)
        free = slots - len(begun)
        fresh = suggest(min(free, members.n_missing)) if free > 0 and members.n_missing else []
        if fresh:
            return [*stops, *begun, *(Start(one, self._next(0, steps)) for one in fresh)]
        # all places are taken, or there is nothing new to try, and a small population goes on as it is
        return [*stops, *begun, *islice(self._going_on(members, draw, steps), free)]

    def outline(self, steps: int) -> str:
        """The comparisons in words.

        >>> PBT(16).outline(30)
        'a population of 16, compared every 3 epochs: the worst 3 go on from the best 3'
        """
        n, every = max(1, int(self.share * self.population)), self._interval(steps)
        when = "after every epoch" if every == 1 else f"every {every} epochs"
        change = "the worst one goes on from the best" if n == 1 else f"the worst {n} go on from the best {n}"
        return f"a population of {self.population}, compared {when}: {change}"

    def _checked(self, steps: int) -> int:
        """The last step, if there is a comparison before it."""
        if self._interval(steps) >= steps:
            raise StudyError(
                f"a population is compared every {self._interval(steps)} epochs, and its trials have {steps}. "
                f"Use PBT(every=...) with a smaller number, or longer trials."
            )
        return steps

    def _interval(self, steps: int) -> int:
        return self.every or max(1, steps // 10)

    def _next(self, step: int, last: int) -> int:
        """The next milestone behind a step."""
        every = self._interval(last)
        return min((step // every + 1) * every, last)

    def _verdict(self, step: int, members: Members) -> _Verdict | None:
        """On who came to a step; None while that waits for others. Of less than half a population none is the worst."""
        generation = members.at.get(step)
        if generation is None or not (self.asynchronous or members.are_together(step)):
            return None
        n = len(generation.ranks)
        is_enough = not self.asynchronous or 2 * n >= members.size
        return _Verdict.on(generation, max(1, int(self.share * n)) if is_enough else 0, members.history)

    def _going_on(self, members: Members, draw: Draw, steps: int) -> Iterator[Start | Resume]:
        """Forks in place of the worst, by place; then, when no fork needs their states, those that go on, the furthest
        behind first.
        """
        history, number = members.history, len(members.history)
        milestones = {member: _milestone(member, history) for member in members.now}
        verdicts = {step: self._verdict(step, members) for step in set(milestones.values()) if 0 < step < steps}
        resumed = dict[int, _Verdict]()
        for member, step in milestones.items():
            verdict = verdicts.get(step)
            if verdict is None:
                continue
            parents = [
                one for one in verdict.best if members.holder(one) == one and _can_be_copied(one, history, steps)
            ]
            if member in verdict.worst and parents:
                yield self._fork(member, parents, verdict, history, draw(number))
                number += 1
            elif member in history.paused:
                resumed[member] = verdict
        for member, verdict in sorted(resumed.items(), key=lambda one: (one[1].generation.step, one[0])):
            why = {"why": "goes on with its population", **verdict.standing(member)}
            yield Resume(member, self._next(verdict.generation.step, steps), why)

    def _fork(self, loser: int, parents: list[int], verdict: _Verdict, history: History, random: Generator) -> Start:
        parent = parents[int(random.integers(len(parents)))]
        state, before = history.checkpoint(parent), history.config(parent)
        assert state is not None, "only who left a state can be copied"
        config = explored(history.space, before, random)
        changed = {name: [before[name], value] for name, value in config.items() if value != before[name]}
        record: dict[str, JsonValue] = {
            "strategy": "pbt", "why": "goes on from one of the best of its population", "replaces": loser,
            "changed": changed, **verdict.standing(parent), "replaced": verdict.standing(loser),
        }  # fmt: skip
        suggestion = Suggestion(config, record, history.task(parent))
        return Start(suggestion, self._next(state.step, history.steps or state.step), parent)


def _milestone(member: int, history: History) -> int:
    """Where a member is to be judged: the step where it is paused, or for which it was heading when it failed."""
    if member in history.paused:
        return history.step(member)
    return (history.until(member) or 0) if history.state(member) is State.FAILED else 0


def _can_be_copied(number: int, history: History, steps: int) -> bool:
    """Whether a trial has a state, and steps left."""
    state = history.checkpoint(number)
    return not history.state(number).is_final and state is not None and state.step < steps


def _stopped(number: int, fork: int, history: History) -> Stop:
    """With what was found when the fork took its place."""
    found: Mapping[str, JsonValue] = history.decision(fork).get("replaced", {})
    return Stop(number, {"why": "among the worst of its population", "replaced by trial": fork, **found})
