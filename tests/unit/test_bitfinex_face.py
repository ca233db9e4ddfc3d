"""Parts of the venue's face of Bitfinex that need no venue."""

from decimal import Decimal
from zlib import crc32

import pytest

from adapters.configuration import Instrument
from adapters.venue.bitfinex.candles import Candles
from adapters.venue.bitfinex.errors import Refused
from adapters.venue.bitfinex.limits import REQUESTS_A_MINUTE, Limits, TooMany
from adapters.venue.bitfinex.market import (
    Day,
    Listing,
    book_changes,
    book_checksum,
    book_levels,
    level_array,
    ticker_array,
    trade_array,
)
from adapters.venue.bitfinex.names import market_of
from adapters.venue.bitfinex.numbers import encode, lots_of, ticks_of
from adapters.venue.bitfinex.queries import read_window
from adapters.venue.defaults import default_configuration
from adapters.venue.market import Bar, MarketView, Quote, Trade
from engine.kinds import Aggressor

MINUTE_NS = 60 * 10**9
START_NS = 1_699_999_800 * 10**9


@pytest.fixture
def instrument() -> Instrument:
    """BTC in steps of 0.1 and 0.001."""
    return default_configuration("USDT").instruments[0]


def bar(minute: int, prices: tuple[int, int, int, int], lots: int) -> Bar:
    opened_ns = START_NS + minute * MINUTE_NS
    return Bar(0, opened_ns, opened_ns + MINUTE_NS, *prices, lots)


def test_candles_of_five_minutes_from_bars(instrument: Instrument) -> None:
    view = MarketView(0)
    view.bars += [bar(0, (100, 130, 90, 120), 5_000), bar(4, (120, 125, 80, 115), 1_000)]
    candles = Candles(view, 5 * 60_000)
    assert [candle.array(instrument) for candle in candles.all] == [
        [START_NS // 1_000_000, 10, Decimal("11.5"), 13, 8, 6]
    ]
    changed = candles.take(bar(5, (115, 116, 114, 116), 10))
    assert changed is not None and changed.opened_ms == START_NS // 1_000_000 + 300_000
    # Trades are in the bars already.
    assert candles.take(Trade(0, START_NS, 500, 1, 1, 1)) is None


def test_candles_from_trades_until_there_are_bars() -> None:
    candles = Candles(MarketView(0), 60_000)
    for second, ticks in ((1, 100), (59, 90), (60, 95)):
        candles.take(Trade(0, START_NS + second * 10**9, ticks, 10, second, 1))
    assert [(c.open_ticks, c.low_ticks, c.close_ticks, c.volume_lots) for c in candles.all] == [
        (100, 90, 90, 20),
        (95, 95, 95, 10),
    ]
    candles.take(bar(0, (100, 130, 90, 120), 5_000))
    assert [c.volume_lots for c in candles.all] == [5_000]


def test_the_days_figures(instrument: Instrument) -> None:
    market = market_of(instrument, default_configuration("USDT").accounts[0])
    view, day = MarketView(0), Day()
    listing = Listing(market, view, day)
    midnight_ns = 20_000 * 86_400 * 10**9
    for ts_ns, ticks in ((midnight_ns - 1, 1_000), (midnight_ns, 1_100), (midnight_ns + 1, 1_050)):
        day.take(Trade(0, ts_ns, ticks, 2_000, 1, 1))
    view.quote = Quote(0, midnight_ns, 1_049, 1_051, 10, 20, 1)
    assert ticker_array(listing) == [
        Decimal("104.9"), Decimal("0.01"), Decimal("105.1"), Decimal("0.02"), 5, Decimal("0.05"), 105, 4, 110, 105,
    ]  # fmt: skip


def test_a_book_its_changes_and_its_checksum(instrument: Instrument) -> None:
    view = MarketView(0)
    listing = Listing(market_of(instrument, default_configuration("USDT").accounts[0]), view, Day())
    assert book_levels(listing) == []
    view.quote = Quote(0, 0, 1_000, 1_001, 1_500, 20, 1)
    before = book_levels(listing)
    assert [level_array(listing, level) for level in before] == [
        [100, 1, Decimal("1.5")],
        [Decimal("100.1"), 1, Decimal("-0.02")],
    ]
    signed = book_checksum(listing, before)
    assert signed % (1 << 32) == crc32(b"100:1.5:100.1:-0.02") and -(1 << 31) <= signed < 1 << 31
    # The ask becomes the bid: the side that is gone is told apart by its sign.
    view.quote = Quote(0, 0, 1_001, 1_002, 1_500, 20, 2)
    assert book_changes(listing, before, book_levels(listing)) == [
        [100, 0, 1],
        [Decimal("100.1"), 0, -1],
        [Decimal("100.1"), 1, Decimal("1.5")],
        [Decimal("100.2"), 1, Decimal("-0.02")],
    ]


def test_a_trade_says_who_began_it_by_its_sign(instrument: Instrument) -> None:
    listing = Listing(market_of(instrument, default_configuration("USDT").accounts[0]), MarketView(0), Day())
    amounts = [trade_array(listing, Trade(0, 0, 1, 500, 1, by))[2] for by in (Aggressor.BUYER, Aggressor.SELLER)]
    assert amounts == [Decimal("0.5"), Decimal("-0.5")]


def test_numbers_are_exact_both_ways(instrument: Instrument) -> None:
    assert encode([Decimal("0.1"), Decimal("12345678901234567890.12345678"), 3]) == (
        b"[0.1,12345678901234567890.12345678,3]"
    )
    assert ticks_of(instrument, "price", "20001.9") == 200_010
    assert ticks_of(instrument, "price", Decimal("9999.9")) == 99_999
    assert lots_of(instrument, "amount", "-0.0010000001") == -1
    for value in (None, True, "", "x", "NaN", "1e999", "0.0001", [1]):
        with pytest.raises(Refused, match="amount: invalid"):
            lots_of(instrument, "amount", value)


def test_windows_of_the_past() -> None:
    rows = [50, 40, 30, 20, 10]
    assert read_window({}, 2, 100).of(rows, int) == [50, 40]
    assert read_window({"start": 20, "end": "40"}, 5, 100).of(rows, int) == [40, 30, 20]
    assert read_window({"start": 20, "sort": 1}, 2, 100).of(rows, int) == [20, 30]
    for form in ({"limit": 0}, {"limit": 101}, {"sort": 2}, {"start": "soon"}):
        with pytest.raises(Refused, match="invalid"):
            read_window(form, 5, 100)


def test_requests_are_counted_by_the_minute() -> None:
    limits = Limits(REQUESTS_A_MINUTE)
    for _ in range(REQUESTS_A_MINUTE):
        limits.count("key", "path", 30_000)
    limits.count("key", "another", 30_000)
    limits.count("another", "path", 30_000)
    with pytest.raises(TooMany) as refused:
        limits.count("key", "path", 30_000)
    assert (refused.value.status, refused.value.retry_after_s) == (429, 31)
    limits.count("key", "path", 60_000)
