"""Ways to divide samples into those that train and those that validate: once, or fold by fold."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol, final

import numpy as np
from numpy.typing import NDArray

from cotune.errors import TaskError

Rows = NDArray[np.int64]
Drawn = Callable[[], np.random.Generator]
"""Gives the generator of a division, anew."""


@final
@dataclass(frozen=True, eq=False)
class Pool:
    """Samples that may train or validate. rows (n,): which ones, ascending.

    labels (n,): their integer classes, where these are known. groups (n,): which belong together, where that is said;
    no division separates them.
    """

    rows: Rows
    labels: Rows | None
    groups: Rows | None

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, rows: Rows) -> Pool:
        """Some of them. rows: a part of `rows`, ascending."""
        at = np.searchsorted(self.rows, rows)
        return Pool(rows, *(None if column is None else column[at] for column in (self.labels, self.groups)))

    def parts(self, held: NDArray[np.bool_]) -> tuple[Rows, Rows]:
        """(kept, held out) rows. held (n,): which are held out."""
        return self.rows[~held], self.rows[held]

    @cached_property
    def classes(self) -> tuple[Rows, Rows] | None:
        """The classes, and how many samples each has; None if they are not known."""
        return None if self.labels is None else np.unique(self.labels, return_counts=True)


class Division(Protocol):
    """Says which rows train and which validate, in each of `n_folds` folds.

    reshuffle: whether every run has folds of its own. race: whether the folds of a trial train one after another rather
    than side by side. is_ordered: whether samples stand in the order of time, so that what is sealed for the test is
    their end. is_random: whether other draws give other folds.
    """

    @property
    def n_folds(self) -> int: ...
    @property
    def reshuffle(self) -> bool: ...
    @property
    def race(self) -> bool: ...
    @property
    def is_ordered(self) -> bool: ...
    @property
    def is_random(self) -> bool: ...

    def reshuffled(self) -> Division:
        """The same with folds of its own for every run."""
        ...

    def divide(self, pool: Pool, draw: Drawn, fold: int) -> tuple[Rows, Rows]:
        """(training, validation) rows of a fold, each ascending. Raises TaskError where the pool is too small."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Holdout:
    """A share of the samples is held out for validation.

    share: in (0, 1). reshuffle: a new split for every trial, which keeps a long search from tuning to one split;
    without it, all trials of a study share one.
    """

    share: float
    reshuffle: bool = False
    n_folds: ClassVar[int] = 1
    race: ClassVar[bool] = False
    is_ordered: ClassVar[bool] = False
    is_random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_share(self.share, "Holdout(share=)")
        _check_flag(self.reshuffle, "Holdout(reshuffle=)")

    def reshuffled(self) -> Holdout:
        """The same with a split of its own for every run."""
        return Holdout(self.share, reshuffle=True)

    def divide(self, pool: Pool, draw: Drawn, fold: int) -> tuple[Rows, Rows]:
        """Stratified where integer classes are known; groups stay whole."""
        return hold_out(pool, self.share, draw())


@final
@dataclass(frozen=True, slots=True)
class KFold:
    """Cross-validation: each of `folds` parts of the samples validates a model that the others train.

    A trial's metrics are means over its folds, and `<objective>_se` is the objective's standard error. folds: at least
    2. reshuffle: new folds for every trial; without it, all trials of a study share theirs. race: the folds of a trial
    train one after another, so that `ct.Race` can stop one that is worse on its first folds; without it, side by side.
    Stratified where integer classes are known; with `Task(groups=)`, a group is never divided.
    """

    folds: int = 5
    reshuffle: bool = False
    race: bool = False
    is_ordered: ClassVar[bool] = False
    is_random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_folds(self.folds, "KFold(folds=)")
        _check_flag(self.reshuffle, "KFold(reshuffle=)")
        _check_flag(self.race, "KFold(race=)")

    @property
    def n_folds(self) -> int:
        """How many."""
        return self.folds

    def reshuffled(self) -> KFold:
        """The same with folds of its own for every run."""
        return replace(self, reshuffle=True)

    def divide(self, pool: Pool, draw: Drawn, fold: int) -> tuple[Rows, Rows]:
        """Folds differ in size by at most one sample, and so do a class's shares of them, unless there are groups."""
        places = _dealt(pool, self.folds, draw()) if pool.groups is None else _packed(pool, self.folds, draw())
        return pool.parts(places == fold)


@final
@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Cross-validation of samples in the order of time: each fold trains on the past and validates on what follows.

    The samples are cut into `folds` + 1 pieces of about equal length; fold i trains on the first i + 1 and validates on
    the next one. gap: so many samples before it are left out of training. race: as for `KFold`. A `test=` share is the
    end of the data.
    """

    folds: int = 5
    gap: int = 0
    race: bool = False
    reshuffle: ClassVar[bool] = False
    is_ordered: ClassVar[bool] = True
    is_random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_folds(self.folds, "TimeSeries(folds=)")
        if isinstance(self.gap, bool) or not isinstance(self.gap, int) or self.gap < 0:
            raise TaskError(f"TimeSeries(gap=) must be an integer of at least 0, got {self.gap!r}.")
        _check_flag(self.race, "TimeSeries(race=)")

    @property
    def n_folds(self) -> int:
        """How many."""
        return self.folds

    def reshuffled(self) -> TimeSeries:
        """The same."""
        return self

    def divide(self, pool: Pool, draw: Drawn, fold: int) -> tuple[Rows, Rows]:
        """Training and validation rows are runs of neighbours."""
        if pool.groups is not None:
            raise TaskError("TimeSeries() divides by the order of the samples; leave groups= out.")
        size = len(pool) // (self.folds + 1)
        begin = len(pool) - (self.folds - fold) * size
        if size == 0 or begin - self.gap < 1:
            raise TaskError(
                f"TimeSeries(folds={self.folds}, gap={self.gap}) leaves nothing to train on with {len(pool)} samples; "
                "use fewer folds or a smaller gap."
            )
        return pool.rows[: begin - self.gap], pool.rows[begin : begin + size]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """A splitter with scikit-learn's `split(x, y, groups)` and `get_n_splits(x, y, groups)`.

    One whose `random_state` is None gets a seed of the study's, so that nothing depends on a global generator.
    """

    splitter: Any
    n_folds: int
    reshuffle: bool = False
    race: ClassVar[bool] = False

    @property
    def is_ordered(self) -> bool:
        """Whether it is scikit-learn's own splitter of time series."""
        return type(self.splitter).__name__ == "TimeSeriesSplit"

    @property
    def is_random(self) -> bool:
        """Whether it has a random state that is not set."""
        return getattr(self.splitter, "random_state", 0) is None and getattr(self.splitter, "shuffle", True)

    def reshuffled(self) -> Foreign:
        """The same with folds of its own for every run, where it draws any."""
        return Foreign(self.splitter, self.n_folds, reshuffle=self.is_random)

    def divide(self, pool: Pool, draw: Drawn, fold: int) -> tuple[Rows, Rows]:
        """What the splitter says."""
        splitter = self.splitter
        if self.is_random:
            splitter = copy.copy(splitter)
            splitter.random_state = int(draw().integers(2**31))
        try:
            train, held = list(splitter.split(np.zeros((len(pool), 1)), pool.labels, pool.groups))[fold]
        except (ValueError, TypeError, IndexError) as error:
            raise TaskError(
                f"validation={splitter!r} cannot divide the {len(pool)} samples that are not sealed: {error} (it was "
                f"given {_told(pool)}; groups come from Task(groups=); what says beforehand how samples are divided "
                "needs test=None or a test set of its own)"
            ) from error
        if not len(train) or not len(held):
            raise TaskError(f"validation={splitter!r} leaves fold {fold} without samples.")
        return np.sort(pool.rows[train]), np.sort(pool.rows[held])


def is_splitter(value: object) -> bool:
    """Whether it has the methods of scikit-learn's splitters."""
    return all(callable(getattr(value, name, None)) for name in ("split", "get_n_splits"))


def foreign(splitter: Any, pool: Pool) -> Foreign:
    """A splitter of scikit-learn's kind as a division. Raises TaskError if it does not say into how many folds."""
    try:
        state = getattr(splitter, "random_state", None)
        if not (state is None or isinstance(state, (int, np.integer))):
            raise TaskError(f"validation={splitter!r} draws anew every time; use an integer or None as random_state=.")
        n = int(splitter.get_n_splits(np.zeros((len(pool), 1)), pool.labels, pool.groups))
    except (ValueError, TypeError) as error:
        raise TaskError(f"validation={splitter!r} does not say how many folds it makes: {error}") from error
    return Foreign(splitter, n)


def hold_out(pool: Pool, share: float, draw: np.random.Generator) -> tuple[Rows, Rows]:
    """(kept, held out) rows, ascending; stratified where integer classes are known, and groups stay whole."""
    if len(pool) < 2:
        raise TaskError(f"cannot hold out a share of {share} of {len(pool)} sample(s); give at least 2.")
    n_held = min(max(1, round(share * len(pool))), len(pool) - 1)
    if pool.groups is not None:
        return _hold_out_groups(pool, n_held, draw)
    order = draw.permutation(len(pool))
    if pool.labels is not None and pool.classes is not None:
        classes, counts = pool.classes
        if len(classes) <= min(n_held, len(pool) - n_held):
            return pool.parts(_stratified(pool.labels, order, classes, _quotas(counts, n_held)))
    return pool.parts(_marked(order[:n_held], len(pool)))


def hold_out_end(pool: Pool, share: float) -> tuple[Rows, Rows]:
    """(kept, held out) rows: the last ones are held out."""
    if len(pool) < 2:
        raise TaskError(f"cannot hold out a share of {share} of {len(pool)} sample(s); give at least 2.")
    n_kept = len(pool) - min(max(1, round(share * len(pool))), len(pool) - 1)
    return pool.rows[:n_kept], pool.rows[n_kept:]


def check_share(share: object, argument: str) -> float:
    """`share` as a number; TaskError unless it is one in (0, 1)."""
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
        raise TaskError(f"{argument} needs a share strictly between 0 and 1, got {share!r}. Use e.g. 0.2.")
    return float(share)


def numbered(groups: Any, n: int) -> Rows:
    """(n,) groups 0, 1, ... for whatever names them. Raises TaskError unless there is one for each of n samples."""
    names = np.asarray(groups)
    if names.ndim != 1 or len(names) != n:
        raise TaskError(f"groups= must name the group of each of the {n} samples, got an array of shape {names.shape}.")
    found: Rows = np.unique(names, return_inverse=True)[1].astype(np.int64)
    if found.max(initial=0) == 0:
        raise TaskError("groups= puts all samples into one group, which cannot be divided; leave it out.")
    return found


def _check_folds(folds: object, argument: str) -> None:
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise TaskError(f"{argument} must be an integer of at least 2, got {folds!r}.")


def _check_flag(flag: object, argument: str) -> None:
    if not isinstance(flag, bool):
        raise TaskError(f"{argument} must be True or False, got {flag!r}.")


def _told(pool: Pool) -> str:
    labels = "classes" if pool.labels is not None else "no classes"
    return f"{labels} and {'groups' if pool.groups is not None else 'no groups'}"


def _marked(places: Rows, n: int) -> NDArray[np.bool_]:
    marks = np.zeros(n, dtype=bool)
    marks[places] = True
    return marks


def _quotas(counts: Rows, n_held: int) -> Rows:
    """How many of each class to hold out: in proportion, and a class of two or more is on both sides."""
    wanted = counts * (n_held / counts.sum())
    lowest = (counts >= 2).astype(np.int64)
    held = np.clip(np.floor(wanted).astype(np.int64), lowest, counts - 1)
    for index in np.argsort(held - wanted, kind="stable"):  # largest remainder first
        if held.sum() < n_held and held[index] < counts[index] - 1:
            held[index] += 1
    return held


def _stratified(labels: Rows, order: Rows, classes: Iterable[int], quotas: Iterable[int]) -> NDArray[np.bool_]:
    """Marks the first `quotas` samples of each class in that order."""
    shuffled = labels[order]
    chosen = [order[np.flatnonzero(shuffled == c)[:quota]] for c, quota in zip(classes, quotas, strict=True)]
    return _marked(np.concatenate(chosen), len(labels))


def _hold_out_groups(pool: Pool, n_held: int, draw: np.random.Generator) -> tuple[Rows, Rows]:
    """Whole groups in a random order, each if it brings what is held out nearer to the wanted number."""
    assert pool.groups is not None
    counts = np.bincount(pool.groups)
    present = np.flatnonzero(counts)
    chosen, n = list[int](), 0
    for group in draw.permutation(present)[: len(present) - 1]:
        if not chosen or abs(n + counts[group] - n_held) < abs(n - n_held):
            chosen.append(int(group))
            n += int(counts[group])
    return pool.parts(np.isin(pool.groups, chosen))


def _dealt(pool: Pool, folds: int, draw: np.random.Generator) -> Rows:
    """(n,) the fold of each sample: class by class in a random order, one to each fold in turn."""
    if len(pool) < folds:
        raise TaskError(f"KFold(folds={folds}) needs at least {folds} samples, got {len(pool)}.")
    order = draw.permutation(len(pool))
    if pool.labels is not None and pool.classes is not None and len(pool.classes[0]) <= len(pool) // folds:
        order = order[np.argsort(pool.labels[order], kind="stable")]
    places = np.empty(len(pool), dtype=np.int64)
    places[order] = np.arange(len(pool)) % folds
    return places


def _packed(pool: Pool, folds: int, draw: np.random.Generator) -> Rows:
    """(n,) the fold of each sample: the largest group first, each into the fold that has the fewest samples."""
    assert pool.groups is not None
    counts = np.bincount(pool.groups)
    order = draw.permutation(np.flatnonzero(counts))
    if len(order) < folds:
        raise TaskError(f"KFold(folds={folds}) needs at least {folds} groups, got {len(order)}.")
    sizes, place_of = np.zeros(folds, dtype=np.int64), np.zeros(len(counts), dtype=np.int64)
    for group in order[np.argsort(-counts[order], kind="stable")]:
        place_of[group] = sizes.argmin()
        sizes[place_of[group]] += counts[group]
    return place_of[pool.groups]
