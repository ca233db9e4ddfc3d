"""Positions that follow a target share of the equity, as docs/risk/signals.md says under Targets."""

import pytest

from engine.arithmetic import MONEY_MAX
from engine.kinds import Action, DecisionKind, EventKind, OperatorAction, OrderFlag, OrderRole, OrderType
from engine.reasons import Reason
from tests.twin.events import event
from tests.twin.machine import Machine
from tests.unit.risk_support import (
    EQUITY,
    buy,
    fill,
    instrument_rules,
    lots_of,
    machine_with,
    only,
    quote,
    refusals_of,
    sell,
    signal,
)

TIMER = event(EventKind.TIMER)


def following(weight_ppm: int = 100_000, short_allowed: int = 1, **values: int) -> Machine:
    """Both instruments follow a target of a tenth of the equity; a price of 100 both ways, so 1,000 lots."""
    given = {"signal_mode": 1, "target_weight_ppm": weight_ppm} | values
    events = [told for number in (1, 2) for told in instrument_rules(number, **given)]
    return machine_with(*events, quote(100, 100, 1), quote(100, 100, 2), short_allowed=short_allowed)


def test_a_signal_orders_its_share_of_the_equity_at_the_market() -> None:
    machine = following()
    (placed,) = machine.tell(buy(confidence_ppm=500_000, limit_ticks=90, quantity_lots=3, stop_ticks=80))
    assert placed == {
        "kind": DecisionKind.PLACE_ORDER,
        "order_type": OrderType.MARKET,
        "time_in_force": 1,
        "instrument": 1,
        "account": 1,
        "strategy": 1,
        "seq": machine.state.seq,
        "order": 1,
        "quantity_lots": 500,
    }
    assert machine.order(1).order_role == OrderRole.ENTRY
    assert machine.order(1).bracket_slot == 0


def test_a_share_is_priced_at_what_its_side_would_pay() -> None:
    machine = following()
    machine.tell(quote(80, 125))
    assert lots_of(machine.tell(buy())) == [EQUITY // 10 // 125]
    machine.tell(event(EventKind.ORDER_REJECTED, order=1, instrument=1, account=1))
    assert lots_of(machine.tell(sell())) == [-(EQUITY // 10 // 80)]


def test_a_target_is_a_whole_number_of_steps_on_both_sides() -> None:
    rules = instrument_rules(signal_mode=1, target_weight_ppm=100_000)
    machine = machine_with(*rules, quote(100, 100), quantity_step_lots=300)
    assert lots_of(machine.tell(sell())) == [-900]


def test_a_second_identical_signal_orders_nothing() -> None:
    machine = following()
    machine.tell(buy())
    assert refusals_of(machine.tell(buy())) == [(Reason.ALREADY_AT_TARGET, 1_000, 1_000)]


def test_close_and_a_short_that_is_not_allowed_are_a_target_of_nothing() -> None:
    for action in (Action.CLOSE, Action.SELL):
        machine = following(short_allowed=0)
        assert refusals_of(machine.tell(signal(action))) == [(Reason.ALREADY_AT_TARGET, 0, 0)]
        machine.tell(buy(), fill(1, 1_000))
        (placed,) = machine.tell(signal(action))
        assert placed["order_flags"] == OrderFlag.SELL | OrderFlag.REDUCE_ONLY
        assert placed["quantity_lots"] == 1_000
        assert machine.order(2).order_role == OrderRole.EXIT


def test_without_a_weight_there_is_no_target() -> None:
    machine = following(weight_ppm=0)
    assert refusals_of(machine.tell(buy())) == [(Reason.SIZING_VALUE_UNSET, 0, 0)]
    assert machine.state.instruments[1].target_set == 0


def test_a_reversal_reduces_first_and_opens_after_the_fill() -> None:
    machine = following()
    machine.tell(buy(), fill(1, 1_000))
    (placed,) = machine.tell(sell())
    assert (placed["quantity_lots"], placed["order_flags"]) == (1_000, OrderFlag.SELL | OrderFlag.REDUCE_ONLY)
    assert lots_of(machine.tell(fill(2, -400))) == []
    (placed,) = machine.tell(fill(2, -600))
    assert (placed["quantity_lots"], placed["order_flags"]) == (1_000, OrderFlag.SELL)


def test_what_is_not_held_yet_cannot_be_reduced() -> None:
    """The reduction waits for the fill, and says nothing meanwhile."""
    machine = following()
    machine.tell(buy())
    assert machine.tell(signal(Action.CLOSE)) == []
    assert lots_of(machine.tell(fill(1, 300))) == [-300]
    assert lots_of(machine.tell(fill(1, 700))) == [-700]


def test_increases_wait_for_all_reductions_of_the_account() -> None:
    machine = following()
    machine.tell(buy(instrument=2), fill(1, 1_000, instrument=2))
    assert lots_of(machine.tell(signal(Action.CLOSE, instrument=2))) == [-1_000]
    assert machine.tell(buy()) == []
    assert machine.tell(fill(2, -999, instrument=2)) == []
    assert lots_of(machine.tell(fill(2, -1, instrument=2))) == [1_000]


def test_reductions_come_before_increases_whatever_their_numbers() -> None:
    machine = following()
    machine.tell(buy(instrument=2), fill(1, 1_000, instrument=2), buy(), fill(2, 1_000))
    # One is worth half of what it was, the other half as much again.
    machine.tell(quote(50, 50, 1), quote(150, 150, 2))
    assert lots_of(machine.tell(TIMER)) == [-334]
    assert lots_of(machine.tell(fill(3, -334, 150, instrument=2))) == [1_000]


def test_a_timer_and_a_fill_rebalance_with_what_is_true_then() -> None:
    machine = following()
    machine.tell(buy(), fill(1, 1_000))
    machine.tell(quote(200, 200))
    # Equity 1,100,000, a tenth of it at 200
    assert lots_of(machine.tell(TIMER)) == [-450]
    assert machine.state.instruments[1].target_lots == 550
    machine.tell(event(EventKind.ORDER_REJECTED, order=2, instrument=1, account=1))
    assert lots_of(machine.tell(fill(0, 10, 200))) == [-460]


def test_without_equity_the_target_is_nothing() -> None:
    machine = following()
    machine.tell(buy(), fill(1, 1_000), event(EventKind.CASH_MOVED, account=1, amount_units=-EQUITY))
    assert lots_of(machine.tell(TIMER)) == [-1_000]


@pytest.mark.parametrize(
    ("values", "reason", "least"),
    [
        ({"trade_min_units": 10_001}, Reason.TRADE_BELOW_MINIMUM, 10_001),
        ({"band_ppm": 10_001}, Reason.WITHIN_BAND, 10_001),
        ({"band_ppm": 20_000, "trade_min_units": 20_000}, Reason.TRADE_BELOW_MINIMUM, 20_000),
    ],
)
def test_a_small_difference_is_left_alone(values: dict[str, int], reason: Reason, least: int) -> None:
    """A hundred lots more at 100 are worth 10,000 units, a hundredth of the equity."""
    machine = following(**values)
    machine.tell(buy(confidence_ppm=900_000), fill(1, 900))
    assert refusals_of(machine.tell(buy())) == [(reason, least, 10_000)]
    assert machine.tell(TIMER) == [], "no refusal where nobody asked"


@pytest.mark.parametrize("values", [{"trade_min_units": 10_000}, {"band_ppm": 10_000}])
def test_a_difference_on_the_limit_is_traded(values: dict[str, int]) -> None:
    machine = following(**values)
    machine.tell(buy(confidence_ppm=900_000), fill(1, 900))
    assert lots_of(machine.tell(buy())) == [100]


def test_a_target_of_nothing_is_reached_however_small_the_rest() -> None:
    machine = following(trade_min_units=50_000, band_ppm=50_000)
    machine.tell(fill(0, 1))
    assert lots_of(machine.tell(signal(Action.CLOSE))) == [-1]


def test_an_order_out_of_the_instruments_bounds_is_left_alone() -> None:
    rules = instrument_rules(signal_mode=1, target_weight_ppm=100_000)
    machine = machine_with(*rules, quote(100, 100), quantity_min_lots=101)
    machine.tell(buy(confidence_ppm=900_000), fill(1, 900))
    assert refusals_of(machine.tell(buy())) == [(Reason.QUANTITY_BELOW_MINIMUM, 101, 100)]
    assert machine.tell(TIMER) == []


def test_a_large_reduction_goes_in_pieces_and_a_large_increase_is_refused() -> None:
    rules = instrument_rules(signal_mode=1, target_weight_ppm=100_000)
    machine = machine_with(*rules, quote(100, 100), quantity_max_lots=600)
    assert refusals_of(machine.tell(buy())) == [(Reason.QUANTITY_ABOVE_MAXIMUM, 600, 1_000)]
    machine.tell(fill(0, 1_000))
    assert lots_of(machine.tell(signal(Action.CLOSE))) == [-600]
    assert lots_of(machine.tell(fill(1, -600))) == [-400]


def test_an_increase_is_checked_and_tried_again_at_the_next_occasion() -> None:
    machine = following(position_max_lots=999)
    assert refusals_of(machine.tell(buy())) == [(Reason.POSITION_QUANTITY_MAX, 999, 1_000)]
    assert refusals_of(machine.tell(TIMER)) == [(Reason.POSITION_QUANTITY_MAX, 999, 1_000)]
    machine.tell(*instrument_rules(position_max_lots=1_000))
    assert lots_of(machine.tell(TIMER)) == [1_000]


def test_reductions_are_not_checked() -> None:
    machine = following()
    machine.tell(buy(), fill(1, 1_000), *instrument_rules(blocked=1))
    assert lots_of(machine.tell(buy(confidence_ppm=400_000))) == [-600]


def test_a_halted_engine_rebalances_nothing() -> None:
    machine = following()
    machine.tell(buy(), fill(1, 1_000), quote(200, 200))
    machine.tell(event(EventKind.OPERATOR_COMMAND, operator_action=OperatorAction.KILL))
    assert machine.tell(TIMER) == []


def test_an_instrument_that_no_longer_follows_is_left_alone() -> None:
    machine = following()
    machine.tell(buy(), fill(1, 1_000), quote(200, 200), *instrument_rules(signal_mode=0))
    assert machine.tell(TIMER) == []


def test_orders_belong_to_the_strategy_that_set_the_target() -> None:
    machine = following()
    machine.tell(buy(source=3), fill(1, 1_000))
    machine.tell(signal(Action.HOLD, source=2), quote(200, 200))
    (placed,) = only(machine.tell(TIMER), DecisionKind.PLACE_ORDER)
    assert placed["strategy"] == 3


def test_an_increase_without_room_is_refused_and_a_reduction_waits() -> None:
    machine = following()
    machine.tell(*instrument_rules(signal_mode=0))
    room = len(machine.state.orders)
    machine.tell(*[buy(quantity_lots=lots, limit_ticks=90) for lots in range(1, room + 1)])
    assert machine.state.orders_open == room
    assert refusals_of(machine.tell(buy(instrument=2))) == [(Reason.ORDER_TABLE_FULL, room, room)]
    machine.tell(fill(0, 500, instrument=2))
    assert machine.tell(signal(Action.CLOSE, instrument=2)) == []
    assert lots_of(machine.tell(fill(1, 1), TIMER)) == [-500]


def test_an_amount_that_does_not_fit_leaves_everything_alone() -> None:
    machine = following(weight_ppm=1_000_000_000)
    machine.tell(event(EventKind.CASH_MOVED, account=1, amount_units=MONEY_MAX // 900))
    assert refusals_of(machine.tell(buy())) == [(Reason.MONEY_OVERFLOW, MONEY_MAX, 0)]
    assert machine.tell(TIMER) == []
