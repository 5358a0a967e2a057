"""How much of the plane the trials of a search with two losses dominate, against Optuna.

    python -m benchmarks.fronts --only confirmation --who bayesian,random,optuna-gp,optuna-tpe,optuna-nsga2 --seeds 0-4

missing: 1 - volume / volume of the best front known, which is that of all runs of the problem and seed together; the
reference point is fixed with the problem. Runs stand in results/fronts/runs.csv and are not made again for the same
version; the table is of all that stand there.
`bayesian` was tuned on the problems of TUNING alone (how far its reference point lies beyond what was seen).
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import fingerprint, results, rivals
from benchmarks.demo import interval
from benchmarks.problems.problem import generator
from benchmarks.quality import seeds
from benchmarks.searches import conversation, over_pipe
from cotune.numerics.hypervolume import Front
from cotune.space import Categorical, Float, Int, Space

Vector = NDArray[np.float64]
Losses = tuple[float, float]

TRIALS, AFTER = 60, (30, 60)
RIVALS = {"optuna-gp": "gp", "optuna-tpe": "tpe", "optuna-nsga2": "nsga2"}
FILE = results.FOLDER / "fronts" / "runs.csv"


@dataclass(frozen=True, slots=True)
class Problem:
    """losses: of a config, and of the shift (9,), in [0.2, 0.8], that makes the instance of a seed.

    reference: the point below which volume counts.
    """

    space: Space
    losses: Callable[[Mapping[str, Any], Vector], Losses]
    reference: Losses


def shift_of(name: str, seed: int) -> Vector:
    """What moves the optimum of the instance."""
    return generator(name, seed).uniform(0.2, 0.8, 9)


def numbers(d: int) -> Space:
    return Space({f"x{i}": Float(0.0, 1.0) for i in range(d)})


def along(config: Mapping[str, Any], d: int) -> Vector:
    return np.array([config[f"x{i}"] for i in range(d)])


def zdt(d: int, shape: Callable[[float, float], float], first: Callable[[float], float] = float) -> Problem:
    """After Zitzler, Deb & Thiele 2000, with the optimum of all but the first number moved inside and g linear."""

    def losses(config: Mapping[str, Any], shift: Vector) -> Losses:
        x = along(config, d)
        off = np.abs(x[1:] - shift[1:d]) / np.maximum(shift[1:d], 1 - shift[1:d])
        f, g = first(float(x[0])), 1 + 9 * float(off.mean())
        return f, g * shape(f, g)

    return Problem(numbers(d), losses, (1.1, 5.0))


def dtlz2(config: Mapping[str, Any], shift: Vector) -> Losses:
    """Deb et al. 2002."""
    x = along(config, 6)
    far = 1 + float(((x[1:] - shift[1:6]) ** 2).sum())
    return far * math.cos(x[0] * math.pi / 2), far * math.sin(x[0] * math.pi / 2)


def spheres(config: Mapping[str, Any], shift: Vector) -> Losses:
    x = along(config, 4)
    return float(((x - shift[:4]) ** 2).sum()), float(((x - 1 + shift[3::-1]) ** 2).sum())


def small_network(config: Mapping[str, Any], shift: Vector) -> Losses:
    """An error that falls with size, and what size costs."""
    x = along(config, 4)
    error = 0.02 + 0.3 * math.exp(-2 * (x[1] + x[2])) + (x[0] - shift[0]) ** 2 * (0.5 + x[1])
    return error + 0.2 * (x[3] - shift[3]) ** 2, math.exp(1.5 * (x[1] + x[2])) / 20


def fonseca(config: Mapping[str, Any], shift: Vector) -> Losses:
    """Fonseca & Fleming 1995, in five numbers."""
    z = 4 * (along(config, 5) - shift[:5])
    near = 1 / math.sqrt(5)
    return 1 - math.exp(-float(((z - near) ** 2).sum())), 1 - math.exp(-float(((z + near) ** 2).sum()))


def kursawe(config: Mapping[str, Any], shift: Vector) -> Losses:
    """Kursawe 1990, moved: a front in four pieces."""
    z = 10 * (along(config, 3) - shift[:3])
    first = float(np.sum(-10 * np.exp(-0.2 * np.sqrt(z[:-1] ** 2 + z[1:] ** 2))))
    return first, float(np.sum(np.abs(z) ** 0.8 + 5 * np.sin(z**3)))


def poloni(config: Mapping[str, Any], shift: Vector) -> Losses:
    """Poloni 1997; the same for every seed."""
    x, y = (2 * math.pi * (along(config, 2) - 0.5)).tolist()

    def pair(x: float, y: float) -> tuple[float, float]:
        first = 0.5 * math.sin(x) - 2 * math.cos(x) + math.sin(y) - 1.5 * math.cos(y)
        return first, 1.5 * math.sin(x) - math.cos(x) + 2 * math.sin(y) - 0.5 * math.cos(y)

    here, there = pair(x, y), pair(1.0, 2.0)
    return 1 + math.dist(here, there) ** 2, (x + 3) ** 2 + (y + 1) ** 2


MIXED = Space(
    rate=Float(1e-4, 1.0, log=True), layers=Int(1, 6), width=Categorical([16, 32, 64, 128, 256], ordered=True),
    optimizer=Categorical(["sgd", "adam", "rmsprop"]), momentum=Float(0.0, 0.99, when={"optimizer": "sgd"}),
)  # fmt: skip


def mixed_network(config: Mapping[str, Any], shift: Vector) -> Losses:
    """An error and a latency that both follow from size; the error also from how it is trained."""
    size = config["layers"] * math.log2(config["width"] / 8)
    best = {"sgd": -1.0, "adam": -2.5, "rmsprop": -3.0}[config["optimizer"]] + shift[0]
    off = (math.log10(config["rate"]) - best) ** 2 * 0.03
    if config["optimizer"] == "sgd":
        off += 0.1 * (config["momentum"] - 0.5 - shift[1] / 2) ** 2 - 0.01
    error = 0.05 + 0.35 * math.exp(-0.25 * size) + off + 0.01 * config["layers"] * shift[2]
    return min(error, 0.9), 0.1 * config["layers"] * (config["width"] / 32) ** 0.7


TUNING = {
    "zdt1": zdt(6, lambda f, g: 1 - math.sqrt(f / g)),
    "zdt2": zdt(6, lambda f, g: 1 - (f / g) ** 2),
    "zdt3": zdt(5, lambda f, g: 1 - math.sqrt(f / g) - f / g * math.sin(10 * math.pi * f)),
    "dtlz2": Problem(numbers(6), dtlz2, (1.5, 1.5)),
    "spheres": Problem(numbers(4), spheres, (1.5, 1.5)),
    "small_network": Problem(numbers(4), small_network, (0.4, 1.1)),
}
CONFIRMATION = {
    "fonseca": Problem(numbers(5), fonseca, (1.0, 1.0)),
    "kursawe": Problem(numbers(3), kursawe, (-5.0, 10.0)),
    "poloni": Problem(numbers(2), poloni, (30.0, 30.0)),
    "zdt6": zdt(
        6, lambda f, g: 1 - (f / g) ** 2, lambda x: 1 - math.exp(-4 * x) * math.sin(6 * math.pi * x) ** 6,
    ),
    "mixed_network": Problem(MIXED, mixed_network, (0.9, 3.0)),
}  # fmt: skip
PROBLEMS = TUNING | CONFIRMATION


def searched(name: str, who: str, seed: int) -> tuple[list[Losses], float]:
    """The losses of all trials in turn, and milliseconds of CPU per suggestion."""
    problem, shift = PROBLEMS[name], shift_of(name, seed)
    seen = list[Losses]()

    def told(config: Mapping[str, Any], trial: int) -> Losses:
        seen.append(problem.losses(config, shift))
        return seen[-1]

    talk = conversation("optuna" if who in RIVALS else None, "fronts")
    spent = over_pipe(talk, problem.space, TRIALS, told, strategy=RIVALS.get(who, who), seed=seed)
    talk.close()
    return seen, 1e3 * sum(spent) / len(spent)


def version_of(who: str) -> str:
    return f"optuna {rivals.version_of('optuna')}" if who in RIVALS else fingerprint.version(who)


def read() -> list[dict[str, str]]:
    """The runs that were made: version, problem, who, seed, CPU, and the losses as JSON."""
    if not FILE.exists():
        return []
    with FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run(names: Sequence[str], who: Sequence[str], every: Sequence[int]) -> None:
    """Make the runs that are missing."""
    made = {(row["version"], row["problem"], row["who"], int(row["seed"])) for row in read()}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    for seed, name, one in itertools.product(every, names, who):
        version = version_of(one)
        if (version, name, one, seed) in made:
            continue
        losses, cpu_ms = searched(name, one, seed)
        row = {"version": version, "problem": name, "who": one, "seed": seed, "cpu_ms": f"{cpu_ms:.4g}",
               "losses": json.dumps([[float(f"{value:.7g}") for value in pair] for pair in losses])}  # fmt: skip
        is_new = not FILE.exists()
        with FILE.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        print(name, one, seed, f"{cpu_ms:.1f} ms", flush=True)


def volume(losses: Sequence[Sequence[float]], name: str) -> float:
    """Of what some losses dominate."""
    return Front.of(np.array(losses), np.array(PROBLEMS[name].reference)).volume


def table(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What each misses of each problem, and what ours misses less than each other one, paired by seed."""
    rows = [row for row in read() if row["problem"] in names and row["version"] == version_of(row["who"])]
    runs = {(row["problem"], int(row["seed"]), row["who"]): json.loads(row["losses"]) for row in rows}
    cpu = {row["who"]: [float(r["cpu_ms"]) for r in rows if r["who"] == row["who"]] for row in rows}
    best = {
        (p, s): volume([one for key, run in runs.items() if key[:2] == (p, s) for one in run], p) for p, s, _ in runs
    }
    missing = {
        (who, name, seed, after): 1 - volume(run[:after], name) / best[name, seed]
        for (name, seed, who), run in runs.items()
        for after in AFTER
    }
    for who, after in itertools.product(cpu, AFTER):
        for name in names:
            own = [value for key, value in missing.items() if key[:2] == (who, name) and key[3] == after]
            if own:
                yield {"who": who, "problem": name, "trials": after, "runs": len(own), "missing": float(np.mean(own))}
        pairs = [
            (missing["bayesian", name, seed, after], value)
            for (one, name, seed, at), value in missing.items()
            if one == who and at == after and ("bayesian", name, seed, after) in missing
        ]
        if who != "bayesian" and pairs:
            ours, other = np.array(pairs).T
            low, high = interval(ours - other)
            yield {
                "who": f"bayesian - {who}", "problem": "all", "trials": after, "runs": len(pairs),
                "missing": float((ours - other).mean()), "low": low, "high": high, "won": float((ours < other).mean()),
                "cpu_ms": float(np.mean(cpu["bayesian"])), "other_cpu_ms": float(np.mean(cpu[who])),
            }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("tuning", "confirmation"), default="confirmation")
    parser.add_argument("--who", default=f"bayesian,random,{','.join(RIVALS)}")
    parser.add_argument("--seeds", type=seeds, default=range(5), help="3 or 0-9")
    given = parser.parse_args()
    names = list(TUNING if given.only == "tuning" else CONFIRMATION)
    run(names, given.who.split(","), given.seeds)
    columns = ("who", "problem", "trials", "runs", "missing", "low", "high", "won", "cpu_ms", "other_cpu_ms")
    rows = [{name: row.get(name, "") for name in columns} for row in table(names)]
    results.write("fronts" if given.only == "confirmation" else "fronts_tuning", rows)


if __name__ == "__main__":
    main()
