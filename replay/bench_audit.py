"""How long questions to a long tape take: its newest events, an order's, and the state at any event.

A tape of quotes is recorded once and kept where asked to. Each question is asked at several places of the tape, by a
reader that was opened for it; the figures are the median and the longest time, in milliseconds.
"""

import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import UserError
from adapters.journal import Durability, JournalReader, create_journal, read_journal, read_spans
from adapters.journal.lmdb_environment import DATA_FILE
from adapters.report.amounts import time_text
from replay.audit.explain import explain_order
from replay.audit.seek import Question, find, placed_at
from replay.audit.state_at import state_at
from replay.backtest import backtest_manifest
from replay.bench import bench_configuration
from replay.memory import anonymous_rss_mib
from replay.opening import opening_events
from replay.point import seq_at
from replay.setup import build_session
from replay.workloads import START_NS, WORKLOADS

EVENTS = 20_000_000
_PLACES = 11
_TAIL = 10

Bytes = NDArray[np.uint8]


def run_audit_bench(
    events: int | None, keep: Path | None, progress: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Record a tape of so many quotes, or take the one that is at `keep` already, and ask it. Raises UserError.

    `progress` is told how many quotes are recorded.
    """
    count = EVENTS if events is None else events
    if count < 1:
        raise UserError(f"--events is {count}, expected at least 1")
    folder = keep or Path(tempfile.mkdtemp(prefix="tapefold-bench-")) / "journal"
    try:
        if not (folder / DATA_FILE).exists():
            _record(folder, count, progress)
        return _ask(folder)
    finally:
        if keep is None:
            shutil.rmtree(folder.parent, ignore_errors=True)


def _record(folder: Path, count: int, progress: Callable[[int], None] | None) -> None:
    work = WORKLOADS["ticks"]
    configuration = bench_configuration(work, "compiled")
    opening, documents = opening_events(configuration, START_NS)
    with create_journal(folder, backtest_manifest(configuration), Durability.ON_CLOSE) as writer:
        session = build_session(configuration, lambda: writer)
        session.run(opening, documents, _told(work.chunks(count), progress))


def _told(chunks: Iterator[Bytes], progress: Callable[[int], None] | None) -> Iterator[Bytes]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk) // 64
        if progress is not None:
            progress(done)


def _ask(folder: Path) -> dict[str, Any]:
    with read_journal(folder) as reader:
        spans = read_spans(reader)
        state_at(reader, 1)  # loads the kernel, off the clock
        last_seq, orders = reader.last_seq, int(spans["placed_high"].max())
    chosen = random.Random(1)
    seqs = [chosen.randint(1, last_seq) for _ in range(_PLACES)]
    times = [time_text(START_NS + chosen.randint(1, int(spans["highest_ts_ns"].max()) - START_NS)) for _ in seqs]
    numbers = [chosen.randint(1, orders) for _ in seqs] if orders else []
    return {
        "workload": "audit",
        "tape_events": last_seq,
        "tape_mib": round((folder / DATA_FILE).stat().st_size / (1 << 20), 1),
        "orders": orders,
        "spans": len(spans),
        "places": _PLACES,
        "open_ms": _times(folder, [0] * _PLACES, lambda reader, _: None),
        "tail_ms": _times(
            folder, [0] * _PLACES, lambda reader, _: _found(reader, Question(newest_first=True, limit=_TAIL))
        ),
        "time_ms": _times(folder, times, lambda reader, text: seq_at(reader, text, "--at")),
        "placed_ms": _times(folder, numbers, placed_at),
        "order_ms": _times(folder, numbers, lambda reader, order: _found(reader, Question(order=order))),
        "explain_ms": _times(folder, numbers, explain_order),
        "state_ms": _times(folder, seqs, state_at),
        "anonymous_rss_mib": anonymous_rss_mib(),
    }


def _found(reader: JournalReader, question: Question) -> int:
    found = sum(1 for _ in find(reader, question))
    assert found > 0, "there is an answer to every question of the benchmark"
    return found


def _times(folder: Path, asked: list[Any], ask: Callable[[JournalReader, Any], Any]) -> dict[str, float]:
    measured = []
    for question in asked:
        started = time.perf_counter()
        with read_journal(folder) as reader:
            ask(reader, question)
        measured.append(1_000 * (time.perf_counter() - started))
    return {"median": round(statistics.median(measured), 1), "longest": round(max(measured), 1)} if measured else {}
