"""What must hold of a state after every event, whatever happened: read from the engine's state alone."""

from typing import Any

from engine import orders as engine_orders
from tests.support import from_python
from tests.twin.machine import Machine

find_order = from_python(engine_orders.find_order)

# PENDING, SENT, ACCEPTED, PARTIALLY_FILLED, PENDING_CANCEL, UNKNOWN
OPEN = frozenset({1, 2, 3, 4, 6, 10})


def check(machine: Machine) -> None:
    """Money and slots are conserved: nothing is lost, nothing is counted twice."""
    state = machine.state
    accounts = machine.rows("accounts")
    positions = [[dict(zip(row.dtype.names, item, strict=True)) for item in row.tolist()] for row in state["positions"]]
    orders = machine.rows("orders")
    for number, account in enumerate(accounts):
        _check_account(account, positions[number], bool(state.fault))
    _check_open_lots(orders, positions)
    _check_slots(state, orders)
    _check_links(machine.rows("instruments"), orders, int(state.orders_open))
    for order in orders:
        if order["order"]:
            assert machine.state.strategies[order["strategy"]].signals > 0, "an order without a signal"
    held = [
        sum(1 << account for account in range(len(positions)) if positions[account][number]["quantity_lots"])
        for number in range(len(positions[0]))
    ]
    assert held == [row["holders"] for row in machine.rows("instruments")]


def _check_account(account: dict[str, Any], positions: list[dict[str, Any]], faulted: bool) -> None:
    for name in ("cost_units", "realized_units", "fees_units", "funding_units", "unrealized_units"):
        assert account[name] == sum(position[name] for position in positions), name
    if faulted:
        return
    gained = account["realized_units"] - account["fees_units"] + account["funding_units"]
    equity = account["deposits_units"] + gained + account["unrealized_units"]
    assert account["equity_units"] == equity
    assert account["peak_equity_units"] >= equity
    assert account["max_drawdown_units"] >= account["peak_equity_units"] - equity


def _check_open_lots(orders: list[dict[str, Any]], positions: list[list[dict[str, Any]]]) -> None:
    left: dict[tuple[int, int, int], int] = {}
    for order in orders:
        if order["status"] in OPEN:
            lots = order["quantity_lots"] - order["filled_lots"]
            assert lots >= 0
            key = (order["account"], order["instrument"], order["side"])
            left[key] = left.get(key, 0) + lots
    for account, row in enumerate(positions):
        for instrument, position in enumerate(row):
            assert position["open_buy_lots"] == left.get((account, instrument, 1), 0)
            assert position["open_sell_lots"] == left.get((account, instrument, -1), 0)


def _check_slots(state: Any, orders: list[dict[str, Any]]) -> None:
    capacity = len(orders)
    used, free, head = int(state.slots_used), int(state.free_count), int(state.free_head)
    used_slots = [slot for slot in range(1, capacity + 1) if orders[slot - 1]["order"]]
    closed = {slot for slot in used_slots if orders[slot - 1]["status"] not in OPEN}
    assert used_slots == list(range(1, used + 1)), "slots are taken in turn"
    assert used == int(state.orders_open) + free
    ring = [int(state.free_slots[(head + i) % capacity]) for i in range(free)]
    assert len(set(ring)) == free
    assert set(ring) == closed
    index = [slot for slot in state.order_slots.tolist() if slot]
    assert sorted(index) == used_slots
    for slot in used_slots:
        assert find_order(state, orders[slot - 1]["order"]) == slot, "an order that the index does not find"


def _check_links(instruments: list[dict[str, Any]], orders: list[dict[str, Any]], orders_open: int) -> None:
    linked = []
    for number, instrument in enumerate(instruments):
        slot, previous, count = instrument["first_order_slot"], 0, 0
        while slot:
            order = orders[slot - 1]
            assert order["status"] in OPEN
            assert order["instrument"] == number
            assert order["previous_slot"] == previous
            linked.append(slot)
            assert len(linked) <= len(orders), "a list of orders runs in a circle"
            slot, previous, count = order["next_slot"], slot, count + 1
        assert count == instrument["open_orders"]
    assert sorted(linked) == [slot for slot, order in enumerate(orders, 1) if order["status"] in OPEN]
    assert len(linked) == orders_open
