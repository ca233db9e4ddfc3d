"""Fold a tape again and keep what a report shows: samples of money and prices, every booked fill, tallies.

Time is cut into buckets that hold their end but not their start, so that a bar that closes at midnight belongs
to the day it tells of. The rows of a bucket are the state after its last event. Nothing here grows with the
tape but the rows themselves: one set a bucket, one row a fill.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.journal import Block, JournalReader
from engine.decisions import outbox_layout
from engine.entry import Engine, engine_for
from engine.fold import step
from engine.jit import inner_kernel, kernel, overlay
from engine.kinds import BracketChange, DecisionKind, EventKind, OrderRole
from engine.orders import find_order
from engine.reasons import Reason
from engine.records import (
    BAR,
    BRACKET_DECISION,
    BREAKER_DECISION,
    COMMAND,
    EVENT,
    FILL,
    ORDER_REPORT,
    REFUSAL,
    record,
)
from engine.state import Limits, state_layout
from replay.ahead import blocks_ahead
from replay.recorded import Recorded
from replay.recorder import state_digest
from replay.refold import limits_of

Bytes = NDArray[np.uint8]
Rows = NDArray[np.void]

DAY_NS = 86_400_000_000_000
SAMPLES_MAX = 5_000
REASONS_MAX = 700
INCIDENTS_MAX = 1_000
NO_STRATEGY = -1
NO_ROLE = -1

_SECOND_NS = 1_000_000_000
# Every length divides a day, so that a bucket never holds parts of two days.
_BUCKETS_NS = tuple(
    [10**power * digit for power in range(6, 9) for digit in (1, 2, 5)]
    + [count * _SECOND_NS for count in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)]
    + [count * 3600 * _SECOND_NS for count in (1, 2, 3, 4, 6, 8, 12, 24)]
)


def _row(*names: str) -> np.dtype:
    return record([(name, "<i8") for name in names])


# One row a bucket and account: `bucket_ts_ns` is where the bucket starts, `ts_ns` the time of its last event.
ACCOUNT_SAMPLE = _row(
    "bucket_ts_ns",
    "ts_ns",
    "account",
    "deposits_units",
    "realized_units",
    "fees_units",
    "funding_units",
    "unrealized_units",
    "equity_units",
)

# One row a bucket and instrument. Prices are those it is marked at (the middle of bid and ask), with the open,
# high and low of bars; 0 where the instrument had no price in the bucket. The position is its own account's.
INSTRUMENT_SAMPLE = _row(
    "bucket_ts_ns",
    "ts_ns",
    "instrument",
    "open_ticks",
    "high_ticks",
    "low_ticks",
    "close_ticks",
    "long_mark_ticks",
    "position_lots",
    "profit_units",
)

# One row a fill that was booked (a doubled one is not). `order_role` is what its order is for, -1 where it is not
# known; `closing_reason` why a stop, a target or a closing bracket's exit was filled. The last four are the
# position's, after the fill.
BOOKED_FILL = _row(
    "seq",
    "ts_ns",
    "account",
    "instrument",
    "strategy",
    "order",
    "trade_id",
    "fill_flags",
    "price_ticks",
    "quantity_lots",
    "fee",
    "order_role",
    "closing_reason",
    "held_lots",
    "realized_units",
    "fees_units",
    "funding_units",
)

# One row for each of the first INCIDENTS_MAX decisions that a person should hear of: what breakers and risk levels
# did, and alerts; and one for each of as many refusals. `decision` is read by its kind (`engine.records.DECISIONS`).
INCIDENT = record([("ts_ns", "<i8"), ("decision", COMMAND)])

_WATCHED_INSTRUMENT = _row("open_ticks", "high_ticks", "low_ticks", "orders", "peak_profit_units", "max_drawdown_units")


def _watch_layout(limits: Limits) -> np.dtype:
    times = ("bucket_ns", "bucket_start_ns", "bucket_end_ns")
    names = (*times, "account_rows", "instrument_rows", "fill_rows", "decision_rows")
    counts = ("incidents", "refused", "brackets", "stops_moved", "level_changes", "fill_role", "fill_reason")
    return record(
        [(name, "<i8") for name in names + counts]
        + [
            ("instruments", _WATCHED_INSTRUMENT, (limits.instruments,)),
            ("refusals", "<i8", (REASONS_MAX,)),
            ("rejections", "<i8", (REASONS_MAX,)),
            ("closings", "<i8", (REASONS_MAX,)),
            ("trips", "<i8", (limits.breakers,)),
            ("incident_rows", INCIDENT, (INCIDENTS_MAX,)),
            ("refused_rows", INCIDENT, (INCIDENTS_MAX,)),
        ]
    )


@inner_kernel
def _sample_account(row: Any, watch: Any, state: Any, number: int) -> None:
    account = state.accounts[number]
    row.bucket_ts_ns = watch.bucket_start_ns
    row.ts_ns = state.ts_ns
    row.account = number
    row.deposits_units = account.deposits_units
    row.realized_units = account.realized_units
    row.fees_units = account.fees_units
    row.funding_units = account.funding_units
    row.unrealized_units = account.unrealized_units
    row.equity_units = account.equity_units


@inner_kernel
def _profit(position: Any) -> Any:
    """What a position has earned since the start, all costs taken off."""
    return position.realized_units + position.unrealized_units - position.fees_units + position.funding_units


@inner_kernel
def _sample_instrument(row: Any, watch: Any, state: Any, number: int) -> None:
    instrument = state.instruments[number]
    watched = watch.instruments[number]
    position = state.positions[instrument.account, number]
    row.bucket_ts_ns = watch.bucket_start_ns
    row.ts_ns = state.ts_ns
    row.instrument = number
    row.open_ticks = watched.open_ticks
    row.high_ticks = watched.high_ticks
    row.low_ticks = watched.low_ticks
    row.close_ticks = (instrument.long_mark_ticks + instrument.short_mark_ticks) // 2 if watched.open_ticks else 0
    row.long_mark_ticks = instrument.long_mark_ticks
    row.position_lots = position.quantity_lots
    row.profit_units = _profit(position)
    watched.open_ticks = 0


@inner_kernel
def _start_bucket(watch: Any, ts_ns: int) -> None:
    watch.bucket_start_ns = (ts_ns - 1) // watch.bucket_ns * watch.bucket_ns
    watch.bucket_end_ns = watch.bucket_start_ns + watch.bucket_ns


@inner_kernel
def _see_price(watched: Any, instrument: Any, event: Any) -> None:
    first = (instrument.long_mark_ticks + instrument.short_mark_ticks) // 2
    high = first
    low = first
    if event.kind == EventKind.BAR:
        bar = overlay(event, BAR)
        if bar.close_ticks == first:
            first = bar.open_ticks
            high = bar.high_ticks
            low = bar.low_ticks
    if watched.open_ticks == 0:
        watched.open_ticks = first
        watched.high_ticks = high
        watched.low_ticks = low
        return
    if high > watched.high_ticks:
        watched.high_ticks = high
    if low < watched.low_ticks:
        watched.low_ticks = low


@inner_kernel
def _see_profit(watched: Any, position: Any) -> None:
    profit = _profit(position)
    if profit >= watched.peak_profit_units:
        watched.peak_profit_units = profit
    elif watched.peak_profit_units - profit > watched.max_drawdown_units:
        watched.max_drawdown_units = watched.peak_profit_units - profit


@inner_kernel
def _see_purpose(watch: Any, state: Any, fill: Any) -> None:
    """What the order of a fill is for; looked at before the fill, which may end its bracket."""
    watch.fill_role = NO_ROLE
    watch.fill_reason = 0
    slot = find_order(state, fill.order)
    if slot == 0:
        return
    order = state.orders[slot - 1]
    watch.fill_role = order.order_role
    if order.order_role == OrderRole.STOP:
        watch.fill_reason = np.int64(Reason.STOP_REACHED)
    elif order.order_role == OrderRole.TARGET:
        watch.fill_reason = np.int64(Reason.TARGET_REACHED)
    elif order.order_role == OrderRole.EXIT and order.bracket_slot > 0:
        watch.fill_reason = state.brackets[order.bracket_slot - 1].close_reason


@inner_kernel
def _book(row: Any, watch: Any, state: Any, fill: Any) -> None:
    position = state.positions[np.int64(fill.account), np.int64(fill.instrument)]
    slot = find_order(state, fill.order)
    row.seq = state.seq
    row.ts_ns = state.ts_ns
    row.account = np.int64(fill.account)
    row.instrument = np.int64(fill.instrument)
    row.strategy = state.orders[slot - 1].strategy if slot != 0 else NO_STRATEGY
    row.order = fill.order
    row.trade_id = fill.trade_id
    row.fill_flags = np.int64(fill.fill_flags)
    row.price_ticks = fill.price_ticks
    row.quantity_lots = fill.quantity_lots
    row.fee = fill.fee
    row.order_role = watch.fill_role
    row.closing_reason = watch.fill_reason
    row.held_lots = position.quantity_lots
    row.realized_units = position.realized_units
    row.fees_units = position.fees_units
    row.funding_units = position.funding_units


@inner_kernel
def _tally(watch: Any, state: Any, decision: Any) -> None:
    kind = decision.kind
    if kind == DecisionKind.PLACE_ORDER:
        watch.instruments[np.int64(decision.instrument)].orders += 1
    elif kind == DecisionKind.REFUSAL:
        reason = overlay(decision, REFUSAL).reason
        if 0 <= reason < REASONS_MAX:
            watch.refusals[reason] += 1
        if watch.refused < INCIDENTS_MAX:
            _keep(watch.refused_rows[watch.refused], state, decision)
            watch.refused += 1
    elif kind == DecisionKind.BRACKET_CHANGED:
        _tally_bracket(watch, overlay(decision, BRACKET_DECISION))
    elif kind == DecisionKind.RISK_LEVEL_CHANGED:
        watch.level_changes += 1
        _keep_incident(watch, state, decision)
    elif kind == DecisionKind.BREAKER_TRIPPED:
        watch.trips[overlay(decision, BREAKER_DECISION).breaker] += 1
        _keep_incident(watch, state, decision)
    elif kind == DecisionKind.BREAKER_CHANGED:
        # That it is armed when the tape starts is no news.
        if watch.trips[overlay(decision, BREAKER_DECISION).breaker] > 0:
            _keep_incident(watch, state, decision)
    elif kind == DecisionKind.ALERT or kind == DecisionKind.TRANSPORT_CHANGED:
        _keep_incident(watch, state, decision)


@inner_kernel
def _tally_bracket(watch: Any, decision: Any) -> None:
    change = decision.bracket_change
    if change == BracketChange.OPENED:
        watch.brackets += 1
    elif change == BracketChange.STOP_MOVED or change == BracketChange.BREAK_EVEN:
        watch.stops_moved += 1
    elif change == BracketChange.CLOSED and 0 <= decision.reason < REASONS_MAX:
        watch.closings[decision.reason] += 1


@inner_kernel
def _keep_incident(watch: Any, state: Any, decision: Any) -> None:
    if watch.incidents < INCIDENTS_MAX:
        _keep(watch.incident_rows[watch.incidents], state, decision)
    watch.incidents += 1


@inner_kernel
def _keep(row: Any, state: Any, decision: Any) -> None:
    row.ts_ns = state.ts_ns
    row.decision = decision


@inner_kernel
def _see(state: Any, watch: Any, event: Any) -> None:
    """Look at what an event did to its instrument."""
    number = np.int64(event.instrument)
    if number >= len(state.instruments) or state.last_refused_seq == state.seq:
        return
    instrument = state.instruments[number]
    if event.kind <= EventKind.MARK_PRICE:
        _see_price(watch.instruments[number], instrument, event)
    elif event.kind == EventKind.ORDER_REJECTED:
        reason = overlay(event, ORDER_REPORT).reason
        if 0 <= reason < REASONS_MAX:
            watch.rejections[reason] += 1
    if instrument.holders != 0 or event.kind == EventKind.ORDER_FILLED:
        _see_profit(watch.instruments[number], state.positions[instrument.account, number])


@inner_kernel
def _fills_booked(state: Any, event: Any) -> Any:
    """How many fills the position of an event has had."""
    account = np.int64(event.account)
    number = np.int64(event.instrument)
    if account >= len(state.accounts) or number >= len(state.instruments):
        return np.int64(0)
    return state.positions[account, number].fills


@inner_kernel
def _sample(state: Any, watch: Any, account_rows: Any, instrument_rows: Any) -> bool:
    """Write the rows of the bucket that is over; False where there is no room for them."""
    if watch.bucket_end_ns == 0:
        return True
    if watch.account_rows + len(state.accounts) > len(account_rows):
        return False
    if watch.instrument_rows + len(state.instruments) > len(instrument_rows):
        return False
    for number in range(len(state.accounts)):
        if state.accounts[number].defined:
            _sample_account(account_rows[watch.account_rows], watch, state, number)
            watch.account_rows += 1
    for number in range(len(state.instruments)):
        if state.instruments[number].defined:
            _sample_instrument(instrument_rows[watch.instrument_rows], watch, state, number)
            watch.instrument_rows += 1
    return True


@cache
def _watcher_for(limits: Limits) -> tuple[Any, Any]:
    """For these capacities: fold and watch events; write the rows of the last bucket. Compiled at the first call."""
    state_type = state_layout(limits)
    outbox_type = outbox_layout(limits)
    watch_type = _watch_layout(limits)

    def watch_events(  # type: ignore[no-untyped-def]
        state_bytes,
        event_bytes,
        first,
        count,
        outbox_bytes,
        watch_bytes,
        account_bytes,
        instrument_bytes,
        fill_bytes,
        decision_bytes,
    ):
        state = state_bytes.view(state_type)[0]
        outbox = outbox_bytes.view(outbox_type)[0]
        watch = watch_bytes.view(watch_type)[0]
        events = event_bytes.view(EVENT)
        account_rows = account_bytes.view(ACCOUNT_SAMPLE)
        instrument_rows = instrument_bytes.view(INSTRUMENT_SAMPLE)
        fill_rows = fill_bytes.view(BOOKED_FILL)
        decisions = decision_bytes.view(COMMAND)
        room = len(decisions) - len(outbox.items)
        applied = 0
        while applied < count and watch.decision_rows <= room:
            event = events[first + applied]
            if event.ts_ns > watch.bucket_end_ns:
                if not _sample(state, watch, account_rows, instrument_rows):
                    break
                _start_bucket(watch, event.ts_ns)
            is_fill = event.kind == EventKind.ORDER_FILLED
            if is_fill and watch.fill_rows == len(fill_rows):
                break
            booked = _fills_booked(state, event) if is_fill else np.int64(0)
            if is_fill:
                _see_purpose(watch, state, overlay(event, FILL))
            outbox.count = 0
            step(state, event, outbox)
            for i in range(outbox.count):
                _tally(watch, state, outbox.items[i])
                decisions[watch.decision_rows] = outbox.items[i]
                watch.decision_rows += 1
            if is_fill and _fills_booked(state, event) != booked:
                _book(fill_rows[watch.fill_rows], watch, state, overlay(event, FILL))
                watch.fill_rows += 1
            _see(state, watch, event)
            applied += 1
        return applied

    def watch_end(state_bytes, watch_bytes, account_bytes, instrument_bytes):  # type: ignore[no-untyped-def]
        state = state_bytes.view(state_type)[0]
        watch = watch_bytes.view(watch_type)[0]
        return _sample(state, watch, account_bytes.view(ACCOUNT_SAMPLE), instrument_bytes.view(INSTRUMENT_SAMPLE))

    return kernel(watch_events), kernel(watch_end)


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a tape, and the state it leads to.

    `accounts`, `instruments` and `fills` are rows of ACCOUNT_SAMPLE, INSTRUMENT_SAMPLE and BOOKED_FILL in order
    of time. `orders` and `drawdowns_units` (the largest fall of an instrument's profit from its peak) are by
    instrument; `refusals` (by the engine), `rejections` (by the exchange) and `closings` (of brackets) are counts
    by reason code, `trips` by breaker. `incidents` are the first rows of INCIDENT, of `incidents_total`; `refused`
    those of refusals.
    """

    engine: Engine
    state: Any
    state_digest: str
    events: int
    first_ts_ns: int
    last_ts_ns: int
    bucket_ns: int
    accounts: Rows
    instruments: Rows
    fills: Rows
    orders: dict[int, int]
    drawdowns_units: dict[int, int]
    refusals: dict[int, int]
    rejections: dict[int, int]
    closings: dict[int, int]
    trips: dict[int, int]
    brackets: int
    stops_moved: int
    level_changes: int
    incidents: Rows
    incidents_total: int
    refused: Rows


@dataclass(slots=True)
class _Buffer:
    """Rows that the kernel fills, and those that were taken out of it."""

    dtype: np.dtype
    rows: int
    data: Bytes = field(init=False)
    taken: list[Rows] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = np.zeros(self.rows * self.dtype.itemsize, dtype=np.uint8)

    def take(self, count: int) -> None:
        if count:
            self.taken.append(self.data.view(self.dtype)[:count].copy())

    def all(self) -> Rows:
        return np.concatenate(self.taken) if self.taken else np.zeros(0, dtype=self.dtype)


class _Watcher:
    """Folds blocks and collects rows."""

    def __init__(self, limits: Limits, bucket_ns: int) -> None:
        self.engine = engine_for(limits)
        self.state = self.engine.new_state()
        self._outbox = self.engine.new_outbox()
        watch_type = _watch_layout(limits)
        self._watch = np.zeros(watch_type.itemsize, dtype=np.uint8)
        self.watch: Any = self._watch.view(watch_type)[0]
        self.watch.bucket_ns = bucket_ns
        self._run, self._end = _watcher_for(limits)
        self.accounts = _Buffer(ACCOUNT_SAMPLE, 64 * limits.accounts)
        self.instruments = _Buffer(INSTRUMENT_SAMPLE, 64 * limits.instruments)
        self.fills = _Buffer(BOOKED_FILL, 8_192)
        items = len(np.zeros(1, self.engine.outbox_layout)["items"][0])
        self._decisions = _Buffer(COMMAND, items + 8_192)

    def see(self, events: Bytes) -> bytes:
        """The next block's events; what was decided on them."""
        first, count = 0, len(events) // EVENT.itemsize
        while first < count:
            first += self._run(
                self.state,
                events,
                first,
                count - first,
                self._outbox,
                self._watch,
                self.accounts.data,
                self.instruments.data,
                self.fills.data,
                self._decisions.data,
            )
            self._take()
        decided = self._decisions.all().tobytes()
        self._decisions.taken.clear()
        return decided

    def finish(self) -> None:
        """Take the rows of the last bucket."""
        self._end(self.state, self._watch, self.accounts.data, self.instruments.data)
        self._take()

    def _take(self) -> None:
        self.accounts.take(int(self.watch.account_rows))
        self.instruments.take(int(self.watch.instrument_rows))
        self.fills.take(int(self.watch.fill_rows))
        self._decisions.take(int(self.watch.decision_rows))
        self.watch.account_rows = self.watch.instrument_rows = self.watch.fill_rows = self.watch.decision_rows = 0


def observe(
    reader: JournalReader, progress: Callable[[int], None] | None = None, until_seq: int | None = None
) -> Observation:
    """Fold the tape up to `until_seq` (None: all of it) and keep what a report needs. Raises JournalDamaged, and
    Divergence as `refold` does.

    `progress` is told how many events have been folded.
    """
    limits = limits_of(reader)
    last_seq = reader.last_seq if until_seq is None else until_seq
    first_ts_ns, last_ts_ns, bar_ns = _span(reader, last_seq)
    watcher = _Watcher(limits, bucket_ns_for(last_ts_ns - first_ts_ns, bar_ns))
    recorded = Recorded(reader, watcher.engine)
    for block in blocks_ahead(reader, last_seq=last_seq):
        count = min(block.last_seq, last_seq) - block.first_seq + 1
        decided = recorded.as_recorded(watcher.see(block.events[: count * EVENT.itemsize]))
        recorded.compare(block, decided, watcher.state, count, digest=False)
        if progress is not None:
            progress(block.last_seq)
    watcher.finish()
    state = watcher.engine.view(watcher.state)
    return Observation(
        engine=watcher.engine,
        state=state,
        state_digest=state_digest(watcher.state).hex(),
        events=int(state.seq),
        first_ts_ns=first_ts_ns,
        last_ts_ns=int(state.ts_ns),
        bucket_ns=int(watcher.watch.bucket_ns),
        accounts=watcher.accounts.all(),
        instruments=watcher.instruments.all(),
        fills=watcher.fills.all(),
        orders=_by_number(watcher.watch.instruments["orders"]),
        drawdowns_units=_by_number(watcher.watch.instruments["max_drawdown_units"]),
        refusals=_by_number(watcher.watch.refusals),
        rejections=_by_number(watcher.watch.rejections),
        closings=_by_number(watcher.watch.closings),
        trips=_by_number(watcher.watch.trips),
        brackets=int(watcher.watch.brackets),
        stops_moved=int(watcher.watch.stops_moved),
        level_changes=int(watcher.watch.level_changes),
        incidents=watcher.watch.incident_rows[: min(int(watcher.watch.incidents), INCIDENTS_MAX)].copy(),
        incidents_total=int(watcher.watch.incidents),
        refused=watcher.watch.refused_rows[: int(watcher.watch.refused)].copy(),
    )


def bucket_ns_for(span_ns: int, bar_ns: int = 0) -> int:
    """The shortest bucket with at most about SAMPLES_MAX of them in a span, at least a bar long, at most a day."""
    wanted = max(span_ns // SAMPLES_MAX, bar_ns)
    return next((length for length in _BUCKETS_NS if length >= wanted), DAY_NS)


def _by_number(counts: Any) -> dict[int, int]:
    return {int(number): int(counts[number]) for number in np.flatnonzero(counts)}


def _span(reader: JournalReader, last_seq: int) -> tuple[int, int, int]:
    """First and last time of the tape, and the shortest bar of its first block (0 where there is none)."""
    first: Block | None = next(iter(reader.blocks()), None)
    if first is None:
        return 0, 0, 0
    bars = first.events.view(BAR)
    bars = bars[(bars["kind"] == EventKind.BAR) & (bars["ts_exchange_ns"] > 0)]
    lengths = bars["ts_ns"] - bars["ts_exchange_ns"]
    first_ts_ns, last_ts_ns = first.first_ts_ns, first.last_ts_ns
    for block in reader.blocks(last_seq, last_seq):
        last_ts_ns = block.last_ts_ns
    return first_ts_ns, last_ts_ns, int(lengths.min()) if len(lengths) else 0
