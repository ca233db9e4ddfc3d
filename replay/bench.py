"""The benchmarks: how many market events a second go through the whole path, and a tape folds again.

What is timed is the loop, from the first event to the commit of the last block. Not in it: imports, making the
market data, compiling (`compile_s`, on a small slice first), and the final flush to the disk (`sync_s`).
"""

import resource
import shutil
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
from replay.backtest import backtest_manifest
from replay.opening import opening_events
from replay.refold import refold
from replay.session import Outcome
from replay.setup import build_session
from replay.workloads import LOT_SIZE, START_NS, TICK_SIZE, WORKLOADS, Workload

Bytes = NDArray[np.uint8]
STRATEGIES = {"compiled": "adapters.strategies.ema_cross", "python": "adapters.strategies.ema_cross:EmaCross"}
_WARM_EVENTS = 2_000

_CONFIGURATION = """
[run]
name = "bench-{workload}"

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
[strategies.parameters]
fast = 10
slow = 20
price = "{price}"
"""


def bench_configuration(workload: Workload, strategy: str) -> Configuration:
    """The configuration of a workload, as a user would write it."""
    text = _CONFIGURATION.format(
        workload=workload.name,
        tick_size=TICK_SIZE,
        lot_size=LOT_SIZE,
        form=strategy,
        entry=STRATEGIES[strategy],
        price=workload.price,
    )
    return parse_configuration(text, Path("bench.toml"))


def _run(configuration: Configuration, market: Iterator[Bytes], journal: JournalWriter | None) -> Outcome:
    opening, documents = opening_events(configuration, START_NS)
    return build_session(configuration, journal).run(opening, documents, market)


def run_bench(
    workload: str,
    events: int | None = None,
    strategy: str = "compiled",
    journal: bool = True,
    keep: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Run a workload and report its figures; with `journal` the tape is folded again too, and then removed.

    `keep` names a folder for the journal, which then stays. Raises UserError for unknown names.
    """
    if workload not in WORKLOADS:
        raise UserError(f"no workload {workload!r}, expected one of {', '.join(WORKLOADS)}")
    if strategy not in STRATEGIES:
        raise UserError(f"no strategy form {strategy!r}, expected compiled or python")
    work = WORKLOADS[workload]
    count = work.events if events is None else events
    if count < 1:
        raise UserError(f"--events is {count}, expected at least 1")
    configuration = bench_configuration(work, strategy)
    compile_s = _compile(work, configuration)
    market = _ahead(work, count)
    figures: dict[str, Any] = {
        "workload": workload,
        "strategy": strategy,
        "events": count,
        "compile_s": round(compile_s, 3),
        "journaled": journal or keep is not None,
    }
    if not figures["journaled"]:
        outcome = _run(configuration, market, None)
        return figures | _figures(outcome, count)
    folder = keep or Path(tempfile.mkdtemp(prefix="tapefold-bench-")) / "journal"
    try:
        writer = create_journal(folder, backtest_manifest(configuration), Durability.ON_CLOSE)
        outcome = _run(configuration, market, writer)
        started = time.perf_counter()
        writer.close()
        figures |= _figures(outcome, count)
        figures["sync_s"] = round(time.perf_counter() - started, 3)
        figures |= _refold(folder, outcome)
    finally:
        if keep is None:
            shutil.rmtree(folder.parent, ignore_errors=True)
    return figures


def _ahead(work: Workload, count: int) -> Iterator[Bytes]:
    """The market records, made before the clock starts where they are few enough to hold."""
    chunks = work.chunks(count)
    return iter(list(chunks)) if count <= 4 * work.segment_events else chunks


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


def peak_rss_mib() -> float:
    """The largest resident memory of this process so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
