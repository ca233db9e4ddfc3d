"""The benchmarks: how many market events a second go through the whole path, and a tape folds again.

What is timed is the loop, from the first event to the commit of the last block. Not in it: imports, making the
market data, compiling (`compile_s`, on a small slice first), and the final flush to the disk (`sync_s`). A workload
that fits into memory is run several times: the first runs, which wait for the system to find memory, are not counted
(`first_run_events_per_s` tells the very first), and the figures are those of the run with the median time.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Configuration, parse_configuration
from adapters.errors import UserError
from adapters.journal import Durability, JournalWriter, create_journal, read_journal
from engine.records import EVENT_BYTES
from engine.state import DEFAULT_LIMITS, LARGE_LIMITS, Limits
from replay.backtest import backtest_manifest
from replay.bench_rules import ADDED, STRATEGY_RULES
from replay.memory import peak_rss_mib
from replay.opening import opening_events
from replay.refold import refold
from replay.session import Outcome
from replay.setup import build_session
from replay.workloads import LOT_SIZE, START_NS, TICK_SIZE, WORKLOADS, Workload

Bytes = NDArray[np.uint8]
STRATEGIES = {
    "compiled": "adapters.strategies.ema_cross",
    "python": "adapters.strategies.ema_cross:EmaCross",
    "resting": "replay.bench_resting",
    "brackets": "replay.bench_brackets",
}
_WARM_EVENTS = 2_000
_WARM_RUNS = 3
_RUNS = 7
_SEGMENTS_IN_MEMORY = 4
WAITING = (1, 100, 4_000)
_WAITING_EVENTS = 900_000

_CONFIGURATION = """
[run]
name = "bench-{workload}"
{timers}

[[accounts]]
name = "bench"
kind = "margin"
currency = "USDT"
balance = "10000000"

[[instruments]]
symbol = "BTC/USDT:USDT"
account = "bench"
kind = "linear"
tick_size = "{tick_size}"
lot_size = "{lot_size}"
maker_fee_bps = "2"
taker_fee_bps = "2"
margin_initial = "0.05"
order_quantity = "1"

[[strategies]]
name = "ema"
form = "{form}"
entry = "{entry}"
{strategy_rules}
[strategies.parameters]
{parameters}
"""


def bench_configuration(
    workload: Workload, strategy: str, parameters: str | None = None, rules: str = "none"
) -> Configuration:
    """The configuration of a workload, as a user would write it; `rules` is one of `replay.bench_rules.ADDED`."""
    text = _CONFIGURATION.format(
        workload=workload.name,
        timers='timer_interval = "1m"' if rules == "all" else "",
        tick_size=TICK_SIZE,
        lot_size=LOT_SIZE,
        form="python" if strategy == "python" else "compiled",
        entry=STRATEGIES[strategy],
        strategy_rules=STRATEGY_RULES if rules == "all" else "",
        parameters=parameters or f'fast = 10\nslow = 20\nprice = "{workload.price}"',
    )
    text += ADDED[rules]
    return parse_configuration(text, Path("bench.toml"))


def _run(
    configuration: Configuration,
    market: Iterator[Bytes],
    journal: JournalWriter | None,
    limits: Limits = DEFAULT_LIMITS,
) -> Outcome:
    opening, documents = opening_events(configuration, START_NS)
    return build_session(configuration, lambda: journal, limits).run(opening, documents, market)


def run_bench(
    workload: str,
    events: int | None = None,
    strategy: str = "compiled",
    journal: bool = True,
    keep: Path | None = None,
    rules: str = "none",
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Run a workload and report its figures; with `journal` the tape is folded again too, and then removed.

    `rules` switches on brackets, or all rules. `keep` names a folder for the journal, which then stays. Raises
    UserError for unknown names.
    """
    if workload not in WORKLOADS:
        raise UserError(f"no workload {workload!r}, expected one of {', '.join(WORKLOADS)}")
    if strategy not in ("compiled", "python"):
        raise UserError(f"no strategy form {strategy!r}, expected compiled or python")
    work = WORKLOADS[workload]
    count = work.events if events is None else events
    if rules not in ADDED:
        raise UserError(f"no rules {rules!r}, expected one of {', '.join(ADDED)}")
    if count < 1:
        raise UserError(f"--events is {count}, expected at least 1")
    configuration = bench_configuration(work, strategy, rules=rules)
    figures: dict[str, Any] = {
        "workload": workload,
        "strategy": strategy,
        "rules": rules,
        "events": count,
        "compile_s": round(_compile(work, configuration), 3),
        "journaled": journal or keep is not None,
    }
    if count > _SEGMENTS_IN_MEMORY * work.segment_events:
        return figures | {"runs": 1} | _measure(configuration, work.chunks(count), count, figures["journaled"], keep)
    chunks = list(work.chunks(count))
    if keep is not None:
        return figures | {"runs": 1} | _measure(configuration, iter(chunks), count, True, keep)
    measured = []
    for done in range(_WARM_RUNS + _RUNS):
        measured.append(_measure(configuration, iter(chunks), count, journal, None))
        if progress is not None:
            progress((done + 1) * count // (_WARM_RUNS + _RUNS))
    figures |= {"runs": _RUNS, "first_run_events_per_s": measured[0]["events_per_s"]}
    counted = sorted(measured[_WARM_RUNS:], key=lambda run: float(run["wall_s"]))
    return figures | counted[_RUNS // 2]


def _measure(
    configuration: Configuration, market: Iterator[Bytes], count: int, journaled: bool, keep: Path | None
) -> dict[str, Any]:
    """One run, with its journal folded again where there is one."""
    if not journaled:
        return _figures(_run(configuration, market, None), count)
    folder = keep or Path(tempfile.mkdtemp(prefix="tapefold-bench-")) / "journal"
    try:
        writer = create_journal(folder, backtest_manifest(configuration), Durability.ON_CLOSE)
        outcome = _run(configuration, market, writer)
        started = time.perf_counter()
        writer.close()
        figures = _figures(outcome, count)
        figures["sync_s"] = round(time.perf_counter() - started, 3)
        return figures | _refold(folder, outcome)
    finally:
        if keep is None:
            shutil.rmtree(folder.parent, ignore_errors=True)


def run_waiting_bench(what: str, events: int | None = None) -> dict[str, Any]:
    """What a tick costs with few and many resting orders, or open brackets, that do not trigger.

    `what` is "resting" or "brackets"; nanoseconds, medians of several runs. Raises UserError.
    """
    count = _WAITING_EVENTS if events is None else events
    work = WORKLOADS["ticks"]
    most = work.segment_events - max(WAITING) - 1
    if not 1 <= count <= most:
        raise UserError(f"--events is {count}, expected 1 to {most}")
    chunk = next(work.chunks(work.segment_events))
    times: dict[int, list[float]] = {number: [] for number in WAITING}
    for _ in range(_RUNS):
        for number in WAITING:
            times[number].append(_time_waiting(what, work, chunk, number, count))
    medians = {number: statistics.median(runs) / count * 1e9 for number, runs in times.items()}
    return {
        "workload": what,
        "events": count,
        "runs": _RUNS,
        "tick_ns": {str(number): round(value, 1) for number, value in medians.items()},
        "most_to_least": round(max(medians.values()) / min(medians.values()), 3),
    }


def _time_waiting(what: str, work: Workload, chunk: Bytes, number: int, count: int) -> float:
    """Seconds for `count` ticks once the orders rest, or the brackets are open."""
    parameters = f"orders = {number}" if what == "resting" else f"brackets = {number}"
    configuration = bench_configuration(work, what, parameters, "none" if what == "resting" else "many_brackets")
    moments: list[float] = []

    def market() -> Iterator[Bytes]:
        first = (number + 1) * EVENT_BYTES
        yield chunk[:first]
        moments.append(time.perf_counter())
        yield chunk[first : first + count * EVENT_BYTES]
        moments.append(time.perf_counter())

    outcome = _run(configuration, market(), None, DEFAULT_LIMITS if what == "resting" else LARGE_LIMITS)
    waiting = outcome.orders - outcome.fills
    expected = number if what == "resting" else 2 * number
    if waiting != expected:
        raise AssertionError(f"{waiting} orders wait, expected {expected}")
    return moments[1] - moments[0]


def _compile(work: Workload, configuration: Configuration) -> float:
    started = time.perf_counter()
    market = work.make(_WARM_EVENTS, work.seed)
    _run(configuration, iter([market]), None)
    return time.perf_counter() - started


def _figures(outcome: Outcome, count: int) -> dict[str, Any]:
    return {
        "tape_events": outcome.events,
        "wall_s": round(outcome.wall_s, 4),
        "events_per_s": round(count / outcome.wall_s),
        "orders": outcome.orders,
        "fills": outcome.fills,
        "state_digest": outcome.state_digest,
        "command_digest": outcome.command_digest,
        "peak_rss_mib": peak_rss_mib(),
    }


def _refold(folder: Path, outcome: Outcome) -> dict[str, Any]:
    """Fold the new journal once to have the kernel ready, then again on the clock."""
    with read_journal(folder) as reader:
        refold(reader, until_seq=1)
        again = refold(reader)
    if again.state_digest != outcome.state_digest or again.command_digest != outcome.command_digest:
        raise AssertionError("the refold of the benchmark's journal led to another state")
    return {"refold_events_per_s": round(again.events / again.wall_s)}
