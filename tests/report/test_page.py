from __future__ import annotations

import ast
import base64
import hashlib
import re

import pytest

from builders import created, done, history_of, started
from cotune.records import Finished, History, Reached, Reported, Setting, Started
from cotune.report import Subject
from cotune.space import Space
from pages import EVIL, TURNED, chosen, failing, mixed, nothing, parsed, search, told, two, words, written

CONFIRMATION = {
    "objective": "accuracy", "maximise": True, "seeds": 3, "is_fresh": True, "chosen": 4, "optimism": 0.0125,
    "probability_better": 0.99, "warnings": ["seeds differ"],
    "candidates": [
        {"trial": 4, "observed": 0.95, "values": [0.93, 0.94, 0.95], "mean": 0.94, "low": 0.92, "high": 0.96,
         "probability_best": 0.8},
        {"trial": 0, "observed": 0.99, "values": [0.9, 0.91, 0.92], "mean": 0.91, "low": 0.89, "high": 0.93,
         "probability_best": 0.2},
    ],
    "default": {"trial": None, "observed": None, "values": [0.8, 0.8, 0.8], "mean": 0.8, "low": 0.78, "high": 0.82,
                "probability_best": 0.0},
}  # fmt: skip


def wild() -> History:
    """Curves and metrics with values that are no numbers, and very large ones."""
    events = []
    for n, value in enumerate((1e308, -1e308, 0.0, 1e-300)):
        events += [
            started(n, {"x": 0.5}),
            Reported(n, 1, [1, 2, 3], {"value": [float("nan"), float("inf"), value]}),
            Finished(n, 1, 3, {"value": value, "other": float("nan"), "more": float("-inf")}),
        ]
    return history_of(Space(x=(0.0, 1.0)), events, steps=3)


STUDIES = {
    "no trials": lambda: history_of(mixed(), []),
    "only failures": failing,
    "one running": lambda: history_of(Space(x=(0.0, 1.0)), [started(0, {"x": 0.5})]),
    "one trial": lambda: told([0.5]),
    "one parameter": lambda: told([3.0, 1.0, 2.0]),
    "all the same": lambda: told([1.0, 1.0, 1.0]),
    "choices only": chosen,
    "two objectives": two,
    "no numbers": wild,
    "curves": lambda: search(60),
}
"""Every kind of study that a page can be about."""


@pytest.fixture(params=[(name, is_found) for name in STUDIES for is_found in (True, False)], ids=str)
def text(request: pytest.FixtureRequest) -> str:
    name, is_found = request.param
    history = STUDIES[name]()
    return written(history, is_found=is_found and bool(history.front()))


def test_the_page_is_well_formed_and_its_ids_are_unique(text: str) -> None:
    ids = [element.get("id") for element in parsed(text).iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert parsed(text).get("lang") == "en"


def test_every_picture_says_what_it_shows_and_every_figure_has_a_caption(text: str) -> None:
    for figure in parsed(text).iter("figure"):
        assert figure.find("figcaption") is not None
        (picture,) = figure.iter("svg")
        assert picture.get("role") == "img" and len(picture.get("aria-label", "")) > 10
        assert figure.find("details//table") is not None


def test_every_link_leads_to_a_part_of_the_page_and_nothing_leads_away(text: str) -> None:
    root = parsed(text)
    ids = {element.get("id") for element in root.iter()}
    targets = [element.get("href", "") for element in root.iter("a")]
    assert targets and all(target.startswith("#") and target[1:] in ids for target in targets)
    assert "http://" not in text and "https://" not in text and "@import" not in text and "url(" not in text


def test_there_is_no_style_and_no_script_but_those_that_the_policy_names(text: str) -> None:
    root = parsed(text)
    policy = next(m.get("content", "") for m in root.iter("meta") if m.get("http-equiv") == "Content-Security-Policy")
    for kind in ("style", "script"):
        (element,) = root.iter(kind)
        digest = base64.b64encode(hashlib.sha256((element.text or "").encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name == "style" or name.startswith("on")}


def test_no_figure_is_drawn_at_a_place_that_is_no_number(text: str) -> None:
    drawn = [
        value for e in parsed(text).iter() for name, value in e.attrib.items() if name in ("d", "x", "y", "cx", "cy")
    ]
    assert not [value for value in drawn if re.search("nan|inf|e[+-]", value)]


def test_headings_go_down_one_level_at_a_time(text: str) -> None:
    levels = [int(element.tag[1]) for element in parsed(text).iter() if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_the_same_study_makes_the_same_page() -> None:
    assert written(search(40)) == written(search(40))


def test_a_study_without_trials_says_how_to_begin() -> None:
    shown = words(written(STUDIES["no trials"](), is_found=False))
    assert "There are no trials yet. study.optimize(trials=100) or study.ask() begins." in shown
    assert "0 results: that is too few" in shown


def test_a_study_of_failures_says_why_they_failed() -> None:
    shown = words(written(failing(), is_found=False))
    assert "All 3 trials failed." in shown
    assert "the user's code raised an exception (KeyError)" in shown
    assert f"KeyError: {EVIL}left\\u202ethgir" in shown


def test_names_and_messages_show_as_text() -> None:
    text = written(chosen(), subject=Subject(f"{EVIL}{TURNED}", f"'{EVIL}'"))
    assert "<img" not in text and "\u202e" not in text
    assert f"{EVIL}left\\u202ethgir" in words(text)
    assert parsed(text).find("body/header/h1").text == f"{EVIL}left\\u202ethgir"


def test_the_verdict_compares_the_best_with_the_first_and_the_median() -> None:
    shown = words(written(told([4.0, 1.0, 2.0, 3.0])))
    assert "The best of 4 trials is trial 1, with value 1." in shown
    assert "It is 3 better than trial 0 (4) and 1.5 better than the median of 4 trials that came as far." in shown
    assert "None of the 2 after it that came as far beat it." in shown


def test_where_all_did_equally_well_the_verdict_says_so() -> None:
    assert "All 3 trials that came as far did equally well." in words(written(told([1.0, 1.0, 1.0])))


def test_a_best_that_is_still_paused_says_how_far_it_came() -> None:
    events = [started(0, {"x": 0.5}, until=3), Reported(0, 1, [3], {"value": [0.5]}), Reached(0, 1, 3)]
    history = history_of(Space(x=(0.0, 1.0)), events, steps=9)
    assert "The best of 1 trial is trial 0, with value 0.5 after 3 of 9 steps." in words(written(history))


def test_the_verdict_counts_states_and_tells_what_mattered() -> None:
    shown = words(written(search(40)))
    assert "Trials: 10 done, 2 failed, 28 stopped early." in shown
    assert "What mattered most: optimizer (60% of the variance, 48% to 72%), then learning_rate" in shown
    assert "accuracy is highest with small widths." in shown and "Hint: widen hidden" in shown
    assert "The search ended: the patience" in words(
        written(search(40), subject=Subject("s", None, "the patience of 9 is used up"))
    )


def test_interactions_that_explain_next_to_nothing_are_left_out() -> None:
    tables = [
        one for one in parsed(written(search(40))).iter("table") if "do together" in (one.find("caption").text or "")
    ]
    assert [len(one.findall("tbody/tr")) for one in tables] == [1]


def test_a_winner_that_was_not_confirmed_is_said_to_be_so() -> None:
    shown = words(written(search(40)))
    assert "The winner was not confirmed." in shown and "study.confirm(top=5, seeds=5)" in shown


def test_a_confirmation_is_told_in_the_verdict_and_drawn() -> None:
    history = search(40)
    history.extend([Setting("confirmation", CONFIRMATION | {"seen": history.n_results})])
    text = written(history)
    shown = words(text)
    assert "The winner is trial 4, confirmed: accuracy 0.94 on average; one on new samples lies between" in shown
    assert "It is the best of the 2 candidates with probability 80%." in shown
    assert "In the search, trial 0 was" in shown
    assert "Configuration of trial 4" in shown and "cotune best runs/digits" in shown
    assert "flattered its best by 0.0125" in shown and "seeds differ" in shown
    assert "not confirmed" not in shown
    assert parsed(text).find(".//section[@id='confirmation']/figure") is not None


def test_the_best_configuration_can_be_copied_as_python() -> None:
    history = search(40)
    element = parsed(written(history)).find(".//pre[@id='best-config']/code")
    assert element is not None and element.text is not None
    best = history.best()
    assert best is not None
    assert ast.literal_eval(element.text) == dict(history.config(best))
    assert "cotune best runs/digits" in words(written(history))


def test_two_objectives_have_a_front_and_no_best() -> None:
    shown = words(written(two()))
    assert "3 of 4 trials are on the front" in shown
    assert "Trial 0 has the highest accuracy: accuracy 0.9, latency 30." in shown
    assert "Trial 2 has the lowest latency: accuracy 0.5, latency 1." in shown
    assert "Best configuration" not in shown and "not confirmed" not in shown


def test_every_trial_is_drawn_whatever_became_of_it() -> None:
    history = search(100)
    (drawn, *_) = parsed(written(history)).find(".//section[@id='history']").iter("svg")
    titles = [title.text or "" for title in drawn.iter("title")]
    assert {int(re.search(r"\d+", title)[0]) for title in titles} == set(range(100))
    assert sum("failed" in title for title in titles) == 5


def test_all_curves_of_a_few_trials_are_drawn_and_sixty_of_many() -> None:
    def n_curves(history: History) -> int:
        svg = next(iter(parsed(written(history)).find(".//section[@id='curves']").iter("svg")))
        return sum("curve" in path.get("class", "").split() for path in svg.iter("path"))

    assert n_curves(search(40)) == 38
    assert n_curves(search(200)) == 60


def test_the_trials_that_are_left_out_of_the_table_are_counted() -> None:
    text = written(search(400))
    rows = parsed(text).findall(".//section[@id='trials']//tbody/tr")
    assert len(rows) == 50
    assert "100 trials came to the end; 50 others are left out here. 300 trials did not." in words(text)


def test_a_thousand_trials_take_less_than_a_megabyte_and_a_half() -> None:
    assert len(written(search(1000)).encode()) < 1_500_000


def test_ten_thousand_trials_are_thinned_and_the_page_says_so() -> None:
    text = written(told([(n * 0.6180339887) % 1 for n in range(10_000)]))
    assert len(text.encode()) < 500_000
    assert "Of 10000 trials about 2000 are drawn." in words(text)


def test_the_environment_tells_machine_seed_and_space() -> None:
    history = History(mixed())
    history.extend([
        created(mixed(), seed=11, accuracy=True),
        Setting("machine", {"torch": "2.13.0", "gpu": None, "threads": 2}),
        Setting("strategy", {"name": "bayesian", "why": "a Gaussian process learns"}),
    ])  # fmt: skip
    shown = words(written(history, is_found=False))
    for fact in ("seed 11", "torch 2.13.0", "bayesian: a Gaussian process learns", "Int(16, 512, log=True)"):
        assert fact in shown
    assert "gpu" not in shown


def test_results_are_drawn_over_their_predictions() -> None:
    events = []
    for n in range(12):
        record = {"strategy": "bayesian", "predicted": {"mean": 1.0, "low": 0.0, "high": 2.0}} if n else {}
        events += [Started(n, {"x": n / 12}, "w", None, record, 0), done(n, float(n))]
    text = written(history_of(Space(x=(0.0, 1.0)), events))
    assert "Of 11 results that had been predicted, 18% came within one standard deviation and 27%" in words(text)
    assert "The model was surer of itself than it should have been." in words(text)
    svg = next(iter(parsed(text).find(".//section[@id='predictions']").iter("svg")))
    assert sum(circle.get("class") == "done" for circle in svg.iter("circle")) == 11


def test_how_safe_it_was_to_stop_is_said() -> None:
    shown = words(written(search(40)))
    assert "28 trials ended before the last step." in shown
    assert "agrees with that at step 9 to 0.90 (rank correlation of 25 trials): stopping was safe, as far" in shown


def test_nothing_found_is_said_in_the_notes() -> None:
    history = told([1.0])
    assert nothing(history, "value").notes[0] in words(written(history, is_found=False))
