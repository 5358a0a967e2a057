"""The best trials trained again, and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import cotune as ct
from cotune.explain.confirmation import Confirmation
from cotune.explain.judgement import Circumstances, judged

X = torch.randn(240, 5, generator=torch.Generator().manual_seed(2))
Y = (X[:, 0] + 0.7 * torch.randn(240, generator=torch.Generator().manual_seed(3)) > 0).long()
SPACE = {"learning_rate": ct.Float(1e-4, 1.0, log=True, default=1e-4), "batch_size": [16]}
MAXIMISED = ("accuracy", True)
FRESH = Circumstances(
    100, 1, overlap=0.25, is_fresh=True, is_share=True, observed=[0.9, 0.8, 0.7], same=None, advice="Use more samples"
)


def study(path: Path | None = None, **options: object) -> ct.Study:
    task = ct.Task(
        model=lambda c: nn.Linear(5, 2), data=(X, Y), loss=nn.CrossEntropyLoss(), metrics="accuracy", epochs=3,
        test=0.3, **{"validation": 0.2, **options},
    )  # fmt: skip
    return ct.Study(task, SPACE, strategy="random", seed=1, path=path, executor=ct.Fused(lanes=8))


def scored(*values: float) -> list[np.ndarray]:
    return [np.array([value]) for value in values]


def judge(scores: Mapping, about: Circumstances = FRESH, seen: float = 0.9) -> Confirmation:
    return judged(MAXIMISED, scores, dict.fromkeys(scores, seen), about, np.random.default_rng(0))


def test_the_trial_with_the_best_mean_is_chosen_and_the_lucky_one_is_told_to_be_optimistic() -> None:
    scores = {0: scored(0.80, 0.82, 0.81), 1: scored(0.85, 0.86, 0.84)}
    made = judged(MAXIMISED, scores, {0: 0.95, 1: 0.90}, FRESH, np.random.default_rng(0))
    assert made.chosen == 1 and [one.trial for one in made.candidates] == [1, 0]
    assert made.best.mean == pytest.approx(0.85)
    assert made.optimism == pytest.approx(0.95 - 0.81)


def test_the_interval_is_that_of_one_more_score_of_the_same_kind() -> None:
    """Pooled spread 0.01, 4 degrees of freedom: t = 2.776."""
    made = judge({0: scored(0.80, 0.81, 0.82), 1: scored(0.70, 0.71, 0.72)})
    assert made.best.high - made.best.mean == pytest.approx(2.776 * 0.01 * math.sqrt(1 + 1 / 3), abs=1e-5)


def test_intervals_cover_a_new_score_as_often_as_they_say() -> None:
    random, hits = np.random.default_rng(5), 0
    for _ in range(300):
        scores = {number: scored(*(0.5 + 0.02 * random.standard_normal(5))) for number in range(4)}
        best = judge(scores).candidates[2]  # not one that was chosen for its luck
        hits += best.low <= 0.5 + 0.02 * random.standard_normal() <= best.high
    assert 0.91 < hits / 300 <= 0.99


def test_an_interval_ends_where_scores_do() -> None:
    assert judge({0: scored(0.9, 1.0, 0.95), 1: scored(0.9, 0.9, 0.8)}).best.high == 1.0


def folded(*trainings: tuple[float, ...]) -> list[np.ndarray]:
    return [np.array(training) for training in trainings]


def test_with_folds_a_single_fold_says_how_far_a_new_score_may_lie() -> None:
    about = replace(FRESH, folds=4, is_share=False)
    parts = (0.77, 0.79, 0.81, 0.83), (0.83, 0.81, 0.79, 0.77)
    made = judge({0: folded(*parts), 1: folded(*parts)}, about)
    assert made.best.values == pytest.approx((0.8, 0.8))
    spread = np.std([*parts[0], *parts[1], *parts[0], *parts[1]]) * math.sqrt(16 / 14)
    assert made.best.high - made.best.mean == pytest.approx(2.145 * spread * math.sqrt(1 + 1 / 8), rel=1e-3)


@pytest.mark.parametrize("folds", [1, 5])
def test_of_equal_trials_none_is_taken_for_the_better_one(folds: int) -> None:
    """The truth of a real comparison: one data set, two candidates that are equally good in expectation."""
    random, extreme, n, seeds = np.random.default_rng(7), 0, 100, 5
    size = n // 5
    about = replace(FRESH, samples=size, folds=folds, overlap=0.25)
    for _ in range(200):
        right = random.random((2, n)) < 0.8  # which samples each gets right wherever these validate
        again = random.random((2, seeds, n)) < 0.1  # and where a training decides otherwise
        scores = {0: list[np.ndarray](), 1: list[np.ndarray]()}
        for seed in range(seeds):
            order = random.permutation(n)
            for key, own in scores.items():
                hits = right[key] ^ again[key, seed]
                own.append(np.array([hits[order[at * size : (at + 1) * size]].mean() for at in range(folds)]))
        share = judge(scores, about).candidates[0].probability_best
        extreme += share > 0.95
    assert extreme / 200 < 0.2


def test_probabilities_add_up_and_equal_trials_share() -> None:
    made = judge({n: scored(0.8, 0.81, 0.79) for n in range(3)})
    assert [one.probability_best for one in made.candidates] == pytest.approx([1 / 3] * 3, abs=0.04)


def test_a_clear_winner_is_the_best_for_sure_and_warns_of_nothing() -> None:
    made = judge({0: scored(0.90, 0.91, 0.92), 1: scored(0.801, 0.81, 0.819), None: scored(0.60, 0.611, 0.62)})
    assert made.best.probability_best > 0.99 and made.probability_better > 0.99 and made.warnings == ()


@pytest.mark.parametrize(
    ("scores", "about", "words"),
    [
        ({0: scored(0.80, 0.9, 0.85), None: scored(0.81, 0.88, 0.84)}, FRESH, "within the noise"),
        ({0: scored(0.80, 0.9, 0.85), 1: scored(0.81, 0.88, 0.84)}, FRESH, "may be as good"),
        ({0: scored(0.8, 0.9, 0.85), 1: scored(0.9, 0.8, 0.86), None: scored(0.85, 0.85, 0.85)}, FRESH, "by luck"),
        ({0: scored(0.8, 0.8, 0.8), 1: [None, *scored(0.9, 0.9)]}, FRESH, "trial 1 failed"),
        ({0: scored(0.8, 0.8, 0.8)}, replace(FRESH, is_fresh=False), "same samples"),
    ],
)  # fmt: skip
def test_what_a_reader_should_not_trust_is_said_in_words(scores: Mapping, about: Circumstances, words: str) -> None:
    assert any(words in warning for warning in judge(scores, about).warnings)


def test_it_can_be_stored_and_read_back() -> None:
    made = judge({0: scored(0.80, 0.9), 1: [*scored(0.7), None], None: scored(0.5, 0.6)})
    assert Confirmation.from_json(made.to_json()) == made
    alone = judge({0: scored(0.80, 0.9)})
    assert str(Confirmation.from_json(alone.to_json())) == str(alone)


def test_trials_are_trained_on_validation_samples_that_the_search_did_not_validate_on() -> None:
    with study() as made:
        made.optimize(trials=6, progress=False)
        found = made.confirm(top=3, seeds=4)
        assert len(found.candidates) == 4 and all(len(one.values) == 4 for one in found.candidates)
        assert 0 in _numbers(found)  # the default configuration may be the best
        assert len({one.values for one in found.candidates}) > 1
        assert found.default is not None and found.default.mean < found.best.mean
        assert made.best.number == found.chosen and made.confirmation == found


def test_new_results_void_the_choice() -> None:
    with study() as made:
        made.optimize(trials=6, progress=False)
        made.confirm(top=3, seeds=2)
        made.optimize(trials=7, progress=False)
        assert made.confirmation is None
        assert made.best.value == max(trial.metrics["accuracy"] for trial in made.trials)


def test_what_was_trained_is_not_trained_again_also_by_another_process(tmp_path: Path) -> None:
    with study(tmp_path) as made:
        made.optimize(trials=6, progress=False)
        found = made.confirm(top=2, seeds=3)
    with study(tmp_path) as made:
        assert made.confirmation == found
        runs = dict(made.settings["confirmation runs"]["scores"])
        again = made.confirm(top=2, seeds=4)
        assert set(made.settings["confirmation runs"]["scores"]) - set(runs) == {f"{n}/3" for n in _numbers(again)}
        assert [one.values[:3] for one in _by_trial(again)] == [one.values for one in _by_trial(found)]


def _numbers(found: Confirmation) -> list[int]:
    return [one.trial for one in found.candidates]


def _by_trial(found: Confirmation) -> list:
    return sorted(found.candidates, key=lambda one: one.trial)


def test_an_interruption_keeps_what_was_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = list[int]()

    def train(trial: object) -> float:
        seen.append(trial.number)
        if len(seen) == 9:
            raise KeyboardInterrupt
        return (trial.config.x - 0.5) ** 2 + 1e-3 * (trial.seed % 7)

    def made() -> ct.Study:
        return ct.Study(train, {"x": (0.0, 1.0)}, minimize="loss", strategy="random", path=tmp_path)

    with made() as first:
        first.optimize(trials=4, progress=False)
        with pytest.raises(ct.Interrupted):
            first.confirm(top=2, seeds=3)
    with made() as second:
        found = second.confirm(top=2, seeds=3)
    assert len(seen) == 4 + 9 + 1 and len(found.best.values) == 3
    assert found.best.mean == pytest.approx(sum(found.best.values) / 3)


def test_the_sealed_samples_stay_sealed() -> None:
    """The test part is the same for every training, and none of them trains or validates on it."""
    task = study()._target.task
    sealed = task.splits(seed=0, split_seed=1, device=torch.device("cpu")).test.rows
    for seed in (3, 4):
        parts = task.confirming().splits(seed=seed, split_seed=1, device=torch.device("cpu"))
        assert torch.equal(parts.test.rows, sealed)
        assert not set(sealed.tolist()) & {*parts.train.rows.tolist(), *parts.validation.rows.tolist()}


def test_a_search_over_folds_is_confirmed_on_other_folds() -> None:
    with study(validation=ct.KFold(3)) as made:
        made.optimize(trials=4, progress=False)
        found = made.confirm(top=2, seeds=2)
        assert len(set(found.best.values)) == 2


def test_refitting_trains_on_all_that_is_not_sealed() -> None:
    with study() as made:
        made.optimize(trials=4, progress=False)
        whole, part = made.refit(), made.refit("train")
        assert whole._run.n_used == 168 and part._run.n_used == 134
        assert whole.test().keys() == part.test().keys()
        again = made.refit()
        assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True))
        with pytest.raises(ct.CotuneError, match="'all' or 'train'"):
            made.refit("everything")
        with pytest.raises(ct.CotuneError, match="seed"):
            made.refit(seed=-1)


def test_refitting_as_in_the_search_trains_what_the_trial_trained() -> None:
    with study(validation=ct.Holdout(0.2, reshuffle=True)) as made:
        made.optimize(trials=4, progress=False)
        again = made.refit("train")
        assert again.metrics["accuracy"] == pytest.approx(made.best.value, abs=0.021)
        assert torch.equal(again._run.train.rows, made.best._folds("x", again._isolated).runs[0].train.rows)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"top": 0}, "top"), ({"seeds": 1}, "luck"), ({"seeds": True}, "seeds"), ({"top": "5"}, "top")],
)
def test_a_wrong_argument_is_named(options: dict, words: str) -> None:
    with study() as made:
        made.optimize(trials=2, progress=False)
        with pytest.raises(ct.CotuneError, match=words):
            made.confirm(**options)


def test_what_cannot_be_confirmed_is_refused_with_what_to_do() -> None:
    with study() as empty, pytest.raises(ct.NoResult, match="nothing to confirm"):
        empty.confirm()
    told = ct.Study(None, {"x": (0.0, 1.0)}, minimize="loss")
    told.tell(told.ask(), 1.0)
    with pytest.raises(ct.CotuneError, match="told by hand"):
        told.confirm()
    two = ct.Study(lambda t: {"a": 1.0, "b": 2.0}, {"x": (0.0, 1.0)}, minimize=["a", "b"], strategy="random")
    two.optimize(trials=2, progress=False)
    with pytest.raises(ct.CotuneError, match="several"):
        two.confirm()


def test_the_model_expects_less_of_a_lucky_trial_than_was_seen_of_it() -> None:
    made = ct.Study(None, {"x": (0.0, 1.0)}, minimize="loss", strategy="random", seed=1)
    random = np.random.default_rng(4)
    for number, x in enumerate(np.linspace(0.0, 1.0, 40)):
        made.enqueue({"x": float(x)})
        noise = 0.1 * random.standard_normal()
        made.tell(made.ask(), -0.05 if number == 35 else (x - 0.3) ** 2 + noise)
    from cotune.strategies.bayesian.standing import standing

    expected = standing(made.history, range(40), np.random.default_rng(0))
    assert abs(int(np.argmin(expected)) - 12) <= 6
    assert expected[35] > 0.1


def test_a_default_that_is_better_is_said_to_be_so() -> None:
    made = judge({0: scored(0.80, 0.81, 0.79), None: scored(0.90, 0.91, 0.89)})
    assert made.probability_better < 0.01 and len(made.warnings) == 1
    assert "the default configuration is better, by 0.1" in made.warnings[0]


def test_a_choice_that_is_the_default_is_not_compared_with_itself() -> None:
    made = judge({0: scored(0.90, 0.91, 0.92), 1: scored(0.8, 0.81, 0.82)}, replace(FRESH, same=0))
    assert made.chosen == 0 and math.isnan(made.probability_better) and made.default == made.best
    assert made.warnings == ("the search found nothing better than the default configuration, which is trial 0",)


def test_a_default_that_fails_is_told_and_compared_with_nothing() -> None:
    made = judge({0: scored(0.90, 0.91), None: [None, None]})
    assert math.isnan(made.probability_better) and "failed" in made.warnings[0] and "nan" not in str(made)


def test_few_scores_that_agree_by_chance_make_nobody_sure() -> None:
    made = judge({0: scored(0.750, 0.775), 1: scored(0.725, 0.750)}, replace(FRESH, samples=40))
    assert made.best.probability_best < 0.95


def test_a_failure_is_tried_again_by_the_next_call() -> None:
    is_broken = [False]

    def train(trial: object) -> float:
        if is_broken[0]:
            raise ValueError("no disk")
        return trial.config.x + trial.seed % 7 / 100

    with ct.Study(train, {"x": (0.0, 1.0)}, minimize="loss", strategy="random") as made:
        made.optimize(trials=3, progress=False)
        is_broken[0] = True
        with pytest.raises(ct.CotuneError, match="no disk"):
            made.confirm(top=2, seeds=2)
        is_broken[0] = False
        assert len(made.confirm(top=2, seeds=2).best.values) == 2


def test_seeds_that_change_nothing_are_noticed() -> None:
    with ct.Study(lambda t: t.config.x, {"x": (0.0, 1.0)}, minimize="loss", strategy="random") as made:
        made.optimize(trials=3, progress=False)
        assert any("seeds change nothing" in warning for warning in made.confirm(top=2, seeds=2).warnings)


def test_scores_of_another_validation_do_not_count(tmp_path: Path) -> None:
    with study(tmp_path) as made:
        made.optimize(trials=4, progress=False)
        made.confirm(top=2, seeds=2)
    with study(tmp_path, validation=ct.KFold(3)) as made:
        found = made.confirm(top=2, seeds=2)
        scores = made.settings["confirmation runs"]["scores"]
    assert all(len(one) == 3 for one in scores.values()) and len(scores) == 2 * len(found.candidates)


def test_a_failed_trial_does_not_void_a_confirmation() -> None:
    with ct.Study(lambda t: t.config.x, {"x": (0.0, 1.0)}, minimize="loss", strategy="random") as made:
        made.optimize(trials=3, progress=False)
        made.confirm(top=2, seeds=2)
        made.tell(made.ask(), failed="no disk")
        assert made.confirmation is not None


@pytest.mark.xdist_group("processes")
def test_trainings_in_processes_score_the_same() -> None:
    def found(executor: object) -> Confirmation:
        task = ct.Task(
            model=lambda c: nn.Linear(5, 2), data=(X, Y), loss=nn.CrossEntropyLoss(), metrics="accuracy", epochs=1
        )
        with ct.Study(task, SPACE, strategy="random", seed=1, executor=executor) as made:
            made.optimize(trials=2, progress=False)
            return made.confirm(top=2, seeds=2)

    assert found(ct.Processes(workers=2, each="inline")) == found("inline")
