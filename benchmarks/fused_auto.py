"""Whether `executor="auto"` is ever slower than one trial at a time: whole searches of the cases of `fused`.

Random search over the learning rate, in memory, one thread, the measuring of `auto` included. CPU time of both, one
after the other in turns; the least of the rounds counts, because other load only ever adds. Short searches get more
rounds. Bar: 0.97 at the least. Run `python -m benchmarks.fused_auto`.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from torch import nn

import cotune as ct
from benchmarks.fused import CASES, Case, digits
from benchmarks.results import write

TRIALS, EPOCHS = 24, 3
ROUNDS, MOST, CASE_S = 2, 8, 60.0
"""At least so many rounds; then further ones, up to so many, until the case has taken so many seconds."""


def search(case: Case, executor: str, trials: int, epochs: int) -> tuple[float, ct.Study]:
    """CPU seconds, and the study."""
    task = ct.Task(
        model=lambda config: case.model(), data=digits(case.size), loss=nn.CrossEntropyLoss(), metrics=["accuracy"],
        epochs=epochs, device="cpu", amp=case.amp,
    )  # fmt: skip
    space = {"learning_rate": ct.Float(1e-4, 1e-2, log=True), "optimizer": [case.optimizer], "batch_size": [case.batch]}
    begun = time.process_time()
    study = ct.Study(task, space, strategy="random", seed=0, executor=executor)
    study.optimize(trials=trials, progress=False)
    return time.process_time() - begun, study


def measure(case: Case, *, trials: int, epochs: int, rounds: int, case_s: float) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"inline": [], "auto": []}
    search(case, "inline", trials=1, epochs=1)  # what torch does once per process is nobody's
    while len(seconds["auto"]) < rounds or (len(seconds["auto"]) < MOST and sum(map(sum, seconds.values())) < case_s):
        for executor, spent in seconds.items():
            cpu_s, study = search(case, executor, trials, epochs)
            spent.append(cpu_s)
    inline, auto = min(seconds["inline"]), min(seconds["auto"])
    return {
        "case": case.name, "optimizer": case.optimizer, "batch": case.batch, "trials": trials, "epochs": epochs,
        "lanes": study.settings["engine"]["lanes"], "inline_s": f"{inline:.2f}", "auto_s": f"{auto:.2f}",
        "ratio": f"{inline / auto:.3f}", "rounds": len(seconds["auto"]), "torch": torch.__version__,
    }  # fmt: skip


def main(quick: bool = False) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if quick:
            print(measure(CASES[0], trials=4, epochs=1, rounds=1, case_s=0))
        else:
            rows = [measure(case, trials=TRIALS, epochs=EPOCHS, rounds=ROUNDS, case_s=CASE_S) for case in CASES]
            write("fused_auto", rows)
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short search; results are printed only")
    main(parser.parse_args().quick)
