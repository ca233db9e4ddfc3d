"""Market data files become exact events, and what is wrong in them is named with file and line."""

import gzip
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.errors import UserError
from adapters.market_data import MarketData
from adapters.market_data.layout import Layout
from adapters.market_data.rows import Target, rows_of
from engine.kinds import Aggressor, EventKind
from tests.unit.market_data_support import BARS, QUOTES, SYMBOL, T0, TRADES, configured, loaded, overlaid, values

NS = 10**9
HEADER = "t,o,h,l,c,v"
GOOD_BARS = [
    f"{T0},10,10.5,9.8,10.1,3.5",
    f"{T0 + 60},10.1,10.2,10.0,10.2,0",
    f"{T0 + 120},10.2,11,10.2,11,1.0019",
]
BAR_FIELDS = ("ts_ns", "ts_exchange_ns", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume_lots")
EXPECTED_BARS = [
    ((T0 + 60) * NS, T0 * NS, 100, 105, 98, 101, 3_500),
    ((T0 + 120) * NS, (T0 + 60) * NS, 101, 102, 100, 102, 0),
    ((T0 + 180) * NS, (T0 + 120) * NS, 102, 110, 102, 110, 1_001),
]


def _csv(folder: Path, *lines: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def _error(folder: Path, entry: str, **terms: str) -> str:
    with pytest.raises(UserError) as caught:
        loaded(configured(folder, entry, **terms))
    message = str(caught.value)
    assert "\n" not in message
    return message


def _frame() -> pl.DataFrame:
    rows = [[float(value) for value in line.split(",")] for line in GOOD_BARS]
    return pl.DataFrame(rows, schema=HEADER.split(","), orient="row").with_columns(pl.col("t").cast(pl.Int64))


def _write_plain(path: Path, text: str) -> None:
    path.write_text(text)


def _write_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def _write_zip(path: Path, text: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inside.csv", text)


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.csv", _write_plain), ("a.csv.gz", _write_gzip), ("a.zip", _write_zip), ("a.CSV", _write_plain)],
)
def test_bars_of_text_formats(tmp_path: Path, name: str, write: Callable[[Path, str], None]) -> None:
    write(tmp_path / name, "\n".join([HEADER, *GOOD_BARS]))
    events, [report] = loaded(configured(tmp_path, f'path = "{name}"\n{BARS}'))
    assert values(overlaid(events, EventKind.BAR), *BAR_FIELDS) == EXPECTED_BARS
    assert (report.files, report.rows, report.events) == (1, 3, 3)
    assert (report.first_ts_ns, report.last_ts_ns) == (EXPECTED_BARS[0][0], EXPECTED_BARS[-1][0])


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.arrow"])
def test_bars_of_binary_formats(tmp_path: Path, name: str) -> None:
    frame = _frame()
    frame.write_parquet(tmp_path / name) if name.endswith("parquet") else frame.write_ipc(tmp_path / name)
    events, _ = loaded(configured(tmp_path, f'path = "{name}"\n{BARS}'))
    assert values(overlaid(events, EventKind.BAR), *BAR_FIELDS) == EXPECTED_BARS


def test_binary_times_with_and_without_a_zone(tmp_path: Path) -> None:
    moments = pl.from_epoch(pl.Series([T0, T0 + 60, T0 + 120]), "s")
    for name, column in (("utc", moments.dt.replace_time_zone("UTC")), ("naive", moments.cast(pl.Datetime("ms")))):
        _frame().with_columns(column.alias("t")).write_parquet(tmp_path / f"{name}.parquet")
        entry = BARS.replace(', unit = "s"', "")
        events, _ = loaded(configured(tmp_path, f'path = "{name}.parquet"\n{entry}'))
        assert values(overlaid(events, EventKind.BAR), *BAR_FIELDS) == EXPECTED_BARS


def test_a_zip_of_several_members_and_a_glob_of_files_follow_each_other(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.csv", "\n".join([HEADER, GOOD_BARS[0]]))
        archive.writestr("2.csv", "\n".join([HEADER, GOOD_BARS[1]]))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("3.csv", "\n".join([HEADER, GOOD_BARS[2]]))
    events, [report] = loaded(configured(tmp_path, f'path = "*.zip"\n{BARS}'))
    assert values(overlaid(events, EventKind.BAR), *BAR_FIELDS) == EXPECTED_BARS
    assert report.files == 2


def test_an_event_names_its_source_and_instrument(tmp_path: Path) -> None:
    _csv(tmp_path, HEADER, *GOOD_BARS)
    _csv(tmp_path, f"{T0},5,1", name="t.csv")
    entry = f'path = "t.csv"\ninstrument = "OTHER"\n{TRADES}'
    events, _ = loaded(configured(tmp_path, f'path = "data.csv"\n{BARS}', entry))
    assert values(events, "source", "instrument", "kind")[:2] == [(1, 1, EventKind.TRADE), (0, 0, EventKind.BAR)]
    assert set(events["account"].tolist()) == {0}


def test_quotes_and_trades_without_a_header(tmp_path: Path) -> None:
    _csv(tmp_path, f"{T0},10,1,10.1,2", f"{T0},10.1,0,10.1,2.5", name="q.csv")
    _csv(tmp_path, f"{T0 + 1},10.1,1.5,7,True", f"{T0 + 2},10,0.0004,8,false", name="t.csv")
    trades = TRADES.replace("quantity = 3", "quantity = 3, trade_id = 4, buyer_is_maker = 5")
    events, _ = loaded(configured(tmp_path, f'path = "q.csv"\n{QUOTES}', f'path = "t.csv"\n{trades}'))
    fields = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    assert values(overlaid(events, EventKind.QUOTE), *fields) == [(100, 1000, 101, 2000), (101, 0, 101, 2500)]
    assert values(overlaid(events, EventKind.TRADE), "price_ticks", "quantity_lots", "trade_id", "aggressor") == [
        (101, 1500, 7, Aggressor.SELLER),
        (100, 0, 8, Aggressor.BUYER),
    ]


def test_sides_by_name_and_the_exchanges_own_time(tmp_path: Path) -> None:
    _csv(tmp_path, f"{T0},10,1,Buy,{T0 - 1}", f"{T0},10,1,s,{T0 + 5}", f"{T0},10,1,S,")
    entry = TRADES.replace("quantity = 3", "quantity = 3, side = 4, exchange_time = 5")
    events, [report] = loaded(configured(tmp_path, f'path = "data.csv"\n{entry}'))
    sides = [Aggressor.BUYER, Aggressor.SELLER, Aggressor.SELLER]
    assert overlaid(events, EventKind.TRADE)["aggressor"].tolist() == sides
    assert events["ts_exchange_ns"].tolist() == [(T0 - 1) * NS, (T0 + 5) * NS, 0]
    assert report.received_before_sent == 1


def test_funding_rates_with_and_without_a_mark(tmp_path: Path) -> None:
    _csv(tmp_path, "20201229 00:00:00,0.00020030,100.04", "20201229 08:00:00,-0.0001,100.06")
    events, _ = loaded(configured(tmp_path, 'path = "data.csv"\nprofile = "lean-funding"\ncolumns = {mark = 3}'))
    found = values(overlaid(events, EventKind.FUNDING), "rate_ppb", "mark_ticks", "basis", "amount_units")
    assert found == [(200_300, 1000, 0, 0), (-100_000, 1001, 0, 0)]
    events, _ = loaded(configured(tmp_path, 'path = "data.csv"\nprofile = "lean-funding"'))
    assert overlaid(events, EventKind.FUNDING)["mark_ticks"].tolist() == [0, 0]


# Each bad row stands at line 3 of a file of bars, or line 2 of a file of quotes or trades.
BAD_ROWS = [
    (BARS, f"{T0 + 60},10.1,x,10.0,10.2,0", "value missing or not a number", "expected a number"),
    (BARS, f"{T0 + 60},10.1,,10.0,10.2,0", "value missing or not a number", "expected a number"),
    (BARS, f"{T0 + 60},10.1", "value missing or not a number", "expected a number"),
    (BARS, f"{T0 + 60},10.1,NaN,10.0,10.2,0", "value missing or not a number", "expected a number"),
    (BARS, f"{T0 + 60},10.1,inf,10.0,10.2,0", "value missing or not a number", "expected a number"),
    (BARS, f"{T0 + 60},10.1,10.2,10.0,10.2,0,9", "too many fields", "expected as many as in the first line"),
    (BARS, f"{T0 + 60},10.1,10.2,-10.0,10.2,0", "price not above zero", "expected prices above zero"),
    (BARS, f"{T0 + 60},10.1,10.2,0,10.2,0", "price not above zero", "expected prices above zero"),
    (BARS, f"{T0 + 60},10.1,10.2,10.0,10.2,-1", "negative quantity", "expected quantities of zero or more"),
    (BARS, f"{T0 + 60},10.1,10.0,10.2,10.1,0", "bar out of shape", "expected low <= open, close <= high"),
    (BARS, f"{T0 + 60},10.1,10.2,10.0,10.3,0", "bar out of shape", "expected low <= open, close <= high"),
    (BARS, f"{T0 + 60},10.15,10.2,10.0,10.2,0", "price off the tick", "expected a multiple of the tick size 0.1"),
    (BARS, f"{T0 + 60},10.1,1e17,10.0,10.2,0", "value too large", "take a coarser tick_size or lot_size"),
    (BARS, f"{T0 + 60},10.1,10.2,10.0,10.2,1e16", "value too large", "take a coarser tick_size or lot_size"),
    (BARS, f"{T0 - 60},10.1,10.2,10.0,10.2,1", "time went back", "expected rows in order of time"),
    (BARS, f"{T0 + 59},10.1,10.2,10.0,10.2,1", "bar opens before the one before it closed", "interval apart"),
    (BARS, "soon,10.1,10.2,10.0,10.2,1", "time unreadable", "expected a time in the configured unit"),
    (BARS, ",10.1,10.2,10.0,10.2,1", "time unreadable", "expected a time in the configured unit"),
    (BARS, f"{T0 + 60}000,10.1,10.2,10.0,10.2,1", "time unreadable", "expected a time in the configured unit"),
    (QUOTES, f"{T0 + 60},10.2,1,10.1,1", "bid above ask", "expected bid <= ask"),
    (QUOTES, f"{T0 + 60},10.1,-1,10.1,1", "negative quantity", "expected quantities of zero or more"),
    (QUOTES, f"{T0 - 60},10.1,1,10.1,1", "time went back", "expected rows in order of time"),
    (TRADES, f"{T0 + 60},-10.1,1,1,buy", "price not above zero", "expected prices above zero"),
    (TRADES.replace("quantity = 3", "quantity = 3, side = 5"), f"{T0},9,1,1,x", "unknown side", "expected buy or sell"),
    (TRADES.replace("quantity = 3", "quantity = 3, trade_id = 4"), f"{T0},9,1,a,b", "value missing", "a number"),
]


@pytest.mark.parametrize(("entry", "row", "found", "expected"), BAD_ROWS)
def test_a_bad_row_stops_with_its_line_or_is_skipped_and_counted(
    tmp_path: Path, entry: str, row: str, found: str, expected: str
) -> None:
    if entry == BARS:
        lines, line = [HEADER, GOOD_BARS[0], row, *GOOD_BARS[1:]], 3
    else:
        lines, line = [f"{T0},10,1,10.5,buy", row, f"{T0 + 90},10,1,10.5,sell"], 2
    if entry == QUOTES:
        lines = [item.replace("buy", "1").replace("sell", "1") for item in lines]
    elif "trade_id" in entry:
        lines[0], lines[2] = f"{T0},10,1,1,buy", f"{T0 + 90},10,1,2,sell"
    _csv(tmp_path, *lines)
    entry = f'path = "data.csv"\n{entry}'
    message = _error(tmp_path, entry)
    assert message.startswith(f"{tmp_path / 'data.csv'} line {line}: {found}"), message
    assert f"({row})" in message and expected in message, message
    events, [report] = loaded(configured(tmp_path, entry + 'bad_rows = "skip"'))
    assert len(events) == len(lines) - 1 - (entry.count("bars"))
    assert sum(report.skipped.values()) == 1 and [message] == report.examples


def test_the_first_of_several_bad_rows_is_named(tmp_path: Path) -> None:
    _csv(tmp_path, f"{T0},10,1", f"{T0 - 9},10,1", f"{T0},-1,1")
    assert "line 2: time went back" in _error(tmp_path, f'path = "data.csv"\n{TRADES}')


def test_skipped_rows_are_counted_by_reason_with_the_first_examples(tmp_path: Path) -> None:
    _csv(tmp_path, f"{T0},10,1", *[f"{T0 + i},-{i},1" for i in range(1, 9)], f"{T0 - 1},10,1", f"{T0},10,-1")
    _, [report] = loaded(configured(tmp_path, f'path = "data.csv"\nbad_rows = "skip"\n{TRADES}'))
    assert report.skipped == {"price not above zero": 8, "time went back": 1, "negative quantity": 1}
    assert len(report.examples) == 5 and (report.rows, report.events) == (11, 1)


def test_a_skipped_bar_does_not_hide_the_next(tmp_path: Path) -> None:
    _csv(tmp_path, HEADER, *(f"{T0 + 30 * i},10,10,10,10,1" for i in range(6)))
    events, [report] = loaded(configured(tmp_path, f'path = "data.csv"\nbad_rows = "skip"\n{BARS}'))
    assert events["ts_exchange_ns"].tolist() == [(T0 + 60 * i) * NS for i in range(3)]
    assert report.skipped == {"bar opens before the one before it closed": 3}


def test_time_may_not_go_back_from_one_file_to_the_next(tmp_path: Path) -> None:
    _csv(tmp_path, f"{T0},10,1", name="1.csv")
    _csv(tmp_path, f"{T0 - 1},10,1", name="2.csv")
    assert "2.csv line 1: time went back" in _error(tmp_path, f'path = "?.csv"\n{TRADES}')


def test_a_bad_row_of_a_zip_names_the_member(tmp_path: Path) -> None:
    _write_zip(tmp_path / "a.zip", f"{T0},10,1\n{T0},10.05,1\n")
    message = _error(tmp_path, f'path = "a.zip"\n{TRADES}')
    assert message.startswith(f"{tmp_path / 'a.zip'} member inside.csv line 2: price off the tick ({T0},10.05,1)")


def test_a_bad_row_of_a_binary_file_names_the_row(tmp_path: Path) -> None:
    _frame().with_columns(h=pl.lit(1.0)).write_parquet(tmp_path / "a.parquet")
    message = _error(tmp_path, f'path = "a.parquet"\n{BARS}')
    assert message.startswith(f"{tmp_path / 'a.parquet'} row 1: bar out of shape (") and "high=1.0" in message


def test_prices_are_rounded_to_the_tick_only_on_request(tmp_path: Path) -> None:
    _csv(tmp_path, f"{T0},10.04,1", f"{T0},10.06,1", f"{T0},10.1,1")
    events, [report] = loaded(configured(tmp_path, f'path = "data.csv"\noff_tick = "round"\n{TRADES}'))
    assert overlaid(events, EventKind.TRADE)["price_ticks"].tolist() == [100, 101, 101]
    assert report.prices_rounded == 2
    _csv(tmp_path, f"{T0},0.04,1")
    message = _error(tmp_path, f'path = "data.csv"\noff_tick = "round"\n{TRADES}')
    assert "line 1: price not above zero" in message


def test_empty_lines_are_passed_over_and_lines_still_count(tmp_path: Path) -> None:
    _csv(tmp_path, f"{T0},10,1", "", f"{T0},10,1", "", f"{T0},0,1")
    assert "line 5: price not above zero" in _error(tmp_path, f'path = "data.csv"\n{TRADES}')
    events, [report] = loaded(configured(tmp_path, f'path = "data.csv"\nbad_rows = "skip"\n{TRADES}'))
    assert len(events) == 2 and report.ignored == {"blank line": 2}


def test_carriage_returns_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([HEADER, *GOOD_BARS, ""]).encode())
    events, _ = loaded(configured(tmp_path, f'path = "data.csv"\n{BARS}'))
    assert values(overlaid(events, EventKind.BAR), *BAR_FIELDS) == EXPECTED_BARS


def test_quoted_values_read_like_others(tmp_path: Path) -> None:
    _csv(tmp_path, f'{T0},"10.1","2"', f"{T0},10,1")
    events, _ = loaded(configured(tmp_path, f'path = "data.csv"\n{TRADES}'))
    assert values(overlaid(events, EventKind.TRADE), "price_ticks", "quantity_lots") == [(101, 2000), (100, 1000)]


def test_start_and_end_cut_bars_by_their_open(tmp_path: Path) -> None:
    _csv(tmp_path, HEADER, *GOOD_BARS, "broken")
    start, end = (datetime.fromtimestamp(T0 + s, UTC).isoformat() for s in (60, 120))
    entry = f'path = "data.csv"\nstart = "{start}"\nend = "{end}"\n{BARS}'
    assert "line 5: time unreadable (broken)" in _error(tmp_path, entry)
    _csv(tmp_path, HEADER, *GOOD_BARS)
    events, [report] = loaded(configured(tmp_path, entry))
    assert values(overlaid(events, EventKind.BAR), *BAR_FIELDS) == [EXPECTED_BARS[1]]
    assert report.ignored == {"outside start and end": 2}


# The configuration, the file's text, and the words of the one line.
UNUSABLE = [
    (BARS, "", "data.csv: is empty or starts with an empty line; expected rows of bars"),
    (BARS, HEADER, "data.csv: holds no rows; expected bars"),
    (BARS, "t,o,h,l,v\n1,2,3,4,5", "data.csv: column 'c' for close is not there; expected it among t, o, h, l, v"),
    (TRADES, "1600000000,2", "data.csv: column 3 for quantity is not there; expected it among 2 columns"),
    (TRADES, "1600000000000,2,1", "data.csv: time 1600000000000 read as s lies far in the future"),
    (TRADES.replace('"s"', '"ms"'), "1600000000,2,1", "data.csv: time 1600000000 read as ms lies in 1970"),
    (TRADES.replace('"s"', '"auto"'), "16000,2,1", "data.csv: time 16000 is no time since 1970 in s, ms, us or ns"),
    (TRADES.replace('"s"', '"text"'), "1 May 2017,2,1", "data.csv: time '1 May 2017' has an unknown shape"),
    (TRADES.replace('"s"', '"text", format = "%Q"'), "2017,2,1", "data.csv line 1: time unreadable (2017,2,1)"),
    (TRADES.replace('"s"', '"text", zone = "Mars/Base"'), "2017-05-01,2,1", "data.csv: unknown time.zone 'Mars/Base'"),
    (TRADES, '1600000000,"2",1\n1600000000,"2,1', 'data.csv line 2: a quote that does not close (1600000000,"2,1)'),
    (TRADES, "\x00\r\x00", "data.csv line 1: not CSV ("),
    (TRADES + 'start = "2030-01-01"', "1600000000,2,1", "holds no rows between start and end; expected another range"),
    (TRADES + 'bad_rows = "skip"', "1600000000,0,1", "every row was skipped; expected good ones; the first: "),
]


@pytest.mark.parametrize(("entry", "text", "expected"), UNUSABLE)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, entry: str, text: str, expected: str) -> None:
    (tmp_path / "data.csv").write_text(text)
    message = _error(tmp_path, f'path = "data.csv"\n{entry}')
    assert str(tmp_path) in message and expected in message, message


def test_files_that_are_not_there_or_broken(tmp_path: Path) -> None:
    missing = _error(tmp_path, f'path = "no.csv"\n{TRADES}')
    assert "test.toml:22: data[0].path: expected a file, found none at" in missing
    assert "expected a file, found none at" in _error(tmp_path, f'path = "*.csv"\n{TRADES}')
    (tmp_path / "a.xlsx").write_text("x")
    assert "unknown suffix; expected one of .csv, " in _error(tmp_path, f'path = "a.xlsx"\n{TRADES}')
    for name in ("a.csv.gz", "a.zip", "a.parquet", "a.feather"):
        (tmp_path / name).write_bytes(b"certainly not")
        assert f"{name}: cannot be read (" in _error(tmp_path, f'path = "{name}"\n{BARS}')
    whole = gzip.compress(b"1,2,3\n" * 1000)
    (tmp_path / "cut.csv.gz").write_bytes(whole[:-10])
    assert "cut.csv.gz: cannot be read (" in _error(tmp_path, f'path = "cut.csv.gz"\n{TRADES}')
    with pytest.raises(UserError, match="expected at least one"):
        MarketData(configured(tmp_path))


@pytest.mark.parametrize(
    ("unit", "text", "ns"),
    [
        ("auto", "1600000000", 1_600_000_000 * NS),
        ("auto", "1600000000123", 1_600_000_000_123_000_000),
        ("auto", "1600000000123456", 1_600_000_000_123_456_000),
        ("auto", "1600000000123456789", 1_600_000_000_123_456_789),
        ("s", "1600000000.123456789", 1_600_000_000_123_456_789),
        ("s", "1600000000.5", 1_600_000_000_500_000_000),
        ("ms", "1600000000123.25", 1_600_000_000_123_250_000),
        ("auto", "2020-09-13", 1_599_955_200 * NS),
        ("auto", "2020-09-13 12:26", 1_599_999_960 * NS),
        ("auto", "2020-09-13 12:26:40", 1_600_000_000 * NS),
        ("auto", "2020-09-13T12:26:40.123456789Z", 1_600_000_000_123_456_789),
        ("auto", "2020-09-13T14:26:40+02:00", 1_600_000_000 * NS),
        ("auto", "20200913 12:26:40", 1_600_000_000 * NS),
        ('text", format = "%d.%m.%Y %H:%M:%S', "13.09.2020 12:26:40", 1_600_000_000 * NS),
        ('text", zone = "America/New_York', "2020-09-13 08:26:40", 1_600_000_000 * NS),
        ('text", zone = "America/New_York', "2020-01-13 08:26:40", 1_578_922_000 * NS),
    ],
)
def test_times_of_any_shape(tmp_path: Path, unit: str, text: str, ns: int) -> None:
    _csv(tmp_path, f"{text},2,1", f"{text},3,1")
    events, _ = loaded(configured(tmp_path, f'path = "data.csv"\n{TRADES}'.replace('"s"', f'"{unit}"')))
    assert events["ts_ns"].tolist() == [ns, ns]


def test_clock_changes(tmp_path: Path) -> None:
    entry = TRADES.replace('"s"', '"text", zone = "America/New_York"') + 'bad_rows = "skip"'
    _csv(tmp_path, "2013-03-10 01:59:00,2,1", "2013-03-10 02:30:00,2,1", "2013-03-10 03:00:00,2,1")
    events, [report] = loaded(configured(tmp_path, f'path = "data.csv"\n{entry}'))
    assert np.diff(events["ts_ns"]).tolist() == [60 * NS] and report.skipped == {"time unreadable": 1}
    daily = BARS.replace("1m", "1d").replace('"s"', '"text", zone = "America/New_York"')
    _csv(tmp_path, HEADER, "2013-03-09,2,2,2,2,1", "2013-03-10,2,2,2,2,1", "2013-03-11,2,2,2,2,1")
    events, _ = loaded(configured(tmp_path, f'path = "data.csv"\n{daily}'))
    hours = [(known - opened) // (3600 * NS) for known, opened in values(events, "ts_ns", "ts_exchange_ns")]
    assert hours == [24, 23, 24]


def test_bars_stamped_with_their_close(tmp_path: Path) -> None:
    _csv(tmp_path, HEADER, *GOOD_BARS)
    entry = BARS.replace('unit = "s"', 'unit = "s", stamps = "close"')
    events, _ = loaded(configured(tmp_path, f'path = "data.csv"\n{entry}'))
    assert values(events, "ts_ns", "ts_exchange_ns")[0] == (T0 * NS, (T0 - 60) * NS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None, derandomize=True)
@given(
    tick_decimals=st.integers(0, 6),
    lot_decimals=st.integers(0, 6),
    rows=st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 10**14)), min_size=1, max_size=20),
)
def test_decimal_text_becomes_exact_integers(
    tmp_path: Path, tick_decimals: int, lot_decimals: int, rows: list[tuple[int, int]]
) -> None:
    def text(count: int, decimals: int) -> str:
        digits = str(count).rjust(decimals + 1, "0")
        return f"{digits[: len(digits) - decimals]}.{digits[len(digits) - decimals :]}".rstrip(".")

    _csv(tmp_path, *(f"{T0},{text(p, tick_decimals)},{text(q, lot_decimals)}" for p, q in rows))
    terms = {"tick_size": text(1, tick_decimals), "lot_size": text(1, lot_decimals)}
    events, _ = loaded(configured(tmp_path, f'path = "data.csv"\n{TRADES}', **terms))
    assert values(overlaid(events, EventKind.TRADE), "price_ticks", "quantity_lots") == rows


def test_a_large_file_comes_in_slices_with_the_right_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.market_data.source.ROWS_PER_SLICE", 7)
    _csv(tmp_path, *(f"{T0 + i},{i + 1},1" for i in range(50)), f"{T0 + 50},0,1")
    entry = f'path = "data.csv"\n{TRADES}'
    assert "line 51: price not above zero" in _error(tmp_path, entry)
    events, [report] = loaded(configured(tmp_path, entry + 'bad_rows = "skip"'))
    assert overlaid(events, EventKind.TRADE)["price_ticks"].tolist() == [10 * (i + 1) for i in range(50)]
    assert (report.rows, report.events) == (51, 50)


def test_daily_bars_of_a_year_keep_their_distance() -> None:
    days = pl.Series("time", [datetime(2020, 1, 1) + timedelta(days=i) for i in range(366)])
    prices = {role: pl.Series([1.0] * 366) for role in ("open", "high", "low", "close")}
    layout = Layout("bars", {"time": 1}, None, "auto", None, "Europe/London", "open", 86_400 * NS)
    rows = rows_of(pl.DataFrame({"time": days, **prices}), layout, Target(0, 0, Fraction(1), Fraction(1), False), "x")
    assert (rows.events["ts_ns"][:-1] == rows.events["ts_exchange_ns"][1:]).all() and not rows.faults.any()


def test_the_symbol_of_the_tests_is_the_first_instrument(tmp_path: Path) -> None:
    assert configured(tmp_path).instrument(SYMBOL).number == 0


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None, derandomize=True
)
@given(
    kind=st.sampled_from([BARS, QUOTES, TRADES, TRADES.replace('"s"', '"auto"')]),
    policy=st.sampled_from(["stop", "skip"]),
    content=st.binary(max_size=60)
    | st.text('0123456789.,-\n"x:T ', max_size=60).map(str.encode)
    | st.lists(
        st.sampled_from([str(T0), "1", "-1", "1e30", "", ",", "\n", "\r\n", '"', "nan", HEADER]), max_size=40
    ).map(lambda parts: ",".join(parts).encode()),
)
def test_no_file_leads_to_a_traceback(tmp_path: Path, kind: str, policy: str, content: bytes) -> None:
    (tmp_path / "data.csv").write_bytes(content)
    message = str(tmp_path)
    try:
        loaded(configured(tmp_path, f'path = "data.csv"\nbad_rows = "{policy}"\n{kind}'))
    except UserError as error:
        message = str(error)
    assert str(tmp_path) in message and "\n" not in message
