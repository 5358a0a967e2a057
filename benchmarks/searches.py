"""One search from its first suggestion to its last: over a pipe, or asked and told here; and what it has found."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cotune as ct
from benchmarks import rivals
from benchmarks.problems import Problem
from cotune.config import Config

Loss = float | Sequence[float] | None
"""What a search is told of a config: one loss, several, or that its training failed."""


@dataclass(slots=True)
class Incumbents:
    """What a search has observed of a problem.

    course: (number of trials, noiseless loss) each time that the lowest observed loss was undercut.
    """

    problem: Problem
    seed: int
    lowest: float = math.inf
    course: list[tuple[int, float]] = field(default_factory=list)

    def observe(self, config: Config, trial: int) -> float:
        """The loss that trial (from 0) sees of a config; NaN where its training failed."""
        seen = self.problem.observe(config, self.seed, trial)
        if seen < self.lowest:
            self.lowest = seen
            self.course.append((trial + 1, self.problem.evaluate(config, self.seed)))
        return seen

    def tell(self, study: ct.Study, trial: ct.AskedTrial) -> None:
        """Observe a trial that was asked, and tell it."""
        seen = self.observe(trial.config, trial.number)
        if math.isnan(seen):
            study.tell(trial, failed="the training diverged")
        else:
            study.tell(trial, seen)

    @property
    def regret(self) -> float:
        """Of the last incumbent; NaN without one."""
        return self.problem.regret(self.course[-1][1], self.seed) if self.course else math.nan


def conversation(library: str | None, about: str = "searches") -> rivals.Conversation:
    """With a rival, or with cotune (None) in a process of its own, which is asked in the same way."""
    if library is not None:
        return rivals.conversation(library, about)
    return rivals.Conversation([sys.executable, "-m", "benchmarks.ours", about])


def over_pipe(
    talk: rivals.Conversation, space: ct.Space, trials: int, loss: Callable[[Config, int], Loss], *, strategy: str,
    seed: int,
) -> list[float]:  # fmt: skip
    """Make a search. loss: of a config, and of its trial's number from 0.

    Returns (trials,) seconds of CPU per suggestion: of telling the loss before it, and of asking.
    """
    talk.say(begin={"space": space.to_json(), "strategy": strategy, "seed": seed, "length": trials})
    spent, answer = list[float](), talk.say(ask=True)
    for trial in range(trials):
        spent.append(answer["cpu_s"])
        told = {"tell": loss(space.check(answer["config"]), trial)}
        answer = talk.say(**told, ask=True) if trial + 1 < trials else talk.say(**told)
    talk.say(end=True)
    return spent
