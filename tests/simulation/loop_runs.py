"""Short markets by hand, and what happened on a tape, in milliseconds from its start."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.kinds import EventKind
from engine.records import EVENT, FILL, QUOTE
from replay.workloads import START_NS
from tests.golden.runs import MS, Tape, configuration, record
from tests.golden.strategies.scripted import script

BID, ASK = 500_000, 500_001


def quotes(*rows: tuple[float, int]) -> np.ndarray:
    """Quotes at (milliseconds, bid), the ask one tick above, with plenty of size."""
    events = np.zeros(len(rows), dtype=QUOTE)
    events["kind"] = EventKind.QUOTE
    events["ts_ns"] = events["ts_exchange_ns"] = [START_NS + round(ms * MS) for ms, _ in rows]
    events["bid_ticks"] = [bid for _, bid in rows]
    events["ask_ticks"] = events["bid_ticks"] + 1
    events["bid_lots"] = events["ask_lots"] = 10**6
    return events.view(np.uint8)


def still(*times_ms: float) -> np.ndarray:
    """Quotes that never move."""
    return quotes(*((ms, BID) for ms in times_ms))


def scripted(market: np.ndarray, strategies: Sequence[str] = ("scripted",), **settings: Any) -> Callable[..., Tape]:
    """Run the handlers that are then given by name over this market."""

    def run(**handlers: Callable[[Any], Any]) -> Tape:
        with script(**handlers):
            return record(configuration("python", {name: {} for name in strategies}, **settings), [market])

    return run


def latency(in_ms: int, out_ms: int) -> str:
    return f'[exchange]\nlatency_in = "{in_ms}ms"\nlatency_out = "{out_ms}ms"\n'


def milliseconds(ts_ns: int) -> float:
    return (int(ts_ns) - START_NS) / MS


def timeline(tape: Tape) -> list[tuple[str, float]]:
    """(kind, milliseconds) of everything after the opening events."""
    rows = [(EventKind(int(row["kind"])).name, milliseconds(row["ts_ns"])) for row in tape.events]
    first = next(i for i, (kind, _) in enumerate(rows) if kind in ("QUOTE", "TIMER"))
    return rows[first:]


def fills(tape: Tape) -> list[tuple[float, int]]:
    """(milliseconds, price) of every fill."""
    rows = tape.events[tape.events["kind"] == EventKind.ORDER_FILLED].view(FILL)
    return [(milliseconds(row["ts_ns"]), int(row["price_ticks"])) for row in rows]


def at(times_ms: Sequence[float], signal: Any) -> Callable[[Any], Any]:
    """A handler that says `signal` at these times."""
    wanted = {START_NS + round(ms * MS) for ms in times_ms}
    return lambda row: signal if row.ts_ns in wanted else None


def is_time_ordered(tape: Tape) -> bool:
    return bool(np.all(np.diff(tape.events.view(EVENT)["ts_ns"]) >= 0))
