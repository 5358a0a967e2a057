"""The driver keeps what it has measured, and the report counts right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.quality import Cell, missing, work
from benchmarks.quality_runs import Run, append, read

from benchmarks import fingerprint, quality, quality_report


def run(problem: str = "branin", seed: int = 0, trials: int = 100, version: str = "1") -> Run:
    return Run(version, problem, seed, trials, 1.5, 2.5, ((1, 30.0), (4, 2.5), (60, 0.125)))


def test_runs_are_read_as_they_were_written(tmp_path: Path) -> None:
    append("random", run(), tmp_path)
    append("random", run(seed=1), tmp_path)
    assert read("random", tmp_path) == [run(), run(seed=1)]


def test_a_line_that_a_kill_cut_short_is_dropped(tmp_path: Path) -> None:
    append("random", run(), tmp_path)
    path = tmp_path / "random.csv"
    path.write_text(path.read_text() + "1,branin,1,10", encoding="utf-8")
    assert read("random", tmp_path) == [run()]
    append("random", run(seed=2), tmp_path)
    assert read("random", tmp_path) == [run(), run(seed=2)]


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    cells = [Cell("random", "branin", seed, 6) for seed in range(3)]
    assert missing(cells, tmp_path) == cells
    assert work(cells[:2], 1, tmp_path) == 0
    assert missing(cells, tmp_path) == cells[2:]
    assert [stored.seed for stored in read("random", tmp_path)] == [0, 1]


def test_a_longer_run_answers_a_shorter_one_unless_the_budget_was_told(tmp_path: Path) -> None:
    for who in ("random", "nevergrad-ngopt"):
        append(who, run(version=quality.version_of(who)), tmp_path)
    cells = [Cell("random", "branin", 0, 50), Cell("nevergrad-ngopt", "branin", 0, 50)]
    assert missing(cells, tmp_path) == cells[1:]


def test_the_same_cell_gives_the_same_incumbents(tmp_path: Path) -> None:
    cell = Cell("random", "families16", 3, 12)
    work([cell, cell], 1, tmp_path)
    first, second = read("random", tmp_path)
    assert first.incumbents == second.incumbents


def test_the_recommended_trial_is_the_last_incumbent_so_far() -> None:
    assert [run().after(trials) for trials in (3, 4, 59, 100)] == [30.0, 2.5, 2.5, 0.125]
    assert np.isnan(Run("1", "branin", 0, 9, 1.0, 1.0, ()).after(9))


def test_ties_share_the_mean_rank() -> None:
    assert quality_report.ranks(np.array([[0.1, 0.5, 0.1, 0.9]])).tolist() == [[1.5, 3.0, 1.5, 4.0]]


def test_a_paired_comparison_counts_pairs_and_problems() -> None:
    keys = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    row = quality_report.paired(keys, [0.0, 0.2, 0.5, 0.5], [0.4, 0.1, 0.5, 0.5])
    assert (row["won"], row["tied"], row["lost"], row["problems_won"], row["problems_tied"]) == (1, 2, 1, 1, 1)
    assert row["difference"] == pytest.approx(-0.075) and row["low"] <= row["difference"] <= row["high"]


def test_clustered_intervals_are_wider_where_problems_differ() -> None:
    random = np.random.default_rng(0)
    clusters = [name for name in "abcdefgh" for _ in range(20)]
    values = np.repeat(random.standard_normal(8), 20) + 0.1 * random.standard_normal(160)
    low, high = quality_report.clustered_interval(values, clusters)
    plain_low, plain_high = quality_report.plain_interval(values)
    assert high - low > 2.0 * (plain_high - plain_low)


def test_a_version_names_the_code_that_a_strategy_chooses_with() -> None:
    assert fingerprint.version("random") == fingerprint.version("random") != fingerprint.version("sobol")
