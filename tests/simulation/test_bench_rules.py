"""What the benchmarks call all rules are all rules, and none of them refuses anything."""

import pytest

from engine.kinds import Condition, DecisionKind, EventKind
from engine.records import CONFIGURATION
from engine.rules import ACCOUNT, BOOK, BREAKER, INSTRUMENT, STRATEGY, RuleTable
from replay.bench import bench_configuration
from replay.workloads import WORKLOADS
from tests.golden.runs import Tape, record

MARKET_EVENTS = 600
TICKS = WORKLOADS["ticks"]
# The rules that are no checks: where a day or zone begins, how long something is held, what signals are worth.
NO_CHECKS = {
    *("day_offset_ns", "zone_offset_ns", "blocked", "risk_hold_ns", "transport_backoff_max_ns"),
    *("weight_ppm", "confidence_min_ppm"),
}
# Of an instrument's rules the checks come first.
OF_INSTRUMENT = list(INSTRUMENT.bounds)[: list(INSTRUMENT.bounds).index("signal_mode")]
TABLES = ((BOOK, list(BOOK.bounds)), (ACCOUNT, list(ACCOUNT.bounds)), (STRATEGY, list(STRATEGY.bounds)))


def tape_with(rules: str) -> Tape:
    return record(bench_configuration(TICKS, "compiled", rules=rules), [TICKS.make(MARKET_EVENTS, TICKS.seed)])


@pytest.fixture(scope="module")
def all_rules() -> Tape:
    return tape_with("all")


def settings_of(tape: Tape) -> list[tuple[int, int]]:
    """(setting, value) of everything that is set."""
    rows = tape.events[tape.events["kind"] == EventKind.CONFIGURATION_CHANGED].view(CONFIGURATION)
    return [(int(row["setting"]), int(row["value"])) for row in rows]


@pytest.mark.parametrize(("table", "names"), [*TABLES, (INSTRUMENT, OF_INSTRUMENT)])
def test_every_check_is_on(table: RuleTable, names: list[str], all_rules: Tape) -> None:
    on = {setting for setting, value in settings_of(all_rules) if value != 0}
    assert [name for name in names if table.number(name) not in on and name not in NO_CHECKS] == []


def test_every_condition_has_a_breaker(all_rules: Tape) -> None:
    conditions = [value for setting, value in settings_of(all_rules) if setting == BREAKER.number("condition")]
    assert sorted(conditions) == sorted(Condition)


def test_the_same_orders_are_made_as_without_rules(all_rules: Tape) -> None:
    """Breakers say that they are armed; nothing is refused, trips or moves a level."""
    plain = tape_with("none")
    assert plain.outcome.orders > 20
    assert (all_rules.outcome.orders, all_rules.outcome.fills) == (plain.outcome.orders, plain.outcome.fills)
    assert set(all_rules.decisions["kind"].tolist()) == {DecisionKind.PLACE_ORDER, DecisionKind.BREAKER_CHANGED}
