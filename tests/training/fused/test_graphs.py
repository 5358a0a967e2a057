"""A population whose work is done by graphs trains to the bits of one that does without.

Graphs are CUDA's. An imitation keeps their rules on any device: what goes in is read where it was when the work was
captured, what comes out is written where it came out then. The last tests use real ones, where there is a GPU.
"""

from __future__ import annotations

import pytest
import torch

from cotune.training import Isolated
from cotune.training.fused import Form, Population, blocks
from cotune.training.fused.graphs import Graphs
from cotune.training.fused.optimizers import LaneOptimizer
from cotune.training.fused.passes import Recordings
from cotune.training.fused.tape import Tape
from training.fused.lanes import MODELS, bits, mlp, runs, task
from training.fused.test_passes import CUT, EXACT, configs_of, of

EPOCHS = range(5)  # of five or more steps


def imitated(work):
    """Notes which calls are made on which memory, and makes them again: no code runs any more."""
    with torch.no_grad(), Tape([]) as tape:
        made = [tensor.clone() for tensor in work()]
    again = tape.replay(made)

    def launch():
        for place, tensor in zip(made, again(), strict=True):
            place.copy_(tensor)

    return launch, made


def absent(work):
    raise RuntimeError("operation not permitted when stream is capturing")


def lying(work):
    launch, made = imitated(work)

    def wrong():
        launch()
        for tensor in made:
            tensor.add_(1)

    return wrong, made


def hasty(work):
    launch, made = imitated(work)

    def twice():
        launch()
        launch()

    return twice, made


def trained(t, configs, form: Form, epochs=EPOCHS):
    """The bits of each run, its curve, and how many graphs there were."""
    with Isolated() as isolated:
        members = runs(t, configs, isolated)
        population = Population(members, form, recordings=Recordings(often=3))
        curves = [population.train_epoch([epoch] * len(members)) for epoch in epochs]
        population.release()
        return list(map(bits, members)), repr(curves), population.n_graphs


@pytest.fixture
def by(monkeypatch):
    """Makes populations work by graphs that are captured in some way."""

    monkeypatch.setattr(blocks, "_root", lambda square, result: lambda: torch.sqrt(square, out=result))  # as on a GPU

    def set_to(capture):
        monkeypatch.setattr(
            blocks, "_root", lambda square, result: lambda: torch.sqrt(square, out=result)
        )  # not NumPy's
        monkeypatch.setattr(Graphs, "on", staticmethod(lambda device: Graphs(capture)))

    return set_to


@pytest.mark.parametrize(
    ("name", "form", "sizes"),
    [
        *((name, EXACT, (16, 16, 16)) for name in MODELS),
        *((name, CUT, (8, 48, 32)) for name in ("mlp", "cnn", "gru", "one_output")),
    ],
)
def test_graphs_have_the_bits_of_the_work_itself(by, name, form, sizes):
    t = of(name)
    configs = configs_of(t, sizes)
    *expected, n_graphs = trained(t, configs, form)
    assert n_graphs == 0
    by(imitated)
    *found, n_graphs = trained(t, configs, form)
    assert found == expected
    assert n_graphs >= 1


def test_the_updates_of_every_optimiser_are_graphs_too(by):
    by(imitated)
    t = task(mlp)
    *_, n_graphs = trained(t, configs_of(t, (16,) * 3), EXACT)
    assert n_graphs == 1 + 3


@pytest.mark.parametrize("capture", [absent, lying, hasty], ids=lambda capture: capture.__name__)
def test_what_cannot_be_captured_or_does_something_else_is_done_as_ever(by, capture):
    t = of("normed")
    configs = configs_of(t, (16,) * 3)
    *expected, _ = trained(t, configs, EXACT)
    tried = []
    by(lambda work: (tried.append(work), capture(work))[1])
    *found, n_graphs = trained(t, configs, EXACT)
    assert found == expected
    assert n_graphs == 0
    assert len(tried) == 1  # and its gradients are never in the same places again, so no update is tried


def decaying(optimizer, config):
    """Weight decay begins after some epochs."""

    def rate(epoch):
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.1 if epoch >= 6 else 0.0
        return 1.0

    return torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def test_weight_decay_that_begins_later_counts(by):
    t = task(mlp, schedule=decaying)
    configs = [{"optimizer": "sgd", "learning_rate": 0.05 * (1 + lane)} for lane in range(3)]
    *expected, _ = trained(t, configs, EXACT, range(10))
    by(imitated)
    *found, n_graphs = trained(t, configs, EXACT, range(10))
    assert found == expected
    assert n_graphs == 1 + 2


def test_a_layer_that_has_a_gradient_in_some_updates_only(by):
    """In the same places, with and without."""
    lanes = [torch.nn.Linear(3, 2) for _ in range(2)]
    optimizers = [torch.optim.SGD(lane.parameters(), lr=0.1) for lane in lanes]
    names = [dict((p, name) for name, p in lane.named_parameters()) for lane in lanes]
    stacked = {
        name: torch.stack([dict(lane.named_parameters())[name].detach() for lane in lanes])
        for name in names[0].values()
    }
    before = stacked["bias"].clone()
    graphs = Graphs(imitated)
    optimizer = LaneOptimizer(("sgd", False, False), optimizers, names, stacked, slice(0, 2), graphs)
    gradients = {name: torch.ones_like(value) for name, value in stacked.items()}
    for at in range(40):
        optimizer.step([True, True], gradients if at % 2 else {"weight": gradients["weight"]})
    assert graphs.n_used == 2
    assert torch.allclose(stacked["bias"], before - 0.1 * 20)


def test_work_that_is_always_elsewhere_is_captured_a_few_times_only():
    tried = []
    graphs = Graphs(lambda work: (tried.append(work), imitated(work))[1])
    held = [torch.zeros(1) for _ in range(50)]
    for total in held:
        for _ in range(10):
            graphs("double", doubled, [total], [torch.ones(1)], [total])
    assert [total.item() for total in held] == [10.0] * 50
    assert len(tried) == graphs.n_used == 4


def test_too_little_memory_for_a_comparison_is_no_failure(monkeypatch):
    graphs, total = Graphs(imitated), torch.zeros(1)
    clone = torch.Tensor.clone

    def small(self, *args, **kwargs):
        if self is total:
            raise torch.OutOfMemoryError
        return clone(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "clone", small)
    for _ in range(20):
        graphs("double", doubled, [total], [torch.ones(1)], [total])
    assert total.item() == 20.0
    assert graphs.n_used == 0


def doubled(total, x):
    total.add_(x)
    return [total * 2]


def test_tensors_that_come_anew_are_copied_and_those_that_stay_are_not():
    graphs, total = Graphs(imitated), torch.zeros(2)
    sums = [graphs("double", doubled, [total], [torch.full((2,), float(n))], [total])[0].tolist() for n in range(20)]
    assert sums == [[float(n * (n + 1))] * 2 for n in range(20)]
    assert total.tolist() == [190.0] * 2
    assert graphs.n_used == 1


def test_another_place_or_shape_is_other_work():
    graphs = Graphs(imitated)
    for total, x in [(torch.zeros(2), torch.ones(2)), (torch.zeros(2), torch.ones(1)), (torch.zeros(2), torch.ones(2))]:
        for n in range(20):
            assert graphs("double", doubled, [total], [x], [total])[0].tolist() == [2.0 * (n + 1)] * 2
    assert graphs.n_used == 3


def test_results_that_are_never_in_the_same_place_are_not_counted_for_ever():
    graphs = Graphs(imitated)
    held = [torch.zeros(1) for _ in range(2000)]
    for total in held:
        graphs("double", doubled, [total], [torch.ones(1)], [total])
    assert graphs.n_used == 0
    assert len(graphs._seen) <= 257


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["mlp", "normed", "cnn", "transformer"])
def test_cuda_graphs_have_the_bits_of_the_work_itself(monkeypatch, name):
    t = of(name, device="cuda")
    configs = configs_of(t, (16,) * 3)
    *found, n_graphs = trained(t, configs, EXACT)
    torch.rand(1, device="cuda")  # its generator does not believe to be captured
    monkeypatch.setattr(Graphs, "on", staticmethod(lambda device: None))
    *expected, _ = trained(t, configs, EXACT)
    assert found == expected
    assert n_graphs >= 1


@pytest.mark.gpu
def test_work_that_waits_for_the_device_is_not_captured():
    graphs, total = Graphs.on(torch.device("cuda")), torch.zeros(1, device="cuda")

    def waiting(total, x):
        total.add_(x if total.item() >= 0 else -x)
        return [total * 2]

    for _ in range(20):
        graphs("wait", waiting, [total], [torch.ones(1, device="cuda")], [total])
    assert total.item() == 20.0
    assert graphs.n_used == 0
    torch.rand(1, device="cuda")
