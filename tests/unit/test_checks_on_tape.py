"""Rules that are set on the tape, and signals that meet them there."""

from typing import Any

from engine.kinds import AccountKind, Action, DecisionKind, EventKind, Setting
from engine.reasons import Reason
from engine.rules import ACCOUNT, BOOK, INSTRUMENT
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, Machine

SECOND_NS = 1_000_000_000
BID, ASK, UNIT = 100, 102, 10


def machine_with(*rules: tuple[Any, str, int]) -> Machine:
    """Margin account 1 with 50,000 units, instrument 2 that costs a tenth, strategy 1 that orders ten lots."""
    machine = Machine(SMALL_LIMITS)
    where = {"instrument": 2, "account": 1}
    change = EventKind.CONFIGURATION_CHANGED
    machine.tell(
        event(EventKind.ACCOUNT_DEFINED, SECOND_NS, account=1, account_kind=AccountKind.MARGIN),
        event(EventKind.CASH_MOVED, SECOND_NS, account=1, amount_units=50_000),
        event(EventKind.INSTRUMENT_DEFINED, SECOND_NS, tick_lot_units=UNIT, quantity_step_lots=1, **where),
        event(EventKind.INSTRUMENT_TERMS_DEFINED, SECOND_NS, margin_initial_ppm=100_000, **where),
        event(EventKind.STRATEGY_DEFINED, SECOND_NS, source=1),
        event(change, SECOND_NS, setting=Setting.ORDER_QUANTITY_LOTS, value=10, **where),
        event(change, SECOND_NS, setting=Setting.SHORT_ALLOWED, value=1, **where),
        *(event(change, SECOND_NS, setting=table.number(name), value=value, **where) for table, name, value in rules),
        event(EventKind.QUOTE, SECOND_NS, bid_ticks=BID, ask_ticks=ASK, **where),
    )
    assert machine.state.events_refused == 0
    return machine


def refusals(machine: Machine, *events: dict[str, int]) -> list[tuple[int, int, int]]:
    """(reason, limit, observed) of each refusal that these events lead to."""
    said = [item for item in machine.tell(*events) if item["kind"] == DecisionKind.REFUSAL]
    return [(Reason(item["reason"]), item.get("limit", 0), item.get("observed", 0)) for item in said]


def signal(action: int, seconds: int = 1, **fields: int) -> dict[str, int]:
    return event(EventKind.SIGNAL, seconds * SECOND_NS, instrument=2, source=1, action=action, **fields)


def test_a_limit_changed_on_the_tape_counts_from_there_on() -> None:
    machine = machine_with((INSTRUMENT, "position_max_lots", 9))
    over = (Reason.POSITION_QUANTITY_MAX, 9, 10)
    assert refusals(machine, signal(Action.BUY, quantity_lots=10)) == [over]
    rule = INSTRUMENT.number("position_max_lots")
    raised = event(EventKind.CONFIGURATION_CHANGED, SECOND_NS, instrument=2, setting=rule, value=10)
    assert refusals(machine, raised, signal(Action.BUY, quantity_lots=10)) == []
    assert machine.state.orders_open == 1


def test_an_entry_that_was_placed_is_counted() -> None:
    machine = machine_with(
        (INSTRUMENT, "cooldown_ns", 60 * SECOND_NS),
        (INSTRUMENT, "entries_per_day_max", 2),
        (BOOK, "order_rate", 10),
        (BOOK, "order_rate_window_ns", 10 * SECOND_NS),
    )
    assert refusals(machine, signal(Action.BUY, quantity_lots=1)) == []
    cold = (Reason.COOLDOWN, 60 * SECOND_NS, 59 * SECOND_NS)
    assert refusals(machine, signal(Action.BUY, 60, quantity_lots=2)) == [cold]
    assert refusals(machine, signal(Action.BUY, 61, quantity_lots=2)) == []
    most = (Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX, 2, 2)
    assert refusals(machine, signal(Action.BUY, 200, quantity_lots=3)) == [most]
    assert machine.state.order_rate_full_ts_ns == 62 * SECOND_NS


def test_funds_are_checked_with_what_is_on_its_way() -> None:
    machine = machine_with((ACCOUNT, "funds_checked", 1))
    # A lot costs 1,020 at the ask and a tenth of that in margin: 490 of them.
    assert refusals(machine, signal(Action.BUY, quantity_lots=400)) == []
    more = signal(Action.BUY, quantity_lots=500)
    # The 400 on order are worth 1,000 each at the bid.
    assert refusals(machine, more) == [(Reason.FUNDS_INSUFFICIENT, 50_000, 40_000 + 10_200)]
    assert refusals(machine, signal(Action.BUY, quantity_lots=498)) == []


def test_the_part_of_an_order_that_only_closes_passes_no_check() -> None:
    machine = machine_with((INSTRUMENT, "order_quantity_max_lots", 6))
    held = event(
        EventKind.ORDER_FILLED, SECOND_NS, instrument=2, account=1, quantity_lots=20, price_ticks=100, trade_id=1
    )
    assert refusals(machine, held, signal(Action.BUY, quantity_lots=5)) == []
    assert machine.order(1).side * machine.order(1).quantity_lots == -15
    over = (Reason.ORDER_QUANTITY_MAX, 6, 7)
    assert refusals(machine, signal(Action.SELL, quantity_lots=7)) == [over]
