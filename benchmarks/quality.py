"""How good the suggestions are: problems x strategies x seeds, against other libraries.

    python -m benchmarks.quality --who tpe,optuna-tpe --only tuning --seeds 0-9 --trials 100 --jobs 1
    python -m benchmarks.quality --report

Every run is appended to results/quality/<strategy>.csv when it ends, and a run that stands there is not made again, so
the command may be killed and given again at any time. A longer run also counts for a shorter one, except where the
strategy is told its budget. --only takes names of problems, regimes, `tuning`, `confirmation` or `all`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import queue
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import fingerprint, quality_report, rivals
from benchmarks.problems import CONFIRMATION, TUNING, Problem, problems
from benchmarks.quality_runs import FOLDER, Run, append, read
from benchmarks.searches import Incumbents, conversation, over_pipe
from cotune.config import Config


@dataclass(frozen=True, slots=True)
class Cell:
    """A search to be made."""

    strategy: str
    problem: str
    seed: int
    trials: int


def play(talk: rivals.Conversation, problem: Problem, strategy: str, cell: Cell, version: str) -> Run:
    """One search from its first suggestion to its last."""
    incumbents = Incumbents(problem, cell.seed)

    def told(config: Config, trial: int) -> float | None:
        seen = incumbents.observe(config, trial)
        return seen if math.isfinite(seen) else None

    seconds = over_pipe(talk, problem.space, cell.trials, told, strategy=strategy, seed=cell.seed)
    late = seconds[len(seconds) // 2 :]
    cpu_ms, late_ms = 1e3 * sum(seconds) / len(seconds), 1e3 * sum(late) / len(late)
    return Run(version, problem.name, cell.seed, cell.trials, cpu_ms, late_ms, tuple(incumbents.course))


def version_of(strategy: str) -> str:
    """What results of a strategy are kept under."""
    return (
        rivals.version_of(rivals.STRATEGIES[strategy][0])
        if strategy in rivals.STRATEGIES
        else fingerprint.version(strategy)
    )


def missing(cells: Iterable[Cell], folder: Path = FOLDER) -> list[Cell]:
    """Those that no stored run of the current version answers."""
    done = {
        strategy: {(run.problem, run.seed, run.trials) for run in read(strategy, folder) if run.version == version}
        for strategy in {cell.strategy for cell in cells}
        for version in [version_of(strategy)]
    }
    return [cell for cell in cells if not _answered(cell, done[cell.strategy])]


def work(cells: Sequence[Cell], jobs: int, folder: Path = FOLDER) -> int:
    """Make the runs, each thread with a process of its own per library; returns how many failed."""
    waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
    for cell in cells:
        waiting.put(cell)
    lock, failures, count = threading.Lock(), [0], itertools.count(1)

    def loop() -> None:
        talking: dict[str | None, rivals.Conversation] = {}
        while not waiting.empty():
            cell = waiting.get()
            begun = time.monotonic()
            try:
                run = _made(cell, talking)
            except Exception as error:  # noqa: BLE001 - one library's failure must not end the others' runs
                with lock:
                    failures[0] += 1
                    print(f"{next(count)}/{len(cells)} {cell} FAILED: {error}", file=sys.stderr, flush=True)
                continue
            with lock:
                append(cell.strategy, run, folder)
                regret = problems()[cell.problem].regret(run.after(cell.trials), cell.seed)
                line = f"{cell.strategy} {cell.problem} seed {cell.seed}: regret {regret:.4f}"
                print(f"{next(count)}/{len(cells)} {line}, {time.monotonic() - begun:.1f} s", flush=True)
        for talk in talking.values():
            talk.close()

    threads = [threading.Thread(target=loop, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures[0]


def _made(cell: Cell, talking: dict[str | None, rivals.Conversation]) -> Run:
    library, strategy = rivals.STRATEGIES.get(cell.strategy, (None, cell.strategy))
    if library not in talking:
        talking[library] = conversation(library)
    try:
        return play(talking[library], problems()[cell.problem], strategy, cell, version_of(cell.strategy))
    except Exception:
        talking.pop(library).close()
        raise


def _answered(cell: Cell, done: set[tuple[str, int, int]]) -> bool:
    if (cell.problem, cell.seed, cell.trials) in done:
        return True
    is_free = cell.strategy not in rivals.TOLD_THE_BUDGET
    return is_free and any(
        trials >= cell.trials for problem, seed, trials in done if (problem, seed) == (cell.problem, cell.seed)
    )


def chosen(words: str) -> Iterator[str]:
    """Names of problems from names, regimes and halves, each once."""
    groups = {"all": tuple(problems()), "tuning": TUNING, "confirmation": CONFIRMATION}
    for regime in {problem.regime for problem in problems().values()}:
        groups[regime] = tuple(name for name, problem in problems().items() if problem.regime == regime)
    names = [name for word in words.split(",") for name in groups.get(word, (word,))]
    for name in names:
        if name not in problems():
            raise SystemExit(f"there is no problem {name!r}; choose from {', '.join([*groups, *problems()])}")
    return iter(dict.fromkeys(names))


def seeds(text: str) -> range:
    """`3` or `0-9`."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="all", help="problems, regimes or halves, separated by commas")
    parser.add_argument("--who", default="random", help=f"strategies of cotune, or of {', '.join(rivals.STRATEGIES)}")
    parser.add_argument("--seeds", type=seeds, default=range(10), help="3 or 0-9")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="only write results/quality_report.md and .csv")
    given = parser.parse_args()
    if given.report:
        quality_report.write({path.stem: read(path.stem) for path in sorted(FOLDER.glob("*.csv"))})
        return
    every = itertools.product(given.seeds, chosen(given.only), given.who.split(","))
    cells = missing([Cell(who, problem, seed, given.trials) for seed, problem, who in every])
    print(f"{len(cells)} runs to make")
    sys.exit(1 if work(cells, given.jobs) else 0)


if __name__ == "__main__":
    main()
