"""What the runs of multi_fidelity.py say: areas under the regret curve, and what cotune's default is to the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import results
from benchmarks.problems.curves import CONFIRMATION, TUNING, curves
from benchmarks.quality_report import current, grid, intervals, paired
from benchmarks.quality_runs import Run

DEFAULT, BASE = "bayesian", "asha"
MARKS = (0.1, 0.25, 0.5, 1.0)
"""Shares of the budget after which regret is told."""
HALVES = {"confirmation": CONFIRMATION, "tuning": TUNING}

Areas = Mapping[tuple[str, int], float]
"""(problem, seed) -> area."""


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
    latest = {who: current(runs) for who, runs in every.items() if runs}
    table = {who: {(run.problem, run.seed): area(run) for run in runs} for who, runs in latest.items()}
    path = results.FOLDER / "multi_fidelity.md"
    path.write_text("\n".join(_document(latest, table)) + "\n", encoding="utf-8")
    results.write("multi_fidelity", list(_rows(latest, table)))


def _document(latest: Mapping[str, Sequence[Run]], table: Mapping[str, Areas]) -> Iterator[str]:
    yield "# Searches over learning curves\n"
    yield "Written by `python -m benchmarks.multi_fidelity --report`. One worker, epochs of 16 full trainings; regret"
    yield "of the lowest loss seen: 0 at the lowest known, 1 at the median of random configs after full training.\n"
    yield "Shares and differences are of what both ran, by problem and seed; intervals are bootstrap ones of 95 %:"
    yield "*clustered* draws problems and takes all their pairs, *plain* draws pairs.\n"
    for half, names in HALVES.items():
        of_half = {who: {key: value for key, value in areas.items() if key[0] in names} for who, areas in table.items()}
        of_half = {who: areas for who, areas in of_half.items() if areas}
        if of_half:
            yield f"## {half.capitalize()} problems\n"
            yield from _means(of_half, latest)
            yield from _by_problem(of_half, names)


def _means(table: Mapping[str, Areas], latest: Mapping[str, Sequence[Run]]) -> Iterator[str]:
    marks = [f"regret at {share:.0%}" for share in MARKS]
    head = ["who", "version", "runs", "area", f"of {BASE}'s", f"{DEFAULT} minus this", "clustered", "plain", *marks]
    rows = []
    for who, areas in table.items():
        courses = [regret(run) for run in latest[who] if (run.problem, run.seed) in areas]
        at = [f"{np.mean([course[int(share * len(course)) - 1] for course in courses]):.3f}" for share in MARKS]
        share = _share(areas, table.get(BASE, {}))
        apart = _difference(table.get(DEFAULT, {}), areas) if who != DEFAULT else ["", "", ""]
        rows.append([who, latest[who][-1].version, str(len(areas)), f"{_mean(areas):.4f}", share, *apart, *at])
    yield from grid(head, rows)


def _mean(areas: Areas) -> float:
    """Over problems, of the means over seeds."""
    return float(np.mean(list(_means_by_problem(areas).values())))


def _means_by_problem(areas: Areas) -> dict[str, float]:
    names = dict.fromkeys(name for name, _ in areas)
    return {name: float(np.mean([value for key, value in areas.items() if key[0] == name])) for name in names}


def _share(areas: Areas, of: Areas) -> str:
    """The mean as a share of another's, on what both ran."""
    both = areas.keys() & of.keys()
    if not both:
        return ""
    return f"{_mean({key: areas[key] for key in both}) / _mean({key: of[key] for key in both}):.3f}"


def _difference(ours: Areas, theirs: Areas) -> list[str]:
    """Mean, clustered and plain interval of the difference on what both ran."""
    keys = sorted(ours.keys() & theirs.keys())
    if not keys:
        return ["", "", ""]
    return intervals(paired(keys, [ours[key] for key in keys], [theirs[key] for key in keys]))


def _by_problem(table: Mapping[str, Areas], names: Sequence[str]) -> Iterator[str]:
    """Mean area of everyone on every problem; bold the lowest."""
    means = {who: _means_by_problem(areas) for who, areas in table.items()}
    rows = []
    for name in names:
        lowest = min((of[name] for of in means.values() if name in of), default=0.0)
        rows.append([name, *(_cell(of.get(name), lowest) for of in means.values())])
    yield from grid(["problem", *table], rows)


def _cell(mean: float | None, lowest: float) -> str:
    if mean is None:
        return ""
    return f"**{mean:.3f}**" if mean == lowest else f"{mean:.3f}"


def _rows(latest: Mapping[str, Sequence[Run]], table: Mapping[str, Areas]) -> Iterator[dict[str, Any]]:
    for who, areas in table.items():
        for name, mean in _means_by_problem(areas).items():
            half = next(half for half, names in HALVES.items() if name in names)
            n_seeds = sum(key[0] == name for key in areas)
            yield {
                "half": half, "who": who, "version": latest[who][-1].version, "problem": name, "seeds": n_seeds,
                "area": round(mean, 4),
            }  # fmt: skip
