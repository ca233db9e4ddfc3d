"""The record of a day, or of any part of a tape: who changed what, what the rules did, what became of the orders."""

import tomllib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from adapters.errors import JournalDamaged
from adapters.journal import JournalReader, TextDocument, check
from adapters.journal.writer_lock import has_writer
from adapters.report.amounts import money_text, quantity_text, time_text
from adapters.version import engine_version
from engine.kinds import DecisionKind, EventKind, OrderStatus
from engine.records import CONNECTION, EVENT
from replay.audit.overview import summary_of
from replay.audit.seek import Found, Question, find
from replay.audit.tables.database import asked
from replay.audit.tables.plain import plain_rows
from replay.audit.watched import UnknownOrder, Watched, watch
from replay.audit.wording import decision_text, event_text
from replay.names import Names, read_names
from replay.sessions import sessions_of

Json = dict[str, Any]
Progress = Callable[[int], None]

# Longer lists are cut, and how many there are is said.
LISTED_MAX = 1_000
_BACKTEST = "backtest"
_OPENING = [*range(EventKind.CONFIGURATION_CHANGED, EventKind.OPERATOR_COMMAND), int(EventKind.CASH_MOVED)]
_CHANGES = frozenset((EventKind.OPERATOR_COMMAND, EventKind.CONFIGURATION_CHANGED))
_CONNECTIONS = frozenset((EventKind.CONNECTION_LOST, EventKind.CONNECTION_RESTORED))
_BREAKERS = frozenset((DecisionKind.BREAKER_TRIPPED, DecisionKind.BREAKER_CHANGED))
_LEVELS = frozenset((DecisionKind.RISK_LEVEL_CHANGED,))
_ALERTS = frozenset((DecisionKind.ALERT,))


def day_record(
    reader: JournalReader, folder: Path, first_seq: int, last_seq: int, progress: Progress | None = None
) -> Json:
    """All of it, of events `first_seq` to `last_seq`. Raises JournalDamaged; Divergence where a fold leads elsewhere.

    The whole chain is checked. `progress` is told up to which event the tape is folded.
    """
    report = check(reader)
    if report.damage is not None:
        raise JournalDamaged(report.damage)
    names, summary = read_names(reader), summary_of(reader, folder)
    asking = _Asking(reader, names, first_seq, last_seq, _opening_end(reader))
    watched = watch(reader, first_seq, last_seq, progress)
    return {
        "journal": str(folder),
        "name": tomllib.loads(names.configuration).get("run", {}).get("name", ""),
        "mode": summary["mode"],
        **asking.period(),
        "integrity": _integrity(summary, report),
        "changes": asking.listed(asking.changes()),
        "breakers": asking.listed(asking.decisions(_BREAKERS)),
        "risk_levels": asking.listed(asking.decisions(_LEVELS)),
        "alerts": asking.listed(asking.decisions(_ALERTS)),
        "refusals": asking.refusals(),
        "orders": asking.orders(watched),
        "reconciliation": asking.reconciliation(watched),
        "connections": asking.listed(iter(asking.connections())),
        "requests_failed": asking.requests_failed(),
        "sessions": _sessions(reader, folder, summary["mode"], first_seq, last_seq),
        "accounts": _accounts(watched, names),
        "strategies": _strategies(watched, names),
    }


def _opening_end(reader: JournalReader) -> int:
    """The last event of those that a tape begins with: definitions, settings and first deposits."""
    for block in reader.blocks():
        others = np.flatnonzero(~np.isin(block.events.view(EVENT)["kind"], _OPENING))
        if len(others):
            return block.first_seq + int(others[0]) - 1
    return reader.last_seq


def _integrity(summary: Json, report: Any) -> Json:
    now = engine_version()
    return {
        "journal_id": summary["journal_id"],
        "events": report.events,
        "blocks": report.blocks,
        "documents": report.documents,
        "decisions": report.decisions,
        "head_hash": summary["head_hash"],
        "end": summary["end"],
        "seals": summary["seals"],
        "chain": "every block, document and snapshot is what was written",
        "fold": "decisions in this part were recomputed and are those recorded",
        "engine_version": summary["engine_version"],
        "checked_by_engine": now,
        "configuration_hash": summary["configuration_hash"],
    }


class _Asking:
    """Questions about one part of a tape; each answer is data with texts."""

    def __init__(self, reader: JournalReader, names: Names, first_seq: int, last_seq: int, opening_end: int) -> None:
        self._reader, self._names = reader, names
        self._range = first_seq, last_seq
        # What a tape begins with is no change.
        self._after_opening = max(first_seq, opening_end + 1)

    def period(self) -> Json:
        first, last = self._range
        times = [self._time_of(seq) for seq in (first, last)]
        return {"first_seq": first, "last_seq": last, "first_time": times[0], "last_time": times[1]}

    def _time_of(self, seq: int) -> str:
        block = self._reader.block_at(seq)
        return time_text(int(block.events.view(EVENT)["ts_ns"][seq - block.first_seq]))

    def listed(self, entries: Iterator[Json]) -> Json:
        """The first entries, and how many there are."""
        some = list(islice(entries, LISTED_MAX))
        return {"total": len(some) + sum(1 for _ in entries), "entries": some}

    def changes(self) -> Iterator[Json]:
        """What people and files changed, with who and why where it was said."""
        for found in self._found(kinds=_CHANGES):
            document = self._reader.document(found.seq)
            said = document if isinstance(document, TextDocument) else None
            yield {
                **_moment(found),
                "kind": EventKind(int(found.event["kind"])).name.lower(),
                "who": said.author if said else None,
                "why": said.text if said else None,
                "text": event_text(found.event, self._names),
            }

    def decisions(self, kinds: frozenset[DecisionKind]) -> Iterator[Json]:
        """Decisions of these kinds, with the event that each was made on."""
        for found in self._found(decision_kinds=kinds):
            on = event_text(found.event, self._names, self._reader.document(found.seq))
            for decision in found.decisions[found.decisions_asked]:
                kind = DecisionKind(int(decision["kind"])).name.lower()
                yield {**_moment(found), "kind": kind, "text": decision_text(decision, self._names), "on": on}

    def refusals(self) -> Json:
        query = "select reason, count(*) as count, min(time) as first_time, max(time) as last_time from refusals"
        rules = self._rows(f"{query} group by 1 order by 2 desc, 1")
        return {"total": sum(rule["count"] for rule in rules), "rules": rules}

    def requests_failed(self) -> list[Json]:
        query = "select account_name as account, failure, count(*) as count from requests_failed"
        return self._rows(f"{query} group by all order by 3 desc, 1, 2")

    def orders(self, watched: Watched) -> Json:
        """How many there were of each happening, what is open at the end, and which were unknown."""
        placed = self._rows("select count(*) as count from commands where kind = 'place_order'")[0]["count"]
        reports = self._rows("select kind, count(*) as count from order_reports group by 1 order by 1")
        counts = {row["kind"].removeprefix("order_"): row["count"] for row in reports}
        rejected = "select reason, count(*) as count from order_reports where kind = 'order_rejected' group by 1"
        return {
            "placed": placed,
            "fills": int(watched.after.fills) - int(watched.before.fills),
            "reports": counts,
            "rejections": self._rows(f"{rejected} order by 2 desc, 1"),
            "open_before": int(watched.before.orders_open),
            "open_after": int(watched.after.orders_open),
            "unknown": self.listed(self._unknown(order) for order in watched.unknown),
        }

    def _unknown(self, order: UnknownOrder) -> Json:
        is_resolved = order.until_seq > 0
        return {
            "order": order.order,
            "symbol": self._names.instrument(order.instrument).symbol,
            "seq": order.seq or None,
            "time": time_text(order.ts_ns),
            "resolved_seq": order.until_seq or None,
            "resolved_time": time_text(order.until_ts_ns) if is_resolved else None,
            "lasted_ns": order.until_ts_ns - order.ts_ns if is_resolved else None,
            "resolved_by": EventKind(order.told_by).name.lower() if is_resolved else None,
            "status": OrderStatus(order.status).name.lower() if is_resolved else "unknown",
        }

    def reconciliation(self, watched: Watched) -> Json:
        """Positions that an exchange reported otherwise, and reports of orders that are none of this tape."""
        counts = ("reports_orphan", "fills_orphan", "fills_duplicate", "fills_late", "fills_excess")
        reports = self._rows("select count(*) as count from position_reports")[0]["count"]
        return {
            "position_reports": reports,
            "differences": self.listed(self._difference(one) for one in watched.differences),
            **{name: int(getattr(watched.after, name)) - int(getattr(watched.before, name)) for name in counts},
        }

    def _difference(self, one: Any) -> Json:
        name = self._names.instrument(one.instrument)
        reported, held = (quantity_text(lots, name.lot_size) for lots in (one.reported_lots, one.held_lots))
        return {
            "seq": one.seq,
            "time": time_text(one.ts_ns),
            "account": self._names.account(one.account).name,
            "symbol": name.symbol,
            "reported": reported,
            "held": held,
        }

    def connections(self) -> list[Json]:
        """Every connection that was lost, and when it was back."""
        lost: dict[tuple[int, int], Json] = {}
        entries: list[Json] = []
        for found in self._found(kinds=_CONNECTIONS):
            row = np.frombuffer(found.event.tobytes(), CONNECTION)[0]
            key, ts_ns = (int(row["account"]), int(row["stream"])), int(row["ts_ns"])
            if row["kind"] == EventKind.CONNECTION_LOST:
                if row["stream"] == 0 and row["reason"] == 0:
                    continue  # a daemon that ended by a word of its own, as its session says
                account = self._names.account(key[0]).name
                back = {"restored_seq": None, "restored_time": None, "lasted_ns": None}
                text = event_text(found.event, self._names)
                lost[key] = {**_moment(found), "account": account, "stream": key[1], "text": text, **back}
                entries.append(lost[key])
            elif key in lost:
                entry = lost.pop(key)
                entry |= {"restored_seq": found.seq, "restored_time": time_text(ts_ns)}
                entry["lasted_ns"] = ts_ns - entry["ts_ns"]
        return entries

    def _found(self, **asked_for: Any) -> Iterator[Found]:
        return find(self._reader, Question(from_seq=self._after_opening, to_seq=self._range[1], **asked_for))

    def _rows(self, query: str) -> list[Json]:
        with asked(self._reader, query, *self._range) as answer:
            names = answer.schema.names
            return [dict(zip(names, row, strict=True)) for batch in answer for row in plain_rows(batch)]


def _moment(found: Found) -> Json:
    ts_ns = int(found.event["ts_ns"])
    return {"seq": found.seq, "ts_ns": ts_ns, "time": time_text(ts_ns)}


def _sessions(reader: JournalReader, folder: Path, mode: str, first_seq: int, last_seq: int) -> list[Json]:
    if mode == _BACKTEST:
        return []
    sessions = sessions_of(reader, has_writer(folder))["sessions"]
    return [one for one in sessions if one["first_seq"] <= last_seq and one["last_seq"] >= first_seq]


def _accounts(watched: Watched, names: Names) -> list[Json]:
    """What each account came to in this part."""
    return [
        _account(watched.before.accounts[number], row, names, number)
        for number, row in enumerate(watched.after.accounts)
        if int(row["defined"])
    ]


def _account(before: Any, after: Any, names: Names, number: int) -> Json:
    name = names.account(number)

    def grown(field: str) -> int:
        return int(after[field]) - int(before[field])

    amounts = {
        "deposits": grown("deposits_units"),
        "realized_pnl": grown("realized_units"),
        "unrealized_pnl": grown("unrealized_units"),
        "fees": grown("fees_units"),
        "funding": grown("funding_units"),
        "net_pnl": grown("equity_units") - grown("deposits_units"),
        "equity_before": int(before["equity_units"]),
        "equity_after": int(after["equity_units"]),
    }
    texts = {key: money_text(units, name.money_decimals) for key, units in amounts.items()}
    return {"name": name.name, "currency": name.currency, **texts, "trades": grown("trades")}


def _strategies(watched: Watched, names: Names) -> list[Json]:
    """What each strategy did in this part; money only where all accounts are of one currency."""
    moneys = {(account.currency, account.money_decimals) for account in names.accounts.values()}
    rows = []
    for number, after in enumerate(watched.after.strategies):
        if not int(after["defined"]):
            continue
        before = watched.before.strategies[number]
        counts = ("signals", "orders", "fills", "refusals", "trades", "trades_won")
        row: Json = {"name": names.strategy(number)}
        row |= {name: int(after[name]) - int(before[name]) for name in counts}
        for key, field in (("realized_pnl", "realized_units"), ("fees", "fees_units")):
            units = int(after[field]) - int(before[field])
            row[key] = money_text(units, next(iter(moneys))[1]) if len(moneys) == 1 else None
        rows.append(row | {"currency": next(iter(moneys))[0] if len(moneys) == 1 else None})
    return rows
