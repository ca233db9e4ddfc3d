"""What a strategy sees and says, in both forms.

A **compiled** strategy is a module with a record type `MEMORY`, a function `start(memory, parameters)` that
fills it in before the run, and any of the kernels

    on_quote(memory, quote, signals)     on_trade(memory, trade, signals)     on_bar(memory, bar, signals)
    on_fill(memory, fill, signals)       on_timer(memory, timer, signals)

each of which may call `emit(signals, instrument, action)` and set more fields of the signal it returns.

A **Python** strategy is a subclass of `Strategy` with methods of the same names without `memory` and `signals`,
which return a `Signal`, a list of them, or None. Both see the same fields: prices in ticks, sizes in lots.
A strategy is shown every market event and timer, and the fills of its own orders.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.jit import kernel
from engine.kinds import Action
from engine.records import BAR, FILL, QUOTE, SIGNAL, TIMER, TRADE, record

CONFIDENCE_FULL_PPM = 1_000_000
SIGNALS_PER_EVENT_MAX = 64

SIGNALS = record([("count", "<i8"), ("items", SIGNAL, (SIGNALS_PER_EVENT_MAX,))])


@kernel
def emit(signals: Any, instrument: int, action: int) -> Any:
    """Add a signal for an instrument; returns it, to set quantity_lots, limit_ticks, stop_ticks and so on.

    More than SIGNALS_PER_EVENT_MAX on one event stop the run: the count tells the loop.
    """
    signal = signals.items[min(signals.count, SIGNALS_PER_EVENT_MAX - 1)]
    signals.count += 1
    signal.document_hash = 0
    signal.action = np.uint8(action)
    signal.instrument = np.uint16(instrument)
    signal.account = np.uint16(0)
    signal.confidence_ppm = np.uint32(CONFIDENCE_FULL_PPM)
    signal.valid_for_ms = np.uint32(0)
    signal.quantity_lots = 0
    signal.limit_ticks = 0
    signal.stop_ticks = 0
    signal.target_ticks = 0
    return signal


class Signal(NamedTuple):
    """What a Python strategy asks for; zeros mean not given. `rationale` is kept as a document on the tape."""

    instrument: int
    action: Action
    quantity_lots: int = 0
    limit_ticks: int = 0
    stop_ticks: int = 0
    target_ticks: int = 0
    confidence_ppm: int = CONFIDENCE_FULL_PPM
    valid_for_ms: int = 0
    rationale: str = ""


def _row_type(name: str, dtype: np.dtype[Any]) -> Any:
    assert dtype.names is not None
    fields = [field for field in dtype.names if field != "kind" and not field.startswith("reserved")]
    return NamedTuple(name, [(field, int) for field in fields])


# The rows that a Python strategy is shown: the fields of the records of the same name, as Python integers.
Quote: Any = _row_type("Quote", QUOTE)
Trade: Any = _row_type("Trade", TRADE)
Bar: Any = _row_type("Bar", BAR)
Fill: Any = _row_type("Fill", FILL)
Timer: Any = _row_type("Timer", TIMER)

Signals = Signal | Sequence[Signal] | None


class InstrumentFacts(NamedTuple):
    """What a strategy is told of an instrument at the start. Sizes are decimal strings."""

    number: int
    symbol: str
    tick_size: str
    lot_size: str


class Strategy:
    """Base of Python strategies: override what you want to see. Integer fields; a price is ticks * tick_size."""

    def __init__(self, parameters: Mapping[str, Any], instruments: Sequence[InstrumentFacts]) -> None:
        self.parameters = parameters
        self.instruments = instruments

    def on_quote(self, quote: Any) -> Signals:
        """A new best bid and ask."""

    def on_trade(self, trade: Any) -> Signals:
        """A public trade."""

    def on_bar(self, bar: Any) -> Signals:
        """A finished bar, at its close."""

    def on_fill(self, fill: Any) -> Signals:
        """A fill of an order that this strategy's signal led to."""

    def on_timer(self, timer: Any) -> Signals:
        """The configured interval of engine time has passed."""
