"""Every wrong input is refused with our error, which names the parameter and the value and says what to do."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from cotune.errors import ConfigError, CotuneError, SpaceError
from cotune.space import Categorical, Float, Int, Prior, Space, at_least, at_most, one_of

NAN, INF = math.nan, math.inf

PARAMETERS = [
    ("lr", Float(1, 0), "low=1.0"),
    ("lr", Float(0, 1, log=True), "low=0.0"),
    ("lr", Float(-1, 1, log=True), "low=-1.0"),
    ("lr", Float(NAN, 1), "nan"),
    ("lr", Float(0, NAN), "nan"),
    ("lr", Float(0, INF), "inf"),
    ("lr", Float(-INF, 0), "-inf"),
    ("lr", Float("0.1", 1), "'0.1'"),
    ("lr", Float(None, 1), "None"),
    ("lr", Float(1j, 1), "1j"),
    ("lr", Float(True, 2), "True"),
    ("lr", Float(0, 10**400), "1000000"),
    ("lr", Float(0, 1, log=1), "log=1"),
    ("lr", Float(0, 1, log="yes"), "'yes'"),
    ("lr", Float(0, 1, step=0), "step=0"),
    ("lr", Float(0, 1, step=-0.1), "step=-0.1"),
    ("lr", Float(0, 1, step=NAN), "nan"),
    ("lr", Float(0, 1, step=0.3), "high=1.0"),
    ("lr", Float(1, 10, step=1, log=True), "step=1"),
    ("lr", Float(1e9, 1e9 + 1, step=1e-7), "step=1e-07"),
    ("lr", Float(0, 1, default=2), "2"),
    ("lr", Float(0, 1, default="a"), "'a'"),
    ("lr", Float(0, 1, step=0.1, default=0.25), "0.25"),
    ("lr", Float(0, 1, prior=2), "prior needs a number in [0.0, 1.0], got 2"),
    ("lr", Float(0, 1, prior="a"), "'a'"),
    ("lr", Float(0, 1, prior=NAN), "nan"),
    ("lr", Float(0, 1, prior=Prior(None)), "None"),
    ("lr", Float(0, 1, prior=Prior(Prior(0.5))), "Prior(0.5)"),
    ("lr", Float(0, 1, step=0.1, prior=0.25), "0.25"),
    ("lr", Float(0, 1, prior=Prior(0.5, spread=0)), "spread=0."),
    ("lr", Float(0, 1, prior=Prior(0.5, spread=-1)), "spread=-1"),
    ("lr", Float(0, 1, prior=Prior(0.5, spread=1.5)), "spread=1.5"),
    ("lr", Float(0, 1, prior=Prior(0.5, spread=NAN)), "nan"),
    ("lr", Float(0, 1, prior=Prior(0.5, spread="wide")), "'wide'"),
    ("lr", Float(0, 1, prior=Prior(0.5, spread=None)), "None"),
    ("lr", Float(0, 1, when="sgd"), "'sgd'"),
    ("lr", Float(0, 1, when={1: 2}), "{1: 2}"),
    ("units", Int(4, 1), "low=4"),
    ("units", Int(0, 8, log=True), "low=0"),
    ("units", Int(0.5, 3.7), "0.5"),
    ("units", Int(1.0, 3), "1.0"),
    ("units", Int(0, 2**63), str(2**63)),
    ("units", Int(-(2**63) - 1, 0), str(-(2**63) - 1)),
    ("units", Int("1", 3), "'1'"),
    ("units", Int(False, 3), "False"),
    ("units", Int(0, NAN), "nan"),
    ("units", Int(0, 10, step=3), "high=10"),
    ("units", Int(0, 10, step=0), "step=0"),
    ("units", Int(1, 10, step=0.5), "0.5"),
    ("units", Int(1, 8, default=9), "9"),
    ("units", Int(1, 8, default=2.0), "2.0"),
    ("units", Int(1, 8, prior=9), "9"),
    ("units", Int(1, 8, prior=2.0), "2.0"),
    ("units", Int(1, 8, prior=Prior(2, spread=True)), "True"),
    ("optimizer", Categorical([]), "[]"),
    ("optimizer", Categorical("adam"), "'adam'"),
    ("optimizer", Categorical(None), "None"),
    ("optimizer", Categorical({"a"}), "{"),
    ("optimizer", Categorical(["a", "a"]), "'a'"),
    ("optimizer", Categorical([1, True]), "True"),
    ("optimizer", Categorical([1, 1.0]), "1.0"),
    ("optimizer", Categorical([[1], [True]]), "[True]"),
    ("optimizer", Categorical([0.1, NAN]), "nan"),
    ("optimizer", Categorical([INF]), "inf"),
    ("optimizer", Categorical([(3, 3)]), "[3, 3]"),
    ("optimizer", Categorical([print]), "print"),
    ("optimizer", Categorical([{1: 2}]), "{1: 2}"),
    ("optimizer", Categorical(["\ud800"]), r"'\ud800'"),
    ("optimizer", Categorical(["sgd"], ordered=1), "ordered=1"),
    ("optimizer", Categorical(["sgd"], default="adam"), "'adam'"),
    ("optimizer", Categorical(["sgd"], default=None), "None"),
    ("optimizer", Categorical(["sgd"], prior="sdg"), "Did you mean 'sgd'?"),
    ("optimizer", Categorical(["sgd"], prior=None), "None"),
    ("optimizer", Categorical(["sgd", "adam"], prior=Prior("sgd", spread=2)), "spread=2"),
    ("optimizer", (1, 2, 3), "(1, 2, 3)"),
    ("optimizer", ("sgd", "adam"), "('sgd', 'adam')"),
    ("optimizer", (True, False), "(True, False)"),
    ("optimizer", (), "()"),
    ("hidden", 64, "[64]"),
    ("hidden", "relu", "['relu']"),
    ("hidden", None, "[None]"),
    ("hidden", range(1, 9, 2), "Int(1, 7, step=2)"),
    ("hidden", {3}, "{3}"),
    ("hidden", Float, "Float"),
    ("hidden", (2, 1), "low=2"),
    ("hidden", (0.0, NAN), "nan"),
    ("", (0, 1), "''"),
    (" ", (0, 1), "' '"),
    (3, (0, 1), "3"),
    (None, (0, 1), "None"),
    ("_lr", (0, 1), "'lr'"),
    ("items", (0, 1), "'items_value'"),
    ("read", (0, 1), "config.read"),
    ("a" * 129, (0, 1), "129"),
    ("a\x07", (0, 1), r"\x07"),
    ("a\u202eb", (0, 1), r"\u202e"),
    ("a\ud800", (0, 1), r"\ud800"),
    ("e\u0301", (0, 1), "NFC"),
]

CONDITIONS = [
    ({"a": [1, 2], "b": Float(0, 1, when={"aa": 1})}, "'b'", "'aa'"),
    ({"a": [1, 2], "b": Float(0, 1, when={"a": 3})}, "'b'", "3"),
    ({"a": ["sgd", "adam"], "b": Float(0, 1, when={"a": ["sdg"]})}, "'b'", "'sdg'"),
    ({"a": ["sgd", "adam"], "b": Float(0, 1, when={"a": at_least("adam")})}, "'b'", "'adam'"),
    ({"a": [1, 2], "b": Float(0, 1, when={"a": one_of()})}, "'b'", "[]"),
    ({"a": [1, 2], "b": Float(0, 1, when={"a": at_least(3)})}, "'b'", "at_least(3)"),
    ({"a": (1, 4), "b": Float(0, 1, when={"a": at_least(5)})}, "'b'", "at_least(5)"),
    ({"a": (1, 4), "b": Float(0, 1, when={"a": at_most(0)})}, "'b'", "at_most(0)"),
    ({"a": (1, 4), "b": Float(0, 1, when={"a": at_least("x")})}, "'b'", "'x'"),
    ({"a": (1, 4), "b": Float(0, 1, when={"a": at_least(NAN)})}, "'b'", "nan"),
    ({"a": (1, 4), "b": Float(0, 1, when={"b": 1})}, "'b'", "circle"),
    ({"a": Int(1, 4, when={"b": 1}), "b": Int(1, 2, when={"a": 1})}, "'b'", "'a'"),
    ({"a": (1, 4), "b": Int(1, 2, when={"a": 1}), "c": Int(1, 2, when={"a": 2, "b": 1})}, "'c'", "'a'"),
]

SPACE = Space(
    optimizer=["sgd", "adam"], lr=Float(1e-4, 0.1, log=True), momentum=Float(0, 1, when={"optimizer": "sgd"}), n=(1, 8)
)
GOOD = {"optimizer": "adam", "lr": 0.01, "n": 3}
CONFIGS = [
    ({**GOOD, "learning": 1}, "'learning'", "1"),
    ({**GOOD, "optimiser": "sgd"}, "'optimiser'", "Did you mean 'optimizer'?"),
    ({**GOOD, "lr": 0.5}, "'lr'", "0.5"),
    ({**GOOD, "lr": NAN}, "'lr'", "nan"),
    ({**GOOD, "lr": "0.01"}, "'lr'", "'0.01'"),
    ({**GOOD, "lr": True}, "'lr'", "True"),
    ({**GOOD, "n": 2.5}, "'n'", "2.5"),
    ({**GOOD, "n": 9}, "'n'", "9"),
    ({**GOOD, "optimizer": "adm"}, "'optimizer'", "Did you mean 'adam'?"),
    ({**GOOD, "optimizer": ["adam"]}, "'optimizer'", "['adam']"),
    ({**GOOD, "optimizer": {1}}, "'optimizer'", "{1}"),
    ({**GOOD, "momentum": 0.9}, "'momentum'", "0.9"),
    ({**GOOD, "optimizer": "sgd"}, "'momentum'", "none"),
    ("adam", "mapping", "'adam'"),
]


def assert_helps(error: CotuneError, *parts: str) -> None:
    text = str(error)
    assert all(part in text for part in parts), text
    assert text.rstrip(".?").count(". ") >= 1, f"no remedy after the rule: {text}"


@pytest.mark.parametrize(("name", "value", "part"), PARAMETERS, ids=lambda item: ascii(item)[:40])
def test_a_wrong_parameter_is_refused_with_its_name_its_value_and_a_remedy(name, value, part):
    with pytest.raises(SpaceError) as caught:
        Space({name: value})
    assert_helps(caught.value, part, repr(name))


@pytest.mark.parametrize(("parameters", "name", "part"), CONDITIONS)
def test_a_condition_that_cannot_hold_is_refused(parameters, name, part):
    with pytest.raises(SpaceError) as caught:
        Space(parameters)
    assert_helps(caught.value, name, part)


@pytest.mark.parametrize(("values", "name", "part"), CONFIGS)
def test_a_wrong_configuration_is_refused_by_check_and_as_start_point(values, name, part):
    with pytest.raises(ConfigError) as caught:
        SPACE.check(values)
    assert_helps(caught.value, name, part)
    if part != "none":
        with pytest.raises(SpaceError) as caught:
            Space(SPACE.parameters, start=[values])
        assert_helps(caught.value, name, part, "start point 0")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: Space(), "at least one parameter"),
        (lambda: Space({}), "at least one parameter"),
        (lambda: Space([("a", 1)]), "[('a', 1)]"),
        (lambda: Space({"a": (0, 1)}, a=(0, 2)), "'a'"),
        (lambda: Space(a=(0, 1), require=3), "3"),
        (lambda: Space(a=(0, 1), require=[3]), "3"),
        (lambda: Space(a=(0, 1), start={"a": 1}), "{'a': 1}"),
        (lambda: Space(a=(0, 1), start=3), "3"),
        (lambda: Space.from_json({"parameters": [{"name": "a", "type": "os.system"}]}), "os.system"),
        (
            lambda: Space.from_json({"parameters": [{"name": "a", "type": "float", "low": 0, "high": 1, "prior": 3}]}),
            "3",
        ),
    ],
)
def test_a_wrong_argument_of_the_space_is_refused(make: Callable[[], Space], part):
    with pytest.raises(SpaceError) as caught:
        make()
    assert_helps(caught.value, part)


def test_the_message_of_the_style_guide_is_the_message():
    with pytest.raises(SpaceError) as caught:
        Space(learning_rate=Float(0, 1, log=True))
    assert str(caught.value) == (
        "Float('learning_rate', log=True) needs low > 0, got low=0.0. Use a small positive bound, e.g. low=1e-6."
    )


def test_numpy_scalars_are_numbers():
    space = Space(a=Float(np.float32(0.5), np.int64(2)), b=(np.int32(1), np.int64(3)), c=[np.str_("x"), np.bool_(True)])
    assert repr(space) == "Space({'a': Float(0.5, 2.0), 'b': Int(1, 3), 'c': Categorical(['x', True])})"
    config = space.check({"a": np.float64(1), "b": np.int8(2), "c": np.str_("x")})
    assert [type(value) for value in config.values()] == [float, int, str]
