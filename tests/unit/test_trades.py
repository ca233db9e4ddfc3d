"""Round trips: by hand, and against the engine's own count and plain sums of what was paid and received."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kinds import Side
from replay.sampling import Observation, observe
from replay.trades import RoundTrip, average_price, funding_of, round_trips
from tests.unit.statistics_tape import HOUR_NS, Tape


def trips_of(tape: Tape) -> tuple[Observation, list[RoundTrip]]:
    observation = observe(tape.reader())
    return observation, round_trips(observation.fills, funding_of(observation.state))


def two_instruments() -> Tape:
    tape = Tape()
    tape.instrument(0, "A")
    tape.instrument(1, "B")
    return tape


def test_a_trip_from_flat_to_flat() -> None:
    tape = two_instruments()
    tape.fill(0, 10, 100, fee=3)
    opened = tape.ts_ns
    tape.ts_ns += HOUR_NS
    tape.fill(0, 10, 110, fee=4)
    tape.fill(0, -5, 120, fee=1)
    tape.fill(0, -15, 130, fee=2)
    _, (trip,) = trips_of(tape)
    assert (trip.side, trip.opened_ts_ns, trip.closed_ts_ns) == (Side.BUY, opened, opened + HOUR_NS)
    assert (trip.quantity_max_lots, trip.fills) == (20, 4)
    assert trip.gross_units == 5 * 120 + 15 * 130 - 10 * 100 - 10 * 110
    assert trip.fees_units == 10
    assert trip.net_units == trip.gross_units - 10
    assert average_price(trip.entry_ticks_lots, trip.entry_lots, Decimal("0.01")) == Decimal("1.05")
    assert average_price(trip.exit_ticks_lots, trip.exit_lots, Decimal("0.01")) == Decimal("1.275")


def test_a_flip_ends_one_trip_and_starts_the_next_and_shares_its_fee() -> None:
    tape = two_instruments()
    tape.fill(0, 10, 100)
    tape.fill(0, -30, 90, fee=7)
    _, (first, second) = trips_of(tape)
    assert (first.side, first.gross_units, first.fees_units, first.is_open) == (Side.BUY, -100, 2, False)
    assert (second.side, second.gross_units, second.fees_units, second.is_open) == (Side.SELL, 0, 5, True)
    assert (second.quantity_max_lots, second.entry_lots, second.exit_lots) == (20, 20, 0)


def test_funding_belongs_to_the_trip_that_is_held_and_while_flat_to_the_next() -> None:
    tape = two_instruments()
    tape.fill(0, 10, 100)
    tape.funding(0, -5)
    tape.fill(0, -10, 100)
    tape.funding(0, 7)
    tape.fill(0, -10, 100)
    tape.funding(0, 2)
    observation, (first, second) = trips_of(tape)
    assert (first.funding_units, second.funding_units) == (-5, 9)
    assert observation.state.positions[0, 0].trades_won == 0


def test_a_doubled_fill_is_no_fill() -> None:
    tape = two_instruments()
    tape.fill(0, 10, 100)
    tape.rows.append(tape.rows[-1])
    observation, (trip,) = trips_of(tape)
    assert len(observation.fills) == 1
    assert trip.quantity_max_lots == 10


def test_average_price_is_rounded_half_to_even_four_digits_behind_the_tick() -> None:
    assert average_price(1, 3, Decimal("0.5")) == Decimal("0.16667")
    assert average_price(-4, -6, Decimal("1")) == Decimal("0.6667")
    assert average_price(1, 2, Decimal("0.0001")) == Decimal("0.00005")
    assert average_price(7, 2, Decimal("10")) == Decimal("35")


def deal() -> st.SearchStrategy[tuple[str, int, int, int, int]]:
    kinds = st.sampled_from(["fill", "fill", "fill", "fee in base", "funding", "bar"])
    return st.tuples(
        kinds,
        st.integers(0, 1),
        st.integers(-40, 40).filter(bool),
        st.integers(50, 150),
        st.integers(-5, 20),
    )


@settings(max_examples=40)
@given(st.lists(deal(), max_size=60))
def test_trips_agree_with_the_engine_and_with_the_money_that_changed_hands(deals: list) -> None:
    tape = two_instruments()
    for kind, instrument, lots, price, amount in deals:
        tape.ts_ns += HOUR_NS // 3
        if kind == "bar":
            tape.bar(instrument, price)
        elif kind == "funding":
            tape.funding(instrument, amount)
        elif kind == "fee in base":
            tape.fill(instrument, lots, price, fee=abs(amount) % abs(lots), in_base=True)
        else:
            tape.fill(instrument, lots, price, fee=amount)
    observation, trips = trips_of(tape)
    for number in (0, 1):
        position = observation.state.positions[0, number]
        own = [trip for trip in trips if trip.instrument == number]
        closed = [trip for trip in own if not trip.is_open]
        assert len(closed) == position.trades
        assert sum(trip.net_units > 0 for trip in closed) == position.trades_won
        assert sum(trip.gross_units for trip in own) == position.realized_units
        assert sum(trip.fees_units for trip in own) == position.fees_units
        assert len(own) - len(closed) == (position.quantity_lots != 0)
        if position.quantity_lots:
            assert sum(trip.funding_units for trip in own) == position.funding_units
            assert own[-1].net_units == position.trade_units
        for trip in closed:
            assert trip.entry_lots == trip.exit_lots
            assert trip.gross_units == trip.side * (trip.exit_ticks_lots - trip.entry_ticks_lots)
