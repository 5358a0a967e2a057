"""From stored runs to results/quality_report.md, and the same figures in full in quality_report.csv.

Regret: 0 at the best known loss, 1 at the median of random configs. Intervals are bootstrap ones of 95 %: *clustered*
draws problems and takes all their pairs, *plain* draws pairs of (problem, seed) as if they were independent.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems import CONFIRMATION, REGIMES, TUNING, problems
from benchmarks.quality_runs import Run
from benchmarks.results import FOLDER
from benchmarks.rivals import STRATEGIES

BUDGETS = (50, 60, 100)
RESAMPLES = 2_000
HALVES = {"confirmation": CONFIRMATION, "tuning": TUNING}
PLAIN = ("random", "sobol")  # baselines: compared with, never judged
TIE = 1e-9
HIGHEST = 10.0  # of a regret: one search without any result must not decide a mean

Key = tuple[str, int]
Regrets = Mapping[Key, float]
Interval = tuple[float, float]
Row = dict[str, Any]


def current(runs: Sequence[Run]) -> list[Run]:
    """Those of the version that was run last."""
    return [run for run in runs if run.version == runs[-1].version]


def regrets(runs: Sequence[Run], trials: int) -> dict[Key, float]:
    """(problem, seed) to the regret after so many trials, of the shortest run that is long enough."""
    found: dict[Key, Run] = {}
    for run in runs:
        key = (run.problem, run.seed)
        if run.trials >= trials and run.problem in problems() and (key not in found or run.trials < found[key].trials):
            found[key] = run
    return {key: _regret(run.after(trials), key) for key, run in found.items()}


def _regret(loss: float, key: Key) -> float:
    return min(problems()[key[0]].regret(loss, key[1]), HIGHEST)


def plain_interval(values: NDArray[np.float64]) -> Interval:
    """Of the mean of (n,) values."""
    random = np.random.default_rng(0)
    means = [values[random.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    return _ends(means)


def clustered_interval(values: NDArray[np.float64], clusters: Sequence[str]) -> Interval:
    """Of the mean of (n,) values when whole clusters are drawn."""
    names = sorted(set(clusters))
    places = {name: i for i, name in enumerate(names)}
    at = np.array([places[cluster] for cluster in clusters])
    sums, counts = np.bincount(at, values, len(names)), np.bincount(at, minlength=len(names))
    random = np.random.default_rng(0)
    drawn = random.integers(len(names), size=(RESAMPLES, len(names)))
    return _ends(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))


def _ends(means: Any) -> Interval:
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def ranks(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """(cells, strategies) regrets to ranks from 1; ties share the mean of their places."""
    below = (table[:, :, None] > table[:, None, :] + TIE).sum(axis=2)
    alike = (np.abs(table[:, :, None] - table[:, None, :]) <= TIE).sum(axis=2)
    return 1.0 + below + (alike - 1) / 2.0


def summaries(every: Mapping[str, Sequence[Run]], half: str, trials: int) -> Iterator[Row]:
    """Per regime and strategy: regret over its own runs; rank and wins on the cells that all widely run ones share.

    shared_regret is over the cells that all rivals share which ran on every problem, be their seeds ever so few.
    """
    found = {who: regrets(runs, trials) for who, runs in every.items()}
    for regime, names in _groups(half):
        own = {who: {key: value for key, value in cells.items() if key[0] in names} for who, cells in found.items()}
        largest = max(map(len, own.values()), default=0)
        wide = [who for who, cells in own.items() if cells and len(cells) >= 0.7 * largest]
        shared = sorted(set.intersection(*(set(own[who]) for who in wide))) if wide else []
        level = _shared_regrets({who: cells for who, cells in own.items() if who in STRATEGIES})
        placed = ranks(np.array([[own[who][key] for who in wide] for key in shared])) if shared else None
        for who, cells in own.items():
            if not cells:
                continue
            values, clusters = np.array(list(cells.values())), [problem for problem, _ in cells]
            low, high = clustered_interval(values, clusters)
            row: Row = {
                "half": half, "trials": trials, "regime": regime, "strategy": who, "version": every[who][-1].version,
                "problems": len(set(clusters)), "runs": len(cells), "regret": float(values.mean()), "low": low,
                "high": high, "median": float(np.median(values)),
                "cpu_ms": _mean_cpu(every[who], set(cells)),
                "late_cpu_ms": _mean_cpu(every[who], set(cells), late=True),
            }  # fmt: skip
            if placed is not None and who in wide:
                mine = placed[:, wide.index(who)]
                low, high = clustered_interval(mine, [problem for problem, _ in shared])
                wins = int((mine == placed.min(axis=1)).sum())
                row |= {"rank": float(mine.mean()), "rank_low": low, "rank_high": high, "wins": wins, "of": len(shared)}
            yield row | level.get(who, {})


def _shared_regrets(rivals: Mapping[str, Regrets]) -> dict[str, Row]:
    """Of each that ran on all problems, over the cells that these share."""
    names = {problem for cells in rivals.values() for problem, _ in cells}
    everywhere = {who: cells for who, cells in rivals.items() if cells and {problem for problem, _ in cells} == names}
    shared = sorted(set.intersection(*map(set, everywhere.values()))) if everywhere else []
    return {
        who: {"shared_regret": float(np.mean([cells[key] for key in shared])), "shared_runs": len(shared)}
        for who, cells in everywhere.items()
        if shared
    }


def differences(every: Mapping[str, Sequence[Run]], half: str, trials: int) -> Iterator[Row]:
    """Per regime, each strategy of cotune minus each rival, paired by problem and seed."""
    found = {who: regrets(runs, trials) for who, runs in every.items()}
    for regime, names in _groups(half):
        for ours in filter(_is_ours, found):
            for theirs in found:
                keys = sorted(key for key in found[ours] if key in found[theirs] and key[0] in names)
                if not keys or theirs == ours or (_is_ours(theirs) and theirs not in PLAIN):
                    continue
                yield {
                    "half": half, "trials": trials, "regime": regime, "strategy": ours, "rival": theirs,
                    **paired(keys, [found[ours][key] for key in keys], [found[theirs][key] for key in keys]),
                }  # fmt: skip


def paired(keys: Sequence[Key], ours: Sequence[float], theirs: Sequence[float]) -> Row:
    """The mean difference with its intervals, and how many pairs and problems are won."""
    difference, clusters = np.array(ours) - np.array(theirs), [problem for problem, _ in keys]
    low, high = clustered_interval(difference, clusters)
    plain_low, plain_high = plain_interval(difference)
    per_problem = [difference[[at == name for at in clusters]].mean() for name in sorted(set(clusters))]
    return {
        "problems": len(per_problem), "pairs": len(keys), "difference": float(difference.mean()), "low": low,
        "high": high, "plain_low": plain_low, "plain_high": plain_high,
        "won": int((difference < -TIE).sum()), "tied": int((np.abs(difference) <= TIE).sum()),
        "lost": int((difference > TIE).sum()), "problems_won": sum(value < -TIE for value in per_problem),
        "problems_tied": sum(abs(value) <= TIE for value in per_problem),
    }  # fmt: skip


def write(every: Mapping[str, Sequence[Run]]) -> None:
    """Both files."""
    latest = {who: current(runs) for who, runs in every.items() if runs}
    first = [row for half in HALVES for trials in BUDGETS for row in summaries(latest, half, trials)]
    second = [row for half in HALVES for trials in BUDGETS for row in differences(latest, half, trials)]
    _write_csv("quality_report.csv", first)
    _write_csv("quality_pairs.csv", second)
    (FOLDER / "quality_report.md").write_text("\n".join(_document(latest, first, second)) + "\n", encoding="utf-8")
    print(f"wrote {FOLDER / 'quality_report.md'}: {len(first)} summaries, {len(second)} comparisons")


def _document(every: Mapping[str, Sequence[Run]], first: Sequence[Row], second: Sequence[Row]) -> Iterator[str]:
    yield "# How good the suggestions are\n"
    yield "Written by `python -m benchmarks.quality --report` from `results/quality/`.\n"
    yield (__doc__ or "").partition("\n\n")[2].replace("\n", " ").strip() + "\n"
    yield "Compared versions: " + ", ".join(f"{who} {runs[-1].version}" for who, runs in every.items()) + ".\n"
    yield "A rival that is told its budget (NGOpt, SMAC3) appears at 50 trials as it stood half way to 100, unless it"
    yield "was also run with a budget of 50.\n"
    yield from _verdicts(first, second)
    for half in HALVES:
        note = "never tuned on" if half == "confirmation" else "tuned on"
        for trials in (50, 100):
            rows = [row for row in first if (row["half"], row["trials"]) == (half, trials)]
            if rows:
                yield f"## {half.capitalize()} problems ({note}), {trials} trials\n"
                yield from _table(
                    "Mean normalised regret, with its clustered interval and number of runs", rows, _level
                )
                yield from _table("Mean rank, with its clustered interval, and shared cells won", rows, _placing)
                yield from _comparisons([row for row in second if (row["half"], row["trials"]) == (half, trials)])
    yield "## CPU per suggestion (ask and tell), ms: mean of all trials; of the second half\n"
    rows = [row for row in first if row["regime"] == "all" and row["trials"] == 50]
    yield from grid(["strategy", *HALVES], [
        [who, *(_cpu(rows, half, who) for half in HALVES)] for who in dict.fromkeys(row["strategy"] for row in rows)
    ])  # fmt: skip


def _verdicts(first: Sequence[Row], second: Sequence[Row]) -> Iterator[str]:
    """Per regime, against the rival that was best on its tuning problems; then problems won at 60 trials."""
    judged = [who for who in dict.fromkeys(row["strategy"] for row in second) if who not in PLAIN]
    for ours in judged:
        yield f"## {ours} on the confirmation problems, against the rival that was best on the tuning problems\n"
        yield "Which one that is, is judged by the cells that all rivals share which ran on every tuning problem.\n"
        rows = [_verdict(ours, regime, trials, first, second) for trials in (50, 100) for regime in REGIMES]
        yield from grid(
            ["trials", "regime", "rival", "difference", "clustered", "plain", "so"], list(filter(None, rows))
        )
        some = [
            row for row in second
            if (row["half"], row["trials"], row["strategy"], row["rival"]) == ("confirmation", 60, ours, "optuna-tpe")
            and row["regime"] in ("mixed", "conditional")
        ]  # fmt: skip
        won, of = (sum(row[field] for row in some) for field in ("problems_won", "problems"))
        yield f"Mixed and conditional problems won against Optuna's TPE after 60 trials: {won} of {of}.\n"


def _verdict(ours: str, regime: str, trials: int, first: Sequence[Row], second: Sequence[Row]) -> list[str]:
    rivals = [
        row for row in first
        if (row["half"], row["trials"], row["regime"]) == ("tuning", trials, regime)
        and "shared_regret" in row
    ]  # fmt: skip
    if not rivals:
        return []
    best = min(rivals, key=lambda row: row["shared_regret"])["strategy"]
    wanted = ("confirmation", trials, regime, ours, best)
    for row in second:
        if (row["half"], row["trials"], row["regime"], row["strategy"], row["rival"]) == wanted:
            ends = max(row["high"], row["plain_high"])
            so = "better" if ends < 0.0 else "not worse" if ends < 0.02 else "open"
            return [str(trials), regime, best, *intervals(row), so]
    return []


def intervals(row: Row) -> list[str]:
    """The difference of a comparison, and its clustered and its plain interval, as text."""
    return [
        f"{row['difference']:+.4f}", f"[{row['low']:+.4f}, {row['high']:+.4f}]",
        f"[{row['plain_low']:+.4f}, {row['plain_high']:+.4f}]",
    ]  # fmt: skip


def _comparisons(rows: Sequence[Row]) -> Iterator[str]:
    for ours in dict.fromkeys(row["strategy"] for row in rows if row["strategy"] not in PLAIN):
        yield f"### {ours} minus each other, paired: below 0 is better\n"
        yield from grid(
            ["regime", "other", "difference", "clustered", "plain", "pairs won/tied/lost", "problems won"],
            [
                [
                    row["regime"], row["rival"], *intervals(row),
                    f"{row['won']}/{row['tied']}/{row['lost']}", f"{row['problems_won']} of {row['problems']}",
                ]
                for row in rows if row["strategy"] == ours
            ],
        )  # fmt: skip


def _table(title: str, rows: Sequence[Row], cell: Callable[[Row], str]) -> Iterator[str]:
    yield f"### {title}\n"
    regimes = [regime for regime in ("all", *REGIMES) if any(row["regime"] == regime for row in rows)]
    at = {(row["strategy"], row["regime"]): cell(row) for row in rows}
    strategies = dict.fromkeys(row["strategy"] for row in rows)
    yield from grid(
        ["strategy", *regimes], [[who, *(at.get((who, regime), "") for regime in regimes)] for who in strategies]
    )


def _level(row: Row) -> str:
    return f"{row['regret']:.3f} [{row['low']:.3f}, {row['high']:.3f}] ({row['runs']})"


def _placing(row: Row) -> str:
    if "rank" not in row:
        return ""
    return f"{row['rank']:.2f} [{row['rank_low']:.2f}, {row['rank_high']:.2f}], {row['wins']} of {row['of']}"


def _cpu(rows: Sequence[Row], half: str, who: str) -> str:
    found = [row for row in rows if (row["half"], row["strategy"]) == (half, who)]
    return f"{found[0]['cpu_ms']:.2f}; {found[0]['late_cpu_ms']:.2f}" if found else ""


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def _groups(half: str) -> Iterator[tuple[str, frozenset[str]]]:
    names = frozenset(HALVES[half])
    yield "all", names
    for regime in REGIMES:
        yield regime, frozenset(name for name in names if problems()[name].regime == regime)


def _is_ours(who: str) -> bool:
    return who not in STRATEGIES


def _mean_cpu(runs: Sequence[Run], keys: set[Key], *, late: bool = False) -> float:
    values = [run.late_cpu_ms if late else run.cpu_ms for run in runs if (run.problem, run.seed) in keys]
    return float(np.mean(values)) if values else math.nan


def _write_csv(name: str, rows: Sequence[Row]) -> None:
    fields = list(dict.fromkeys(field for row in rows for field in row))
    with (FOLDER / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()})
