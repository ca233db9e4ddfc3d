"""The inbox: what is put into it, and what is not the tape's."""

import numpy as np

from adapters.exchanges.inbox import Inbox
from engine.kinds import EventKind
from engine.records import EVENT, FILL

BEGAN_NS = 1_000


def told(inbox: Inbox) -> list[tuple[int, int]]:
    events, _ = inbox.take(len(inbox))
    fills = events[: len(events) // EVENT.itemsize * EVENT.itemsize].view(FILL)
    assert np.all(fills["kind"] == EventKind.ORDER_FILLED)
    return [(int(fill["order"]), int(fill["trade_id"])) for fill in fills]


def test_trades_of_other_orders_from_before_the_tape_are_only_counted() -> None:
    inbox = Inbox(lambda: 2_000, foreign_since_ns=BEGAN_NS)
    for order, trade_id, ts_ns in ((0, 1, 999), (0, 2, 1_000), (7, 3, 999), (0, 4, 0)):
        inbox.fill(0, 0, order, trade_id, 100, 1, 0, 0, ts_ns)
    assert told(inbox) == [(0, 2), (7, 3), (0, 4)]
    assert inbox.fills_before_the_tape == 1


def test_a_tape_without_a_beginning_takes_all_trades() -> None:
    inbox = Inbox(lambda: 2_000)
    inbox.fill(0, 0, 0, 1, 100, 1, 0, 0, 1)
    assert told(inbox) == [(0, 1)] and inbox.fills_before_the_tape == 0
