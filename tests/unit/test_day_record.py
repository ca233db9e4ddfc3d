"""The record of a day on a tape written by hand: every part of it, any part of the tape, and no markup from texts."""

import json
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import replay.audit.watched as watched_module
from adapters.errors import Divergence, JournalDamaged
from adapters.journal import JournalReader, TextDocument
from adapters.journal.port import Table
from adapters.report.record_page import record_page
from engine.kinds import Action, EventKind, OperatorAction, RequestFailure, Setting
from engine.reasons import Reason
from replay.audit.day_record import day_record
from tests.unit.statistics_tape import SECOND_NS, Tape

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)> & "\''


@pytest.fixture
def reader() -> JournalReader:
    """One order that was unknown for 7 s while the connection was lost, an operator, a difference, a rejection."""
    tape = Tape()
    tape.instrument(0, "AAA<b>/USD")
    tape.add(EventKind.CONFIGURATION_CHANGED, setting=Setting.ORDER_QUANTITY_LOTS, value=5)
    tape.add(EventKind.CONFIGURATION_CHANGED, setting=Setting.STRATEGY_ENABLED, value=1)
    tape.quote(0, 1_000, 1_001)
    tape.add(EventKind.SIGNAL, action=Action.BUY, confidence_ppm=1_000_000)
    tape.add(EventKind.CONNECTION_LOST, stream=1, reason=Reason.NONE)
    tape.ts_ns += 2 * SECOND_NS
    tape.add(EventKind.REQUEST_FAILED, order=1, failure=RequestFailure.TIMEOUT)
    tape.ts_ns += 7 * SECOND_NS
    tape.add(EventKind.CONNECTION_RESTORED, stream=1)
    tape.add(EventKind.ORDER_ACCEPTED, order=1, exchange_order_id=9)
    tape.add(EventKind.ORDER_FILLED, order=1, trade_id=1, price_ticks=1_001, quantity_lots=5, fee=2)
    tape.add(EventKind.ORDER_FILLED, order=1, trade_id=1, price_ticks=1_001, quantity_lots=5, fee=2)
    tape.add(EventKind.ORDER_CANCELED, order=77)
    tape.add(EventKind.POSITION_REPORTED, quantity_lots=5)
    tape.add(EventKind.POSITION_REPORTED, quantity_lots=-3)
    said = TextDocument(text=EVIL, author="eve<i>")
    tape.add(EventKind.OPERATOR_COMMAND, said, operator_action=OperatorAction.KILL)
    tape.add(EventKind.SIGNAL, action=Action.BUY, confidence_ppm=1_000_000)
    tape.quote(0, 1_010, 1_011)
    return tape.reader(block_events=5)


def entries(record: Any, *names: str) -> Any:
    for name in names:
        record = record[name]
    assert record["total"] == len(record["entries"])
    return record["entries"]


def test_what_is_in_it(reader: JournalReader, tmp_path: Path) -> None:
    record = day_record(reader, tmp_path, 1, reader.last_seq)
    (change,) = entries(record, "changes")
    assert (change["who"], change["why"], change["kind"]) == ("eve<i>", EVIL, "operator_command")
    (unknown,) = entries(record, "orders", "unknown")
    assert (unknown["order"], unknown["symbol"], unknown["lasted_ns"]) == (1, "AAA<b>/USD", 7 * SECOND_NS)
    assert (unknown["resolved_by"], unknown["status"]) == ("order_accepted", "accepted")
    (lost,) = entries(record, "connections")
    assert (lost["stream"], lost["lasted_ns"]) == (1, 9 * SECOND_NS)
    (difference,) = entries(record, "reconciliation", "differences")
    assert (difference["reported"], difference["held"]) == ("-0.3", "0.5")
    counts = {name: value for name, value in record["reconciliation"].items() if isinstance(value, int)}
    assert counts == {
        "position_reports": 2, "reports_orphan": 1, "fills_orphan": 0, "fills_duplicate": 1, "fills_late": 0,
        "fills_excess": 0,
    }  # fmt: skip
    assert record["orders"]["placed"] == 1 and record["orders"]["fills"] == 1
    assert record["orders"]["reports"] == {"order_accepted"[6:]: 1, "canceled": 1}
    assert record["refusals"]["rules"][0]["reason"] == "trading_halted" and record["refusals"]["total"] == 1
    assert record["requests_failed"] == [{"account": "account-0", "failure": "timeout", "count": 1}]
    (account,) = record["accounts"]
    assert account["deposits"] == "1000.00" and account["fees"] == "0.002" and account["equity_before"] == "0.00"
    (strategy,) = record["strategies"]
    assert (strategy["signals"], strategy["orders"], strategy["refusals"]) == (2, 1, 1)
    json.dumps(record)


def test_parts_add_up_to_the_whole(reader: JournalReader, tmp_path: Path) -> None:
    whole = day_record(reader, tmp_path, 1, reader.last_seq)
    cuts = [1, 8, 12, 14, 20, reader.last_seq + 1]
    parts = [day_record(reader, tmp_path, first, end - 1) for first, end in pairwise(cuts)]
    for names in (
        ("orders", "placed"),
        ("orders", "fills"),
        ("refusals", "total"),
        ("reconciliation", "fills_duplicate"),
    ):
        assert sum(part[names[0]][names[1]] for part in parts) == whole[names[0]][names[1]], names
    assert [entry for part in parts for entry in part["changes"]["entries"]] == whole["changes"]["entries"]
    assert parts[0]["accounts"][0]["equity_after"] == parts[1]["accounts"][0]["equity_before"]
    assert parts[-1]["accounts"][0]["equity_after"] == whole["accounts"][0]["equity_after"]


def test_an_order_that_was_unknown_before_and_one_that_still_is(reader: JournalReader, tmp_path: Path) -> None:
    failed = day_record(reader, tmp_path, 1, reader.last_seq)["orders"]["unknown"]["entries"][0]
    (still,) = entries(day_record(reader, tmp_path, 1, failed["seq"]), "orders", "unknown")
    assert (still["status"], still["resolved_time"], still["lasted_ns"]) == ("unknown", None, None)
    (before,) = entries(day_record(reader, tmp_path, failed["seq"] + 1, reader.last_seq), "orders", "unknown")
    assert (before["seq"], before["lasted_ns"], before["resolved_seq"]) == (None, 7 * SECOND_NS, failed["resolved_seq"])


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[Any]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.found.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_texts_are_no_markup(reader: JournalReader, tmp_path: Path) -> None:
    page = _Tags()
    page.feed(record_page(day_record(reader, tmp_path, 1, reader.last_seq)))
    assert not {tag for tag, _ in page.found} & {"script", "img", "i", "b", "a"}
    assert not any(name.startswith("on") or name in ("src", "href") for _, attrs in page.found for name, _ in attrs)
    assert EVIL in page.text and "eve<i>" in page.text and "AAA<b>/USD" in page.text


def test_a_changed_decision_is_no_record(
    reader: JournalReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = watched_module.Folder.fold
    monkeypatch.setattr(watched_module.Folder, "fold", lambda *given: whole(*given)[64:])
    for first_seq in (1, 8):
        with pytest.raises(Divergence):
            day_record(reader, tmp_path, first_seq, reader.last_seq)


def test_a_damaged_tape_has_no_record(reader: JournalReader, tmp_path: Path) -> None:
    tables = reader.store._journal.tables  # type: ignore[attr-defined]
    key = sorted(tables[Table.BLOCKS])[2]
    value = bytearray(tables[Table.BLOCKS][key])
    value[300] ^= 1
    tables[Table.BLOCKS][key] = bytes(value)
    with pytest.raises(JournalDamaged):
        day_record(reader, tmp_path, 1, reader.last_seq)
