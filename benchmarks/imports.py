"""CPU seconds of `import cotune` and `cotune --help`, each a fresh process. Bars: 0.15 s and 0.3 s."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from benchmarks import results

CASES = {
    "import cotune": ([sys.executable, "-c", "import cotune"], 0.15),
    "cotune --help": ([sys.executable, "-m", "cotune", "--help"], 0.3),
}


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int = 11) -> None:
    empty = statistics.median(cpu_seconds([sys.executable, "-c", "pass"]) for _ in range(rounds))
    rows = []
    for name, (command, bar) in CASES.items():
        times = [cpu_seconds(command) for _ in range(rounds)]
        rows.append(
            {"case": name, "cpu_s": statistics.median(times), "max_s": max(times), "bar_s": bar, "python_s": empty}
        )
    results.write("imports", rows)


if __name__ == "__main__":
    main()
