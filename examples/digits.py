"""Tune a small network on the bundled digits.

python examples/digits.py
cotune run examples/digits.py:study --trials 20
"""

from torch import nn

import cotune as ct

task = ct.Task(
    model=lambda c: nn.Sequential(nn.Linear(64, c.hidden), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(c.hidden, 10)),
    data=ct.data.digits(),
    loss=nn.CrossEntropyLoss(),
    metrics=["accuracy", "f1", "auc"],  # the first one is the objective
    epochs=30,
    validation=0.2,
    test=0.2,  # sealed: the search never sees it
)
space = ct.Space(
    optimizer=["sgd", "adam", "rmsprop"],
    learning_rate=ct.Float(1e-4, 1e-1, log=True),
    momentum=ct.Float(0.0, 0.99, when={"optimizer": "sgd"}),
    batch_size=[16, 32, 64, 128, 256],
    hidden=ct.Int(16, 512, log=True),
    dropout=ct.Float(0.0, 0.6),
)
study = ct.Study(task, space, path="runs/digits", seed=0)

if __name__ == "__main__":
    study.optimize(trials=100)
    print(study.best)
    print("on the sealed test set:", study.best.test())
