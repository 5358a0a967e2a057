"""A study of a task, from the space to the trained model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

import cotune as ct
from cotune.errors import NoResult, StudyError, TaskError
from study import programs


def study(**options: object) -> ct.Study:
    return programs.task_study("random", options.get("path")).optimize(trials=4, progress=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ct.Study:
    return study(path=str(tmp_path_factory.mktemp("study")))


def task(**options: object) -> ct.Task:
    fields = {
        "model": lambda c: nn.Linear(64, 10), "data": ct.data.digits(), "loss": nn.CrossEntropyLoss(),
        "metrics": ["accuracy"], "epochs": 2,
    }  # fmt: skip
    return ct.Task(**{**fields, **options})


def test_the_best_model_has_the_score_that_its_metrics_say(finished: ct.Study) -> None:
    x, y = ct.data.digits()
    net = finished.best.model()
    assert not net.training
    with torch.no_grad():
        whole = (net(x).argmax(1) == y).float().mean().item()
    assert abs(whole - finished.best.metrics["accuracy"]) < 0.08


def test_the_sealed_test_set_is_scored_by_every_metric_and_the_same_again(finished: ct.Study) -> None:
    first = finished.best.test()
    assert {"accuracy", "f1", "loss"} <= set(first) and first == finished.best.test()


def test_without_a_test_set_the_test_is_an_error_that_says_so() -> None:
    ours = ct.Study(task(), {"learning_rate": (0.001, 0.01)}).optimize(1, progress=False)
    with pytest.raises(TaskError, match="test"):
        ours.best.test()


def test_the_best_epochs_weights_can_be_had_too(finished: ct.Study) -> None:
    best = max(range(3), key=lambda epoch: finished.best.trial.curve["accuracy"][epoch])
    ours, last = finished.best.model(epoch="best"), finished.best.model()
    same = all(torch.equal(a, b) for a, b in zip(ours.parameters(), last.parameters(), strict=True))
    assert same == (best == 2)
    with pytest.raises(StudyError, match="'last' or 'best'"):
        finished.best.model(epoch="first")


def test_a_trial_can_be_trained_again_alone_to_the_same_bits(finished: ct.Study) -> None:
    from cotune.seeds import Purpose, integer

    best = finished.best
    seed = integer(finished.seed, Purpose.TRIAL, best.number)
    threads = torch.get_num_threads()
    torch.set_num_threads(finished.settings["threads"])
    alone = ct.fit(finished._target.task, best.config, seed=seed, split_seed=finished.seed)
    torch.set_num_threads(threads)
    assert alone.curve["accuracy"] == list(best.trial.curve["accuracy"])
    for ours, theirs in zip(alone.model.parameters(), best.model().parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_any_finished_trial_gives_its_model(finished: ct.Study) -> None:
    assert sum(p.numel() for p in finished.load(3).model().parameters()) > 0
    with pytest.raises(IndexError):
        finished.load(99)


def test_the_winners_weights_lie_in_the_studys_folder(finished: ct.Study) -> None:
    with safe_open(finished.path / "best.safetensors", framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = json.loads(file.metadata()["config"])
    assert config == dict(finished.best.config)
    for name, tensor in finished.best.model().state_dict().items():
        assert torch.equal(weights[name], tensor)


def test_a_hyperparameter_that_nothing_reads_is_an_error_before_trial_0(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="nothing reads the hyperparameter 'hiden'"):
        ct.Study(task(), {"learning_rate": (0.001, 0.01), "hiden": (1, 9)}, path=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_conditional_hyperparameter_counts_as_read_in_its_branch() -> None:
    space = ct.Space(optimizer=["sgd", "adam"], momentum=ct.Float(0.0, 0.9, when={"optimizer": "sgd"}))
    ct.Study(task(), space)


def test_another_metric_of_the_task_can_be_the_objective() -> None:
    ours = ct.Study(task(metrics=["accuracy", "f1"]), {"learning_rate": (0.001, 0.01)}, minimize="loss")
    ours.optimize(2, progress=False)
    assert ours.objectives == {"loss": "minimize"} and ours.best.value == ours.best.metrics["loss"]
    with pytest.raises(StudyError, match=r"recall.*Task\(metrics=\['recall'"):
        ct.Study(task(), {"learning_rate": (0.001, 0.01)}, maximize="recall")


def test_a_metric_of_the_users_own_needs_a_direction() -> None:
    def margin(output: torch.Tensor, target: torch.Tensor) -> float:
        return output.gather(1, target[:, None]).mean().item()

    own = task(metrics=[margin])
    with pytest.raises(StudyError, match="maximize='margin'"):
        ct.Study(own, {"learning_rate": (0.001, 0.01)})
    ours = ct.Study(own, {"learning_rate": (0.001, 0.01)}, maximize="margin").optimize(2, progress=False)
    assert ours.best.model(epoch="best") is not None


def test_a_task_has_its_own_epochs() -> None:
    with pytest.raises(StudyError, match="Task"):
        ct.Study(task(), {"learning_rate": (0.001, 0.01)}, epochs=5)


def test_epochs_can_be_a_hyperparameter_and_are_paid_as_trained() -> None:
    ours = ct.Study(task(epochs=4), {"epochs": [1, 2, 4]}, strategy="grid").optimize(3, progress=False)
    assert sorted(len(trial.steps) for trial in ours.trials) == [1, 2, 4]
    assert ours.history.steps_paid == 7 and len(ours.history.contenders()) == 3


def test_a_trial_that_diverges_is_a_failure_and_the_search_goes_on() -> None:
    space = ct.Space(optimizer=["sgd"], learning_rate=[1e30, 0.1])
    deep = task(model=lambda c: nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10)), metrics=["loss"])
    ours = ct.Study(deep, space, strategy="grid").optimize(2, progress=False)
    causes = [trial.failure.cause for trial in ours.trials if trial.failure]
    assert causes == ["diverged"] and ours.best.config.learning_rate == 0.1


def test_a_function_hands_back_what_it_tracked(tmp_path: Path) -> None:
    ours = programs.loop_study("random", str(tmp_path)).optimize(2, progress=False)
    assert set(ours.best.state()) == {"model", "optimizer"}
    assert ours.best.weights()["bias"].item() == ours.best.metrics["bias"]
    with pytest.raises(StudyError, match="best.state"):
        ours.best.model()


def test_a_function_that_tracks_nothing_has_no_state() -> None:
    ours = ct.minimize(lambda c: c.x, {"x": (0.0, 1.0)}, trials=1)
    with pytest.raises(NoResult, match=r"trial\.track"):
        ours.best.state()


def test_only_the_checkpoints_that_can_be_needed_stay(tmp_path: Path) -> None:
    from cotune.executors.checkpoints import FolderCheckpoints
    from cotune.study.keeper import Keeper

    ours = programs.task_study("random", str(tmp_path)).optimize(5, progress=False)
    store = FolderCheckpoints(tmp_path / "checkpoints")
    assert set(store.sizes()) == {trial.checkpoint.file for trial in ours.trials}
    Keeper(store, quota_bytes=0).tidy(ours.history)
    assert list(store.sizes()) == [ours.best.trial.checkpoint.file]
    assert ours.best.test()


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    ct.Study(task(), {"learning_rate": (0.001, 0.01)}).optimize(1, progress=False)
    assert torch.get_num_threads() == before


def test_a_task_is_trained_with_the_threads_that_were_settled_and_the_callers_setting_comes_back() -> None:
    threads = []
    ours = ct.Study(
        task(model=lambda c: threads.append(torch.get_num_threads()) or nn.Linear(64, 10), epochs=1),
        {"batch_size": [1024]},
    )
    ours._log.settle("threads", 2)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours.optimize(1, progress=False)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert threads[-1] == 2


def test_a_study_of_a_task_opens_without_it_for_reading(finished: ct.Study) -> None:
    with ct.Study.open(finished.path) as again:
        assert again.best.config == finished.best.config
        assert set(again.best.weights()) == set(finished.best.weights())
        with pytest.raises(StudyError, match="needs the task"):
            again.best.model()


def test_the_seed_notation_works_as_it_stands() -> None:
    ours = ct.Study(task(), {"learning_rate": (0.0001, 0.1), "batch_size": (16, 256)}).optimize(1, progress=False)
    assert isinstance(ours.best.config.batch_size, int) and ours.space.hints


def test_the_tasks_device_counts_before_the_executors() -> None:
    ours = ct.Study(task(device="cpu"), {"learning_rate": (0.001, 0.01)}, executor=ct.Inline(device="meta"))
    assert ours.optimize(1, progress=False).best.metrics["accuracy"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_here_is_an_error_before_trial_0(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="device='cuda' is not on this machine.*Use 'auto' or 'cpu'"):
        ct.Study(task(device="cuda"), {"learning_rate": (0.001, 0.01)}, path=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(TaskError, match="device='cuda' is not on this machine"):
        ct.Study(lambda trial: 1.0, {"x": (0, 1)}, executor=ct.Inline(device="cuda")).optimize(1, progress=False)


@pytest.mark.parametrize(("name", "choices"), [("optimizer", ["sgd", "adma"]), ("schedule", ["constant", "cosin"])])
def test_a_choice_that_training_does_not_know_is_an_error_before_trial_0(name: str, choices: list[str]) -> None:
    with pytest.raises(TaskError, match=f"{name}='{choices[1]}'.*{choices[0]}"):
        ct.Study(task(), {name: choices})


def test_a_builder_may_know_other_choices() -> None:
    own = task(optimizer=lambda parameters, c: {"lion": torch.optim.SGD}[c.optimizer](parameters))
    assert ct.Study(own, {"optimizer": ["lion"]}).optimize(1, progress=False).best.config.optimizer == "lion"
