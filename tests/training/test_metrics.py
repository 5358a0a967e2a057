from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch import nn

from cotune.errors import TaskError
from cotune.training import metrics as m

NAMED = ("accuracy", "f1", "auc", "mse", "mae", "r2")


def named(name, **options):
    (metric,) = m.parse([name], **({"threshold": 0.0, "ignored": None} | options))
    return metric.measure


def classification(seed, n=60, classes=4, ties=False, used=None):
    draw = np.random.default_rng(seed)
    outputs = draw.normal(size=(n, classes))
    targets = draw.integers(0, used or classes, n)
    if ties:
        outputs[n // 2 :] = outputs[: n // 2]
    return torch.from_numpy(outputs), torch.from_numpy(targets)


@pytest.mark.parametrize("seed", range(40))
def test_accuracy_and_f1_equal_scikit_learn_also_where_classes_are_absent(seed):
    outputs, targets = classification(
        seed, n=5 + seed, classes=2 + seed % 6, used=1 + seed % 5 if seed % 6 > 3 else None
    )
    predicted = outputs.argmax(-1)
    assert m.accuracy(outputs, targets).item() == pytest.approx(sk.accuracy_score(targets, predicted), abs=1e-12)
    expected = sk.f1_score(targets, predicted, average="macro", zero_division=0)
    assert m.f1(outputs, targets).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_multiclass_auc_equals_scikit_learn_with_and_without_ties(seed, ties):
    outputs, targets = classification(seed, ties=ties)
    expected = sk.roc_auc_score(targets, outputs.softmax(-1), multi_class="ovr", average="macro")
    assert m.auc(outputs, targets).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("seed", range(20))
def test_binary_auc_of_one_score_equals_scikit_learn_with_many_or_few_ties(seed, decimals):
    outputs, targets = classification(seed, classes=2)
    scores = outputs[:, 0].round(decimals=decimals)
    assert m.auc(scores, targets).item() == pytest.approx(sk.roc_auc_score(targets, scores), abs=1e-12)


def test_auc_of_two_columns_is_the_binary_auc():
    outputs, targets = classification(1, classes=2)
    expected = m.auc(outputs[:, 1] - outputs[:, 0], targets)
    assert m.auc(outputs, targets).item() == pytest.approx(expected.item(), abs=1e-12)


def test_auc_averages_only_classes_with_samples_on_both_sides():
    outputs, targets = classification(2, classes=5, used=3)
    probabilities = outputs.softmax(-1)
    expected = np.mean([sk.roc_auc_score(targets == c, probabilities[:, c]) for c in range(3)])
    assert m.auc(outputs, targets).item() == pytest.approx(expected, abs=1e-9)


def test_auc_of_a_single_class_is_nan():
    assert m.auc(torch.randn(5), torch.ones(5)).isnan()


def test_auc_of_a_nan_score_is_nan():
    outputs, targets = classification(0)
    outputs[3, 1] = math.nan
    assert m.auc(outputs, targets).isnan()


@pytest.mark.parametrize("seed", range(15))
def test_torchmetrics_gives_the_same_values(seed):
    outputs, targets = classification(seed, n=80, classes=3)
    tm = torchmetrics.functional.classification
    probabilities = outputs.softmax(-1)
    assert m.accuracy(outputs, targets).item() == pytest.approx(
        tm.multiclass_accuracy(probabilities, targets, 3, average="micro").item(), abs=1e-6
    )
    assert m.f1(outputs, targets).item() == pytest.approx(
        tm.multiclass_f1_score(probabilities, targets, 3).item(), abs=1e-6
    )
    assert m.auc(outputs, targets).item() == pytest.approx(
        tm.multiclass_auroc(probabilities, targets, 3).item(), abs=1e-6
    )


@pytest.mark.parametrize("seed", range(30))
def test_regression_metrics_equal_scikit_learn(seed):
    draw = np.random.default_rng(seed)
    outputs, targets = draw.normal(size=(2, 2 + seed))
    a, b = torch.from_numpy(outputs), torch.from_numpy(targets)
    assert m.mse(a, b).item() == pytest.approx(sk.mean_squared_error(targets, outputs), abs=1e-12)
    assert m.mae(a, b).item() == pytest.approx(sk.mean_absolute_error(targets, outputs), abs=1e-12)
    assert m.r2(a, b).item() == pytest.approx(sk.r2_score(targets, outputs), rel=1e-9)


@pytest.mark.parametrize("outputs", [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3]])
def test_r2_of_a_constant_target_follows_scikit_learn(outputs):
    targets = [0.5, 0.5, 0.5]
    expected = sk.r2_score(targets, outputs)
    assert m.r2(torch.tensor(outputs), torch.tensor(targets)).item() == expected


def test_r2_of_one_sample_is_nan():
    assert m.r2(torch.ones(1), torch.ones(1)).isnan()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([m.accuracy, m.f1, m.auc]), st.booleans())
def test_lanes_of_a_classification_metric_equal_the_models_one_by_one(seed, function, binary):
    draw = torch.Generator().manual_seed(seed)
    outputs = torch.randn(2, 3, 20, *(() if binary else (4,)), generator=draw)
    targets = torch.randint(0, 2 if binary else 4, (2, 3, 20), generator=draw)
    together = function(outputs, targets)
    alone = torch.stack([torch.stack([function(outputs[i, j], targets[i, j]) for j in range(3)]) for i in range(2)])
    assert torch.equal(together.nan_to_num(-1), alone.nan_to_num(-1))


@pytest.mark.parametrize("function", [m.mse, m.mae, m.r2])
def test_lanes_of_a_regression_metric_equal_the_models_one_by_one(function):
    outputs, targets = torch.randn(2, 5, 30)
    assert torch.allclose(
        function(outputs, targets), torch.stack([function(a, b) for a, b in zip(outputs, targets, strict=True)])
    )


@pytest.mark.parametrize("shapes", [((9,), (9,)), ((9, 1), (9,)), ((9, 1), (9, 1)), ((9,), (9, 1))])
@pytest.mark.parametrize("name", NAMED)
def test_one_output_column_may_have_any_of_the_usual_shapes(name, shapes):
    scores, targets = torch.linspace(-1, 1, 9), (torch.arange(9) % 3 == 0).float()
    value = named(name)(scores.reshape(shapes[0]), targets.reshape(shapes[1]))
    assert value == pytest.approx(named(name)(scores, targets))


def test_probabilities_are_split_at_one_half():
    assert named("accuracy", threshold=0.5)(torch.tensor([0.2, 0.8]), torch.tensor([0, 1])) == 1


def test_several_regression_columns_are_averaged_as_scikit_learn_does():
    outputs, targets = torch.randn(2, 20, 3, dtype=torch.float64)
    assert named("r2")(outputs, targets) == pytest.approx(sk.r2_score(targets, outputs), rel=1e-9)


def test_pixels_count_as_samples_in_segmentation():
    outputs, targets = torch.randn(4, 3, 5, 6), torch.randint(0, 3, (4, 5, 6))
    assert named("accuracy")(outputs, targets) == pytest.approx((outputs.argmax(1) == targets).double().mean().item())


def test_the_ignored_class_of_a_loss_is_left_out():
    outputs, targets = torch.eye(3), torch.tensor([0, -100, 1])
    assert named("accuracy", ignored=-100)(outputs, targets) == 0.5


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(TaskError, match=r"\(4, 7\).*\(4, 2\)"):
        named("mse")(torch.zeros(4, 7), torch.zeros(4, 2))


def test_a_torchmetrics_object_starts_afresh_every_time():
    (metric,) = m.parse([torchmetrics.classification.MulticlassAccuracy(3)], threshold=0, ignored=None)
    outputs, targets = torch.eye(3), torch.tensor([0, 1, 2])
    assert metric.name == "MulticlassAccuracy"
    assert metric.maximize is True
    assert float(metric.measure(outputs, (targets + 1) % 3)) == 0
    assert float(metric.measure(outputs, targets)) == 1


def test_a_plain_callable_has_its_name_and_no_direction():
    def gap(output, target):
        return 0.5

    (metric,) = m.parse([gap], threshold=0, ignored=None)
    assert (metric.name, metric.maximize) == ("gap", None)


def test_a_module_may_be_a_metric():
    (metric,) = m.parse([nn.L1Loss()], threshold=0, ignored=None)
    assert metric.name == "L1Loss"


def test_directions_of_named_metrics_are_known():
    parsed = m.parse(list(m.NAMES), threshold=0, ignored=None)
    assert {x.name for x in parsed if x.maximize} == {"accuracy", "f1", "auc", "r2"}
    assert {x.name for x in parsed if not x.maximize} == {"loss", "mse", "mae"}
