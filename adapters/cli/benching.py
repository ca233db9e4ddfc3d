"""`bench`: the workloads of the benchmarks."""

from pathlib import Path
from typing import Any

from adapters.cli.console import prepare_engine, print_json, print_pairs, progress
from adapters.errors import UserError

_LIVE_SECONDS = 10.0
_LIVE_INSTRUMENTS = 100
# Which workloads an option is for.
_OF = {
    **dict.fromkeys(("strategy", "rules", "no-journal"), "ticks or bars"),
    "keep": "ticks, bars, audit or live-load",
    "events": "ticks, bars, resting, brackets or audit",
    **dict.fromkeys(("rate", "seconds", "instruments"), "live-load or live-latency"),
}


def bench(
    workload: str, events: int | None, strategy: str, rules: str, journal: bool, keep: Path | None, output: str
) -> int:
    """Run a workload and print its figures. Raises TapefoldError."""
    is_waiting = workload in ("resting", "brackets")
    if is_waiting:
        refuse(workload, strategy=strategy != "compiled", rules=rules != "none", keep=keep, no_journal=not journal)
    prepare_engine("run")
    from replay.bench import run_bench, run_waiting_bench

    with progress(f"Running {workload}", events) as done:
        if is_waiting:
            figures = run_waiting_bench(workload, events)
        else:
            figures = run_bench(workload, events, strategy, journal, keep, rules, progress=done)
    _print(figures, output)
    return 0


def bench_audit(events: int | None, keep: Path | None, output: str) -> int:
    """Ask a long tape and print how long that takes. Raises TapefoldError."""
    prepare_engine("run", "fold")
    from replay.bench_audit import EVENTS, run_audit_bench

    with progress("Recording a tape", events or EVENTS) as done:
        figures = run_audit_bench(events, keep, done)
    _print(figures, output)
    return 0


def refuse(workload: str, **given: object) -> None:
    """Raises UserError for the first option that was given: the workload has none of them."""
    for name, value in given.items():
        if value is not None and value is not False:
            option = name.replace("_", "-")
            raise UserError(f"--{option}: expected it with {_OF[option]}, {workload} has no such choice")


def bench_live(
    workload: str, rate: int | None, seconds: float | None, instruments: int | None, keep: Path | None, output: str
) -> int:
    """Run the live daemon against a venue and print what was measured. Raises TapefoldError."""
    if workload == "live-latency":
        refuse(workload, keep=keep)
    prepare_engine("drive")
    from replay.bench_live import LATENCY_RATE, LOAD_RATE, run_live_latency, run_live_load
    from replay.bench_turns import INSTRUMENTS_MAX

    rate = rate if rate is not None else LOAD_RATE if workload == "live-load" else LATENCY_RATE
    seconds = seconds if seconds is not None else _LIVE_SECONDS
    instruments = instruments if instruments is not None else _LIVE_INSTRUMENTS
    if not 1 <= instruments <= INSTRUMENTS_MAX:
        raise UserError(f"--instruments: expected 1 to {INSTRUMENTS_MAX}, found {instruments}")
    if rate < 1 or rate * seconds < 1:
        raise UserError(f"--rate {rate} and --seconds {seconds:g}: expected one quote at least")
    if workload == "live-load":
        figures = run_live_load(rate, seconds, instruments, keep)
    else:
        figures = run_live_latency(rate, seconds, instruments)
    _print(figures, output)
    return 1 if figures.get("lost") or figures.get("doubled") else 0


def _print(figures: dict[str, Any], output: str) -> None:
    if output == "json":
        print_json(figures)
    else:
        print_pairs([(name.replace("_", " "), _shown(name, value)) for name, value in figures.items()])


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)
