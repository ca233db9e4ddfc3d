"""What must hold of a state after every event, whatever happened: read from the engine's state and decisions alone."""

from typing import Any

from engine import orders as engine_orders
from engine.kinds import (
    BracketStatus,
    DecisionKind,
    EventKind,
    GroupKind,
    OrderFlag,
    OrderRole,
    OrderStatus,
    TradingState,
)
from tests.support import from_python
from tests.twin.machine import Machine, Reading

find_order = from_python(engine_orders.find_order)

# PENDING, SENT, ACCEPTED, PARTIALLY_FILLED, PENDING_CANCEL, UNKNOWN, HELD
OPEN = frozenset({1, 2, 3, 4, 6, 10, 11})
# What the exchange has answered, and nothing is asked of it.
SETTLED = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.HELD})
LEGS = (OrderRole.STOP, OrderRole.TARGET)
_GONE = (BracketStatus.NONE, BracketStatus.CLOSED)
# What may lead to an order that opens: what somebody asked for, and what follows a target.
_ASKS = frozenset({EventKind.SIGNAL, EventKind.ORDER_REQUESTED, EventKind.TIMER, EventKind.ORDER_FILLED})
_MONEY = ("cost_units", "realized_units", "fees_units", "funding_units", "unrealized_units")

Row = dict[str, Any]


def check(machine: Machine | Reading, index_too: bool = True) -> None:
    """Money, slots and rows are conserved: nothing is lost, nothing is counted twice."""
    state = machine.state
    accounts = machine.rows("accounts")
    positions = machine.grid("positions")
    orders = machine.rows("orders")
    for number, account in enumerate(accounts):
        _check_account(account, positions[number], bool(state.fault))
    _check_open_lots(orders, positions)
    _check_slots(state, orders)
    if index_too:
        _check_index(state, orders)
    _check_links(machine.rows("instruments"), orders, int(state.orders_open))
    _check_rows(machine, orders, positions)
    _check_strategies(machine)
    held = [
        sum(1 << account for account in range(len(positions)) if positions[account][number]["quantity_lots"])
        for number in range(len(positions[0]))
    ]
    assert held == [row["holders"] for row in machine.rows("instruments")]


class Watch:
    """Follows a machine from event to event, for what must hold of a step and not of a state alone."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.halted = False
        self.placed = 0

    def check(self, event: Row, decisions: list[Row], reading: Reading | None = None) -> None:
        """After an event: `check`, and that nobody ordered what nobody asked for."""
        reading = reading or Reading(self.machine)
        check(reading, index_too=any(decision["kind"] == DecisionKind.PLACE_ORDER for decision in decisions))
        orders = {row["order"]: row for row in reading.rows("orders")}
        for decision in decisions:
            if decision["kind"] == DecisionKind.PLACE_ORDER:
                self.placed += 1
                self._check_placed(event, orders.get(decision["order"]), decision)
        state = reading.state
        assert self.placed == int(state.orders_placed), "an order without a command"
        self.halted = bool(state.fault) or int(state.trading_state) == TradingState.HALTED

    def _check_placed(self, event: Row, order: Row | None, decision: Row) -> None:
        if order is None:
            return
        opens = order["order_role"] == OrderRole.ENTRY
        opens = opens or (order["order_role"] == OrderRole.GROUPED and event["kind"] == EventKind.ORDER_REQUESTED)
        opens = opens and not order["order_flags"] & OrderFlag.REDUCE_ONLY
        if opens:
            assert event["kind"] in _ASKS, "an entry without an intent"
            assert not self.halted, "an entry while trading is halted"
        if order["order_role"] in LEGS:
            assert order["bracket_slot"] > 0, "a leg without a bracket"
            assert order["order_flags"] & OrderFlag.REDUCE_ONLY, "a leg that could increase"


def _check_account(account: Row, positions: list[Row], faulted: bool) -> None:
    for name in _MONEY:
        assert account[name] == sum(position[name] for position in positions), name
    if faulted:
        return
    gained = account["realized_units"] - account["fees_units"] + account["funding_units"]
    equity = account["deposits_units"] + gained + account["unrealized_units"]
    assert account["equity_units"] == equity
    assert account["peak_equity_units"] >= equity
    assert account["guard_peak_units"] >= equity
    assert account["max_drawdown_units"] >= account["peak_equity_units"] - equity
    assert account["long_units"] == sum(max(position["worth_units"], 0) for position in positions)
    assert account["short_units"] == sum(max(-position["worth_units"], 0) for position in positions)
    for name in ("trades", "trades_won", "profit_units", "loss_units"):
        assert account[name] == sum(position[name] for position in positions), name


def _check_strategies(machine: Machine | Reading) -> None:
    """A strategy has what its parts of the instruments have together."""
    pairs = machine.grid("pairs")
    for number, strategy in enumerate(machine.rows("strategies")):
        for name in ("realized_units", "fees_units", "trades", "trades_won", "profit_units", "loss_units"):
            assert strategy[name] == sum(pair[name] for pair in pairs[number]), f"{name} of strategy {number}"


def _check_open_lots(orders: list[Row], positions: list[list[Row]]) -> None:
    left: dict[tuple[int, int, str], int] = {}
    for order in orders:
        if order["status"] in OPEN:
            lots = order["quantity_lots"] - order["filled_lots"]
            assert lots >= 0
            side = "buy" if order["side"] > 0 else "sell"
            for what in _counted_as(order["order_role"]):
                key = (order["account"], order["instrument"], f"{what}_{side}_lots")
                left[key] = left.get(key, 0) + lots
    for account, row in enumerate(positions):
        for instrument, position in enumerate(row):
            for what in ("open", "leg", "grouped"):
                for side in ("buy", "sell"):
                    name = f"{what}_{side}_lots"
                    assert position[name] == left.get((account, instrument, name), 0), name


def _counted_as(role: int) -> tuple[str, ...]:
    if role == OrderRole.GROUPED:
        return "leg", "grouped"
    return ("leg",) if role in LEGS else ("open",)


def _check_slots(state: Any, orders: list[Row]) -> None:
    capacity = len(orders)
    used, free, head = int(state.slots_used), int(state.free_count), int(state.free_head)
    used_slots = [slot for slot in range(1, capacity + 1) if orders[slot - 1]["order"]]
    closed = {slot for slot in used_slots if orders[slot - 1]["status"] not in OPEN}
    assert used_slots == list(range(1, used + 1)), "slots are taken in turn"
    assert used == int(state.orders_open) + free
    ring = [int(state.free_slots[(head + i) % capacity]) for i in range(free)]
    assert len(set(ring)) == free
    assert set(ring) == closed


def _check_index(state: Any, orders: list[Row]) -> None:
    used_slots = [slot for slot, order in enumerate(orders, 1) if order["order"]]
    index = [slot for slot in state.order_slots.tolist() if slot]
    assert sorted(index) == used_slots
    for slot in used_slots:
        assert find_order(state, orders[slot - 1]["order"]) == slot, "an order that the index does not find"


def _check_links(instruments: list[Row], orders: list[Row], orders_open: int) -> None:
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


# Brackets


def _check_rows(machine: Machine, orders: list[Row], positions: list[list[Row]]) -> None:
    state, rows = machine.state, machine.rows("brackets")
    live = [slot for slot, row in enumerate(rows, 1) if row["status"] not in _GONE]
    assert int(state.brackets_open) == len(live)
    assert int(state.bracket_slots_used) == len(live) + int(state.bracket_free_count)
    _check_free_rows(state, rows)
    linked = []
    for number, instrument in enumerate(machine.rows("instruments")):
        linked += _rows_of(number, instrument, rows)
    assert sorted(linked) == live
    for slot in live:
        _check_row(slot, rows[slot - 1], orders)
    _check_legs(machine, rows, orders, positions)


def _check_free_rows(state: Any, rows: list[Row]) -> None:
    head, count = int(state.bracket_free_head), int(state.bracket_free_count)
    ring = [int(state.bracket_free_slots[(head + i) % len(rows)]) for i in range(count)]
    assert sorted(ring) == [slot for slot, row in enumerate(rows, 1) if row["status"] == BracketStatus.CLOSED]


def _rows_of(number: int, instrument: Row, rows: list[Row]) -> list[int]:
    """The slots in an instrument's list of rows."""
    slot, previous, found = instrument["first_bracket_slot"], 0, []
    while slot:
        row = rows[slot - 1]
        assert row["instrument"] == number
        assert row["previous_slot"] == previous
        found.append(slot)
        assert len(found) <= len(rows), "a list of brackets runs in a circle"
        slot, previous = row["next_slot"], slot
    assert len(found) == instrument["open_brackets"]
    return found


def _check_row(slot: int, row: Row, orders: list[Row]) -> None:
    """A live row waits for something: an order, or room for one. Its legs are there for what was entered."""
    ours = [order for order in orders if order["order"] and order["bracket_slot"] == slot and order["status"] in OPEN]
    if row["group_kind"] == GroupKind.BRACKET:
        legs = [order for order in ours if order["order_role"] in LEGS]
        assert row["entered_lots"] > 0 or not legs, "a leg without an entry"
        for leg in legs:
            assert leg["side"] == -row["side"], "a leg that would increase"


def _check_legs(machine: Machine | Reading, rows: list[Row], orders: list[Row], positions: list[list[Row]]) -> None:
    """Where nothing is under way or was refused, stops are together no more than the position, and so are targets."""
    for number, instrument in enumerate(machine.rows("instruments")):
        ours = [order for order in orders if order["status"] in OPEN and order["instrument"] == number]
        legs = [order for order in ours if order["order_role"] in LEGS]
        under_way = any(order["status"] not in SETTLED or order["amending"] for order in ours)
        if under_way or instrument["brackets_retry"] or not _as_asked(legs):
            continue
        held = positions[instrument["account"]][number]["quantity_lots"]
        # Closed brackets leave less than a step each, until the next fill.
        spare = len(rows) * (instrument["quantity_step_lots"] - 1)
        parts = [row["side"] * (row["entered_lots"] - row["exited_lots"]) for row in _live(rows, number)]
        for side in (1, -1):
            # What is held the other way, and what was closed too much, is on order to be undone.
            owed = sum(max(side * part, 0) for part in parts)
            for role in LEGS:
                lots = sum(
                    order["quantity_lots"] - order["filled_lots"]
                    for order in legs
                    if order["side"] == side and order["order_role"] == role
                )
                assert lots <= max(owed + spare - side * held, 0), "legs that could turn the position around"


def _live(rows: list[Row], number: int) -> list[Row]:
    """The live brackets of an instrument."""
    brackets = [row for row in rows if row["group_kind"] == GroupKind.BRACKET and row["instrument"] == number]
    return [row for row in brackets if row["status"] not in _GONE]


def _as_asked(legs: list[Row]) -> bool:
    """Whether the exchange has the terms that it was last asked for; it may have refused them."""
    return all(leg["asked_lots"] in (0, leg["quantity_lots"]) for leg in legs)
