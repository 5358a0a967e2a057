"""How fast searches that stop trials early come to a good loss, counted in epochs trained, on curves of real trainings.

    python -m benchmarks.multi_fidelity --who asha,bayesian --only confirmation --seeds 0-19
    python -m benchmarks.multi_fidelity --report

One worker trains as many epochs as 16 full trainings have. What counts is the lowest loss seen after any epoch, as
regret: 0 at the lowest known, 1 at the median of random configs after full training. Every run is appended to
results/multi_fidelity/<who>.csv, and one that stands there is not made again; its CPU is that of this process alone,
rivals think in their own.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

import cotune as ct
from benchmarks import fingerprint, multi_fidelity_report, rivals
from benchmarks.problems.curves import CONFIRMATION, TUNING, Curve, Curves, curves
from benchmarks.problems.problem import Values
from benchmarks.quality import seeds
from benchmarks.quality_runs import Run, append, read
from benchmarks.results import FOLDER
from cotune.executors.running import RunningTrial

RUNS = FOLDER / "multi_fidelity"
FULL = 16
"""The budget, in full trainings."""
OURS = {"asha": ("random", "asha"), "bayesian": ("bayesian", "asha"), "full": ("bayesian", "none")}
"""What ours are called in results: strategy and scheduler."""


@dataclass
class Tape:
    """What was seen, in the order in which it was trained, up to the budget."""

    budget: int
    losses: list[float] = field(default_factory=list)

    def add(self, loss: float) -> None:
        """The loss after one more epoch."""
        if len(self.losses) < self.budget:
            self.losses.append(loss)

    @property
    def is_full(self) -> bool:
        """Whether all epochs are trained."""
        return len(self.losses) >= self.budget

    @property
    def incumbents(self) -> tuple[tuple[int, float], ...]:
        """(epochs trained, loss) each time that the lowest loss was undercut."""
        lowest, found = math.inf, []
        for epochs, loss in enumerate(self.losses, start=1):
            if loss < lowest:
                lowest = loss
                found.append((epochs, loss))
        return tuple(found)


def ours(who: str, problem: Curves, seed: int, tape: Tape) -> None:
    """A study of cotune on a virtual clock."""
    strategy, scheduler = OURS[who]
    known: dict[int, Curve] = {}

    def train(trial: RunningTrial) -> None:
        if trial.number not in known:
            known[trial.number] = problem.curve(dict(**trial.config))
        curve = known[trial.number]
        trial.track(own=torch.Generator())  # with a state to keep, a trial that pauses goes on where it was
        for epoch in trial.epochs():
            tape.add(float(curve[epoch]))
            trial.report(value=float(curve[epoch]))

    study = ct.Study(
        train, problem.space, minimize="value", epochs=problem.epochs, seed=seed, strategy=strategy,
        scheduler=scheduler, executor=ct.Simulated(),
    )  # fmt: skip
    study.optimize(total_epochs=tape.budget, progress=False)


def one_epoch(problem: Curves, seed: int, tape: Tape) -> None:
    """Half of the budget for one epoch of as many random configs, the other half for the best of them in full."""
    random = np.random.default_rng(seed)
    known = [problem.curve(problem.space.sample(random)) for _ in range(tape.budget // 2)]
    for curve in known:
        tape.add(float(curve[0]))
    for curve in sorted(known, key=lambda curve: float(curve[0])):
        for loss in curve[1:]:
            tape.add(float(loss))


def theirs(talk: rivals.Conversation, strategy: str, problem: Curves, seed: int, tape: Tape) -> None:
    """A search of another library over a pipe."""
    space = problem.space.to_json()
    talk.say(begin={"space": space, "strategy": strategy, "seed": seed, "length": problem.epochs})
    while not tape.is_full:
        curve = problem.curve(problem.space.check(_inside(problem, talk.say(ask=True)["config"])))
        for epoch, loss in enumerate(curve.tolist(), start=1):
            tape.add(loss)
            if not talk.say(report={"epoch": epoch, "loss": loss})["goes_on"]:
                break
        talk.say(tell=loss)
    talk.say(end=True)


def _inside(problem: Curves, config: Values) -> dict[str, float]:
    """Numbers that rounding put outside their bounds, moved back to them."""
    bounds = problem.space.parameters
    return {name: min(max(value, bounds[name].low), bounds[name].high) for name, value in config.items()}


def version_of(who: str) -> str:
    """What results are kept under."""
    if who == "one-epoch":
        return "1"
    if who in rivals.ON_CURVES:
        return rivals.version_of(rivals.ON_CURVES[who][0])
    strategy, scheduler = OURS[who]
    return fingerprint.version(strategy, {"none": "plain"}.get(scheduler, scheduler))


def player(who: str) -> Callable[[Curves, int, Tape], None]:
    """What plays a search."""
    if who == "one-epoch":
        return one_epoch
    if who in OURS:
        return lambda problem, seed, tape: ours(who, problem, seed, tape)
    library, strategy = rivals.ON_CURVES[who]
    talk = rivals.conversation(library, "curves")
    return lambda problem, seed, tape: theirs(talk, strategy, problem, seed, tape)


def play(who: str, names: Sequence[str], wanted: range) -> None:
    """Make the runs that are missing."""
    version = version_of(who)
    done = {(run.problem, run.seed) for run in read(who, RUNS) if run.version == version}
    missing = [(name, seed) for seed in wanted for name in names if (name, seed) not in done]
    if not missing:
        return
    search = player(who)
    for name, seed in missing:
        problem, begun = curves(name), time.process_time()
        tape = Tape(FULL * problem.epochs)
        search(problem, seed, tape)
        spent_ms = 1e3 * (time.process_time() - begun) / tape.budget
        run = Run(version, name, seed, tape.budget, spent_ms, spent_ms, tape.incumbents)
        append(who, run, RUNS)
        print(f"{who} {name} seed {seed}: area {multi_fidelity_report.area(run):.4f}", flush=True)


def chosen(words: str) -> Iterator[str]:
    """Names of problems from names and halves."""
    halves = {"tuning": TUNING, "confirmation": CONFIRMATION}
    return (name for word in words.split(",") for name in halves.get(word, (word,)))


def main() -> None:
    every = [*OURS, "one-epoch", *rivals.ON_CURVES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="confirmation", help="problems, `tuning` or `confirmation`, by commas")
    parser.add_argument("--who", default="bayesian", help=", ".join(every))
    parser.add_argument("--seeds", type=seeds, default=range(20), help="3 or 0-9")
    parser.add_argument("--report", action="store_true", help="only write results/multi_fidelity.md and .csv")
    given = parser.parse_args()
    if not rivals.ONE_THREAD.items() <= os.environ.items():  # NumPy reads this when it is loaded
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **rivals.ONE_THREAD})
    torch.set_num_threads(1)
    if given.report:
        multi_fidelity_report.write({who: read(who, RUNS) for who in every})
        return
    for who in given.who.split(","):
        if who not in every:
            sys.exit(f"there is no {who!r}; choose from {', '.join(every)}")
        play(who, list(chosen(given.only)), given.seeds)


if __name__ == "__main__":
    main()
