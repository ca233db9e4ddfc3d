"""The record of a day as one HTML page that needs nothing else: what was changed, what the rules did, orders, money."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from adapters.report.amounts import duration_text, shown_amount, shown_time
from adapters.report.parts import Cell, html_table, html_tile, page_head, plain_cell

Json = Mapping[str, Any]
Columns = Sequence[tuple[str, bool]]

_NOTHING = '<p class="note">There was none.</p>'
_WHEN: Columns = (("Time", True), ("Event", True))


def record_page(record: Json) -> str:
    """The HTML text of what `audit report --format json` prints; every text from outside is escaped."""
    name = record["name"] or record["journal"]
    parts = [
        page_head(f"{name} · tapefold record"),
        f"<body><main>{_header(name, record)}{_tiles(record)}",
        _listed("Changes", record["changes"], (("Who", True), ("What", True), ("Why", True)), _change),
        _listed("Breakers", record["breakers"], (("What", True), ("On", True)), _decision),
        _listed("Risk levels", record["risk_levels"], (("What", True), ("On", True)), _decision),
        _listed("Alerts", record["alerts"], (("What", True), ("On", True)), _decision),
        _refusals(record["refusals"]),
        _orders(record["orders"]),
        _unknown(record["orders"]["unknown"]),
        _reconciliation(record["reconciliation"]),
        _connections(record["connections"], record["requests_failed"]),
        _sessions(record["sessions"]),
        _accounts(record["accounts"]),
        _strategies(record["strategies"]),
        _integrity(record["integrity"]),
        "<footer>Every figure was read or folded from the journal. Times are UTC.</footer>",
        "</main></body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _header(name: str, record: Json) -> str:
    period = f"{_moment(record['first_time'])} to {_moment(record['last_time'])} UTC"
    events = f"events {record['first_seq']:,} to {record['last_seq']:,}"
    return f"<header><h1>{escape(name)}</h1><p>Record ({escape(record['mode'])}) · {period} · {events}</p></header>"


def _tiles(record: Json) -> str:
    trips = sum(entry["kind"] == "breaker_tripped" for entry in record["breakers"]["entries"])
    orders, unknown = record["orders"], record["orders"]["unknown"]["total"]
    lost, differences = record["connections"]["total"], record["reconciliation"]["differences"]["total"]
    tiles = [
        html_tile(f"Net profit, {entry['name']}", _shown(entry["net_pnl"]), f"{entry['currency']}, after fees",
                  _tone(entry["net_pnl"]), entry["net_pnl"])
        for entry in record["accounts"]
    ]  # fmt: skip
    tiles += [
        html_tile("Orders", f"{orders['placed']:,}", f"{orders['fills']:,} fills"),
        html_tile("Unknown orders", f"{unknown:,}", "for a time, or still", "down" if unknown else ""),
        html_tile("Refused", f"{record['refusals']['total']:,}", "by the rules"),
        html_tile("Breaker trips", f"{trips:,}", "see below", "down" if trips else ""),
        html_tile("Connections lost", f"{lost:,}", "and restored, see below", "down" if lost else ""),
        html_tile("Position differences", f"{differences:,}", "reported otherwise", "down" if differences else ""),
    ]
    return f'<section class="tiles">{"".join(tiles)}</section>'


def _card(title: str, body: str, total: int | None = None) -> str:
    count = "" if total is None else f' <span class="note">{total:,}</span>'
    return f'<section class="card"><h2>{title}{count}</h2>{body}</section>'


def _listed(title: str, listed: Json, columns: Columns, cells: Any) -> str:
    """A table of what happened, with how much of it is left out."""
    rows = [[*_when(entry), *cells(entry)] for entry in listed["entries"]]
    left_out = listed["total"] - len(rows)
    note = f'<p class="note">{left_out:,} more are on the tape.</p>' if left_out else ""
    return _card(title, (html_table([*_WHEN, *columns], rows) if rows else _NOTHING) + note, listed["total"])


def _when(entry: Json) -> list[Cell]:
    return [plain_cell(_moment(entry["time"])), plain_cell("–" if entry["seq"] is None else str(entry["seq"]))]


def _change(entry: Json) -> list[Cell]:
    return [plain_cell(entry["who"] or "–"), _sentence(entry["text"]), _sentence(entry["why"] or "–")]


def _decision(entry: Json) -> list[Cell]:
    return [_sentence(entry["text"]), _sentence(entry["on"])]


def _sentence(shown: str) -> Cell:
    """A text that may take several lines."""
    return shown, "words", ""


def _refusals(refusals: Json) -> str:
    rows = [
        [
            plain_cell(_words(rule["reason"])),
            plain_cell(f"{rule['count']:,}"),
            *(plain_cell(_moment(rule[key])) for key in ("first_time", "last_time")),
        ]
        for rule in refusals["rules"]
    ]
    columns = (("Rule", True), ("Times", False), ("First", True), ("Last", True))
    return _card("Refused", html_table(columns, rows) if rows else _NOTHING, refusals["total"])


def _orders(orders: Json) -> str:
    counts = {"placed": orders["placed"], "fills": orders["fills"], **orders["reports"]}
    entries = [
        *((_words(kind), f"{count:,}") for kind, count in counts.items()),
        ("open before", f"{orders['open_before']:,}"),
        ("open after", f"{orders['open_after']:,}"),
        ("why rejected", _counted((entry["reason"], entry["count"]) for entry in orders["rejections"])),
    ]
    return _card("Orders", _pairs(entries))


def _unknown(unknown: Json) -> str:
    if not unknown["total"]:
        return ""
    columns = (("Order", False), ("Instrument", True), ("Lasted", False), ("Until", True), ("Told by", True),
               ("Then", True))  # fmt: skip
    return _listed("Orders that were unknown", unknown, columns, _unknown_cells)


def _unknown_cells(entry: Json) -> list[Cell]:
    until, told_by = entry["resolved_time"], entry["resolved_by"]
    return [
        plain_cell(str(entry["order"])),
        plain_cell(entry["symbol"]),
        plain_cell(_lasted(entry["lasted_ns"])),
        plain_cell(_moment(until) if until else "still unknown"),
        plain_cell(_words(told_by) if told_by else "–"),
        plain_cell(_words(entry["status"])),
    ]


def _reconciliation(found: Json) -> str:
    names = {
        "position_reports": "positions reported",
        "reports_orphan": "reports of orders that are none of this tape",
        "fills_orphan": "fills of orders that are none of this tape",
        "fills_duplicate": "fills that came twice",
        "fills_late": "fills after an order's end",
        "fills_excess": "fills of more than was ordered",
    }
    entries = [(shown, f"{found[name]:,}") for name, shown in names.items()]
    columns = (("Account", True), ("Instrument", True), ("Reported", False), ("Held", False))
    differences = found["differences"]
    listed = _listed("Positions that differed", differences, columns, _difference) if differences["total"] else ""
    return _card("Reconciliation", _pairs(entries)) + listed


def _difference(entry: Json) -> list[Cell]:
    return [plain_cell(_minus(entry[key])) for key in ("account", "symbol", "reported", "held")]


def _connections(listed: Json, failed: Sequence[Json]) -> str:
    columns = (("Account", True), ("What", True), ("Lasted", False), ("Until", True))
    requests = _counted((f"{entry['account']}, {entry['failure']}", entry["count"]) for entry in failed)
    return _listed("Connections lost", listed, columns, _connection) + _card(
        "Requests that failed", f"<p>{escape(requests)}</p>" if failed else _NOTHING
    )


def _connection(entry: Json) -> list[Cell]:
    until = entry["restored_time"]
    return [
        plain_cell(entry["account"]),
        _sentence(entry["text"]),
        plain_cell(_lasted(entry["lasted_ns"])),
        plain_cell(_moment(until) if until else "still lost"),
    ]


def _sessions(sessions: Sequence[Json]) -> str:
    if not sessions:
        return ""
    columns = (("Session", True), ("Started", True), ("Until", True), ("End", True), ("Fills", False))
    rows = [
        [plain_cell(str(one["session"])), *(plain_cell(_moment(one[key])) for key in ("started", "last_time")),
         plain_cell(one["end"]), plain_cell(f"{one['fills']:,}")]
        for one in sessions
    ]  # fmt: skip
    return _card("Sessions", html_table(columns, rows), len(sessions))


def _accounts(accounts: Sequence[Json]) -> str:
    keys = ("deposits", "realized_pnl", "unrealized_pnl", "fees", "funding", "net_pnl", "equity_before", "equity_after")
    titles = ("Deposits", "Realized", "Unrealized", "Fees", "Funding", "Net", "Equity before", "Equity after")
    columns = [("Account", True), *((title, False) for title in titles), ("Trades", False)]
    rows = [
        [plain_cell(f"{entry['name']} ({entry['currency']})"), *(_money(entry[key], key) for key in keys),
         plain_cell(f"{entry['trades']:,}")]
        for entry in accounts
    ]  # fmt: skip
    return _card("Accounts", html_table(columns, rows))


def _strategies(strategies: Sequence[Json]) -> str:
    keys = ("signals", "orders", "fills", "refusals", "trades", "trades_won")
    columns = [("Strategy", True), *((_words(key).capitalize(), False) for key in keys), ("Realized", False),
               ("Fees", False)]  # fmt: skip
    rows = [
        [plain_cell(entry["name"]), *(plain_cell(f"{entry[key]:,}") for key in keys),
         *(_money(entry[key], key) for key in ("realized_pnl", "fees"))]
        for entry in strategies
    ]  # fmt: skip
    return _card("Strategies", html_table(columns, rows))


def _integrity(integrity: Json) -> str:
    counts = (f"{integrity[name]:,} {name}" for name in ("events", "decisions", "blocks", "documents"))
    entries = [
        ("Chain", f"{integrity['chain']} ({', '.join(counts)})"),
        ("Fold", integrity["fold"]),
        ("Head hash", integrity["head_hash"]),
        ("Seals", ", ".join(integrity["seals"]) or "none"),
        ("Journal", integrity["journal_id"]),
        ("End", integrity["end"]),
        ("Recorded by engine", integrity["engine_version"]),
        ("Checked by engine", integrity["checked_by_engine"]),
        ("Configuration", integrity["configuration_hash"]),
    ]
    return _card("Integrity", _pairs(entries))


def _pairs(entries: Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in entries)}</dl>"


def _counted(counts: Any) -> str:
    return ", ".join(f"{_words(name)} {count:,}" for name, count in counts) or "none"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _moment(text: str) -> str:
    """An ISO time to the second."""
    return f"{shown_time(text)}{text[16:19]}"


def _lasted(lasted_ns: int | None) -> str:
    return "–" if lasted_ns is None else duration_text(lasted_ns)


def _minus(text: str) -> str:
    return text.replace("-", "\u2212") if text[:1] == "-" else text


def _shown(text: str | None) -> str:
    return _minus(shown_amount(text))


def _tone(text: str | None) -> str:
    return "" if text is None or not text.strip("-0.") else "down" if text.startswith("-") else "up"


def _money(text: str | None, key: str) -> Cell:
    return _shown(text), _tone(text) if key.endswith("_pnl") else "", text or ""
