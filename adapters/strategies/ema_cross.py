"""Crossing of two exponential moving averages, in both forms; they make the same signals.

Both averages start at the first price and move by 2 / (n + 1) of the distance to each new one. Once `slow`
prices have been seen, a change of sign of fast - slow says BUY or SELL; the first sign alone says nothing.
Parameters: `fast`, `slow` (numbers of prices), `price`: "bar" (close), "quote" (middle) or "trade".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.errors import UserError
from adapters.strategies.interface import InstrumentFacts, Signal, Signals, Strategy, emit
from engine.jit import kernel
from engine.kinds import Action, EventKind
from engine.records import record

INSTRUMENTS_MAX = 64
_PRICES = {"bar": EventKind.BAR, "quote": EventKind.QUOTE, "trade": EventKind.TRADE}

CROSS = record([("fast", "<f8"), ("slow", "<f8"), ("prices", "<i8"), ("side", "<i8")])
MEMORY = record(
    [
        ("fast_weight", "<f8"),
        ("slow_weight", "<f8"),
        ("slow_prices", "<i8"),
        ("price_kind", "<i8"),
        ("crosses", CROSS, (INSTRUMENTS_MAX,)),
    ]
)


def _checked(parameters: Mapping[str, Any]) -> tuple[int, int, EventKind]:
    unknown = set(parameters) - {"fast", "slow", "price"}
    if unknown:
        raise UserError(f"ema_cross: unknown parameter {sorted(unknown)[0]!r}, expected fast, slow or price")
    fast, slow = parameters.get("fast", 10), parameters.get("slow", 20)
    for name, value in (("fast", fast), ("slow", slow)):
        if not isinstance(value, int) or value < 1:
            raise UserError(f"ema_cross: parameter {name} is {value!r}, expected a whole number of at least 1")
    price = parameters.get("price", "bar")
    if price not in _PRICES:
        raise UserError(f"ema_cross: parameter price is {price!r}, expected one of {', '.join(sorted(_PRICES))}")
    return fast, slow, _PRICES[price]


def start(memory: Any, parameters: Mapping[str, Any]) -> None:
    """Fill in the memory from the configuration's parameters."""
    fast, slow, kind = _checked(parameters)
    memory.fast_weight = 2.0 / (fast + 1)
    memory.slow_weight = 2.0 / (slow + 1)
    memory.slow_prices = slow
    memory.price_kind = kind


@kernel
def _on_price(memory: Any, instrument: int, price: float, signals: Any) -> None:
    cross = memory.crosses[instrument]
    cross.prices += 1
    if cross.prices == 1:
        cross.fast = price
        cross.slow = price
    cross.fast += memory.fast_weight * (price - cross.fast)
    cross.slow += memory.slow_weight * (price - cross.slow)
    if cross.prices < memory.slow_prices:
        return
    side = 1 if cross.fast >= cross.slow else -1
    if cross.side != 0 and side != cross.side:
        if side > 0:
            emit(signals, instrument, Action.BUY)
        else:
            emit(signals, instrument, Action.SELL)
    cross.side = side


@kernel
def on_quote(memory: Any, quote: Any, signals: Any) -> None:
    if memory.price_kind == EventKind.QUOTE:
        _on_price(memory, quote.instrument, (quote.bid_ticks + quote.ask_ticks) * 0.5, signals)


@kernel
def on_trade(memory: Any, trade: Any, signals: Any) -> None:
    if memory.price_kind == EventKind.TRADE:
        _on_price(memory, trade.instrument, trade.price_ticks * 1.0, signals)


@kernel
def on_bar(memory: Any, bar: Any, signals: Any) -> None:
    if memory.price_kind == EventKind.BAR:
        _on_price(memory, bar.instrument, bar.close_ticks * 1.0, signals)


class _Cross:
    __slots__ = ("fast", "prices", "side", "slow")

    def __init__(self) -> None:
        self.fast = 0.0
        self.slow = 0.0
        self.prices = 0
        self.side = 0


class EmaCross(Strategy):
    """The same strategy as a Python class."""

    def __init__(self, parameters: Mapping[str, Any], instruments: Sequence[InstrumentFacts]) -> None:
        super().__init__(parameters, instruments)
        fast, self.slow_prices, self.price_kind = _checked(parameters)
        self.fast_weight = 2.0 / (fast + 1)
        self.slow_weight = 2.0 / (self.slow_prices + 1)
        self.crosses = [_Cross() for _ in range(INSTRUMENTS_MAX)]

    def on_quote(self, quote: Any) -> Signals:
        if self.price_kind != EventKind.QUOTE:
            return None
        return self._on_price(quote.instrument, (quote.bid_ticks + quote.ask_ticks) * 0.5)

    def on_trade(self, trade: Any) -> Signals:
        if self.price_kind != EventKind.TRADE:
            return None
        return self._on_price(trade.instrument, trade.price_ticks * 1.0)

    def on_bar(self, bar: Any) -> Signals:
        if self.price_kind != EventKind.BAR:
            return None
        return self._on_price(bar.instrument, bar.close_ticks * 1.0)

    def _on_price(self, instrument: int, price: float) -> Signal | None:
        cross = self.crosses[instrument]
        cross.prices += 1
        if cross.prices == 1:
            cross.fast = price
            cross.slow = price
        cross.fast += self.fast_weight * (price - cross.fast)
        cross.slow += self.slow_weight * (price - cross.slow)
        if cross.prices < self.slow_prices:
            return None
        side = 1 if cross.fast >= cross.slow else -1
        turned = cross.side != 0 and side != cross.side
        cross.side = side
        if not turned:
            return None
        return Signal(instrument, Action.BUY if side > 0 else Action.SELL)
