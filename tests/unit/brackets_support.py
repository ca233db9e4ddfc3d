"""A machine with one bracketed instrument, and the words of a tape about it."""

from typing import Any

from engine.brackets.leftovers import LEFTOVER
from engine.kinds import (
    Action,
    BracketChange,
    BracketStatus,
    DecisionKind,
    Distance,
    EventKind,
    FillFlag,
    OperatorAction,
    OrderFlag,
    OrderRole,
    OrderStatus,
    OrderType,
    Setting,
)
from engine.reasons import Reason
from engine.rules import INSTRUMENT, TARGET
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, Machine

LIMITS = SMALL_LIMITS
OPEN = {int(s) for s in OrderStatus} - {0, 5, 7, 8, 9}
Said = tuple[Any, ...]


def rule(name: str, value: int, instrument: int = 2) -> dict[str, int]:
    return event(EventKind.CONFIGURATION_CHANGED, instrument=instrument, setting=INSTRUMENT.number(name), value=value)


def target(row: int, distance: Distance, value: int, share_ppm: int = 1_000_000) -> list[dict[str, int]]:
    """One configured target of instrument 2."""
    terms = {"target_distance": distance, "target_value": value, "target_share_ppm": share_ppm}
    change = EventKind.CONFIGURATION_CHANGED
    return [
        event(change, instrument=2, row=row, setting=TARGET.number(name), value=value) for name, value in terms.items()
    ]


def quote(bid: int, ask: int | None = None, ts_ns: int = 0) -> dict[str, int]:
    ask = bid + 2 if ask is None else ask
    return event(EventKind.QUOTE, ts_ns, instrument=2, bid_ticks=bid, ask_ticks=ask)


def signal(action: int, lots: int = 0, **fields: int) -> dict[str, int]:
    return event(EventKind.SIGNAL, action=action, **{"instrument": 2, "source": 1, "quantity_lots": lots} | fields)


def fill(order: int, lots: int, price: int = 1000, side: int = 1, ts_ns: int = 0, **fields: int) -> dict[str, int]:
    where = {"instrument": 2, "account": 1, "order": order}
    flags = fields.pop("fill_flags", 0) | (FillFlag.SELL if side < 0 else 0)
    return event(
        EventKind.ORDER_FILLED, ts_ns, quantity_lots=lots, price_ticks=price, fill_flags=flags, **where, **fields
    )


def report(kind: EventKind, order: int, **fields: int) -> dict[str, int]:
    return event(kind, order=order, instrument=2, account=1, **fields)


def accepted(order: int) -> dict[str, int]:
    return report(EventKind.ORDER_ACCEPTED, order)


def canceled(order: int) -> dict[str, int]:
    return report(EventKind.ORDER_CANCELED, order)


def rejected(order: int) -> dict[str, int]:
    return report(EventKind.ORDER_REJECTED, order)


def refused(order: int) -> dict[str, int]:
    """A cancel or an amendment is refused."""
    return report(EventKind.CANCEL_REJECTED, order)


def amended(order: int, lots: int, price: int = 0) -> dict[str, int]:
    return report(EventKind.ORDER_AMENDED, order, quantity_lots=lots, price_ticks=price)


def unanswered(order: int) -> dict[str, int]:
    return report(EventKind.REQUEST_FAILED, order, failure=1)


def operator(action: OperatorAction) -> dict[str, int]:
    return event(EventKind.OPERATOR_COMMAND, operator_action=action, instrument=2, source=0)


def timer() -> dict[str, int]:
    return event(EventKind.TIMER)


def requested(lots: int, order_type: OrderType = OrderType.LIMIT, **fields: int) -> dict[str, int]:
    named = {"instrument": 2, "source": 1, "time_in_force": 1, "quantity_lots": lots, "order_type": int(order_type)}
    return event(EventKind.ORDER_REQUESTED, **named | fields)


def leave_room(machine: Machine, orders: int) -> Machine:
    """Have room for only so many open orders: the rest of the table is taken."""
    machine.state.slots_used = machine.limits.orders - orders
    return machine


def machine_ready(
    *settings: dict[str, int], limits: Any = LIMITS, step: int = 1, quotes: bool = True, **rules: int
) -> Machine:
    """Instrument 2 of account 1 at 1000 bid, 1002 ask, bracketed: a stop 50 ticks away, one target at 100 ticks."""
    machine = Machine(limits)
    change = EventKind.CONFIGURATION_CHANGED
    stop = {"bracketed": 1, "stop_distance": Distance.TICKS, "stop_value": 50, "entries_max": 9}
    machine.tell(
        event(EventKind.ACCOUNT_DEFINED, account=1, account_kind=1),
        event(EventKind.CASH_MOVED, account=1, amount_units=10_000_000),
        event(EventKind.INSTRUMENT_DEFINED, instrument=2, account=1, tick_lot_units=1, quantity_step_lots=step),
        event(EventKind.STRATEGY_DEFINED, source=1),
        event(EventKind.STRATEGY_DEFINED, source=2),
        event(change, instrument=2, setting=Setting.SHORT_ALLOWED, value=1),
        *[rule(name, value) for name, value in (stop | rules).items()],
        *(settings or target(0, Distance.TICKS, 100)),
        *[quote(1000, 1002)] * quotes,
    )
    return machine


def brief(decisions: list[dict[str, int]]) -> list[Said]:
    """What was decided, in few words; quantities are signed by their side."""
    return [_brief(item) for item in decisions]


def _brief(item: dict[str, int]) -> Said:
    kind = DecisionKind(item["kind"])
    order = item.get("order", 0)
    if kind in (DecisionKind.REFUSAL, DecisionKind.ALERT):
        said = "refuse" if kind == DecisionKind.REFUSAL else "alert"
        return (said, Reason(item["reason"]).name, item.get("limit", 0), item.get("observed", 0))
    if kind == DecisionKind.BRACKET_CHANGED:
        change = BracketChange(item["bracket_change"]).name
        return (change, item["bracket"], item.get("held_lots", 0), Reason(item.get("reason", 0)).name)
    flags = item.get("order_flags", 0)
    lots = item.get("quantity_lots", 0) * (-1 if flags & OrderFlag.SELL else 1)
    if kind == DecisionKind.CANCEL_ORDER:
        return ("cancel", order)
    price = item.get("trigger_ticks", 0) or item.get("limit_ticks", 0)
    if kind == DecisionKind.PLACE_ORDER:
        return ("place", order, OrderType(item["order_type"]).name, lots, price)
    if kind == DecisionKind.AMEND_ORDER:
        return ("amend", order, lots, price)
    if kind == DecisionKind.RELEASE_ORDER:
        return ("release", order, OrderType(item["order_type"]).name, lots, price)
    return (kind.name,)


def tell(machine: Machine, *events: dict[str, int]) -> list[Said]:
    """Apply these events; what was decided, in few words."""
    said = brief(machine.tell(*events))
    check(machine)
    return said


def entered(machine: Machine, lots: int = 10, side: int = 1, price: int = 1000) -> int:
    """Enter and fill a bracket whose legs the exchange has accepted; returns the number of its entry."""
    placed = machine.tell(signal(Action.BUY if side > 0 else Action.SELL, lots))
    (entry,) = [item["order"] for item in placed if item["kind"] == DecisionKind.PLACE_ORDER]
    legs = machine.tell(fill(entry, lots, price, side))
    for item in legs:
        if item["kind"] == DecisionKind.PLACE_ORDER and not item["order_flags"] & OrderFlag.HELD_BY_ENGINE:
            machine.tell(accepted(item["order"]))
    return entry


def row(machine: Machine, slot: int = 1) -> Any:
    return machine.state.brackets[slot - 1]


def status(machine: Machine, slot: int = 1) -> BracketStatus:
    return BracketStatus(int(row(machine, slot).status))


def lots_of(machine: Machine, role: OrderRole) -> list[tuple[int, int]]:
    """Number and lots left of the open orders of a role."""
    return [
        (int(order.order), int(order.quantity_lots - order.filled_lots))
        for order in machine.state.orders
        if order.status in OPEN and order.order_role == role
    ]


def check(machine: Machine) -> None:
    """What must hold of brackets after every event: lists, slots, and what they hold together."""
    state = machine.state
    live = {slot for slot in range(1, int(state.bracket_slots_used) + 1) if state.brackets[slot - 1].status != 4}
    assert len(live) == state.brackets_open
    assert state.bracket_slots_used - len(live) == state.bracket_free_count
    capacity = len(state.brackets)
    head, free = int(state.bracket_free_head), int(state.bracket_free_count)
    assert {int(state.bracket_free_slots[(head + i) % capacity]) for i in range(free)} | live == set(
        range(1, int(state.bracket_slots_used) + 1)
    )
    for number, instrument in enumerate(state.instruments):
        slots, slot, before = [], int(instrument.first_bracket_slot), 0
        while slot:
            assert state.brackets[slot - 1].previous_slot == before
            slots.append(slot)
            before, slot = slot, int(state.brackets[slot - 1].next_slot)
        assert {s for s in live if state.brackets[s - 1].instrument == number} == set(slots)
        assert instrument.open_brackets == len(slots)
        rows = [state.brackets[s - 1] for s in slots if state.brackets[s - 1].group_kind == 1]
        together = sum(int(r.side * (r.entered_lots - r.exited_lots)) for r in rows) + instrument.leftover_lots
        assert together == state.positions[instrument.account, number].bracket_lots
    orders = [order for order in state.orders if order.status in OPEN and order.bracket_slot]
    assert {int(order.bracket_slot) for order in orders} <= live | {LEFTOVER}
    for slot in live:
        exits = [o for o in orders if o.bracket_slot == slot and o.order_role == OrderRole.EXIT]
        left = {side: sum(int(o.quantity_lots - o.filled_lots) for o in exits if o.side == side) for side in (1, -1)}
        bracket = state.brackets[slot - 1]
        if bracket.group_kind == 1:
            assert left[-int(bracket.side)] == bracket.exiting_lots
            assert left[int(bracket.side)] == bracket.repairing_lots
