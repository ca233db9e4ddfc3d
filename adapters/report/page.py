"""The report as one HTML page that needs nothing else: styles, script, chart library and data are in it."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from adapters.report.amounts import duration_text, shown_amount, shown_time
from adapters.report.charts import chart_data, equity_by_currency
from adapters.report.parts import Cell, html_table, html_tile, page_head, plain_cell
from adapters.report.tables import Tables

TRADES_SHOWN = 500
INCIDENTS_SHOWN = 100
# A longer run is shown by months.
_DAYS_AS_DAYS = 45
_FOLDER = Path(__file__).parent
_PRICE_NOTE = (
    "Arrows up are buys, arrows down are sells; squares are stops and circles targets that were filled; fills of one "
    "bar share a mark. Names are those of breakers that tripped. Times are UTC."
)
_LIBRARY = "lightweight-charts.standalone.production.js"

Json = Mapping[str, Any]


def page(name: str, summary: Json, tables: Tables, configuration: str) -> str:
    """The HTML text. `summary` is the object of `--output json`; every text from outside is escaped."""
    data = json.dumps(chart_data(tables, summary["incidents"]), separators=(",", ":")).replace("<", "\\u003c")
    digits = {entry["currency"]: money_digits(entry) for entry in summary["accounts"]}
    parts = [
        page_head(f"{name} · tapefold backtest"),
        f"<body><main>{_header(name, summary)}{_tiles(summary)}",
        _chart_card("equity", "Equity and drawdown", "chart", ""),
        _chart_card("price", "Price, entries and exits", "chart price", _PRICE_NOTE) if len(tables.prices) else "",
        _instruments(summary["instruments"], digits),
        _accounts(summary["accounts"]) if len(summary["accounts"]) > 1 else "",
        *(_periods(tables.equity, currency, digits[currency]) for currency in digits),
        _rules(summary),
        _trades(tables.trades, digits),
        _run(summary),
        _configuration(configuration),
        _footer(),
        "</main>",
        f'<script type="application/json" id="data">{data}</script>',
        f"<script>{(_FOLDER / 'vendor' / _LIBRARY).read_text(encoding='utf-8')}</script>",
        f"<script>{(_FOLDER / 'report.js').read_text(encoding='utf-8')}</script>",
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _shown(text: str | None, digits: int = 2) -> str:
    """An amount with a true minus sign."""
    return shown_amount(text, digits).replace("-", "\u2212")


def money_digits(entry: Json) -> int:
    """How many digits the money of an account is shown with: more where it is of a currency of large units."""
    return 2 if max(abs(Decimal(entry["deposits"])), abs(Decimal(entry["final_equity"]))) >= 100 else 6


def _shown_number(value: float | None, digits: int = 2, unit: str = "") -> str:
    return "–" if value is None else f"{value:,.{digits}f}{unit}".replace("-", "\u2212")


def _tone(text: str | None) -> str:
    value = Decimal(text or 0)
    return "up" if value > 0 else "down" if value < 0 else ""


def _header(name: str, summary: Json) -> str:
    symbols = [entry["symbol"] for entry in summary["instruments"]]
    some = ", ".join(symbols[:6]) + (f" and {len(symbols) - 6} more" if len(symbols) > 6 else "")
    period = f"{shown_time(summary['first_time'])} to {shown_time(summary['last_time'])} UTC"
    return f"<header><h1>{escape(name)}</h1><p>Backtest of {escape(some)} · {escape(period)}</p></header>"


def _tiles(summary: Json) -> str:
    currency = summary["currency"] or ""
    tiles: list[tuple[str, str | None, str, str]] = []
    digits = 2
    if summary["currency"] is not None:
        digits = money_digits(summary)
        start, loss = (_shown(summary[key], digits) for key in ("deposits", "average_loss"))
        tiles = [
            ("Net profit", summary["net_pnl"], f"{currency}, after fees", _tone(summary["net_pnl"])),
            ("Final equity", summary["final_equity"], f"from {start} {currency}", ""),
            ("Maximum drawdown", summary["max_drawdown"], _shown_number(summary["max_drawdown_percent"], 2, " %"), ""),
            ("Average win", summary["average_win"], f"average loss {loss}", ""),
            ("Fees", summary["fees"], _funding_note(summary, currency, digits), ""),
        ]
    shown = [(label, _shown(value, digits), note, tone, value or "") for label, value, note, tone in tiles]
    shown += [
        ("Sharpe ratio", _shown_number(summary["sharpe_ratio"]), "daily, 365 days a year", "", ""),
        (
            "Win rate",
            _shown_number(summary["win_rate"], 1, " %"),
            f"{summary['trades_won']:,} of {summary['trades']:,} trades",
            "",
            "",
        ),
        ("Profit factor", _shown_number(summary["profit_factor"]), "won by lost money", "", ""),
        ("Time in the market", _shown_number(summary["exposure_time"], 1, " %"), "with any position", "", ""),
        ("Orders", f"{summary['orders']:,}", f"{summary['fills']:,} fills", "", ""),
    ]
    return '<section class="tiles">' + "".join(html_tile(*tile) for tile in shown) + "</section>"


def _funding_note(summary: Json, currency: str, digits: int) -> str:
    return currency if Decimal(summary["funding"]) == 0 else f"{currency}; funding {_shown(summary['funding'], digits)}"


def _chart_card(identity: str, title: str, kind: str, note: str) -> str:
    foot = f'<p class="note">{escape(note)}<span id="left-out"></span></p>' if note else ""
    return (
        f'<section class="card" id="{identity}"><div class="heading"><h2>{title}</h2></div>'
        f'<div class="tabs" role="tablist"></div><div class="readout"></div><div class="{kind}"></div>{foot}</section>'
    )


def _amount(text: str | None, digits: int, toned: bool = False) -> Cell:
    return _shown(text, digits), _tone(text) if toned else "", text or "0"


def _number(value: float | None, digits: int = 2, unit: str = "") -> Cell:
    return _shown_number(value, digits, unit), "", str(value if value is not None else -1)


def _instruments(instruments: Sequence[Json], digits: Mapping[str, int]) -> str:
    columns = [
        ("Instrument", True),
        *(
            (title, False)
            for title in ("Orders", "Fills", "Trades", "Win rate", "Profit factor", "Realized", "Unrealized")
        ),
        *((title, False) for title in ("Fees", "Net", "Drawdown", "Exposure", "Position")),
    ]
    rows = [
        [
            plain_cell(f"{entry['symbol']} ({entry['currency']})"),
            plain_cell(f"{entry['orders']:,}", str(entry["orders"])),
            plain_cell(f"{entry['fills']:,}", str(entry["fills"])),
            plain_cell(f"{entry['trades']:,}", str(entry["trades"])),
            _number(entry["win_rate"], 1, " %"),
            _number(entry["profit_factor"]),
            _amount(entry["realized_pnl"], digits[entry["currency"]], toned=True),
            _amount(entry["unrealized_pnl"], digits[entry["currency"]], toned=True),
            _amount(entry["fees"], digits[entry["currency"]]),
            _amount(entry["net_pnl"], digits[entry["currency"]], toned=True),
            _amount(entry["max_drawdown"], digits[entry["currency"]]),
            _number(entry["exposure_time"], 1, " %"),
            plain_cell(entry["position"].replace("-", "\u2212"), entry["position"]),
        ]
        for entry in instruments
    ]
    return f'<section class="card"><h2>Instruments</h2>{html_table(columns, rows, sortable=True)}</section>'


def _accounts(accounts: Sequence[Json]) -> str:
    titles = ("Deposits", "Realized", "Unrealized", "Fees", "Funding", "Final equity", "Drawdown", "Sharpe ratio")
    columns = [("Account", True), *((title, False) for title in titles)]
    rows = [
        [
            plain_cell(f"{entry['name']} ({entry['currency']})"),
            _amount(entry["deposits"], money_digits(entry)),
            _amount(entry["realized_pnl"], money_digits(entry), toned=True),
            _amount(entry["unrealized_pnl"], money_digits(entry), toned=True),
            _amount(entry["fees"], money_digits(entry)),
            _amount(entry["funding"], money_digits(entry)),
            _amount(entry["final_equity"], money_digits(entry)),
            _amount(entry["max_drawdown"], money_digits(entry)),
            _number(entry["sharpe_ratio"]),
        ]
        for entry in accounts
    ]
    return f'<section class="card"><h2>Accounts</h2>{html_table(columns, rows)}</section>'


def _periods(equity: pl.DataFrame, currency: str, digits: int) -> str:
    """Profit by month, or by day for a short run. A bucket lies within the day that it starts in."""
    frame = equity_by_currency(equity, currency)
    by_month = frame["bucket"].dt.date().n_unique() > _DAYS_AS_DAYS
    ends = (
        frame.with_columns(pl.col("bucket").dt.strftime("%Y-%m" if by_month else "%Y-%m-%d").alias("period"))
        .group_by("period", maintain_order=True)
        .agg(pl.col("equity").last(), pl.col("deposits").last())
    )
    if len(ends) < 2:
        return ""
    rows, equity_before, deposits_before = [], 0.0, 0.0
    for period, value, deposits in ends.iter_rows():
        base = equity_before + deposits - deposits_before
        profit = value - base
        share = 100 * profit / base if base > 0 else None
        gain, end = _amount(f"{profit:.8f}", digits, toned=True), _amount(f"{value:.8f}", digits)
        rows.append([plain_cell(period), gain, _number(share, 2, " %"), end])
        equity_before, deposits_before = value, deposits
    columns = [
        ("Month" if by_month else "Day", True),
        ("Profit", False),
        ("Return", False),
        ("Equity at its end", False),
    ]
    title = f"{'Months' if by_month else 'Days'} ({escape(currency)}, UTC)"
    return f'<section class="card"><h2>{title}</h2>{html_table(columns, rows, sortable=True)}</section>'


def _rules(summary: Json) -> str:
    """What brackets, breakers and checks did; nothing where there was nothing."""
    brackets = summary["brackets"]
    legs = {"stop": brackets["stops_filled"], "target": brackets["targets_filled"]}
    counts = [
        ("Signals refused", summary["refusals"]),
        ("Brackets closed", brackets["closed"]),
        ("Legs filled", legs if any(legs.values()) else {}),
        ("Breakers tripped", summary["breakers"]),
    ]
    listed = "".join(f"<dt>{label}</dt><dd>{escape(_counted(found))}</dd>" for label, found in counts if found)
    if not listed and not summary["incidents"]:
        return ""
    counted = f"<dl>{listed}</dl>" if listed else ""
    tables = _happened("What happened", summary["incidents"], summary["incidents_total"])
    tables += _happened("What was refused", summary["refused"], sum(summary["refusals"].values()))
    return f'<section class="card" id="rules"><h2>What the rules did</h2>{counted}{tables}</section>'


def _happened(title: str, entries: Sequence[Json], total: int) -> str:
    """A table of what is told in words, with the events that `tapefold replay --until` takes."""
    rows = [
        [plain_cell(shown_time(entry["time"])), plain_cell(str(entry["seq"])), plain_cell(entry["text"])]
        for entry in entries[:INCIDENTS_SHOWN]
    ]
    if not rows:
        return ""
    left_out = total - len(rows)
    note = f'<p class="note">{left_out:,} more are on the tape.</p>' if left_out > 0 else ""
    return html_table([("Time", True), ("Event", True), (title, True)], rows) + note


def _trades(trades: pl.DataFrame, digits: Mapping[str, int]) -> str:
    total = len(trades)
    if total == 0:
        return '<section class="card"><h2>Trades</h2><p class="note">There were none.</p></section>'
    note = ""
    if total > TRADES_SHOWN:
        note = f'<p class="note">The first {TRADES_SHOWN:,} of {total:,}; all of them are in trades.parquet.</p>'
    # What is the same in every row needs no column.
    columns = [
        *((name.title(), True) for name in ("account", "strategy") if trades[name].n_unique() > 1),
        *((name, True) for name in ("Instrument", "Side", "Opened", "Closed")),
        *((name, True) for name in ("Closed by",) if trades["closed_by"].n_unique() > 1),
        *((name, False) for name in ("Held", "Quantity", "Entry", "Exit", "Fees")),
        *((name, False) for name in ("Funding",) if trades["funding"].n_unique() > 1),
        ("Net profit", False),
    ]
    cells = (
        _trade_cells(trade, digits[trade["currency"]]) for trade in trades.head(TRADES_SHOWN).iter_rows(named=True)
    )
    rows = [[row[name] for name, _ in columns] for row in cells]
    heading = f'<h2>Trades <span class="note">{total:,}</span></h2>'
    return f'<section class="card">{heading}{html_table(columns, rows, sortable=True)}{note}</section>'


def _trade_cells(trade: Json, digits: int) -> dict[str, Cell]:
    holding_ns, closed = trade["holding_ns"], trade["closed"]
    return {
        "Account": plain_cell(trade["account"]),
        "Strategy": plain_cell(trade["strategy"]),
        "Instrument": plain_cell(trade["instrument"]),
        "Side": plain_cell(trade["side"]),
        "Opened": plain_cell(_moment(trade["opened"]), str(trade["opened_seq"]).zfill(20)),
        "Closed": plain_cell(
            "still open" if closed is None else _moment(closed), str(trade["closed_seq"] or "9" * 20).zfill(20)
        ),
        "Closed by": plain_cell(_closed_by(trade["closed_by"])),
        "Held": plain_cell("–" if holding_ns is None else duration_text(holding_ns), str(holding_ns or 0)),
        "Quantity": plain_cell(trade["quantity"], trade["quantity"]),
        "Entry": plain_cell(trade["entry_price"], trade["entry_price"]),
        "Exit": plain_cell(trade["exit_price"] or "–", trade["exit_price"] or "0"),
        "Fees": _amount(trade["fees"], digits),
        "Funding": _amount(trade["funding"], digits),
        "Net profit": _amount(trade["net_pnl"], digits, toned=True),
    }


def _closed_by(reasons: str) -> str:
    """`target_reached, stop_reached` as "target, stop"."""
    shown = (reason.removesuffix("_reached").removesuffix("_closed") for reason in reasons.split(", "))
    return ", ".join(shown).replace("_", " ")


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _run(summary: Json) -> str:
    entries = [
        ("Journal", summary.get("journal", "")),
        ("Events", f"{summary.get('events', 0):,}, {summary.get('market_events', 0):,} of them market data"),
        ("State digest", summary.get("state_digest", "")),
        ("Command digest", summary.get("command_digest", "")),
        ("Engine", summary.get("engine_version", "")),
        ("Orders rejected", _counted(summary["rejections"])),
        *((f"Data {number}", _source(source)) for number, source in enumerate(summary.get("data", []), start=1)),
    ]
    listed = "".join(f"<dt>{escape(label)}</dt><dd>{escape(str(text))}</dd>" for label, text in entries)
    return f'<section class="card"><h2>The run</h2><dl>{listed}</dl></section>'


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items()) or "none"


def _source(source: Json) -> str:
    text = f"{source['path']}: {source['rows']:,} rows, {source['events']:,} events"
    skipped = {**source["skipped"], **source["ignored"]}
    return text + (f"; passed over: {_counted(skipped)}" if skipped else "")


def _configuration(configuration: str) -> str:
    return (
        '<section class="card"><details><summary>Configuration</summary>'
        f"<pre><code>{escape(configuration)}</code></pre></details></section>"
    )


def _footer() -> str:
    return (
        "<footer>Every figure was folded from the journal. Charts: TradingView Lightweight Charts™, "
        'Copyright © 2026 TradingView, Inc. <a href="https://www.tradingview.com/">https://www.tradingview.com/</a></footer>'
    )
