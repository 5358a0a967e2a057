from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotune.errors import TaskError
from cotune.training import Holdout
from cotune.training.samples import samples
from cotune.training.splits import prefix, split


def labelled(labels):
    return samples((torch.zeros(len(labels), 1), torch.as_tensor(labels)), "data", 0)


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
