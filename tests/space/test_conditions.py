"""When a parameter is active, to any depth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotune.space import Categorical, Float, Int, Space, at_least, at_most, one_of


def holds_by_definition(name, conditions, values):
    return all(
        parent in values and values[parent] in wanted and holds_by_definition(parent, conditions, values)
        for parent, wanted in conditions[name].items()
    )


@st.composite
def trees(draw):
    """Spaces of up to 7 parameters over 0..3, conditions up to three deep and more, declared in any order."""
    conditions = {}
    for place in range(draw(st.integers(1, 7))):
        parents = draw(st.lists(st.sampled_from(sorted(conditions)), max_size=2, unique=True)) if conditions else []
        conditions[f"p{place}"] = {parent: draw(st.sampled_from([[0], [0, 1], [0, 3]])) for parent in parents}
    names = draw(st.permutations(sorted(conditions)))
    kinds = {name: draw(st.sampled_from([Int(0, 3), Categorical([0, 1, 2, 3])])) for name in names}
    return Space({name: kinds[name].under(conditions[name] or None) for name in names}), conditions


@settings(max_examples=80, deadline=None)
@given(trees(), st.integers(0, 2**32))
def test_a_parameter_is_active_exactly_when_its_conditions_and_those_of_its_ancestors_hold(tree, seed):
    space, conditions = tree
    config = dict(space.sample(np.random.default_rng(seed)))
    for name in space.names:
        assert (name in config) == holds_by_definition(name, conditions, config)
    assert space.check(config) == config
    assert dict(space.decode(*space.encode(config))) == config
    assert Space.from_json(space.to_json()) == space


@settings(max_examples=40, deadline=None)
@given(trees())
def test_the_size_is_the_length_of_the_grid_and_the_grid_has_no_duplicates(tree):
    space, _ = tree
    if space.size <= 2_000:
        grid = [repr(config) for config in space.grid()]
        assert len(grid) == len(set(grid)) == space.size


@settings(max_examples=40, deadline=None)
@given(trees())
def test_examples_show_every_parameter_and_every_choice_that_a_condition_looks_at(tree):
    space, conditions = tree
    examples = [dict(config) for config in space.examples()]
    assert {name for values in examples for name in values} == set(space.names)
    parents = {parent for own in conditions.values() for parent in own}
    for parent in parents:
        seen = {values[parent] for values in examples if parent in values}
        assert seen >= set(space.parameters[parent].levels(2))


def test_names_keep_the_order_of_declaration_except_behind_their_parents():
    space = Space(d=Int(0, 1, when={"b": 1}), a=(0, 1), c=Int(0, 1, when={"a": 1}), b=(0, 1))
    assert space.names == ("a", "c", "b", "d")
    assert space.decode([1, 1, 1, 1]) == {"a": 1, "c": 1, "b": 1, "d": 1}


@pytest.mark.parametrize(
    ("parent", "condition", "active"),
    [
        ([1, 2, 3], 2, {2}),
        ([1, 2, 3], [1, 3], {1, 3}),
        ([1, 2, 3], one_of(1, 3), {1, 3}),
        ([1, 2, 3], at_least(2), {2, 3}),
        ([3, 1, 2], at_most(2), {1, 2}),
        (Categorical(["low", "mid", "high"], ordered=True), at_least("mid"), {"mid", "high"}),
        (Categorical([None, False, "x"]), None, {None}),
        (Int(1, 4), at_least(2.5), {3, 4}),
        (Int(1, 4), at_most(np.int64(2)), {1, 2}),
        (Float(0, 1, step=0.25), at_least(0.5), {0.5, 0.75, 1.0}),
    ],
)
def test_a_condition_holds_for_these_values(parent, condition, active):
    space = Space(parent=parent, child=Int(0, 1, when={"parent": condition}))
    assert {config.parent for config in space.grid() if "child" in config} == active
    assert Space.from_json(space.to_json()) == space


def test_a_list_that_is_itself_a_choice_means_that_choice():
    space = Space(kernel=[[3, 3], [5, 5], 3], pad=Int(0, 1, when={"kernel": [3, 3]}))
    assert [config.kernel for config in space.grid() if "pad" in config] == [[3, 3], [3, 3]]


def test_several_names_must_all_hold():
    space = Space(a=(0, 1), b=(0, 1), c=Int(5, 6, when={"a": 1, "b": [0]}))
    assert [(config.a, config.b) for config in space.grid() if "c" in config] == [(1, 0), (1, 0)]


def test_two_conditions_on_one_ancestor_are_met_together():
    space = Space(n=(1, 9), a=Int(0, 1, when={"n": at_least(4)}), b=Int(0, 1, when={"n": at_most(6), "a": 1}))
    assert {config.n for config in space.grid() if "b" in config} == {4, 5, 6}
    assert any("b" in config for config in space.examples())
