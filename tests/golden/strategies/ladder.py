"""Rests limit orders beside the market, answers its own fills and the timer; in both forms.

Parameters: `every` (how many prices between two orders) and `distance_ticks` (from the price to the limit).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.strategies.interface import InstrumentFacts, Signal, Signals, Strategy, emit
from engine.jit import kernel
from engine.kinds import Action, FillFlag
from engine.records import record

INSTRUMENTS_MAX = 64
FILLS_TO_CLOSE = 5
TIMERS_IN_A_ROUND = 4

MEMORY = record(
    [
        ("every", "<i8"),
        ("distance_ticks", "<i8"),
        ("prices", "<i8"),
        ("fills", "<i8"),
        ("last_ticks", "<i8", (INSTRUMENTS_MAX,)),
    ]
)


def start(memory: Any, parameters: Mapping[str, Any]) -> None:
    memory.every = parameters["every"]
    memory.distance_ticks = parameters["distance_ticks"]


@kernel
def _on_price(memory: Any, instrument: Any, ticks: Any, signals: Any) -> None:
    memory.last_ticks[instrument] = ticks
    memory.prices += 1
    if memory.prices % memory.every != 0:
        return
    if memory.prices // memory.every % 2 == 0:
        signal = emit(signals, instrument, Action.BUY)
        signal.limit_ticks = ticks - memory.distance_ticks
    else:
        signal = emit(signals, instrument, Action.SELL)
        signal.limit_ticks = ticks + memory.distance_ticks


@kernel
def on_quote(memory: Any, quote: Any, signals: Any) -> None:
    _on_price(memory, quote.instrument, quote.bid_ticks, signals)


@kernel
def on_trade(memory: Any, trade: Any, signals: Any) -> None:
    _on_price(memory, trade.instrument, trade.price_ticks, signals)


@kernel
def on_bar(memory: Any, bar: Any, signals: Any) -> None:
    _on_price(memory, bar.instrument, bar.close_ticks, signals)


@kernel
def on_fill(memory: Any, fill: Any, signals: Any) -> None:
    memory.fills += 1
    if memory.fills % FILLS_TO_CLOSE == 0:
        emit(signals, fill.instrument, Action.HOLD)
        emit(signals, fill.instrument, Action.CLOSE)
    elif fill.fill_flags & FillFlag.SELL:
        signal = emit(signals, fill.instrument, Action.BUY)
        signal.limit_ticks = fill.price_ticks - memory.distance_ticks
    else:
        signal = emit(signals, fill.instrument, Action.SELL)
        signal.limit_ticks = fill.price_ticks + memory.distance_ticks


@kernel
def on_timer(memory: Any, timer: Any, signals: Any) -> None:
    place = timer.timer % TIMERS_IN_A_ROUND
    if place != 1 and place != 3:
        return
    for instrument in range(INSTRUMENTS_MAX):
        last_ticks = memory.last_ticks[instrument]
        if last_ticks != 0 and place == 3:
            emit(signals, instrument, Action.CLOSE)
        elif last_ticks != 0:
            signal = emit(signals, instrument, Action.BUY)
            signal.limit_ticks = last_ticks - memory.distance_ticks
            signal.stop_ticks = last_ticks // 2
            signal.target_ticks = last_ticks * 2
            signal.valid_for_ms = 500
            signal.confidence_ppm = 250_000


class Ladder(Strategy):
    """The same strategy as a Python class."""

    def __init__(self, parameters: Mapping[str, Any], instruments: Sequence[InstrumentFacts]) -> None:
        super().__init__(parameters, instruments)
        self.every = parameters["every"]
        self.distance_ticks = parameters["distance_ticks"]
        self.prices = 0
        self.fills = 0
        self.last_ticks = [0] * INSTRUMENTS_MAX

    def on_quote(self, quote: Any) -> Signals:
        return self._on_price(quote.instrument, quote.bid_ticks)

    def on_trade(self, trade: Any) -> Signals:
        return self._on_price(trade.instrument, trade.price_ticks)

    def on_bar(self, bar: Any) -> Signals:
        return self._on_price(bar.instrument, bar.close_ticks)

    def on_fill(self, fill: Any) -> Signals:
        self.fills += 1
        if self.fills % FILLS_TO_CLOSE == 0:
            return [Signal(fill.instrument, Action.HOLD), Signal(fill.instrument, Action.CLOSE)]
        if fill.fill_flags & FillFlag.SELL:
            return Signal(fill.instrument, Action.BUY, limit_ticks=fill.price_ticks - self.distance_ticks)
        return Signal(fill.instrument, Action.SELL, limit_ticks=fill.price_ticks + self.distance_ticks)

    def on_timer(self, timer: Any) -> Signals:
        place = timer.timer % TIMERS_IN_A_ROUND
        seen = [(instrument, ticks) for instrument, ticks in enumerate(self.last_ticks) if ticks != 0]
        if place == 3:
            return [Signal(instrument, Action.CLOSE) for instrument, _ in seen]
        if place != 1:
            return None
        return [
            Signal(
                instrument,
                Action.BUY,
                limit_ticks=ticks - self.distance_ticks,
                stop_ticks=ticks // 2,
                target_ticks=ticks * 2,
                valid_for_ms=500,
                confidence_ppm=250_000,
            )
            for instrument, ticks in seen
        ]

    def _on_price(self, instrument: int, ticks: int) -> Signal | None:
        self.last_ticks[instrument] = ticks
        self.prices += 1
        if self.prices % self.every != 0:
            return None
        if self.prices // self.every % 2 == 0:
            return Signal(instrument, Action.BUY, limit_ticks=ticks - self.distance_ticks)
        return Signal(instrument, Action.SELL, limit_ticks=ticks + self.distance_ticks)
