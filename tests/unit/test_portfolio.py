"""Positions and accounts: figures worked out by hand, what stays conserved, and amounts near the limits."""

import random
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from engine.arithmetic import MONEY_MAX
from engine.kinds import Action, EventKind, FundingBasis
from engine.portfolio import DRAWDOWN_PPM_MAX
from engine.reasons import Reason
from tests.twin.compare import compare
from tests.twin.conservation import check
from tests.twin.engine import Twin
from tests.twin.events import event
from tests.twin.large import BUY, IN_BASE, OVERFLOWS, SELL, fill, large_events, quote, setup
from tests.twin.machine import SMALL_LIMITS, Machine, Reading


def machine_with(**options: Any) -> Machine:
    machine = Machine(SMALL_LIMITS)
    machine.tell(*setup(**options))
    return machine


def figures(machine: Machine) -> tuple[int, int, int, int]:
    """Lots held, cost, realized and unrealized units of the first position."""
    position = machine.position()
    named = (position.quantity_lots, position.cost_units, position.realized_units, position.unrealized_units)
    return tuple(int(value) for value in named)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("fills", "expected"),
    [
        ([(BUY, 10, 100)], (10, 1000, 0, -100)),
        ([(SELL, 10, 100)], (-10, -1000, 0, 80)),
        ([(BUY, 10, 100), (BUY, 10, 110)], (20, 2100, 0, -300)),
        ([(BUY, 10, 100), (SELL, 4, 110)], (6, 600, 40, -60)),
        ([(BUY, 10, 100), (SELL, 10, 110)], (0, 0, 100, 0)),
        ([(BUY, 10, 100), (SELL, 15, 110)], (-5, -550, 100, 90)),
        ([(SELL, 10, 100), (BUY, 15, 110)], (5, 550, -100, -100)),
        ([(SELL, 10, 100), (BUY, 3, 90)], (-7, -700, 30, 56)),
        # Three lots cost 301: what leaves is rounded towards zero, the last takes what is left.
        ([(BUY, 1, 101), (BUY, 2, 100), (SELL, 1, 90)], (2, 201, -10, -21)),
        ([(BUY, 1, 101), (BUY, 2, 100), (SELL, 1, 90), (SELL, 1, 90)], (1, 101, -20, -11)),
        ([(BUY, 1, 101), (BUY, 2, 100), (SELL, 1, 90), (SELL, 1, 90), (SELL, 1, 90)], (0, 0, -31, 0)),
        ([(SELL, 1, 101), (SELL, 2, 100), (BUY, 1, 90)], (-2, -201, 10, 17)),
    ],
)
def test_position_after_fills(fills: list[tuple[int, int, int]], expected: tuple[int, int, int, int]) -> None:
    """Bid 90, ask 92: a long position is worth its lots at the bid, a short one at the ask."""
    machine = machine_with()
    machine.tell(*[fill(*item) for item in fills], quote(90, 92))
    assert figures(machine) == expected
    check(machine)


def test_contract_value_multiplies_money_but_not_lots() -> None:
    machine = machine_with(units=(5000, 1, 1))
    machine.tell(fill(BUY, 2, 100), quote(103, 104))
    assert figures(machine) == (2, 1_000_000, 0, 30_000)


@pytest.mark.parametrize(
    ("side", "fee", "flags", "lots", "cost", "fees", "cash"),
    [
        (BUY, 7, 0, 10, 1000, 7, 10_000 - 1007),
        (BUY, -7, 0, 10, 1000, -7, 10_000 - 993),
        (BUY, 1, IN_BASE, 9, 900, 100, 10_000 - 1000),
        (SELL, 7, 0, -10, -1000, 7, 10_000 + 993),
        (SELL, 1, IN_BASE, -11, -1100, 100, 10_000 + 1000),
        (BUY, -1, IN_BASE, 11, 1100, -100, 10_000 - 1000),
        (BUY, 10, IN_BASE, 0, 0, 1000, 10_000 - 1000),
    ],
)
def test_fees_in_quote_and_in_base(side: int, fee: int, flags: int, lots: int, cost: int, fees: int, cash: int) -> None:
    """Whatever the fee is taken from, cash moves by what was paid."""
    machine = machine_with()
    machine.tell(fill(side, 10, 100, fee, flags=flags))
    position, account = machine.position(), machine.state.accounts[0]
    assert (position.quantity_lots, position.cost_units, position.fees_units) == (lots, cost, fees)
    assert account.equity_units - account.unrealized_units - account.cost_units == cash
    check(machine)


def test_round_trips_are_counted_with_their_share_of_a_flips_fee() -> None:
    machine = machine_with()
    machine.tell(fill(BUY, 10, 100, fee=5), fill(SELL, 20, 101, fee=8))
    position = machine.position()
    assert (position.trades, position.trades_won) == (1, 1)  # 10 - 5 - 4
    assert position.trade_units == -4
    machine.tell(fill(BUY, 10, 101, fee=1))
    assert (position.trades, position.trades_won, position.trade_units) == (2, 1, 0)


def test_the_time_a_position_was_opened_is_that_of_its_first_lot() -> None:
    machine = machine_with()
    for ts_ns, item in ((10, fill(BUY, 1, 100)), (20, fill(BUY, 1, 100)), (30, fill(SELL, 3, 100))):
        machine.tell(item | {"ts_ns": ts_ns})
        assert machine.position().opened_ts_ns == (30 if ts_ns == 30 else 10)


def test_marks_come_from_the_best_source_there_ever_was() -> None:
    machine = machine_with()
    machine.tell(fill(BUY, 1, 100))
    seen = []
    for item in (
        event(EventKind.TRADE, price_ticks=110),
        event(EventKind.BAR, open_ticks=1, high_ticks=120, low_ticks=1, close_ticks=120),
        quote(130, 135),
        event(EventKind.TRADE, price_ticks=140),
        event(EventKind.MARK_PRICE, mark_ticks=150),
        quote(160, 165),
    ):
        machine.tell(item)
        seen.append(int(machine.position().unrealized_units))
    assert seen == [10, 20, 30, 30, 50, 50]


def test_a_fill_marks_every_holder_where_there_is_no_market() -> None:
    machine = machine_with()
    machine.tell(fill(BUY, 2, 100, account=1), fill(BUY, 1, 130))
    assert machine.position(1).unrealized_units == 60
    assert machine.state.accounts[1].equity_units == 60
    machine.tell(fill(SELL, 1, 90))
    assert machine.state.accounts[1].unrealized_units == -20
    check(machine)


def test_peak_and_drawdown_do_not_count_deposits() -> None:
    machine = machine_with()
    machine.tell(fill(BUY, 10, 100), quote(200, 200), quote(90, 90))
    account = machine.state.accounts[0]
    assert (account.peak_equity_units, account.max_drawdown_units, account.max_drawdown_ppm) == (11_000, 1100, 100_000)
    machine.tell(event(EventKind.CASH_MOVED, amount_units=-5000))
    assert (account.equity_units, account.peak_equity_units, account.max_drawdown_units) == (4900, 6000, 1100)
    machine.tell(event(EventKind.CASH_MOVED, amount_units=50_000))
    assert (account.equity_units, account.peak_equity_units, account.max_drawdown_units) == (54_900, 56_000, 1100)


def test_a_drawdown_from_next_to_nothing_is_kept_at_its_limit() -> None:
    machine = machine_with(deposit_units=0, units=(10**9, 1, 1))
    account = machine.state.accounts[0]
    machine.tell(fill(BUY, 1, 1, fee=-1), event(EventKind.TRADE, price_ticks=1))
    assert account.peak_equity_units == 1
    machine.tell(fill(BUY, 10_000, 1, fee=10**14))
    assert account.max_drawdown_units == 10**14
    assert account.max_drawdown_ppm == DRAWDOWN_PPM_MAX == 10**12


@pytest.mark.parametrize(
    ("side", "rate_ppb", "expected"),
    [
        (BUY, 100_000, -1),  # 1000 * 0.01 % = 0.1, against the holder
        (SELL, 100_000, 0),
        (BUY, -100_000, 0),
        (SELL, -100_000, -1),
        (BUY, 10_000_000, -10),
        (SELL, 10_000_000, 10),
        (BUY, 1_000_000_000, -1000),
        (BUY, 0, 0),
    ],
)
def test_funding_by_rate_is_rounded_against_the_holder(side: int, rate_ppb: int, expected: int) -> None:
    machine = machine_with()
    machine.tell(fill(side, 10, 80), event(EventKind.FUNDING, rate_ppb=rate_ppb, mark_ticks=100))
    assert machine.position().funding_units == expected
    check(machine)


def test_funding_by_amount_goes_to_one_account() -> None:
    machine = machine_with()
    paid = event(EventKind.FUNDING, basis=FundingBasis.AMOUNT, amount_units=-12, account=1)
    machine.tell(fill(BUY, 10, 80), fill(BUY, 10, 80, account=1), paid)
    assert [int(account.funding_units) for account in machine.state.accounts[:2]] == [0, -12]


def test_a_payment_of_funding_is_booked_once() -> None:
    machine = machine_with()
    paid = {"basis": FundingBasis.AMOUNT, "amount_units": -12, "payment_id": 77}
    machine.tell(*[event(EventKind.FUNDING, **paid)] * 3, event(EventKind.FUNDING, **paid | {"payment_id": 78}))
    assert machine.state.accounts[0].funding_units == -24
    # A trade of the same number is another thing, and so is what has no number.
    machine.tell(fill(BUY, 10, 80, trade_id=77), *[event(EventKind.FUNDING, **paid | {"payment_id": 0})] * 2)
    assert machine.state.accounts[0].funding_units == -48
    assert machine.position().quantity_lots == 10
    check(machine)


def test_funding_without_a_mark_price_is_paid_at_the_middle() -> None:
    machine = machine_with()
    quote = event(EventKind.QUOTE, bid_ticks=100, ask_ticks=103, bid_lots=1, ask_lots=1)
    machine.tell(fill(BUY, 10, 80), quote, event(EventKind.FUNDING, rate_ppb=10**9))
    unit = int(machine.state.instruments[0].tick_lot_units)
    assert machine.state.accounts[0].funding_units == -10 * 101 * unit


@pytest.mark.parametrize(
    ("funding", "reason"),
    [
        (event(EventKind.FUNDING, rate_ppb=1_000_000_001, mark_ticks=100), Reason.VALUE_INVALID),
        (event(EventKind.FUNDING, rate_ppb=-(2**63), mark_ticks=100), Reason.VALUE_INVALID),
        (event(EventKind.FUNDING, mark_ticks=-1), Reason.VALUE_INVALID),
        (event(EventKind.FUNDING, basis=2), Reason.VALUE_INVALID),
        (event(EventKind.FUNDING, basis=FundingBasis.AMOUNT, account=2), Reason.ACCOUNT_UNKNOWN),
    ],
)
def test_funding_that_cannot_be_paid_is_refused(funding: dict[str, int], reason: Reason) -> None:
    machine = machine_with()
    machine.tell(fill(BUY, 10, 80), funding)
    assert machine.state.last_refused_reason == reason
    assert machine.state.accounts[0].funding_units == 0


# Amounts near the limits: the engine agrees with unlimited integers, or stops; it never wraps.


@pytest.mark.parametrize("name", OVERFLOWS)
def test_an_amount_that_does_not_fit_stops_the_engine(name: str) -> None:
    """It is a fault, no signal is acted upon any more, and what is booked still adds up."""
    machine = machine_with()
    for item in OVERFLOWS[name]:
        machine.tell(item)
        check(machine)
    assert machine.state.fault == Reason.MONEY_OVERFLOW
    assert machine.state.fault_seq > 0
    (refusal,) = machine.tell(event(EventKind.SIGNAL, action=Action.BUY, quantity_lots=1))
    assert refusal["reason"] == Reason.TRADING_HALTED


@given(st.randoms(use_true_random=False), st.sampled_from([1, 1000, 2**40]), st.integers(1, 12))
def test_large_amounts_are_exact_until_the_engine_stops(chance: random.Random, unit: int, count: int) -> None:
    machine, twin = Machine(SMALL_LIMITS), Twin(SMALL_LIMITS)
    for item in setup(units=(unit, 1, 1)) + large_events(chance.randrange, count):
        note(str(item))
        machine.tell(item)
        twin.fold(item)
        check(machine)
        if not machine.state.fault:
            compare(Reading(machine), twin)
        elif machine.state.fault_seq == machine.state.seq:
            assert _is_large(twin, item), "a fault without a reason"


def _is_large(twin: Twin, last: dict[str, int]) -> bool:
    """Whether an amount is within reach of the limit: of the event, of the twin, or held at the last price."""
    amounts = [last.get(name, 0) for name in ("amount_units", "fee", "quantity_lots")]
    amounts += [value for account in twin.ledger.accounts.values() for value in vars(account).values()]
    price = max(last.get("price_ticks", 0), last.get("mark_ticks", 0))
    for (_, number), position in twin.ledger.positions.items():
        amounts += [*vars(position).values(), position.quantity_lots * price * twin.instruments[number].tick_lot_units]
    return max(map(abs, amounts)) > MONEY_MAX // 4
