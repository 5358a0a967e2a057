"""The stored form of parameters, and the difference of two stored forms in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cotune.errors import SpaceError
from cotune.space.conditions import from_json
from cotune.space.parameters import MISSING, Categorical, Float, Int, Parameter
from cotune.space.priors import Prior

_OPTIONS = {
    "float": ("low", "high", "log", "step", "default"),
    "int": ("low", "high", "log", "step", "default"),
    "categorical": ("choices", "ordered", "default"),
}
_KINDS = {"float": Float, "int": Int, "categorical": Categorical}


def described(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """A JSON object; the parameters are a list, because their order is that of the encoded columns."""
    return {"parameters": [{"name": name, **_entry(parameter)} for name, parameter in parameters.items()]}


def restored(content: Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters that `described` wrote; SpaceError if it did not write this."""
    try:
        return {entry["name"]: _parameter(entry) for entry in content["parameters"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpaceError(f"this is no stored space ({error!r}), got {content!r}. Pass what to_json returned.") from None


def difference(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """One line per difference of two stored forms, `learning_rate: high 0.1 -> 1.0`; empty if there is none."""
    old = {entry["name"]: entry for entry in here["parameters"]}
    new = {entry["name"]: entry for entry in there["parameters"]}
    lines = [f"{name}: only here" for name in old if name not in new]
    lines += [f"{name}: only there" for name in new if name not in old]
    lines += [f"{name}: {change}" for name in old if name in new for change in _changes(old[name], new[name])]
    if not lines and list(old) != list(new):
        lines = [f"order: {', '.join(old)} -> {', '.join(new)}"]
    return "\n".join(lines)


def _entry(parameter: Parameter) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": parameter.kind}
    for option in _OPTIONS[parameter.kind]:
        value = getattr(parameter, option)
        if value is not MISSING and (option != "default" or parameter.has_default):
            entry[option] = value
    if parameter.has_prior:
        entry["prior"] = {"guess": parameter.prior.guess, "spread": parameter.prior.spread}
    if parameter.schedule:
        entry["schedule"] = True
    if parameter.when:
        entry["when"] = {parent: condition.to_json() for parent, condition in parameter.when.items()}
    return entry


def _parameter(entry: Mapping[str, Any]) -> Parameter:
    options = {option: entry[option] for option in _OPTIONS[entry["type"]] if option in entry}
    if "prior" in entry:
        options["prior"] = Prior(entry["prior"]["guess"], spread=entry["prior"]["spread"])
    if "schedule" in entry:
        options["schedule"] = entry["schedule"]
    conditions = {parent: from_json(condition) for parent, condition in entry.get("when", {}).items()}
    parameter: Parameter = _KINDS[entry["type"]](**options)
    return parameter.under(conditions or None)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The options that differ; by their spelling, so that 1, 1.0 and True are not the same."""
    if old["type"] != new["type"]:
        return [f"type {old['type']} -> {new['type']}"]
    return [
        f"{option} {old.get(option)!r} -> {new.get(option)!r}"
        for option in dict.fromkeys([*old, *new])
        if repr(old.get(option, MISSING)) != repr(new.get(option, MISSING))
    ]
