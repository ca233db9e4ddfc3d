"""The host of Python strategies: shows them records as named tuples of integers and collects their signals."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, repeat
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
from engine.records import EVENT, EVENT_BYTES, OVERLAYS, SIGNAL

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
ROWS_AT_ONCE = 1024

# The fields of a SIGNAL record, in their order.
_SIGNAL = struct.Struct("<qqBBHHHIIqqqq")
assert SIGNALS.fields is not None
_FIRST_SIGNAL_BYTE = SIGNALS.fields["items"][1]
assert _SIGNAL.size == SIGNAL.itemsize

Numbered = tuple[int, Signal]
Handler = Callable[[Any], Signals]


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
    try:
        return found(parameters, instruments)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"strategy {name}: {entry} cannot be made: {type(error).__name__}: {error}") from error


class PythonHost:
    """Shows events to Python strategies; the number on the tape of each is its place in `strategies`.

    What goes wrong in a strategy is a UserError that names it.
    """

    def __init__(self, strategies: Sequence[tuple[str, Strategy]]) -> None:
        self.names = [name for name, _ in strategies]
        self._handlers: dict[int, list[tuple[int, Handler]]] = {
            kind: [
                (number, getattr(strategy, handler))
                for number, (_, strategy) in enumerate(strategies)
                if getattr(getattr(strategy, handler), "__func__", None) is not getattr(Strategy, handler)
            ]
            for kind, handler in _HANDLERS.items()
        }
        self._said: list[Numbered] | UserError = []
        self._market: NDArray[np.uint8] | None = None
        self._first = 0
        self._rows: list[Any] = []
        self._kinds: list[int] = []

    @property
    def shown_kinds(self) -> int:
        """A bit for every kind of event that some strategy handles."""
        return sum(1 << kind for kind, handlers in self._handlers.items() if handlers)

    def ask(self, event: NDArray[np.uint8], kind: int, owner: int) -> list[Numbered]:
        """Show one event (64 bytes) to every strategy, or a fill to the one that owns the order."""
        handlers = self._handlers[kind]
        if owner != ALL_STRATEGIES:
            handlers = [(number, handler) for number, handler in handlers if number == owner]
        return self._show(handlers, next(_rows(event, kind)), kind)

    def said_ahead(self) -> list[Numbered]:
        """What was said of the record that `ask_ahead` came to. Raises UserError where a strategy failed there."""
        if isinstance(self._said, UserError):
            raise self._said
        return self._said

    def ask_ahead(self, market: NDArray[np.uint8], first: int, end: int) -> int:
        """Show market records from `first` until a strategy speaks or fails: the index of that record, else `end`.

        Allowed only where no fill can come between that a strategy would see: while the exchange has nothing that
        could be filled, or where no strategy handles fills.
        """
        index = first
        while index < end:
            self._prepare(market, index)
            start = index - self._first
            stop = min(end - self._first, len(self._rows))
            spoke_at = self._show_rows(start, stop)
            if spoke_at < stop:
                return self._first + spoke_at
            index = self._first + stop
        return end

    def _show_rows(self, start: int, stop: int) -> int:
        """Show prepared rows until a strategy speaks or fails; the place of that row, else `stop`."""
        place = start
        try:
            alone = self._only_handler()
            if alone is not None:
                number, handler = alone
                for place, row in enumerate(islice(self._rows, start, stop), start):
                    if said := handler(row):
                        self._said = self._numbered(number, said)
                        return place
                return stop
            for place in range(start, stop):
                kind = self._kinds[0 if len(self._kinds) == 1 else place]
                if signals := self._show(self._handlers.get(kind, ()), self._rows[place], kind):
                    self._said = signals
                    return place
        except UserError as failure:
            self._said = failure
            return place
        except Exception as error:
            self._said = self._failure(number, self._kinds[0], self._rows[place], error)
            return place
        return stop

    def _only_handler(self) -> tuple[int, Handler] | None:
        """The handler of the prepared rows where one strategy handles the one kind that they are of."""
        if len(self._kinds) != 1:
            return None
        handlers = self._handlers.get(self._kinds[0], [])
        return handlers[0] if len(handlers) == 1 else None

    def _show(self, handlers: Sequence[tuple[int, Handler]], row: Any, kind: int) -> list[Numbered]:
        signals: list[Numbered] = []
        for number, handler in handlers:
            try:
                said = handler(row)
            except UserError:
                raise
            except Exception as error:
                raise self._failure(number, kind, row, error) from error
            if said:
                signals += self._numbered(number, said)
        return signals

    def _failure(self, number: int, kind: int, row: Any, error: Exception) -> UserError:
        failure = UserError(
            f"strategy {self.names[number]}: {_HANDLERS[kind]} raised {type(error).__name__}: {error} "
            f"at the event of ts_ns {row.ts_ns}"
        )
        failure.__cause__ = error
        return failure

    def _numbered(self, number: int, said: Signals) -> list[Numbered]:
        signals: Any = [said] if isinstance(said, Signal) else said
        if not isinstance(signals, Sequence) or not all(isinstance(signal, Signal) for signal in signals):
            raise UserError(
                f"strategy {self.names[number]} returned {said!r}, expected a Signal, a list of them or None"
            )
        for signal in signals:
            if signal.rationale and not _is_text(signal.rationale):
                raise UserError(f"strategy {self.names[number]}: rationale is {signal.rationale!r}, expected a text")
        return [(number, signal) for signal in signals]

    def _prepare(self, market: NDArray[np.uint8], index: int) -> None:
        """Turn the records around `index` into rows, unless they are ready."""
        if self._market is market and self._first <= index < self._first + len(self._rows):
            return
        records = market[index * EVENT_BYTES : (index + ROWS_AT_ONCE) * EVENT_BYTES]
        kinds = records.view(EVENT)["kind"]
        self._market, self._first = market, index
        found = np.unique(kinds).tolist()
        if len(found) == 1:
            self._kinds = found
            self._rows = list(_rows(records, found[0])) if found[0] in _ROWS else [None] * len(kinds)
            return
        self._kinds = kinds.tolist()
        self._rows = [None] * len(kinds)
        for kind in found:
            if kind in _ROWS:
                places = np.flatnonzero(kinds == kind)
                some = np.ascontiguousarray(records.view(EVENT)[places]).view(np.uint8)
                for place, row in zip(places.tolist(), _rows(some, kind), strict=True):
                    self._rows[place] = row


def _rows(records: NDArray[np.uint8], kind: int) -> Iterator[Any]:
    """Records of one kind as named tuples of Python integers, column by column: the fastest way there is."""
    row_type = _ROWS[kind]
    columns = records.view(OVERLAYS[EventKind(kind)])
    values = zip(*(columns[name].tolist() for name in row_type._fields), strict=True)
    return map(tuple.__new__, repeat(row_type), values)


def _is_text(value: Any) -> bool:
    """Whether it can be stored as a document."""
    try:
        return isinstance(value, str) and bool(value.encode())
    except UnicodeEncodeError:
        return False


def write_signals(
    buffer: NDArray[np.uint8], signals: Sequence[Numbered], hashes: Sequence[int], names: Sequence[str]
) -> None:
    """Put signals into the loop's record of signals to be told. `hashes` are those of their rationales, 0 for none.

    `names` are those of the strategies, for messages.
    """
    if len(signals) > SIGNALS_PER_EVENT_MAX:
        spoke = ", ".join(names[number] for number in sorted({number for number, _ in signals}))
        raise UserError(
            f"strategy {spoke}: {len(signals)} signals on one event, expected at most {SIGNALS_PER_EVENT_MAX}"
        )
    data = buffer.data
    struct.pack_into("<q", data, 0, len(signals))
    for place, ((number, signal), rationale_hash) in enumerate(zip(signals, hashes, strict=True)):
        try:
            _SIGNAL.pack_into(
                data,
                _FIRST_SIGNAL_BYTE + place * _SIGNAL.size,
                0,  # the loop sets the time
                rationale_hash,
                EventKind.SIGNAL,
                signal.action,
                number,
                signal.instrument,
                0,
                signal.confidence_ppm,
                signal.valid_for_ms,
                signal.quantity_lots,
                signal.limit_ticks,
                signal.stop_ticks,
                signal.target_ticks,
            )
        except struct.error as error:
            raise UserError(f"strategy {names[number]}: {signal} does not fit its record: {error}") from None
