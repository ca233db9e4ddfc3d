"""Round trips: from flat to flat, out of the fills of a tape. A flip ends one and starts the next.

The same sums as in `engine.portfolio`, from the outside: the money realised and the funding are what the
position had more after a fill than before it; the fee of a flipping fill is shared by quantity, and what a
position is paid or pays while it is flat belongs to the trip that comes next.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from engine.kinds import Side
from replay.sampling import Rows

# Digits that an average price shows beyond those of the tick.
AVERAGE_DIGITS = 4


@dataclass(slots=True)
class RoundTrip:
    """One trip of a position, `closed_ts_ns` None while it is open. Money in units of the account's currency.

    `entry_ticks_lots` and `exit_ticks_lots` are sums of price times quantity over the fills that opened and
    closed; `gross_units` is realised profit before fees, `net_units` after fees and funding. `strategy` is
    that of the first fill, -1 where unknown. `closing_reasons` are the legs and other reasons that closed it, each
    once, in their order.
    """

    account: int
    instrument: int
    strategy: int
    side: Side
    opened_seq: int
    opened_ts_ns: int
    closed_seq: int | None = None
    closed_ts_ns: int | None = None
    quantity_max_lots: int = 0
    entry_lots: int = 0
    entry_ticks_lots: int = 0
    exit_lots: int = 0
    exit_ticks_lots: int = 0
    gross_units: int = 0
    fees_units: int = 0
    funding_units: int = 0
    fills: int = 0
    closing_reasons: list[int] = field(default_factory=list)

    @property
    def net_units(self) -> int:
        return self.gross_units - self.fees_units + self.funding_units

    @property
    def is_open(self) -> bool:
        return self.closed_ts_ns is None


class TripFill(NamedTuple):
    """A row of BOOKED_FILL: the columns that trips are made from; what the position has after it comes last."""

    account: int
    instrument: int
    strategy: int
    seq: int
    ts_ns: int
    price_ticks: int
    closing_reason: int
    held_lots: int
    realized_units: int
    fees_units: int
    funding_units: int


@dataclass(slots=True)
class TripPosition:
    """A position as its fills tell of it."""

    held_lots: int = 0
    realized_units: int = 0
    fees_units: int = 0
    funding_units: int = 0
    trip: RoundTrip | None = None


@dataclass(slots=True)
class Trips:
    """The trips of many positions by (account, instrument), fill by fill; `closed` are those that have ended."""

    positions: dict[tuple[int, int], TripPosition] = field(default_factory=dict)
    closed: list[RoundTrip] = field(default_factory=list)

    def take(self, fill: TripFill) -> None:
        position = self.positions.setdefault((fill.account, fill.instrument), TripPosition())
        held, delta = position.held_lots, fill.held_lots - position.held_lots
        closing = min(abs(held), abs(delta)) if held * delta < 0 else 0
        fee = fill.fees_units - position.fees_units
        fee_closing = _share(fee, closing, abs(delta)) if delta else 0
        # Funding came while the trip was held, before this fill.
        funding = fill.funding_units - position.funding_units
        if position.trip is not None:
            position.trip.funding_units += funding
            funding = 0
        if closing:
            self._reduce(position, fill, closing, fee_closing)
        if abs(delta) > closing:
            self._enter(position, fill, delta, closing, fee - fee_closing, funding)
            funding = 0
        position.held_lots = fill.held_lots
        position.realized_units = fill.realized_units
        position.fees_units = fill.fees_units
        position.funding_units = fill.funding_units - funding

    def _reduce(self, position: TripPosition, fill: TripFill, closing: int, fee_units: int) -> None:
        trip = position.trip
        assert trip is not None, "a position that is held has a trip"
        trip.fills += 1
        trip.exit_lots += closing
        trip.exit_ticks_lots += closing * fill.price_ticks
        trip.gross_units += fill.realized_units - position.realized_units
        if fill.closing_reason and fill.closing_reason not in trip.closing_reasons:
            trip.closing_reasons.append(fill.closing_reason)
        trip.fees_units += fee_units
        if closing == abs(position.held_lots):
            trip.closed_seq, trip.closed_ts_ns = fill.seq, fill.ts_ns
            self.closed.append(trip)
            position.trip = None

    def _enter(
        self, position: TripPosition, fill: TripFill, delta: int, closing: int, fee_units: int, funding_units: int
    ) -> None:
        if position.trip is None:
            position.trip = RoundTrip(
                account=fill.account,
                instrument=fill.instrument,
                strategy=fill.strategy,
                side=Side.BUY if delta > 0 else Side.SELL,
                opened_seq=fill.seq,
                opened_ts_ns=fill.ts_ns,
                funding_units=funding_units,
            )
        trip, opening = position.trip, abs(delta) - closing
        trip.fills += 1
        trip.entry_lots += opening
        trip.entry_ticks_lots += opening * fill.price_ticks
        trip.fees_units += fee_units
        trip.quantity_max_lots = max(trip.quantity_max_lots, abs(fill.held_lots))


def round_trips(fills: Rows, funding_units: dict[tuple[int, int], int] | None = None) -> list[RoundTrip]:
    """The trips in these rows of BOOKED_FILL: the closed ones in order of their end, then the open ones.

    `funding_units` is the funding of each position (account, instrument) at the end of the tape; what came
    after the last fill belongs to the trip that is open.
    """
    trips = Trips()
    for fill in map(TripFill._make, zip(*(fills[name].tolist() for name in TripFill._fields), strict=True)):
        trips.take(fill)
    still_open = []
    for key, position in trips.positions.items():
        if position.trip is not None:
            funding = (funding_units or {}).get(key, position.funding_units)
            position.trip.funding_units += funding - position.funding_units
            still_open.append(position.trip)
    return trips.closed + sorted(still_open, key=lambda trip: trip.opened_seq)


def funding_of(state: Any) -> dict[tuple[int, int], int]:
    """The funding of every position of a state that had any."""
    funding = state.positions["funding_units"]
    accounts, numbers = (index.tolist() for index in funding.nonzero())
    return {(a, n): int(funding[a, n]) for a, n in zip(accounts, numbers, strict=True)}


def average_price(ticks_lots: int, lots: int, tick_size: Decimal) -> Decimal:
    """The average price, rounded half to even to four digits beyond those of the tick."""
    units, decimals = average_units(tick_size)
    return Decimal(rounded_ratio(ticks_lots * units, lots)).scaleb(-decimals)


def average_units(tick_size: Decimal) -> tuple[int, int]:
    """What one tick is in the units of an average price, and how many decimals those units have."""
    exponent = tick_size.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    decimals = max(-exponent, 0) + AVERAGE_DIGITS
    return int(tick_size.scaleb(decimals)), decimals


def rounded_ratio(part: int, whole: int) -> int:
    """part / whole rounded half to even, for whole != 0."""
    if whole < 0:
        part, whole = -part, -whole
    quotient, rest = divmod(part, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))


def _share(amount: int, part: int, whole: int) -> int:
    """amount * part / whole, rounded towards zero."""
    return -(-amount * part // whole) if amount < 0 else amount * part // whole
