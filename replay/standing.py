"""How a state stands, with names: accounts, positions, open orders, brackets and breakers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from adapters.report.amounts import amount_text, money_text, quantity_text, time_text
from engine.kinds import (
    BracketStatus,
    BreakerStatus,
    Condition,
    GroupKind,
    OrderRole,
    OrderStatus,
    OrderType,
    TimeInForce,
    TradingState,
)
from replay.incidents import figure_text
from replay.names import Names
from replay.trades import average_price

_OPEN = (
    OrderStatus.PENDING,
    OrderStatus.SENT,
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_CANCEL,
    OrderStatus.UNKNOWN,
    OrderStatus.HELD,
)

Json = dict[str, Any]


def standing_of(state: Any, names: Names) -> Json:
    """All of it."""
    return {
        "trading_state": trading_state_of(state),
        "accounts": accounts_of(state, names),
        "positions": positions_of(state, names),
        "open_orders": open_orders_of(state, names),
        "brackets": brackets_of(state, names),
        "breakers": breakers_of(state, names),
    }


def accounts_of(state: Any, names: Names) -> list[Json]:
    """Every account and its money."""
    return [
        _account(account, names, number) for number, account in enumerate(state.accounts) if int(account["defined"])
    ]


def _account(account: Any, names: Names, number: int) -> Json:
    name = names.account(number)
    text = _money(name.money_decimals)
    return {
        "account": number,
        "name": name.name,
        "currency": name.currency,
        "deposits": text(account["deposits_units"]),
        "realized_pnl": text(account["realized_units"]),
        "unrealized_pnl": text(account["unrealized_units"]),
        "fees": text(account["fees_units"]),
        "funding": text(account["funding_units"]),
        "equity": text(account["equity_units"]),
        "max_drawdown": text(account["max_drawdown_units"]),
    }


def positions_of(state: Any, names: Names) -> list[Json]:
    """Every position that is held or has ever been filled."""
    accounts, numbers = (index.tolist() for index in state.positions["fills"].nonzero())
    return [_position(state, names, account, number) for account, number in zip(accounts, numbers, strict=True)]


def _position(state: Any, names: Names, account: int, number: int) -> Json:
    position, instrument = state.positions[account, number], state.instruments[number]
    name, owner = names.instrument(number), names.account(account)
    text = _money(owner.money_decimals)
    lots = int(position["quantity_lots"])
    entry = None
    if lots:
        ticks_lots = int(position["cost_units"]) // int(instrument["tick_lot_units"])
        entry = amount_text(average_price(ticks_lots, lots, name.tick_size))
    return {
        "account": owner.name,
        "instrument": number,
        "symbol": name.symbol,
        "currency": owner.currency,
        "quantity": quantity_text(lots, name.lot_size),
        "entry_price": entry,
        "mark_price": quantity_text(
            int(instrument["long_mark_ticks"] if lots >= 0 else instrument["short_mark_ticks"]), name.tick_size
        ),
        "realized_pnl": text(position["realized_units"]),
        "unrealized_pnl": text(position["unrealized_units"]),
        "fees": text(position["fees_units"]),
        "funding": text(position["funding_units"]),
        "fills": int(position["fills"]),
        "trades": int(position["trades"]),
    }


def open_orders_of(state: Any, names: Names) -> list[Json]:
    """Every order that may still be filled, in the order of their numbers."""
    orders = sorted(state.orders[are_open(state.orders)], key=lambda order: int(order["order"]))
    return [_order(order, names) for order in orders]


def are_open(orders: Any) -> Any:
    """Which rows of the table are orders that may still be filled."""
    return np.isin(orders["status"], _OPEN)


def _order(order: Any, names: Names) -> Json:
    name = names.instrument(int(order["instrument"]))

    def price(ticks: Any) -> str | None:
        return quantity_text(int(ticks), name.tick_size) if ticks else None

    return {
        "order": int(order["order"]),
        "account": names.account(int(order["account"])).name,
        "symbol": name.symbol,
        "strategy": names.strategy(int(order["strategy"])),
        "status": OrderStatus(int(order["status"])).name.lower(),
        "role": OrderRole(int(order["order_role"])).name.lower(),
        "side": "buy" if order["side"] > 0 else "sell",
        "order_type": OrderType(int(order["order_type"])).name.lower(),
        "time_in_force": TimeInForce(int(order["time_in_force"])).name.lower(),
        "quantity": quantity_text(int(order["quantity_lots"]), name.lot_size),
        "filled": quantity_text(int(order["filled_lots"]), name.lot_size),
        "limit_price": price(order["limit_ticks"]),
        "trigger_price": price(order["trigger_ticks"]),
        "placed": time_text(int(order["placed_ts_ns"])),
        "placed_seq": int(order["placed_seq"]),
    }


def trading_state_of(state: Any) -> str:
    return TradingState(int(state["trading_state"])).name.lower()


def brackets_of(state: Any, names: Names) -> list[Json]:
    """Every bracket and group that is not closed, in the order they were opened."""
    live = (BracketStatus.WAITING, BracketStatus.OPEN, BracketStatus.CLOSING)
    rows = sorted((row for row in state.brackets if int(row["status"]) in live), key=lambda row: int(row["number"]))
    return [_bracket(row, names) for row in rows]


def _bracket(row: Any, names: Names) -> Json:
    name = names.instrument(int(row["instrument"]))
    targets = [leg for leg in row["legs"] if int(leg["order_role"]) == OrderRole.TARGET]
    return {
        "bracket": int(row["number"]),
        "kind": GroupKind(int(row["group_kind"])).name.lower(),
        "symbol": name.symbol,
        "strategy": names.strategy(int(row["strategy"])),
        "status": BracketStatus(int(row["status"])).name.lower(),
        "side": "buy" if row["side"] > 0 else "sell",
        "held": quantity_text(int(row["entered_lots"] - row["exited_lots"]), name.lot_size),
        "entry_price": quantity_text(int(row["entry_ticks"]), name.tick_size) if row["entry_ticks"] else None,
        "stop_price": quantity_text(int(row["stop_ticks"]), name.tick_size) if row["stop_ticks"] else None,
        "targets": [quantity_text(int(leg["limit_ticks"]), name.tick_size) for leg in targets if leg["limit_ticks"]],
        "opened": time_text(int(row["opened_ts_ns"])) if row["opened_ts_ns"] else None,
    }


def breakers_of(state: Any, names: Names) -> list[Json]:
    """Every breaker that is defined."""
    return [_breaker(row, number, names) for number, row in enumerate(state.breakers) if int(row["status"])]


def _breaker(row: Any, number: int, names: Names) -> Json:
    return {
        "name": names.breaker(number),
        "condition": Condition(int(row["condition"])).name.lower(),
        "status": BreakerStatus(int(row["status"])).name.lower(),
        "limit": figure_text(int(row["condition"]), int(row["limit"]), names),
        "observed": figure_text(int(row["condition"]), int(row["observed"]), names) if row["trips"] else None,
        "trips": int(row["trips"]),
        "tripped": time_text(int(row["tripped_ts_ns"])) if row["trips"] else None,
    }


def _money(decimals: int) -> Callable[[Any], str]:
    return lambda units: money_text(int(units), decimals)
