"""Whether the engine's state says what the twin says, field by field."""

from collections.abc import Mapping
from typing import Any

from engine import rules
from engine.rules import RuleTable
from tests.twin.base import Instrument, Pair, Rules, Strategy
from tests.twin.engine import Twin
from tests.twin.ledger import Account, Position
from tests.twin.machine import Machine, Reading

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
_OWN_WAYS = ("bracket", "leg", "book")
# The terms last asked for: they say something while an amendment has no answer.
_ASKED = ("asked_lots", "asked_limit_ticks", "asked_trigger_ticks")


def _same(what: str, engine: Mapping[str, Any], twin: Mapping[str, Any]) -> None:
    differing = {name: (int(engine[name]), int(twin[name])) for name in twin if int(engine[name]) != int(twin[name])}
    assert not differing, f"{what}: engine and twin differ in {differing}"


def _figures(row: object) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name not in _OWN_WAYS}


def compare(machine: Machine | Reading, twin: Twin, rules_too: bool = True) -> None:
    """Every account, position, instrument, strategy, order, counter and, where they may have changed, rule."""
    state = machine.state
    expected = _counters(twin)
    _same("state", {name: state[name] for name in expected}, expected)
    for number, row in enumerate(machine.rows("accounts")):
        _same(f"account {number}", row, _figures(twin.ledger.accounts.get(number, Account())))
    for number, row in enumerate(machine.rows("instruments")):
        of_orders = {"open_orders": len(twin.orders.open(number))}
        _same(f"instrument {number}", row, _figures(twin.instruments.get(number, Instrument())) | of_orders)
    for number, row in enumerate(machine.rows("strategies")):
        open_orders = sum(order.strategy == number for order in twin.orders.open())
        of_orders = {"orders_open": open_orders}
        _same(f"strategy {number}", row, _figures(twin.strategies.get(number, Strategy())) | of_orders)
    _compare_positions(machine, twin)
    _compare_pairs(machine, twin)
    if rules_too:
        _compare_rules(machine, twin)
    found = {row["order"]: row for row in machine.rows("orders") if row["order"]}
    assert found.keys() == twin.orders.known.keys()
    for number, order in twin.orders.known.items():
        asked = {} if order.amending else dict.fromkeys(_ASKED, 0)
        _same(f"order {number}", found[number] | asked, _figures(order) | asked)


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


def _compare_positions(machine: Machine | Reading, twin: Twin) -> None:
    rows, open_orders = machine.grid("positions"), twin.orders.open()
    for account in range(machine.limits.accounts):
        for instrument in range(machine.limits.instruments):
            expected = _figures(twin.ledger.positions.get((account, instrument), Position()))
            mine = [order for order in open_orders if order.instrument == instrument and order.account == account]
            for beside, names in (
                (False, ("open_buy_lots", "open_sell_lots")),
                (True, ("leg_buy_lots", "leg_sell_lots")),
            ):
                for side, name in zip((1, -1), names, strict=True):
                    expected[name] = sum(o.left_lots for o in mine if o.side == side and o.is_leg == beside)
            _same(f"position {account}/{instrument}", rows[account][instrument], expected)


def _compare_pairs(machine: Machine | Reading, twin: Twin) -> None:
    rows = machine.grid("pairs")
    for strategy in range(machine.limits.strategies):
        for instrument in range(machine.limits.instruments):
            pair = twin.pairs.get((strategy, instrument), Pair())
            row = rows[strategy][instrument]
            book = {name: value for name, value in vars(pair.book).items() if name in row}
            _same(f"pair {strategy}/{instrument}", row, _figures(pair) | book)


def _compare_rules(machine: Machine | Reading, twin: Twin) -> None:
    """Every rule, by its row."""
    state, limits, none = machine.state, machine.limits, Rules()
    _same_rules("book", rules.BOOK, state.rules, twin.book)
    for number in range(limits.accounts):
        account = state.accounts[number]
        _same_rules(f"account {number}", rules.ACCOUNT, account.rules, twin.account_rules.get(number, none))
        steps = twin.risk_steps.get(number, {})
        for row in range(rules.RISK_STEPS):
            _same_rules(f"step {number}/{row}", rules.RISK_STEP, account.risk_steps[row], steps.get(row, none))
    for number in range(limits.instruments):
        instrument = state.instruments[number]
        _same_rules(f"instrument {number}", rules.INSTRUMENT, instrument.rules, twin.instrument_rules.get(number, none))
        for row in range(rules.WINDOWS_MAX):
            found = twin.windows.get(number, {}).get(row, none)
            _same_rules(f"window {number}/{row}", rules.WINDOW, instrument.windows[row], found)
        for row in range(rules.TARGETS_MAX):
            found = twin.target_rules.get(number, {}).get(row, none)
            _same_rules(f"target {number}/{row}", rules.TARGET, instrument.targets[row], found)
    for number in range(limits.strategies):
        found = twin.strategy_rules.get(number, none)
        _same_rules(f"strategy {number}", rules.STRATEGY, state.strategies[number].rules, found)
        for instrument in range(limits.instruments):
            found = twin.pair_rules.get((number, instrument), none)
            _same_rules(f"pair {number}/{instrument}", rules.PAIR, state.pairs[number, instrument].rules, found)


def _same_rules(what: str, table: RuleTable, engine: Any, twin: Rules) -> None:
    expected = [twin[name] for name in table.bounds]
    assert list(engine.item()) == expected, f"rules of {what}: {list(engine.item())} and {expected}"
