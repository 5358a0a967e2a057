from __future__ import annotations

import pytest
from benchmarks.demo_race import OURS, SPACES, prepare, race, space_of

from benchmarks import demo_race


def test_a_quick_run_has_a_row_of_each_contender_and_writes_nothing(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("benchmarks.results.FOLDER", tmp_path)
    demo_race.main(quick=True)
    printed = capsys.readouterr().out
    assert all(f"'contender': '{contender}'" in printed for contender in OURS)
    assert not list(tmp_path.iterdir())


def test_ratios_are_to_the_cpu_seconds_of_inline_and_empty_without_the_rival():
    inline, fused = race("powers of two", ("inline", "fused"), trials=2, epochs=1, rounds=1)
    assert fused["ratio_to_inline"] == fused["cpu_s"] / inline["cpu_s"]
    assert inline["ratio_to_inline"] == 1
    assert inline["ratio_to_optuna"] == ""
    assert 0 < inline["import_cpu_s"] < inline["cpu_s"]


@pytest.mark.parametrize("space", SPACES)
def test_the_rival_gets_legal_configurations_of_the_space(space, tmp_path):
    configs = prepare(space, 5, tmp_path)
    assert [dict(space_of(space).check(config)) for config in configs] == configs
    assert {path.name for path in tmp_path.iterdir()} == {"data.npz", "configs.json"}
