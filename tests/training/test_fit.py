from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

import cotune.training as ct
from cotune import seeds
from cotune.config import Config
from cotune.errors import TaskError
from cotune.seeds import Purpose
from cotune.training import Isolated, Run
from cotune.training.checkpoint import decode, encode

X, Y = (part[:200] for part in ct.data.digits())
CPU = torch.device("cpu")


def network(c):
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(c.get("dropout", 0.0)), nn.Linear(16, 10))


def task(**changes):
    given = {"model": network, "data": (X, Y), "loss": nn.CrossEntropyLoss(), "metrics": ["accuracy"], "epochs": 4}
    return ct.Task(**(given | changes))


def run(t, config, epochs=(), state=None, **options):
    """The metrics of some epochs, and the state after them as bytes."""
    with Isolated() as isolated:
        made = Run(t, config, isolated=isolated, **options)
        if state is not None:
            made.load_state_dict(decode(state))
        curve = [made.train_epoch(epoch) for epoch in (epochs or range(made.epochs))]
        return curve, encode(made.state_dict())


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1, fused=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), weight_decay=0.1, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.99), weight_decay=0.1, fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_plain_loop_with_the_same_keys_gives_the_same_bits(name):
    config = {"optimizer": name, "learning_rate": 0.01, "momentum": 0.9, "beta1": 0.8, "beta2": 0.99}
    config |= {"weight_decay": 0.1, "dropout": 0.3, "grad_clip": 0.5}
    t = task(device="cpu")
    x, y = (part[t.splits(seed=7, split_seed=2, device=CPU).train.rows] for part in (X, Y))
    with Isolated():
        torch.manual_seed(seeds.integer(7, Purpose.INIT))
        model, loss = network(Config(config)), nn.CrossEntropyLoss()
        optimizer = OPTIMIZERS[name](model.parameters())
        for epoch in range(4):
            draw = torch.Generator().manual_seed(seeds.integer(7, Purpose.ORDER, epoch))
            torch.manual_seed(seeds.integer(7, Purpose.NOISE, epoch))
            for rows in torch.randperm(len(x), generator=draw).split(32):
                optimizer.zero_grad()
                loss(model(x[rows]), y[rows]).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
    ours = ct.fit(t, config, seed=7, split_seed=2).model
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear", "onecycle"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_a_run_resumed_after_any_epoch_ends_with_the_same_bits(optimizer, schedule, dropout):
    config = {"optimizer": optimizer, "schedule": schedule, "dropout": dropout, "momentum": 0.9, "warmup": 0.2}
    t = task()
    curve, final = run(t, config, seed=1)
    state = None
    for epoch in range(4):
        (metrics,), state = run(t, config, [epoch], state, seed=1)
        assert metrics == curve[epoch]
    assert state == final


def test_a_run_through_a_dataset_is_resumed_with_the_same_bits():
    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return 50

        def __getitem__(self, i):
            return X[i] + torch.randn(64), Y[i]

    t = task(data=Noisy())
    curve, final = run(t, {})
    assert run(t, {}, [2, 3], run(t, {}, [0, 1])[1]) == (curve[2:], final)


USERS = {
    "one cycle": lambda o, c: lr_scheduler.OneCycleLR(o, c.learning_rate, total_steps=20),
    "steps": lambda o, c: lr_scheduler.StepLR(o, 2),
    "plateau": lambda o, c: lr_scheduler.ReduceLROnPlateau(o, mode="max", patience=0),
    "sequence": lambda o, c: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 0.1, 2), lr_scheduler.ExponentialLR(o, 0.5)], [2]
    ),
}


@pytest.mark.parametrize("name", USERS)
def test_a_run_with_a_users_schedule_is_resumed_with_the_same_bits(name):
    t = task(schedule=USERS[name])
    curve, final = run(t, {"learning_rate": 0.01})
    state = run(t, {"learning_rate": 0.01}, [0, 1])[1]
    assert run(t, {"learning_rate": 0.01}, [2, 3], state) == (curve[2:], final)


def test_loading_a_state_leaves_the_state_as_it_was():
    with Isolated() as isolated:
        first = Run(task(), {}, isolated=isolated)
        first.train_epoch(0)
        state = copy.deepcopy(first.state_dict())
        before = encode(state)
        second = Run(task(), {}, isolated=isolated)
        second.load_state_dict(state)
        second.train_epoch(1)
    assert encode(state) == before


def test_the_same_arguments_give_the_same_curve_and_another_seed_does_not():
    curves = [ct.fit(task(), {}, seed=seed).curve for seed in (3, 3, 4)]
    assert curves[0] == curves[1] != curves[2]


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("cosine", [1, math.cos(math.pi / 8) ** 2, 0.5]),
        ("linear", [1, 0.75, 0.5]),
    ],
)
def test_named_schedules_step_per_batch_down_to_zero(name, factors):
    rates = []
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=2.0)
    scheduler = ct.schedules.named(optimizer, Config({"schedule": name}), 4)
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[:3] == pytest.approx([2 * f for f in factors])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("cosine", [1.0, 0.6, 0.2]),
        ("linear", [1.0, 0.6, 0.2]),
        ("wsd", [1.0, 1.0, 0.2]),
    ],
)
def test_a_share_of_the_rate_is_left_at_the_end(name, factors):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ct.schedules.named(optimizer, Config({"schedule": name, "final_share": 0.2}), 10)
    rates = []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[::5] == pytest.approx(factors)
    assert name != "wsd" or rates[8:] == pytest.approx([1.0, 0.6, 0.2])


def test_warmup_rises_linearly_to_the_full_rate():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ct.schedules.named(optimizer, Config({"warmup": 0.5}), 8)
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_onecycle_begins_peaks_and_ends_where_torch_does():
    def rates(make):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = make(optimizer)
        found = []
        for _ in range(100):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return found

    ours = rates(lambda o: ct.schedules.named(o, Config({"schedule": "onecycle"}), 101))
    torchs = rates(lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=101))
    assert ours[0] == pytest.approx(torchs[0])
    assert max(ours) == pytest.approx(max(torchs), abs=1e-3)
    assert ours == pytest.approx(torchs, abs=0.03)


def test_a_constant_schedule_needs_no_scheduler():
    assert ct.schedules.named(torch.optim.SGD([nn.Parameter(torch.zeros(1))]), Config({}), 10) is None


@pytest.mark.parametrize(("name", "n"), [("one cycle", 20), ("steps", 4)])
def test_a_users_schedule_steps_per_batch_only_if_it_counts_batches(name, n):
    with Isolated() as isolated:
        made = Run(task(schedule=USERS[name]), {"learning_rate": 0.01}, isolated=isolated)
        for epoch in range(4):
            made.train_epoch(epoch)
    assert made.scheduler.last_epoch == n


def test_the_validation_loss_is_the_mean_over_unequal_batches():
    class Items(torch.utils.data.Dataset):
        def __len__(self):
            return 50

        def __getitem__(self, i):
            return X[i], Y[i]

    t = task(validation=Items(), epochs=1)
    result = ct.fit(t, {"batch_size": 7})
    with torch.no_grad():
        expected = nn.functional.cross_entropy(result.model(X[:50]), Y[:50]).item()
    assert result.metrics["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_summed_loss_is_reported_per_sample():
    mean, total = (
        ct.fit(task(loss=nn.CrossEntropyLoss(reduction=r), epochs=1), {"learning_rate": 0.0}).metrics
        for r in ("mean", "sum")
    )
    assert total == pytest.approx(mean, rel=1e-5)


def test_the_best_epoch_keeps_a_copy_of_its_weights():
    with Isolated() as isolated:
        made = Run(
            task(metrics=["loss"], epochs=6),
            {"learning_rate": 0.3, "optimizer": "sgd", "momentum": 0.97},
            isolated=isolated,
        )
        losses = []
        for epoch in range(6):
            losses.append(made.train_epoch(epoch)["loss"])
        assert made.best.epoch == losses.index(min(losses))
        assert made.best.value == min(losses)
        made.model.load_state_dict(made.best.weights)
        assert made.evaluate()["loss"] == min(losses)


def test_no_best_epoch_is_kept_without_a_direction():
    def gap(output, target):
        return 1.0

    with Isolated() as isolated:
        made = Run(task(metrics=[gap]), {}, isolated=isolated)
        made.train_epoch(0)
    assert made.best is None


def test_a_diverging_run_returns_nan_and_is_never_best():
    with Isolated() as isolated:
        made = Run(task(metrics=["loss"]), {"optimizer": "sgd", "learning_rate": 1e30}, isolated=isolated)
        assert math.isnan(made.train_epoch(0)["loss"])
    assert made.best is None


def test_a_last_batch_of_one_sample_is_left_out():
    t = task(
        model=lambda c: nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)),
        validation=(X, Y),
        data=(X[:33], Y[:33]),
    )
    with Isolated() as isolated:
        assert Run(t, {"batch_size": 32}, isolated=isolated).n_batches == 1
    ct.fit(t, {"batch_size": 32})


def test_epochs_and_the_share_of_data_are_read_from_the_configuration():
    with Isolated() as isolated:
        made = Run(task(), {"epochs": 2, "data_fraction": 0.5, "batch_size": 8}, isolated=isolated)
    assert (made.epochs, made.n_batches) == (2, 10)


def test_label_smoothing_changes_the_loss():
    smoothed, plain = (ct.fit(task(epochs=1), c).metrics["loss"] for c in ({"label_smoothing": 0.2}, {}))
    assert smoothed != plain


def test_a_loss_may_read_the_configuration():
    def weighted(output, target, config):
        return nn.functional.cross_entropy(output, target) * config.factor

    one, two = (
        ct.fit(task(loss=weighted, epochs=1), {"factor": f, "learning_rate": 0.0}).metrics["loss"] for f in (1, 2)
    )
    assert two == pytest.approx(2 * one)


def test_a_step_replaces_the_training_step():
    def step(model, batch, optimizer, config):
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    assert ct.fit(task(step=step), {}).curve == ct.fit(task(), {}).curve


def test_a_step_gets_named_inputs_as_a_dict():
    seen = []

    def step(model, batch, optimizer, config):
        seen.append(set(batch))
        return torch.zeros(())

    class Named(nn.Linear):
        def forward(self, pixels):
            return super().forward(pixels)

    ct.fit(task(model=lambda c: Named(64, 10), data={"pixels": X, "label": Y}, step=step, epochs=1), {})
    assert seen[0] == {"pixels", "target"}


def test_a_users_optimizer_is_used():
    t = task(optimizer=lambda params, c: torch.optim.Adagrad(params, lr=c.learning_rate))
    with Isolated() as isolated:
        assert isinstance(Run(t, {"learning_rate": 0.1}, isolated=isolated).optimizer, torch.optim.Adagrad)


def test_report_sees_every_epoch_and_false_ends_training():
    seen = []

    def report(epoch, metrics):
        seen.append(epoch)
        return epoch < 1

    result = ct.fit(task(), {}, report=report)
    assert seen == [0, 1]
    assert len(result.curve["accuracy"]) == 2


def test_metrics_of_a_model_without_a_tensor_output_are_refused():
    class Pair(nn.Linear):
        def forward(self, x):
            return super().forward(x), x

    t = task(model=lambda c: Pair(64, 10), loss=lambda output, y: nn.functional.cross_entropy(output[0], y))
    with pytest.raises(TaskError, match="need a tensor from the model, got tuple"):
        ct.fit(t, {})


def test_a_model_may_return_a_tuple_when_only_the_loss_is_measured():
    class Pair(nn.Linear):
        def forward(self, x):
            return super().forward(x), x

    t = task(
        model=lambda c: Pair(64, 10),
        loss=lambda output, y: nn.functional.cross_entropy(output[0], y),
        metrics=["loss"],
    )
    assert set(ct.fit(t, {}).metrics) == {"loss", "train_loss"}


def test_mixed_precision_trains():
    assert ct.fit(task(amp=True, device="cpu"), {"learning_rate": 0.01}).metrics["accuracy"] > 0.5


def test_the_model_comes_back_in_evaluation_mode():
    assert not ct.fit(task(epochs=1), {}).model.training


def test_the_test_part_is_opened_on_request_only():
    seen = []

    class Watched(nn.Linear):
        def forward(self, x):
            seen.append(len(x))
            return super().forward(x)

    t = task(model=lambda c: Watched(64, 10), test=0.25, epochs=1)
    result = ct.fit(t, {"batch_size": 30})
    assert sum(seen) == 150
    assert set(result.test()) == {"loss", "accuracy"}
    assert sum(seen) == 200


def test_a_task_without_a_test_part_says_how_to_get_one():
    with pytest.raises(TaskError, match=r"test=0\.2"):
        ct.fit(task(epochs=1), {}).test()


def test_names_that_nothing_reads_are_found():
    config = {"dropout": 0.1, "hidden": 3, "learning_rate": 0.1, "batch_size": 8, "momentum": 0.5, "warmup": 0.1}
    assert ct.unread(task(), [config]) == ["hidden", "momentum"]


def test_a_name_read_in_one_branch_is_read():
    configs = [{"optimizer": "adam", "momentum": 0.5}, {"optimizer": "sgd", "momentum": 0.5}]
    assert ct.unread(task(), configs) == []


def test_a_name_that_cotune_knows_is_unread_where_a_user_takes_over():
    t = task(
        optimizer=lambda p, c: torch.optim.SGD(p, lr=c.learning_rate),
        schedule=lambda o, c: lr_scheduler.StepLR(o, c.every),
    )
    config = {"learning_rate": 0.1, "momentum": 0.5, "every": 2, "schedule": "cosine", "optimizer": "adam"}
    assert ct.unread(t, [config]) == ["momentum", "schedule", "optimizer"]


def test_what_a_loss_or_a_forward_pass_reads_is_read():
    class Late(nn.Linear):
        def forward(self, x):
            return super().forward(x) * self.config.scale

    def build(c):
        model = Late(64, 10)
        model.config = c
        return model

    t = task(model=build, loss=lambda o, y, c: nn.functional.cross_entropy(o, y) * c.factor)
    assert ct.unread(t, [{"scale": 1.0, "factor": 1.0, "other": 1}]) == ["other"]


def test_finding_unread_names_reads_a_copy_of_the_configuration():
    config = Config({"dropout": 0.1})
    ct.unread(task(), [config])
    assert config.read == frozenset()


def test_a_misspelled_device_is_refused():
    with pytest.raises(TaskError, match="Did you mean 'cuda'"):
        ct.fit(task(), {"learning_rate": 0.01}, device="gpu")
