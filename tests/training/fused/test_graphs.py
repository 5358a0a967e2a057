"""A population whose work is done by graphs trains to the bits of one that does without.

Graphs are CUDA's. An imitation keeps their rules on any device: what goes in is read where it was when the work was
captured, what comes out is written where it came out then. The last tests use real ones, where there is a GPU.
"""

from __future__ import annotations

import pytest
import torch

from cotune.training import Isolated
from cotune.training.fused import Form, Population
from cotune.training.fused.graphs import Graphs
from cotune.training.fused.passes import Recordings
from training.fused.lanes import MODELS, bits, mlp, runs, task
from training.fused.test_passes import CUT, EXACT, configs_of, of

EPOCHS = range(5)  # of five or more steps


def imitated(work):
    made = [tensor.clone() for tensor in work()]

    def launch():
        for place, tensor in zip(made, work(), strict=True):
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


def trained(t, configs, form: Form):
    """The bits of each run, its curve, and how many graphs there were."""
    with Isolated() as isolated:
        members = runs(t, configs, isolated)
        population = Population(members, form, recordings=Recordings(often=3))
        curves = [population.train_epoch([epoch] * len(members)) for epoch in EPOCHS]
        population.release()
        return list(map(bits, members)), repr(curves), population.n_graphs


@pytest.fixture
def by(monkeypatch):
    """Makes populations work by graphs that are captured in some way."""

    def set_to(capture):
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


def doubled(total, x):
    total.add_(x)
    return [total * 2]


def test_tensors_that_come_anew_are_copied_and_those_that_stay_are_not():
    graphs, total = Graphs(imitated), torch.zeros(2)
    sums = [graphs("double", doubled, [total], [torch.full((2,), float(n))], [total])[0].tolist() for n in range(20)]
    assert sums == [[float(n * (n + 1))] * 2 for n in range(20)]
    assert total.tolist() == [190.0] * 2
    assert len(graphs) == 1


def test_another_place_or_shape_is_other_work():
    graphs = Graphs(imitated)
    for total, x in [(torch.zeros(2), torch.ones(2)), (torch.zeros(2), torch.ones(1)), (torch.zeros(2), torch.ones(2))]:
        for n in range(20):
            assert graphs("double", doubled, [total], [x], [total])[0].tolist() == [2.0 * (n + 1)] * 2
    assert len(graphs) == 3


def test_results_that_are_never_in_the_same_place_are_not_counted_for_ever():
    graphs = Graphs(imitated)
    held = [torch.zeros(1) for _ in range(2000)]
    for total in held:
        graphs("double", doubled, [total], [torch.ones(1)], [total])
    assert len(graphs) == 0
    assert len(graphs._seen) <= 257


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["mlp", "normed", "cnn", "transformer"])
def test_cuda_graphs_have_the_bits_of_the_work_itself(monkeypatch, name):
    t = of(name, device="cuda")
    configs = configs_of(t, (16,) * 3)
    *found, n_graphs = trained(t, configs, EXACT)
    monkeypatch.setattr(Graphs, "on", staticmethod(lambda device: None))
    *expected, _ = trained(t, configs, EXACT)
    assert found == expected
    assert n_graphs >= 1
