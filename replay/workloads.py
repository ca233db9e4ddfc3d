"""The two benchmark workloads, made from fixed seeds: W1 ticks and W2 bars.

They are the ones that other engines are measured on, draw for draw, so that the same strategy makes the same
orders: 44,896 on the first million ticks. Longer ones go on with the next seed where the last one ended in time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.kinds import EventKind
from engine.records import BAR, QUOTE

Bytes = NDArray[np.uint8]

START_NS = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z
TICK_SIZE = "0.1"
LOT_SIZE = "0.001"
_TICKS_PER_UNIT = 10
_TICKS_IN_A_SEGMENT = 1_000_000
_BARS_IN_A_SEGMENT = 500_000
_BAR_NS = 60_000_000_000
_STEPS_IN_A_BAR = 8


def ticks(count: int, seed: int = 20240101) -> Bytes:
    """`count` quotes about 100 ms apart, sizes 5 to 25, as event records."""
    random = np.random.Generator(np.random.PCG64(seed))
    middle = 50_000.0 * np.exp(np.cumsum(random.normal(0.0, 3e-5, count)))
    spread = random.choice(np.array([1, 2, 3]), size=count, p=[0.7, 0.2, 0.1])
    bid = np.rint(middle / 0.1 - spread / 2.0).astype(np.int64)
    pauses = random.integers(50_000_000, 150_000_001, count)
    records = np.zeros(count, dtype=QUOTE)
    records["kind"] = EventKind.QUOTE
    records["ts_ns"] = records["ts_exchange_ns"] = START_NS + np.cumsum(pauses)
    records["bid_ticks"] = bid
    records["ask_ticks"] = bid + spread
    records["bid_lots"] = random.integers(5_000, 25_000, count)
    records["ask_lots"] = random.integers(5_000, 25_000, count)
    return records.view(np.uint8)


def bars(count: int, seed: int = 20240102) -> Bytes:
    """`count` one-minute bars without gaps: each opens at the close of the one before."""
    random = np.random.Generator(np.random.PCG64(seed))
    steps = random.normal(0.0, 1.5e-3 / np.sqrt(_STEPS_IN_A_BAR), count * _STEPS_IN_A_BAR)
    inside = np.cumsum(steps.reshape(count, _STEPS_IN_A_BAR), axis=1)
    base = np.empty(count)
    level = 0.0
    for i, end in enumerate(inside[:, -1].tolist()):  # a weak pull to 50,000 keeps a year in range
        base[i] = level * (1.0 - 1e-4)
        level = base[i] + end
    prices = np.rint(50_000.0 * np.exp(base[:, None] + inside) / 0.1).astype(np.int64)
    close = prices[:, -1]
    records = np.zeros(count, dtype=BAR)
    records["kind"] = EventKind.BAR
    records["ts_ns"] = START_NS + (np.arange(count, dtype=np.int64) + 1) * _BAR_NS
    records["ts_exchange_ns"] = records["ts_ns"] - _BAR_NS
    records["open_ticks"] = np.concatenate(([50_000 * _TICKS_PER_UNIT], close[:-1]))
    records["high_ticks"] = np.maximum(prices.max(axis=1), records["open_ticks"])
    records["low_ticks"] = np.minimum(prices.min(axis=1), records["open_ticks"])
    records["close_ticks"] = close
    records["volume_lots"] = np.rint(random.lognormal(2.0, 0.5, count) * 1_000).astype(np.int64)
    return records.view(np.uint8)


@dataclass(frozen=True, slots=True)
class Workload:
    """A named stream of market records; `price` is what the strategy's averages follow."""

    name: str
    price: str
    events: int
    segment_events: int
    make: Callable[[int, int], Bytes]
    seed: int

    def chunks(self, count: int) -> Iterator[Bytes]:
        """The first `count` records. Each segment is made with a seed of its own, after the last one in time."""
        shift_ns = 0
        made = 0
        while made < count:
            chunk = self.make(self.segment_events, self.seed + made // self.segment_events)
            chunk = chunk[: min(self.segment_events, count - made) * QUOTE.itemsize]
            times = chunk.view(QUOTE)
            times["ts_ns"] += shift_ns
            times["ts_exchange_ns"] += shift_ns
            shift_ns = int(times["ts_ns"][-1]) - START_NS
            made += len(times)
            yield chunk


WORKLOADS = {
    "ticks": Workload("ticks", "quote", _TICKS_IN_A_SEGMENT, _TICKS_IN_A_SEGMENT, ticks, 20240101),
    "bars": Workload("bars", "bar", _BARS_IN_A_SEGMENT, _BARS_IN_A_SEGMENT, bars, 20240102),
}
