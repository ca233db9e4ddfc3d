"""A seeded market without data: quotes, trades, marks and one-minute bars that hang together."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from adapters.configuration import Instrument
from adapters.market_data.rows import Events
from engine.kinds import Aggressor, EventKind
from engine.records import BAR, EVENT, MARK_PRICE, QUOTE, TRADE

_STEP_NS = 100_000_000
_STEPS_PER_CHUNK = 100
_STEPS_PER_MARK = 10
_STEPS_PER_BAR = 600
# Another source than the quotes' and trades', which have traded a bar's time already.
_BARS_SOURCE = 1
_START_PRICES = {"BTC": Decimal(50_000), "ETH": Decimal(3_000)}
_START_PRICE_ELSE = Decimal(100)
_NOTIONAL_SHOWN = Decimal(100_000)
_MOVE = Decimal("0.00002")


@dataclass
class _Walk:
    """One instrument on its way; prices in ticks, sizes in lots."""

    number: int
    bid_ticks: int
    move_ticks: int
    shown_lots: int
    bar_ticks: list[int] = field(default_factory=list)
    bar_lots: int = 0
    trades: int = 0


def random_walk(instruments: Sequence[Instrument], seed: int) -> Iterator[Events]:
    """Records without an end: for each instrument ten quotes and up to ten trades a second, a mark, minute bars."""
    chance = random.Random(seed)
    walks = [_start(instrument) for instrument in instruments]
    step = 0
    while True:
        rows: list[np.ndarray] = []
        for _ in range(_STEPS_PER_CHUNK):
            step += 1
            for walk in walks:
                rows += _quote_and_trade(walk, step, chance)
                if step % _STEPS_PER_MARK == 0:
                    rows.append(_row(MARK_PRICE, EventKind.MARK_PRICE, walk, step, mark_ticks=walk.bid_ticks))
                if step % _STEPS_PER_BAR == 0:
                    rows.append(_bar(walk, step))
        yield np.concatenate(rows).view(EVENT)


def _start(instrument: Instrument) -> _Walk:
    price = _START_PRICES.get(instrument.base_currency, _START_PRICE_ELSE)
    ticks = max(int(price / instrument.tick_size), 100)
    lot_value = price * instrument.lot_size * instrument.multiplier
    shown = max(int(_NOTIONAL_SHOWN / lot_value), instrument.quantity_min_lots, 1)
    return _Walk(instrument.number, ticks, max(int(ticks * _MOVE), 1), shown)


def _quote_and_trade(walk: _Walk, step: int, chance: random.Random) -> Iterator[np.ndarray]:
    moved = chance.randint(-walk.move_ticks, walk.move_ticks)
    walk.bid_ticks = max(walk.bid_ticks + moved, 1)
    ask = walk.bid_ticks + 1
    sizes = [chance.randint(walk.shown_lots // 2 + 1, walk.shown_lots * 2) for _ in range(2)]
    yield _row(
        QUOTE,
        EventKind.QUOTE,
        walk,
        step,
        bid_ticks=walk.bid_ticks,
        ask_ticks=ask,
        bid_lots=sizes[0],
        ask_lots=sizes[1],
        exchange_sequence=step,
    )
    if chance.random() < 0.5:
        buys = chance.random() < 0.5
        walk.trades += 1
        price, lots = (ask if buys else walk.bid_ticks), chance.randint(1, walk.shown_lots // 10 + 1)
        walk.bar_ticks.append(price)
        walk.bar_lots += lots
        aggressor = Aggressor.BUYER if buys else Aggressor.SELLER
        fields = {"price_ticks": price, "quantity_lots": lots, "trade_id": walk.trades, "aggressor": aggressor}
        yield _row(TRADE, EventKind.TRADE, walk, step, **fields)


def _bar(walk: _Walk, step: int) -> np.ndarray:
    prices = walk.bar_ticks or [walk.bid_ticks]
    row = _row(
        BAR,
        EventKind.BAR,
        walk,
        step,
        source=_BARS_SOURCE,
        ts_exchange_ns=(step - _STEPS_PER_BAR) * _STEP_NS,
        open_ticks=prices[0],
        high_ticks=max(prices),
        low_ticks=min(prices),
        close_ticks=prices[-1],
        volume_lots=walk.bar_lots,
    )
    walk.bar_ticks, walk.bar_lots = [], 0
    return row


def _row(dtype: np.dtype, kind: EventKind, walk: _Walk, step: int, **fields: int) -> np.ndarray:
    row = np.zeros(1, dtype)
    row["ts_ns"], row["kind"], row["instrument"] = step * _STEP_NS, kind, walk.number
    for name, value in fields.items():
        row[name] = value
    return row.view(EVENT)
