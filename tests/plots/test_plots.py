from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import cotune as ct
from cotune.plots.configs import smoothed
from cotune.study import Study

ALL = [
    lambda study: ct.plots.history(study, objective=next(iter(study.objectives))),
    ct.plots.curves,
    lambda study: ct.plots.importance(study, objective=next(iter(study.objectives))),
    lambda study: ct.plots.dependence(study, objective=next(iter(study.objectives))),
    lambda study: ct.plots.dependence(study, study.space.names[0], objective=next(iter(study.objectives))),
    lambda study: ct.plots.parallel(study, objective=next(iter(study.objectives))),
    lambda study: ct.plots.slice(study, study.space.names[0], objective=next(iter(study.objectives))),
    lambda study: ct.plots.contour(
        study, study.space.names[0], study.space.names[-1], objective=next(iter(study.objectives))
    ),
    ct.plots.timeline,
    lambda study: ct.plots.edf(study, objective=next(iter(study.objectives))),
]  # fmt: skip


def trained(trial) -> None:
    """Curves; every fifth trial fails."""
    if trial.number % 5 == 4:
        raise ValueError("too large")
    for epoch in trial.epochs():
        trial.report(value=trial.config.x + 1 / (epoch + 1))


def empty() -> Study:
    return ct.Study(None, {"x": (0.0, 1.0)})


def curved() -> Study:
    return ct.Study(
        trained, {"x": (0.0, 1.0)}, minimize="value", epochs=9, scheduler="asha", strategy="random"
    ).optimize(20, progress=False)


def failing() -> Study:
    study = ct.Study(None, {"x": (0.0, 1.0)})
    study.tell(study.ask(), failed="no")
    return study


def chosen() -> Study:
    study = ct.Study(None, {"$a$": ["$u", "v"], "b": [True, None]}, maximize="$value$", strategy="grid")
    for value in range(4):
        study.tell(study.ask(), float(value))
    return study


def two() -> Study:
    study = ct.Study(None, {"x": (0.0, 1.0)}, maximize="accuracy", minimize="latency", strategy="random")
    for accuracy, latency in ((0.9, 30.0), (0.8, 10.0), (0.4, 20.0)):
        study.tell(study.ask(), accuracy=accuracy, latency=latency)
    return study


def told(*values: float, maximize: str | None = None) -> Study:
    study = ct.Study(None, {"x": ct.Float(1e-3, 1.0, log=True)}, maximize=maximize, strategy="random")
    for value in values:
        study.tell(study.ask(), value)
    return study


STUDIES = {"empty": empty, "curved": curved, "failing": failing, "chosen": chosen, "two": two}


@pytest.fixture(scope="module", params=STUDIES)
def study(request: pytest.FixtureRequest) -> Study:
    return STUDIES[request.param]()


@pytest.mark.parametrize("plot", ALL)
def test_every_picture_of_every_study_can_be_written_to_a_file(plot, study: Study, tmp_path: Path) -> None:
    ax = plot(study)
    assert isinstance(ax, Axes)
    ax.figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


@pytest.mark.parametrize("plot", ALL)
def test_a_study_without_trials_is_drawn_in_words(plot) -> None:
    (text,) = plot(empty()).texts
    assert len(text.get_text()) > 10


def test_a_picture_is_drawn_on_the_axes_that_are_given() -> None:
    ax = Figure().subplots()
    assert ct.plots.history(told(1.0), ax) is ax
    assert ct.plots.front(two(), ax) is ax


def test_the_best_so_far_goes_down_where_less_is_better_and_up_where_more_is() -> None:
    for study, values in ((told(3.0, 1.0, 2.0), [3, 1, 1]), (told(1.0, 3.0, 2.0, maximize="value"), [1, 3, 3])):
        (line,) = [one for one in ct.plots.history(study).lines if one.get_label() == "best so far"]
        assert line.get_xdata().tolist() == [0, 1, 2] and line.get_ydata().tolist() == values


def test_stopped_and_failed_trials_are_shown() -> None:
    study = curved()
    ax = ct.plots.history(study)
    n_points = sum(len(one.get_offsets()) for one in ax.collections)
    (failed,) = [one for one in ax.lines if one.get_label() == "failed"]
    assert n_points + len(failed.get_xdata()) == len(study.trials)
    named = {text.get_text() for text in ax.get_legend().get_texts()}
    assert named == {"best so far", *(str(trial.state) for trial in study.trials)}


def test_each_trial_that_reported_has_a_curve() -> None:
    study = curved()
    n = sum(bool(trial.curve) for trial in study.trials)
    assert sum(line.get_marker() == "None" for line in ct.plots.curves(study).lines) == n


def test_a_parameter_in_orders_of_magnitude_has_a_logarithmic_axis() -> None:
    assert ct.plots.slice(told(1.0), "x").get_xscale() == "log"
    assert ct.plots.slice(curved(), "x").get_xscale() == "linear"


def test_dollars_in_names_are_no_formulas() -> None:
    ax = ct.plots.slice(chosen(), "$a$")
    assert ax.get_xlabel() == r"\$a\$" and [t.get_text() for t in ax.get_xticklabels()] == [r"\$u", "v"]


def test_the_distribution_ends_at_one_and_counts_what_is_at_least_as_good() -> None:
    (low,) = ct.plots.edf(told(3.0, 1.0, 2.0)).lines
    assert low.get_xdata().tolist() == [1, 2, 3] and low.get_ydata() == pytest.approx([1 / 3, 2 / 3, 1])
    (high,) = ct.plots.edf(told(3.0, 1.0, 2.0, maximize="value")).lines
    assert high.get_ydata() == pytest.approx([1, 2 / 3, 1 / 3])


def test_the_bars_of_the_timeline_add_up_to_the_seconds_of_the_study() -> None:
    study = curved()
    assert sum(bar.get_width() for bar in ct.plots.timeline(study).patches) == pytest.approx(study.history.seconds)


def test_the_front_is_drawn_through_the_trials_that_none_beats() -> None:
    (line,) = ct.plots.front(two()).lines
    assert line.get_xdata().tolist() == [0.8, 0.9] and line.get_ydata().tolist() == [10, 30]


def test_a_surface_is_the_kernel_average_and_ends_where_no_result_is_near() -> None:
    at, line = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), np.linspace(0, 1, 11)
    surface = smoothed(at, np.array([1.0, 3.0, 5.0, 7.0]), line)
    assert surface[0, 0] == pytest.approx(2.0) and surface[0, 10] == pytest.approx(6.0)
    assert np.isnan(surface[10]).all() and np.isnan(surface[0, 5])


@pytest.mark.parametrize("n", [19, 20])
def test_fewer_than_twenty_results_make_no_surface(n: int) -> None:
    study = ct.Study(None, {"x": (0.0, 1.0), "y": (0.0, 1.0)}, strategy="random")
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, trial.config.x)
    assert (len(ct.plots.contour(study, "x", "y").figure.axes) == 2) is (n >= 20)


def test_several_objectives_ask_for_a_name() -> None:
    with pytest.raises(ct.errors.StudyError, match="name it, objective='accuracy' or objective='latency'"):
        ct.plots.history(two())
    with pytest.raises(ct.errors.StudyError, match="takes one of accuracy, latency"):
        ct.plots.edf(two(), objective="f1")


def test_one_objective_has_no_front() -> None:
    with pytest.raises(ct.errors.StudyError, match="ct.plots.history"):
        ct.plots.front(told(1.0))


def test_a_metric_that_nobody_reports_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(ct.errors.StudyError, match=r"curves\(metric='acuracy'\) takes one of value"):
        ct.plots.curves(curved(), metric="acuracy")
    assert ct.plots.curves(ct.Study(None, {"x": (0.0, 1.0)}), metric="anything").texts


def test_an_unknown_parameter_is_an_error_that_lists_all() -> None:
    for plot in (ct.plots.slice, ct.plots.dependence):
        with pytest.raises(ct.errors.StudyError, match="takes a parameter: x"):
            plot(told(1.0), "y")


def test_pyplots_figures_are_left_alone() -> None:
    code = (
        "import sys, cotune as ct\n"
        "s = ct.Study(None, {'x': (0.0, 1.0)}, strategy='random'); s.tell(s.ask(), 1.0)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "ct.plots.history(s)\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_error_says_what_to_install() -> None:
    code = (
        "import sys, cotune as ct\n"
        "sys.modules['matplotlib'] = sys.modules['matplotlib.figure'] = None\n"
        "try: ct.plots.history(ct.Study(None, {'x': (0.0, 1.0)}))\n"
        "except ct.errors.MissingPackage as error: assert \"pip install 'cotune[plots]'\" in str(error)\n"
        "else: raise AssertionError"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
