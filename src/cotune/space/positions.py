"""Many configurations at once, as rows of positions: which of their entries count, and where they really lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotune.space.encoding import Floats
from cotune.space.tree import Tree

Booleans = NDArray[np.bool_]
Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Positions:
    """The columns of the unit cube, parents before those whose conditions look at them.

    counts (d,): number of values per column, infinite where they are continuous. is_ordered (d,): whether neighbours
    are alike. Positions here are up to rounding: `Space.decode` makes the exact configuration.
    """

    counts: Floats
    is_ordered: Booleans
    _tree: Tree
    _gates: Sequence[tuple[int, int, Spans]]  # child, parent, where the child is active

    @classmethod
    def of(cls, tree: Tree) -> Positions:
        """The columns of a tree of parameters."""
        scales = tree.scales
        column = {name: j for j, name in enumerate(scales)}
        gates = [
            (column[name], column[parent], tuple(condition.spans(scales[parent])))
            for name, parameter in tree.parameters.items()
            for parent, condition in (parameter.when or {}).items()
        ]
        counts = [np.inf if scale.count is None else float(scale.count) for scale in scales.values()]
        return cls(np.array(counts), np.array([scale.is_ordered for scale in scales.values()]), tree, gates)

    @property
    def has_priors(self) -> bool:
        """Whether some parameter has a prior."""
        return any(parameter.has_prior for parameter in self._tree.parameters.values())

    @property
    def n_columns(self) -> int:
        """Number of columns if each choice without order had one of its own."""
        return int(np.where(self.is_ordered, 1.0, self.counts).sum())

    @property
    def has_conditions(self) -> bool:
        """Whether some column is inactive in some configuration."""
        return bool(self._gates)

    def snapped(self, units: Floats) -> Floats:
        """(n, d) positions moved to those of the values that they stand for; NaN stays NaN."""
        columns = [scale.snapped(units[:, j]) for j, scale in enumerate(self._tree.scales.values())]
        return np.stack(columns, axis=1) if columns else units

    def cells(self, units: Floats) -> tuple[Floats, Floats]:
        """(n, d) lower and upper ends of the intervals that stand for the same values as the positions do.

        Both are the position where values are continuous.
        """
        ends = [scale.cells(units[:, j]) for j, scale in enumerate(self._tree.scales.values())]
        return np.stack([low for low, _ in ends], axis=1), np.stack([high for _, high in ends], axis=1)

    def active(self, units: Floats) -> Booleans:
        """(n, d) whether each entry counts, for snapped positions; entries of inactive columns may be anything."""
        active = np.ones(units.shape, dtype=np.bool_)
        for child, parent, spans in self._gates:
            inside = np.zeros(len(units), dtype=np.bool_)
            for low, high in spans:
                inside |= (low <= units[:, parent]) & (units[:, parent] <= high)
            active[:, child] &= inside & active[:, parent]
        return active

    def log_prior(self, units: Floats) -> Floats:
        """(n,) log densities of the users' priors at snapped positions (n, d), in proportion to uniform sampling.

        The sum over the active columns that have a prior; 0 without any.
        """
        total, active = np.zeros(len(units)), self.active(units)
        for j, (name, parameter) in enumerate(self._tree.parameters.items()):
            if parameter.has_prior:
                log_density = parameter.prior.log_density(units[:, j], self._tree.scales[name])
                total += np.where(active[:, j], log_density, 0.0)
        return total
