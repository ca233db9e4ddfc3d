"""The simulated exchange driven from Python, one step a call: for a venue, which answers between the steps."""

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.simulated.arrivals import execute_arrival
from adapters.simulated.market import begin_market, continue_market
from adapters.simulated.rings import submit, take_report
from adapters.simulated.state import (
    AccountTerms,
    ExchangeFault,
    ExchangeTerms,
    InstrumentTerms,
    build_exchange,
    exchange_layout,
)
from engine.jit import kernel
from engine.kinds import EventKind
from engine.records import COMMAND, EVENT, EVENT_BYTES
from engine.state import Limits

Bytes = NDArray[np.uint8]

_REPORT = struct.Struct("<qqBBHHHqqqqq")
assert _REPORT.size == EVENT_BYTES


class _Step(IntEnum):
    COMMAND = 0
    BEGIN_MARKET = 1
    CONTINUE_MARKET = 2
    TAKE_REPORT = 3


class Report(NamedTuple):
    """What happened to an order. Of a fill the quantity, price and fee are its own, and `reason` is its trade's number.

    `flags` are those of a fill. Of any other report quantity and price are the order's (see `engine.records`).
    """

    kind: EventKind
    ts_ns: int
    instrument: int
    account: int
    order: int
    reason: int
    quantity_lots: int
    price_ticks: int
    fee: int
    flags: int


@cache
def _drive_for(limits: Limits) -> Any:
    layout = exchange_layout(limits)

    def drive(exchange_bytes, row_bytes, step, now_ns):  # type: ignore[no-untyped-def]
        exchange = exchange_bytes.view(layout)[0]
        more = np.int64(0)
        if step == _Step.COMMAND:
            submit(exchange, row_bytes.view(COMMAND)[0], now_ns)
            execute_arrival(exchange)
        elif step == _Step.BEGIN_MARKET:
            more = np.int64(begin_market(exchange, row_bytes.view(EVENT)[0]))
        elif step == _Step.CONTINUE_MARKET:
            more = np.int64(continue_market(exchange))
        else:
            take_report(exchange, row_bytes.view(EVENT)[0])
        return more + 2 * exchange.report_count

    return kernel(drive)


class SteppedExchange:
    """One simulated exchange without latency: everything acts at once, and is reported step by step.

    Between two steps at most one order acts, so whoever takes a report finds the ledger as it was right after it.
    """

    def __init__(
        self,
        terms: ExchangeTerms,
        accounts: Sequence[AccountTerms],
        instruments: Sequence[InstrumentTerms],
        limits: Limits,
    ) -> None:
        assert terms.latency_in_ns == terms.latency_out_ns == 0, "what comes from a network has its latency already"
        self.bytes: Bytes = build_exchange(terms, accounts, instruments, limits)
        self.record: Any = self.bytes.view(exchange_layout(limits))[0]
        self._drive = _drive_for(limits)
        self._report = np.zeros(EVENT_BYTES, np.uint8)

    def command(self, row: Bytes, now_ns: int) -> Iterator[Report]:
        """Let a command (64 bytes of `engine.records.COMMAND`) act. The reports must all be taken."""
        return self._reports(int(self._drive(self.bytes, row, int(_Step.COMMAND), now_ns)))

    def market(self, row: Bytes) -> Iterator[Report]:
        """Let a market record (64 bytes of an event) act. The reports must all be taken."""
        result = int(self._drive(self.bytes, row, int(_Step.BEGIN_MARKET), 0))
        while result:
            yield from self._reports(result)
            if not result & 1:
                return
            result = int(self._drive(self.bytes, self._report, int(_Step.CONTINUE_MARKET), 0))

    def _reports(self, result: int) -> Iterator[Report]:
        for _ in range(result >> 1):
            self._drive(self.bytes, self._report, int(_Step.TAKE_REPORT), 0)
            yield _read_report(self._report)
        fault = int(self.record.fault)
        assert fault == 0, f"the simulated exchange stopped: {ExchangeFault(fault).name}"


def _read_report(row: Bytes) -> Report:
    ts_ns, _, code, flags, _, instrument, account, order, *words = _REPORT.unpack(row.data)
    kind = EventKind(code)
    if kind == EventKind.ORDER_FILLED:
        trade, price_ticks, quantity_lots, fee = words
        return Report(kind, ts_ns, instrument, account, order, trade, quantity_lots, price_ticks, fee, flags)
    _, reason, quantity_lots, price_ticks = words
    return Report(kind, ts_ns, instrument, account, order, reason, quantity_lots, price_ticks, 0, 0)
