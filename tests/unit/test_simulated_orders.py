"""Order types, times in force, flags, amendments and the checks of the simulated exchange, on quotes."""

import pytest

from adapters.simulated import (
    AccountTerms,
    ExchangeFault,
    ExchangeTerms,
    InstrumentTerms,
    SlippageModel,
    build_exchange,
)
from engine.kinds import AccountKind, EventKind, OrderType, TimeInForce
from engine.reasons import Reason
from tests.simulated_venue import LIMITS, SUBMIT, Venue, order_row, shorts

LIMIT, STOP, STOP_LIMIT = OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT
TAKE_PROFIT, TAKE_PROFIT_LIMIT, TRAILING = OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT, OrderType.TRAILING_STOP
IOC, FOK, GTD = TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD


@pytest.fixture
def venue() -> Venue:
    """A market of 100 at 102, ten lots on each side."""
    venue = Venue()
    venue.quote(100, 102, 10, 10)
    return venue


def test_market_order_takes_the_touch_and_works_on_at_the_next_quote(venue):
    assert shorts(venue.order(1, quantity=13)) == [("ACCEPTED", 1), ("FILLED", 1, 102, 10)]
    assert shorts(venue.quote(100, 103, 10, 2)) == [("FILLED", 1, 103, 2)]
    assert shorts(venue.quote(100, 104, 10, 9)) == [("FILLED", 1, 104, 1)]
    assert venue.idle


def test_each_displayed_lot_is_taken_once_a_quote(venue):
    venue.order(1, quantity=7)
    assert shorts(venue.order(2, quantity=7)) == [("ACCEPTED", 2), ("FILLED", 2, 102, 3)]
    assert shorts(venue.order(3, quantity=1)) == [("ACCEPTED", 3)]
    assert shorts(venue.quote(100, 102, 10, 10)) == [("FILLED", 2, 102, 4), ("FILLED", 3, 102, 1)]


def test_market_order_without_a_market_is_rejected():
    assert shorts(Venue().order(1)) == [("REJECTED", 1, Reason.EXCHANGE_NO_MARKET)]


def test_quotes_without_any_size_are_unlimited():
    venue = Venue()
    venue.quote(100, 102)
    assert shorts(venue.order(1, quantity=5000)) == [("ACCEPTED", 1), ("FILLED", 1, 102, 5000)]
    venue.quote(100, 102, 10, 0)
    assert shorts(venue.order(2)) == [("ACCEPTED", 2)], "once a size was shown, none displayed is none to take"


def test_marketable_limit_takes_and_its_remainder_rests(venue):
    assert shorts(venue.order(1, LIMIT, 12, limit=103)) == [("ACCEPTED", 1), ("FILLED", 1, 102, 10)]
    reports = venue.quote(100, 103, 10, 10)
    assert shorts(reports) == [("FILLED", 1, 103, 2)]
    assert reports[0].is_maker


def test_resting_limit_fills_as_maker_at_its_price_when_touched(venue):
    assert shorts(venue.order(1, LIMIT, 4, limit=101)) == [("ACCEPTED", 1)]
    assert shorts(venue.order(2, LIMIT, 4, sell=True, limit=103)) == [("ACCEPTED", 2)]
    assert shorts(venue.quote(99, 101, 10, 3)) == [("FILLED", 1, 101, 3)]
    assert shorts(venue.quote(105, 106, 10, 3)) == [("FILLED", 2, 103, 4)]


def test_resting_limits_fill_by_price_then_time(venue):
    for number, limit in ((1, 99), (2, 101), (3, 100), (4, 101)):
        venue.order(number, LIMIT, 2, limit=limit)
    reports = venue.quote(97, 98, 10, 7)
    assert shorts(reports) == [
        ("FILLED", 2, 101, 2),
        ("FILLED", 4, 101, 2),
        ("FILLED", 3, 100, 2),
        ("FILLED", 1, 99, 1),
    ]


@pytest.mark.parametrize(
    ("sell", "trigger", "near", "far"),
    [(False, 105, (102, 104), (104, 106)), (True, 97, (98, 100), (96, 98))],
)
def test_stop_triggers_by_the_quote_and_takes_the_touch(venue, sell, trigger, near, far):
    venue.order(1, STOP, 3, sell=sell, trigger=trigger)
    assert venue.quote(*near, 10, 10) == []
    price = far[0] if sell else far[1]
    reports = venue.quote(*far, 10, 10)
    assert shorts(reports) == [("TRIGGERED", 1), ("FILLED", 1, price, 3)]
    assert reports[0].price == price


@pytest.mark.parametrize(
    ("sell", "trigger", "near", "far"),
    [(True, 105, (104, 106), (105, 107)), (False, 97, (96, 98), (95, 97))],
)
def test_take_profit_needs_the_price_it_could_be_closed_for(venue, sell, trigger, near, far):
    venue.order(1, TAKE_PROFIT, 3, sell=sell, trigger=trigger)
    assert venue.quote(*near, 10, 10) == []
    assert shorts(venue.quote(*far, 10, 10)) == [("TRIGGERED", 1), ("FILLED", 1, trigger, 3)]


def test_trigger_reached_on_arrival_triggers_at_once(venue):
    assert shorts(venue.order(1, STOP, trigger=101)) == [("ACCEPTED", 1), ("TRIGGERED", 1), ("FILLED", 1, 102, 1)]
    assert shorts(venue.order(2, TAKE_PROFIT, sell=True, trigger=99)) == [
        ("ACCEPTED", 2),
        ("TRIGGERED", 2),
        ("FILLED", 2, 100, 1),
    ]


def test_stop_limit_rests_where_the_market_has_gone_past_its_limit(venue):
    venue.order(1, STOP_LIMIT, 2, trigger=105, limit=106)
    assert shorts(venue.quote(107, 109, 10, 10)) == [("TRIGGERED", 1)]
    assert shorts(venue.quote(105, 106, 10, 10)) == [("FILLED", 1, 106, 2)]


def test_take_profit_limit_never_gives_more_than_its_limit(venue):
    venue.order(1, TAKE_PROFIT_LIMIT, 2, sell=True, trigger=105, limit=106)
    assert shorts(venue.quote(105, 107, 10, 10)) == [("TRIGGERED", 1)]
    assert shorts(venue.quote(106, 107, 10, 10)) == [("FILLED", 1, 106, 2)]


def test_trailing_stop_follows_the_best_price(venue):
    venue.order(1, TRAILING, 1, sell=True, trail=5)
    for bid in (104, 101, 107, 103):
        assert venue.quote(bid, bid + 2, 10, 10) == []
    assert shorts(venue.quote(102, 104, 10, 10)) == [("TRIGGERED", 1), ("FILLED", 1, 102, 1)]


def test_buying_trailing_stop_follows_the_ask_down(venue):
    venue.order(1, TRAILING, 1, trail=5)
    for ask in (98, 101, 95, 99):
        assert venue.quote(ask - 2, ask, 10, 10) == []
    assert shorts(venue.quote(98, 100, 10, 10)) == [("TRIGGERED", 1), ("FILLED", 1, 100, 1)]


def test_trailing_stop_waits_for_its_activation(venue):
    venue.order(1, TRAILING, 1, sell=True, trail=3, trigger=110)
    assert venue.quote(90, 92, 10, 10) == []
    assert venue.quote(111, 113, 10, 10) == []
    assert venue.quote(109, 111, 10, 10) == []
    assert shorts(venue.quote(108, 110, 10, 10)) == [("TRIGGERED", 1), ("FILLED", 1, 108, 1)]


def test_trailing_stops_of_different_ages_keep_their_own_best_price(venue):
    venue.order(1, TRAILING, 1, sell=True, trail=10)  # best 100
    venue.quote(120, 122, 10, 10)  # best 120, triggers at 110
    venue.quote(115, 117, 10, 10)
    venue.order(2, TRAILING, 1, sell=True, trail=8)  # best 115, triggers at 107
    venue.quote(118, 120, 10, 10)  # the second follows to 118: 110
    venue.order(3, TRAILING, 1, sell=True, trail=20)  # best 118: 98
    assert venue.quote(111, 113, 10, 10) == []
    assert shorts(venue.quote(110, 112, 10, 10)) == [
        ("TRIGGERED", 1), ("FILLED", 1, 110, 1), ("TRIGGERED", 2), ("FILLED", 2, 110, 1),
    ]  # fmt: skip
    venue.quote(130, 132, 10, 10)
    assert venue.quote(111, 113, 10, 10) == []
    assert shorts(venue.quote(110, 112, 10, 10)) == [("TRIGGERED", 3), ("FILLED", 3, 110, 1)]


def test_ioc_cancels_its_remainder(venue):
    assert shorts(venue.order(1, quantity=12, tif=IOC)) == [
        ("ACCEPTED", 1), ("FILLED", 1, 102, 10), ("CANCELED", 1, Reason.EXCHANGE_IOC_REMAINDER),
    ]  # fmt: skip
    assert shorts(venue.order(2, LIMIT, 1, limit=101, tif=IOC)) == [
        ("ACCEPTED", 2), ("CANCELED", 2, Reason.EXCHANGE_IOC_REMAINDER),
    ]  # fmt: skip


def test_fok_is_filled_wholly_or_not_at_all(venue):
    refused = Reason.EXCHANGE_FOK_NOT_FILLABLE
    assert shorts(venue.order(1, quantity=11, tif=FOK)) == [("REJECTED", 1, refused)]
    assert shorts(venue.order(2, LIMIT, 1, limit=101, tif=FOK)) == [("REJECTED", 2, refused)]
    assert shorts(venue.order(3, LIMIT, 10, limit=102, tif=FOK)) == [("ACCEPTED", 3), ("FILLED", 3, 102, 10)]
    venue.order(4, STOP, 11, trigger=105, tif=FOK)
    assert shorts(venue.quote(104, 106, 10, 10)) == [("TRIGGERED", 4), ("CANCELED", 4, refused)]


def test_gtd_expires_before_any_fill_at_that_time(venue):
    venue.order(1, LIMIT, 1, limit=101, tif=GTD, expire=venue.now_ns + 2)
    assert venue.quote(100, 102, 10, 10) == []
    assert shorts(venue.quote(99, 101, 10, 10)) == [("EXPIRED", 1, Reason.EXCHANGE_EXPIRED)]
    late = venue.order(2, LIMIT, 1, limit=99, tif=GTD, expire=venue.now_ns)
    assert shorts(late) == [("REJECTED", 2, Reason.EXCHANGE_EXPIRED)]


def test_gtd_orders_expire_soonest_first_and_before_a_command_of_that_time(venue):
    for number, after in ((1, 30), (2, 10), (3, 20), (4, 30)):
        venue.order(number, LIMIT, 1, limit=99, tif=GTD, expire=venue.now_ns + after)
    venue.cancel(3)
    venue.now_ns += 30
    assert [report.order for report in venue.cancel(1)] == [2, 1, 4, 1]


def test_post_only_is_rejected_when_it_would_take(venue):
    assert shorts(venue.order(1, LIMIT, 1, limit=102, post_only=True)) == [
        ("REJECTED", 1, Reason.EXCHANGE_POST_ONLY_WOULD_TAKE)
    ]
    assert shorts(venue.order(2, LIMIT, 1, limit=101, post_only=True)) == [("ACCEPTED", 2)]
    assert shorts(venue.amend(2, limit=102)) == [("CANCEL_REJECTED", 2, Reason.EXCHANGE_POST_ONLY_WOULD_TAKE)]
    assert shorts(venue.order(3, post_only=True)) == [("REJECTED", 3, Reason.EXCHANGE_ORDER_INVALID)]
    venue.order(4, STOP_LIMIT, 1, trigger=104, limit=106, post_only=True)
    assert shorts(venue.quote(103, 105, 9, 9)) == [
        ("TRIGGERED", 4), ("CANCELED", 4, Reason.EXCHANGE_POST_ONLY_WOULD_TAKE),
    ]  # fmt: skip


def test_reduce_only_may_only_reduce(venue):
    increase = Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE
    assert shorts(venue.order(1, sell=True, reduce_only=True)) == [("REJECTED", 1, increase)]
    venue.order(2, quantity=5)
    assert shorts(venue.order(3, reduce_only=True)) == [("REJECTED", 3, increase)]
    reports = venue.order(4, LIMIT, 8, sell=True, limit=110, reduce_only=True)
    assert [(r.kind, r.quantity) for r in reports] == [(EventKind.ORDER_ACCEPTED, 8), (EventKind.ORDER_AMENDED, 5)]


def test_reduce_only_is_cut_as_the_position_shrinks_and_never_flips_it(venue):
    venue.order(1, quantity=5)
    venue.order(2, LIMIT, 5, sell=True, limit=110, reduce_only=True)
    venue.order(3, STOP, 4, sell=True, trigger=90, reduce_only=True)
    reports = venue.order(4, quantity=2, sell=True)
    assert [(r.kind.name, r.order, r.quantity) for r in reports[2:]] == [
        ("ORDER_AMENDED", 3, 3), ("ORDER_AMENDED", 2, 3),
    ]  # fmt: skip
    assert shorts(venue.quote(110, 112, 2, 2)) == [("FILLED", 2, 110, 2), ("AMENDED", 3)]
    assert shorts(venue.quote(110, 112, 9, 9)) == [
        ("FILLED", 2, 110, 1), ("CANCELED", 3, Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE),
    ]  # fmt: skip
    assert venue.position == 0


def test_cancel_and_what_there_is_not(venue):
    venue.order(1, LIMIT, 1, limit=99)
    assert shorts(venue.cancel(1)) == [("CANCELED", 1, Reason.EXCHANGE_CANCELED_ON_REQUEST)]
    assert shorts(venue.cancel(1)) == [("CANCEL_REJECTED", 1, Reason.EXCHANGE_ORDER_UNKNOWN)]
    assert shorts(venue.amend(7, quantity=1)) == [("CANCEL_REJECTED", 7, Reason.EXCHANGE_ORDER_UNKNOWN)]


def test_amended_price_loses_priority_and_a_smaller_quantity_keeps_it(venue):
    for number in (1, 2, 3):
        venue.order(number, LIMIT, 4, limit=100)
    reports = venue.amend(1, quantity=2)
    assert [(r.kind.name, r.quantity, r.price) for r in reports] == [("ORDER_AMENDED", 2, 100)]
    venue.amend(2, quantity=5)
    assert [(r.order, r.quantity) for r in venue.quote(98, 100, 10, 20)] == [(1, 2), (3, 4), (2, 5)]


def test_amended_limit_may_take_and_a_trigger_may_move(venue):
    venue.order(1, LIMIT, 4, limit=100)
    assert shorts(venue.amend(1, limit=102)) == [("AMENDED", 1), ("FILLED", 1, 102, 4)]
    venue.order(2, STOP, 1, sell=True, trigger=90)
    assert [r.price for r in venue.amend(2, trigger=95)] == [95]
    assert shorts(venue.quote(95, 97, 5, 5)) == [("TRIGGERED", 2), ("FILLED", 2, 95, 1)]


def test_amendments_that_make_no_sense_change_nothing(venue):
    venue.order(1, LIMIT, 12, limit=102)
    assert shorts(venue.amend(1, quantity=10)) == [("CANCEL_REJECTED", 1, Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM)]
    assert shorts(venue.amend(1, trigger=5)) == [("CANCEL_REJECTED", 1, Reason.EXCHANGE_TRIGGER_INVALID)]
    venue.order(2, TRAILING, 1, sell=True, trail=5)
    assert shorts(venue.amend(2, limit=5)) == [("CANCEL_REJECTED", 2, Reason.EXCHANGE_PRICE_OFF_TICK)]
    assert shorts(venue.amend(2, quantity=3)) == [("AMENDED", 2)]
    assert shorts(venue.quote(95, 97, 5, 5)) == [("FILLED", 1, 102, 2), ("TRIGGERED", 2), ("FILLED", 2, 95, 3)]


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        (Reason.EXCHANGE_INSTRUMENT_UNKNOWN, {"instrument": 3}),
        (Reason.EXCHANGE_ORDER_INVALID, {"account": 1}),
        (Reason.EXCHANGE_ORDER_INVALID, {"kind": 9}),
        (Reason.EXCHANGE_ORDER_INVALID, {"tif": 9}),
        (Reason.EXCHANGE_PRICE_OFF_TICK, {"kind": LIMIT}),
        (Reason.EXCHANGE_PRICE_OFF_TICK, {"kind": LIMIT, "limit": -5}),
        (Reason.EXCHANGE_TRIGGER_INVALID, {"kind": STOP}),
        (Reason.EXCHANGE_TRIGGER_INVALID, {"kind": TRAILING}),
        (Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM, {"quantity": -4}),
        (Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM, {"quantity": 2}),
        (Reason.EXCHANGE_QUANTITY_OFF_LOT, {"quantity": 5}),
        (Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM, {"quantity": 102}),
        (Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM, {"kind": LIMIT, "limit": 10, "quantity": 4}),
    ],
)
def test_checks(reason, fields):
    terms = InstrumentTerms(
        0, 1, quantity_step_lots=2, quantity_min_lots=4, quantity_max_lots=100, notional_min_units=50
    )
    venue = Venue(
        instruments=[terms], accounts=[AccountTerms(AccountKind.MARGIN, 1), AccountTerms(AccountKind.CASH, 1)]
    )
    venue.quote(100, 102, 10, 10)
    assert shorts(venue.order(1, **{"quantity": 10, **fields})) == [("REJECTED", 1, reason)]
    assert venue.idle


def test_quantity_beyond_any_ledger_is_refused(venue):
    assert shorts(venue.order(1, quantity=1 << 60)) == [("REJECTED", 1, Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM)]


def test_order_number_in_use_is_refused_and_a_full_table_too(venue):
    venue.order(1, LIMIT, 1, limit=99)
    assert shorts(venue.order(1, LIMIT, 1, limit=99)) == [("REJECTED", 1, Reason.EXCHANGE_ORDER_INVALID)]
    capacity = 2 * LIMITS.orders
    for number in range(2, capacity + 1):
        assert shorts(venue.order(number * 128, LIMIT, 1, limit=99)) == [("ACCEPTED", number * 128)]
    assert shorts(venue.order(3, LIMIT, 1, limit=99)) == [("REJECTED", 3, Reason.EXCHANGE_ORDER_TABLE_FULL)]
    for number in range(2, capacity + 1):
        assert len(venue.cancel(number * 128)) == 1
    assert shorts(venue.order(3, LIMIT, 1, limit=99)) == [("ACCEPTED", 3)]


def test_latency_delays_commands_and_reports():
    venue = Venue(ExchangeTerms(latency_in_ns=5, latency_out_ns=7))
    venue.quote(100, 102, 10, 10)
    assert venue.send(order_row(1)) == []
    assert not venue.idle
    venue.quote(103, 105, 10, 10)
    accepted, filled = venue.wait_until(6)
    assert (filled.price, filled.exchange_ts_ns, filled.ts_ns) == (105, 6, 13)
    assert accepted.kind == EventKind.ORDER_ACCEPTED
    assert venue.idle


def test_slippage_of_fixed_ticks_is_for_orders_without_a_limit():
    venue = Venue(ExchangeTerms(slippage_model=SlippageModel.TICKS, slippage_ticks=3))
    venue.quote(2, 102, 10, 10)
    assert venue.order(1)[1].price == 105
    assert venue.order(2, LIMIT, 1, limit=110)[1].price == 102
    assert venue.order(3, STOP, 1, sell=True, trigger=50)[2].price == 1, "never below one tick"


def test_slippage_by_volume_share_is_rounded_against_us():
    venue = Venue(ExchangeTerms(slippage_model=SlippageModel.VOLUME_SHARE, impact_ppm=100_000))
    venue.quote(10_000, 10_002, 10, 10)
    assert venue.order(1, quantity=5)[1].price == 10_253  # 10002 * 0.1 * 0.5^2 = 250.05
    assert venue.order(2, quantity=1, sell=True)[1].price == 9_990


def test_full_rings_are_a_fault():
    venue = Venue(ExchangeTerms(latency_in_ns=5))
    for number in range(4 * LIMITS.orders):
        venue.call(SUBMIT, order_row(number + 1, LIMIT, 1, limit=5))
    assert int(venue.record.fault) == ExchangeFault.NONE
    venue.call(SUBMIT, order_row(999))
    assert int(venue.record.fault) == ExchangeFault.ARRIVALS_FULL
    assert len(venue.wait_until(5)) == 4 * LIMITS.orders
    assert int(venue.record.fault) == ExchangeFault.ARRIVALS_FULL

    venue = Venue(ExchangeTerms(latency_out_ns=5))
    for number in range(4 * LIMITS.orders + 1):
        venue.call(SUBMIT, order_row(number + 1))
        venue._arrivals()
    assert int(venue.record.fault) == ExchangeFault.REPORTS_FULL


@pytest.mark.parametrize(
    ("terms", "instrument", "words"),
    [
        (ExchangeTerms(latency_in_ns=-1), InstrumentTerms(0, 1), "latencies"),
        (ExchangeTerms(impact_ppm=1_000_001), InstrumentTerms(0, 1), "impact"),
        (ExchangeTerms(), InstrumentTerms(1, 1), "instrument 0: expected an account below 1"),
        (ExchangeTerms(), InstrumentTerms(0, 0), "tick value"),
        (ExchangeTerms(), InstrumentTerms(0, 1, maker_fee_ppm=1_000_000), "fees"),
    ],
)
def test_terms_that_make_no_sense_are_refused(terms, instrument, words):
    with pytest.raises(ValueError, match=words):
        build_exchange(terms, [AccountTerms(AccountKind.MARGIN, 1)], [instrument], LIMITS)
    with pytest.raises(ValueError, match="at most 2 accounts"):
        build_exchange(terms, [AccountTerms(AccountKind.MARGIN, 1)] * 3, [instrument], LIMITS)
