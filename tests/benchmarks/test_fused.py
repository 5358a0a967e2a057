from __future__ import annotations

import torch

from benchmarks import fused, fused_auto, fused_gpu


def test_a_quick_run_measures_two_cases_and_leaves_the_threads_as_they_were(capsys):
    before = torch.get_num_threads()
    fused.main(quick=True)
    assert torch.get_num_threads() == before
    assert capsys.readouterr().out.count("us_per_step_fused_median") == 2


def test_ratios_are_of_times_per_lane():
    row = fused.measure(fused.CASES[0], 4, windows=2, seconds=0.002)
    assert float(row["ratio"]) > 0
    assert abs(float(row["us_sequential"]) / float(row["us_per_step_fused"]) - float(row["ratio"])) < 0.02


def test_every_case_has_lanes_and_a_name_of_its_own_with_optimiser_and_batch():
    assert len({(case.name, case.optimizer, case.batch) for case in fused.CASES}) == len(fused.CASES)
    assert all(case.lanes for case in fused.CASES)


def test_the_gpu_benchmark_works_without_a_gpu(capsys):
    fused_gpu.main(quick=True)
    shown = capsys.readouterr().out
    assert shown.count("us_per_step_fused") == 1 and "'same_bits': True" in shown


def test_the_benchmark_of_auto_searches_both_ways(capsys):
    fused_auto.main(quick=True)
    shown = capsys.readouterr().out
    assert "'inline_s'" in shown and "'ratio'" in shown and "'lanes': 1" in shown
