"""Tapes of amounts near the limits of the ledger."""

from collections.abc import Callable

from engine.arithmetic import INT64_MAX, MONEY_MAX
from engine.kinds import EventKind, FillFlag, FundingBasis
from tests.twin.events import event

BUY, SELL = 0, int(FillFlag.SELL)
IN_BASE = int(FillFlag.FEE_IN_BASE)


def setup(units: tuple[int, ...] = (1, 1, 1), deposit_units: int = 10_000) -> list[dict[str, int]]:
    """Two accounts; instruments of the first account with these tick×lot values."""
    events = [event(EventKind.ACCOUNT_DEFINED, account=number) for number in range(2)]
    events += [event(EventKind.CASH_MOVED, amount_units=deposit_units)] if deposit_units else []
    events += [event(EventKind.STRATEGY_DEFINED)]
    for number, unit in enumerate(units):
        sizes = {"tick_lot_units": unit, "quantity_step_lots": 1}
        events.append(event(EventKind.INSTRUMENT_DEFINED, instrument=number, **sizes))
    return events


def fill(side: int, lots: int, price: int, fee: int = 0, **fields: int) -> dict[str, int]:
    flags = {"fill_flags": side | fields.pop("flags", 0)}
    return event(EventKind.ORDER_FILLED, quantity_lots=lots, price_ticks=price, fee=fee, **flags, **fields)


def quote(bid: int, ask: int, **fields: int) -> dict[str, int]:
    return event(EventKind.QUOTE, bid_ticks=bid, ask_ticks=ask, **fields)


LARGE = MONEY_MAX // 2
OVERFLOWS = {
    "one fill": [fill(BUY, 2**31, 2**31)],
    "a fill of too many lots": [fill(BUY, INT64_MAX, 1)],
    "a fee": [fill(BUY, 1, 1, fee=INT64_MAX)],
    "a fee of the smallest number": [fill(BUY, 1, 1, fee=-(2**63))],
    "a fee in base": [fill(BUY, 1, 2**40, fee=2**40, flags=IN_BASE)],
    "fees in sum": [fill(BUY, 1, 1, fee=LARGE)] * 3,
    "a position in sum": [fill(BUY, LARGE, 1)] * 3,
    "lots that come and go": [fill(BUY, LARGE, 1), fill(SELL, LARGE, 1)] * 20,
    "profits": [fill(BUY, LARGE // 1000, 1), fill(SELL, LARGE // 1000, 1000)] * 3,
    "losses of one and profits of another": [
        *[fill(BUY, LARGE // 1000, 1), fill(SELL, LARGE // 1000, 1000)],
        *[fill(BUY, LARGE // 1000, 1000, instrument=1), fill(SELL, LARGE // 1000, 1, instrument=1)],
    ]
    * 20,
    "a mark": [fill(BUY, 2**30, 1), quote(2**31, 2**31)],
    "a mark of a short position": [fill(SELL, 2**30, 1), quote(1, INT64_MAX)],
    "a deposit": [event(EventKind.CASH_MOVED, amount_units=INT64_MAX)],
    "a withdrawal": [event(EventKind.CASH_MOVED, amount_units=-(2**63))],
    "deposits in sum": [event(EventKind.CASH_MOVED, amount_units=LARGE)] * 3,
    "a deposit and a profit": [
        event(EventKind.CASH_MOVED, amount_units=MONEY_MAX - 10_000),
        fill(BUY, 1, 1),
        quote(2, 2),
    ],
    "funding of an amount": [event(EventKind.FUNDING, basis=FundingBasis.AMOUNT, amount_units=-(2**63))],
    "funding in sum": [event(EventKind.FUNDING, basis=FundingBasis.AMOUNT, amount_units=LARGE)] * 3,
    "funding that comes and goes elsewhere": [
        event(EventKind.FUNDING, basis=FundingBasis.AMOUNT, amount_units=LARGE),
        event(EventKind.FUNDING, basis=FundingBasis.AMOUNT, amount_units=-LARGE, instrument=1),
    ]
    * 20,
    "funding by rate": [fill(BUY, 2**30, 1), event(EventKind.FUNDING, rate_ppb=10**9, mark_ticks=2**40)],
}


def large_events(choose: Callable[[int], int], count: int) -> list[dict[str, int]]:
    """Fills, cash, prices and funding whose amounts are of any size, by `choose(n)` below n."""

    def amount() -> int:
        if choose(3) == 0:
            return (1, 2, LARGE, MONEY_MAX, MONEY_MAX + 1, INT64_MAX)[choose(6)]
        return 1 + choose(1 << (33, 62)[choose(2)])

    def signed() -> int:
        return amount() * (1, -1)[choose(2)]

    def one() -> dict[str, int]:
        where = {"instrument": choose(2), "account": choose(2)}
        made = choose(6)
        if made <= 1:
            fee = signed() if choose(3) == 0 else 0
            flags = {"flags": IN_BASE * choose(2), "order": 0}
            return fill((BUY, SELL)[choose(2)], amount(), (1, amount())[choose(2)], fee, **flags, **where)
        if made == 2:
            return event(EventKind.CASH_MOVED, amount_units=signed(), **where)
        if made == 3:
            return event(EventKind.MARK_PRICE, mark_ticks=amount(), **where)
        if made == 4:
            return event(EventKind.FUNDING, rate_ppb=choose(2 * 10**9) - 10**9, mark_ticks=amount(), **where)
        return event(EventKind.FUNDING, basis=FundingBasis.AMOUNT, amount_units=signed(), **where)

    return [one() for _ in range(count)]
