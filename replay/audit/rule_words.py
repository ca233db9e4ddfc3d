"""A change of a rule in words: which rule, whose, and its value in its own unit."""

from functools import cache
from typing import Any

from adapters.report.amounts import duration_text
from engine import rules
from engine.kinds import Condition, Scope, Setting, SignalMode, SizingMethod, TradingState
from replay.audit.words import lots_text, owner_of, price_text, share_text, symbol_of, units_text, word_of
from replay.names import Names

_RULE_SCOPES = {
    rules.BOOK.base: "everything",
    rules.ACCOUNT.base: "account",
    rules.INSTRUMENT.base: "instrument",
    rules.STRATEGY.base: "strategy",
    rules.PAIR.base: "pair",
    rules.WINDOW.base: "instrument",
    rules.TARGET.base: "instrument",
    rules.RISK_STEP.base: "account",
    rules.BREAKER.base: "breaker",
}


def rule_name(setting: int) -> str:
    """What a CONFIGURATION_CHANGED event sets, by the number in it."""
    return _settings().get(setting, ("", f"setting {setting}"))[1]


@cache
def _settings() -> dict[int, tuple[str, str]]:
    """Scope and name of every setting."""
    own = {int(setting): ("", setting.name.lower()) for setting in Setting}
    own[int(Setting.STRATEGY_ENABLED)] = ("strategy", "strategy_enabled")
    for setting in (Setting.ORDER_QUANTITY_LOTS, Setting.SHORT_ALLOWED):
        own[int(setting)] = ("instrument", setting.name.lower())
    ruled = {table.number(name): (_RULE_SCOPES[table.base], name) for table in rules.TABLES for name in table.bounds}
    return own | ruled


def rule_text(row: Any, names: Names) -> str:
    """A CONFIGURATION_CHANGED event (a row of CONFIGURATION) in words."""
    setting = int(row["setting"])
    scope = _settings().get(setting, ("", ""))[0]
    strategy, symbol = names.strategy(int(row["source"])), symbol_of(row, names)
    whose = {
        "account": f" of {owner_of(row, names)}",
        "instrument": f" of {symbol}",
        "strategy": f" of {strategy}",
        "pair": f" of {strategy} at {symbol}",
        "breaker": f" of breaker {names.breaker(int(row['row']))}",
    }.get(scope, "")
    rows = (rules.WINDOW, rules.TARGET, rules.RISK_STEP)
    place = f" {int(row['row']) + 1}" if any(t.base <= setting < t.base + len(t.bounds) for t in rows) else ""
    return f"rule {_without_unit(rule_name(setting))}{place}{whose} set to {_value(row, scope, names)}"


_CHOICES = {"sizing_method": SizingMethod, "signal_mode": SignalMode, "condition": Condition, "scope": Scope}
_UNITS = ("_units", "_ppm", "_ns", "_lots", "_ticks")


def _without_unit(name: str) -> str:
    return next((name.removesuffix(unit) for unit in _UNITS if name.endswith(unit)), name).replace("_", " ")


def _value(row: Any, scope: str, names: Names) -> str:
    """The value of a setting in the unit that its name ends with."""
    name, value = rule_name(int(row["setting"])), int(row["value"])
    if name == "trading_state" or name in _CHOICES:
        return word_of(_CHOICES.get(name, TradingState), value)
    if name.endswith("_units"):
        account = names.instrument(int(row["instrument"])).account if scope == "instrument" else int(row["account"])
        return units_text(value, account, names)
    if name.endswith("_ppm"):
        return share_text(value)
    if name.endswith("_ns"):
        return duration_text(value) if value > 0 else f"{value} ns"
    if name.endswith("_lots"):
        return lots_text(value, row, names)
    return price_text(value, row, names) if name.endswith("_ticks") else f"{value:,}"
