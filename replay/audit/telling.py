"""What was found on a tape, as entries for people and programs: number, time, kind, text."""

from collections.abc import Iterator
from typing import Any

from adapters.journal import JournalReader
from adapters.report.amounts import time_text
from engine.kinds import DecisionKind, EventKind
from replay.audit.seek import Found
from replay.audit.wording import decision_text, event_text, kind_word
from replay.names import Names

Json = dict[str, Any]


def event_entry(reader: JournalReader, found: Found, names: Names) -> Json:
    """An event in words, with all decisions on it."""
    event = _entry(found, _kind(EventKind, found.event), _event_words(reader, found, names))
    decisions = [
        {"kind": _kind(DecisionKind, decision), "text": decision_text(decision, names)} for decision in found.decisions
    ]
    return event | {"decisions": decisions}


def answers_of(reader: JournalReader, found: Found, names: Names) -> Iterator[Json]:
    """What was asked for, of an event and the decisions on it: an entry each."""
    if found.event_asked:
        yield _entry(found, _kind(EventKind, found.event), _event_words(reader, found, names))
    for decision in found.decisions[found.decisions_asked]:
        yield _entry(found, _kind(DecisionKind, decision), decision_text(decision, names))


def _entry(found: Found, kind: str, text: str) -> Json:
    ts_ns = int(found.event["ts_ns"])
    return {"seq": found.seq, "time": time_text(ts_ns), "ts_ns": ts_ns, "kind": kind, "text": text}


def _event_words(reader: JournalReader, found: Found, names: Names) -> str:
    return event_text(found.event, names, reader.document(found.seq))


def _kind(kinds: type[EventKind] | type[DecisionKind], record: Any) -> str:
    number = int(record["kind"])
    return kind_word(kinds(number)) if number in list(kinds) else str(number)
