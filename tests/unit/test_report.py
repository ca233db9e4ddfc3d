"""The files of a report: exact texts, documented columns, and a page that is safe and needs no network."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import UserError
from adapters.report.amounts import amount_text, duration_text, money_text, quantity_text, shown_amount, time_text
from adapters.report.charts import MARKERS_MAX, POINTS_MAX, chart_data
from adapters.report.files import REPORT_FILES, write_report
from adapters.report.page import TRADES_SHOWN
from adapters.report.tables import Tables
from replay.names import read_names
from replay.sampling import observe
from replay.statistics import summarize
from replay.tables import tables_of
from replay.trades import funding_of, round_trips
from tests.support import ROOT
from tests.unit.statistics_tape import HOUR_NS, START_NS, Tape

EVIL = "A</script><script>alert(1)</script>&"


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 18))
def test_money_text_is_exact(units: int, decimals: int) -> None:
    text = money_text(units, decimals)
    assert Decimal(text) == Decimal(units).scaleb(-decimals)
    assert len(text.partition(".")[2]) >= min(2, decimals)
    assert not (len(text.partition(".")[2]) > 2 and text.endswith("0"))
    assert amount_text(Decimal(units).scaleb(-decimals), min(2, decimals)) == text


def test_texts_of_amounts_times_and_durations() -> None:
    assert [money_text(units, 4) for units in (123_400, -5, 0, 123_456)] == ["12.34", "-0.0005", "0.00", "12.3456"]
    assert quantity_text(3, Decimal("0.50")) == "1.5"
    assert quantity_text(-3, Decimal("1E+2")) == "-300"
    assert shown_amount("-1234567.891") == "-1,234,567.89"
    assert [time_text(START_NS + ns) for ns in (0, 5_000_000, 7)] == [
        "2017-12-01T00:00:00Z",
        "2017-12-01T00:00:00.005Z",
        "2017-12-01T00:00:00.000000007Z",
    ]
    durations = (1_250_000_000, 125_000_000_000, 25 * HOUR_NS, 24 * HOUR_NS, 0)
    assert [duration_text(ns) for ns in durations] == ["1.25s", "2m 5s", "1d 1h", "1d", "0s"]


def report_of(tape: Tape) -> tuple[dict, Tables]:
    reader = tape.reader()
    observation, names = observe(reader), read_names(reader)
    trips = round_trips(observation.fills, funding_of(observation.state))
    return summarize(observation, names, trips), tables_of(observation, names, trips)


def trading(fills: int) -> Tape:
    tape = Tape()
    tape.instrument(0, EVIL)
    tape.instrument(1, "quiet")
    for number in range(fills):
        tape.ts_ns = START_NS + (number + 1) * HOUR_NS
        tape.bar(0, 100 + number % 7, open_ticks=100)
        tape.fill(0, 10 if number % 2 == 0 else -10, 100 + number % 7, fee=3)
    return tape


class Page(HTMLParser):
    """What a browser would make of a page: its scripts, and every address that it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts = 0
        self.words: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.scripts += tag == "script"
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.words.append(data)


def test_the_page_needs_no_network_and_escapes_every_text(tmp_path: Path) -> None:
    summary, tables = report_of(trading(40))
    path = write_report(tmp_path, EVIL, summary, tables, f"# {EVIL}")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(REPORT_FILES)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.addresses == ["https://www.tradingview.com/"]
    assert page.scripts == 3
    assert "<script>alert" not in text
    assert f"# {EVIL}" in "".join(page.words)
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert [item["name"] for item in data["prices"]] == [EVIL]
    assert len(data["prices"][0]["markers"]) == 40
    assert "connect-src" not in text
    assert "default-src 'none'" in text


def test_tables_hold_what_the_documentation_says(tmp_path: Path) -> None:
    summary, tables = report_of(trading(9))
    write_report(tmp_path, "run", summary, tables, "")
    documented = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    for name in ("equity", "trades", "fills"):
        frame = pl.read_parquet(tmp_path / f"{name}.parquet")
        section = documented.partition(f"### {name}.parquet")[2].partition("\n### ")[0]
        assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == frame.columns
        assert len(frame) > 0
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8")) == summary


def test_trades_and_fills_are_exact_texts() -> None:
    tape = Tape()
    tape.instrument(0, "A")
    tape.fill(0, 10, 12_345, fee=1_234)
    tape.fill(0, -4, 12_346, fee=2, in_base=True)
    _, tables = report_of(tape)
    fills = tables.fills.select("side", "price", "quantity", "fee", "fee_in_base").rows()
    assert fills == [("buy", "123.45", "1", "1.234", False), ("sell", "123.46", "0.4", "0.2", True)]
    (trade,) = tables.trades.to_dicts()
    assert (trade["side"], trade["quantity"], trade["entry_price"], trade["exit_price"]) == (
        "long",
        "1",
        "123.45",
        "123.46",
    )
    assert (trade["closed"], trade["closed_seq"], trade["strategy"]) == (None, None, "")
    assert Decimal(trade["net_pnl"]) == Decimal(trade["gross_pnl"]) - Decimal(trade["fees"]) + Decimal(trade["funding"])


def test_an_open_trade_has_no_exit_and_a_run_without_trades_has_a_page(tmp_path: Path) -> None:
    summary, tables = report_of(trading(1))
    assert tables.trades["exit_price"].to_list() == [None]
    assert "still open" in write_report(tmp_path, "run", summary, tables, "").read_text(encoding="utf-8")
    summary, tables = report_of(trading(0))
    assert tables.trades.height == tables.fills.height == 0
    assert "There were none." in write_report(tmp_path, "run", summary, tables, "").read_text(encoding="utf-8")


def test_long_series_are_thinned_and_lose_no_extreme() -> None:
    count = 3 * POINTS_MAX + 1
    times = pl.Series(range(count)).cast(pl.Int64) * 60_000_000_000
    prices = [100.0 + number % 10 for number in range(count)]
    prices[7_777] = 999.0
    bucket = times.cast(pl.Datetime("ns", "UTC"))
    frame = pl.DataFrame({"bucket": bucket, "instrument": "A", "tick_size": "0.5"}).with_columns(
        *(pl.Series(name, prices) for name in ("open", "high", "low", "close"))
    )
    equity = pl.DataFrame(
        {"bucket": bucket, "currency": "USD", "money_decimals": 0, "deposits_units": 50}
    ).with_columns(pl.Series("equity_units", [100 - (number == 7_777) * 99 for number in range(count)]))
    fills = pl.DataFrame(
        {"time": bucket, "instrument": "A", "side": "buy", "role": "entry", "quantity": "1", "price": "2"}
    )
    data = chart_data(Tables(equity=equity, prices=frame, trades=fills.clear(), fills=fills))
    (drawn,), (curve,) = data["prices"], data["equity"]
    assert len(drawn["times"]) == len(drawn["close"]) <= POINTS_MAX
    assert len(curve["times"]) == len(curve["equity"]) == len(curve["drawdown"]) <= POINTS_MAX
    assert max(drawn["high"]) == 999.0
    assert drawn["close"][-1] == prices[-1]
    assert min(curve["drawdown"]) == pytest.approx(-99.0)
    assert len(drawn["markers"]) == MARKERS_MAX
    assert drawn["markers_left_out"] > 0
    assert drawn["digits"] == 1


def test_legs_and_trips_have_marks_of_their_own() -> None:
    times = pl.Series([0, 60, 120]) * 1_000_000_000
    bucket = times.cast(pl.Datetime("ns", "UTC"))
    prices = pl.DataFrame({"bucket": bucket, "instrument": "A", "tick_size": "0.5"}).with_columns(
        *(pl.Series(name, [1.0, 2.0, 3.0]) for name in ("open", "high", "low", "close"))
    )
    equity = pl.DataFrame({"bucket": bucket, "currency": "USD", "money_decimals": 0, "deposits_units": 50})
    fills = pl.DataFrame(
        {
            "time": (pl.Series([90, 90, 90, 130]) * 1_000_000_000).cast(pl.Datetime("ns", "UTC")),
            "instrument": "A",
            "side": ["sell", "sell", "buy", "sell"],
            "role": ["stop", "target", "entry", "exit"],
            "quantity": "1",
            "price": "2",
        }
    )
    trip = {"kind": "breaker_tripped", "ts_ns": 60_000_000_001, "name": "crash", "text": "crash tripped: high; alert"}
    incidents = [
        {**trip, "symbol": "A"},
        {**trip, "symbol": None},
        {**trip, "symbol": "B"},
        {**trip, "symbol": "A", "kind": "breaker_changed"},
    ]
    tables = Tables(
        equity=equity.with_columns(pl.Series("equity_units", [50, 60, 70])),
        prices=prices,
        trades=fills.clear(),
        fills=fills,
    )
    data = chart_data(tables, incidents)
    assert [(mark["row"], mark["is_buy"], mark["leg"], mark["text"]) for mark in data["prices"][0]["markers"]] == [
        (1, False, "stop", "stop sells 1 at 2"),
        (1, False, "target", "target sells 1 at 2"),
        (1, True, "", "buy 1 at 2"),
        (2, False, "", "sell 1 at 2"),
    ]
    mark = {"row": 1, "name": "crash", "text": "crash tripped: high"}
    assert data["prices"][0]["trips"] == [mark, mark]
    assert data["equity"][0]["trips"] == [mark, mark, mark]


def test_many_trades_are_cut_on_the_page_and_the_total_is_named(tmp_path: Path) -> None:
    summary, tables = report_of(trading(2 * TRADES_SHOWN + 6))
    text = write_report(tmp_path, "run", summary, tables, "").read_text(encoding="utf-8")
    assert f"The first {TRADES_SHOWN} of {TRADES_SHOWN + 3}" in text
    assert pl.read_parquet(tmp_path / "trades.parquet").height == TRADES_SHOWN + 3


def test_the_page_says_in_words_what_closed_a_trade(tmp_path: Path) -> None:
    summary, tables = report_of(trading(6))
    reasons = ["target_reached, stop_reached", "breaker_closed", "leg_rejected"]
    tables = replace(tables, trades=tables.trades.with_columns(pl.Series("closed_by", reasons)))
    page = Page(write_report(tmp_path, "run", summary, tables, "").read_text(encoding="utf-8"))
    assert [word for word in page.words if word in ("target, stop", "breaker", "leg rejected")] == [
        "target, stop",
        "breaker",
        "leg rejected",
    ]


def test_a_fall_without_money_is_no_drawdown() -> None:
    bucket = (pl.Series([0, 60]) * 1_000_000_000).cast(pl.Datetime("ns", "UTC"))
    money = {"currency": "USD", "money_decimals": 0, "deposits_units": 0}
    equity = pl.DataFrame({"bucket": bucket, **money}).with_columns(pl.Series("equity_units", [0, -300]))
    nothing = pl.DataFrame(schema={"instrument": pl.String})
    data = chart_data(Tables(equity=equity, prices=nothing, trades=nothing, fills=nothing))
    assert data["equity"][0]["drawdown"] == [0.0, 0.0]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    summary, tables = report_of(trading(1))
    with pytest.raises(UserError, match="the report cannot be written"):
        write_report(tmp_path / "missing", "run", summary, tables, "")
