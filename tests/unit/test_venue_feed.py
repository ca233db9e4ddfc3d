"""What a feed plays: files and the random market, in their order and at a speed."""

import asyncio
import time
from itertools import islice
from pathlib import Path

import numpy as np

from adapters.configuration import Configuration, parse_configuration
from adapters.venue.core import VenueCore
from adapters.venue.defaults import default_configuration
from adapters.venue.feed import Feed
from adapters.venue.market import Bar, MarketUpdate, Quote
from adapters.venue.random_walk import random_walk

FIRST_S = 1_700_000_000
_ROWS = ("100,120,90,110,80", "110,115,80,90,8", "90,95,85,95,8")
_BARS = """
[run]
name = "bars"
[[accounts]]
name = "a"
kind = "margin"
currency = "USDT"
balance = "1000"
[[instruments]]
symbol = "BTC/USDT:USDT"
account = "a"
kind = "linear"
tick_size = "1"
lot_size = "1"
[[data]]
path = "bars.csv"
instrument = "BTC/USDT:USDT"
kind = "bars"
interval = "1s"
columns = {open = "open", high = "high", low = "low", close = "close", volume = "volume"}
time = {column = "time", unit = "s"}
"""


def play(configuration: Configuration, speed: float | None, seconds: float) -> list[MarketUpdate]:
    """What the market hears of a feed in so many seconds."""
    core = VenueCore(configuration, time.time_ns)
    heard: list[MarketUpdate] = []
    core.market_listeners.append(heard.append)

    async def run() -> None:
        task = asyncio.create_task(Feed(core, configuration, speed).run())
        await asyncio.wait({task}, timeout=seconds)
        assert not task.done() or task.exception() is None
        task.cancel()

    asyncio.run(run())
    return heard


def bars(tmp_path: Path) -> Configuration:
    lines = ["time,open,high,low,close,volume", *(f"{FIRST_S + n},{row}" for n, row in enumerate(_ROWS))]
    (tmp_path / "bars.csv").write_text("\n".join(lines), encoding="utf-8")
    return parse_configuration(_BARS, tmp_path / "bars.toml")


def test_a_bar_is_played_as_quotes_along_its_path(tmp_path: Path) -> None:
    heard = play(bars(tmp_path), None, 0.3)
    prices = [update.bid_ticks for update in heard if isinstance(update, Quote)]
    assert prices == [100, 90, 120, 110, 110, 115, 80, 90, 90, 85, 95]
    closes = [update.close_ticks for update in heard if isinstance(update, Bar)]
    assert closes == [110, 90, 95] and isinstance(heard[4], Bar)


def test_speed_divides_the_time_between_records(tmp_path: Path) -> None:
    started_ns = time.time_ns()
    closed = [update.ts_ns for update in play(bars(tmp_path), 20.0, 1.0) if isinstance(update, Bar)]
    # A second of the data takes 50 ms; a busy machine may be late, but never early.
    assert [ts_ns >= started_ns + n * 50_000_000 for n, ts_ns in enumerate(closed)] == [True] * 3


def test_the_random_market_repeats_with_its_seed() -> None:
    instruments = default_configuration("USDT").instruments
    first, again, other = (
        np.concatenate(list(islice(random_walk(instruments, seed), 3))).tobytes() for seed in (1, 1, 2)
    )
    assert first == again and first != other


def test_the_random_market_hangs_together() -> None:
    heard = play(default_configuration("USDT"), None, 1.0)
    quotes = [update for update in heard if isinstance(update, Quote)]
    assert len(quotes) > 100
    assert all(0 < quote.bid_ticks < quote.ask_ticks and quote.bid_lots > 0 for quote in quotes)
    assert all(bar.low_ticks <= min(bar.open_ticks, bar.close_ticks) for bar in heard if isinstance(bar, Bar))


def test_a_market_that_is_held_repeats_its_latest_quotes_and_goes_on_where_it_was() -> None:
    core = VenueCore(default_configuration("USDT"), time.time_ns)
    heard: list[MarketUpdate] = []
    core.market_listeners.append(heard.append)
    feed = Feed(core, default_configuration("USDT"), 20)

    async def run() -> None:
        task = asyncio.create_task(feed.run())
        await asyncio.sleep(0.2)
        feed.hold()
        await asyncio.sleep(0.1)
        played, before = feed.played, len(heard)
        await asyncio.sleep(0.7)
        assert feed.played == played
        again = heard[before:]
        prices = {(quote.instrument, quote.bid_ticks) for quote in again if isinstance(quote, Quote)}
        assert len(again) > 2 and len(prices) == 2, "one price of each instrument"
        feed.go_on()
        await asyncio.sleep(0.4)
        # What would have been played in the meantime is not made up for: 20 steps a tenth of a second, 0.4 s.
        assert played < feed.played < played + 800
        task.cancel()

    asyncio.run(run())
