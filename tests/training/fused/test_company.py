"""In single precision a lane has the same bits whatever trains beside it, and however often lanes come and go."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from cotune.training import Isolated
from cotune.training.checkpoint import decode
from cotune.training.fused import Population
from training.fused.lanes import MODELS, Tempered, bits, mlp, normed, odd, runs, task, together, wide

N_LANES = 16
OPTIMIZERS = ("sgd", "adam", "rmsprop")


def config(lane):
    """Lanes differ in all that lanes may differ in."""
    return {
        "optimizer": OPTIMIZERS[lane % 3],
        "learning_rate": 0.002 * (1 + lane),
        "weight_decay": 0.001 * (lane % 4),
        "momentum": 0.1 * (lane % 6 // 3),  # none, or some
        "beta1": 0.9 - 0.01 * lane,
        "label_smoothing": 0.01 * (lane % 5),
        "dropout": 0.05 + 0.01 * lane,
        "schedule": ("cosine", "constant")[lane % 2],
        **({"grad_clip": 0.3 + 0.1 * lane} if lane % 2 else {}),
    }


CONFIGS = [config(lane) for lane in range(3 * N_LANES)]


def squared(output, target):
    return nn.functional.mse_loss(output.squeeze(-1), target.float())


def task_of(name, **more):
    if name == "one_output":
        return task(MODELS[name], loss=squared, metrics="loss", **more)
    return task(MODELS[name], **more)


def after(t, chosen, n_epochs=2):
    """Lane -> its bits after it was trained in the company of the others chosen."""
    with Isolated() as isolated:
        every = [runs(t, [without_smoothing(t, CONFIGS[lane])], isolated, first_seed=lane)[0] for lane in chosen]
        together(every, range(n_epochs))
        return dict(zip(chosen, map(bits, every), strict=True))


def without_smoothing(t, config):
    return config if isinstance(t.loss, nn.Module) else {n: v for n, v in config.items() if n != "label_smoothing"}


@pytest.mark.parametrize(
    ("name", "amp"), [*((name, False) for name in MODELS), *((name, True) for name in MODELS if name != "gru")]
)
def test_a_lane_has_the_same_bits_in_any_company(name, amp):
    t = task_of(name, amp=amp)
    whole = after(t, range(N_LANES))
    assert after(t, range(N_LANES)[::-1]) == whole
    for chosen in [(5, 2, 9), (0, 3, 6), (1, 14), (4,), (3,), (11,)]:
        assert after(t, chosen) == {lane: whole[lane] for lane in chosen}


@pytest.mark.parametrize("name", ["normed", "one_output"])
def test_lanes_of_one_optimiser_have_the_same_bits_in_any_company(name):
    t = task_of(name)
    for first in range(3):
        alike = range(first, 3 * N_LANES, 3)
        whole = after(t, alike)
        assert after(t, alike[2:4]) == {lane: whole[lane] for lane in alike[2:4]}
        assert after(t, alike[1:2]) == {lane: whole[lane] for lane in alike[1:2]}


@pytest.mark.parametrize("name", ["normed", "gru", "one_output"])
def test_a_lane_whose_neighbours_change_has_the_same_bits(name):
    t, lane = task_of(name), 1
    stayed = after(t, (lane, 7, 8), n_epochs=4)[lane]
    with Isolated() as isolated:
        (run,) = runs(t, [without_smoothing(t, CONFIGS[lane])], isolated, first_seed=lane)
        others = [runs(t, [without_smoothing(t, c)], isolated, first_seed=20 + i)[0] for i, c in enumerate(CONFIGS[:7])]
        companies = [others[:5], [others[5], others[2]], [], others[1:7]]
        ages = dict.fromkeys(others, 0)
        for epoch, company in enumerate(companies):
            members = [*company[:2], run, *company[2:]]
            population = Population(members)
            population.train_epoch([epoch if member is run else ages[member] for member in members])
            population.release()
            for member in company:
                ages[member] += 1
        assert bits(run) == stayed
    assert sorted(ages.values()) == [1, 1, 2, 2, 2, 2, 3]


def test_a_lane_that_was_saved_and_loaded_has_the_same_bits():
    t, chosen = task(normed), (0, 1, 2, 5, 9)
    stayed = after(t, chosen, n_epochs=3)
    with Isolated() as isolated:
        states = dict.fromkeys(chosen)
        for epoch in range(3):
            fresh = [runs(t, [CONFIGS[lane]], isolated, first_seed=lane)[0] for lane in chosen]
            for lane, run in zip(chosen, fresh, strict=True):
                if states[lane] is not None:
                    run.load_state_dict(decode(states[lane]))
            together(fresh, [epoch])
            states = dict(zip(chosen, map(bits, fresh), strict=True))
    assert states == stayed


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", [mlp, wide], ids=["narrow", "wide"])
def test_a_lane_that_diverges_changes_no_bit_of_the_others(model, optimizer):
    configs = [{"optimizer": optimizer, "learning_rate": 0.01 * (1 + lane), "grad_clip": 1.0} for lane in range(4)]
    del configs[2]["grad_clip"]
    t = task(model)
    with Isolated() as isolated:
        calm = runs(t, configs, isolated)
        together(calm, range(3))
        wild = runs(t, [*configs[:1], {**configs[1], "learning_rate": 1e12}, *configs[2:]], isolated)
        wild[1].max_norm = None
        with torch.no_grad():
            wild[1].model[0].weight.mul_(1e30)
        curve = together(wild, range(3))
    assert math.isnan(curve[1][-1]["loss"])
    assert [bits(run) for run in wild[:1] + wild[2:]] == [bits(run) for run in calm[:1] + calm[2:]]


def test_the_metrics_of_a_lane_are_the_same_in_any_order():
    t = task(normed)
    with Isolated() as isolated:
        ours, others = runs(t, CONFIGS[:4], isolated), runs(t, CONFIGS[:4], isolated)
        assert together(ours, range(2)) == together(others[::-1], range(2))[::-1]


def test_a_wide_layer_has_the_same_bits_in_any_company():
    t = task(lambda c: nn.Sequential(nn.Linear(64, 1200), nn.ReLU(), nn.Linear(1200, 10)))  # more than a block
    whole = after(t, (0, 1, 2, 3), n_epochs=1)
    for chosen in [(3, 1), (2,), (1,)]:
        assert after(t, chosen, n_epochs=1) == {lane: whole[lane] for lane in chosen}


def test_lanes_train_at_epochs_of_their_own():
    t = task(normed)
    with Isolated() as isolated:
        ours, others = runs(t, CONFIGS[:3], isolated), runs(t, CONFIGS[:3], isolated)
        population = Population(ours)
        for epochs in itertools.islice(zip(range(0, 2), range(5, 7), range(1, 3), strict=True), 2):
            population.train_epoch(epochs)
        population.release()
        for run, first in zip(others, (0, 5, 1), strict=True):
            together([run], range(first, first + 2))
    assert list(map(bits, ours)) == list(map(bits, others))


def same_in_three_companies(t):
    whole = after(t, range(33))
    return all(
        after(t, chosen) == {lane: whole[lane] for lane in chosen} for chosen in [(5, 2, 9), (7,), (32, 31, *range(17))]
    )


def test_odd_widths_have_the_same_bits_because_mkl_is_told_not_to_look_at_addresses():
    """In a fresh process: MKL reads what it is told before its first product."""
    script = "import torch; torch.set_num_threads(1); from training.fused import test_company as t; t.odd_widths()"
    paths = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    inherited = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    environment = {**inherited, "PYTHONPATH": os.pathsep.join(paths)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def odd_widths():
    assert same_in_three_companies(task(odd))


@pytest.mark.xfail(strict=True, reason="torch computes a function of a few numbers by other code than of many")
def test_a_function_of_a_single_learned_number_has_the_same_bits_in_any_company():
    assert same_in_three_companies(task(lambda c: Tempered()))
