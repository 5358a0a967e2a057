"""The three kinds of hyperparameter, and the check that each passes when it gets its name in a space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from enum import Enum
from typing import Any, Protocol, Self

from cotune.errors import SpaceError
from cotune.space.cells import Choices, LogWhole, Steps, Whole, decimal
from cotune.space.encoding import Linear, Logarithmic, Scale
from cotune.space.priors import Prior, as_prior
from cotune.space.validation import (
    check_distinct,
    check_flag,
    check_range,
    check_resolution,
    check_step,
    checked_when,
    converted,
    label,
)
from cotune.space.values import choice, real, whole

WIDE = 16
"""An Int without a step and with more values than this gets levels in a grid, like a Float."""


class Missing(Enum):
    """Stands for "not given", because None may be a choice."""

    MISSING = "not given"


MISSING = Missing.MISSING


class Parameter(Protocol):
    """One hyperparameter: a frozen description, checked once by the space that names it."""

    @property
    def kind(self) -> str:
        """`float`, `int` or `categorical`, as in the stored form."""

    @property
    def when(self) -> Mapping[str, Any] | None:
        """Parent names and their conditions; None if the parameter is always active."""

    @property
    def has_default(self) -> bool:
        """Whether the user gave a default."""

    @property
    def prior(self) -> Any:
        """Once checked, a Prior if `has_prior`."""

    @property
    def has_prior(self) -> bool:
        """Whether the user gave a prior."""

    @property
    def schedule(self) -> bool:
        """Whether it may change while a trial trains."""

    @property
    def count(self) -> int | None:
        """Number of legal values; None if they are continuous."""

    def checked(self, name: str) -> Self:
        """The same with Python numbers; SpaceError with name, value, rule and remedy if it cannot be searched."""

    def under(self, when: Mapping[str, Any] | None) -> Self:
        """The same with other conditions."""

    def scale(self) -> Scale:
        """Its values along [0, 1]."""

    def levels(self, n: int) -> list[Any]:
        """At most n values, evenly spaced, ends included; all choices whatever n."""

    def grid_levels(self, k: int) -> int:
        """How many levels to ask for in a grid of k per free parameter: k, or all if it is searched as given."""

    def preferred(self) -> Any:
        """The default, or the middle of the range, or the first of unordered choices."""

    def hint(self, name: str) -> str | None:
        """One line of advice, if there is any."""


@dataclass(frozen=True, slots=True)
class Float:
    """A real number in [low, high], both included; with `step` one of low, low + step, ..., high.

    log: search evenly in orders of magnitude. default: tried first. prior: a guess of the best value, or a `Prior` that
    also says how sure it is. schedule: whether it may change while a trial trains (see `PBT`). when: conditions on
    other parameters.

    >>> Float(0, 1, step=0.25).levels(9)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    >>> Float(1e-4, 1e-1, log=True).levels(4)
    [0.0001, 0.001, 0.01, 0.1]
    """

    low: float
    high: float
    _: KW_ONLY
    log: bool = False
    step: float | None = None
    default: float | None = None
    prior: float | Prior | None = None
    schedule: bool = False
    when: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        """`float`."""
        return "float"

    @property
    def has_default(self) -> bool:
        """Whether the user gave a default."""
        return self.default is not None

    @property
    def has_prior(self) -> bool:
        """Whether the user gave a prior."""
        return self.prior is not None

    @property
    def count(self) -> int | None:
        """Number of legal values with a step (or with low equal to high); else None."""
        return self.scale().count

    def checked(self, name: str) -> Float:
        """The same with Python floats; SpaceError if it cannot be searched."""
        owner = label("Float", name, self.log)
        check_flag(owner, "schedule", self.schedule)
        low, high = converted(real, owner, "low", self.low), converted(real, owner, "high", self.high)
        check_range(owner, low, high, self.log, self.step)
        step = None if self.step is None else converted(real, owner, "step", self.step)
        if step is not None:
            check_step(owner, low, high, step)
            check_resolution(owner, low, high, step)
        clean = replace(self, low=low, high=high, step=step, when=checked_when(owner, self.when))
        return replace(clean, default=_checked_default(owner, clean), prior=_checked_prior(owner, clean))

    def under(self, when: Mapping[str, Any] | None) -> Float:
        """The same with other conditions."""
        return replace(self, when=when)

    def scale(self) -> Scale:
        """Its values along [0, 1]."""
        if self.step is not None:
            span = decimal(float(self.high)) - decimal(float(self.low))
            return Steps(float(self.low), float(self.step), int(span / decimal(float(self.step))) + 1)
        return (Logarithmic if self.log else Linear)(float(self.low), float(self.high))

    def levels(self, n: int) -> list[float]:
        """At most n values, evenly spaced (in the logarithm if `log`), ends included."""
        return self.scale().levels(n)

    def grid_levels(self, k: int) -> int:
        """All if there is a step, else k."""
        return self.count or k

    def preferred(self) -> float:
        """The default, or the middle (the geometric one if `log`)."""
        return self.scale().decode(0.5, 0.0) if self.default is None else self.default

    def hint(self, name: str) -> str | None:
        """Advice to search a range of two orders of magnitude or more logarithmically."""
        if self.log or self.step is not None or self.low <= 0 or self.high / self.low < 100:
            return None
        return (
            f"{name} spans a factor of {self.high / self.low:.3g}: Float({self.low!r}, {self.high!r}, log=True) "
            "would search every order of magnitude alike"
        )

    def __repr__(self) -> str:
        return _spelled(self, "Float", 2)


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number in [low, high], both included; with `step` one of low, low + step, ..., high.

    log: search evenly in orders of magnitude. default: tried first. prior: a guess of the best value, or a `Prior` that
    also says how sure it is. schedule: whether it may change while a trial trains (see `PBT`). when: conditions on
    other parameters.

    >>> Int(1, 512, log=True).levels(4)
    [1, 8, 64, 512]
    >>> Int(32, 128, step=32).count
    4
    """

    low: int
    high: int
    _: KW_ONLY
    log: bool = False
    step: int | None = None
    default: int | None = None
    prior: int | Prior | None = None
    schedule: bool = False
    when: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        """`int`."""
        return "int"

    @property
    def has_default(self) -> bool:
        """Whether the user gave a default."""
        return self.default is not None

    @property
    def has_prior(self) -> bool:
        """Whether the user gave a prior."""
        return self.prior is not None

    @property
    def count(self) -> int:
        """Number of legal values."""
        return (self.high - self.low) // (self.step or 1) + 1

    def checked(self, name: str) -> Int:
        """The same with Python ints; SpaceError if it cannot be searched."""
        owner = label("Int", name, self.log)
        check_flag(owner, "schedule", self.schedule)
        low, high = converted(whole, owner, "low", self.low), converted(whole, owner, "high", self.high)
        check_range(owner, low, high, self.log, self.step)
        step = None if self.step is None else converted(whole, owner, "step", self.step)
        if step is not None:
            check_step(owner, low, high, step)
        clean = replace(self, low=low, high=high, step=step, when=checked_when(owner, self.when))
        return replace(clean, default=_checked_default(owner, clean), prior=_checked_prior(owner, clean))

    def under(self, when: Mapping[str, Any] | None) -> Int:
        """The same with other conditions."""
        return replace(self, when=when)

    def scale(self) -> Scale:
        """Its values along [0, 1]."""
        is_curved = self.log and self.high - self.low > self.low >> 30  # else the logarithm is a line, and too coarse
        return LogWhole(self.low, self.high) if is_curved else Whole(self.low, self.high, self.step or 1)

    def levels(self, n: int) -> list[int]:
        """At most n values, evenly spaced (in the logarithm if `log`), ends included."""
        return self.scale().levels(n)

    def grid_levels(self, k: int) -> int:
        """All if there is a step or there are few, else k."""
        return self.count if self.step is not None or self.count <= WIDE else min(k, self.count)

    def preferred(self) -> int:
        """The default, or the middle (the geometric one if `log`)."""
        return self.scale().decode(0.5, 0.0) if self.default is None else self.default

    def hint(self, name: str) -> str | None:
        """No advice."""
        return None

    def __repr__(self) -> str:
        return _spelled(self, "Int", 2)


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of a list of JSON values; `ordered` says that neighbours in the list are alike.

    default: tried first, and may be None if that is a choice. prior: the choice that is thought best, or a `Prior` that
    also says how surely; None likewise. schedule: whether it may change while a trial trains (see `PBT`). when:
    conditions on other parameters.

    >>> Categorical(["sgd", "adam"], default="adam")
    Categorical(['sgd', 'adam'], default='adam')
    """

    choices: Sequence[Any]
    _: KW_ONLY
    ordered: bool = False
    default: Any = MISSING
    prior: Any = MISSING
    schedule: bool = False
    when: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        """`categorical`."""
        return "categorical"

    @property
    def has_default(self) -> bool:
        """Whether the user gave a default."""
        return self.default is not MISSING

    @property
    def has_prior(self) -> bool:
        """Whether the user gave a prior."""
        return self.prior is not MISSING

    @property
    def count(self) -> int:
        """Number of choices."""
        return len(self.choices)

    def checked(self, name: str) -> Categorical:
        """The same with choices of Python types; SpaceError if it cannot be searched."""
        owner = label("Categorical", name, False)
        if isinstance(self.choices, str | bytes) or not isinstance(self.choices, Sequence):
            raise SpaceError(f"{owner} needs a list of choices, got {self.choices!r}. Write [...].")
        if not self.choices:
            raise SpaceError(f"{owner} needs at least one choice, got {self.choices!r}. Add one.")
        check_flag(owner, "ordered", self.ordered)
        check_flag(owner, "schedule", self.schedule)
        choices = [converted(choice, owner, f"choice {place}", item) for place, item in enumerate(self.choices)]
        check_distinct(owner, choices)
        clean = replace(self, choices=choices, when=checked_when(owner, self.when))
        return replace(clean, default=_checked_default(owner, clean), prior=_checked_prior(owner, clean))

    def under(self, when: Mapping[str, Any] | None) -> Categorical:
        """The same with other conditions."""
        return replace(self, when=when)

    def scale(self) -> Scale:
        """Its values along [0, 1]."""
        return Choices(tuple(self.choices), self.ordered)

    def levels(self, n: int) -> list[Any]:
        """All choices."""
        return self.scale().levels(n)

    def grid_levels(self, k: int) -> int:
        """All choices."""
        return self.count

    def preferred(self) -> Any:
        """The default, or the middle choice if they are ordered, or the first."""
        if self.has_default:
            return self.scale().legal(self.default)
        return self.scale().decode(0.5 if self.ordered else 0.0, 0.0)

    def hint(self, name: str) -> str | None:
        """No advice."""
        return None

    def __repr__(self) -> str:
        return _spelled(self, "Categorical", 1)


def _checked_default(owner: str, parameter: Float | Int | Categorical) -> Any:
    default = parameter.default
    return converted(parameter.scale().legal, owner, "default", default) if parameter.has_default else default


def _checked_prior(owner: str, parameter: Parameter) -> Any:
    return as_prior(parameter.prior).checked(owner, parameter.scale()) if parameter.has_prior else parameter.prior


def _spelled(parameter: Float | Int | Categorical, kind: str, positional: int) -> str:
    """As it would be written: options that have their default are left out."""
    own = [(field.name, getattr(parameter, field.name), field.default) for field in fields(parameter)]
    bounds = [repr(value) for _, value, _ in own[:positional]]
    options = [f"{name}={value!r}" for name, value, default in own[positional:] if value is not default]
    return f"{kind}({', '.join(bounds + options)})"
