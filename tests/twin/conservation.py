"""What must hold of a state after every event, whatever happened: read from the engine's state and decisions alone."""

from collections import Counter
from typing import Any

from engine import orders as engine_orders
from engine.brackets.leftovers import LEFTOVER
from engine.kinds import (
    BracketStatus,
    DecisionKind,
    EventKind,
    FillFlag,
    GroupKind,
    OrderFlag,
    OrderRole,
    OrderStatus,
    TradingState,
)
from tests.support import from_python
from tests.twin.machine import Machine, Reading

find_row = from_python(engine_orders.find_row)

# PENDING, SENT, ACCEPTED, PARTIALLY_FILLED, PENDING_CANCEL, UNKNOWN, HELD
OPEN = frozenset({1, 2, 3, 4, 6, 10, 11})
# What the exchange has answered, and nothing is asked of it.
SETTLED = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.HELD})
LEGS = (OrderRole.STOP, OrderRole.TARGET)
_GONE = (BracketStatus.NONE, BracketStatus.CLOSED)
# At the exchange: a cancel of one may have been refused.
_KNOWN = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN})
# What somebody asks for, and when an account is rebalanced towards its targets.
_ASKS = frozenset({EventKind.SIGNAL, EventKind.ORDER_REQUESTED})
_OCCASIONS = frozenset({EventKind.SIGNAL, EventKind.TIMER, EventKind.ORDER_FILLED})
# What closes without being asked: breakers, and alerts of lots that no bracket holds any more.
_CLOSERS = frozenset({DecisionKind.BREAKER_TRIPPED, DecisionKind.ALERT})
_MONEY = ("cost_units", "realized_units", "fees_units", "funding_units", "unrealized_units")

Row = dict[str, Any]
# An account, and an instrument.
Place = tuple[int, int]


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
    """Follows what happens from event to event, for what must hold of a step and not of a state alone."""

    def __init__(self) -> None:
        self.trading_state = int(TradingState.ACTIVE)
        self.placed = 0
        self.fills = 0
        self.held_lots: dict[Place, int] = {}
        # What gone brackets have left of each instrument.
        self.left_lots: list[int] = []
        # What fills have brought to each account, less their fees.
        self.cash_units: Counter[int] = Counter()

    def check(self, event: Row, decisions: list[Row], reading: Reading) -> None:
        """After an event: `check`, and that nobody ordered what nobody asked for, or what must not be ordered now."""
        placed = [decision for decision in decisions if decision["kind"] == DecisionKind.PLACE_ORDER]
        check(reading, index_too=bool(placed))
        state = reading.state
        self.placed += len(placed)
        if event["kind"] == EventKind.ORDER_ADOPTED:
            # It has a number already, and those before it are taken.
            self.placed = max(self.placed, int(state.orders_placed))
        assert self.placed == int(state.orders_placed), "an order without a command"
        self._check_money(event, reading)
        before, self.trading_state = self.trading_state, int(state.trading_state)
        held_before, self.held_lots = self.held_lots, _held(reading)
        left_before = self.left_lots
        self.left_lots = [row["leftover_lots"] for row in reading.rows("instruments")]
        if not placed:
            return
        assert not state.fault, "an order of a faulty engine"
        orders = {row["order"]: row for row in reading.rows("orders")}
        closes = any(decision["kind"] in _CLOSERS for decision in decisions)
        for decision in placed:
            step = _Placed(reading, event["kind"], orders[decision["order"]], held_before)
            step.check_intent(closes)
            step.check_leftovers(left_before, self.left_lots)
            step.check_flags()
            assert not step.opens or before == self.trading_state == TradingState.ACTIVE, "an entry while it must not"

    def _check_money(self, event: Row, reading: Reading) -> None:
        """An account has what was paid in, what fills brought and what is held is worth; nothing else."""
        fills, self.fills = self.fills, int(reading.state.fills)
        if self.fills != fills:
            unit = reading.rows("instruments")[event["instrument"]]["tick_lot_units"]
            side = -1 if event["fill_flags"] & FillFlag.SELL else 1
            fee = 0 if event["fill_flags"] & FillFlag.FEE_IN_BASE else event["fee"]
            self.cash_units[event["account"]] -= side * event["quantity_lots"] * event["price_ticks"] * unit + fee
        if reading.state.fault:
            return
        for number, account in enumerate(reading.rows("accounts")):
            cash = account["deposits_units"] + account["funding_units"] + self.cash_units[number]
            worth = account["long_units"] - account["short_units"]
            assert account["equity_units"] == cash + worth, "money from nowhere"


def _held(reading: Reading) -> dict[Place, int]:
    positions = enumerate(reading.grid("positions"))
    return {(account, number): row["quantity_lots"] for account, rows in positions for number, row in enumerate(rows)}


class _Placed:
    """An order that an event led to."""

    def __init__(self, reading: Reading, event_kind: int, order: Row, held_before: dict[Place, int]) -> None:
        self.event_kind, self.order, self.role = event_kind, order, order["order_role"]
        slot, number = order["bracket_slot"], order["instrument"]
        self.closes_leftovers = slot == LEFTOVER
        self.row = reading.rows("brackets")[slot - 1] if slot > 0 else None
        self.instrument = reading.rows("instruments")[number]
        # What is due is ordered before the event is booked.
        place = order["account"], number
        self.reducible_lots = max(-order["side"] * held.get(place, 0) for held in (held_before, _held(reading)))
        self.reduces = bool(order["order_flags"] & OrderFlag.REDUCE_ONLY)
        self.opens = self.role in (OrderRole.ENTRY, OrderRole.GROUPED) and not self.reduces

    def check_intent(self, closes: bool) -> None:
        """Entries are asked for, or follow a target; legs have a bracket; exits a bracket that closes, or a closer."""
        follows = self.instrument["target_set"] and self.event_kind in _OCCASIONS
        if self.role == OrderRole.ENTRY:
            assert self.event_kind in _ASKS or follows, "an entry without an intent"
        elif self.role == OrderRole.GROUPED:
            grows = self.row is not None and self.row["group_kind"] == GroupKind.OTO
            assert self.event_kind == EventKind.ORDER_REQUESTED or grows, "a member without a request"
        elif self.role in LEGS:
            assert self.row is not None, "a leg without a bracket"
            assert self.row["status"] == BracketStatus.OPEN or self.order["cancel_asked"], "a leg of what is closed"
            assert self.order["side"] == -self.row["side"], "a leg that would increase"
            assert self.order["quantity_lots"] <= self.row["entered_lots"], "a leg without a position"
        elif self.row is not None:
            assert self.row["status"] == BracketStatus.CLOSING, "an exit of a bracket that does not close"
        elif not self.closes_leftovers:
            asked = self.event_kind in _ASKS or self.event_kind == EventKind.OPERATOR_COMMAND
            assert asked or follows or closes, "an exit without an intent"

    def check_leftovers(self, *left_lots: list[int]) -> None:
        """What is due is ordered before the event is booked, as with what is reduce-only."""
        if self.closes_leftovers:
            number, side = self.order["instrument"], self.order["side"]
            most = max(-side * lots[number] for lots in left_lots if lots)
            assert self.order["quantity_lots"] <= most, "an exit of leftovers that are not there"

    def check_flags(self) -> None:
        """What is reduce-only reduces; of members of OTO that is asked when they grow."""
        if self.role in LEGS:
            assert self.reduces, "a leg that may increase"
        if self.reduces and self.role == OrderRole.EXIT:
            assert self.order["quantity_lots"] <= self.reducible_lots, "a reduce-only order that increases"


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
        assert find_row(state, orders[slot - 1]["order"]) == slot, "an order that the index does not find"


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
    for order in orders:
        if order["status"] in OPEN and order["order_role"] in LEGS:
            assert order["bracket_slot"] in live, "a leg without a bracket"
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
    """The legs of a live bracket are there for what was entered, on the other side, and go when nothing is held."""
    if row["group_kind"] != GroupKind.BRACKET:
        return
    legs = [order for order in orders if order["order"] and order["bracket_slot"] == slot and order["status"] in OPEN]
    for leg in (order for order in legs if order["order_role"] in LEGS):
        assert leg["order"] > row["entry_order"], "a leg of another bracket"
        assert row["entered_lots"] > 0, "a leg without an entry"
        assert leg["side"] == -row["side"], "a leg that would increase"
        gone = row["status"] == BracketStatus.CLOSING
        assert not gone or leg["cancel_asked"] or leg["status"] in _KNOWN, "a leg without a position"


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
        parts.append(instrument["leftover_lots"])
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
