"""Bars at the simulated exchange: the stated path, gaps, volume, and orders that arrive while it is walked."""

import pytest

from adapters.simulated import ExchangeTerms
from engine.kinds import OrderType, TimeInForce
from engine.reasons import Reason
from tests.simulated_venue import Venue, order_row, shorts

LIMIT, STOP, TAKE_PROFIT, TRAILING = OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP


@pytest.fixture
def venue() -> Venue:
    venue = Venue()
    venue.bar(100, 101, 99, 100)
    return venue


def test_market_order_without_latency_fills_at_the_close(venue):
    assert shorts(venue.order(1)) == [("ACCEPTED", 1), ("FILLED", 1, 100, 1)]


def test_market_order_that_arrives_later_fills_at_the_next_open():
    venue = Venue(ExchangeTerms(latency_in_ns=3))
    venue.bar(100, 101, 99, 100)
    assert venue.order(1) == []
    assert shorts(venue.wait_until(venue.now_ns + 5)) == [("ACCEPTED", 1)]
    assert shorts(venue.bar(104, 110, 90, 105)) == [("FILLED", 1, 104, 1)]


def test_limit_that_could_take_waits_for_the_open_too_and_then_takes_or_rests():
    venue = Venue(ExchangeTerms(latency_in_ns=3))
    venue.bar(100, 101, 99, 100)
    venue.order(1, LIMIT, 1, limit=102)
    venue.order(2, LIMIT, 1, limit=102, tif=TimeInForce.IOC)
    venue.order(3, LIMIT, 1, limit=103, tif=TimeInForce.FOK)
    venue.wait_until(venue.now_ns + 5)
    reports = venue.bar(103, 104, 101, 102)
    assert shorts(reports) == [
        ("CANCELED", 2, Reason.EXCHANGE_IOC_REMAINDER), ("FILLED", 3, 103, 1), ("FILLED", 1, 102, 1),
    ]  # fmt: skip
    assert [report.is_maker for report in reports] == [False, False, True]


def test_order_sent_while_a_bar_was_forming_fills_at_its_close():
    venue = Venue(ExchangeTerms(latency_in_ns=1))
    venue.bar(100, 101, 99, 100, ts_exchange_ns=1)
    opened = venue.now_ns
    venue.wait_until(opened + 4)
    venue.order(1)
    venue.wait_until(opened + 6)
    assert shorts(venue.bar(104, 110, 90, 105, ts_exchange_ns=opened)) == [("FILLED", 1, 105, 1)]


@pytest.mark.parametrize(
    ("close", "order_of_fills"),
    [(106, [("FILLED", 1, 95, 1), ("FILLED", 2, 108, 1)]), (99, [("FILLED", 2, 108, 1), ("FILLED", 1, 95, 1)])],
)
def test_path_goes_to_the_low_first_in_a_bar_that_rises(venue, close, order_of_fills):
    venue.order(1, LIMIT, 1, limit=95)
    venue.order(2, LIMIT, 1, sell=True, limit=108)
    assert shorts(venue.bar(100, 110, 90, close)) == order_of_fills


def test_path_goes_to_the_stop_first_where_stop_and_target_lie_in_one_bar(venue):
    venue.order(1, STOP, 1, sell=True, trigger=95)
    venue.order(2, LIMIT, 1, sell=True, limit=108)
    assert shorts(venue.bar(100, 110, 90, 99))[:2] == [("TRIGGERED", 1), ("FILLED", 1, 95, 1)]
    venue.order(3, STOP, 1, trigger=108)
    venue.order(4, TAKE_PROFIT, 1, trigger=95)
    assert shorts(venue.bar(100, 110, 90, 106)) == [
        ("TRIGGERED", 3), ("FILLED", 3, 108, 1), ("TRIGGERED", 4), ("FILLED", 4, 95, 1),
    ]  # fmt: skip


def test_path_goes_to_the_stop_first_also_for_a_bracket_sent_inside_the_bar(venue):
    """A falling bar goes up first; the entry on the way up is answered with a stop and a target."""

    def bracket(reports):
        if any(report.short == ("FILLED", 1, 103, 1) for report in reports):
            stop = order_row(2, STOP, 1, sell=True, trigger=97, reduce_only=True)
            return [stop, order_row(3, LIMIT, 1, sell=True, limit=108, reduce_only=True)]
        return []

    venue.order(1, STOP, 1, trigger=103)
    venue.reaction = bracket
    assert shorts(venue.bar(100, 110, 90, 95)) == [
        ("TRIGGERED", 1), ("FILLED", 1, 103, 1), ("ACCEPTED", 2), ("ACCEPTED", 3), ("TRIGGERED", 2),
        ("FILLED", 2, 97, 1), ("CANCELED", 3, Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE),
    ]  # fmt: skip


def test_stop_beyond_the_open_fills_at_the_open(venue):
    venue.order(1, STOP, 1, sell=True, trigger=97)
    assert shorts(venue.bar(92, 99, 90, 95)) == [("TRIGGERED", 1), ("FILLED", 1, 92, 1)]


def test_resting_limit_fills_at_its_own_price_also_on_a_gap(venue):
    venue.order(1, LIMIT, 1, limit=97)
    assert shorts(venue.bar(92, 99, 90, 95)) == [("FILLED", 1, 97, 1)]


def test_take_profit_beyond_the_open_fills_at_the_open(venue):
    venue.order(1, TAKE_PROFIT, 1, sell=True, trigger=105)
    assert shorts(venue.bar(107, 109, 104, 108)) == [("TRIGGERED", 1), ("FILLED", 1, 107, 1)]


def test_orders_execute_in_price_order_along_a_leg(venue):
    venue.order(1, LIMIT, 1, limit=92)
    venue.order(2, STOP, 1, sell=True, trigger=94)
    venue.order(3, LIMIT, 1, limit=96)
    fills = [r.short for r in venue.bar(100, 101, 90, 100) if r.price]
    assert [fill for fill in fills if fill[0] == "FILLED"] == [
        ("FILLED", 3, 96, 1), ("FILLED", 2, 94, 1), ("FILLED", 1, 92, 1),
    ]  # fmt: skip


def test_extremes_themselves_count(venue):
    venue.order(1, LIMIT, 1, limit=90)
    venue.order(2, LIMIT, 1, sell=True, limit=110)
    venue.order(3, LIMIT, 1, limit=89)
    assert shorts(venue.bar(100, 110, 90, 100)) == [("FILLED", 1, 90, 1), ("FILLED", 2, 110, 1)]


def test_trailing_stop_inside_a_bar_follows_the_path(venue):
    venue.order(1, TRAILING, 1, sell=True, trail=6)
    assert shorts(venue.bar(100, 110, 98, 101)) == [("TRIGGERED", 1), ("FILLED", 1, 104, 1)]


def test_reaction_inside_a_bar_sees_the_price_of_the_path(venue):
    answers = [[order_row(9)]]
    venue.reaction = lambda reports: answers.pop() if answers else []
    venue.order(1, LIMIT, 1, limit=95)
    assert shorts(venue.bar(100, 110, 90, 106)) == [("FILLED", 1, 95, 1), ("ACCEPTED", 9), ("FILLED", 9, 95, 1)]


def test_share_of_the_volume_is_for_all_fills_of_the_bar():
    venue = Venue(ExchangeTerms(bar_volume_share_ppm=100_000))
    venue.bar(100, 101, 99, 100, volume=1000)
    venue.order(1, LIMIT, 8, limit=95)
    venue.order(2, LIMIT, 8, sell=True, limit=108)
    assert shorts(venue.bar(100, 110, 90, 106, volume=105)) == [("FILLED", 1, 95, 8), ("FILLED", 2, 108, 2)]
    assert shorts(venue.order(3)) == [("ACCEPTED", 3)]
    assert shorts(venue.bar(106, 109, 105, 106, volume=40)) == [("FILLED", 3, 106, 1), ("FILLED", 2, 108, 3)]
    assert shorts(venue.bar(106, 109, 105, 106, volume=9)) == []
    assert shorts(venue.bar(110, 111, 109, 110, volume=400)) == [("FILLED", 2, 108, 3)]


def test_bar_over_a_time_that_another_source_has_traded_is_ignored(venue):
    venue.order(1, LIMIT, 1, limit=95)
    opened = venue.now_ns
    assert venue.bar(100, 101, 96, 100, ts_exchange_ns=opened, source=1) == []
    assert venue.bar(100, 110, 90, 100, ts_exchange_ns=opened - 5, source=2) == [], "the hour after its minutes"
    assert int(venue.record.bars_ignored) == 1
    assert shorts(venue.bar(100, 110, 95, 100, ts_exchange_ns=venue.now_ns, source=1)) == [("FILLED", 1, 95, 1)]


def test_bar_of_one_price_is_walked(venue):
    venue.order(1, LIMIT, 1, limit=95)
    assert shorts(venue.bar(95, 95, 95, 95)) == [("FILLED", 1, 95, 1)]


def test_orders_that_take_turns_in_a_bar_end(venue):
    """Each stop's fill is answered with the opposite stop just passed: it triggers at once, and the bar ends."""
    venue.order(1, STOP, 1, trigger=103)
    sent = iter(range(2, 30))

    def answer(reports):
        number = next(sent, 0)
        fills = [report for report in reports if report.short[0] == "FILLED"]
        if not fills or not number:
            return []
        trigger = fills[-1].price - 1 if number % 2 == 0 else fills[-1].price + 1
        return [order_row(number, STOP, 1, sell=number % 2 == 0, trigger=trigger)]

    venue.reaction = answer
    venue.bar(100, 110, 90, 95)
    assert int(venue.record.walk_instrument) == 0
