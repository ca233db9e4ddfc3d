"""A seeded market without data: quotes, trades, marks and one-minute bars that hang together."""

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from adapters.configuration import Instrument
from adapters.market_data.rows import Events
from engine.kinds import Aggressor, EventKind
from engine.records import EVENT, EVENT_BYTES

_EVENT = struct.Struct("<qqBBHHHqqqqq")
assert _EVENT.size == EVENT_BYTES

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
        rows: list[bytes] = []
        for _ in range(_STEPS_PER_CHUNK):
            step += 1
            for walk in walks:
                rows += _quote_and_trade(walk, step, chance)
                if step % _STEPS_PER_MARK == 0:
                    rows.append(_row(EventKind.MARK_PRICE, walk, step, walk.bid_ticks))
                if step % _STEPS_PER_BAR == 0:
                    rows.append(_bar(walk, step))
        yield np.frombuffer(b"".join(rows), EVENT)


def _start(instrument: Instrument) -> _Walk:
    price = _START_PRICES.get(instrument.base_currency, _START_PRICE_ELSE)
    ticks = max(int(price / instrument.tick_size), 100)
    lot_value = price * instrument.lot_size * instrument.multiplier
    shown = max(int(_NOTIONAL_SHOWN / lot_value), instrument.quantity_min_lots, 1)
    return _Walk(instrument.number, ticks, max(int(ticks * _MOVE), 1), shown)


def _quote_and_trade(walk: _Walk, step: int, chance: random.Random) -> Iterator[bytes]:
    moved = chance.randint(-walk.move_ticks, walk.move_ticks)
    walk.bid_ticks = max(walk.bid_ticks + moved, 1)
    ask = walk.bid_ticks + 1
    bid_lots, ask_lots = (chance.randint(walk.shown_lots // 2 + 1, walk.shown_lots * 2) for _ in range(2))
    yield _row(EventKind.QUOTE, walk, step, walk.bid_ticks, ask, bid_lots, ask_lots, step)
    if chance.random() < 0.5:
        buys = chance.random() < 0.5
        walk.trades += 1
        price, lots = (ask if buys else walk.bid_ticks), chance.randint(1, walk.shown_lots // 10 + 1)
        walk.bar_ticks.append(price)
        walk.bar_lots += lots
        aggressor = Aggressor.BUYER if buys else Aggressor.SELLER
        yield _row(EventKind.TRADE, walk, step, price, lots, walk.trades, detail=aggressor)


def _bar(walk: _Walk, step: int) -> bytes:
    prices = walk.bar_ticks or [walk.bid_ticks]
    path = prices[0], max(prices), min(prices), prices[-1]
    row = _row(EventKind.BAR, walk, step, *path, walk.bar_lots, source=_BARS_SOURCE)
    walk.bar_ticks, walk.bar_lots = [], 0
    return row


def _row(kind: EventKind, walk: _Walk, step: int, *words: int, detail: int = 0, source: int = 0) -> bytes:
    """A record with the words of its kind, as `engine.records` has them; a bar's opening is the venue's to say."""
    filled = (*words, 0, 0, 0, 0, 0)[:5]
    return _EVENT.pack(step * _STEP_NS, 0, kind, detail, source, walk.number, 0, *filled)
