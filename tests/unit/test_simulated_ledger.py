"""The simulated exchange's money: balances, reservations, margin, fees, funding, and the same as the engine's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulated import AccountTerms, InstrumentTerms
from engine.kinds import AccountKind, FundingBasis, OrderType
from engine.reasons import Reason
from tests.simulated_venue import Venue, shorts

LIMIT, STOP = OrderType.LIMIT, OrderType.STOP
NO_CASH, NO_MARGIN = Reason.EXCHANGE_BALANCE_INSUFFICIENT, Reason.EXCHANGE_MARGIN_INSUFFICIENT


def cash_venue(balance: int = 1000, **terms) -> Venue:
    venue = Venue(
        accounts=[AccountTerms(AccountKind.CASH, balance)],
        instruments=[InstrumentTerms(0, 1, **terms)],
    )
    venue.quote(100, 100, 1000, 1000)
    return venue


def margin_venue(balance: int = 1000, **terms) -> Venue:
    venue = Venue(
        accounts=[AccountTerms(AccountKind.MARGIN, balance)],
        instruments=[InstrumentTerms(0, 1, **{"margin_initial_ppm": 100_000, **terms}), InstrumentTerms(0, 1)],
    )
    venue.quote(100, 100, 1000, 1000)
    return venue


def test_buy_needs_cash_for_notional_and_fee():
    assert shorts(cash_venue(taker_fee_ppm=1000).order(1, quantity=10)) == [("REJECTED", 1, NO_CASH)]
    venue = cash_venue(1001, taker_fee_ppm=1000)
    assert len(venue.order(1, quantity=10)) == 2
    assert venue.cash == 0


def test_open_buys_reserve_cash_and_give_it_back():
    venue = cash_venue()
    venue.order(1, LIMIT, 6, limit=90)
    assert venue.reserved == 540
    assert shorts(venue.order(2, LIMIT, 6, limit=90)) == [("REJECTED", 2, NO_CASH)]
    venue.amend(1, quantity=2)
    assert venue.reserved == 180
    assert shorts(venue.amend(1, quantity=20)) == [("CANCEL_REJECTED", 1, NO_CASH)]
    assert venue.reserved == 180
    venue.cancel(1)
    assert venue.reserved == 0
    venue.order(3, LIMIT, 10, limit=90)
    venue.quote(89, 90, 4, 4)
    assert (venue.reserved, venue.cash, venue.position) == (540, 640, 4)


def test_sells_need_holdings_less_what_other_sells_reserve():
    venue = cash_venue()
    assert shorts(venue.order(1, sell=True)) == [("REJECTED", 1, NO_CASH)]
    venue.order(2, quantity=5)
    venue.order(3, LIMIT, 3, sell=True, limit=110)
    assert shorts(venue.order(4, quantity=3, sell=True)) == [("REJECTED", 4, NO_CASH)]
    assert len(venue.order(5, quantity=2, sell=True)) == 2


def test_stop_whose_fill_costs_more_than_there_is_is_cancelled():
    venue = cash_venue()
    venue.order(1, STOP, 9, trigger=105)
    assert shorts(venue.quote(119, 120, 99, 99)) == [("TRIGGERED", 1), ("CANCELED", 1, NO_CASH)]
    assert (venue.cash, venue.reserved) == (1000, 0)


def test_margin_bounds_what_is_held_and_open_on_the_worse_side():
    venue = margin_venue()
    assert shorts(venue.order(1, quantity=101)) == [("REJECTED", 1, NO_MARGIN)]
    assert len(venue.order(2, quantity=60)) == 2
    assert len(venue.order(3, LIMIT, 40, limit=90)) == 1
    assert shorts(venue.order(4, LIMIT, 1, limit=90)) == [("REJECTED", 4, NO_MARGIN)]
    assert len(venue.order(5, STOP, 60, sell=True, trigger=80)) == 1, "what only closes needs no margin"
    assert len(venue.order(6, LIMIT, 60, sell=True, limit=120)) == 1, "nor does the other leg of a bracket"
    assert len(venue.order(7, LIMIT, 40, sell=True, limit=120)) == 1, "160 sells of 60 held are 100 short at most"
    assert shorts(venue.order(8, LIMIT, 1, sell=True, limit=120)) == [("REJECTED", 8, NO_MARGIN)]


def test_margin_counts_what_all_positions_have_lost():
    venue = margin_venue()
    venue.order(1, quantity=50)
    venue.quote(85, 85, 1000, 1000)  # 250 left
    assert shorts(venue.order(2, quantity=1)) == [("REJECTED", 2, NO_MARGIN)]
    assert len(venue.order(3, quantity=1, sell=True)) == 2
    venue.mark(130)
    assert len(venue.order(4, quantity=1)) == 2, "the exchange's mark price values positions once there is one"


def test_fees_round_up_and_a_rebate_is_a_negative_fee():
    venue = margin_venue(taker_fee_ppm=333, maker_fee_ppm=-333)
    assert venue.order(1, quantity=10)[1].fee == 1
    venue.order(2, LIMIT, 100, sell=True, limit=101)
    assert venue.quote(101, 102, 500, 500)[0].fee == -3
    assert venue.balance == 1000 - 1 + 3 + 10


def test_fee_in_base_of_a_buy_is_taken_from_what_was_bought():
    venue = cash_venue(10_000, taker_fee_ppm=1500, fee_in_base=True)
    report = venue.order(1, quantity=100)[1]
    assert (report.fee, report.flags, venue.position, venue.cash) == (1, 4, 99, 0)
    venue.order(2, quantity=99, sell=True)
    assert (venue.position, venue.cash, venue.balance) == (0, 9900 - 15, 9885)


@pytest.mark.parametrize(("lots", "rate_ppb", "paid"), [(7, 1_000_001, -1), (-7, 1_000_001, 0), (-7, -1_000_000, -1)])
def test_funding_is_rounded_against_the_holder(lots, rate_ppb, paid):
    venue = margin_venue(100_000)
    venue.order(1, quantity=abs(lots), sell=lots < 0)
    venue.funding(rate_ppb=rate_ppb, mark_ticks=100)
    assert venue.balance == 100_000 + paid


def test_funding_of_a_stated_amount():
    venue = margin_venue()
    venue.funding(basis=FundingBasis.AMOUNT, amount_units=-12)
    assert venue.balance == 988


def test_fill_that_money_cannot_express_ends_the_order():
    venue = Venue(accounts=[AccountTerms(AccountKind.MARGIN, 10)])
    venue.quote(10, 10)
    assert len(venue.order(1, OrderType.TAKE_PROFIT, 1 << 50, sell=True, trigger=1000)) == 1
    assert shorts(venue.quote(1 << 20, 1 << 20)) == [("TRIGGERED", 1), ("CANCELED", 1, Reason.EXCHANGE_OTHER)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-40, 40).filter(bool), st.integers(1, 500)), max_size=30),
    st.integers(0, 5000),
    st.booleans(),
)
def test_balance_and_position_are_the_engines(fills, fee_ppm, fee_in_base):
    """The exchange's wallet is what the engine's portfolio makes of the same fills."""
    from engine.portfolio import apply_fill
    from engine.state import state_layout
    from tests.simulated_venue import LIMITS
    from tests.support import from_python

    layout = state_layout(LIMITS)
    state_bytes = np.zeros(layout.itemsize, dtype=np.uint8)
    state = state_bytes.view(layout)[0]
    state.instruments[0].tick_lot_units = 3
    python_fill = from_python(apply_fill)
    terms = InstrumentTerms(0, 3, taker_fee_ppm=fee_ppm, fee_in_base=fee_in_base)
    venue = Venue(accounts=[AccountTerms(AccountKind.MARGIN, 0)], instruments=[terms])
    for number, (lots, price) in enumerate(fills, 1):
        venue.quote(price, price, 100, 100)
        fill = venue.order(number, quantity=abs(lots), sell=lots < 0)[1]
        side = 1 if lots > 0 else -1
        python_fill(state, 0, 0, side, fill.quantity, fill.price, fill.fee, bool(fill.flags & 4))
        account = state.accounts[0]
        assert venue.balance == account.realized_units - account.fees_units
        assert venue.position == state.positions[0, 0].quantity_lots
        assert int(venue.record.positions[0].cost_units) == state.positions[0, 0].cost_units
