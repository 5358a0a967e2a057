"""Runs in Ray's own environment: one question, its arguments as JSON, the answer as JSON on the last line."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import ray
import torch
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining
from torch import nn


class Training(tune.Trainable):
    """The well-written loop: data in memory as tensors, torch's one-kernel optimiser; actors are kept for reuse."""

    def setup(self, config):
        torch.set_num_threads(1)
        parts = np.load(config["data"])
        self.parts = {name: torch.from_numpy(parts[name]) for name in parts.files}
        self.batch = config["batch"]
        self.begin(config)

    def begin(self, config):
        self.model = nn.Sequential(nn.Linear(64, config["width"]), nn.ReLU(), nn.Linear(config["width"], 10))
        self.update = torch.optim.Adam(self.model.parameters(), lr=config["learning_rate"], fused=True)
        self.loss = nn.CrossEntropyLoss()

    def step(self):
        x, y = self.parts["x"], self.parts["y"]
        self.model.train()
        for rows in torch.randperm(len(x)).split(self.batch):
            self.update.zero_grad(set_to_none=True)
            self.loss(self.model(x.index_select(0, rows)), y.index_select(0, rows)).backward()
            self.update.step()
        self.model.eval()
        with torch.inference_mode():
            return {"loss": self.loss(self.model(self.parts["held_x"]), self.parts["held_y"]).item()}

    def save_checkpoint(self, checkpoint_dir):
        torch.save(
            {"model": self.model.state_dict(), "update": self.update.state_dict()}, Path(checkpoint_dir) / "s.pt"
        )

    def load_checkpoint(self, checkpoint_dir):
        state = torch.load(Path(checkpoint_dir) / "s.pt", weights_only=True)
        self.model.load_state_dict(state["model"])
        rate = self.update.param_groups[0]["lr"]
        self.update.load_state_dict(state["update"])
        self.update.param_groups[0]["lr"] = rate

    def reset_config(self, new_config):
        self.begin(new_config)
        return True


def version():
    return ray.__version__


def _sleep(config):
    time.sleep(config["sleep_s"])
    return {"value": config["x0"], "ended": time.monotonic()}


def throughput(workers, trials, sleep_s):
    """Trials per second of so many workers, from the first results to the last."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    space = {"sleep_s": sleep_s, **{f"x{i}": tune.uniform(0.0, 1.0) for i in range(10)}}
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(_sleep, {"cpu": 1}), param_space=space,
            tune_config=tune.TuneConfig(num_samples=trials, metric="value", mode="min"),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )  # fmt: skip
        ended = sorted(result.metrics["ended"] for result in tuner.fit())
    ray.shutdown()
    return {"trials": len(ended), "per_s": (len(ended) - workers) / (ended[-1] - ended[workers - 1])}


def population(data, width, batch, rates, epochs, every):
    """Seconds of the search, without those that Ray takes to start, and the best loss at its end."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    scheduler = PopulationBasedTraining(
        time_attr="training_iteration", metric="loss", mode="min", perturbation_interval=every, quantile_fraction=0.2,
        hyperparam_mutations={"learning_rate": tune.loguniform(1e-4, 1e-1)}, synch=True,
    )  # fmt: skip
    space = {"data": data, "width": width, "batch": batch, "learning_rate": tune.grid_search(rates)}
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(Training, {"cpu": 1}),
            param_space=space,
            tune_config=tune.TuneConfig(scheduler=scheduler, reuse_actors=True),
            run_config=tune.RunConfig(stop={"training_iteration": epochs}, verbose=0, storage_path=folder),
        )
        begun = time.monotonic()
        found = tuner.fit()
        seconds = time.monotonic() - begun
        losses = [result.metrics["loss"] for result in found if result.metrics and "loss" in result.metrics]
    ray.shutdown()
    return {"seconds": seconds, "loss": min(losses), "trials": len(losses)}


if __name__ == "__main__":
    question, arguments = sys.argv[1], json.loads(sys.argv[2])
    answer = {"version": version, "population": population, "throughput": throughput}[question](**arguments)
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
