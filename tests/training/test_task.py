from __future__ import annotations

import copy
import sys
import types

import cloudpickle
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

import cotune.training as ct
from cotune.errors import MissingPackage, StorageError, TaskError

X, Y = torch.randn(20, 3), torch.arange(20) % 2


def task(**changes):
    given = {"model": lambda c: nn.Linear(3, 2), "data": (X, Y), "loss": nn.CrossEntropyLoss()}
    return ct.Task(**(given | changes))


class Items(Dataset):
    """A Dataset of its own making."""

    def __init__(self, n=20):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return X[i % 20], Y[i % 20]


class Endless(IterableDataset):
    def __iter__(self):
        yield X[0], Y[0]


with_nan = X.clone()
with_nan[2, 1] = with_nan[5, 0] = torch.nan

BAD = {
    "a module for a builder": ({"model": nn.Linear(3, 2)}, "model= got a module.*model=lambda c"),
    "no builder": ({"model": 3}, "model= must be a function"),
    "no loss": ({"loss": None}, "loss= must be a function"),
    "a class for a loss": ({"loss": nn.CrossEntropyLoss}, r"pass an object: CrossEntropyLoss\(\)"),
    "an unreduced loss": ({"loss": nn.MSELoss(reduction="none")}, "reduction='mean'"),
    "a misspelled metric": ({"metrics": ["acuracy"]}, "Did you mean 'accuracy'"),
    "an unknown metric": ({"metrics": ["zzz"]}, "Names are loss, accuracy"),
    "no metrics": ({"metrics": []}, "takes a list of names or callables"),
    "a number for metrics": ({"metrics": 3}, "takes a list of names or callables"),
    "a number among metrics": ({"metrics": ["f1", 3]}, "takes names and callables, got 3"),
    "a metric twice": ({"metrics": ["f1", "f1"]}, "distinct names"),
    "zero epochs": ({"epochs": 0}, "epochs= must be an integer of at least 1, got 0"),
    "half an epoch": ({"epochs": 1.5}, "epochs= must be an integer"),
    "epochs as a truth value": ({"epochs": True}, "epochs= must be an integer"),
    "negative workers": ({"num_workers": -1}, "num_workers= must be an integer of at least 0"),
    "an optimizer's name": ({"optimizer": "adam"}, "optimizer= must be a function"),
    "a schedule's name": ({"schedule": "cosine"}, "schedule= must be a function"),
    "a step that is none": ({"step": 1}, "step= must be a function"),
    "amp with a step": ({"step": lambda *a: None, "amp": True}, "amp=True has no effect"),
    "amp that is not a truth value": ({"amp": "yes"}, "amp= must be True or False"),
    "a common word for CUDA": ({"device": "gpu"}, "device= does not name.*Did you mean 'cuda'"),
    "a misspelled device": ({"device": "cdua"}, "device= does not name.*Did you mean 'cuda'"),
    "a validation share of 1": ({"validation": 1}, "validation= needs a share"),
    "no validation": ({"validation": None}, "validation= needs a share"),
    "a test share above 1": ({"test": 20}, "test= needs a share"),
    "a test of the wrong type": ({"test": "x"}, "test= takes"),
    "a list of numbers": ({"data": [1, 2, 3]}, r"data\[0\] must be a tensor or a NumPy array, got int"),
    "no target": ({"data": (X,)}, "needs inputs and a target"),
    "data of no known form": ({"data": 5}, "data= takes .x, y. tensors.*got int"),
    "unequal lengths": ({"data": (X, Y[:-1])}, r"unequal lengths: \[20, 19\]"),
    "empty data": ({"data": (X[:0], Y[:0])}, "data= is empty"),
    "an empty Dataset": ({"data": Items(0)}, "data= is an empty"),
    "a Dataset without a length": ({"data": Endless()}, "needs a Dataset with a length"),
    "NaN in features": ({"data": (with_nan, Y)}, r"data\[0\] has 2 NaN or infinite values of 60"),
    "infinite targets": ({"data": (X, X[:, 0] / 0)}, r"data\[1\] has 20 NaN or infinite"),
    "text": ({"data": (np.array(["a", "b"]), np.array([0, 1]))}, "dtype <U1"),
    "objects": ({"data": (np.array([{}, {}]), np.array([0, 1]))}, "dtype object"),
    "a number for features": ({"data": (torch.tensor(1.0), Y)}, "first dimension must count"),
    "a dict without target": ({"data": {"x": X}}, "it has 'x'. Put the target under 'target'"),
    "a dict without inputs": ({"data": {"y": Y}}, "no inputs"),
    "a pair and a validation": ({"data": ((X, Y), (X, Y)), "validation": 0.3}, "is a pair .train, validation."),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_trained_is_refused_when_the_task_is_made(name):
    changes, message = BAD[name]
    with pytest.raises(TaskError, match=message):
        task(**changes)


RUN = {
    "a builder without a module": ({"model": lambda c: 3}, {}, "must return a torch.nn.Module, got int"),
    "an optimizer that is none": ({"optimizer": lambda p, c: 3}, {}, "must return a torch.optim.Optimizer"),
    "a schedule that is none": ({"schedule": lambda o, c: 3}, {}, "must return a torch.optim.lr_scheduler"),
    "an unknown optimizer": ({}, {"optimizer": "lion"}, "use one of sgd, adam, adamw, rmsprop"),
    "an unknown schedule": ({}, {"schedule": "steps"}, "use one of constant, cosine, linear, onecycle, wsd"),
    "a final share below 0": ({}, {"schedule": "linear", "final_share": -0.1}, "'final_share'. is a share"),
    "a warmup above 1": ({}, {"schedule": "cosine", "warmup": 3}, "'warmup'. is a share"),
    "a batch size of 0": ({}, {"batch_size": 0}, "'batch_size'. must be an integer of at least 1"),
    "a batch size with decimals": ({}, {"batch_size": 16.5}, "'batch_size'. must be an integer"),
    "too many epochs": ({"epochs": 2}, {"epochs": 3}, r"at most Task\(epochs=2\), got 3"),
    "no data at all": ({}, {"data_fraction": 0}, r"'data_fraction'. must be a share in \(0, 1\]"),
    "smoothing that the loss lacks": (
        {"loss": nn.functional.cross_entropy},
        {"label_smoothing": 0.1},
        "'label_smoothing'. needs a loss with that attribute",
    ),
    "nothing to train": ({"model": lambda c: nn.Identity()}, {}, "without trainable parameters"),
    "a step without a loss": ({"step": lambda model, batch, optimizer, c: None}, {}, "step= must return the loss"),
}


@pytest.mark.parametrize("name", RUN)
def test_what_cannot_be_run_is_refused(name):
    changes, config, message = RUN[name]
    with pytest.raises(TaskError, match=message):
        ct.fit(task(**changes), config)


def test_the_objective_is_the_first_metric_with_its_direction():
    assert task(metrics=["f1", "loss"]).objective == ("f1", True)
    assert task().objective == ("loss", False)


def test_the_direction_of_a_callable_is_unknown():
    def gap(output, target):
        return 0.0

    assert task(metrics=[gap]).objective == ("gap", None)


def test_numpy_data_become_float32_and_int64():
    t = task(data=(X.double().numpy(), Y.numpy().astype(np.uint8)))
    samples = t.splits(seed=0, split_seed=0, device=torch.device("cpu")).train.samples
    assert (samples.inputs[0].dtype, samples.target.dtype) == (torch.float32, torch.int64)


def test_tensors_are_moved_once_per_device():
    t = task()
    one, two = (t.splits(seed=s, split_seed=0, device=torch.device("cpu")).train.samples for s in (0, 1))
    assert one is two
    assert one.inputs[0].data_ptr() == X.data_ptr()


FORMS = {
    "arrays": (X.numpy(), Y.numpy()),
    "a TensorDataset": TensorDataset(X, Y),
    "a Dataset": Items(),
    "a dict": {"input": X, "label": Y},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_gives_the_same_numbers(form):
    expected = ct.fit(task(epochs=2, metrics=["accuracy"], validation=(X, Y)), {}).curve
    assert ct.fit(task(epochs=2, metrics=["accuracy"], validation=(X, Y), data=FORMS[form]), {}).curve == expected


@pytest.mark.parametrize("train", FORMS.values(), ids=FORMS)
def test_a_pair_is_training_and_validation_data(train):
    other = (X[:8].clone(), Y[:8].clone())
    held = TensorDataset(*other) if isinstance(train, Dataset) else other
    curve = ct.fit(task(epochs=2, data=(train, held)), {}).curve
    assert curve == ct.fit(task(epochs=2, validation=other), {}).curve


def test_several_inputs_are_given_in_order():
    class Sum(nn.Linear):
        def forward(self, a, b):
            assert a.shape[1:] == (3,)
            assert b.shape[1:] == (1,)
            return super().forward(a + b)

    ct.fit(task(model=lambda c: Sum(3, 2), data=(X, X[:, :1], Y), epochs=1), {})


def test_named_inputs_are_given_by_name():
    class Named(nn.Linear):
        def forward(self, *, right, left):
            return super().forward(left - right)

    ct.fit(task(model=lambda c: Named(3, 2), data={"left": X, "right": X * 2, "y": Y}, epochs=1), {})


def test_a_dataset_may_be_read_by_worker_processes():
    alone = ct.fit(task(data=Items(), epochs=1), {}).curve
    assert ct.fit(task(data=Items(), epochs=1, num_workers=1), {}).curve == alone


def test_a_dataset_with_targets_is_split_by_class():
    data = Items()
    data.targets = Y.tolist()
    splits = task(data=data, validation=0.5).splits(seed=0, split_seed=0, device=torch.device("cpu"))
    assert Y[splits.validation.rows].sum() == 5


def test_a_task_survives_being_sent_to_another_process():
    t = task(epochs=1)
    expected = ct.fit(t, {}).curve
    assert ct.fit(cloudpickle.loads(cloudpickle.dumps(t)), {}).curve == expected  # noqa: S301 - our own bytes


@pytest.mark.parametrize("target", [Y, Y.float(), Y.float().unsqueeze(1), Y.unsqueeze(1)])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_binary_training_takes_one_logit_column_in_any_usual_shape(target, shape):
    class One(nn.Linear):
        def forward(self, x):
            return super().forward(x).reshape(shape)

    t = task(model=lambda c: One(3, 1), data=(X, target), loss=nn.BCEWithLogitsLoss(), metrics=["auc", "f1"], epochs=2)
    result = ct.fit(t, {}, seed=1)
    assert 0 <= result.metrics["auc"] <= 1


def test_regression_targets_do_not_broadcast_against_one_output_column():
    t = task(model=lambda c: nn.Linear(3, 1), data=(X, X.sum(1)), loss=nn.MSELoss(), metrics=["mse", "r2"], epochs=40)
    result = ct.fit(t, {"learning_rate": 0.1, "batch_size": 4})
    assert result.metrics["mse"] == pytest.approx(result.metrics["loss"])
    assert result.metrics["r2"] > 0.99


def test_the_bundled_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    x, y = ct.data.digits()
    expected = load_digits()
    assert np.array_equal(x.numpy() * 16, expected.data)
    assert np.array_equal(y.numpy(), expected.target)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)


def test_mnist_without_torchvision_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(MissingPackage, match=r"cotune\[vision\]"):
        ct.data.mnist(tmp_path)


def test_mnist_that_cannot_be_downloaded_is_an_error(monkeypatch, tmp_path):
    def unreachable(*args, **kwargs):
        raise RuntimeError("Error downloading train-images")

    module = types.ModuleType("torchvision.datasets")
    module.MNIST = unreachable
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    with pytest.raises(StorageError, match="could not download"):
        ct.data.mnist(tmp_path)


def test_a_loss_with_a_state_is_not_shared_between_runs():
    loss = nn.CrossEntropyLoss()
    before = copy.deepcopy(loss.__dict__)
    ct.fit(task(loss=loss, epochs=1), {"label_smoothing": 0.3})
    assert loss.label_smoothing == before["label_smoothing"] == 0.0
