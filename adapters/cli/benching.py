"""`bench`: the workloads of the benchmarks."""

from typing import Any

from adapters.cli.console import prepare_engine, print_json, print_pairs, progress


def bench(workload: str, events: int | None, strategy: str, journal: bool, output: str) -> int:
    """Run a workload and print its figures. Raises TapefoldError."""
    prepare_engine("run")
    from replay.bench import run_bench

    with progress(f"Running {workload}", events) as done:
        figures = run_bench(workload, events, strategy, journal, progress=done)
    if output == "json":
        print_json(figures)
    else:
        print_pairs([(name.replace("_", " "), _shown(name, value)) for name, value in figures.items()])
    return 0


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
