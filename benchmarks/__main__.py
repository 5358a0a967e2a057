"""Every benchmark, one after another: `make bench`."""

from __future__ import annotations

from benchmarks import ask_tell, fit, imports, open_study, throughput


def main() -> None:
    for benchmark in (imports, ask_tell, open_study, fit, throughput):
        print(f"\n{benchmark.__name__}")
        benchmark.main()


if __name__ == "__main__":
    main()
