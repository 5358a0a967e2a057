"""Parts of spaces: each trains as it stands."""

from __future__ import annotations

import torch
from torch import nn

import cotune as ct


def test_every_rate_of_the_recipe_can_be_trained_with() -> None:
    space = ct.Space(ct.scheduled_rate(1e-3, 1e-1))
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    task = ct.Task(
        model=lambda c: nn.Linear(4, 2), data=(x, (x.sum(1) > 0).long()), loss=nn.CrossEntropyLoss(), epochs=3
    )
    study = ct.Study(task, space, strategy="random", scheduler="none").optimize(trials=12, progress=False)
    assert {trial.config["schedule"] for trial in study.trials} == {"constant", "cosine", "linear", "wsd"}
    assert all(trial.metrics for trial in study.trials)
    assert all(("final_share" in t.config) == (t.config["schedule"] != "constant") for t in study.trials)
