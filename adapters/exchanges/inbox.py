"""Where everything arrives that becomes an event: stamped with the time of its arrival, taken as one batch."""

import asyncio
import struct
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Rule
from adapters.journal import Document, document_hash
from engine.kinds import EventKind, FillFlag, FundingBasis, RequestFailure
from engine.reasons import Reason
from engine.records import EVENT, EVENT_BYTES

Bytes = NDArray[np.uint8]

_EVENT = struct.Struct("<qqBBHHHqqqqq")
assert _EVENT.size == EVENT.itemsize == EVENT_BYTES
_ROOM_EVENTS = 1 << 12
# What most events are; an enumeration's member, looked up each time, takes a tenth of what all the rest does.
_QUOTE = EventKind.QUOTE


class Inbox:
    """A growing buffer of event records. One thread, the event loop's, puts and takes.

    Times of arrival never go back: where the clock does, the time before it counts on. Trades of orders that are not
    of this tape, and payments, from before `foreign_since_ns` (by the exchange's clock) are not the tape's: trades are
    only counted.
    """

    def __init__(self, clock_ns: Callable[[], int], foreign_since_ns: int = 0) -> None:
        self._clock_ns = clock_ns
        self.foreign_since_ns = foreign_since_ns
        self._buffer = bytearray(_ROOM_EVENTS * EVENT_BYTES)
        self._count = 0
        self._documents: dict[int, Document] = {}
        self._arrived = asyncio.Event()
        self.latest_ts_ns = 0
        self.clock_steps_back = 0
        self.fills_before_the_tape = 0
        self._held_ts_ns = -1

    def __len__(self) -> int:
        return self._count

    async def arrival(self) -> None:
        """Wait until there is something to take, or `wake` is called."""
        await self._arrived.wait()
        if self._count == 0:
            self._arrived.clear()

    def wake(self) -> None:
        """Let a waiter go on with nothing to take."""
        self._arrived.set()

    def now_ns(self) -> int:
        """The time that an event would get now."""
        return max(self._clock_ns(), self.latest_ts_ns)

    def take(self, most: int) -> tuple[Bytes, dict[int, Document]]:
        """The next events in the order of their arrival, at most so many, and documents by their place among them."""
        count = min(self._count, most)
        events = np.frombuffer(bytes(memoryview(self._buffer)[: count * EVENT_BYTES]), np.uint8)
        documents: dict[int, Document] = {}
        if self._documents:
            documents = {place: document for place, document in self._documents.items() if place < count}
            self._documents = {place - count: left for place, left in self._documents.items() if place >= count}
        left = self._count - count
        if left == 0:
            self._arrived.clear()
        else:
            self._buffer[: left * EVENT_BYTES] = self._buffer[count * EVENT_BYTES : self._count * EVENT_BYTES]
        self._count = left
        return events, documents

    def put(
        self,
        kind: EventKind,
        byte: int = 0,
        source: int = 0,
        instrument: int = 0,
        account: int = 0,
        words: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0),
        second: int = 0,
    ) -> None:
        """One event, its fields as `engine.records` has them for its kind."""
        ts_ns = self._clock_ns()
        if ts_ns < self.latest_ts_ns:
            # Once a step, however many events come until the clock has caught up.
            self.clock_steps_back += self._held_ts_ns != self.latest_ts_ns
            self._held_ts_ns = self.latest_ts_ns
            ts_ns = self.latest_ts_ns
        self.latest_ts_ns = ts_ns
        start = self._count * EVENT_BYTES
        if start == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        _EVENT.pack_into(self._buffer, start, ts_ns, second, kind, byte, source, instrument, account, *words)
        self._count += 1
        self._arrived.set()

    def put_stated(
        self,
        kind: EventKind,
        document: Document,
        byte: int = 0,
        source: int = 0,
        instrument: int = 0,
        account: int = 0,
        words: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0),
    ) -> None:
        """An event that people or programs state, with the document that belongs to it."""
        self._documents[self._count] = document
        self.put(kind, byte, source, instrument, account, words, document_hash(document))

    def put_rules(self, rules: Sequence[Rule], document: Document | None = None) -> None:
        """Rules that change, one event each; the first has the document, if there is one."""
        for place, rule in enumerate(rules):
            numbers = {"source": rule.strategy, "instrument": rule.instrument, "account": rule.account}
            words = rule.setting, rule.value, rule.row, 0, 0
            if place == 0 and document is not None:
                self.put_stated(EventKind.CONFIGURATION_CHANGED, document, words=words, **numbers)
            else:
                self.put(EventKind.CONFIGURATION_CHANGED, words=words, **numbers)

    def quote(
        self,
        instrument: int,
        bid_ticks: int,
        ask_ticks: int,
        bid_lots: int,
        ask_lots: int,
        ts_exchange_ns: int = 0,
        exchange_sequence: int = 0,
    ) -> None:
        words = bid_ticks, ask_ticks, bid_lots, ask_lots, exchange_sequence
        self.put(_QUOTE, 0, 0, instrument, 0, words, ts_exchange_ns)

    def trade(
        self, instrument: int, price_ticks: int, quantity_lots: int, trade_id: int, aggressor: int, ts_exchange_ns: int
    ) -> None:
        """A public trade; `aggressor` is an `engine.kinds.Aggressor`."""
        words = price_ticks, quantity_lots, trade_id, 0, 0
        self.put(EventKind.TRADE, aggressor, instrument=instrument, words=words, second=ts_exchange_ns)

    def bar(self, instrument: int, opened_ns: int, prices_ticks: tuple[int, int, int, int], volume_lots: int) -> None:
        """A closed bar: open, high, low, close."""
        self.put(EventKind.BAR, instrument=instrument, words=(*prices_ticks, volume_lots), second=opened_ns)

    def mark_price(self, instrument: int, mark_ticks: int, index_ticks: int = 0, ts_exchange_ns: int = 0) -> None:
        words = mark_ticks, index_ticks, 0, 0, 0
        self.put(EventKind.MARK_PRICE, instrument=instrument, words=words, second=ts_exchange_ns)

    def order_report(
        self,
        kind: EventKind,
        account: int,
        instrument: int,
        order: int,
        exchange_order_id: int = 0,
        reason: Reason = Reason.NONE,
        quantity_lots: int = 0,
        price_ticks: int = 0,
        ts_exchange_ns: int = 0,
    ) -> None:
        """What an exchange says of an order; quantity and price are those of an amended one."""
        words = order, exchange_order_id, int(reason), quantity_lots, price_ticks
        self.put(kind, account=account, instrument=instrument, words=words, second=ts_exchange_ns)

    def fill(
        self,
        account: int,
        instrument: int,
        order: int,
        trade_id: int,
        price_ticks: int,
        quantity_lots: int,
        fee: int,
        flags: FillFlag | int,
        ts_exchange_ns: int = 0,
    ) -> None:
        """An own trade; `order` is 0 for one of an order that is not of this tape."""
        if order == 0 and 0 < ts_exchange_ns < self.foreign_since_ns:
            self.fills_before_the_tape += 1
            return
        words = order, trade_id, price_ticks, quantity_lots, fee
        self.put(EventKind.ORDER_FILLED, flags, 0, instrument, account, words, ts_exchange_ns)

    def payment(self, account: int, instrument: int, payment_id: int, amount_units: int, ts_exchange_ns: int) -> None:
        """Funding that the exchange has booked. It may be told long afterwards: its time says nothing of the clocks."""
        if ts_exchange_ns >= self.foreign_since_ns:
            words = 0, 0, amount_units, payment_id, 0
            self.put(EventKind.FUNDING, FundingBasis.AMOUNT, instrument=instrument, account=account, words=words)

    def adopted(
        self,
        account: int,
        instrument: int,
        order: int,
        order_type: int,
        order_flags: int,
        quantity_lots: int,
        filled_lots: int,
        limit_ticks: int,
        trigger_ticks: int,
        filled_since_ns: int,
    ) -> None:
        """An open order of this tape that the engine may not know to be open."""
        words = order, quantity_lots, filled_lots, limit_ticks, trigger_ticks
        self.put(EventKind.ORDER_ADOPTED, order_type, order_flags, instrument, account, words, filled_since_ns)

    def notice(self, account: int, instrument: int, reason: Reason, order: int = 0, observed: int = 0) -> None:
        """What a person should hear of."""
        self.put(EventKind.NOTICE, instrument=instrument, account=account, words=(int(reason), order, observed, 0, 0))

    def request_failed(
        self,
        account: int,
        failure: RequestFailure,
        order: int = 0,
        http_status: int = 0,
        retry_after_ms: int = 0,
        endpoint: int = 0,
        instrument: int = 0,
    ) -> None:
        words = order, int(failure), http_status, retry_after_ms, endpoint
        self.put(EventKind.REQUEST_FAILED, account=account, instrument=instrument, words=words)

    def connection(self, kind: EventKind, account: int, stream: int, reason: int = 0, gap_started_ns: int = 0) -> None:
        """CONNECTION_LOST or CONNECTION_RESTORED."""
        self.put(kind, stream, account=account, words=(reason, gap_started_ns, 0, 0, 0))

    def balance(self, account: int, total_units: int, available_units: int) -> None:
        self.put(EventKind.BALANCE_REPORTED, account=account, words=(total_units, available_units, 0, 0, 0))

    def position(
        self,
        account: int,
        instrument: int,
        quantity_lots: int,
        entry_ticks: int = 0,
        mark_ticks: int = 0,
        unrealized_units: int = 0,
    ) -> None:
        """What the exchange says is held: negative for a short."""
        words = quantity_lots, entry_ticks, mark_ticks, unrealized_units, 0
        self.put(EventKind.POSITION_REPORTED, account=account, instrument=instrument, words=words)
