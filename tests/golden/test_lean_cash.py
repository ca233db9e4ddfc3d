"""The figures of others: LEAN's table of fills of one instrument and the equity after each of them.

Equity starts at 100,000. The market price at fill i (counted from 1) is i, and each fill trades at its price.
"""

import xml.etree.ElementTree as ElementTree
from decimal import Decimal

from engine.kinds import EventKind, FillFlag
from tests.support import shared_data
from tests.twin.conservation import check
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, Machine

FOLDER = "lean/Tests_TestData"
CENTS = 100


def test_equity_after_each_fill_is_what_lean_says() -> None:
    fills = ElementTree.parse(shared_data(f"{FOLDER}/test_cash_fills.xml")).getroot().findall("OrderEvent")
    table = ElementTree.parse(shared_data(f"{FOLDER}/test_cash_equity.xml")).getroot().findall("decimal")
    start, *expected = [int(Decimal(item.text or "") * CENTS) for item in table]
    machine = Machine(SMALL_LIMITS)
    machine.tell(
        event(EventKind.ACCOUNT_DEFINED, money_decimals=2),
        event(EventKind.CASH_MOVED, amount_units=start),
        event(EventKind.INSTRUMENT_DEFINED, tick_lot_units=CENTS, quantity_step_lots=1),
    )
    account = machine.state.accounts[0]
    assert account.equity_units == start
    assert len(fills) == len(expected) == 13
    for number, (fill, equity) in enumerate(zip(fills, expected, strict=True), start=1):
        price, lots = int(fill.findtext("FillPrice", "")), int(fill.findtext("FillQuantity", ""))
        flags = FillFlag.SELL if lots < 0 else 0
        traded = {"price_ticks": price, "quantity_lots": abs(lots), "fill_flags": flags, "trade_id": number}
        machine.tell(event(EventKind.TRADE, price_ticks=price), event(EventKind.ORDER_FILLED, **traded))
        assert account.equity_units == equity, f"after fill {number}"
        check(machine)
    assert machine.position().quantity_lots == 0
    assert account.realized_units == expected[-1] - start
