"""A point of a tape, as a person names it."""

import re

import numpy as np

from adapters.configuration.values import parse_time
from adapters.errors import UserError
from adapters.journal import JournalReader
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


def _seq_of_time(reader: JournalReader, text: str, option: str) -> int:
    ts_ns = _parse_time(text, option)
    first_ts_ns = reached_ns = found = 0
    for block in reader.blocks():
        first_ts_ns = first_ts_ns or block.first_ts_ns
        # Engine time never goes back: an event counts from the latest time before it on.
        times = np.maximum(np.maximum.accumulate(block.events.view(EVENT)["ts_ns"]), reached_ns)
        reached_ns = int(times[-1])
        if reached_ns > ts_ns:
            found = block.first_seq - 1 + int(np.searchsorted(times, ts_ns, side="right"))
            break
        found = block.last_seq
    if found == 0 or ts_ns > reached_ns:
        span = f"{time_text(first_ts_ns)} to {time_text(reached_ns)}" if found else f"from {time_text(first_ts_ns)} on"
        raise UserError(f"{option} {text}: expected a time of the tape, {span}")
    return found


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
