"""Every benchmark but `quality`, which takes hours and is resumed by hand, one after another: `make bench`."""

from __future__ import annotations

from benchmarks import (
    ask_tell,
    demo,
    demo_race,
    fit,
    fold_race,
    folds,
    fused,
    fused_auto,
    importance,
    imports,
    kills,
    latency,
    long,
    memory,
    open_study,
    parallel,
    planning,
    report,
    throughput,
    wall,
    workers,
)


def main() -> None:
    for benchmark in (
        imports,
        ask_tell,
        open_study,
        fit,
        folds,
        fold_race,
        fused,
        fused_auto,
        throughput,
        latency,
        parallel,
        planning,
        importance,
        demo,
        demo_race,
        memory,
        report,
        kills,
        wall,
        workers,
        long,
    ):
        print(f"\n{benchmark.__name__}")
        benchmark.main()


if __name__ == "__main__":
    main()
