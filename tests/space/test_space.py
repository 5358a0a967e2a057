"""The space as a whole: notation, sampling, rules, start points, the stored form."""

import copy
import json
import pickle
import warnings

import numpy as np
import pytest

from cotune.errors import ConfigError, SpaceError
from cotune.space import Categorical, Float, Int, Space

ARTICLE = Space(
    optimizer=["sgd", "adam", "rmsprop"],
    learning_rate=Float(1e-4, 1e-1, log=True),
    momentum=Float(0.0, 0.99, when={"optimizer": "sgd"}),
    batch_size=[16, 32, 64, 128, 256],
    hidden=Int(16, 512, log=True),
    dropout=Float(0.0, 0.6),
)


def test_the_short_notation_means_float_int_and_categorical():
    space = Space({"学习率": (1e-4, 1e-1), "mixed": (0, 1.0), "batch_size": (16, 256)}, act=["relu", "gelu"])
    assert space.parameters == {
        "学习率": Float(1e-4, 1e-1),
        "mixed": Float(0.0, 1.0),
        "batch_size": Int(16, 256),
        "act": Categorical(["relu", "gelu"]),
    }
    assert space.dimension == 4
    with pytest.raises(TypeError):
        space.parameters["x"] = Float(0, 1)


def test_a_wide_linear_float_earns_a_hint_and_no_other_does():
    space = Space({"learning_rate": (0.0001, 0.1), "batch_size": (16, 2560), "x": (0.0, 1.0), "y": (0.1, 1.0)})
    assert space.hints == (
        "learning_rate spans a factor of 1e+03: Float(0.0001, 0.1, log=True) would search every order of magnitude "
        "alike",
    )


def test_any_name_that_is_not_reserved_can_be_in_the_mapping():
    assert Space({"start": (0, 1), "require": (0, 1), "parameters": (0, 1), "self": (0, 1)}).dimension == 4
    assert Space(parameters=(0, 1), self=(0, 1)).names == ("parameters", "self")


def test_sampling_is_legal_repeatable_and_takes_one_number_per_parameter():
    first, second = np.random.default_rng(3), np.random.default_rng(3)
    configs = [ARTICLE.sample(first) for _ in range(200)]
    assert configs == [ARTICLE.sample(second) for _ in range(200)]
    assert all(ARTICLE.check(config) == config for config in configs)
    second = np.random.default_rng(3)
    second.random(200 * ARTICLE.dimension)
    assert first.random() == second.random()


def test_sampling_is_uniform_over_choices_and_ints():
    space = Space(a=["x", "y", "z"], b=(1, 4))
    random = np.random.default_rng(0)
    configs = [space.sample(random) for _ in range(6_000)]
    counts = [sum((c.a, c.b) == (a, b) for c in configs) for a in "xyz" for b in range(1, 5)]
    assert all(abs(count - 500) < 5 * 500**0.5 for count in counts)


def test_check_makes_python_values_and_floats_of_ints():
    space = Space(rate=(0.0, 2.0), flag=[True, False], grid=Float(0, 1, step=0.1))
    config = space.check({"rate": 1, "flag": 0, "grid": 0.1 + 0.2})
    assert repr(config) == "Config(rate=1.0, flag=False, grid=0.3)"
    assert repr(space.check({"rate": -0.0, "flag": 1, "grid": 0})) == "Config(rate=0.0, flag=True, grid=0.0)"


def test_a_config_that_comes_out_was_not_read():
    space = Space(a=(0, 9), b=(0, 9), require=lambda c: c.a <= c.b, start=[{"a": 1}])
    random = np.random.default_rng(0)
    made = [space.sample(random), space.complete({}), space.decode([0.5, 0.9]), *space.starts, *space.grid()]
    assert all(config.read == frozenset() for config in [*made, *space.examples()])


def test_complete_fills_defaults_middles_and_first_choices():
    space = Space(
        a=Float(0, 1, default=0.2), b=Float(1e-4, 1e-2, log=True), c=["x", "y", "z"],
        d=Categorical([1, 2, 3], ordered=True), e=Int(0, 10), f=Categorical([1, None], default=None),
    )  # fmt: skip
    expected = {"a": 0.2, "b": pytest.approx(1e-3), "c": "x", "d": 2, "e": 5, "f": None}
    assert dict(space.default()) == expected
    assert dict(space.complete({"c": "z", "e": 1})) == {**expected, "c": "z", "e": 1}


def test_start_points_come_first_then_the_defaults_without_duplicates():
    space = Space(a=Int(0, 9, default=3), b=Int(0, 9), start=[{"a": 1, "b": 2}, {"a": np.int64(1), "b": 2}, {}])
    assert [dict(config) for config in space.starts] == [{"a": 1, "b": 2}, {"a": 3, "b": space.default().b}]
    assert Space(a=(0, 9)).starts == ()


def test_rules_are_obeyed_everywhere():
    space = Space(a=(0, 9), b=(0, 9), require=[lambda c: c.a < c.b, lambda c: np.bool_(c.b != 5)])
    random = np.random.default_rng(0)
    assert all(c.a < c.b != 5 for c in [space.sample(random) for _ in range(300)])
    assert space.allows({"a": 1, "b": 2}) and not space.allows({"a": 2, "b": 1})
    with pytest.raises(ConfigError, match=r"the rule <lambda> \(line .*b=1"):
        space.check({"a": 2, "b": 1})
    with pytest.raises(SpaceError, match="start point 0: the rule"):
        Space(a=(0, 9), require=lambda c: c.a < 5, start=[{"a": 7}])
    with pytest.raises(SpaceError, match="the default configuration: the rule"):
        Space(a=Int(0, 9, default=7), require=lambda c: c.a < 5)


def rarely(c):
    return c.a < 300


def never(c):
    return False


def test_a_rule_that_rejects_nearly_everything_warns_and_one_that_rejects_all_is_refused():
    with pytest.warns(
        UserWarning, match=r"reject 9\d\.\d% of all configurations, most of them the rule rarely"
    ) as caught:
        assert Space(a=(0, 9_999), require=rarely).sample(np.random.default_rng(0)).a < 300
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Space(a=(0, 999), require=rarely)
    with pytest.raises(SpaceError, match="the rule never rejected 10,000 configurations in a row. Relax it"):
        Space(a=(0, 9), require=never)


def test_a_rule_that_fails_or_returns_no_bool_is_named_with_the_configuration():
    with pytest.raises(SpaceError, match=r"line .*failed on Config\(a=\d\).*ZeroDivisionError") as caught:
        Space(a=(0, 9), require=lambda c: c.a < 1 / 0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(SpaceError, match=r"needs to return True or False, got \d"):
        Space(a=(0, 9), require=lambda c: c.a)


@pytest.mark.parametrize("rule", [lambda c: c.momentum < 1, lambda c: c["momentum"] < 1])
def test_a_rule_that_reads_an_inactive_name_is_told_about_get(rule):
    with pytest.raises(SpaceError, match=r"read it with c.get\('momentum', default\)"):
        Space(ARTICLE.parameters, require=rule)


def test_examples_leave_out_what_the_rules_forbid():
    space = Space(a=["x", "y"], b=Int(0, 1, when={"a": "y"}), require=lambda c: c.a == "x")
    assert [dict(config) for config in space.examples()] == [{"a": "x"}]


def test_the_stored_form_is_json_and_returns_the_same_space():
    space = Space(
        ARTICLE.parameters, stepped=Float(0, 1, step=0.1, default=0.3), nothing=Categorical([None, 1], default=None),
        nested=[[1, 2], {"a": None}], big=Int(-(2**63), 2**63 - 1, when={"batch_size": [16, 32]}),
    )  # fmt: skip
    returned = Space.from_json(json.loads(json.dumps(space.to_json(), allow_nan=False, sort_keys=True)))
    assert returned == space and returned.names == space.names and repr(returned) == repr(space)
    assert returned.difference(space) == "" and hash(returned) == hash(space)
    assert returned.sample(np.random.default_rng(1)) == space.sample(np.random.default_rng(1))


def test_a_difference_is_told_in_lines():
    old = Space(learning_rate=(0.0, 0.1), hidden=(1, 8), kind=["a"], gone=[1])
    new = Space(learning_rate=(0.0, 1.0), hidden=(1.0, 8.0), kind=["a", "b"], fresh=[1])
    assert old.difference(new).splitlines() == [
        "gone: only here",
        "fresh: only there",
        "learning_rate: high 0.1 -> 1.0",
        "hidden: type int -> float",
        "kind: choices ['a'] -> ['a', 'b']",
    ]
    assert old != new and old != 3
    assert Space(a=[1]).difference(Space(a=[True])) == "a: choices [1] -> [True]"
    assert Space(a=[1], b=[1]).difference(Space(b=[1], a=[1])) == "order: a, b -> b, a"


def test_a_space_can_be_pickled_and_copied():
    for twin in (pickle.loads(pickle.dumps(ARTICLE)), copy.deepcopy(ARTICLE)):
        assert twin == ARTICLE
        assert twin.sample(np.random.default_rng(0)) == ARTICLE.sample(np.random.default_rng(0))


def test_the_baseline_is_the_first_start_or_else_the_defaults_and_middles() -> None:
    assert dict(Space(x=(0.0, 1.0), k=["a", "b"]).baseline()) == {"x": 0.5, "k": "a"}
    assert Space(x=Float(0.0, 1.0, default=0.2), start=[{"x": 0.7}]).baseline()["x"] == 0.7
    assert Space(x=(0.0, 1.0), require=[lambda c: c.x > 0.9]).baseline() is None
