"""Explanations of random tapes: every figure is the twin's, and what failed is what was recorded."""

import numpy as np
import pytest

from engine.kinds import DecisionKind, EventKind, OrderRole
from engine.reasons import Reason
from engine.records import FILL, REFUSAL
from replay.audit.explain import explain_event, explain_order
from replay.audit.story import find_order
from replay.audit.walk import Walk
from tests.simulation.told_tapes import ToldTape, tell

PLACE, REFUSED = DecisionKind.PLACE_ORDER, DecisionKind.REFUSAL
TAPES = [("engine", 5, 220), ("engine", 13, 220), ("brackets", 4, 160), ("brackets", 13, 160), ("breakers", 5, 260)]


@pytest.fixture(scope="module", params=TAPES, ids=lambda tape: f"{tape[0]}-{tape[1]}")
def tape(request: pytest.FixtureRequest) -> ToldTape:
    return tell(*request.param)


def figures(rows: list[dict]) -> list[tuple[int, int, int]]:
    return [(int(Reason[row["rule"].upper()]), row["limit"], row["observed"]) for row in rows]


def test_what_passed_is_what_the_twin_says_passed(tape: ToldTape) -> None:
    """Of every event that led to an entry or a refusal: the checks in their order, with limit and figure."""
    seen = 0
    with tape.journal.read() as reader:
        for seq in sorted({*tape.seqs(PLACE), *tape.seqs(REFUSED)} & tape.passed.keys()):
            explained = explain_event(reader, seq)["explained"]
            rows = [
                row for entry in explained for row in entry["compared"] if row["stage"] == "check" and row["passed"]
            ]
            assert figures(rows) == tape.passed[seq], f"event {seq}"
            seen += len(rows)
    assert seen > 40


def test_the_last_row_of_a_refusal_is_the_recorded_one(tape: ToldTape) -> None:
    seen = 0
    with tape.journal.read() as reader:
        for seq in tape.seqs(REFUSED):
            recorded = tape.decisions[(tape.decisions["seq"] == seq) & (tape.decisions["kind"] == REFUSED)]
            explained = explain_event(reader, seq)["explained"]
            failed = [entry["compared"][-1] for entry in explained if entry["text"].startswith("refused")]
            expected = [(int(row["reason"]), int(row["limit"]), int(row["observed"])) for row in recorded.view(REFUSAL)]
            assert figures(failed) == expected
            assert not any(row["passed"] for row in failed)
            only_last = [row for entry in explained for row in entry["compared"][:-1] if row["stage"] != "cut"]
            assert all(row["passed"] for row in only_last)
            seen += len(failed)
    assert seen > 3


def test_every_order_is_explained_with_all_its_fills(tape: ToldTape) -> None:
    """What its fills made is what the positions had more after them."""
    fills = tape.events.view(FILL).copy()
    fills["order"][fills["kind"] != EventKind.ORDER_FILLED] = 0
    orders = tape.decisions[tape.decisions["kind"] == PLACE]
    with tape.journal.read() as reader:
        last = Walk(reader).to(len(tape.events))
        for order, placed_seq in orders[["order", "seq"]].tolist():
            found = explain_order(reader, order)
            assert found["order"] == order and found["why"] and found["text"].startswith(f"order {order} placed")
            told = [entry for entry in found["happened"] if entry["text"].startswith("fill of")]
            # What is said of a number before there is an order of it is about no order.
            assert len(told) == np.count_nonzero((fills["order"] == order)[placed_seq:])
            row = find_order(last, order)
            if row is not None and row["order_role"] in (OrderRole.STOP, OrderRole.TARGET):
                assert "bracket" in found and found["entry"]["text"].startswith("order ")
    assert len(orders) > 5
