"""Public trades at the simulated exchange: fills through and at the price, queues, triggers, trade-only data."""

import pytest

from engine.kinds import Aggressor, OrderType
from tests.simulated_venue import Venue, shorts

LIMIT, STOP = OrderType.LIMIT, OrderType.STOP
BUYER, SELLER = Aggressor.BUYER, Aggressor.SELLER


@pytest.fixture
def venue() -> Venue:
    venue = Venue()
    venue.quote(100, 102, 10, 10)
    return venue


def test_trade_through_the_price_fills_up_to_its_size_in_priority_order(venue):
    venue.order(1, LIMIT, 4, limit=98)
    venue.order(2, LIMIT, 4, limit=99)
    venue.order(3, LIMIT, 4, limit=99)
    reports = venue.trade(97, 9)
    assert shorts(reports) == [("FILLED", 2, 99, 4), ("FILLED", 3, 99, 4), ("FILLED", 1, 98, 1)]
    assert all(report.is_maker for report in reports)


def test_trade_through_fills_sells_whoever_took(venue):
    venue.order(1, LIMIT, 4, sell=True, limit=105)
    assert shorts(venue.trade(106, 3, aggressor=SELLER)) == [("FILLED", 1, 105, 3)]


def test_trade_at_the_price_goes_to_the_queue_ahead_first(venue):
    venue.order(1, LIMIT, 4, limit=100)  # ten are ahead
    assert venue.trade(100, 6) == []
    assert shorts(venue.trade(100, 6)) == [("FILLED", 1, 100, 2)]
    assert shorts(venue.trade(100, 6)) == [("FILLED", 1, 100, 2)]


def test_order_that_improves_the_touch_has_nobody_ahead(venue):
    venue.order(1, LIMIT, 4, limit=101)
    assert shorts(venue.trade(101, 1)) == [("FILLED", 1, 101, 1)]


def test_queue_is_never_more_than_what_is_displayed(venue):
    venue.order(1, LIMIT, 4, limit=100)
    venue.quote(100, 102, 2, 10)
    venue.quote(100, 102, 50, 10)
    assert venue.trade(100, 9) == [], "a depth that came and went moves nobody forward"
    venue.quote(100, 102, 0, 10)
    assert shorts(venue.trade(100, 3)) == [("FILLED", 1, 100, 3)]


def test_level_that_was_not_visible_counts_what_it_shows_when_it_becomes_the_touch(venue):
    venue.order(1, LIMIT, 4, limit=98)
    venue.quote(98, 102, 7, 10)
    venue.quote(98, 102, 30, 10)
    assert shorts(venue.trade(98, 8)) == [("FILLED", 1, 98, 1)]


def test_level_that_the_market_has_left_behind_has_no_queue(venue):
    venue.order(1, LIMIT, 4, limit=98)
    venue.quote(97, 102, 30, 10)
    assert shorts(venue.trade(98, 3)) == [("FILLED", 1, 98, 3)]


def test_trade_at_the_price_of_the_other_aggressor_does_not_count(venue):
    venue.order(1, LIMIT, 4, limit=101)
    assert venue.trade(101, 9, aggressor=BUYER) == []
    assert shorts(venue.trade(101, 9, aggressor=SELLER)) == [("FILLED", 1, 101, 4)]


def test_own_fills_ahead_use_up_the_trade(venue):
    venue.order(1, LIMIT, 4, limit=101)
    venue.order(2, LIMIT, 4, limit=101)
    assert shorts(venue.trade(101, 6)) == [("FILLED", 1, 101, 4), ("FILLED", 2, 101, 2)]


def test_order_sent_while_a_trade_is_worked_through_is_not_filled_by_it(venue):
    from tests.simulated_venue import order_row

    answers = [[order_row(2, LIMIT, 4, limit=100)]]
    venue.reaction = lambda reports: answers.pop() if answers else []
    venue.order(1, LIMIT, 1, limit=99)
    assert shorts(venue.trade(98, 9)) == [("FILLED", 1, 99, 1), ("ACCEPTED", 2)]
    assert shorts(venue.trade(98, 9)) == [("FILLED", 2, 100, 4)]


def test_stops_trigger_by_the_trade_and_take_the_quote(venue):
    venue.order(1, STOP, 2, trigger=105)
    assert venue.trade(104) == []
    assert shorts(venue.trade(105)) == [("TRIGGERED", 1), ("FILLED", 1, 102, 2)]


def test_stops_trigger_in_the_order_of_their_prices_then_of_time(venue):
    venue.order(1, STOP, 1, sell=True, trigger=95)
    venue.order(2, OrderType.TRAILING_STOP, 1, sell=True, trail=4)  # triggers at 96
    venue.order(3, STOP, 1, sell=True, trigger=96)
    venue.order(4, STOP, 1, sell=True, trigger=97)
    assert [r.order for r in venue.trade(90) if r.kind.name == "ORDER_TRIGGERED"] == [4, 2, 3, 1]


def test_without_quotes_the_last_trade_is_the_book_without_end():
    venue = Venue()
    venue.trade(100, 3)
    assert shorts(venue.order(1, quantity=50)) == [("ACCEPTED", 1), ("FILLED", 1, 100, 50)]
    assert shorts(venue.order(2, LIMIT, 5, limit=101)) == [("ACCEPTED", 2), ("FILLED", 2, 100, 5)]
    venue.order(3, LIMIT, 5, limit=98)
    assert venue.trade(98, 50) == [], "nothing is known of the queue, so only a trade through the price fills"
    assert shorts(venue.trade(97, 4)) == [("FILLED", 3, 98, 4)]


def test_impossible_records_change_nothing(venue):
    assert venue.quote(103, 102, 5, 5) == []
    assert venue.quote(0, 102, 5, 5) == []
    assert venue.trade(-5) == []
    assert venue.bar(100, 99, 98, 100) == []
    assert venue.quote(100, 500, instrument=3) == []
    assert venue.order(1)[1].price == 102


def test_a_resting_order_fills_only_when_its_instrument_moves():
    from adapters.simulated import InstrumentTerms

    venue = Venue(instruments=[InstrumentTerms(0, 1), InstrumentTerms(0, 1)])
    venue.quote(100, 102, 10, 10)
    venue.order(1, LIMIT, 1, limit=99)
    assert venue.quote(50, 51, 10, 10, instrument=1) == []
    assert shorts(venue.quote(98, 99, 10, 10)) == [("FILLED", 1, 99, 1)]
