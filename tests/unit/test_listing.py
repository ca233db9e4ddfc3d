"""What passed is listed where somebody asks for it, in the order in which it was asked, and nowhere else."""

from typing import Any

import pytest

from engine.decisions import Stage
from engine.reasons import Reason
from tests.unit.checks_support import EQUITY, LOT_UNITS, NOW_NS, PASSED, ask, new_outbox, new_state

# Without any rule these are asked nevertheless.
ALWAYS = [
    (Reason.TRADING_HALTED, 0, 0),
    (Reason.TRADING_REDUCE_ONLY, 0, 0),
    (Reason.INSTRUMENT_NOT_ALLOWED, 0, 1),
    (Reason.TRANSPORT_OPEN, 0, NOW_NS),
    (Reason.RISK_STOPPED, 0, 0),
]


def listing() -> Any:
    outbox = new_outbox()
    outbox.listing = 1
    return outbox


def listed(outbox: Any) -> list[tuple[int, int, int]]:
    rows = outbox.compared[: int(outbox.listed)]
    assert all(row["stage"] == Stage.CHECK for row in rows)
    return [(int(row["what"]), int(row["limit"]), int(row["observed"])) for row in rows]


def test_nothing_is_listed_where_nobody_asks() -> None:
    outbox = new_outbox()
    assert ask(new_state(), outbox=outbox) == PASSED
    assert outbox.listed == 0 and not outbox.compared.view("u1").any()


def test_without_rules_only_what_always_holds_is_listed() -> None:
    outbox = listing()
    assert ask(new_state(), outbox=outbox) == PASSED
    assert listed(outbox) == ALWAYS


@pytest.mark.parametrize(
    ("setting", "limit", "expected"),
    [
        ("order_quantity_max_lots", 5, (Reason.ORDER_QUANTITY_MAX, 5, 5)),
        ("order_notional_max_units", 5 * LOT_UNITS, (Reason.ORDER_NOTIONAL_MAX, 5 * LOT_UNITS, 5 * LOT_UNITS)),
        ("position_max_lots", 6, (Reason.POSITION_QUANTITY_MAX, 6, 5)),
        ("position_weight_max_ppm", 10_000, (Reason.POSITION_WEIGHT_MAX, EQUITY // 100, 5 * LOT_UNITS)),
        ("reference_age_max_ns", 9, (Reason.REFERENCE_STALE, 9, 0)),
        ("self_cross_refused", 1, (Reason.SELF_CROSS, 0, 100)),
        ("entries_per_day_max", 3, (Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX, 3, 0)),
    ],
)
def test_a_rule_that_is_set_is_listed_with_its_figure(setting: str, limit: int, expected: tuple[int, int, int]) -> None:
    state, outbox = new_state(), listing()
    setattr(state.instruments[1].rules, setting, limit)
    assert ask(state, outbox=outbox) == PASSED
    assert [row for row in listed(outbox) if row not in ALWAYS] == [expected]


def test_what_comes_after_a_refusal_is_not_asked() -> None:
    state, outbox = new_state(), listing()
    state.instruments[1].rules.order_quantity_max_lots = 4
    assert ask(state, outbox=outbox) == (Reason.ORDER_QUANTITY_MAX, 4, 5)
    assert listed(outbox) == ALWAYS[:4]


def test_a_limit_order_that_is_no_worse_than_the_mark_is_not_worse_at_all() -> None:
    state, outbox = new_state(), listing()
    state.instruments[1].rules.collar_ppm = 1
    assert ask(state, limit=90, outbox=outbox) == PASSED
    assert (Reason.PRICE_OUTSIDE_COLLAR, 1, 0) in listed(outbox)


def test_a_full_list_takes_no_more() -> None:
    outbox = listing()
    outbox.listed = len(outbox.compared) - 2
    assert ask(new_state(), outbox=outbox) == PASSED
    assert outbox.listed == len(outbox.compared)
