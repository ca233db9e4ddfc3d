"""What several strategies want together, by the formula of docs/risk/signals.md."""

import pytest

from engine import rules
from engine.arithmetic import INT64_MAX
from engine.kinds import Action, DecisionKind, EventKind, OrderType, Setting, TimeInForce
from engine.reasons import Reason
from tests.twin.events import event
from tests.twin.machine import Machine
from tests.unit.risk_support import buy, lots_of, machine_with, only, refusals_of, rule, sell, signal

LOTS = 10
PPM = 1_000_000


def ready(*events: dict[str, int]) -> Machine:
    size = event(EventKind.CONFIGURATION_CHANGED, instrument=1, setting=Setting.ORDER_QUANTITY_LOTS, value=LOTS)
    return machine_with(size, *events)


def weight(strategy: int, weight_ppm: int) -> dict[str, int]:
    return rule(rules.STRATEGY, "weight_ppm", weight_ppm, source=strategy)


def combined_of(decisions: list[dict[str, int]]) -> tuple[int, int, int, int]:
    """(action, strength, contributors, total weight)."""
    (item,) = only(decisions, DecisionKind.SIGNALS_COMBINED)
    names = ("action", "strength_ppm", "contributors", "weight_total_ppm")
    return tuple(item.get(name, 0) for name in names)  # type: ignore[return-value]


def test_one_strategy_alone_is_not_combined() -> None:
    decisions = ready().tell(buy(confidence_ppm=300_000))
    assert only(decisions, DecisionKind.SIGNALS_COMBINED) == []
    assert lots_of(decisions) == [LOTS]


def test_a_confidence_that_is_not_given_is_full() -> None:
    machine = ready()
    machine.tell(buy(source=2, confidence_ppm=PPM))
    assert combined_of(machine.tell(buy()))[:2] == (Action.BUY, PPM)


def test_votes_are_weighed_by_weight_and_confidence() -> None:
    machine = ready(weight(1, 2 * PPM), weight(2, 500_000))
    machine.tell(buy(confidence_ppm=400_000))
    # (2 * 0.4 - 0.5 * 0.9) / 2.5 = 0.14
    decisions = machine.tell(sell(source=2, confidence_ppm=900_000))
    assert combined_of(decisions) == (Action.BUY, 140_000, 0b110, 2_500_000)
    # Already long, and not by the size of the signal that sells.
    assert refusals_of(decisions) == [(Reason.ALREADY_AT_TARGET, LOTS, LOTS)]


def test_strength_is_rounded_down_in_both_directions() -> None:
    machine = ready(weight(1, 3), weight(2, 4))
    machine.tell(signal(Action.HOLD, source=2))
    # 3 * 1,000,000 / 7
    assert combined_of(machine.tell(sell())) == (Action.SELL, 428_571, 0b110, 7)


def test_a_weight_of_the_strategy_on_the_instrument_goes_before_its_own() -> None:
    pair = rule(rules.PAIR, "weight_ppm", 3 * PPM, source=2)
    machine = ready(weight(2, 100), pair)
    machine.tell(sell(source=2, instrument=2))
    machine.tell(buy())
    assert combined_of(machine.tell(sell(source=2))) == (Action.SELL, 500_000, 0b110, 4 * PPM)


def test_a_hold_dilutes_the_others() -> None:
    machine = ready(rule(rules.INSTRUMENT, "strength_min_ppm", 600_000))
    assert machine.tell(signal(Action.HOLD, source=2)) == []
    decisions = machine.tell(buy())
    assert combined_of(decisions) == (Action.HOLD, 500_000, 0b110, 2 * PPM)
    assert refusals_of(decisions) == [(Reason.STRENGTH_BELOW_MINIMUM, 600_000, 500_000)]
    assert lots_of(decisions) == []


def test_strength_on_the_minimum_is_enough() -> None:
    machine = ready(rule(rules.INSTRUMENT, "strength_min_ppm", 500_000))
    machine.tell(signal(Action.HOLD, source=2))
    assert lots_of(machine.tell(buy())) == [LOTS]


def test_two_that_cancel_out_wait() -> None:
    machine = ready()
    machine.tell(sell(source=2, confidence_ppm=700_000))
    decisions = machine.tell(buy(confidence_ppm=700_000))
    assert combined_of(decisions) == (Action.HOLD, 0, 0b110, 2 * PPM)
    assert refusals_of(decisions) == [(Reason.STRENGTH_BELOW_MINIMUM, 0, 0)]


@pytest.mark.parametrize(("closing_ppm", "action"), [(PPM, Action.BUY), (PPM + 1, Action.CLOSE)])
def test_more_than_half_of_the_weight_closes(closing_ppm: int, action: int) -> None:
    """Exactly half does not, and then the other half buys."""
    machine = ready(weight(1, closing_ppm))
    machine.tell(buy(source=2))
    decided = combined_of(machine.tell(signal(Action.CLOSE)))
    total = closing_ppm + PPM
    assert decided == (action, PPM * (PPM if action == Action.BUY else closing_ppm) // total, 0b110, total)


@pytest.mark.parametrize(
    "silencing",
    [
        event(EventKind.CONFIGURATION_CHANGED, setting=Setting.STRATEGY_ENABLED, source=2, value=0),
        rule(rules.PAIR, "disabled", 1, source=2),
        rule(rules.PAIR, "confidence_min_ppm", 800_001, source=2),
        rule(rules.STRATEGY, "confidence_min_ppm", 800_001, source=2),
    ],
)
def test_who_is_disabled_or_not_sure_enough_does_not_count(silencing: dict[str, int]) -> None:
    machine = ready()
    machine.tell(sell(source=2, confidence_ppm=800_000), silencing)
    decisions = machine.tell(buy(confidence_ppm=100_000))
    assert only(decisions, DecisionKind.SIGNALS_COMBINED) == []
    assert lots_of(decisions) == [LOTS + LOTS]


def test_a_minimum_on_the_instrument_goes_before_the_strategys_own() -> None:
    machine = ready(
        rule(rules.STRATEGY, "confidence_min_ppm", 900_000), rule(rules.PAIR, "confidence_min_ppm", 400_000)
    )
    decisions = machine.tell(buy(confidence_ppm=399_999))
    assert refusals_of(decisions) == [(Reason.CONFIDENCE_BELOW_MINIMUM, 400_000, 399_999)]
    assert lots_of(machine.tell(buy(confidence_ppm=400_000))) == [LOTS]


@pytest.mark.parametrize(("late_ns", "counts"), [(0, True), (1, False)])
def test_a_signal_counts_up_to_the_last_nanosecond_of_its_time(late_ns: int, counts: bool) -> None:
    machine = ready()
    machine.tell(sell(source=2, valid_for_ms=5, ts_ns=1_000))
    decisions = machine.tell(buy(ts_ns=1_000 + 5_000_000 + late_ns, confidence_ppm=500_000))
    assert bool(only(decisions, DecisionKind.SIGNALS_COMBINED)) is counts


def test_a_time_beyond_the_end_of_time_is_the_end_of_time() -> None:
    """Forty-nine days that begin twenty days before no later time can be told."""
    machine = ready()
    day_ns = 86_400 * 10**9
    told_ns = INT64_MAX - 20 * day_ns
    machine.tell(sell(source=2, valid_for_ms=2**32 - 1, ts_ns=told_ns))
    assert combined_of(machine.tell(buy(ts_ns=told_ns + day_ns)))[0] == Action.HOLD


def test_a_new_word_replaces_the_old_one_on_that_instrument_only() -> None:
    machine = ready()
    machine.tell(sell(source=2), buy(source=2, instrument=2), signal(Action.HOLD, source=2))
    assert combined_of(machine.tell(buy())) == (Action.BUY, 500_000, 0b110, 2 * PPM)


def test_what_a_refused_record_says_is_not_kept() -> None:
    machine = ready()
    machine.tell(sell(source=2, confidence_ppm=PPM + 1), sell(source=2, stop_ticks=-1), sell(source=2, limit_ticks=-1))
    assert only(machine.tell(buy()), DecisionKind.SIGNALS_COMBINED) == []


def test_figures_count_only_where_the_signals_own_action_is_the_combined_one() -> None:
    machine = ready(weight(1, 5 * PPM))
    machine.tell(buy())
    machine.tell(event(EventKind.ORDER_CANCELED, order=1, instrument=1, account=1))
    decisions = machine.tell(sell(source=2, quantity_lots=3, limit_ticks=90, valid_for_ms=1))
    (placed,) = only(decisions, DecisionKind.PLACE_ORDER)
    assert (placed["quantity_lots"], placed["order_type"], placed["strategy"]) == (LOTS, OrderType.MARKET, 2)
    machine.tell(event(EventKind.ORDER_CANCELED, order=2, instrument=1, account=1))
    (placed,) = only(machine.tell(buy(source=2, quantity_lots=3, limit_ticks=90)), DecisionKind.PLACE_ORDER)
    assert (placed["quantity_lots"], placed["order_type"], placed["limit_ticks"]) == (3, OrderType.LIMIT, 90)
    assert placed["time_in_force"] == TimeInForce.GTC
