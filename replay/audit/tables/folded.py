"""Tables for which the tape is folded again: orders with their end, positions and equity over time."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adapters.journal import Block, JournalReader
from engine.kinds import DecisionKind, EventKind, OrderStatus
from engine.records import ADOPTION, COMMAND, EVENT, EVENT_BYTES, ORDER_REPORT, record
from engine.state import ORDER
from replay.ahead import blocks_ahead
from replay.audit.seek import Question, about_orders, find
from replay.audit.state_at import begin_at_snapshot
from replay.audit.tables.columns import Chunk, Column, Tape, amount, integer, quantity, text, time, vocabulary_of
from replay.audit.tables.fields import field_columns, order_flag_columns, owner_columns, seq_columns, strategy_columns
from replay.audit.tables.scales import Scales, distinct
from replay.recorded import Recorded
from replay.refold import Folder, limits_of
from replay.sampling import Rows, observe
from replay.trades import AVERAGE_DIGITS, average_price

Progress = Callable[[int], None]
Places = NDArray[np.int64]

_STATUS = vocabulary_of(OrderStatus)
# What was filled, as a sum of price times quantity.
_ORDER_ROW = record([*((name, "<i8") for name in ORDER.names or ()), ("filled_ticks_lots", "<i8")])
_CHUNK_ORDERS = 1 << 16
_CLOSED = [OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED]


def _average_type(scales: Scales) -> Any:
    return pa.decimal128(scales.prices.type.precision, scales.prices.decimals + AVERAGE_DIGITS)


def _averages(chunk: Chunk) -> Any:
    fields = (chunk.int64s(name).tolist() for name in ("instrument", "filled_ticks_lots", "filled_lots"))
    averages = [
        average_price(total, lots, chunk.tape.names.instrument(number).tick_size) if lots else None
        for number, total, lots in zip(*fields, strict=True)
    ]
    return pa.array(averages, _average_type(chunk.tape.scales))


ORDER_COLUMNS = (
    integer("order_number", "number of the order on this tape, from 1", "order"),
    *seq_columns("the event on which it was placed"),
    *owner_columns(),
    *strategy_columns("strategy"),
    *field_columns("order_role"),
    *field_columns("order_type"),
    *field_columns("time_in_force"),
    *order_flag_columns(),
    *field_columns("quantity_lots"),
    *field_columns("limit_ticks"),
    *field_columns("trigger_ticks"),
    *field_columns("trail_ticks"),
    *field_columns("expire_ts_ns"),
    text("status", "what it was at the end", lambda _: _STATUS, "status"),
    integer("status_code", "its number", "status"),
    integer("updated_ts_ns", "time of its last change, in nanoseconds since 1970 UTC"),
    time("updated_time", "the same as a time, UTC", "updated_ts_ns"),
    integer("filled_lots", "what was filled, in lots of the instrument"),
    quantity("filled_quantity", "filled_lots"),
    integer("fills", "how many fills it had"),
    Column(
        "average_price",
        "average price of its fills, rounded half to even to four digits beyond those of prices; null for no fill",
        _average_type,
        _averages,
    ),
    integer("filled_units", "money of its fills, in the smallest units of the account's money"),
    amount("filled_amount", "filled_units"),
    *field_columns("reference_ticks"),
    *field_columns("reason"),
    integer("exchange_order_id", "the exchange's number of the order; 0 for none"),
)


def order_chunks(
    reader: JournalReader, tape: Tape, first_seq: int, last_seq: int, progress: Progress | None
) -> Iterator[Chunk]:
    """The orders placed by these events, as they were after the last of them. Raises Divergence, JournalDamaged.

    No more of them are in memory than the engine's table holds, and a chunk: one is told when the table forgets it.
    """
    folder = Folder(limits_of(reader))
    recorded = Recorded(reader, folder.engine)
    taken_over = Question(to_seq=last_seq, kinds=frozenset({EventKind.ORDER_ADOPTED}))
    history = _Orders(folder, {int(found.event.view(ADOPTION)["order"]) for found in find(reader, taken_over)})
    for block in blocks_ahead(reader, begin_at_snapshot(reader, folder, first_seq - 1) + 1, last_seq):
        count = min(block.last_seq, last_seq) - block.first_seq + 1
        recorded.compare(block, recorded.as_recorded(history.fold(block, count)), folder.state, count)
        if progress is not None:
            progress(block.last_seq)
        if history.ended_count >= _CHUNK_ORDERS:
            yield _orders_chunk(tape, history.take_ended(), first_seq)
    yield _orders_chunk(tape, history.take_all(), first_seq)


def _orders_chunk(tape: Tape, rows: Rows, first_seq: int) -> Chunk:
    rows = rows[rows["placed_seq"] >= first_seq]
    rows = rows[np.argsort(rows["order"])]
    return Chunk(tape, np.array(rows["placed_seq"]), np.array(rows["placed_ts_ns"]), rows)


class _Orders:
    """Folds blocks and keeps the orders that the engine's table forgets, as they were last seen.

    The table forgets those first that have been closed the longest, so it is looked at before there are more new
    orders than there were free slots, and after what is reported of an order that had been closed. An order that is
    in `lives_again` may be forgotten and taken over from the exchange later: its last life counts.
    """

    def __init__(self, folder: Folder, lives_again: set[int]) -> None:
        self._folder = folder
        self._lives_again = np.array(sorted(lives_again), np.int64)
        self._earlier_lives: dict[int, Rows] = {}
        self._table = np.zeros(0, ORDER)
        self._ended: list[Rows] = []
        self.ended_count = 0
        # So many orders may be placed before one is forgotten that was not looked at.
        self._room = 0

    def fold(self, block: Block, count: int) -> bytes:
        """Apply the first `count` events of a block; returns what was decided."""
        placed, reported = _entered(block), _reported(block)
        placed = placed[placed < count]
        decided, first = [], 0
        while first < count:
            coming = placed[np.searchsorted(placed, first) :]
            end = self._next_look(coming, first, count)
            late = self._late_report(block, reported[np.searchsorted(reported, first) : np.searchsorted(reported, end)])
            end = end if late is None else late + 1
            decided.append(self._folder.fold(block.events[first * EVENT_BYTES :], end - first))
            self._room -= int(np.searchsorted(coming, end))
            first = end
            # An event that closes orders may place more than there was room for before it.
            if first < count or late is not None or self._room < 0:
                self._look()
        return b"".join(decided)

    def take_ended(self) -> Rows:
        """The orders that were forgotten since they were last taken."""
        ended = self._finished(np.concatenate(self._ended))
        self._ended, self.ended_count = [], 0
        return ended

    def take_all(self) -> Rows:
        """Those, and all that the table holds."""
        self._look()
        self._end(self._table)
        self._ended += self._earlier_lives.values()
        return self.take_ended()

    def _next_look(self, coming: Places, first: int, count: int) -> int:
        """How far to fold before the table is looked at, if the coming orders are placed at these places."""
        if len(coming) > self._room and coming[self._room] == first:
            self._look()
        return count if len(coming) <= self._room else max(int(coming[self._room]), first + 1)

    def _late_report(self, block: Block, places: Places) -> int | None:
        """The first of these places at which something is said of an order that was closed at the last look."""
        closed = self._table["order"][np.isin(self._table["status"], _CLOSED)]
        late = places[np.isin(block.events.view(ORDER_REPORT)["order"][places], closed)]
        return int(late[0]) if len(late) else None

    def _look(self) -> None:
        state = self._folder.engine.view(self._folder.state)
        before, self._table = self._table, state.orders[: int(state.slots_used)].copy()
        self._end(before[before["order"] != self._table["order"][: len(before)]])
        self._room = len(state.orders) - int(state.orders_open)

    def _end(self, rows: Rows) -> None:
        """Keep orders as they ended; numbers below zero are of rows that the engine had put aside."""
        rows = rows[rows["order"] > 0]
        again = np.isin(rows["order"], self._lives_again)
        for row in rows[again]:
            self._earlier_lives[int(row["order"])] = row.reshape(1)
        self._ended.append(rows[~again])
        self.ended_count += int(np.count_nonzero(~again))

    def _finished(self, orders: Rows) -> Rows:
        state = self._folder.engine.view(self._folder.state)
        rows = np.zeros(len(orders), _ORDER_ROW)
        for name in ORDER.names or ():
            rows[name] = orders[name]
        units = state.instruments["tick_lot_units"][orders["instrument"]]
        rows["filled_ticks_lots"] = orders["filled_units"] // np.maximum(units, 1)
        return rows


def _entered(block: Block) -> Places:
    """The places of the events of a block on which orders come into the engine's table, once for each."""
    decisions, kinds = block.decisions.view(COMMAND), block.events.view(EVENT)["kind"]
    placed = decisions["seq"][decisions["kind"] == DecisionKind.PLACE_ORDER] - block.first_seq
    return np.sort(np.concatenate([placed, np.flatnonzero(kinds == EventKind.ORDER_ADOPTED)]))


def _reported(block: Block) -> Places:
    """The places of the events of a block that something was said on of orders."""
    return np.flatnonzero(about_orders(block.events.view(EVENT)["kind"]))


def _sample_columns() -> list[Column]:
    return [
        integer("bucket_ts_ns", "where the span of time starts, which holds its end but not its start, in nanoseconds"),
        integer("ts_ns", "time of the last event in it, in nanoseconds since 1970 UTC"),
        time("time", "the same as a time, UTC", "ts_ns"),
    ]


POSITION_COLUMNS = (
    *_sample_columns(),
    *owner_columns(),
    *field_columns("position_lots"),
    *field_columns("close_ticks"),
    integer(
        "profit_units", "earned since the start, all costs taken off, in the smallest units of the account's money"
    ),
    amount("profit_amount", "profit_units"),
)
EQUITY_COLUMNS = (
    *_sample_columns(),
    integer("account", "number of the account"),
    text("account_name", "the account's name", lambda tape: tape.accounts, "account"),
    *(
        column
        for name in ("deposits", "realized", "fees", "funding", "unrealized", "equity")
        for column in field_columns(f"{name}_units")
    ),
)
# One row a span and position, with the account that holds it.
_POSITION_ROW = record(
    [
        (name, "<i8")
        for name in ("bucket_ts_ns", "ts_ns", "instrument", "account", "position_lots", "close_ticks", "profit_units")
    ]
)


def equity_chunks(
    reader: JournalReader, tape: Tape, first_seq: int, last_seq: int, progress: Progress | None
) -> Iterator[Chunk]:
    """The accounts at the ends of spans of time. Raises JournalDamaged."""
    rows = _since(reader, first_seq, observe(reader, progress, last_seq).accounts)
    yield Chunk(tape, rows["ts_ns"], rows["ts_ns"], rows)


def position_chunks(
    reader: JournalReader, tape: Tape, first_seq: int, last_seq: int, progress: Progress | None
) -> Iterator[Chunk]:
    """The positions at the ends of spans of time. Raises JournalDamaged."""
    samples = _since(reader, first_seq, observe(reader, progress, last_seq).instruments)
    rows = np.zeros(len(samples), _POSITION_ROW)
    for name in set(_POSITION_ROW.names or ()) - {"account"}:
        rows[name] = samples[name]
    owners = {number: name.account for number, name in tape.names.instruments.items()}
    found, places = distinct(rows["instrument"])
    rows["account"] = np.array([owners.get(number, 0) for number in found.tolist()], np.int64)[places]
    yield Chunk(tape, rows["ts_ns"], rows["ts_ns"], rows)


def _since(reader: JournalReader, first_seq: int, rows: Rows) -> Rows:
    """The rows of spans that end with an event from `first_seq` on."""
    if first_seq == 1:
        return rows
    block = reader.block_at(first_seq)
    first_ts_ns = int(block.events.view(EVENT)["ts_ns"][first_seq - block.first_seq])
    chosen: Rows = rows[rows["ts_ns"] >= first_ts_ns]
    return chosen
