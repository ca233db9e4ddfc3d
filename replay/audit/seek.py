"""Where on a tape something happened: found by its spans, and only those blocks are read that may hold an answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.journal import Block, JournalReader, read_spans
from engine.kinds import DecisionKind, EventKind
from engine.records import BRACKET_DECISION, COMMAND, EVENT, FILL, ORDER_REPORT

Rows = NDArray[Any]
Mask = NDArray[np.bool_]
Kinds = frozenset[EventKind] | frozenset[DecisionKind] | None
Progress = Callable[[int], None]

# What a person wants to hear of; the rest is the market and the clock.
WORTH_TELLING = frozenset(kind for kind in EventKind if kind >= EventKind.FUNDING) - {EventKind.TIMER}
_SAYS_STRATEGY = [int(EventKind.SIGNAL), int(EventKind.ORDER_REQUESTED), int(EventKind.STRATEGY_DEFINED)]
# So many events are read without asking where the answers may be.
_FEW_EVENTS = 1_024


@dataclass(frozen=True, slots=True)
class Question:
    """Which events, and which decisions on them, are asked for; None asks for any.

    An event or a decision is an answer where all that is asked holds of it. Where only `kinds` (of events) or only
    `decision_kinds` are given, the others are no answers. What is about an order is its strategy's. `limit` counts
    events.
    """

    from_seq: int = 1
    to_seq: int | None = None
    kinds: frozenset[EventKind] | None = None
    decision_kinds: frozenset[DecisionKind] | None = None
    instrument: int | None = None
    strategy: int | None = None
    order: int | None = None
    trade_id: int | None = None
    newest_first: bool = False
    limit: int | None = None

    @property
    def event_kinds(self) -> frozenset[EventKind] | None:
        """None for all of them, also those that this version does not know."""
        return frozenset() if self.kinds is None and self.decision_kinds is not None else self.kinds

    @property
    def kinds_decided(self) -> frozenset[DecisionKind] | None:
        return frozenset() if self.decision_kinds is None and self.kinds is not None else self.decision_kinds

    @property
    def is_of_everything(self) -> bool:
        """Whether every event is an answer."""
        asked = (self.kinds, self.decision_kinds, self.instrument, self.strategy, self.order, self.trade_id)
        return all(part is None for part in asked)


@dataclass(frozen=True, slots=True)
class Found:
    """An event with all decisions on it (rows of EVENT and COMMAND), and which of them are answers."""

    seq: int
    event: Any
    decisions: Rows
    event_asked: bool
    decisions_asked: Mask


def find(reader: JournalReader, question: Question, progress: Progress | None = None) -> Iterator[Found]:
    """The answers in the order asked for. Raises JournalDamaged.

    `progress` is told how many events have been looked at or passed over.
    """
    last_seq = reader.last_seq if question.to_seq is None else min(question.to_seq, reader.last_seq)
    left = question.limit
    if last_seq < question.from_seq:
        return
    orders = _Orders(reader) if question.strategy is not None else None
    for first, last in _ranges(reader, question, last_seq):
        for block in _blocks(reader, first, last, question.newest_first):
            for found in _answers(block, question, first, last, orders):
                if left is not None and left <= 0:
                    return
                yield found
                left = left if left is None else left - 1
            if left == 0:
                return
        if progress is not None:
            progress(last_seq - first + 1 if question.newest_first else last - question.from_seq + 1)


def placed_at(reader: JournalReader, order: int) -> int:
    """The event on which an order was placed, 0 where there is none such. Order numbers grow along the tape."""
    spans = read_spans(reader)
    for span in spans[(spans["placed_low"] <= order) & (order <= spans["placed_high"])]:
        for block in _blocks(reader, int(span["first_seq"]), int(span["last_seq"]), False):
            rows = block.decisions.view(COMMAND)
            places = np.flatnonzero((rows["kind"] == DecisionKind.PLACE_ORDER) & (rows["order"] == order))
            if len(places):
                return int(rows["seq"][places[0]])
    return 0


def event_at(reader: JournalReader, seq: int) -> Found:
    """Event `seq` and what was decided on it. Raises ValueError where the tape has no such event, JournalDamaged."""
    return next(_answers(reader.block_at(seq), Question(), seq, seq, None))


def _ranges(reader: JournalReader, question: Question, last_seq: int) -> list[tuple[int, int]]:
    """First and last sequence numbers of what has to be read, in the order asked for."""
    if question.is_of_everything or last_seq - question.from_seq < _FEW_EVENTS:
        return [(question.from_seq, last_seq)]
    spans = read_spans(reader)
    spans = spans[_may_answer(spans, question, last_seq)]
    ranges = [
        (max(int(first), question.from_seq), min(int(last), last_seq))
        for first, last in zip(spans["first_seq"], spans["last_seq"], strict=True)
    ]
    return ranges[::-1] if question.newest_first else ranges


def _may_answer(spans: Rows, question: Question, last_seq: int) -> Mask:
    one = np.int64(1)
    chosen = _counted(spans["event_counts"], question.event_kinds)
    chosen |= _counted(spans["decision_counts"], question.kinds_decided)
    chosen &= (spans["last_seq"] >= question.from_seq) & (spans["first_seq"] <= last_seq)
    if question.instrument is not None:
        chosen &= spans["instruments"] >> np.int64(question.instrument % 64) & one != 0
    if question.strategy is not None:
        says = spans["strategies"] >> np.int64(question.strategy % 64) & one != 0
        chosen &= says | (spans["named_high"] != 0)
    if question.order is not None:
        chosen &= (spans["named_low"] <= question.order) & (question.order <= spans["named_high"])
    if question.trade_id is not None:
        chosen &= (spans["trade_low"] <= question.trade_id) & (question.trade_id <= spans["trade_high"])
    return chosen


def _counted(counts: Rows, kinds: Kinds) -> Mask:
    """Where there are any of these kinds."""
    return np.asarray((counts if kinds is None else counts[:, sorted(kinds)]).any(axis=1), np.bool_)


def _of_kinds(numbers: Rows, kinds: Kinds) -> Mask:
    return np.ones(len(numbers), np.bool_) if kinds is None else np.isin(numbers, sorted(kinds))


def _blocks(reader: JournalReader, first_seq: int, last_seq: int, newest_first: bool) -> Iterator[Block]:
    """The blocks of these events, each in memory of its own: an answer may lead to other reading."""
    seq = last_seq if newest_first else first_seq
    while first_seq <= seq <= last_seq:
        block = reader.block_at(seq)
        yield block
        seq = block.first_seq - 1 if newest_first else block.last_seq + 1


def _answers(
    block: Block, question: Question, first_seq: int, last_seq: int, orders: "_Orders | None"
) -> Iterator[Found]:
    events, decisions = block.events.view(EVENT), block.decisions.view(COMMAND)
    if orders is not None:
        orders.learn(decisions)
    event_asked = _events_asked(events, question, orders)
    decisions_asked = _decisions_asked(decisions, question)
    seqs = decisions["seq"]
    chosen = event_asked.copy()
    chosen[seqs[decisions_asked] - block.first_seq] = True
    chosen[: max(0, first_seq - block.first_seq)] = False
    chosen[max(0, last_seq + 1 - block.first_seq) :] = False
    places = np.flatnonzero(chosen)
    starts = np.searchsorted(seqs, places + block.first_seq, side="left")
    ends = np.searchsorted(seqs, places + block.first_seq, side="right")
    steps = range(len(places))
    for step in reversed(steps) if question.newest_first else steps:
        place, decided = int(places[step]), slice(int(starts[step]), int(ends[step]))
        yield Found(
            block.first_seq + place,
            events[place : place + 1].copy()[0],
            decisions[decided].copy(),
            bool(event_asked[place]),
            decisions_asked[decided].copy(),
        )


def _events_asked(events: Rows, question: Question, orders: "_Orders | None") -> Mask:
    kinds = events["kind"]
    asked = _of_kinds(kinds, question.event_kinds)
    if question.instrument is not None:
        asked &= events["instrument"] == question.instrument
    if question.order is not None:
        asked &= about_orders(kinds) & (events.view(ORDER_REPORT)["order"] == question.order)
    if question.trade_id is not None:
        asked &= (kinds == EventKind.ORDER_FILLED) & (events.view(FILL)["trade_id"] == question.trade_id)
    if question.strategy is not None and orders is not None:
        own = np.isin(kinds, _SAYS_STRATEGY) & (events["source"] == question.strategy)
        places = np.flatnonzero(asked & about_orders(kinds))
        numbers = events.view(ORDER_REPORT)["order"][places]
        owners = {number: orders.strategy_of(number) for number in np.unique(numbers).tolist()}
        own[places] = [owners[number] == question.strategy for number in numbers.tolist()]
        asked &= own
    return asked


def _decisions_asked(decisions: Rows, question: Question) -> Mask:
    kinds = decisions["kind"]
    asked = _of_kinds(kinds, question.kinds_decided)
    if question.instrument is not None:
        asked &= decisions["instrument"] == question.instrument
    if question.order is not None:
        asked &= orders_of(decisions) == question.order
    if question.strategy is not None:
        asked &= has_strategy(kinds) & (decisions["strategy"] == question.strategy)
    if question.trade_id is not None:
        asked[:] = False
    return asked


def about_orders(kinds: Rows) -> Mask:
    """Which events name an order, all at the same place of their records: what the exchange and the transport said."""
    reports = (kinds >= EventKind.ORDER_SENT) & (kinds <= EventKind.ORDER_TRIGGERED)
    mask: Mask = reports | (kinds == EventKind.REQUEST_FAILED) | (kinds == EventKind.ORDER_ADOPTED)
    return mask


def has_strategy(kinds: Rows) -> Mask:
    """Of which decisions, by their kinds, the strategy is meant."""
    mask: Mask = (kinds <= DecisionKind.ORDER_SIZED) | (kinds == DecisionKind.BRACKET_CHANGED)
    return mask


def orders_of(decisions: Rows) -> NDArray[np.int64]:
    """The order that each decision is about, 0 for none."""
    kinds = decisions["kind"]
    orders = np.where(kinds <= DecisionKind.ALERT, decisions["order"], 0)
    return np.where(kinds == DecisionKind.BRACKET_CHANGED, decisions.view(BRACKET_DECISION)["order"], orders)


class _Orders:
    """Whose order is which, learnt from where they were placed."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._strategies: dict[int, int] = {0: -1}

    def learn(self, decisions: Rows) -> None:
        placed = decisions[decisions["kind"] == DecisionKind.PLACE_ORDER]
        self._strategies.update(zip(placed["order"].tolist(), placed["strategy"].tolist(), strict=True))

    def strategy_of(self, order: int) -> int:
        if order not in self._strategies:
            seq = placed_at(self._reader, order)
            if seq:
                self.learn(self._reader.block_at(seq).decisions.view(COMMAND))
            self._strategies.setdefault(order, -1)
        return self._strategies[order]
