"""The figures of a span from its records: one pass, compiled, over plain words."""

from typing import Any

import numpy as np

from adapters.journal.spans import DECISION_KINDS, EVENT_KINDS, SPAN
from engine.jit import kernel
from engine.kinds import DecisionKind, EventKind
from engine.records import BRACKET_DECISION, COMMAND, EVENT, FILL, ORDER_REPORT

_WORDS = 8


def _word(dtype: np.dtype[Any], name: str) -> int:
    assert dtype.fields is not None
    return int(dtype.fields[name][1]) // 8


def _bit(dtype: np.dtype[Any], name: str) -> int:
    """Where a field of a header begins in its word."""
    assert dtype.fields is not None
    return int(dtype.fields[name][1]) % 8 * 8


# Where the fields lie: words of 8 bytes, little-endian, and bits in them.
_TIME, _HEADER = _word(EVENT, "ts_ns"), _word(EVENT, "kind")
_SOURCE, _INSTRUMENT = _bit(EVENT, "source"), _bit(EVENT, "instrument")
_ORDER, _TRADE = _word(ORDER_REPORT, "order"), _word(FILL, "trade_id")
_DECIDED_INSTRUMENT, _DECIDED_STRATEGY = _bit(COMMAND, "instrument"), _bit(COMMAND, "strategy")
_DECIDED_ORDER, _BRACKET_ORDER = _word(COMMAND, "order"), _word(BRACKET_DECISION, "order")
_HIGHEST_TIME, _INSTRUMENTS, _STRATEGIES = (_word(SPAN, n) for n in ("highest_ts_ns", "instruments", "strategies"))
_PLACED, _NAMED, _TRADES = (_word(SPAN, name) for name in ("placed_low", "named_low", "trade_low"))
_EVENT_COUNTS, _DECISION_COUNTS = _word(SPAN, "event_counts"), _word(SPAN, "decision_counts")

_FIRST_ORDER, _LAST_ORDER = int(EventKind.ORDER_SENT), int(EventKind.ORDER_TRIGGERED)
_FILLED, _FAILED, _ADOPTED = (
    int(kind) for kind in (EventKind.ORDER_FILLED, EventKind.REQUEST_FAILED, EventKind.ORDER_ADOPTED)
)
_SIGNAL, _REQUESTED, _STRATEGY = (
    int(kind) for kind in (EventKind.SIGNAL, EventKind.ORDER_REQUESTED, EventKind.STRATEGY_DEFINED)
)
_PLACE, _LAST_WITH_ORDER = int(DecisionKind.PLACE_ORDER), int(DecisionKind.ALERT)
_BRACKET = int(DecisionKind.BRACKET_CHANGED)
_MARKET_LAST = int(EventKind.FUNDING)


@kernel
def summarise(span, events, decisions):  # type: ignore[no-untyped-def]
    """Add records to a span, all of them int64 words; the span's own count of records is the caller's business."""
    one = np.int64(1)
    highest = span[_HIGHEST_TIME]
    instruments = span[_INSTRUMENTS]
    for first in range(0, len(events), _WORDS):
        header = events[first + _HEADER]
        highest = max(highest, events[first + _TIME])
        kind = header & 255
        span[_EVENT_COUNTS + kind % EVENT_KINDS] += 1
        instruments |= one << ((header >> _INSTRUMENT) & 63)
        if kind <= _MARKET_LAST:
            continue
        if kind in (_SIGNAL, _REQUESTED, _STRATEGY):
            span[_STRATEGIES] |= one << ((header >> _SOURCE) & 63)
        elif (_FIRST_ORDER <= kind <= _LAST_ORDER) or kind in (_FAILED, _ADOPTED):
            _widen(span, _NAMED, events[first + _ORDER])
            if kind == _FILLED:
                _widen(span, _TRADES, events[first + _TRADE])
    span[_HIGHEST_TIME] = highest
    for first in range(0, len(decisions), _WORDS):
        header = decisions[first]
        kind = header & 255
        span[_DECISION_COUNTS + kind % DECISION_KINDS] += 1
        instruments |= one << ((header >> _DECIDED_INSTRUMENT) & 63)
        span[_STRATEGIES] |= one << ((header >> _DECIDED_STRATEGY) & 63)
        if kind <= _LAST_WITH_ORDER:
            order = decisions[first + _DECIDED_ORDER]
            _widen(span, _NAMED, order)
            if kind == _PLACE:
                _widen(span, _PLACED, order)
        elif kind == _BRACKET:
            _widen(span, _NAMED, decisions[first + _BRACKET_ORDER])
    span[_INSTRUMENTS] = instruments


@kernel
def _widen(span, low, number):  # type: ignore[no-untyped-def]
    """Take a number into the range of which the lowest is word `low`, and the highest the next; 0 is none."""
    if number == 0:
        return
    if span[low] == 0 or number < span[low]:
        span[low] = number
    if span[low + 1] == 0 or number > span[low + 1]:
        span[low + 1] = number
