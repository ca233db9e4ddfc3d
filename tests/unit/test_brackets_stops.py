"""What moves the stop, what the engine holds, and what a bracket costs that waits for nothing."""

from typing import Any

import pytest

from engine.arithmetic import INT64_MAX
from engine.kinds import Action, Distance, EventKind, OrderStatus, OrderType
from tests.twin.events import event
from tests.twin.machine import Machine
from tests.unit.brackets_support import (
    amended,
    canceled,
    entered,
    fill,
    machine_ready,
    quote,
    refused,
    rejected,
    report,
    row,
    signal,
    target,
    tell,
)

STOP, TARGET = 2, 3
TICKS = {"trail_distance": Distance.TICKS, "trail_value": 40}


def price(machine: Machine, ticks: int, side: int = 1) -> list[tuple[Any, ...]]:
    """A quote at which a position of this side is worth `ticks`."""
    return tell(machine, quote(ticks, ticks + 2) if side > 0 else quote(ticks - 2, ticks))


def stops(machine: Machine, side: int, *gains: int) -> list[int]:
    """Where the stop is after each of these gains of the price, answered at once; as distance to the entry."""
    found = []
    for gain in gains:
        for item in price(machine, 1000 + side * gain, side):
            if item[0] == "amend":
                machine.tell(amended(item[1], 10, item[3]))
        found.append(side * (int(row(machine).stop_ticks) - 1000))
    return found


def test_a_bracket_that_waits_for_nothing_lets_no_price_look() -> None:
    machine = machine_ready()
    entered(machine)
    instrument = machine.state.instruments[2]
    assert (instrument.watch_low_ticks, instrument.watch_high_ticks) == (0, INT64_MAX)
    assert tell(machine, quote(1), quote(10_000)) == []


@pytest.mark.parametrize("side", [1, -1])
def test_a_trail_in_ticks_follows_the_best_price_in_steps_of_a_tenth(side: int) -> None:
    machine = machine_ready(**TICKS)
    entered(machine, side=side)
    assert stops(machine, side, 0, 3, 4, 7, 8, 2, 30, -20, 33, 34) == [-40, -40, -36, -36, -32, -32, -10, -10, -10, -6]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("step", "expected"), [(1, [-40, -39, -38]), (7, [-40, -40, -40]), (2, [-40, -40, -38])])
def test_a_trail_moves_in_steps_of_its_own(side: int, step: int, expected: list[int]) -> None:
    machine = machine_ready(trail_step_ticks=step, **TICKS)
    entered(machine, side=side)
    assert stops(machine, side, 0, 1, 2) == expected


def test_a_trail_in_ppm_measures_from_the_best_price() -> None:
    machine = machine_ready(trail_distance=Distance.PPM, trail_value=30_000, trail_step_ticks=1)
    entered(machine)
    assert stops(machine, 1, 0, 100, 90, 1000) == [-30, 100 - 33, 67, 1000 - 60]
    machine = machine_ready(trail_distance=Distance.PPM, trail_value=30_000, trail_step_ticks=1)
    entered(machine, side=-1)
    assert stops(machine, -1, 0, 100, 90, 500) == [-30, 100 - 27, 73, 500 - 15]


def test_a_trail_in_atr_is_fixed_when_the_entry_is_ordered() -> None:
    machine = machine_ready(trail_distance=Distance.ATR, trail_value=2_000_000, trail_step_ticks=1)
    bar = event(EventKind.BAR, instrument=2, open_ticks=1000, high_ticks=1010, low_ticks=1000, close_ticks=1000)
    machine.tell(bar, bar)
    entered(machine)
    machine.tell(bar | {"high_ticks": 5000})
    assert stops(machine, 1, 0, 5) == [-20, -15]


def test_a_trail_begins_when_it_is_activated() -> None:
    machine = machine_ready(trail_activation_ppm=50_001, trail_step_ticks=1, **TICKS)
    entered(machine)
    assert stops(machine, 1, 40, 50, 51, 49, 52) == [-50, -50, 11, 11, 12]
    machine = machine_ready(trail_activation_ppm=50_000, trail_step_ticks=1, **TICKS)
    entered(machine, side=-1)
    assert stops(machine, -1, 49, 50, 49, 52) == [-50, 10, 10, 12]


def test_a_trail_without_activation_begins_at_the_entry_price() -> None:
    machine = machine_ready(trail_step_ticks=1, **TICKS)
    entered(machine, price=1002)
    assert price(machine, 1001) == []
    assert price(machine, 1002)[0] == ("STOP_MOVED", 1, 10, "NONE")
    assert row(machine).stop_ticks == 962


def test_a_fill_that_is_the_only_price_there_is_moves_the_stop() -> None:
    machine = machine_ready(quotes=False, trail_step_ticks=1, **TICKS)
    machine.tell(fill(0, 1))
    entered(machine)
    assert tell(machine, fill(0, 1, 1010)) == [("STOP_MOVED", 1, 10, "NONE"), ("amend", STOP, -10, 970)]


def test_a_move_is_recorded_with_its_order_and_then_asked_for() -> None:
    machine = machine_ready(**TICKS)
    entered(machine, price=1002)
    moved, asked = machine.tell(quote(1010))
    assert (moved["stop_ticks"], moved["order"], moved["held_lots"]) == (970, STOP, 10)
    assert (asked["trigger_ticks"], asked["quantity_lots"]) == (970, 10)


def test_moves_wait_for_the_answer_and_a_refused_one_for_the_next() -> None:
    machine = machine_ready(trail_step_ticks=1, **TICKS)
    entered(machine, price=1002)
    assert price(machine, 1010)[-1] == ("amend", STOP, -10, 970)
    assert price(machine, 1020) == [("STOP_MOVED", 1, 10, "NONE")]
    assert tell(machine, amended(STOP, 10, 970)) == [("amend", STOP, -10, 980)]
    assert tell(machine, refused(STOP)) == []
    assert price(machine, 1030)[-1] == ("amend", STOP, -10, 990)


@pytest.mark.parametrize(("side", "offset"), [(1, 0), (-1, 0), (1, 3), (-1, 3)])
def test_break_even_moves_the_stop_once_to_the_entry(side: int, offset: int) -> None:
    machine = machine_ready(break_even_ppm=19_500, break_even_offset_ticks=offset)
    entered(machine, side=side)
    assert stops(machine, side, 19, 20, 80, -10) == [-50, offset, offset, offset]
    assert row(machine).broke_even == 1


def test_break_even_never_goes_back() -> None:
    machine = machine_ready(break_even_ppm=50_000, trail_step_ticks=1, **TICKS)
    entered(machine)
    assert stops(machine, 1, 45) == [5]
    assert price(machine, 1050)[0] == ("STOP_MOVED", 1, 10, "NONE")
    assert row(machine).stop_ticks == 1010
    assert row(machine).broke_even == 1


def test_where_both_apply_the_better_one_moves_it() -> None:
    machine = machine_ready(break_even_ppm=20_000, trail_step_ticks=1, **TICKS)
    entered(machine)
    assert price(machine, 1030)[0] == ("BREAK_EVEN", 1, 10, "NONE")
    assert row(machine).stop_ticks == 1000
    machine = machine_ready(break_even_ppm=20_000, trail_step_ticks=1, **TICKS)
    entered(machine)
    assert price(machine, 1040)[0] == ("STOP_MOVED", 1, 10, "NONE"), "of equals the trail"
    assert row(machine).stop_ticks == 1000


@pytest.mark.parametrize("side", [1, -1])
def test_where_there_is_no_stop_yet_one_is_set(side: int) -> None:
    machine = machine_ready(stop_value=0, stop_optional=1, break_even_ppm=20_000)
    entered(machine, side=side)
    assert row(machine).stop_ticks == 0
    said = price(machine, 1000 + 20 * side, side)
    assert said == [("BREAK_EVEN", 1, 10, "NONE"), ("place", 3, "STOP", -10 * side, 1000)]


TRAILS = [(Distance.TICKS, 1), (Distance.TICKS, 77)]
TRAILS += [(Distance.PPM, ppm) for ppm in (1, 300, 45_678, 600_000, 2_000_000)]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("step", [0, 1, 13])
@pytest.mark.parametrize("trail", TRAILS)
def test_looking_at_few_prices_finds_what_looking_at_all_does(side: int, step: int, trail: tuple[int, int]) -> None:
    """The prices at which a bracket is looked at are never too far away: a plain reckoning of every price agrees."""
    kind, value = trail
    machine = machine_ready(trail_distance=kind, trail_value=value, trail_step_ticks=step, trail_activation_ppm=2_000)
    entered(machine, side=side)
    stop, best, active, looks = 1000 - side * 50, 1000, False, 0
    for number in range(1, 400):
        now = 1000 + side * ((number * number * 7919) % (number + 3) + number // 3)
        best = max(best, now) if side > 0 else min(best, now)
        active = active or side * (now - 1000) * 1_000_000 // 1000 >= 2_000
        distance = max(1, best * value // 1_000_000) if kind == Distance.PPM else value
        candidate = max(1, best - side * distance)
        if active and side * (candidate - stop) >= (step or max(1, distance // 10)):
            stop = candidate
        looks += bool(price(machine, now, side))
        assert int(row(machine).stop_ticks) == stop, (number, now)
    assert looks < 200


def test_the_time_limit_closes_a_bracket_before_the_event_that_brings_it() -> None:
    machine = machine_ready(time_limit_ns=500)
    tell(machine, signal(Action.BUY, 10), fill(1, 10, ts_ns=100))
    assert tell(machine, quote(1001, ts_ns=599)) == []
    said = tell(machine, quote(1000, ts_ns=600))
    assert said == [
        ("TIME_LIMIT", 1, 10, "TIME_LIMIT_REACHED"),
        *[("cancel", STOP), ("cancel", TARGET)],
        ("place", 4, "MARKET", -10, 0),
    ]
    assert tell(machine, canceled(STOP), canceled(TARGET), fill(4, 10, 1000, -1, ts_ns=600)) == []


def test_time_limits_come_in_turn() -> None:
    machine = machine_ready(time_limit_ns=500)
    tell(machine, signal(Action.BUY, 10), fill(1, 10, ts_ns=100))
    tell(machine, signal(Action.BUY, 10) | {"ts_ns": 150}, fill(4, 10, ts_ns=200))
    assert [item[1] for item in tell(machine, quote(1001, ts_ns=650)) if item[0] == "TIME_LIMIT"] == [1]
    assert machine.state.brackets_due_ts_ns == 700
    assert [item[1] for item in tell(machine, quote(1001, ts_ns=700)) if item[0] == "TIME_LIMIT"] == [2]
    assert machine.state.brackets_due_ts_ns == INT64_MAX


@pytest.mark.parametrize("side", [1, -1])
def test_the_engine_holds_the_legs_and_releases_the_stop_at_its_price(side: int) -> None:
    machine = machine_ready(held_by_engine=1)
    entered(machine, side=side)
    assert [machine.order(number).status for number in (STOP, TARGET)] == [OrderStatus.HELD] * 2
    assert price(machine, 1000 - side * 49, side) == []
    assert price(machine, 1000 - side * 50, side) == [("release", STOP, "MARKET", -10 * side, 0)]
    assert price(machine, 1000 - side * 60, side) == []
    assert machine.order(STOP).reference_ticks == 1000 - side * 50
    said = tell(machine, fill(STOP, 10, 940, -side))
    assert said == [("cancel", TARGET), ("CLOSED", 1, 0, "STOP_REACHED")], "without waiting for an answer"


@pytest.mark.parametrize("side", [1, -1])
def test_a_held_target_is_released_as_a_limit_order(side: int) -> None:
    machine = machine_ready(held_by_engine=1)
    entered(machine, side=side)
    assert price(machine, 1000 + side * 99, side) == []
    assert price(machine, 1000 + side * 100, side) == [("release", TARGET, "LIMIT", -10 * side, 1000 + side * 100)]
    assert tell(machine, fill(TARGET, 4, 1100, -side)) == [("amend", STOP, -6 * side, 1000 - side * 50)]
    assert machine.order(STOP).quantity_lots == 6


def test_held_legs_are_amended_and_cancelled_at_once() -> None:
    machine = machine_ready(held_by_engine=1, trail_step_ticks=1, **TICKS)
    tell(machine, signal(Action.BUY, 10), fill(1, 4))
    assert tell(machine, fill(1, 6))[:2] == [("amend", STOP, -10, 960), ("amend", TARGET, -10, 1100)]
    assert price(machine, 1010) == [("STOP_MOVED", 1, 10, "NONE"), ("amend", STOP, -10, 970)]
    said = tell(machine, signal(Action.CLOSE))
    assert said == [("cancel", STOP), ("cancel", TARGET), ("place", 4, "MARKET", -10, 0)]
    assert machine.order(STOP).status == OrderStatus.CANCELED
    assert tell(machine, fill(4, 10, 1000, -1)) == [("CLOSED", 1, 0, "SIGNAL_CLOSED")]


def test_a_price_that_is_there_already_releases_at_once() -> None:
    machine = machine_ready(held_by_engine=1)
    machine.tell(quote(940))
    tell(machine, signal(Action.BUY, 10))
    said = tell(machine, fill(1, 10, 1000))
    assert said[1:] == [
        ("place", STOP, "STOP", -10, 950),
        ("place", TARGET, "LIMIT", -10, 1100),
        ("release", STOP, "MARKET", -10, 0),
    ]


def test_a_held_leg_that_fills_is_out_as_one_that_was_released() -> None:
    machine = machine_ready(held_by_engine=1, **TICKS)
    entered(machine)
    assert tell(machine, fill(STOP, 4, 950, -1)) == [("amend", TARGET, -6, 1100)]
    assert price(machine, 1200) == [], "the stop is out: it moves no more, and no target goes out"


def test_once_the_stop_is_released_it_moves_no_more_and_no_target_goes_out() -> None:
    machine = machine_ready(held_by_engine=1, **TICKS)
    entered(machine)
    price(machine, 940)
    assert price(machine, 1200) == []
    assert tell(machine, fill(STOP, 4, 940, -1)) == [("amend", TARGET, -6, 1100)]


def test_a_released_stop_that_is_rejected_is_placed_and_released_anew() -> None:
    machine = machine_ready(held_by_engine=1)
    entered(machine)
    price(machine, 940)
    said = tell(machine, rejected(STOP))
    assert said == [
        ("LEG_LOST", 1, 10, "LEG_REJECTED"),
        ("place", 4, "STOP", -10, 950),
        ("release", 4, "MARKET", -10, 0),
    ]


def test_a_released_stop_grows_without_a_price() -> None:
    machine = machine_ready(held_by_engine=1)
    tell(machine, signal(Action.BUY, 10, limit_ticks=1000), fill(1, 6))
    price(machine, 940)
    machine.tell(report(EventKind.ORDER_ACCEPTED, STOP))
    (asked, _) = machine.tell(fill(1, 4))
    assert (asked["quantity_lots"], asked["order_type"], asked.get("trigger_ticks", 0)) == (10, OrderType.MARKET, 0)


def test_brackets_of_both_sides_wait_for_prices_of_their_own() -> None:
    machine = machine_ready(*target(0, Distance.TICKS, 300), held_by_engine=1)
    entered(machine, 10)
    machine.tell(signal(Action.SELL, 10))
    instrument = machine.state.instruments[2]
    assert instrument.watch_low_ticks == 950
    machine.tell(fill(4, 10, 1000, -1), fill(5, 10, 1000, -1))
    price(machine, 900)
    assert instrument.watch_high_ticks == 1050
    assert instrument.watch_low_ticks == 700
