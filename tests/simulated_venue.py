"""A simulated exchange driven one step a call through the byte boundary, for tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapters.simulated import (
    AccountTerms,
    ExchangeTerms,
    InstrumentTerms,
    begin_market,
    build_exchange,
    continue_market,
    exchange_layout,
    execute_arrival,
    is_idle,
    next_arrival_ns,
    next_report_ns,
    submit,
    take_report,
)
from engine.jit import kernel
from engine.kinds import AccountKind, DecisionKind, EventKind, FillFlag, OrderFlag, OrderType, TimeInForce
from engine.records import BAR, COMMAND, EVENT, FILL, FUNDING, MARK_PRICE, ORDER_REPORT, QUOTE, TRADE
from engine.state import Limits

# Small, so that a full table is a short test.
LIMITS = Limits(accounts=2, instruments=4, orders=64)
LAYOUT = exchange_layout(LIMITS)

SUBMIT, ARRIVE, BEGIN, CONTINUE, TAKE, IDLE, ARRIVAL_DUE, REPORT_DUE = range(8)


@kernel
def drive(ex_bytes, row_bytes, operation, now_ns):
    """One call of the exchange's interface; `row_bytes` is the command or event that goes in or comes out."""
    ex = ex_bytes.view(LAYOUT)[0]
    result = np.int64(0)
    if operation == SUBMIT:
        submit(ex, row_bytes.view(COMMAND)[0], now_ns)
    elif operation == ARRIVE:
        execute_arrival(ex)
    elif operation == BEGIN:
        result = np.int64(begin_market(ex, row_bytes.view(EVENT)[0]))
    elif operation == CONTINUE:
        result = np.int64(continue_market(ex))
    elif operation == TAKE:
        take_report(ex, row_bytes.view(EVENT)[0])
    elif operation == IDLE:
        result = np.int64(is_idle(ex))
    elif operation == ARRIVAL_DUE:
        result = next_arrival_ns(ex)
    elif operation == REPORT_DUE:
        result = next_report_ns(ex)
    return result


@dataclass(frozen=True)
class Report:
    """A report as a test reads it; what does not belong to its kind is 0."""

    kind: EventKind
    order: int
    ts_ns: int
    exchange_ts_ns: int
    reason: int = 0
    quantity: int = 0
    price: int = 0
    fee: int = 0
    flags: int = 0
    trade_id: int = 0

    @property
    def short(self) -> tuple[Any, ...]:
        """What most tests compare: (kind, order, price, quantity) of a fill, (kind, order, reason) of the others."""
        if self.kind == EventKind.ORDER_FILLED:
            return ("FILLED", self.order, self.price, self.quantity)
        name = self.kind.name.removeprefix("ORDER_")
        return (name, self.order, self.reason) if self.reason else (name, self.order)

    @property
    def is_maker(self) -> bool:
        return bool(self.flags & FillFlag.MAKER)


def read_report(row_bytes: np.ndarray) -> Report:
    head = row_bytes.view(EVENT)[0]
    kind = EventKind(int(head.kind))
    if kind == EventKind.ORDER_FILLED:
        row = row_bytes.view(FILL)[0]
        return Report(
            kind, int(row.order), int(row.ts_ns), int(row.ts_exchange_ns), 0, int(row.quantity_lots),
            int(row.price_ticks), int(row.fee), int(row.fill_flags), int(row.trade_id),
        )  # fmt: skip
    row = row_bytes.view(ORDER_REPORT)[0]
    return Report(
        kind, int(row.order), int(row.ts_ns), int(row.ts_exchange_ns), int(row.reason), int(row.quantity_lots),
        int(row.price_ticks),
    )  # fmt: skip


def row_of(dtype: np.dtype, **fields: Any) -> np.ndarray:
    row_bytes = np.zeros(64, dtype=np.uint8)
    row = row_bytes.view(dtype)
    for name, value in fields.items():
        row[name] = int(value)
    return row_bytes


def order_row(
    order: int, kind: OrderType = OrderType.MARKET, quantity: int = 1, *, sell: bool = False, limit: int = 0,
    trigger: int = 0, trail: int = 0, tif: TimeInForce = TimeInForce.GTC, expire: int = 0, post_only: bool = False,
    reduce_only: bool = False, instrument: int = 0, account: int = 0,
) -> np.ndarray:  # fmt: skip
    flags = OrderFlag.SELL * sell | OrderFlag.POST_ONLY * post_only | OrderFlag.REDUCE_ONLY * reduce_only
    return row_of(
        COMMAND, kind=DecisionKind.PLACE_ORDER, order=order, order_type=kind, time_in_force=tif, order_flags=flags,
        quantity_lots=quantity, limit_ticks=limit, trigger_ticks=trigger, trail_ticks=trail, expire_ts_ns=expire,
        instrument=instrument, account=account,
    )  # fmt: skip


@dataclass
class Venue:
    """An exchange with a margin account (0) and a tick-lot worth one unit, unless told otherwise.

    `reaction` is asked after every step inside a market record and may send commands with no latency.
    """

    terms: ExchangeTerms = field(default_factory=ExchangeTerms)
    accounts: Sequence[AccountTerms] = (AccountTerms(AccountKind.MARGIN, 1_000_000),)
    instruments: Sequence[InstrumentTerms] = (InstrumentTerms(account=0, tick_lot_units=1),)
    now_ns: int = 0
    reaction: Callable[[list[Report]], Sequence[np.ndarray]] | None = None

    def __post_init__(self) -> None:
        self.bytes = build_exchange(self.terms, self.accounts, self.instruments, LIMITS)
        self.record = self.bytes.view(LAYOUT)[0]
        self._row = np.zeros(64, dtype=np.uint8)

    def call(self, operation: int, row_bytes: np.ndarray | None = None) -> int:
        return int(drive(self.bytes, self._row if row_bytes is None else row_bytes, operation, self.now_ns))

    def reports(self) -> list[Report]:
        taken = []
        while self.record.report_count:
            self.call(TAKE)
            taken.append(read_report(self._row))
        return taken

    def _arrivals(self) -> None:
        while self.call(ARRIVAL_DUE) <= self.now_ns:
            self.call(ARRIVE)

    def send(self, command: np.ndarray) -> list[Report]:
        """Submit a command now; the reports of what has arrived by now."""
        self.call(SUBMIT, command)
        self._arrivals()
        return self.reports()

    def order(self, *args: Any, **kwargs: Any) -> list[Report]:
        return self.send(order_row(*args, **kwargs))

    def cancel(self, order: int) -> list[Report]:
        return self.send(row_of(COMMAND, kind=DecisionKind.CANCEL_ORDER, order=order))

    def amend(self, order: int, quantity: int = 0, limit: int = 0, trigger: int = 0) -> list[Report]:
        return self.send(
            row_of(
                COMMAND,
                kind=DecisionKind.AMEND_ORDER,
                order=order,
                quantity_lots=quantity,
                limit_ticks=limit,
                trigger_ticks=trigger,
            )
        )

    def wait_until(self, ts_ns: int) -> list[Report]:
        """Let commands arrive up to a time."""
        while self.call(ARRIVAL_DUE) <= ts_ns:
            self.now_ns = max(self.now_ns, self.call(ARRIVAL_DUE))
            self.call(ARRIVE)
        self.now_ns = max(self.now_ns, ts_ns)
        return self.reports()

    def market(self, event: np.ndarray) -> list[Report]:
        """A market record at `now_ns`, worked through to its end."""
        event.view(EVENT)["ts_ns"] = self.now_ns
        taken = []
        more = self.call(BEGIN, event)
        while more:
            more = self.call(CONTINUE)
            fresh = self.reports()
            taken += fresh
            for command in self.reaction(fresh) if self.reaction else ():
                taken += self.send(command)
        return taken + self.reports()

    def quote(self, bid: int, ask: int, bid_lots: int = 0, ask_lots: int = 0, **kwargs: Any) -> list[Report]:
        self.now_ns += 1
        fields = {"bid_ticks": bid, "ask_ticks": ask, "bid_lots": bid_lots, "ask_lots": ask_lots}
        return self.market(row_of(QUOTE, kind=EventKind.QUOTE, **fields, **kwargs))

    def trade(self, price: int, quantity: int = 1, **kwargs: Any) -> list[Report]:
        self.now_ns += 1
        return self.market(row_of(TRADE, kind=EventKind.TRADE, price_ticks=price, quantity_lots=quantity, **kwargs))

    def bar(self, opened: int, high: int, low: int, close: int, volume: int = 0, **kwargs: Any) -> list[Report]:
        self.now_ns += 10
        fields = {"open_ticks": opened, "high_ticks": high, "low_ticks": low, "close_ticks": close}
        return self.market(row_of(BAR, kind=EventKind.BAR, volume_lots=volume, **fields, **kwargs))

    def mark(self, price: int) -> list[Report]:
        return self.market(row_of(MARK_PRICE, kind=EventKind.MARK_PRICE, mark_ticks=price))

    def funding(self, **kwargs: Any) -> list[Report]:
        return self.market(row_of(FUNDING, kind=EventKind.FUNDING, **kwargs))

    @property
    def idle(self) -> bool:
        return bool(self.call(IDLE))

    @property
    def balance(self) -> int:
        return int(self.record.accounts[0].balance_units)

    @property
    def cash(self) -> int:
        return int(self.record.accounts[0].balance_units - self.record.accounts[0].cost_units)

    @property
    def reserved(self) -> int:
        return int(self.record.accounts[0].reserved_units)

    @property
    def position(self) -> int:
        return int(self.record.positions[0].quantity_lots)


def shorts(reports: Sequence[Report]) -> list[tuple[Any, ...]]:
    return [report.short for report in reports]
