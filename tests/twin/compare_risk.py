"""Whether the engine's brackets, groups, breakers, connections and days are what the twin says."""

from typing import Any

from engine.kinds import BracketStatus, BreakerAction, BreakerStatus, GroupKind, Scope
from tests.twin.breakers import NOT_ARMED, Breaker
from tests.twin.compare import same
from tests.twin.engine import Twin
from tests.twin.machine import Reading
from tests.twin.rows import Bracket, Leftovers, Leg
from tests.twin.transport import Connection

_OF_ROW = ("group_kind", "group", "instrument", "account", "strategy")
_OF_BRACKET = (
    "side",
    "entered_lots",
    "exited_lots",
    "entry_units",
    "entry_ticks",
    "stop_ticks",
    "trail_active",
    "broke_even",
    "exit_refusals",
    "exit_due_ts_ns",
) + ("opened_ts_ns", "expire_ts_ns", "close_reason", "uncovered_events")
_COUNTS = ("brackets_opened", "breaker_trips", "uncovered_events", "exits_overfilled", "legs_lost")


def compare_risk(machine: Reading, twin: Twin) -> None:
    _compare_counts(machine, twin)
    rows = {row["number"]: row for row in machine.rows("brackets") if row["status"] not in _GONE}
    live = {row.number: row for row in twin.live_rows()}
    assert rows.keys() == live.keys(), "other brackets are open"
    for number, row in live.items():
        _compare_row(rows[number], row)
    for number, engine in enumerate(machine.rows("breakers")):
        breaker = twin.breakers.get(number, Breaker())
        expected = {
            name: value for name, value in vars(breaker).items() if name not in ("times", "due_ts_ns", "tripped_by")
        }
        if breaker.status == BreakerStatus.COOLING:
            expected["due_ts_ns"] = breaker.due_ts_ns
        same(f"breaker {number}", engine, expected | dict(twin.breaker_rules.get(number, {})))
    for number, account in enumerate(machine.rows("accounts")):
        connection = twin.connections.get(number, Connection())
        same(f"connection {number}", account, {f"transport_{name}": value for name, value in vars(connection).items()})
    for number, instrument in enumerate(machine.rows("instruments")):
        left = twin.leftovers.get(number, Leftovers(number))
        expected = {f"leftover_{name}": getattr(left, name) for name in ("lots", "strategy", "refusals", "due_ts_ns")}
        same(f"leftovers {number}", instrument, expected)
    _compare_blocks(machine, twin)


_GONE = (BracketStatus.NONE, BracketStatus.CLOSED)


def _compare_counts(machine: Reading, twin: Twin) -> None:
    expected = {name: twin.counts.get(name, 0) for name in _COUNTS} | {"brackets_open": len(twin.live_rows())}
    if twin.day_ends_ts_ns:
        expected |= {"day_ends_ts_ns": twin.day_ends_ts_ns, "week_ends_ts_ns": twin.week_ends_ts_ns}
    same("state", machine.figures(tuple(expected)), expected)


def _compare_row(engine: dict[str, Any], row: Bracket) -> None:
    names = _OF_ROW + (_OF_BRACKET if row.group_kind == GroupKind.BRACKET else ())
    same(f"bracket {row.number}", engine, {name: getattr(row, name) for name in names})
    for place, leg in enumerate(row.legs):
        _compare_leg(f"bracket {row.number} leg {place}", engine["legs"][place], leg)


def _compare_leg(what: str, engine: Any, leg: Leg) -> None:
    names = engine.dtype.names if hasattr(engine, "dtype") else None
    found = dict(zip(names, engine.tolist(), strict=True)) if names else engine
    order = leg.order.order if leg.order is not None and leg.order.is_open else 0
    same(what, found, {"filled_lots": leg.filled_lots} | ({"order": order} if order else {}))


def _compare_blocks(machine: Reading, twin: Twin) -> None:
    """How many breakers of each scope block entries."""
    blocking = [
        (twin.breaker_rules[row]["scope"], twin.breaker_rules[row]["scope_id"])
        for row, breaker in twin.breakers.items()
        if breaker.status in NOT_ARMED and twin.breaker_rules[row]["actions"] & ~BreakerAction.ALERT
    ]
    assert machine.state.blocks == sum(scope == Scope.EVERYTHING for scope, _ in blocking)
    tables = ((Scope.ACCOUNT, "accounts"), (Scope.INSTRUMENT, "instruments"), (Scope.STRATEGY, "strategies"))
    for scope, table in tables:
        for number, row in enumerate(machine.rows(table)):
            assert row["blocks"] == sum(item == (scope, number) for item in blocking), f"blocks of {scope} {number}"
