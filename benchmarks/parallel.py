"""Eight suggestions at a time against one at a time, for the strategy `bayesian` on problems it was not tuned on.

Eight are asked together and told together, twelve times; the sequential searches stand in results/quality/. Bar: the
regret after 96 trials is at most that of the sequential search after 60, in the median over the problems; no two
configs of a search are alike.
"""

from __future__ import annotations

import statistics

import torch

import cotune as ct
from benchmarks import results
from benchmarks.problems import problems
from benchmarks.quality_report import current, regrets
from benchmarks.quality_runs import read
from benchmarks.searches import Incumbents

PROBLEMS = (
    "branin", "griewank5", "rosenbrock8", "ackley18", "product9", "kernel6", "stack17", "schedules11", "noisy_levy10",
    "hpobench_nn/phoneme", "lcbench/168331", "xgb_pool/spambase",
)  # fmt: skip
AT_ONCE, ROUNDS, SEEDS = 8, 12, range(5)


def search(name: str, seed: int) -> tuple[float, int]:
    """The regret after all rounds, and how many configs repeat an earlier one."""
    problem = problems()[name]
    incumbents = Incumbents(problem, seed)
    study = ct.Study(None, problem.space, minimize="value", strategy="bayesian", seed=seed)
    for _ in range(ROUNDS):
        for trial in study.ask(AT_ONCE):
            incumbents.tell(study, trial)
    configs = [repr(trial.config) for trial in study.trials]
    return incumbents.regret, len(configs) - len(set(configs))


def main() -> None:
    torch.set_num_threads(1)
    sequential = regrets(current(read("bayesian")), 60)
    rows = []
    for name in PROBLEMS:
        found = [search(name, seed) for seed in SEEDS]
        ours = statistics.mean(regret for regret, _ in found)
        one_by_one = statistics.mean(sequential[name, seed] for seed in SEEDS)
        rows.append({
            "problem": name, "seeds": len(SEEDS), "parallel_96": ours, "sequential_60": one_by_one,
            "difference": ours - one_by_one, "repeats": sum(repeats for _, repeats in found),
        })  # fmt: skip
        print(rows[-1], flush=True)
    median = statistics.median(row["difference"] for row in rows)
    rows.append({
        "problem": "median", "seeds": len(SEEDS), "difference": median, "bar": 0.0,
        "repeats": sum(row["repeats"] for row in rows),
    })  # fmt: skip
    results.write("parallel", [{"parallel_96": "", "sequential_60": "", "bar": "", **row} for row in rows])


if __name__ == "__main__":
    main()
