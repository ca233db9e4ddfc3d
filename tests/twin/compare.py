"""Whether the engine's state says what the twin says, field by field."""

from collections.abc import Mapping
from typing import Any

from tests.twin.engine import Instrument, Strategy, Twin
from tests.twin.ledger import Account, Position
from tests.twin.machine import Machine

# Only in the engine: what its tables are made of.
_COUNTS = (
    "orders_placed",
    "refusals",
    "events_refused",
    "last_refused_seq",
    "last_refused_reason",
    "fills",
    "fills_early",
    "fills_late",
    "fills_duplicate",
    "fills_excess",
    "fills_orphan",
    "connections_lost",
    "requests_failed",
    "reports_orphan",
)


def _same(what: str, engine: Mapping[str, Any], twin: Mapping[str, Any]) -> None:
    differing = {
        name: (engine.get(name), twin.get(name)) for name in twin if int(engine.get(name, 0)) != int(twin[name])
    }
    assert not differing, f"{what}: engine and twin differ in {differing}"


def compare(machine: Machine, twin: Twin) -> None:
    """Every account, position, instrument, strategy, order and counter."""
    state = machine.state
    _same("state", {name: int(state[name]) for name in state.dtype.names[:26]}, _counters(twin))
    for number, row in enumerate(machine.rows("accounts")):
        _same(f"account {number}", row, vars(twin.ledger.accounts.get(number, Account())))
    for number, row in enumerate(machine.rows("instruments")):
        expected = vars(twin.instruments.get(number, Instrument())) | {"open_orders": len(twin.orders.open(number))}
        _same(f"instrument {number}", row, expected)
    for number, row in enumerate(machine.rows("strategies")):
        open_orders = sum(order.strategy == number for order in twin.orders.open())
        _same(f"strategy {number}", row, vars(twin.strategies.get(number, Strategy())) | {"orders_open": open_orders})
    _compare_positions(machine, twin)
    found = {row["order"]: row for row in machine.rows("orders") if row["order"]}
    assert found.keys() == twin.orders.known.keys()
    for number, order in twin.orders.known.items():
        _same(f"order {number}", found[number], vars(order))


def _counters(twin: Twin) -> dict[str, int]:
    return {name: twin.counts.get(name, 0) for name in _COUNTS} | {
        "seq": twin.seq,
        "ts_ns": twin.ts_ns,
        "fault": 0,
        "trading_state": twin.trading_state,
        "orders_open": len(twin.orders.open()),
        "transitions_refused": twin.orders.transitions_refused,
        "instruments_defined": len(twin.instruments),
        "accounts_defined": len(twin.ledger.accounts),
    }


def _compare_positions(machine: Machine, twin: Twin) -> None:
    rows = machine.state["positions"]
    for account in range(machine.limits.accounts):
        for instrument in range(machine.limits.instruments):
            expected = vars(twin.ledger.positions.get((account, instrument), Position())).copy()
            for side, name in ((1, "open_buy_lots"), (-1, "open_sell_lots")):
                orders = twin.orders.open(instrument)
                expected[name] = sum(o.left_lots for o in orders if o.account == account and o.side == side)
            row = dict(zip(rows.dtype.names, rows[account, instrument].tolist(), strict=True))
            _same(f"position {account}/{instrument}", row, expected)
