"""The host of Python strategies: shows them records as named tuples of integers and collects their signals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import UserError
from adapters.strategies.compiled import ALL_STRATEGIES
from adapters.strategies.interface import (
    SIGNALS,
    SIGNALS_PER_EVENT_MAX,
    Bar,
    Fill,
    InstrumentFacts,
    Quote,
    Signal,
    Signals,
    Strategy,
    Timer,
    Trade,
)
from adapters.strategies.loading import load_module
from engine.kinds import EventKind
from engine.records import EVENT, OVERLAYS

_ROWS: Mapping[int, Any] = {
    EventKind.QUOTE: Quote,
    EventKind.TRADE: Trade,
    EventKind.BAR: Bar,
    EventKind.ORDER_FILLED: Fill,
    EventKind.TIMER: Timer,
}
_HANDLERS: Mapping[int, str] = {
    EventKind.QUOTE: "on_quote",
    EventKind.TRADE: "on_trade",
    EventKind.BAR: "on_bar",
    EventKind.ORDER_FILLED: "on_fill",
    EventKind.TIMER: "on_timer",
}
# How many market records are turned into rows at once when strategies are shown them ahead of the engine.
ROWS_AT_ONCE = 8192

Numbered = tuple[int, Signal]


def load_strategy(
    name: str, entry: str, parameters: Mapping[str, Any], instruments: Sequence[InstrumentFacts], folder: Any
) -> Strategy:
    """The strategy of `module:Class` or `file.py:Class`. Raises UserError."""
    place, colon, class_name = entry.rpartition(":")
    if not colon:
        raise UserError(f"strategy {name}: entry is {entry!r}, expected module:Class or file.py:Class")
    found = getattr(load_module(place, folder), class_name, None)
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise UserError(f"strategy {name}: {entry} is not a subclass of adapters.strategies.interface.Strategy")
    return found(parameters, instruments)


class PythonHost:
    """Shows events to Python strategies, each known by its number on the tape."""

    def __init__(self, strategies: Sequence[tuple[int, Strategy]]) -> None:
        self._handlers: dict[int, list[tuple[int, Callable[[Any], Signals]]]] = {
            kind: [(number, getattr(strategy, name)) for number, strategy in strategies]
            for kind, name in _HANDLERS.items()
        }
        self._rows: list[Any] = []
        self._rows_first = 0
        self._rows_of: NDArray[np.uint8] | None = None

    def ask(self, event: NDArray[np.uint8], kind: int, owner: int) -> list[Numbered]:
        """Show one event (64 bytes) to every strategy, or a fill to the one that owns the order."""
        row = _ROWS[kind]._make(event.view(OVERLAYS[EventKind(kind)]).tolist()[0])
        return self._show(row, kind, owner)

    def ask_ahead(self, market: NDArray[np.uint8], first: int, end: int) -> tuple[int, list[Numbered]]:
        """Show market records from `first` until one makes a strategy speak: its index and the signals.

        Allowed only while the exchange has nothing that could be filled, so that no fill can come between.
        """
        index = first
        while index < end:
            self._prepare_rows(market, index)
            upto = min(end, self._rows_first + len(self._rows))
            for kind, row in self._rows[index - self._rows_first : upto - self._rows_first]:
                for number, handler in self._handlers.get(kind, ()):
                    said = handler(row)
                    if said:
                        return index, self._collect(index, row, kind, number, said)
                index += 1
        return end, []

    def _collect(self, index: int, row: Any, kind: int, number: int, said: Signals) -> list[Numbered]:
        """What the first strategy to speak said, and then what the ones after it say of the same record."""
        signals = _numbered(number, said)
        after = [n for n, _ in self._handlers[kind]].index(number) + 1
        for later, handler in self._handlers[kind][after:]:
            signals += _numbered(later, handler(row))
        return signals

    def _show(self, row: Any, kind: int, owner: int) -> list[Numbered]:
        signals: list[Numbered] = []
        for number, handler in self._handlers[kind]:
            if owner in (ALL_STRATEGIES, number):
                signals += _numbered(number, handler(row))
        return signals

    def _prepare_rows(self, market: NDArray[np.uint8], index: int) -> None:
        if self._rows_of is market and self._rows_first <= index < self._rows_first + len(self._rows):
            return
        records = market[index * 64 : (index + ROWS_AT_ONCE) * 64]
        kinds = records.view(EVENT)["kind"]
        self._rows_of, self._rows_first = market, index
        first_kind = int(kinds[0])
        if first_kind in _ROWS and np.all(kinds == first_kind):
            rows = map(_ROWS[first_kind]._make, records.view(OVERLAYS[EventKind(first_kind)]).tolist())
            self._rows = [(first_kind, row) for row in rows]
            return
        self._rows = [(0, None)] * len(kinds)
        for kind in np.unique(kinds).tolist():
            if kind in _ROWS:
                places = np.flatnonzero(kinds == kind)
                tuples = records.view(OVERLAYS[EventKind(kind)])[places].tolist()
                for place, values in zip(places.tolist(), tuples, strict=True):
                    self._rows[place] = (kind, _ROWS[kind]._make(values))


def _numbered(number: int, said: Signals) -> list[Numbered]:
    if not said:
        return []
    signals = [said] if isinstance(said, Signal) else list(said)
    for signal in signals:
        if not isinstance(signal, Signal):
            raise UserError(f"strategy {number} returned {signal!r}, expected a Signal, a list of them or None")
    return [(number, signal) for signal in signals]


def write_signals(buffer: NDArray[np.uint8], signals: Sequence[Numbered], hashes: Sequence[int]) -> None:
    """Put signals into the loop's record of signals to be told. `hashes` are those of their rationales, 0 for none."""
    if len(signals) > SIGNALS_PER_EVENT_MAX:
        raise UserError(f"{len(signals)} signals on one event, expected at most {SIGNALS_PER_EVENT_MAX}")
    record = buffer.view(SIGNALS)[0]
    record.count = len(signals)
    for place, ((number, signal), rationale_hash) in enumerate(zip(signals, hashes, strict=True)):
        row = record.items[place]
        try:
            row.source = number
            row.document_hash = rationale_hash
            row.action = int(signal.action)
            row.instrument = signal.instrument
            row.account = 0
            row.confidence_ppm = signal.confidence_ppm
            row.valid_for_ms = signal.valid_for_ms
            row.quantity_lots = signal.quantity_lots
            row.limit_ticks = signal.limit_ticks
            row.stop_ticks = signal.stop_ticks
            row.target_ticks = signal.target_ticks
        except (OverflowError, TypeError, ValueError) as error:
            raise UserError(f"strategy {number}: signal {signal} does not fit its record: {error}") from None
