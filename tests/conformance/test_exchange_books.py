"""Our clients against our own venues: what is in an exchange's books beside orders and their fills."""

import time
from decimal import Decimal

import pytest

from adapters.exchanges import EXCHANGES
from adapters.exchanges.scales import Malformed
from adapters.venue import local
from engine.kinds import EventKind, FundingBasis, OrderFlag, OrderType
from engine.reasons import Reason
from tests.conformance.exchange_sandbox import (
    ACCOUNT,
    FIRST_INSTRUMENT,
    SELL,
    Client,
    Market,
    connected,
    eventually,
    order,
    question,
    run,
)

SERVED = [name for name in EXCHANGES if name in local.EXCHANGES]
QUOTES = frozenset(("quotes",))

pytestmark = pytest.mark.parametrize("exchange", SERVED)


def test_funding_is_told_when_it_is_paid_and_when_it_is_asked_for(exchange):
    async def scenario(market: Market, client: Client) -> None:
        began_ns = time.time_ns()
        await client.exchange.send(order(1, market.lots("0.01"), order_type=OrderType.MARKET))
        await client.said(EventKind.ORDER_FILLED)
        market.place.funding(100_000)
        (paid,) = market.place.core.customers[0].payments()
        assert paid.amount_units < 0
        (told,) = await client.said(EventKind.FUNDING)
        assert await client.exchange.ask([question(order(1, 1))], began_ns)
        _, asked = await client.said(EventKind.FUNDING, times=2)
        for one in (told, asked):
            assert (one.account, one.instrument, one.basis) == (ACCOUNT, FIRST_INSTRUMENT, FundingBasis.AMOUNT)
            assert one.amount_units == paid.amount_units
        assert told.payment_id == asked.payment_id != 0
        market.place.funding(100_000)
        await eventually(lambda: len({one.payment_id for one in client.of(EventKind.FUNDING)}) == 2)

    run(exchange, scenario, streams=QUOTES)


def test_funding_is_asked_for_again_where_the_answer_before_came_to_nothing(exchange, monkeypatch):
    async def scenario(market: Market, client: Client) -> None:
        began_ns = time.time_ns()
        monkeypatch.setattr(client.exchange, "book_payments", _nothing)
        await client.exchange.send(order(1, market.lots("0.01"), order_type=OrderType.MARKET))
        await client.said(EventKind.ORDER_FILLED)
        holdings = client.exchange.holdings
        monkeypatch.setattr(client.exchange, "holdings", _failing)
        market.place.funding(100_000)
        assert not await client.exchange.ask([], began_ns)
        monkeypatch.setattr(client.exchange, "holdings", holdings)
        client.events.clear()
        client.inbox.take(1 << 20)
        assert await client.exchange.ask([], began_ns)
        assert len(client.of(EventKind.FUNDING)) == 1
        # What has been told is not asked for at once again.
        assert await client.exchange.ask([], began_ns)
        assert len(client.of(EventKind.FUNDING)) == 1

    run(exchange, scenario, streams=QUOTES)


async def _nothing() -> None: ...


async def _failing() -> None:
    raise TimeoutError


def test_an_order_that_nobody_knows_to_be_open_is_adopted_where_that_is_wanted(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots = market.lots("0.02")
        await client.exchange.send(order(7, lots, market.ticks(51_000), flags=SELL))
        await client.said(EventKind.ORDER_ACCEPTED)
        async with connected(market.place, streams=QUOTES, adopts_unknown=True) as other:
            other.events.clear()
            assert await other.exchange.ask([], time.time_ns())
            (adopted,) = await other.said(EventKind.ORDER_ADOPTED)
            assert (adopted.order, adopted.instrument, adopted.account) == (7, FIRST_INSTRUMENT, ACCOUNT)
            assert (adopted.order_type, adopted.source) == (OrderType.LIMIT, OrderFlag.SELL)
            assert (adopted.quantity_lots, adopted.filled_lots) == (lots, 0)
            assert (adopted.limit_ticks, adopted.trigger_ticks) == (market.ticks(51_000), 0)
            assert abs(adopted.ts_exchange_ns - time.time_ns()) < 300 * 10**9
            kinds = [one.kind for one in other.read() if one.kind >= EventKind.ORDER_ACCEPTED]
            assert kinds.index(EventKind.ORDER_ADOPTED) < kinds.index(EventKind.ORDER_ACCEPTED)
        assert len(market.place.core.customers[0].open_orders()) == 1

    run(exchange, scenario, streams=QUOTES)


def test_an_order_of_others_is_told_of_once_and_cancelled_where_that_is_wanted(exchange):
    async def scenario(market: Market, client: Client) -> None:
        async with connected(market.place, streams=frozenset(), journal="f" * 32) as other:
            await other.exchange.send(order(1, market.lots("0.01"), market.ticks(48_000)))
            await other.said(EventKind.ORDER_ACCEPTED)
        for _ in range(2):
            assert await client.exchange.ask([], time.time_ns())
        (notice,) = client.of(EventKind.NOTICE)
        assert (notice.reason, notice.instrument) == (Reason.ORDER_FOREIGN, FIRST_INSTRUMENT)
        assert notice.observed > 0
        (left,) = market.place.core.customers[0].open_orders()
        assert left.is_open
        async with connected(market.place, streams=QUOTES, cancels_foreign=True) as third:
            assert await third.exchange.ask([], time.time_ns())
        assert not left.is_open

    run(exchange, scenario, streams=QUOTES)


def test_what_is_off_the_lot_is_rounded_and_told_of_once(exchange):
    async def scenario(market: Market, client: Client) -> None:
        known = client.exchange.markets[FIRST_INSTRUMENT]
        step = known.instrument.lot_size
        assert client.exchange.oddities.lots(known, str(3 * step)) == 3
        assert client.of(EventKind.NOTICE) == []
        for size in ("2.6", "2.4", "-2.6"):
            assert client.exchange.oddities.lots(known, str(Decimal(size) * step)) == round(Decimal(size))
        (notice,) = client.of(EventKind.NOTICE)
        assert (notice.reason, notice.instrument, notice.observed) == (Reason.QUANTITY_OFF_LOT, FIRST_INSTRUMENT, 3)
        with pytest.raises(Malformed):
            client.exchange.oddities.lots(known, "much")

    run(exchange, scenario, streams=QUOTES)


def test_a_fee_in_another_currency_is_booked_at_its_rate_or_told_of(exchange):
    async def scenario(market: Market, client: Client) -> None:
        known = client.exchange.markets[FIRST_INSTRUMENT]
        assert [client.exchange.oddities.fee_units(known, "BNB", "0.0005") for _ in range(2)] == [0, 0]
        (notice,) = client.of(EventKind.NOTICE)
        assert (notice.reason, notice.instrument) == (Reason.FEE_CURRENCY_UNKNOWN, FIRST_INSTRUMENT)
        async with connected(market.place, streams=QUOTES, fee_rates={"BNB": Decimal("612.5")}) as other:
            known = other.exchange.markets[FIRST_INSTRUMENT]
            units = other.exchange.oddities.fee_units(known, "BNB", "0.0005")
            assert units == known.money.exact("0.30625")
            assert other.of(EventKind.NOTICE) == []

    run(exchange, scenario, streams=QUOTES)
