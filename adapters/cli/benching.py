"""`bench`: the workloads of the benchmarks."""

from pathlib import Path
from typing import Any

from adapters.cli.console import prepare_engine, print_json, print_pairs, progress
from adapters.errors import UserError


def bench(
    workload: str, events: int | None, strategy: str, rules: str, journal: bool, keep: Path | None, output: str
) -> int:
    """Run a workload and print its figures. Raises TapefoldError."""
    is_waiting = workload in ("resting", "brackets")
    others = (("--strategy", strategy != "compiled"), ("--rules", rules != "none"), ("--keep", keep is not None))
    for option, given in (*others, ("--no-journal", not journal)):
        if is_waiting and given:
            raise UserError(f"{option}: expected it with ticks or bars, {workload} has no such choice")
    prepare_engine("run")
    from replay.bench import run_bench, run_waiting_bench

    with progress(f"Running {workload}", events) as done:
        if is_waiting:
            figures = run_waiting_bench(workload, events)
        else:
            figures = run_bench(workload, events, strategy, journal, keep, rules, progress=done)
    if output == "json":
        print_json(figures)
    else:
        print_pairs([(name.replace("_", " "), _shown(name, value)) for name, value in figures.items()])
    return 0


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)
