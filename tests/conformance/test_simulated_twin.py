"""The simulated exchange says and books what a naive twin does, whatever the market and the orders."""

import os
import random
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from adapters.simulated import AccountTerms, ExchangeTerms, InstrumentTerms, SlippageModel
from engine.jit import INTERPRETED
from engine.kinds import AccountKind, EventKind, OrderType, TimeInForce
from engine.records import BAR, QUOTE, TRADE
from tests.simulated_twin import LIMITED, Order, Terms, Twin
from tests.simulated_venue import BEGIN, CONTINUE, Report, Venue, order_row, row_of
from tests.support import ROOT

PRICE = st.integers(90, 110)
LOTS = st.integers(1, 12)
SIZE = st.integers(0, 9)

ORDERS = st.tuples(
    st.sampled_from(list(OrderType)),
    st.sampled_from([1, -1]),
    LOTS,
    PRICE,
    PRICE,
    st.integers(1, 8),
    st.sampled_from([TimeInForce.GTC] * 4 + list(TimeInForce)),
    st.integers(0, 12),
    st.sampled_from(["", "", "", "post_only", "reduce_only"]),
    st.booleans(),
)
COMMANDS = st.one_of(
    st.tuples(st.just("place"), ORDERS),
    st.tuples(st.just("place"), ORDERS),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(
        st.just("amend"), st.tuples(st.integers(0, 5), st.integers(0, 12), st.just(0) | PRICE, st.just(0) | PRICE)
    ),
)
MARKET = {
    "quotes": st.tuples(st.just("quote"), st.tuples(PRICE, st.integers(0, 4), SIZE, SIZE)),
    "trades": st.tuples(st.just("trade"), st.tuples(PRICE, SIZE, st.sampled_from([0, 1, 2]))),
    "bars": st.tuples(st.just("bar"), st.tuples(PRICE, PRICE, PRICE, PRICE, st.integers(0, 60), st.booleans())),
}
TERMS = st.builds(
    Terms,
    is_cash=st.booleans(),
    balance=st.sampled_from([3_000, 20_000, 1_000_000]),
    unit=st.sampled_from([1, 3]),
    maker_ppm=st.sampled_from([0, 1000, -200, 70_000]),
    taker_ppm=st.sampled_from([0, 2500, 60_000]),
    fee_in_base=st.booleans(),
    margin_ppm=st.sampled_from([0, 100_000, 1_000_000]),
    slippage_ticks=st.sampled_from([0, 0, 2]),
    impact_ppm=st.sampled_from([0, 0, 50_000]),
    share_ppm=st.sampled_from([0, 250_000]),
)


def venue_of(terms: Terms) -> Venue:
    model = SlippageModel.NONE
    if terms.impact_ppm:
        terms.slippage_ticks = 0
        model = SlippageModel.VOLUME_SHARE
    elif terms.slippage_ticks:
        model = SlippageModel.TICKS
    return Venue(
        ExchangeTerms(0, 0, model, terms.slippage_ticks, terms.impact_ppm, terms.share_ppm),
        [AccountTerms(AccountKind.CASH if terms.is_cash else AccountKind.MARGIN, terms.balance)],
        [
            InstrumentTerms(
                0,
                terms.unit,
                maker_fee_ppm=terms.maker_ppm,
                taker_fee_ppm=terms.taker_ppm,
                fee_in_base=terms.fee_in_base,
                margin_initial_ppm=terms.margin_ppm,
            )
        ],
    )


def told(report: Report) -> tuple:
    return (report.kind.name, report.order, report.reason, report.quantity, report.price, report.fee)


class Pair:
    """The exchange and its twin, given the same and compared after each step."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.twin = Twin(terms)
        self.venue = venue_of(terms)
        self.numbers = 0

    def compare(self, reports: list[Report]) -> None:
        assert [told(report) for report in reports] == self.twin.take_said()
        venue, twin = self.venue, self.twin
        assert (venue.cash, venue.position) == (twin.cash, twin.lots)
        assert venue.reserved == twin.reserved()
        assert int(venue.record.live_orders) == len(twin.orders)
        assert int(venue.record.positions[0].open_buy_lots) == twin.open_lots(1)
        assert int(venue.record.positions[0].open_sell_lots) == twin.open_lots(-1)
        assert int(venue.record.fault) == 0

    def live(self, pick: int) -> int:
        orders = self.twin.orders
        return orders[pick % len(orders)].number if orders else 1

    def command(self, kind: str, what) -> None:
        venue, twin = self.venue, self.twin
        twin.now = venue.now_ns
        if kind == "place":
            self.place(*what)
        elif kind == "cancel":
            number = self.live(what)
            twin.cancel(number)
            self.compare(venue.cancel(number))
        else:
            pick, quantity, limit, trigger = what
            number = self.live(pick)
            twin.amend(number, quantity, limit, trigger)
            self.compare(venue.amend(number, quantity, limit, trigger))

    def place(self, kind, side, quantity, limit, trigger, trail, tif, expire, flag, is_activated) -> None:
        self.numbers += 1
        now = self.venue.now_ns
        limit = limit if kind in LIMITED else 0
        if kind == OrderType.TRAILING_STOP:
            trigger = trigger if is_activated else 0
        elif kind in (OrderType.MARKET, OrderType.LIMIT):
            trigger = 0
        trail = trail if kind == OrderType.TRAILING_STOP else 0
        post_only, reduce_only = flag == "post_only", flag == "reduce_only"
        expire_at = now + expire if tif == TimeInForce.GTD else 0
        self.twin.place(
            Order(
                self.numbers,
                kind,
                side,
                tif,
                post_only,
                reduce_only,
                quantity,
                limit,
                trigger,
                trail,
                expire_at,
                now,
                0,
            )
        )
        row = order_row(
            self.numbers, kind, quantity, sell=side < 0, limit=limit, trigger=trigger, trail=trail, tif=tif,
            expire=expire_at, post_only=post_only, reduce_only=reduce_only,
        )  # fmt: skip
        self.compare(self.venue.send(row))

    def market(self, kind: str, what, reactions: list) -> None:
        venue, twin = self.venue, self.twin
        opened_at = venue.now_ns - 1
        venue.now_ns += 4
        twin.now = venue.now_ns
        if kind == "quote":
            bid, spread, bid_lots, ask_lots = what
            twin.quote(bid, bid + spread, bid_lots, ask_lots)
            event = row_of(
                QUOTE, kind=EventKind.QUOTE, bid_ticks=bid, ask_ticks=bid + spread, bid_lots=bid_lots, ask_lots=ask_lots
            )
        elif kind == "trade":
            price, quantity, aggressor = what
            twin.public_trade(price, quantity, aggressor)
            event = row_of(TRADE, kind=EventKind.TRADE, price_ticks=price, quantity_lots=quantity, aggressor=aggressor)
        else:
            one, two, three, four, volume, has_open_ts = what
            low, high = min(one, two, three, four), max(one, two, three, four)
            opened_at = opened_at if has_open_ts else 0
            twin.start_bar(one, high, low, two, volume, opened_at)
            event = row_of(
                BAR, kind=EventKind.BAR, open_ticks=one, high_ticks=high, low_ticks=low, close_ticks=two,
                volume_lots=volume, ts_exchange_ns=opened_at,
            )  # fmt: skip
        event[:8].view("<i8")[0] = venue.now_ns
        self.walk(event, reactions)

    def walk(self, event, reactions: list) -> None:
        more = self.venue.call(BEGIN, event)
        self.compare(self.venue.reports())
        for _ in range(300):
            more = self.venue.call(CONTINUE) if more else 0
            acts = self.twin.step()
            self.compare(self.venue.reports())
            assert bool(more) == acts
            if not acts:
                return
            if reactions:
                self.command(*reactions.pop())
        raise AssertionError("a market record that does not end")


def scenario(feeds: list[str]):
    markets = st.one_of([MARKET[feed] for feed in feeds])
    step = st.one_of(
        st.tuples(st.just("command"), COMMANDS, st.integers(0, 2)),
        st.tuples(st.just("market"), markets, st.lists(COMMANDS, max_size=2)),
    )
    return st.lists(step, min_size=5, max_size=40)


def run(terms: Terms, steps: list) -> None:
    pair = Pair(terms)
    for kind, what, extra in steps:
        if kind == "command":
            pair.venue.now_ns += extra
            pair.command(*what)
        else:
            pair.market(*what, list(extra))


EXAMPLES = int(os.environ.get("TAPEFOLD_TWIN_EXAMPLES", "60"))


@pytest.mark.parametrize(
    "feeds", [["quotes"], ["trades"], ["bars"], ["quotes", "trades"], ["quotes", "trades", "bars"]]
)
def test_exchange_is_its_naive_twin(feeds):
    @seed(20171222)
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(TERMS, scenario(feeds))
    def check(terms, steps):
        run(terms, steps)

    check()


def random_order(rng: random.Random, middle: int) -> tuple:
    """Mostly orders that wait near the market."""
    near = [middle + rng.randint(-7, 7) for _ in range(2)]
    tif = rng.choice([TimeInForce.GTC] * 8 + list(TimeInForce))
    flag = rng.choice(["", "", "", "", "post_only", "reduce_only"])
    kind = rng.choice([*OrderType, OrderType.LIMIT, OrderType.LIMIT, OrderType.TRAILING_STOP])
    return (
        kind, rng.choice([1, -1]), rng.randint(1, 12), *near, rng.randint(1, 6), tif, rng.randint(1, 40), flag,
        rng.random() < 0.5,
    )  # fmt: skip


def random_command(rng: random.Random, middle: int) -> tuple:
    chance = rng.random()
    if chance < 0.75:
        return ("place", random_order(rng, middle))
    if chance < 0.85:
        return ("cancel", rng.randint(0, 50))
    change = [rng.choice([0, rng.randint(1, 12)]), *(rng.choice([0, middle + rng.randint(-5, 5)]) for _ in range(2))]
    return ("amend", (rng.randint(0, 50), *change))


def random_market(rng: random.Random, middle: int, feeds: list[str]) -> tuple:
    feed = rng.choice(feeds)
    if feed == "quotes":
        sizes = [rng.choice([0, rng.randint(1, 15), rng.randint(1, 15)]) for _ in range(2)]
        return ("quote", (middle, rng.randint(0, 3), *sizes))
    if feed == "trades":
        return ("trade", (middle + rng.randint(-2, 3), rng.randint(1, 20), rng.randint(0, 2)))
    prices = [middle + rng.randint(-4, 4) for _ in range(4)]
    return ("bar", (*prices, rng.randint(0, 90), rng.random() < 0.5))


@pytest.mark.parametrize("number", range(max(6, EXAMPLES // 5)))
def test_exchange_is_its_naive_twin_on_a_long_tape(number):
    """A wandering market and a crowded book; a failing number names its tape."""
    rng = random.Random(number)
    feeds = rng.choice([["quotes"], ["trades"], ["bars"], ["quotes", "quotes", "trades"], ["bars", "trades", "quotes"]])
    rich = rng.random() < 0.8
    terms = Terms(
        is_cash=rng.random() < 0.3, balance=1_000_000 if rich else 3_000, unit=rng.choice([1, 3]),
        maker_ppm=rng.choice([0, 1000, -200]), taker_ppm=rng.choice([0, 2500]), fee_in_base=rng.random() < 0.3,
        margin_ppm=rng.choice([0, 100_000]), slippage_ticks=rng.choice([0, 0, 2]),
        impact_ppm=rng.choice([0, 0, 50_000]), share_ppm=rng.choice([0, 250_000]),
    )  # fmt: skip
    pair = Pair(terms)
    middle = 100
    for _ in range(250):
        middle = max(20, middle + rng.choice([0, 0, 0, 1, -1, rng.randint(-4, 4)]))
        if rng.random() < 0.5:
            pair.venue.now_ns += rng.choice([0, 0, 1])
            pair.command(*random_command(rng, middle))
        else:
            reactions = [random_command(rng, middle) for _ in range(rng.choice([0, 0, 1, 2]))]
            pair.market(*random_market(rng, middle, feeds), reactions)


@pytest.mark.skipif(INTERPRETED, reason="this is the interpreted run already")
def test_exchange_is_its_naive_twin_interpreted():
    """The same source as plain Python, and all the scenarios of the unit tests."""
    tests = [str(path) for path in sorted((ROOT / "tests" / "unit").glob("test_simulated_*.py"))]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "TAPEFOLD_TWIN_EXAMPLES": "25"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, *tests],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
