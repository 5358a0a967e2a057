from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotune.errors import TaskError
from cotune.training import Holdout, KFold, Task, TimeSeries
from cotune.training.divisions import Pool, foreign, numbered
from cotune.training.samples import samples
from cotune.training.splits import Sources, prefix


def labelled(labels):
    return samples((torch.zeros(len(labels), 1), torch.as_tensor(labels)), "data", 0)


def split(data, validation, test, *, split_seed, seed, fold=0, groups=None):
    made = {"validation": validation} if hasattr(validation, "batches") else {"division": validation}
    sources = Sources(data, test_share=test, groups=groups, **made)
    return sources.split(split_seed=split_seed, seed=seed, fold=fold)


def rows(splits):
    return [set(part.rows.tolist()) for part in (splits.train, splits.validation, splits.test)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=60), st.floats(0.1, 0.6), st.integers(0, 99))
def test_parts_are_disjoint_and_complete(labels, share, seed):
    parts = rows(split(labelled(labels), Holdout(share), share, split_seed=seed, seed=0))
    assert set.union(*parts) == set(range(len(labels)))
    assert sum(map(len, parts)) == len(labels)
    assert all(parts)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(2, 30), min_size=2, max_size=6), st.floats(0.2, 0.5), st.integers(0, 99))
def test_every_class_of_two_or_more_is_on_both_sides(counts, share, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    if len(counts) > round(share * len(labels)):
        return
    splits = split(labelled(labels), Holdout(share), None, split_seed=seed, seed=0)
    assert set(labels[splits.train.rows]) == set(labels[splits.validation.rows]) == set(range(len(counts)))


def test_shares_of_the_classes_are_kept():
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    splits = split(labelled(labels), Holdout(0.2), None, split_seed=0, seed=0)
    assert np.bincount(labels[splits.validation.rows]).tolist() == [100, 60, 40]


def test_a_class_of_one_sample_stays_in_training():
    labels = [0] * 20 + [1] * 20 + [2]
    splits = split(labelled(labels), Holdout(0.2), None, split_seed=0, seed=0)
    assert 40 in splits.train.rows.tolist()


def test_many_distinct_integers_are_not_taken_for_classes():
    splits = split(labelled(list(range(50)) * 2), Holdout(0.2), None, split_seed=0, seed=0)
    assert len(splits.validation) == 20


@pytest.mark.parametrize("holdout", [Holdout(0.3), Holdout(0.3, reshuffle=True)])
def test_the_sealed_test_part_is_the_same_for_all_runs(holdout):
    data = labelled([0, 1] * 30)
    sealed = {tuple(split(data, holdout, 0.2, split_seed=5, seed=seed).test.rows.tolist()) for seed in range(10)}
    assert len(sealed) == 1


def test_the_sealed_test_part_does_not_depend_on_how_validation_is_made():
    data = labelled([0, 1] * 30)
    one, other = (split(data, v, 0.2, split_seed=5, seed=0) for v in (Holdout(0.3), labelled([0, 1])))
    assert torch.equal(one.test.rows, other.test.rows)


def test_another_split_seed_seals_another_part():
    data = labelled([0, 1] * 30)
    one, other = (split(data, Holdout(0.2), 0.2, split_seed=s, seed=0).test.rows for s in (0, 1))
    assert not torch.equal(one, other)


def test_runs_share_the_validation_part_unless_it_is_reshuffled():
    data = labelled([0, 1] * 30)
    for holdout, distinct in [(Holdout(0.2), 1), (Holdout(0.2, reshuffle=True), 5)]:
        found = {tuple(split(data, holdout, None, split_seed=0, seed=s).validation.rows.tolist()) for s in range(5)}
        assert len(found) == distinct


def test_splits_are_remembered_but_not_those_that_each_run_has_of_its_own():
    for division, n in [(KFold(3), 12), (KFold(3, reshuffle=True), 24)]:
        sources = Sources(labelled([0, 1] * 30), test_share=0.2, division=division)
        asked = [(split_seed, seed, fold) for split_seed in range(4) for seed in range(2) for fold in range(3)]
        made = [sources.split(split_seed=s, seed=seed, fold=fold) for s, seed, fold in asked]
        assert len({id(one) for one in made}) == n
        again = [sources.split(split_seed=s, seed=seed, fold=fold) for s, seed, fold in asked]
        fresh = [split(sources.data, division, 0.2, split_seed=s, seed=seed, fold=fold) for s, seed, fold in asked]
        assert [*map(rows, made)] == [*map(rows, again)] == [*map(rows, fresh)]


def test_so_many_splits_are_remembered_that_memory_stays_within_bounds():
    sources = Sources(labelled([0, 1] * 30), division=KFold(5))
    for split_seed in range(20):
        for fold in range(5):
            sources.split(split_seed=split_seed, seed=0, fold=fold)
    assert len(sources._known) <= 16


def test_a_larger_share_of_the_training_data_contains_a_smaller_one():
    part = split(labelled([0, 1] * 50), Holdout(0.2), None, split_seed=0, seed=0).train
    small, large = (set(prefix(part, share, 0).rows.tolist()) for share in (0.25, 0.5))
    assert small < large < set(part.rows.tolist())
    assert len(small) == 20


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, "0.2", None, True, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(TaskError, match="strictly between 0 and 1"):
        Holdout(share)


def test_one_sample_cannot_be_split():
    with pytest.raises(TaskError, match="give at least 2"):
        split(labelled([1]), Holdout(0.2), None, split_seed=0, seed=0)


@pytest.mark.parametrize("options", [{"share": 2}, {"share": "a"}, {"share": 0.2, "reshuffle": 3}])
def test_a_typo_in_a_holdout_is_refused(options):
    with pytest.raises(TaskError, match=list(options)[-1]):
        Holdout(**options)


def folds_of(division, n_folds, labels, *, seed=0, groups=None, test=None):
    data = labelled(labels)
    return [split(data, division, test, split_seed=1, seed=seed, fold=fold, groups=groups) for fold in range(n_folds)]


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 6), st.integers(6, 60), st.integers(1, 4), st.booleans())
def test_every_sample_validates_in_one_fold_and_trains_in_the_others(k, n, n_classes, reshuffle):
    labels = (np.arange(n) * 7 % n_classes).tolist()
    found = folds_of(KFold(k, reshuffle=reshuffle), k, labels)
    held = np.concatenate([parts.validation.rows for parts in found])
    assert sorted(held.tolist()) == list(range(n))
    sizes = [len(parts.validation) for parts in found]
    assert max(sizes) - min(sizes) <= 1
    for parts in found:
        assert set(parts.train.rows.tolist()) == set(range(n)) - set(parts.validation.rows.tolist())


def test_a_class_is_spread_over_all_folds():
    labels = np.repeat([0, 1, 2], [43, 21, 7])
    for parts in folds_of(KFold(5), 5, labels):
        counts = np.bincount(labels[parts.validation.rows], minlength=3)
        assert all(abs(count - whole / 5) < 1.01 for count, whole in zip(counts, (43, 21, 7), strict=True))


def test_folds_are_shared_unless_they_are_reshuffled():
    for division, distinct in [(KFold(3), 1), (KFold(3, reshuffle=True), 4)]:
        found = {tuple(folds_of(division, 3, [0, 1] * 20, seed=s)[0].validation.rows.tolist()) for s in range(4)}
        assert len(found) == distinct


@pytest.mark.parametrize("division", [Holdout(0.3), KFold(3)])
def test_no_division_separates_a_group_nor_does_the_sealed_part(division):
    groups = np.random.default_rng(0).integers(0, 12, 90)
    for parts in folds_of(division, division.n_folds, [0, 1] * 45, groups=groups, test=0.2):
        train, held, sealed = (set(groups[part.rows]) for part in (parts.train, parts.validation, parts.test))
        assert not train & held and not (train | held) & sealed and train and held and sealed
        assert 0.1 < len(parts.test) / 90 < 0.3


def test_time_series_train_on_the_past_and_seal_the_end():
    found = folds_of(TimeSeries(3, gap=2), 3, [0, 1] * 50, test=0.2)
    assert [(len(p.train), p.validation.rows[0].item(), len(p.validation)) for p in found] == [
        (18, 20, 20), (38, 40, 20), (58, 60, 20),
    ]  # fmt: skip
    assert all(p.train.rows.max() < p.validation.rows.min() - 2 for p in found)
    assert found[0].test.rows.tolist() == list(range(80, 100))


def test_splitters_of_scikit_learn_divide_and_draw_from_the_study_alone():
    from sklearn.model_selection import KFold as TheirKFold
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

    labels = np.arange(60) % 2
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for splitter, groups, n in (
        (TheirKFold(3, shuffle=True), None, 4),
        (StratifiedShuffleSplit(3), None, 4),
        (StratifiedGroupKFold(3), np.arange(60) // 6, 1),
    ):
        division = foreign(splitter, Pool(np.arange(60), labels, groups))
        assert division.n_folds == 3
        one, again = (folds_of(division, 3, labels, groups=groups) for _ in range(2))
        for here, there in zip(one, again, strict=True):
            assert torch.equal(here.validation.rows, there.validation.rows)
            assert not set(here.train.rows.tolist()) & set(here.validation.rows.tolist())
        others = [folds_of(division.reshuffled(), 3, labels, groups=groups, seed=seed)[0] for seed in range(4)]
        assert len({tuple(other.validation.rows.tolist()) for other in others}) == n
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    theirs = list(StratifiedGroupKFold(3).split(np.zeros((60, 1)), labels, groups))
    assert one[0].validation.rows.tolist() == theirs[0][1].tolist()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: KFold(1), "at least 2"),
        (lambda: KFold(True), "at least 2"),
        (lambda: KFold(3, reshuffle=1), "True or False"),
        (lambda: TimeSeries(3, gap=-1), "gap"),
        (lambda: folds_of(KFold(5), 1, [0, 1]), "at least 5 samples"),
        (lambda: folds_of(KFold(5), 1, [0, 1] * 9, groups=np.arange(18) % 3), "at least 5 groups"),
        (lambda: folds_of(TimeSeries(5), 1, [0, 1]), "leaves nothing"),
        (lambda: folds_of(TimeSeries(2), 1, [0, 1] * 9, groups=np.arange(18)), "groups"),
        (lambda: numbered(["a"], 2), "each of the 2 samples"),
        (lambda: numbered(["a", "a"], 2), "one group"),
    ],
)
def test_a_division_that_cannot_be_is_refused_with_what_to_do(made, words):
    with pytest.raises(TaskError, match=words):
        made()


def outer_task(**options):
    data = torch.zeros(60, 1), torch.arange(60) % 3
    return Task(model=lambda c: torch.nn.Linear(1, 3), data=data, loss=torch.nn.CrossEntropyLoss(), **options)


def test_outer_folds_seal_every_sample_once_and_never_train_on_it():
    task = outer_task(validation=KFold(3), groups=np.arange(60) // 5)
    sealed = []
    for part in task.outer(4, seed=2):
        for fold in range(3):
            parts = part.splits(seed=0, split_seed=9, device=torch.device("cpu"), fold=fold)
            assert sorted(np.concatenate([p.rows for p in (parts.train, parts.validation, parts.test)])) == list(
                range(60)
            )
        sealed.append(parts.test.rows.tolist())
        groups = [set(np.asarray(p.rows) // 5) for p in (parts.train, parts.validation, parts.test)]
        assert not groups[0] & groups[1] and not groups[2] & (groups[0] | groups[1])
    assert sorted(sum(sealed, [])) == list(range(60))
    assert [part._sources.sealed.tolist() for part in task.outer(4, seed=2)] == sealed


def test_outer_folds_of_a_task_that_seals_samples_already_are_refused():
    with pytest.raises(TaskError, match="leave test="):
        outer_task(test=0.2).outer(3)
    with pytest.raises(TaskError, match="leave test="):
        outer_task().outer(3)[0].outer(3)
    with pytest.raises(TaskError, match="at least 2"):
        outer_task().outer(1)
    with pytest.raises(TaskError, match="a number"):
        outer_task().outer("5")


def test_outer_folds_of_a_time_series_train_on_their_past_alone():
    for fold, part in enumerate(outer_task(validation=0.2).outer(TimeSeries(3, gap=2))):
        parts = part.splits(seed=0, split_seed=1, device=torch.device("cpu"))
        first = parts.test.rows.min().item()
        assert first == 15 * (fold + 1)
        assert max(parts.train.rows.max().item(), parts.validation.rows.max().item()) < first - 2


def test_a_splitter_that_draws_anew_every_time_is_refused():
    from sklearn.model_selection import KFold as TheirKFold

    with pytest.raises(TaskError, match="draws anew"):
        outer_task(validation=TheirKFold(3, shuffle=True, random_state=np.random.RandomState(0)))  # noqa: NPY002
    with pytest.raises(TaskError, match="is a class"):
        outer_task(validation=TheirKFold)


def test_what_scikit_learns_time_series_leave_for_the_test_is_the_end():
    from sklearn.model_selection import TimeSeriesSplit

    parts = outer_task(validation=TimeSeriesSplit(3), test=0.2).splits(
        seed=0, split_seed=1, device=torch.device("cpu"), fold=2
    )
    assert parts.test.rows.tolist() == list(range(48, 60)) and parts.train.rows.max() < 48
