"""Runs in Syne Tune's own environment: its asynchronous successive halving, driven as its tuner drives it.

Each searcher is the library's default for that scheduler, with the first rung after one epoch. Only numbers are asked
for, without conditions.
"""

from __future__ import annotations

import sys
from datetime import datetime

import numpy as np
from benchmarks.rivals.lines import serve
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import lograndint, loguniform, randint, uniform
from syne_tune.optimizer.baselines import ASHA, ASHACQR, BOHB
from syne_tune.optimizer.scheduler import SchedulerDecision

DOMAINS = {
    ("float", False): uniform,
    ("float", True): loguniform,
    ("int", False): randint,
    ("int", True): lograndint,
}
SCHEDULERS = {"asha": ASHA, "cqr": ASHACQR, "bohb": BOHB}


class SyneTune:
    def __init__(self, space, strategy, seed, epochs):
        np.random.seed(seed)  # noqa: NPY002 - some of its searchers draw from the global generator
        domains = {spec["name"]: DOMAINS[spec["type"], spec["log"]](spec["low"], spec["high"]) for spec in space}
        self._scheduler = SCHEDULERS[strategy](
            domains, metric="loss", time_attr="epoch", max_t=epochs, do_minimize=True, random_seed=seed
        )
        self._trial = None
        self._count = 0

    def ask(self):
        suggestion = self._scheduler.suggest()
        self._trial = Trial(self._count, suggestion.config, datetime.now())
        self._count += 1
        self._scheduler.on_trial_add(self._trial)
        return suggestion.config

    def report(self, epoch, loss):
        decision = self._scheduler.on_trial_result(self._trial, {"loss": loss, "epoch": epoch})
        return decision == SchedulerDecision.CONTINUE

    def tell(self, loss):
        """Its tuner tells of a trial that was stopped, at the end too, in this way."""
        self._scheduler.on_trial_remove(self._trial)


def curves():
    serve(SyneTune)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
