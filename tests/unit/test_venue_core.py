"""The venue without a protocol: orders, trades and money of its customers, and who hears of what."""

import random

import numpy as np
import pytest

from adapters.venue.core import DAY_NS, VenueCore
from adapters.venue.defaults import default_configuration
from adapters.venue.faults import FaultFile, Faults
from adapters.venue.market import MarketUpdate
from adapters.venue.orders import Duplicate, OrderRequest, OrderUpdate, OwnTrade, Placed, PrivateUpdate, Rejected
from engine.kinds import EventKind, OrderStatus, OrderType, Side, TimeInForce
from engine.reasons import Reason
from engine.records import BAR, EVENT, QUOTE

START_NS = 1_700_000_000 * 10**9


class Desk:
    """A core whose clock and market a test moves, and all that it told."""

    def __init__(self, client_id_kept_ns: int = DAY_NS, faults: list[dict[str, object]] | None = None) -> None:
        self.now_ns = START_NS
        rules = Faults(FaultFile.model_validate({"faults": faults or []}))
        configuration = default_configuration("USDT")
        self.core = VenueCore(configuration, lambda: self.now_ns, None, client_id_kept_ns, rules)
        self.customer = self.core.customers[0]
        self.told: list[PrivateUpdate] = []
        self.seen: list[MarketUpdate] = []
        self.core.private_listeners.append(self.told.append)
        self.core.market_listeners.append(self.seen.append)

    def quote(self, bid_ticks: int, lots: int = 1_000) -> None:
        self.now_ns += 1_000_000
        row = np.zeros(1, QUOTE)
        row["kind"], row["bid_ticks"], row["ask_ticks"] = EventKind.QUOTE, bid_ticks, bid_ticks + 1
        row["bid_lots"], row["ask_lots"] = lots, lots
        self.core.apply(row.view(np.uint8))

    def place(self, request: OrderRequest) -> Placed | Rejected | Duplicate:
        return self.core.place(self.customer, request)

    def kinds(self) -> list[EventKind]:
        return [update.kind for update in self.told if isinstance(update, OrderUpdate)]


def market(side: Side, lots: int, client_id: str = "") -> OrderRequest:
    return OrderRequest(0, side, OrderType.MARKET, lots, client_id=client_id)


def limit(side: Side, lots: int, ticks: int, **more: object) -> OrderRequest:
    return OrderRequest(0, side, OrderType.LIMIT, lots, ticks)._replace(**more)


def placed(answer: Placed | Rejected | Duplicate) -> int:
    assert isinstance(answer, Placed), answer
    return answer.order.number


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.quote(500_000)
    return desk


def test_an_order_is_told_before_its_fill(desk: Desk) -> None:
    answer = desk.place(market(Side.BUY, 10))
    assert isinstance(answer, Placed) and answer.order.status == OrderStatus.FILLED
    assert desk.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED]
    [trade] = desk.customer.trades()
    assert (trade.price_ticks, trade.quantity_lots, trade.position_lots) == (500_001, 10, 10)


def test_a_rejected_order_leaves_no_trace(desk: Desk) -> None:
    assert desk.place(limit(Side.BUY, 10, 500_005, post_only=True)) == Rejected(Reason.EXCHANGE_POST_ONLY_WOULD_TAKE)
    assert desk.told == [] and desk.customer.orders() == []


def test_a_client_id_is_taken_for_as_long_as_is_said() -> None:
    desk = Desk(client_id_kept_ns=DAY_NS)
    desk.quote(500_000)
    number = placed(desk.place(market(Side.BUY, 1, "a")))
    again = desk.place(market(Side.BUY, 1, "a"))
    assert isinstance(again, Duplicate) and again.order.number == number
    desk.now_ns += DAY_NS
    assert placed(desk.place(market(Side.BUY, 1, "a"))) != number


def test_a_client_id_is_taken_while_its_order_is_open_in_any_case() -> None:
    desk = Desk(client_id_kept_ns=0)
    desk.quote(500_000)
    number = placed(desk.place(limit(Side.BUY, 1, 490_000, client_id="a")))
    assert isinstance(desk.place(market(Side.BUY, 1, "a")), Duplicate)
    desk.core.cancel(desk.customer, number)
    second = placed(desk.place(market(Side.BUY, 1, "a")))
    found = desk.customer.order_of("a")
    assert found is not None and found.number == second


def test_an_amendment_that_is_refused_changes_nothing(desk: Desk) -> None:
    number = placed(desk.place(limit(Side.BUY, 10, 490_000)))
    order = desk.customer.order(number)
    assert order is not None
    assert isinstance(desk.core.amend(desk.customer, number, quantity_lots=5, limit_ticks=491_000), Placed)
    assert (order.quantity_lots, order.limit_ticks) == (5, 491_000)
    refused = desk.core.amend(desk.customer, number, quantity_lots=100_000_000)
    assert isinstance(refused, Rejected)
    assert (order.quantity_lots, order.limit_ticks) == (5, 491_000)
    assert desk.core.amend(desk.customer, 1) == Rejected(Reason.EXCHANGE_ORDER_UNKNOWN)


def test_cancel_all_is_of_one_customer(desk: Desk) -> None:
    other = desk.core.customers[1]
    placed(desk.place(limit(Side.BUY, 1, 490_000)))
    placed(desk.place(limit(Side.BUY, 1, 480_000)))
    placed(desk.core.place(other, limit(Side.BUY, 1, 490_000)))
    assert len(desk.core.cancel_all(desk.customer, 0)) == 2
    assert desk.core.cancel_all(desk.customer) == []
    assert len(other.open_orders()) == 1


def test_orders_good_till_a_time_expire_without_a_market(desk: Desk) -> None:
    terms = {"time_in_force": TimeInForce.GTD, "expire_ts_ns": desk.now_ns + 10**9}
    placed(desk.place(limit(Side.BUY, 1, 490_000, **terms)))
    desk.now_ns += 10**9
    desk.core.pass_time()
    assert desk.kinds()[-1] == EventKind.ORDER_EXPIRED and desk.customer.open_orders() == []


def test_ids_are_new_after_a_restart() -> None:
    first = Desk()
    second = Desk()
    second.now_ns = START_NS + 10**9
    later = VenueCore(default_configuration("USDT"), lambda: second.now_ns)
    numbers = [first.core.next_number() for _ in range(1_000)]
    assert later.next_number() not in numbers
    assert max(numbers) < 2**53


def test_bars_follow_each_other_in_the_venue_s_time(desk: Desk) -> None:
    for _ in range(3):
        row = np.zeros(1, BAR)
        row["kind"], row["ts_exchange_ns"], row["source"] = EventKind.BAR, 17, 1
        for name in ("open_ticks", "high_ticks", "low_ticks", "close_ticks"):
            row[name] = 500_000
        desk.core.apply(row.view(np.uint8))
    opened = [bar.opened_ns for bar in desk.core.views[0].bars]
    assert opened[0] == START_NS and len({ns // 1_000_000 for ns in opened}) == 3


def test_money_adds_up_over_random_orders(desk: Desk) -> None:
    chance = random.Random(7)
    start = desk.customer.balance(0).wallet_units
    bid = 500_000
    for _ in range(300):
        bid += chance.randint(-20, 20)
        desk.quote(bid, lots=chance.randint(1, 20))
        side = chance.choice((Side.BUY, Side.SELL))
        if chance.random() < 0.5:
            desk.place(market(side, chance.randint(1, 20)))
        else:
            desk.place(limit(side, chance.randint(1, 20), bid + chance.randint(-10, 10)))
        if chance.random() < 0.1:
            desk.core.cancel_all(desk.customer)
    trades = desk.customer.trades()
    assert len(trades) > 150 and len({trade.number for trade in trades}) == len(trades)
    balance, position = desk.customer.balance(0), desk.customer.position(0)
    assert balance.wallet_units == start + sum(trade.realized_units - trade.fee for trade in trades)
    assert position.quantity_lots == sum(trade.quantity_lots * trade.order.request.side for trade in trades)
    assert balance.equity_units == balance.wallet_units + position.unrealized_units
    assert trades[-1].balance_units == balance.wallet_units
    _orders_add_up(desk, trades)


def _orders_add_up(desk: Desk, trades: list[OwnTrade]) -> None:
    for order in desk.customer.orders():
        mine = [trade for trade in trades if trade.order is order]
        assert order.filled_lots == sum(trade.quantity_lots for trade in mine)
        assert order.traded_ticks_lots == sum(trade.quantity_lots * trade.price_ticks for trade in mine)
        assert order.is_open == (order in desk.customer.open_orders())


def test_stale_data_are_hidden_but_trade() -> None:
    rule = {"kind": "stale_data", "on": "quotes", "at": [2], "duration_ms": 10}
    desk = Desk(faults=[rule])
    desk.quote(500_000)
    placed(desk.place(limit(Side.BUY, 1, 490_000)))
    desk.quote(480_000)
    shown = desk.core.quote(0)
    assert shown is not None and shown.bid_ticks == 500_000 and len(desk.seen) == 1
    assert desk.kinds()[-1] == EventKind.ORDER_FILLED
    desk.now_ns += 10_000_000
    desk.quote(480_000)
    assert len(desk.seen) == 2


def test_a_trade_id_can_be_given_twice() -> None:
    desk = Desk(faults=[{"kind": "repeat_trade_id", "at": [1]}])
    desk.quote(500_000)
    for _ in range(3):
        placed(desk.place(market(Side.BUY, 1)))
    numbers = [trade.number for trade in desk.customer.trades()]
    assert numbers[0] == numbers[1] and numbers[2] == numbers[1] + 1


def test_a_record_is_stamped_with_the_venue_s_time(desk: Desk) -> None:
    row = np.zeros(1, QUOTE)
    row["kind"], row["ts_ns"], row["bid_ticks"], row["ask_ticks"] = EventKind.QUOTE, 5, 1, 2
    desk.core.apply(row.view(np.uint8))
    assert int(row.view(EVENT)["ts_ns"][0]) == desk.now_ns == desk.seen[-1].ts_ns
