"""The same as `fused` on a CUDA device: time per step of a trial in hundreds of lanes, memory, and whether bits agree.

Wall time of windows that end with a synchronisation, against a well-written loop over one trial after another on the
same device (data there as tensors, torch's one-kernel optimisers). `same_bits`: whether a lane has the same bits among
16, among the same in reverse, and among 5. `graphs`: CUDA graphs in use in the end. Run
`python -m benchmarks.fused_gpu`; without a CUDA device it says so and writes nothing.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

import cotune.training as ct
from benchmarks.fused import CASES, LEARNING_RATE, Case, digits, sequential, steps_of
from benchmarks.results import write
from cotune.training import Isolated, Run
from cotune.training.fused import Population

LANES = (4, 16, 64, 256, 1024)
STEPS = 3


def task(case: Case, device: str) -> ct.Task:
    data = digits(case.size)
    return ct.Task(
        model=lambda config: case.model(),
        data=data,
        loss=nn.CrossEntropyLoss(),
        epochs=1000,
        device=device,
        amp=case.amp,
    )


def runs(case: Case, of: ct.Task, numbers: list[int], isolated: Isolated) -> list[Run]:
    made = []
    for number in numbers:
        config = {
            "optimizer": case.optimizer, "batch_size": case.batch, "weight_decay": 1e-4 * (number % 3),
            "learning_rate": LEARNING_RATE * (1 + number % 7), "momentum": 0.9 if case.optimizer == "sgd" else 0.0,
        }  # fmt: skip
        made.append(Run(of, config, isolated=isolated, seed=number))
    return made


def microseconds(steps: Iterator[None], seconds: float, device: str) -> float:
    """Wall time of a step."""
    begun, n = time.perf_counter(), 0
    while n == 0 or time.perf_counter() - begun < seconds:
        next(steps)
        n += 1
    if device == "cuda":
        torch.cuda.synchronize()
    return 1e6 * (time.perf_counter() - begun) / n


def weights(case: Case, of: ct.Task, numbers: list[int], isolated: Isolated) -> dict[int, list[Tensor]]:
    """Parameters after a few steps, by number of the run."""
    members = runs(case, of, numbers, isolated)
    for _ in itertools.islice(steps_of(Population(members)), STEPS):
        pass
    named = zip(numbers, members, strict=True)
    return {number: [parameter.detach().clone() for parameter in run.model.parameters()] for number, run in named}


def has_same_bits(case: Case, device: str) -> bool:
    of = task(case, device)
    with Isolated() as isolated:
        companies = [list(range(16)), list(reversed(range(16))), [2, 5, 7, 11, 13]]
        whole, *others = (weights(case, of, numbers, isolated) for numbers in companies)
    pairs = ((whole[number], own) for other in others for number, own in other.items())
    return all(torch.equal(a, b) for one, two in pairs for a, b in zip(one, two, strict=True))


def measure(case: Case, n_lanes: int, *, device: str, windows: int, seconds: float) -> dict[str, Any]:
    x, y = (part.to(device) for part in digits(case.size))
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with Isolated() as isolated:
        population = Population(runs(case, task(case, device), list(range(n_lanes)), isolated))
        isolated.seed(0)
        rivals = steps_of(population), sequential(case, x, y)
        for steps in rivals:
            next(steps)
        times = [[microseconds(steps, seconds, device) for steps in rivals] for _ in range(windows)]
    lanes, one = min(window[0] for window in times) / n_lanes, min(window[1] for window in times)
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else 0.0
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu", "case": case.name,
        "optimizer": case.optimizer, "batch": case.batch, "lanes": n_lanes, "us_per_step_fused": f"{lanes:.2f}",
        "us_sequential": f"{one:.1f}", "ratio": f"{one / lanes:.2f}", "peak_mb": f"{peak:.0f}",
        "graphs": population.n_graphs,
        "torch": torch.__version__,
    }  # fmt: skip


def rows(*, device: str, quick: bool) -> list[dict[str, Any]]:
    """quick: one case of four lanes, to see that it works."""
    if quick:
        cases, numbers, windows, seconds = CASES[:1], (4,), 1, 0.01
    else:
        cases, numbers, windows, seconds = CASES, LANES, 5, 0.2
    found = []
    for case in cases:
        bits = has_same_bits(case, device)
        for n in numbers:
            found.append({**measure(case, n, device=device, windows=windows, seconds=seconds), "same_bits": bits})
    return found


def main(quick: bool = False) -> None:
    if quick:
        print(*rows(device="cuda" if torch.cuda.is_available() else "cpu", quick=True), sep="\n")
    elif torch.cuda.is_available():
        write("fused_gpu", rows(device="cuda", quick=False))
    else:
        print("there is no CUDA device here; nothing was measured")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one case, here; results are printed only")
    main(parser.parse_args().quick)
