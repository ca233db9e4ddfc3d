"""A point of a tape, as a person names it; a time is found by the spans, not by reading the tape."""

import re
from typing import Any

import numpy as np

from adapters.configuration.values import parse_time
from adapters.errors import UserError
from adapters.journal import JournalReader, read_spans
from adapters.journal.spans import Spans
from adapters.report.amounts import time_text
from engine.records import EVENT

_FINE_TIME = re.compile(r"(.+:\d{2})\.(\d{1,9})(.*)")
_NS_DIGITS = 9


def seq_at(reader: JournalReader, text: str | None, option: str) -> int:
    """The last event that `text` takes in: a sequence number, an ISO time (UTC where it has no zone) or None for all.

    Raises UserError where there is none such on the tape.
    """
    last_seq = reader.last_seq
    if last_seq == 0:
        raise UserError(f"{reader.store.name}: the tape is empty, expected at least one event")
    if text is None:
        return last_seq
    if not text.isdecimal():
        return _seq_of_time(reader, text, option)
    if not 1 <= int(text) <= last_seq:
        raise UserError(f"{option} {text}: expected a sequence number of the tape, 1 to {last_seq}")
    return int(text)


def first_seq_at(reader: JournalReader, text: str | None, option: str) -> int:
    """The first event from `text` on: a sequence number, an ISO time or None for the first of all.

    Raises UserError where there is none such on the tape.
    """
    if text is None or text.isdecimal():
        return 1 if text is None else seq_at(reader, text, option)
    seq_at(reader, text, option)
    return _last_until(read_spans(reader), reader, _parse_time(text, option) - 1) + 1


def _seq_of_time(reader: JournalReader, text: str, option: str) -> int:
    ts_ns = _parse_time(text, option)
    spans = read_spans(reader)
    first_ts_ns, last_ts_ns = int(spans["first_ts_ns"][0]), int(spans["highest_ts_ns"].max())
    if not first_ts_ns <= ts_ns <= last_ts_ns:
        span = f"{time_text(first_ts_ns)} to {time_text(last_ts_ns)}"
        raise UserError(f"{option} {text}: expected a time of the tape, {span}")
    return _last_until(spans, reader, ts_ns)


def _last_until(spans: Spans, reader: JournalReader, ts_ns: int) -> int:
    """The last event that is not later, 0 where all are."""
    # Engine time never goes back: an event counts from the latest time before it on.
    reached = np.maximum.accumulate(spans["highest_ts_ns"])
    number = int(np.searchsorted(reached, ts_ns, side="right"))
    if number == len(spans):
        return int(spans["last_seq"][-1])
    return _seq_within(reader, spans[number], int(reached[number - 1]) if number else 0, ts_ns)


def _seq_within(reader: JournalReader, span: Any, reached_ns: int, ts_ns: int) -> int:
    """The last event of a span that is not later; the time before the span is `reached_ns`."""
    found = int(span["first_seq"]) - 1
    while True:
        block = reader.block_at(found + 1)
        times = np.maximum(np.maximum.accumulate(block.events.view(EVENT)["ts_ns"]), reached_ns)
        found = block.first_seq - 1 + int(np.searchsorted(times, ts_ns, side="right"))
        if found < block.last_seq:
            return found
        reached_ns = int(times[-1])


def _parse_time(text: str, option: str) -> int:
    """Nanoseconds since 1970; up to nine digits of a second."""
    fine = _FINE_TIME.fullmatch(text)
    try:
        if fine is None:
            return parse_time(text)
        return parse_time(fine[1] + fine[3]) + int(fine[2].ljust(_NS_DIGITS, "0"))
    except ValueError:
        raise UserError(
            f"{option}: expected a sequence number or an ISO time such as 2017-12-22T07:00:00Z, found {text!r}"
        ) from None
