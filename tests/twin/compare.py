"""Whether the engine's state says what the twin says, field by field."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from engine import rules
from engine.rules import RuleTable
from tests.twin.base import Instrument, Pair, Rules, Strategy
from tests.twin.engine import Twin
from tests.twin.ledger import Account, Position
from tests.twin.machine import Reading
from tests.twin.orders import Order

_COUNTS = (
    "orders_placed",
    "refusals",
    "events_refused",
    "last_refused_seq",
    "last_refused_reason",
    "fills",
    "fills_early",
    "fills_late",
    "fills_duplicate",
    "fills_excess",
    "fills_orphan",
    "connections_lost",
    "requests_failed",
    "reports_orphan",
    "entries_today",
    "risk_level_changes",
    "amendments_refused",
)
# What the twin keeps in its own way.
_OWN_WAYS = frozenset({"bracket", "leg", "book"})
# What is not there.
_ACCOUNT, _POSITION, _INSTRUMENT, _STRATEGY, _PAIR = Account(), Position(), Instrument(), Strategy(), Pair()
# The terms last asked for: they say something while an amendment has no answer.
_ASKED = ("asked_lots", "asked_limit_ticks", "asked_trigger_ticks")


def same(what: str, engine: Mapping[str, Any], twin: Mapping[str, Any], names: Iterable[str] = ()) -> None:
    """Every figure that the twin names (or of these names) is the engine's too."""
    differing = [name for name in names or twin if engine[name] != twin[name]]
    if differing:
        values = {name: (int(engine[name]), int(twin[name])) for name in differing}
        raise AssertionError(f"{what}: engine and twin differ in {values}")


@cache
def _names(row: type) -> list[str]:
    """The figures of a row of the twin that the engine has by the same names."""
    return [field.name for field in fields(row) if field.name not in _OWN_WAYS]


@cache
def _names_but(row: type, without: tuple[str, ...]) -> list[str]:
    return [name for name in _names(row) if name not in without]


def compare(machine: Reading, twin: Twin, rules_too: bool = True) -> None:
    """Every account, position, instrument, strategy, order, counter and, where they may have changed, rule."""
    expected = _counters(twin)
    same("state", machine.figures(tuple(expected)), expected)
    open_orders = twin.orders.open()
    for number, row in enumerate(machine.rows("accounts")):
        same(f"account {number}", row, vars(twin.ledger.accounts.get(number, _ACCOUNT)), _names(Account))
    for number, row in enumerate(machine.rows("instruments")):
        same(f"instrument {number}", row, vars(twin.instruments.get(number, _INSTRUMENT)), _names(Instrument))
        assert row["open_orders"] == sum(order.instrument == number for order in open_orders)
    for number, row in enumerate(machine.rows("strategies")):
        same(f"strategy {number}", row, vars(twin.strategies.get(number, _STRATEGY)), _names(Strategy))
        assert row["orders_open"] == sum(order.strategy == number for order in open_orders)
    _compare_positions(machine, twin, open_orders)
    _compare_pairs(machine, twin)
    if rules_too:
        _compare_rules(machine, twin)
    found = {row["order"]: row for row in machine.rows("orders") if row["order"]}
    assert found.keys() == twin.orders.known.keys()
    for number, order in twin.orders.known.items():
        names = _names(Order) if order.amending else _names_but(Order, _ASKED)
        same(f"order {number}", found[number], vars(order), names)


def _counters(twin: Twin) -> dict[str, int]:
    return {name: twin.counts.get(name, 0) for name in _COUNTS} | {
        "seq": twin.seq,
        "ts_ns": twin.ts_ns,
        "fault": 0,
        "trading_state": twin.trading_state,
        "orders_open": len(twin.orders.open()),
        "transitions_refused": twin.orders.transitions_refused,
        "instruments_defined": len(twin.instruments),
        "accounts_defined": len(twin.ledger.accounts),
        "order_rate_full_ts_ns": twin.order_bucket.full_ts_ns,
        "cancel_rate_full_ts_ns": twin.cancel_bucket.full_ts_ns,
    }


def _compare_positions(machine: Reading, twin: Twin, open_orders: list[Order]) -> None:
    on_order: Counter[tuple[int, int, str]] = Counter()
    for order in open_orders:
        what = f"{'leg' if order.is_leg else 'open'}_{'buy' if order.side > 0 else 'sell'}_lots"
        on_order[order.account, order.instrument, what] += order.left_lots
    for account, row in enumerate(machine.grid("positions")):
        for instrument, position in enumerate(row):
            expected = twin.ledger.positions.get((account, instrument), _POSITION)
            same(f"position {account}/{instrument}", position, vars(expected), _names(Position))
            for name in ("open_buy_lots", "open_sell_lots", "leg_buy_lots", "leg_sell_lots"):
                assert position[name] == on_order[account, instrument, name], f"{name} of {account}/{instrument}"


def _compare_pairs(machine: Reading, twin: Twin) -> None:
    for strategy, rows in enumerate(machine.grid("pairs")):
        for instrument, row in enumerate(rows):
            pair = twin.pairs.get((strategy, instrument), _PAIR)
            same(f"pair {strategy}/{instrument}", row, vars(pair), _names(Pair))
            book = [name for name in _names(Position) if name in row]
            same(f"book {strategy}/{instrument}", row, vars(pair.book), book)


def _compare_rules(machine: Reading, twin: Twin) -> None:
    """Every rule, by its row."""
    none = Rules()
    _same_rules("book", rules.BOOK, machine.state.rules.item(), twin.book)
    for number, account in enumerate(machine.rows("accounts")):
        _same_rules(f"account {number}", rules.ACCOUNT, account["rules"], twin.account_rules.get(number, none))
        _same_rows(f"step {number}", rules.RISK_STEP, account["risk_steps"], twin.risk_steps.get(number, {}))
    for number, instrument in enumerate(machine.rows("instruments")):
        found = twin.instrument_rules.get(number, none)
        _same_rules(f"instrument {number}", rules.INSTRUMENT, instrument["rules"], found)
        _same_rows(f"window {number}", rules.WINDOW, instrument["windows"], twin.windows.get(number, {}))
        _same_rows(f"target {number}", rules.TARGET, instrument["targets"], twin.target_rules.get(number, {}))
    for number, strategy in enumerate(machine.rows("strategies")):
        _same_rules(f"strategy {number}", rules.STRATEGY, strategy["rules"], twin.strategy_rules.get(number, none))
        for place, pair in enumerate(machine.grid("pairs")[number]):
            found = twin.pair_rules.get((number, place), none)
            _same_rules(f"pair {number}/{place}", rules.PAIR, pair["rules"], found)


def _same_rows(what: str, table: RuleTable, engine: Any, twin: Mapping[int, Rules]) -> None:
    none = Rules()
    for place, row in enumerate(engine.tolist()):
        _same_rules(f"{what}/{place}", table, row, twin.get(place, none))


def _same_rules(what: str, table: RuleTable, engine: tuple[int, ...], twin: Rules) -> None:
    """What was never set is 0; most rows have nothing."""
    if twin or any(engine):
        expected = tuple([twin[name] for name in table.bounds])
        assert engine == expected, f"rules of {what}: {engine} and {expected}"
