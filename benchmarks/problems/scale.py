"""Writes scales.csv: what random configs reach on each problem, and the best known loss of the surrogates.

Run `python -m benchmarks.problems.scale`; problems that stand in the file keep their row.
"""

from __future__ import annotations

import csv
import json
import math

import numpy as np

from benchmarks.problems.catalogue import problems
from benchmarks.problems.problem import SCALES, Problem, generator
from benchmarks.problems.tables import DATA

INSTANCES, CONFIGS = 20, 400
_FIELDS = ["problem", "scale", "best"]


def random_losses(problem: Problem, instances: int, configs: int) -> list[float]:
    """Losses of random configs above the best one, over several instances."""
    random = generator(problem.name, 0, 10**6)
    return [
        problem.evaluate(problem.space.sample(random), seed) - problem.best(seed)
        for seed in range(instances)
        for _ in range(configs)
    ]


def lowest(problem: Problem, configs: int = 20_000, climbs: int = 10, steps: int = 3_000) -> float:
    """The lowest loss that random configs and climbs from the best of them, and from the known one, reach.

    A climb moves a few coordinates of the unit cube at a time, by a normal step whose spread shrinks.
    """
    random, space = generator(problem.name, 0, 10**6 + 1), problem.space
    units = random.random((configs, space.dimension))
    losses = np.array([problem.evaluate(space.decode(unit), 0) for unit in units])
    best = math.inf
    known = json.loads((DATA / "best_configs.json").read_text(encoding="utf-8"))[problem.name]
    starts = [*units[losses.argsort()[:climbs]], np.nan_to_num(space.encode(space.check(known))[0], nan=0.5)]
    for unit in starts:
        loss = problem.evaluate(space.decode(unit), 0)
        for spread in np.geomspace(0.3, 0.002, steps):
            moved = random.random(space.dimension) < max(0.2, 1.5 / space.dimension)
            other = np.clip(unit + moved * spread * random.standard_normal(space.dimension), 0.0, 1.0)
            found = problem.evaluate(space.decode(other), 0)
            if found <= loss:
                unit, loss = other, found
        best = min(best, loss)
    return float(best)


def row(problem: Problem) -> dict[str, object]:
    """The problem's line; the median is over what did not fail."""
    searched = problem.name.split("/")[0] in {"lcbench", "rbv2_xgboost", "hss"}
    if searched:
        best = lowest(problem)
        random = generator(problem.name, 0, 10**6)
        losses = [problem.evaluate(problem.space.sample(random), 0) - best for _ in range(INSTANCES * CONFIGS)]
    else:
        best, losses = None, random_losses(problem, INSTANCES, CONFIGS)
    lowest_known = "" if best is None else f"{best:.9g}"
    return {"problem": problem.name, "scale": f"{np.nanmedian(losses):.6g}", "best": lowest_known}


def main() -> None:
    known: dict[str, dict[str, object]] = {}
    if SCALES.exists():
        with SCALES.open(newline="", encoding="utf-8") as file:
            known = {line["problem"]: dict(line) for line in csv.DictReader(file)}
    rows = []
    for name, problem in problems().items():
        rows.append(known.get(name) or row(problem))
        print(*rows[-1].values())
    with SCALES.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
