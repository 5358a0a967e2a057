"""Searches of 800 trials by the strategy `bayesian`, with and without what it proposes elsewhere, on problems that it
was not tuned on; and TPE alone.

Models hear a part of a long history, the best results and those nearest to them, and lose sight of the rest. From trial
100 on every eighth trial is therefore proposed by TPE. `without` is the same strategy with that turned off. Regret is
normalised as in `quality`. Run `python -m benchmarks.long`.
"""

from __future__ import annotations

import statistics
import time
from unittest.mock import patch

import torch

import cotune as ct
from benchmarks import results
from benchmarks.problems import problems
from benchmarks.searches import Incumbents
from cotune.strategies.bayesian import strategy as bayesian

PROBLEMS = (
    "griewank12", "ackley18", "rastrigin20", "styblinski_tang15", "product9", "kernel6", "chain8", "families16",
    "tree24", "xgb_pool/madelon", "rbv2_xgboost/1489", "lcbench/167200",
)  # fmt: skip
SEEDS, LENGTHS = range(3), (100, 200, 400, 800)
WHO = {"with": "bayesian", "without": "bayesian", "tpe": "tpe"}


def regrets(name: str, seed: int, who: str) -> dict[int, float]:
    """Number of trials -> regret of the config with the lowest observed loss so far."""
    problem, found = problems()[name], dict[int, float]()
    study = ct.Study(None, problem.space, minimize="value", strategy=WHO[who], seed=seed)
    incumbents = Incumbents(problem, seed)
    first = bayesian._FIRST_ELSEWHERE if who == "with" else LENGTHS[-1]
    with patch.object(bayesian, "_FIRST_ELSEWHERE", first):
        for n in range(1, LENGTHS[-1] + 1):
            incumbents.tell(study, study.ask())
            if n in LENGTHS:
                found[n] = incumbents.regret
    return found


def main() -> None:
    torch.set_num_threads(1)
    rows, every = list[dict[str, object]](), dict[str, list[dict[int, float]]]()
    for name in PROBLEMS:
        for seed in SEEDS:
            for who in WHO:
                begun = time.process_time()
                found = regrets(name, seed, who)
                every.setdefault(who, []).append(found)
                rows.append({
                    "problem": name, "seed": seed, "who": who, "cpu_s": round(time.process_time() - begun, 1),
                    **{f"regret_{n}": value for n, value in found.items()},
                })  # fmt: skip
                print(name, seed, who, *(f"{value:.4f}" for value in found.values()), flush=True)
    for who, found in every.items():
        means = {f"regret_{n}": statistics.fmean(one[n] for one in found) for n in LENGTHS}
        rows.append({"problem": "mean", "seed": "", "who": who, "cpu_s": "", **means})
    results.write("long", rows)


if __name__ == "__main__":
    main()
