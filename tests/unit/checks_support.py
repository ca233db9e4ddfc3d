"""A small state to ask the checks about, with figures that are easy to reckon with."""

from typing import Any

import numpy as np

from engine.checks.entry import check_entry
from engine.decisions import outbox_layout
from engine.kinds import AccountKind, OrderRole, OrderStatus, OrderType
from engine.reasons import Reason
from engine.state import Limits, state_layout
from tests.support import from_python

BUY, SELL = 1, -1
# A price of 100 to buy and to sell makes a lot worth 1,000 units.
PRICE, UNIT, LOT_UNITS = 100, 10, 1_000
EQUITY = 1_000_000
NOW_NS = 1_000_000_000_000
PASSED = (Reason.NONE, 0, 0)

_LIMITS = Limits(accounts=3, instruments=5, orders=8, brackets=1, strategies=3, breakers=4)
_LAYOUT = state_layout(_LIMITS)
_OUTBOX_LAYOUT = outbox_layout(_LIMITS)
_check_entry = from_python(check_entry)


def new_state() -> Any:
    """Margin account 1 with instruments 1 and 3, cash account 2 with instrument 4; strategies 0 to 2."""
    state = np.zeros(1, _LAYOUT).view(_LAYOUT)[0]
    state.ts_ns = NOW_NS
    for number, kind in ((1, AccountKind.MARGIN), (2, AccountKind.CASH)):
        account = state.accounts[number]
        account.defined = 1
        account.account_kind = kind
        for name in ("deposits_units", "equity_units", "guard_peak_units", "day_equity_units"):
            setattr(account, name, EQUITY)
    for number, owner in ((1, 1), (3, 1), (4, 2)):
        instrument = state.instruments[number]
        instrument.defined = 1
        instrument.account = owner
        instrument.tick_lot_units = UNIT
        instrument.long_mark_ticks = PRICE
        instrument.short_mark_ticks = PRICE
        instrument.market_ts_ns = NOW_NS
        state.instruments_defined += 1
    return state


def new_outbox() -> Any:
    return np.zeros(1, _OUTBOX_LAYOUT).view(_OUTBOX_LAYOUT)[0]


def ask(state: Any, lots: int = 5, side: int = BUY, limit: int = 0, instrument: int = 1, **more: Any) -> Any:
    """What the checks say to an order of strategy 1, a market order unless it has a limit."""
    row = state.instruments[instrument]
    mark = row.short_mark_ticks if side == BUY else row.long_mark_ticks
    price = limit if limit else int(mark)
    closing, strategy = more.get("closing", 0), more.get("strategy", 1)
    outbox = more.get("outbox", new_outbox())
    reason, bound, observed = _check_entry(state, outbox, instrument, strategy, side, lots, price, limit, closing)
    return Reason(reason), int(bound), int(observed)


def hold(state: Any, lots: int, instrument: int = 1, account: int | None = None) -> Any:
    """A position, of the instrument's own account unless another is named."""
    owner = int(state.instruments[instrument].account) if account is None else account
    position = state.positions[owner, instrument]
    position.quantity_lots = lots
    state.instruments[instrument].holders |= 1 << owner
    return position


def on_order(state: Any, buys: int = 0, sells: int = 0, instrument: int = 1) -> Any:
    position = state.positions[state.instruments[instrument].account, instrument]
    position.open_buy_lots = buys
    position.open_sell_lots = sells
    return position


def add_order(state: Any, side: int, limit: int, instrument: int = 1, **fields: int) -> Any:
    """An open limit order at the head of the instrument's list."""
    state.slots_used += 1
    state.orders_open += 1
    slot = int(state.slots_used)
    order = state.orders[slot - 1]
    named = {"order_type": OrderType.LIMIT, "status": OrderStatus.ACCEPTED, "order_role": OrderRole.ENTRY} | fields
    row = {"order": slot, "instrument": instrument, "side": side, "limit_ticks": limit, "quantity_lots": 1} | named
    for name, value in row.items():
        setattr(order, name, int(value))
    order.next_slot = state.instruments[instrument].first_order_slot
    state.instruments[instrument].first_order_slot = slot
    return order
