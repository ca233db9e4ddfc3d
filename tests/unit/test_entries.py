"""Entries with a size or a bracket of their own: one more, in the other direction, and refused."""

import pytest

from engine import rules
from engine.kinds import Action, BracketStatus, DecisionKind, EventKind, OrderFlag, OrderRole, OrderStatus, SizeLimit
from engine.reasons import Reason
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, Machine
from tests.unit.risk_support import (
    buy,
    fill,
    instrument_rules,
    lots_of,
    machine_with,
    only,
    refusals_of,
    rule,
    sell,
    signal,
)

AMOUNT = 1_020


def ready(*events: dict[str, int], short_allowed: int = 1, **values: int) -> Machine:
    """Entries worth 1,020 units: ten lots at the ask of 102, or at the bid of 100."""
    given = instrument_rules(sizing_method=1, amount_units=AMOUNT, **values)
    return machine_with(*given, *events, short_allowed=short_allowed)


def cancelled(order: int) -> dict[str, int]:
    return event(EventKind.ORDER_CANCELED, order=order, instrument=1, account=1)


def test_an_entry_is_not_repeated_while_it_is_under_way() -> None:
    machine = ready()
    assert lots_of(machine.tell(buy())) == [10]
    assert refusals_of(machine.tell(buy())) == [(Reason.ENTRIES_MAX, 1, 1)]
    machine.tell(fill(1, 10, 102))
    assert refusals_of(machine.tell(buy())) == [(Reason.ENTRIES_MAX, 1, 1)]
    machine.tell(fill(0, -10))
    assert lots_of(machine.tell(buy())) == [10]


def test_what_is_held_counts_as_one_entry_without_brackets() -> None:
    machine = ready(entries_max=2)
    assert lots_of(machine.tell(buy(), buy(), buy())) == [10, 10, 10]


def test_a_limit_entry_is_priced_at_its_limit() -> None:
    machine = ready()
    (placed,) = only(machine.tell(buy(limit_ticks=51)), DecisionKind.PLACE_ORDER)
    assert (placed["quantity_lots"], placed["limit_ticks"]) == (20, 51)


def test_the_other_direction_is_closed_and_then_entered() -> None:
    machine = ready(fill(0, -7))
    decisions = machine.tell(buy())
    assert lots_of(decisions) == [7, 10]
    assert [machine.order(number).order_role for number in (1, 2)] == [OrderRole.EXIT, OrderRole.ENTRY]
    assert machine.order(1).order_flags & OrderFlag.REDUCE_ONLY
    # The closing and the entry are both on their way now.
    assert refusals_of(machine.tell(buy())) == [(Reason.ENTRIES_MAX, 1, 1)]


def test_an_entry_that_is_refused_still_closes_the_other_direction() -> None:
    machine = ready(fill(0, -7), blocked=1)
    decisions = machine.tell(buy())
    assert refusals_of(decisions) == [(Reason.INSTRUMENT_NOT_ALLOWED, 0, 1)]
    assert lots_of(decisions) == [7]
    machine = ready(fill(0, -7))
    machine.tell(*instrument_rules(amount_units=0))
    decisions = machine.tell(buy())
    assert refusals_of(decisions) == [(Reason.SIZING_VALUE_UNSET, 0, 1)]
    assert lots_of(decisions) == [7]


def test_what_is_closed_takes_no_room_in_the_checks() -> None:
    machine = ready(fill(0, -7), position_max_lots=10)
    assert lots_of(machine.tell(buy())) == [7, 10]


def test_a_working_entry_of_the_other_direction_is_cancelled_and_no_longer_counted() -> None:
    machine = ready()
    machine.tell(sell(limit_ticks=110))
    decisions = machine.tell(buy())
    assert [item["order"] for item in only(decisions, DecisionKind.CANCEL_ORDER)] == [1]
    assert lots_of(decisions) == [10]
    # The cancel has no answer yet, and the buy is not repeated nevertheless.
    assert machine.order(1).status == OrderStatus.PENDING_CANCEL
    assert refusals_of(machine.tell(buy())) == [(Reason.ENTRIES_MAX, 1, 1)]


def test_a_cancel_without_an_answer_still_does_not_count_for_the_other_side() -> None:
    machine = ready()
    machine.tell(sell(limit_ticks=110), buy())
    machine.tell(event(EventKind.REQUEST_FAILED, order=1, instrument=1, account=1))
    assert machine.order(1).status == OrderStatus.UNKNOWN
    assert refusals_of(machine.tell(buy())) == [(Reason.ENTRIES_MAX, 1, 1)]


@pytest.mark.parametrize("held", [0, 6])
def test_a_sale_is_a_close_where_shorting_is_not_allowed(held: int) -> None:
    machine = ready(short_allowed=0)
    if held:
        machine.tell(fill(0, held))
    decisions = machine.tell(sell())
    assert lots_of(decisions) == ([-held] if held else [])
    assert refusals_of(decisions) == ([] if held else [(Reason.ALREADY_AT_TARGET, 0, 0)])


def test_a_close_carries_the_signals_limit() -> None:
    machine = ready(fill(0, 6))
    (placed,) = only(machine.tell(signal(Action.CLOSE, limit_ticks=105)), DecisionKind.PLACE_ORDER)
    assert (placed["quantity_lots"], placed["limit_ticks"]) == (6, 105)


def test_an_entry_with_a_stop_opens_a_bracket() -> None:
    machine = ready()
    decisions = machine.tell(buy(stop_ticks=95, target_ticks=120))
    assert lots_of(decisions) == [10]
    order = machine.order(1)
    bracket = machine.state.brackets[order.bracket_slot - 1]
    assert (bracket.status, bracket.entry_order, bracket.side) == (BracketStatus.WAITING, 1, 1)
    assert refusals_of(machine.tell(buy(stop_ticks=95))) == [(Reason.ENTRIES_MAX, 1, 1)]


def test_a_fixed_quantity_with_a_bracket_is_an_entry_of_its_own() -> None:
    machine = machine_with(*instrument_rules(bracketed=1, stop_distance=2, stop_value=5, entries_max=2))
    assert lots_of(machine.tell(buy(quantity_lots=4), buy(quantity_lots=4))) == [4, 4]
    assert refusals_of(machine.tell(buy(quantity_lots=4))) == [(Reason.ENTRIES_MAX, 2, 2)]


def test_a_stop_on_the_wrong_side_is_refused_before_anything_is_sized() -> None:
    decisions = ready().tell(buy(stop_ticks=103))
    assert refusals_of(decisions) == [(Reason.STOP_INVALID, 102, 103)]
    assert only(decisions, DecisionKind.ORDER_SIZED) == []


def test_a_stop_counts_only_where_the_signals_own_action_is_the_combined_one() -> None:
    machine = ready(rule(rules.STRATEGY, "weight_ppm", 5_000_000, source=2))
    machine.tell(buy(source=2))
    machine.tell(cancelled(1))
    machine.tell(sell(stop_ticks=200))
    assert machine.order(2).bracket_slot == 0


def test_all_of_a_groups_room_is_refused_and_the_order_is_not_placed() -> None:
    machine = machine_with(*instrument_rules(bracketed=1, stop_distance=2, stop_value=5, entries_max=99))
    machine.tell(*[buy(quantity_lots=1) for _ in range(SMALL_LIMITS.brackets)])
    assert refusals_of(machine.tell(buy(quantity_lots=1)))[0][0] == Reason.BRACKET_TABLE_FULL
    assert machine.state.orders_open == SMALL_LIMITS.brackets


def test_what_the_risk_level_leaves_is_ordered() -> None:
    """A drawdown of a tenth halves sizes and rules of sizes."""
    steps = [rule(rules.RISK_STEP, "drawdown_ppm", 100_000), rule(rules.RISK_STEP, "scale_ppm", 500_000)]
    machine = ready(*steps)
    machine.tell(fill(0, 5_000, 102), event(EventKind.QUOTE, instrument=1, bid_ticks=51, ask_ticks=51))
    machine.tell(fill(0, -5_000, 51))
    (sized, _placed) = machine.tell(buy())
    assert (sized["wanted_lots"], sized["quantity_lots"], sized.get("size_limit", 0)) == (20, 10, SizeLimit.NONE)
    machine.tell(cancelled(1), *instrument_rules(position_max_lots=12))
    (sized, _placed) = machine.tell(buy())
    assert (sized["wanted_lots"], sized["quantity_lots"], sized["size_limit"]) == (20, 6, SizeLimit.POSITION_QUANTITY)
