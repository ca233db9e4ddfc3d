"""A bracket from the signal to its prices, or the reason why there is none."""

import pytest

from engine.kinds import Action, BracketStatus, Distance, EventKind
from engine.reasons import Reason
from tests.twin.events import event
from tests.unit.brackets_support import (
    brief,
    canceled,
    entered,
    fill,
    machine_ready,
    quote,
    row,
    rule,
    signal,
    status,
    target,
    tell,
)

MANY = 2**60


def prices(machine: object) -> list[int]:
    """The stop, and the targets."""
    bracket = row(machine)
    return [int(bracket.stop_ticks), *[int(leg.limit_ticks) for leg in bracket.legs[1:] if leg.order_role]]


def refusal(machine: object, given: dict[str, int]) -> tuple[object, ...]:
    (said,) = [item for item in tell(machine, given) if item[0] == "refuse"]
    return said


@pytest.mark.parametrize(
    ("side", "stop", "goal", "expected"),
    [
        (1, (Distance.TICKS, 50), (Distance.TICKS, 100), [950, 1100]),
        (-1, (Distance.TICKS, 50), (Distance.TICKS, 100), [1050, 900]),
        (1, (Distance.PPM, 20_500), (Distance.PPM, 30_999), [980, 1030]),
        (-1, (Distance.PPM, 20_500), (Distance.PPM, 30_999), [1020, 970]),
        (1, (Distance.PPM, 1), (Distance.PPM, 1), [999, 1001]),
        (1, (Distance.TICKS, 5000), (Distance.TICKS, 5000), [1, 6000]),
        (-1, (Distance.PPM, 10**9), (Distance.PPM, 10**9), [1_001_000, 1]),
    ],
)
def test_prices_lie_at_their_distance_from_the_first_fill(
    side: int, stop: tuple[int, int], goal: tuple[int, int], expected: list[int]
) -> None:
    machine = machine_ready(*target(0, *goal), stop_distance=stop[0], stop_value=stop[1])
    entered(machine, 10, side, price=1000)
    assert prices(machine) == expected


def test_later_fills_do_not_move_the_prices() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10), fill(1, 4, 1010), fill(1, 6, 1030))
    assert prices(machine) == [960, 1110]
    assert row(machine).entry_ticks == 1010
    assert row(machine).entry_units == 4 * 1010 + 6 * 1030


def test_prices_in_the_signal_go_before_the_configured_ones() -> None:
    halves = [*target(0, Distance.TICKS, 100, 500_000), *target(1, Distance.TICKS, 200, 500_000)]
    machine = machine_ready(*halves)
    tell(machine, signal(Action.BUY, 10, stop_ticks=970, target_ticks=1300), fill(1, 10, 1002))
    assert prices(machine) == [970, 1300]
    assert row(machine).legs[1].share_ppm == 1_000_000


def test_a_stop_or_target_in_the_signal_asks_for_a_bracket() -> None:
    machine = machine_ready(bracketed=0)
    tell(machine, signal(Action.BUY, 10))
    assert machine.state.brackets_open == 0
    tell(machine, signal(Action.BUY, 20, stop_ticks=990))
    assert machine.state.brackets_open == 1
    tell(machine, signal(Action.BUY, 20, target_ticks=1500))
    assert machine.state.brackets_open == 2


def test_a_distance_in_atr_is_fixed_when_the_entry_is_ordered() -> None:
    machine = machine_ready(*target(0, Distance.ATR, 3_000_000), stop_distance=Distance.ATR, stop_value=1_500_000)
    sample = {"open_ticks": 1000, "high_ticks": 1015, "low_ticks": 995, "close_ticks": 1000}
    refused = ("refuse", Reason.NO_VOLATILITY.name, 2, 1)
    machine.tell(event(EventKind.BAR, instrument=2, **sample))
    assert refusal(machine, signal(Action.BUY, 10)) == refused
    machine.tell(event(EventKind.BAR, instrument=2, **sample), signal(Action.BUY, 10))
    machine.tell(event(EventKind.BAR, instrument=2, **(sample | {"high_ticks": 2000})), fill(1, 10))
    assert prices(machine) == [1000 - 30, 1000 + 60]


def test_an_atr_that_nothing_needs_is_not_asked_for() -> None:
    machine = machine_ready(stop_distance=Distance.ATR, stop_value=1_000_000, trail_distance=Distance.ATR)
    assert brief(machine.tell(signal(Action.BUY, 10, stop_ticks=900)))[0][0] == "place"
    machine.tell(rule("trail_value", 1_000_000))
    assert refusal(machine, signal(Action.BUY, 10, stop_ticks=900))[1] == "NO_VOLATILITY"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"action": Action.BUY, "stop_ticks": 1002}, ("STOP_INVALID", 1002, 1002)),
        ({"action": Action.BUY, "stop_ticks": 1001}, None),
        ({"action": Action.SELL, "stop_ticks": 1000}, ("STOP_INVALID", 1000, 1000)),
        ({"action": Action.SELL, "stop_ticks": 1001}, None),
        ({"action": Action.BUY, "target_ticks": 1002}, ("TARGET_INVALID", 1002, 1002)),
        ({"action": Action.BUY, "target_ticks": 1003}, None),
        ({"action": Action.SELL, "target_ticks": 1000}, ("TARGET_INVALID", 1000, 1000)),
        ({"action": Action.SELL, "target_ticks": 999}, None),
        ({"action": Action.BUY, "limit_ticks": 980, "stop_ticks": 990}, ("STOP_INVALID", 980, 990)),
        ({"action": Action.BUY, "limit_ticks": 980, "target_ticks": 990}, None),
        ({"action": Action.BUY, "stop_ticks": 1010, "target_ticks": 990}, ("STOP_INVALID", 1002, 1010)),
    ],
)
def test_a_signal_s_prices_lie_on_their_side(fields: dict[str, int], expected: tuple[str, int, int] | None) -> None:
    machine = machine_ready()
    given = signal(fields.pop("action"), 10, **fields)
    if expected is None:
        assert brief(machine.tell(given))[0][0] == "place"
    else:
        assert refusal(machine, given) == ("refuse", *expected)
        assert machine.state.brackets_opened == 0


def test_a_stop_is_asked_for_unless_it_is_optional() -> None:
    machine = machine_ready(stop_value=0)
    assert refusal(machine, signal(Action.BUY, 10)) == ("refuse", "STOP_MISSING", 0, 0)
    machine.tell(rule("stop_distance", Distance.SIGNAL), rule("stop_value", 9))
    assert refusal(machine, signal(Action.BUY, 10)) == ("refuse", "STOP_MISSING", 0, 0)
    machine.tell(rule("stop_optional", 1))
    tell(machine, signal(Action.BUY, 10))
    assert tell(machine, fill(1, 10)) == [("OPENED", 1, 10, "NONE"), ("place", 2, "LIMIT", -10, 1100)]
    assert machine.state.uncovered_events == 0


def test_a_full_table_refuses_and_closed_rows_make_room() -> None:
    machine = machine_ready()
    for number in range(1, 5):
        tell(machine, signal(Action.BUY, 10, limit_ticks=900))
        assert row(machine, number).number == number
    assert refusal(machine, signal(Action.BUY, 10)) == ("refuse", "BRACKET_TABLE_FULL", 4, 4)
    tell(machine, canceled(3), canceled(1))
    tell(machine, signal(Action.BUY, 10, limit_ticks=900), signal(Action.BUY, 10, limit_ticks=900))
    assert [int(row(machine, slot).number) for slot in (1, 2, 3, 4)] == [6, 2, 5, 4], "the longest closed first"
    assert machine.state.brackets_opened == 6


def test_a_row_that_is_used_again_remembers_nothing() -> None:
    machine = machine_ready(trail_distance=Distance.TICKS, trail_value=10, time_limit_ns=99)
    entered(machine)
    tell(machine, quote(1080), fill(2, 10, 1070, -1), canceled(3))
    machine.tell(rule("trail_value", 0), rule("time_limit_ns", 0))
    for _ in range(4):
        tell(machine, signal(Action.BUY, 10, limit_ticks=900))
    assert row(machine).number == 5
    kept = {name for name in row(machine).dtype.names if name != "legs" and row(machine)[name]}
    assert kept <= {
        *("status", "number", "group_kind", "instrument", "account", "strategy", "side", "entry_order"),
        *("next_slot", "previous_slot"),
    }
    assert not any(leg.order or leg.filled_lots or leg.limit_ticks for leg in row(machine).legs)


def test_a_bracket_keeps_the_rules_of_when_it_was_ordered() -> None:
    machine = machine_ready(break_even_ppm=20_000)
    entered(machine)
    rules = {"break_even_ppm": 0, "stop_value": 10, "held_by_engine": 1, "leg_policy": 1, "stop_optional": 1}
    machine.tell(*[rule(name, value) for name, value in rules.items()])
    bracket = row(machine)
    assert (bracket.break_even_ppm, bracket.held_by_engine, bracket.leg_policy, bracket.stop_optional) == (
        20_000,
        0,
        0,
        0,
    )
    assert tell(machine, quote(1020))[0] == ("BREAK_EVEN", 1, 10, "NONE")


def test_prices_as_far_as_they_go_do_not_wrap() -> None:
    machine = machine_ready(*target(0, Distance.PPM, 10**9), stop_distance=Distance.PPM, stop_value=10**9)
    machine.tell(quote(2**40, 2**41))
    tell(machine, signal(Action.SELL, 1), fill(1, 1, 2**58, -1))
    assert prices(machine) == [2**58 + MANY, 1]
    assert status(machine) == BracketStatus.OPEN
