from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

import cotune as ct
from cotune.records import Draw, History, Stopped, Suggestion

RECORD = {
    "strategy": "bayesian", "why": "expected improvement", "results": 2, "pending": 1,
    "predicted": {"mean": 1.0, "low": 0.5, "high": 1.5}, "expected_improvement": 0.1, "noise": 0.01, "explore": 0.75,
    "nearest": [[1, 0.25], [0, 0.5]], "best": 1, "model": {},
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """Two random configs, then the middle of the range with that record."""

    record: dict

    def suggest(self, history: History, n: int, draw: Draw) -> list[Suggestion]:
        return [self._suggestion(history, number, draw) for number in range(len(history), len(history) + n)]

    def _suggestion(self, history: History, number: int, draw: Draw) -> Suggestion:
        if number < 2:
            return Suggestion(history.space.complete({"x": float(number), "kind": "a"}), {"strategy": "random"})
        return Suggestion(history.space.complete({"x": 1.0, "kind": "b"}), self.record)


def study(path: Path, record: dict, *values: float, maximize: str | None = None) -> Path:
    options = {"maximize": maximize} if maximize else {"minimize": "value"}
    space = {"x": (0.0, 2.0), "kind": ["a", "b"]}
    with ct.Study(None, space, path=path, strategy=Told(record), **options) as ours:
        for value in values:
            ours.tell(ours.ask(), value)
    return path


def test_a_trial_is_explained_in_words(cli, tmp_path):
    result = cli("explain", study(tmp_path / "s", RECORD, 3.0, 2.0, 1.8), 2)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "trial 2: done",
        "  why        proposed by bayesian: expected improvement",
        "  known      2 results, 1 trial not finished, the best was trial 1, value 2",
        "  predicted  value 1, 0.5 to 1.5 within one standard deviation",
        "  expected   0.1 better than the best; 75% of it explore, 25% exploit; noise 0.01",
        "  nearest    trial 1 at distance 0.25, value 2: kind a there, b here",
        "             trial 0 at distance 0.5, value 3: x 0 there, 1 here, kind a there, b here",
        "  came       value 1.8, 1.6 standard deviations above the prediction (worse)",
    ]


def test_a_trial_that_was_not_proposed_to_explore_is_said_to_exploit(cli, tmp_path):
    path = study(tmp_path / "s", {**RECORD, "why": "lowest predicted mean", "explore": 0.0}, 3.0, 2.0, 1.8)
    assert "  expected   0.1 better than the best; exploit; noise 0.01\n" in cli("explain", path, 2).stdout


def test_what_could_be_expected_without_priors_is_told(cli, tmp_path):
    path = study(tmp_path / "s", {**RECORD, "largest_improvement": 0.5}, 3.0, 2.0, 1.8)
    assert "; 0.5 where no prior pulls; noise 0.01\n" in cli("explain", path, 2).stdout


def test_above_is_better_where_more_is_better(cli, tmp_path):
    path = study(tmp_path / "s", RECORD, 3.0, 2.0, 1.8, maximize="value")
    assert "above the prediction (better)" in cli("explain", path, 2).stdout


@pytest.mark.parametrize("name", RECORD)
def test_a_record_may_lack_any_key(cli, tmp_path, name):
    path = study(tmp_path / "s", {key: value for key, value in RECORD.items() if key != name}, 3.0, 2.0, 1.8)
    for words in ((path, 2), (path,), (path, 2, "--json"), (path, "--json")):
        assert cli("explain", *words).exit_code == 0


def test_a_strategy_without_a_model_says_little_and_what_came(cli, told):
    assert cli("explain", told, 1).stdout.splitlines() == [
        "trial 1: done",
        "  why    proposed by random: drawn at random",
        "  known  1 result",
        "  came   value 1",
    ]


def test_a_failed_and_a_running_trial_are_explained(cli, told, tmp_path):
    assert "the user told the study that it failed: the cable broke" in cli("explain", told, 3).stdout
    with ct.Study(None, {"x": (0.0, 1.0)}, path=tmp_path / "s", strategy="random") as ours:
        ours.ask()
        assert "no result: it is running" in cli("explain", tmp_path / "s", 0).stdout


def test_why_a_trial_was_stopped_is_told(cli, tmp_path):
    with ct.Study(None, {"x": (0.0, 1.0)}, path=tmp_path / "s") as ours:
        ours.enqueue({"x": 0.5})
        decision = {"why": "below the best third", "rung": 1, "rank": 7}
        ours._log.decide(lambda history: [Stopped(0, decision, 2)] if history.waiting else [])
    for command in ("explain", "show"):
        output = cli(command, tmp_path / "s", 0).stdout
        assert "stopped" in output and "below the best third; rung 1, rank 7" in output


def test_a_study_is_explained_in_a_few_lines(cli, tmp_path):
    path = study(tmp_path / "s", RECORD, 3.0, 2.0, 1.25, 1.75, 2.5)
    assert cli("explain", path).stdout.splitlines()[1:] == [
        "  proposed   3 by bayesian, 2 by random",
        "  predicted  3 results: 33% came within one standard deviation, 67% within two "
        "(68% and 95% where the model judges itself rightly)",
        "  error      0.83333 on average; results came 0.83333 higher on average",
        "  explore    trial 2: 75% explore, 25% exploit",
        "             trial 3: 75% explore, 25% exploit",
        "             trial 4: 75% explore, 25% exploit",
        "",
        "what lowers value, from 5 results",
        "  note  5 results so far: importance needs at least 10",
    ]


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """Thirty trials: a rate near 1e-2 is best, momentum matters little, the third choice fails."""
    space = {
        "rate": ct.Float(1e-4, 1e-1, log=True), "kind": ["a", "b", "broken"],
        "momentum": ct.Float(0.0, 0.9, when={"kind": "b"}),
    }  # fmt: skip
    with ct.Study(None, space, maximize="accuracy", path=tmp_path / "learned", strategy="random") as ours:
        for trial in ours.ask(30):
            config = trial.config
            if config.kind == "broken":
                ours.tell(trial, failed="broken")
            else:
                ours.tell(trial, 1 - 0.1 * (math.log10(config.rate) + 2) ** 2 + 0.01 * config.get("momentum", 0.0))
    return tmp_path / "learned"


def test_what_matters_is_told_as_a_table_and_in_words(cli, learned):
    lines = cli("explain", learned).stdout.splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("hyperparameter"))
    assert lines[first].split("  ")[0] == "hyperparameter" and lines[first + 1].startswith("rate ")
    told = "\n".join(lines[first:])
    for words in ("rule ", "accuracy is highest with rate between", "path ", "the defaults are predicted", "note "):
        assert words in told
    assert "failed trials are left out" in told and "momentum is active in 33% of the space" in told
    assert all(len(line.rstrip()) <= 80 for line in lines[first:])


def test_json_of_an_insight_has_the_documented_shape(cli, learned):
    [told] = json.loads(cli("explain", learned, "--json").stdout)["insights"]
    assert set(told) == {
        "objective", "maximise", "n_results", "importance", "interactions", "dependence", "start", "start_value",
        "path", "rule", "hints", "explained", "rungs", "notes",
    }  # fmt: skip
    assert set(told["importance"]["rate"]) == {"name", "first", "total", "top"}
    assert set(told["importance"]["rate"]["total"]) == {"value", "low", "high"}


def test_every_objective_has_its_own_insight(cli, two_objectives):
    output = cli("explain", two_objectives).stdout
    assert "what raises accuracy, from 3 results" in output and "what lowers seconds, from 3 results" in output


def test_a_study_with_nothing_but_failures_says_so(cli, failed):
    output = cli("explain", failed).stdout
    assert "0 results so far: importance needs at least 10" in output and "2 failed trials are left out" in output


def test_whether_stopping_early_was_safe_is_told(cli, tmp_path):
    with ct.Study(None, {"x": (0.0, 1.0)}, path=tmp_path / "s", strategy="random", scheduler="none", epochs=9) as ours:
        for trial in ours.ask(12):
            for epoch in range(9):
                ours.report(trial, value=trial.config.x + 1 / (1 + epoch))
            ours.tell(trial, trial.config.x)
    told = cli("explain", tmp_path / "s").stdout
    assert "step 1 of 9: ranks agree 1.00 with the end (12 trials), safe to stop" in told


def test_what_auto_chose_is_told_with_its_reason(cli, tmp_path):
    with ct.Study(None, {"n": (1, 3)}, path=tmp_path / "s") as ours:
        ours.tell(ours.ask(), 1.0)
    assert "chosen by auto:" in cli("explain", tmp_path / "s").stdout


def test_an_empty_study_has_nothing_to_explain(cli, empty):
    result = cli("explain", empty)
    assert result.exit_code == 0
    assert "none yet" in result.stdout


def test_every_objective_that_was_predicted_has_a_line(cli, tmp_path):
    record = {**RECORD, "also_predicted": {"size": {"mean": 30.0, "low": 20.0, "high": 45.0}}}
    said = cli("explain", study(tmp_path / "s", record, 3.0, 2.0, 1.75), 2).stdout
    assert "value 1, 0.5 to 1.5 within one" in said and "size 30, 20 to 45 within one standard deviation" in said


def test_a_number_beyond_the_last_trial_is_a_mistake(cli, told):
    result = cli("explain", told, 4)
    assert result.exit_code == 2
    assert "there is no trial 4; the study has 4 trials" in result.stderr


def test_json_of_a_trial_has_the_documented_shape(cli, tmp_path):
    document = json.loads(cli("explain", study(tmp_path / "s", RECORD, 3.0, 2.0, 1.75), 2, "--json").stdout)
    assert set(document) == {
        "number", "state", "objective", "maximise", "decision", "best_value", "evidence", "value", "deviations",
        "failure", "parent", "step", "steps",
    }  # fmt: skip
    assert round(document["deviations"], 2) == 1.5
    assert document["decision"]["predicted"] == {"mean": 1.0, "low": 0.5, "high": 1.5}
    assert document["evidence"][0]["differences"] == [{"name": "kind", "here": "b", "there": "a"}]


def test_json_of_a_study_has_the_documented_shape(cli, tmp_path):
    document = json.loads(cli("explain", study(tmp_path / "s", RECORD, 3.0, 2.0, 1.75), "--json").stdout)
    assert set(document) == {"objectives", "auto", "scheduler", "calibration", "strategies", "periods", "insights"}
    assert document["calibration"] == {
        "n": 1, "n_judged": 1, "within_one": 0.0, "within_two": 1.0, "mean_error": 0.75, "bias": 0.75,
    }  # fmt: skip
    assert document["periods"] == [{"first": 2, "last": 2, "n": 1, "explore": 0.75}]


def test_no_control_character_of_a_record_reaches_the_terminal(cli, tmp_path):
    evil = "\x1b[31m\x9bx"
    record = {**RECORD, "strategy": evil, "why": evil}
    path = study(tmp_path / "s", record, 3.0, 2.0, 1.75)
    for words in ((path, 2), (path,), (path, 2, "--json"), (path, "--json")):
        output = cli("explain", *words).output
        assert all(c.isprintable() or c == "\n" for c in output)


def test_show_points_to_it(cli, told):
    assert f"cotune explain {told} 1" in cli("show", told, 1).stdout
