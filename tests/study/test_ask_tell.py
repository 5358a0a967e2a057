from __future__ import annotations

import csv
import io
import math
import subprocess
import sys
from pathlib import Path

import pytest

import cotune as ct
from cotune.errors import ConfigError, LeaseLost, NoResult, ReportError, StudyError
from cotune.records import State

SPACE = {"x": (0.0, 1.0), "n": (1, 10)}


def study(path: Path | None = None, **options: object) -> ct.Study:
    return ct.Study(None, SPACE, **{"minimize": "value", "path": path, "strategy": "random", **options})


def test_the_best_of_what_was_told_is_the_best() -> None:
    ours = study()
    for value in (3.0, 1.0, 2.0):
        ours.tell(ours.ask(), value)
    assert ours.best.number == 1 and ours.best.value == 1.0 and ours.best.metrics == {"value": 1.0}


def test_a_maximised_metric_is_maximised() -> None:
    ours = study(minimize=None, maximize="accuracy")
    for value in (0.3, 0.9, 0.5):
        ours.tell(ours.ask(), accuracy=value, latency_ms=3)
    assert ours.best.number == 1 and ours.best.metrics == {"accuracy": 0.9, "latency_ms": 3.0}


def test_a_batch_is_asked_at_once() -> None:
    trials = study().ask(5)
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4]
    assert len({trial.config.x for trial in trials}) == 5


def test_a_trial_may_be_told_by_its_number() -> None:
    ours = study()
    ours.tell(ours.ask().number, 0.5)
    assert ours.trials[0].state is State.DONE


def test_a_trial_of_an_ended_process_may_be_told_by_number_until_it_is_reclaimed(tmp_path: Path) -> None:
    with study(tmp_path) as gone:
        gone.ask(), gone.ask()
    later = study(tmp_path)
    later.tell(0, 0.5)
    assert later.ask().number == 1
    assert later.trials[0].metrics == {"value": 0.5}


def test_the_trial_of_a_dead_worker_is_asked_next_with_its_configuration(tmp_path: Path) -> None:
    with study(tmp_path) as gone:
        lost = gone.ask()
    again = study(tmp_path).ask()
    assert (again.number, again.config, again.seed, again.epoch) == (lost.number, lost.config, lost.seed, 2)


def test_a_late_tell_changes_nothing(tmp_path: Path) -> None:
    gone = study(tmp_path)
    lost = gone.ask()
    gone.close()
    later = study(tmp_path)
    later.tell(later.ask(), 1.0)
    with pytest.raises(LeaseLost, match="nothing was changed"):
        gone.tell(lost, 2.0)
    assert later.trials[0].metrics == {"value": 1.0}


def test_telling_the_same_again_is_harmless_and_something_else_is_refused() -> None:
    ours = study()
    trial = ours.ask()
    ours.tell(trial, 1.0)
    ours.tell(trial, 1.0)
    with pytest.raises(LeaseLost):
        ours.tell(trial, 2.0)
    with pytest.raises(LeaseLost):
        ours.tell(trial, failed="no")
    assert ours.history.position == 4  # created, the budget that there is not, started, finished


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_a_failure_and_no_best(value: float) -> None:
    ours = study()
    ours.tell(ours.ask(), value)
    assert ours.trials[0].failure.cause == "diverged" and str(value) in ours.trials[0].failure.reason
    with pytest.raises(NoResult):
        _ = ours.best


@pytest.mark.parametrize("value", ["0.5", None, True, 1 + 2j, [0.5], 10**400, {"a": 1}])
def test_what_is_no_number_is_refused_and_the_trial_goes_on(value: object) -> None:
    ours = study()
    trial = ours.ask()
    with pytest.raises(ReportError, match="value"):
        ours.tell(trial, value)
    ours.tell(trial, 0.5)
    assert ours.best.value == 0.5


def test_a_told_failure_is_kept_with_its_reason() -> None:
    ours = study()
    ours.tell(ours.ask(), failed="the oven was cold")
    failure = ours.trials[0].failure
    assert (failure.cause, failure.reason) == ("reported", "the oven was cold")


def test_two_objectives_have_a_front_and_no_single_best() -> None:
    ours = study(minimize=["latency"], maximize=["accuracy"])
    for accuracy, latency in ((0.9, 5.0), (0.8, 1.0), (0.7, 3.0)):
        ours.tell(ours.ask(), accuracy=accuracy, latency=latency)
    assert [best.number for best in ours.front] == [0, 1]
    with pytest.raises(StudyError, match=r"study\.front"):
        _ = ours.best
    with pytest.raises(ReportError, match="accuracy"):
        ours.tell(ours.ask(), 0.5)
    with pytest.raises(ReportError, match="latency"):
        ours.tell(3, accuracy=0.5)


def test_an_enqueued_configuration_is_tried_next() -> None:
    ours = study()
    number = ours.enqueue({"x": 0.25, "n": 7})
    trial = ours.ask()
    assert (trial.number, dict(trial.config)) == (number, {"x": 0.25, "n": 7})


def test_enqueueing_twice_is_once() -> None:
    ours = study()
    assert ours.enqueue({"x": 0.25, "n": 7}) == ours.enqueue({"n": 7, "x": 0.25}) == 0
    assert len(ours.trials) == 1


@pytest.mark.parametrize("config", [{"xx": 1.0}, {"x": 7.0}, {"n": 0.5}, {"x": "a"}])
def test_a_configuration_that_does_not_belong_is_not_enqueued(config: dict) -> None:
    ours = study()
    with pytest.raises(ConfigError, match=repr(next(iter(config)))):
        ours.enqueue(config)
    assert len(ours.trials) == 0


def test_starting_points_come_first() -> None:
    space = ct.Space(x=ct.Float(0.0, 1.0, default=0.75), start=[{"x": 0.1}])
    ours = ct.Study(None, space, minimize="value")
    assert [trial.config.x for trial in ours.ask(2)] == [0.1, 0.75]


def test_a_grid_ends_with_a_word() -> None:
    ours = ct.Study(None, {"a": ["p", "q"]}, minimize="value", strategy="grid")
    ours.ask(5)
    with pytest.raises(StudyError, match="nothing left to ask"):
        ours.ask()


def test_the_same_seed_asks_the_same_and_another_does_not() -> None:
    def first(seed: int) -> list[float]:
        return [trial.config.x for trial in study(seed=seed).ask(4)]

    assert first(1) == first(1) != first(2)


def test_a_study_opened_later_knows_everything(tmp_path: Path) -> None:
    with study(tmp_path) as ours:
        ours.tell(ours.ask(), 1.5)
    with study(tmp_path) as ours:
        ours.ask()
    with ct.Study.open(tmp_path) as again:
        assert again.best.value == 1.5 and again.objectives == {"value": "minimize"}
        again.tell(1, 0.5)
        assert again.best.number == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"minimize": "loss"}, "minimize value there, minimize loss here"),
        ({"minimize": None, "maximize": "value"}, "maximize value here"),
    ],
)
def test_another_study_at_the_path_is_refused_with_the_difference(tmp_path: Path, change: dict, words: str) -> None:
    study(tmp_path).close()
    with pytest.raises(StudyError, match=words):
        study(tmp_path, **change)


def test_another_space_at_the_same_path_is_refused_with_the_difference(tmp_path: Path) -> None:
    study(tmp_path).close()
    with pytest.raises(StudyError, match="x: high 1.0 -> 2.0"):
        ct.Study(None, {**SPACE, "x": (0.0, 2.0)}, minimize="value", path=tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "randm"}, {"scheduler": "ashaa"}, {"executor": "inlin"}, {"seed": -1}, {"seed": 1.5},
        {"seed": True}, {"minimize": 3}, {"minimize": []}, {"minimize": ["a", "a"]}, {"minimize": "a", "maximize": "a"},
        {"epochs": 0}, {"epochs": 2.5}, {"durability": "always"}, {"strategy": 3}, {"strategy": None},
        {"strategy": ct.Random}, {"scheduler": None}, {"executor": ct.Inline},
    ],
)  # fmt: skip
def test_a_typo_in_an_argument_is_our_error_and_writes_nothing(options: dict, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with pytest.raises(StudyError, match="|".join(options)):
        study(folder, **options)
    assert not folder.exists()


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    with pytest.raises(StudyError, match="is a file"):
        study(tmp_path / "file")


@pytest.mark.parametrize("path", [3, "", b"study"])
def test_a_path_that_is_no_path_is_refused(path: object) -> None:
    for opened in (lambda: ct.Study(None, {"x": (0, 1)}, path=path), lambda: ct.Study.open(path)):
        with pytest.raises(StudyError, match="takes a study's folder"):
            opened()


def test_a_path_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="cannot be made: Not a directory"):
        study(tmp_path / "file" / "study")


def test_opening_what_is_not_there_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no study"):
        ct.Study.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("number", [-1, 7])
def test_telling_a_trial_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(StudyError, match=f"there is no trial {number}"):
        study().tell(number, 1.0)


@pytest.mark.parametrize("trial", ["0", None, 0.0, True])
def test_telling_what_is_no_trial_is_refused(trial: object) -> None:
    with pytest.raises(StudyError, match=r"what ask\(\) gave"):
        study().tell(trial, 1.0)


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_asking_for_no_whole_number_of_trials_is_refused(n: object) -> None:
    with pytest.raises(StudyError, match="study.ask"):
        study().ask(n)


def test_asking_and_telling_load_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, cotune as ct\n"
        "study = ct.Study(None, {'x': (0.0, 1.0)}, minimize='value', strategy='random', path=sys.argv[1])\n"
        "study.tell(study.ask(), 1.0)\n"
        "ct.Study.open(sys.argv[1]).best\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_trials_are_a_table(tmp_path: Path) -> None:
    import pandas as pd

    ours = study(tmp_path)
    ours.tell(ours.ask(), 1.5)
    ours.tell(ours.ask(), failed="=cmd()")
    frame = ours.trials.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["number", "state", "value", "x", "n", "seconds", "failure"]
    assert frame["value"][0] == 1.5 and frame["state"][1] == "failed"
    assert ours.trials.to_csv().splitlines()[0] == "number,state,value,x,n,seconds,failure"
    assert repr(ours.trials) == "<2 trials: 1 done, 1 failed>"
    assert [trial.number for trial in ours.trials[-1:]] == [1] and ours.trials[-1].number == 1
    with pytest.raises(IndexError):
        ours.trials[2]


@pytest.mark.parametrize("evil", ["=cmd()", "\x1b=cmd()", "\t@cmd", " +1", "\r-1"])
def test_no_cell_of_a_csv_is_a_formula_or_holds_control_characters(evil: str) -> None:
    ours = ct.Study(None, {"choice": [evil]}, minimize=evil)
    ours.tell(ours.ask(), **{evil: 1.0})
    ours.enqueue({"choice": evil})
    text = ours.trials.to_csv()
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert all(c.isprintable() or c == "\n" for c in text)
    assert not [cell for cell in cells if cell.strip()[:1] in ("=", "+", "-", "@")]


def test_names_and_reasons_are_escaped_in_html() -> None:
    ours = ct.Study(None, {"<img onerror=x>": (0.0, 1.0)}, minimize="value")
    ours.tell(ours.ask(), failed="<script>alert(1)</script>")
    page = ours._repr_html_()
    assert "<script>" not in page and "<img" not in page and "&lt;script&gt;" in page


def test_an_empty_study_shows_itself() -> None:
    assert "none yet" in repr(study()) and "<table>" in study()._repr_html_()
