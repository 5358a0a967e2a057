"""After a population is dissolved its runs are ordinary ones again."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cotune.training import Isolated
from cotune.training.fused import Population
from training.fused.lanes import apart, gap, mlp, normed, runs, task, together

OPTIMIZERS = [
    {"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "adam"}, {"optimizer": "adamw"},
    {"optimizer": "rmsprop"}, {"optimizer": "rmsprop", "momentum": 0.9},
]  # fmt: skip


def tensors(run):
    loss = run.forward.criterion.loss
    yield from (*run.model.parameters(), *run.model.buffers(), *loss.parameters(), *loss.buffers())
    for state in run.optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, torch.Tensor))


@pytest.mark.parametrize("options", OPTIMIZERS, ids=lambda o: " ".join(map(str, o.values())))
def test_released_runs_own_their_tensors(options):
    t = task(normed, loss=nn.CrossEntropyLoss(torch.ones(10)))
    with Isolated() as isolated:
        members = runs(t, [options] * 3, isolated)
        together(members, range(2))
        stored = [tensor.untyped_storage() for run in members for tensor in tensors(run)]
        sizes = [tensor.numel() * tensor.element_size() for run in members for tensor in tensors(run)]
    assert len({storage.data_ptr() for storage in stored}) == len(stored)
    assert [storage.nbytes() for storage in stored] == sizes


class Idle(nn.Module):
    """One layer has no gradient, and one parameter has no numbers."""

    def __init__(self, width):
        super().__init__()
        self.body, self.head, self.idle = nn.Linear(64, width), nn.Linear(width, 10), nn.Linear(3, 3)
        self.nothing = nn.Parameter(torch.empty(0))

    def forward(self, x):
        return self.head(F.relu(self.body(x))) + self.nothing.sum()


@pytest.mark.parametrize("model", [mlp, lambda c: Idle(7), lambda c: Idle(70)], ids=["mlp", "idle", "idle and wide"])
@pytest.mark.parametrize("options", OPTIMIZERS, ids=lambda o: " ".join(map(str, o.values())))
def test_released_runs_have_the_optimiser_states_of_plain_ones(options, model):
    with Isolated() as isolated:
        t = task(model, precise=True)
        ours, theirs = (runs(t, [options] * 2, isolated, precise=True) for _ in range(2))
        together(ours, range(2))
        apart(theirs, range(2))
    for mine, their in zip(ours, theirs, strict=True):
        one, other = mine.optimizer.state_dict(), their.optimizer.state_dict()
        assert one["param_groups"] == other["param_groups"]
        assert one["state"].keys() == other["state"].keys()
        for key, state in one["state"].items():
            assert {n: (v.shape, v.dtype) for n, v in state.items()} == {
                n: (v.shape, v.dtype) for n, v in other["state"][key].items()
            }
            assert all(torch.allclose(v, other["state"][key][n], atol=1e-9) for n, v in state.items())


@pytest.mark.parametrize("options", OPTIMIZERS, ids=lambda o: " ".join(map(str, o.values())))
def test_plain_training_goes_on_where_lanes_stopped_and_lanes_where_it_did(options):
    t = task(precise=True)
    configs = [{**options, "learning_rate": rate, "schedule": "cosine"} for rate in (0.01, 0.003)]
    with Isolated() as isolated:
        ours, theirs = (runs(t, configs, isolated, precise=True) for _ in range(2))
        together(ours, range(2))
        apart(ours, range(2, 4))
        together(ours, range(4, 6))
        apart(theirs, range(6))
    assert gap(ours, theirs) <= (1e-9 if options["optimizer"] == "rmsprop" else 1e-12)


def test_the_best_weights_are_those_of_separate_training():
    t, configs = task(precise=True), [{"learning_rate": rate} for rate in (0.1, 0.03, 0.3)]
    with Isolated() as isolated:
        ours, theirs = (runs(t, configs, isolated, precise=True) for _ in range(2))
        together(ours, range(6))
        apart(theirs, range(6))
    for mine, their in zip(ours, theirs, strict=True):
        assert (mine.best.epoch, mine.best.value) == (their.best.epoch, their.best.value)
        assert all(torch.allclose(w, their.best.weights[name]) for name, w in mine.best.weights.items())


def test_while_they_are_lanes_runs_show_what_was_trained_last():
    with Isolated() as isolated:
        run, other = runs(task(), [{}, {}], isolated)
        population = Population([run, other])
        seen = [run.model[0].weight.detach().clone()]
        for batch in itertools.islice(population.begin([0, 0]), 2):
            population.step(batch)
            seen.append(run.model[0].weight.detach().clone())
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])
