"""What the runs of multi_fidelity.py say: areas under the regret curve, and what cotune's default is to the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems.curves import CONFIRMATION, TUNING, curves
from benchmarks.quality_runs import Run
from benchmarks.results import FOLDER

DEFAULT, BASE = "bayesian", "asha"
MARKS = (0.1, 0.25, 0.5, 1.0)
"""Shares of the budget after which regret is told."""
_RESAMPLED = 10_000


def regret(run: Run) -> NDArray[np.float64]:
    """(epochs,) regret of the lowest loss seen after so many epochs; 1 before the first."""
    problem = curves(run.problem)
    course = np.ones(run.trials)
    for epochs, loss in run.incumbents:
        course[epochs - 1 :] = problem.regret(np.array(loss))
    return course


def area(run: Run) -> float:
    """The mean of the regret over all epochs of the budget."""
    return float(regret(run).mean())


def write(every: Mapping[str, Sequence[Run]]) -> None:
    """results/multi_fidelity.md and .csv; of each who, only runs of the version of its last run."""
    latest = {who: _latest(runs) for who, runs in every.items() if runs}
    lines = [
        "# Searches over learning curves",
        "",
        "Written by `python -m benchmarks.multi_fidelity --report`. One worker, epochs of 16 full trainings; regret of "
        "the lowest loss seen: 0 at the lowest known, 1 at the median of random configs after full training.",
    ]
    rows = []
    for half, names in (("confirmation", CONFIRMATION), ("tuning", TUNING)):
        table = {who: _areas(runs, names) for who, runs in latest.items()}
        table = {who: areas for who, areas in table.items() if areas}
        if table:
            lines += [
                "",
                f"## {half.capitalize()} problems",
                "",
                *_means(table, latest),
                "",
                *_by_problem(table, names),
            ]
            rows += [
                f"{half},{who},{latest[who][-1].version},{name},{len(of_seed)},{np.mean(list(of_seed.values())):.4f}"
                for who, areas in table.items()
                for name, of_seed in areas.items()
            ]
    (FOLDER / "multi_fidelity.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    head = "half,who,version,problem,seeds,area"
    (FOLDER / "multi_fidelity.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _latest(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run.version == runs[-1].version]


def _areas(runs: Sequence[Run], names: Sequence[str]) -> dict[str, dict[int, float]]:
    """Problem -> seed -> area."""
    found: dict[str, dict[int, float]] = {}
    for run in runs:
        if run.problem in names:
            found.setdefault(run.problem, {})[run.seed] = area(run)
    return found


def _means(table: Mapping[str, Mapping[str, Mapping[int, float]]], runs: Mapping[str, Sequence[Run]]) -> list[str]:
    """Means over problems, and the difference of the default to each, paired by problem and seed."""
    heads = " | ".join(f"regret at {share:.0%}" for share in MARKS)
    lines = [
        f"| who | version | runs | area | of {BASE}'s | {DEFAULT}'s area minus this one | {heads} | CPU ms an epoch |",
        "|" + "---|" * (7 + len(MARKS)),
    ]
    for who, areas in table.items():
        of_half = [run for run in runs[who] if run.problem in areas]
        mean, base = _mean(areas), _mean(table[BASE]) if BASE in table else float("nan")
        marks = (np.mean([regret(run)[int(share * run.trials) - 1] for run in of_half]) for share in MARKS)
        at = " | ".join(f"{mark:.3f}" for mark in marks)
        cpu = np.mean([run.cpu_ms for run in of_half])
        lines.append(
            f"| {who} | {of_half[-1].version} | {len(of_half)} | {mean:.4f} | {mean / base:.3f} | "
            f"{_difference(table.get(DEFAULT, {}), areas)} | {at} | {cpu:.2f} |"
        )
    return lines


def _mean(areas: Mapping[str, Mapping[int, float]]) -> float:
    """Over problems, of the means over seeds."""
    return float(np.mean([np.mean(list(of_seed.values())) for of_seed in areas.values()]))


def _difference(ours: Mapping[str, Mapping[int, float]], theirs: Mapping[str, Mapping[int, float]]) -> str:
    """Mean over problems, with the 95 % interval of the bootstrap over seeds within each problem."""
    if ours is theirs:
        return ""
    random, draws = np.random.default_rng(0), []
    for name in sorted(ours.keys() & theirs.keys()):
        both = sorted(ours[name].keys() & theirs[name].keys())
        if both:
            apart = np.array([ours[name][seed] - theirs[name][seed] for seed in both])
            draws.append(apart[random.integers(len(apart), size=(_RESAMPLED, len(apart)))].mean(axis=1))
    if not draws:
        return ""
    low, middle, high = np.percentile(np.mean(draws, axis=0), [2.5, 50, 97.5])
    return f"{middle:+.4f} [{low:+.4f}, {high:+.4f}]"


def _by_problem(table: Mapping[str, Mapping[str, Mapping[int, float]]], names: Sequence[str]) -> list[str]:
    """Mean area of everyone on every problem."""
    lines = ["| problem | " + " | ".join(table) + " |", "|" + "---|" * (1 + len(table))]
    for name in names:
        means = {who: float(np.mean(list(areas[name].values()))) for who, areas in table.items() if name in areas}
        lowest = min(means.values(), default=0.0)
        cells = (_cell(means.get(who), lowest) for who in table)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _cell(mean: float | None, lowest: float) -> str:
    if mean is None:
        return ""
    return f"**{mean:.3f}**" if mean == lowest else f"{mean:.3f}"
