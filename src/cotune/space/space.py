"""A space: named parameters with conditions and rules, and what a search asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cotune.config import Config
from cotune.errors import ConfigError, SpaceError
from cotune.seeds import Purpose, generator
from cotune.space import stored
from cotune.space.grid import LIMIT, count_points, largest, points
from cotune.space.notation import declared
from cotune.space.parameters import Parameter
from cotune.space.positions import Positions
from cotune.space.rules import TRIES, Rule, as_rules, broken, empty, probe, title
from cotune.space.tree import Point, planted

_EXAMPLE_TRIES = 1_000
_NOTHING = (np.nan, np.nan)


class Space:
    """Named hyperparameters, the conditions under which they are active, and rules for them together.

    parameters, **named: name to Float, Int or Categorical, or in short a pair of numbers (a range) or a list (choices).
    start: configurations to try first; what they leave out is filled with defaults or middles.
    require: a function of a Config, or several, that say whether a configuration may be tried.

    >>> from cotune.space import Float
    >>> space = Space(
    ...     optimizer=["sgd", "adam"],
    ...     learning_rate=Float(1e-4, 1e-1, log=True),
    ...     momentum=Float(0.0, 0.99, when={"optimizer": "sgd"}),
    ...     start=[{"optimizer": "adam", "learning_rate": 0.001}],
    ... )
    >>> space.starts
    (Config(optimizer='adam', learning_rate=0.001),)
    >>> unit, rest = space.encode(space.starts[0])
    >>> [round(float(u), 3) for u in unit]
    [0.75, 0.333, nan]
    >>> space.decode(unit, rest)
    Config(optimizer='adam', learning_rate=0.001)
    >>> space.decode([0.0, 1.0, 1.0])
    Config(optimizer='sgd', learning_rate=0.1, momentum=0.99)
    >>> len(space.grid(budget=12))
    12
    """

    def __init__(
        self,
        parameters: Mapping[str, Any] | None = None,
        /,
        *,
        start: Sequence[Mapping[str, Any]] = (),
        require: Rule | Iterable[Rule] = (),
        **named: Any,
    ) -> None:
        self._tree = planted(declared(parameters, named))
        self._rules = as_rules(require)
        probe(self._rules, self._verdicts())
        self._starts = self._start_points(start)

    @property
    def names(self) -> tuple[str, ...]:
        """All names in the order of declaration, except that a name follows those its conditions look at."""
        return tuple(self._tree.parameters)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Name to parameter, in the order of `names`; read-only."""
        return MappingProxyType(self._tree.parameters)

    @property
    def dimension(self) -> int:
        """Number of parameters d, and of encoded columns."""
        return len(self._tree.parameters)

    @cached_property
    def positions(self) -> Positions:
        """The columns of the unit cube, for work on many configurations at once."""
        return Positions.of(self._tree)

    @property
    def scheduled(self) -> tuple[str, ...]:
        """The names of those that may change while a trial trains."""
        return tuple(name for name, parameter in self._tree.parameters.items() if parameter.schedule)

    @property
    def has_rules(self) -> bool:
        """Whether some configurations of legal values are forbidden."""
        return bool(self._rules)

    @property
    def starts(self) -> tuple[Config, ...]:
        """The start points, then the default configuration if any parameter has a default; no duplicates."""
        return tuple(Config(values, inactive) for values, inactive in self._starts)

    @property
    def hints(self) -> tuple[str, ...]:
        """Lines of advice for the user."""
        return tuple(hint for name, parameter in self._tree.parameters.items() if (hint := parameter.hint(name)))

    @property
    def size(self) -> int | None:
        """Number of configurations, conditions obeyed and rules not.

        None if a parameter is continuous, or if conditions look at one with more than a million values.
        """
        counts = {name: count for name, scale in self._tree.scales.items() if (count := scale.count) is not None}
        parents = self._tree.parents
        if len(counts) < self.dimension or any(counts[parent] > LIMIT for parent in parents):
            return None
        levels = {parent: self._tree.scales[parent].levels(counts[parent]) for parent in parents}
        return count_points(counts, levels, self._tree.gates)

    def sample(self, generator: np.random.Generator) -> Config:
        """A legal configuration, uniform in the unit cube where the rules allow it.

        Takes one number per parameter and try, inactive ones too, so that a parameter's numbers do not depend on what
        was drawn for others; two if some Int has more values than one float can reach.
        """
        rule: Rule | None = None
        for _ in range(TRIES):
            point = self._tree.drawn(generator)
            rule = broken(self._rules, *point)
            if rule is None:
                return Config(*point)
        assert rule is not None
        raise empty(rule)

    def allows(self, config: Mapping[str, Any]) -> bool:
        """Whether a configuration of legal values obeys the rules."""
        values = dict(config)
        return broken(self._rules, values, self._tree.absent(values)) is None

    def check(self, values: Mapping[str, Any]) -> Config:
        """The configuration with Python values; ConfigError with name, value, rule and remedy if it is not legal."""
        return Config(*self._checked(values, fill=False))

    def complete(self, values: Mapping[str, Any]) -> Config:
        """The same as `check`, after what is missing has got its default, or else the middle of its range."""
        return Config(*self._checked(values, fill=True))

    def default(self) -> Config:
        """The configuration of all defaults and middles; ConfigError if a rule forbids it."""
        return self.complete({})

    def baseline(self) -> Config | None:
        """What one would take without a search: the first start point, or else all defaults and middles.

        None if a rule forbids these.
        """
        try:
            return next(iter(self.starts), None) or self.default()
        except ConfigError:
            return None

    def examples(self) -> list[Config]:
        """Few legal configurations with every parameter active, and every choice that a condition looks at, in one.

        Always the same ones. What the rules keep from ever being active in 1,000 tries is left out.
        """
        random = generator(0, Purpose.CHOOSE, 1)
        found = [dict(self.sample(random))]
        for name, own in self._tree.branches():
            if any(name in values and {**values, **own} == values for values in found):
                continue
            wanted = {**self._tree.ancestors[name], **own}
            tries = (self._tree.drawn(random, wanted) for _ in range(_EXAMPLE_TRIES))
            found += [values for values, inactive in tries if broken(self._rules, values, inactive) is None][:1]
        return [Config(values, self._tree.absent(values)) for values in found]

    def encode(self, config: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(unit, rest), both (d,): the position of a legal configuration in the unit cube, and what rounding loses.

        NaN where a parameter is inactive. `decode(*encode(config))` is exactly `config`.
        """
        values = dict(config)
        scales = self._tree.scales.items()
        pairs = [scale.encode(values[name]) if name in values else _NOTHING for name, scale in scales]
        return np.array([unit for unit, _ in pairs]), np.array([rest for _, rest in pairs])

    def decode(self, unit: ArrayLike, rest: ArrayLike | None = None) -> Config:
        """The configuration at a point of the closed unit cube; entries of inactive parameters are ignored."""
        units = np.asarray(unit, dtype=np.float64).tolist()
        rests = [0.0] * len(units) if rest is None else np.asarray(rest, dtype=np.float64).tolist()
        return Config(*self._tree.assembled(self._tree.decoders, units, rests))

    def grid(self, budget: int | None = None) -> list[Config]:
        """All configurations of a grid: every choice and every step as given, conditions and rules obeyed.

        A Float without a step, and an Int without a step and with more than 16 values, gets k evenly spaced levels,
        ends included, the same k >= 2 for all: as large as the grid, before rules, stays within `budget`, and 5 if
        budget is None. Where even k = 2 is too large the grid is larger than the budget. SpaceError above a million.
        """
        k = 5 if budget is None else largest(lambda k: self._grid_size(k) <= budget, max(2, min(budget, LIMIT)))
        n_points = self._grid_size(k)
        if n_points > LIMIT:
            raise SpaceError(
                f"the grid needs at most {LIMIT:,} points, got {n_points:,} or more. Use larger steps, fewer choices "
                "or another strategy."
            )
        levels = {name: parameter.levels(parameter.grid_levels(k)) for name, parameter in self.parameters.items()}
        every = ((values, self._tree.absent(values)) for values in points(levels, self._tree.gates))
        found = [Config(*point) for point in every if broken(self._rules, *point) is None]
        if not found:
            raise SpaceError(
                f"the rules allow none of the grid's {n_points:,} points. Relax them, or raise the budget."
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """The parameters as a JSON object; rules and start points are not part of it."""
        return stored.described(self._tree.parameters)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Space:
        """The space that `to_json` described, without rules and start points."""
        return cls(stored.restored(content))

    def difference(self, other: Space) -> str:
        """Readable lines such as `learning_rate: high 0.1 -> 1.0`, or "" if the parameters are the same."""
        return stored.difference(self.to_json(), other.to_json())

    def __eq__(self, other: object) -> bool:
        return self.difference(other) == "" if isinstance(other, Space) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.names)

    def __repr__(self) -> str:
        return (
            f"Space({{{', '.join(f'{name!r}: {parameter!r}' for name, parameter in self._tree.parameters.items())}}})"
        )

    def _checked(self, values: Mapping[str, Any], *, fill: bool) -> Point:
        if not isinstance(values, Mapping):
            raise ConfigError(f"a configuration needs to be a mapping, got {values!r}. Write {{name: value}}.")
        point = self._tree.legal(dict(values), fill=fill)
        rule = broken(self._rules, *point)
        if rule is not None:
            raise ConfigError(f"{title(rule)} does not hold for {Config(*point)!r}. Change a value.")
        return point

    def _verdicts(self) -> Iterator[Rule | None]:
        random = generator(0, Purpose.CHOOSE)
        while True:
            yield broken(self._rules, *self._tree.drawn(random))

    def _start_points(self, start: Sequence[Mapping[str, Any]]) -> list[Point]:
        if isinstance(start, str | Mapping) or not isinstance(start, Iterable):
            raise SpaceError(f"start= needs a list of configurations, got {start!r}. Write start=[{{...}}].")
        named = [(f"start point {place}", values) for place, values in enumerate(start)]
        if any(parameter.has_default for parameter in self.parameters.values()):
            named.append(("the default configuration", {}))
        found: list[Point] = []
        for owner, values in named:
            try:
                point = self._checked(values, fill=True)
            except ConfigError as error:
                raise SpaceError(f"{owner}: {error}") from None
            if point not in found:
                found.append(point)
        return found

    def _grid_size(self, k: int) -> int:
        """Number of points with k levels; where one parameter alone has too many to list, that number."""
        wanted = {name: parameter.grid_levels(k) for name, parameter in self.parameters.items()}
        if max(wanted.values()) > LIMIT:
            return max(wanted.values())
        levels = {name: self._tree.scales[name].levels(n) for name, n in wanted.items()}
        return count_points({name: len(values) for name, values in levels.items()}, levels, self._tree.gates)
