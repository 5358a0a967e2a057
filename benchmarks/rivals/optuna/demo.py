"""Runs in Optuna's own environment: the demo in the plain PyTorch style of Optuna's examples, one fresh process.

The style is that of pytorch_simple.py in optuna-examples: an objective that suggests, builds, and goes round a
DataLoader, with the validation accuracy and a report after each epoch. Here the study lives in memory, nothing is
pruned, and the configurations are enqueued. One argument, as JSON: space, epochs, folder (data.npz and configs.json).
The answer, as JSON on the last line: CPU seconds, and of each trial its configuration and its last accuracy.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

IMPORTED_S = time.process_time()
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}


def fixed(trial):
    return 32, 128


def powers_of_two(trial):
    batch_size = trial.suggest_categorical("batch_size", [16, 32, 64, 128, 256])
    return batch_size, trial.suggest_categorical("hidden", [16, 32, 64, 128, 256, 512])


def full(trial):
    return trial.suggest_int("batch_size", 16, 256, log=True), trial.suggest_int("hidden", 16, 512, log=True)


def made_optimizer(trial, model, has_momentum):
    name = trial.suggest_categorical("optimizer", list(OPTIMIZERS))
    options = {"lr": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)}
    if has_momentum and name == "sgd":
        options["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    return OPTIMIZERS[name](model.parameters(), **options)


def trained(trial, shape, epochs, training, validation):
    """The accuracy after the last epoch. shape: of the trial, its batch size and width."""
    batch_size, hidden = shape(trial)
    model = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    optimizer, criterion = made_optimizer(trial, model, shape is fixed), nn.CrossEntropyLoss()
    train_loader = DataLoader(training, batch_size=batch_size, shuffle=True)
    valid_loader = DataLoader(validation, batch_size=batch_size)
    accuracy = 0.0
    for epoch in range(epochs):
        model.train()
        for data, target in train_loader:
            optimizer.zero_grad()
            criterion(model(data), target).backward()
            optimizer.step()
        model.eval()
        correct = 0
        with torch.no_grad():
            for data, target in valid_loader:
                correct += (model(data).argmax(dim=1) == target).sum().item()
        accuracy = correct / len(validation)
        trial.report(accuracy, epoch)
    return accuracy


def main(space, epochs, folder):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with np.load(Path(folder) / "data.npz") as stored:
        x, y, x_valid, y_valid = (torch.from_numpy(stored[name]) for name in ("x", "y", "x_valid", "y_valid"))
    training, validation = TensorDataset(x, y), TensorDataset(x_valid, y_valid)
    shape = {"fixed": fixed, "powers of two": powers_of_two, "full": full}[space]
    configs = json.loads((Path(folder) / "configs.json").read_text(encoding="utf-8"))
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    for config in configs:
        study.enqueue_trial(config)
    study.optimize(lambda trial: trained(trial, shape, epochs, training, validation), n_trials=len(configs))
    return {
        "lanes": 1, "cpu_s": time.process_time(), "import_cpu_s": IMPORTED_S,
        "configs": [trial.params for trial in study.trials], "accuracies": [trial.value for trial in study.trials],
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
