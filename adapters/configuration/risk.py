"""Limits, trading windows, risk levels and connections: from their sections to rules."""

from collections.abc import Sequence

from adapters.configuration.rule_sections import (
    EVERY_DAY,
    AccountDefaults,
    ExposureSection,
    InstrumentDefaults,
    LevelSection,
    LevelsSection,
    RiskSection,
    WindowSection,
)
from adapters.configuration.rules import Layer, Rule, RuleList, Scope
from adapters.configuration.sections import AccountSection, File, InstrumentSection
from adapters.configuration.terms import Account, Instrument, Location, Problem
from adapters.configuration.values import PPM, Rate, nearest
from engine.kinds import Setting
from engine.rules import ACCOUNT, BOOK, INSTRUMENT, RISK_STEP, WINDOW, WINDOWS_MAX

_DAY_NS = 86_400_000_000_000
_SUNDAY = 1 << 6
_RISK: Location = ("risk",)

# Part of a day: bits of the days, first and last time.
Span = tuple[int, int, int]


def add_book(rules: RuleList, risk: RiskSection, accounts: Sequence[Account]) -> None:
    """The trading state, and the limits of everything together."""
    if risk.trading_state:
        rules.rules.append(Rule(Setting.TRADING_STATE, risk.trading_state))
    for name in ExposureSection.model_fields:
        if getattr(risk, name) is not None:
            check_one_money(accounts, (*_RISK, ExposureSection.model_fields[name].alias or name))
    scope = Scope(money_decimals=accounts[0].money_decimals)
    rules.take(BOOK, [Layer(risk, _RISK)], scope)
    for name, rate in (("order_rate", risk.orders), ("cancel_rate", risk.cancels)):
        if rate is not None:
            _add_rate(rules, name, rate)


def _add_rate(rules: RuleList, name: str, rate: Rate) -> None:
    rules.add(BOOK, name, rate.count, (*_RISK, name), Scope())
    rules.add(BOOK, f"{name}_window_ns", rate.window_ns, (*_RISK, name), Scope())


def check_one_money(accounts: Sequence[Account], at: Location) -> None:
    """Refuse a sum over accounts whose money cannot be added."""
    moneys = {(account.currency, account.money_decimals): account for account in accounts}
    if len(moneys) > 1:
        found = ", ".join(f"{one.name} {one.currency} with {one.money_decimals}" for one in moneys.values())
        raise Problem(
            at, f"expected accounts of one currency and of the same money_decimals to sum over; found {found}"
        )


def add_account(rules: RuleList, file: File, section: AccountSection, account: Account) -> None:
    """The limits of an account, its risk levels and its connection."""
    at: Location = ("accounts", account.number)
    scope = Scope(account=account.number, money_decimals=account.money_decimals)
    own = Layer(section.risk, (*at, "risk"))
    default = Layer(file.risk, _RISK, AccountDefaults)
    rules.take(ACCOUNT, [own, default], scope)
    if file.risk is not None and not any(layer.look("funds_checked") for layer in (own, default)):
        rules.add(ACCOUNT, "funds_checked", 1, _RISK, scope)
    levels = own.look("levels") or default.look("levels")
    if levels is not None:
        _add_levels(rules, *levels, scope)
    transport = Layer(section.transport, (*at, "transport"))
    if section.transport is None:
        transport = Layer(file.transport, ("transport",))
    backoff, most = transport.look("transport_backoff_ns"), transport.look("transport_backoff_max_ns")
    if backoff and most and most[0] < backoff[0]:
        raise Problem(most[1], "expected at least backoff")
    rules.take(ACCOUNT, [transport], scope)


def _add_levels(rules: RuleList, levels: LevelsSection, at: Location, scope: Scope) -> None:
    rules.take(ACCOUNT, [Layer(levels, at)], scope)
    for row, step in enumerate(levels.steps):
        _check_step(step, levels.steps[:row], (*at, "steps", row))
        rules.take(RISK_STEP, [Layer(step, (*at, "steps", row))], scope, row)


def _check_step(step: LevelSection, before: Sequence[LevelSection], at: Location) -> None:
    """A level that is higher is reached later and scales further down."""
    scale = before[-1].scale_ppm if before else PPM
    if step.scale_ppm >= scale:
        raise Problem((*at, "scale"), f"expected less than {'the step before' if before else '1'}, which it must lower")
    given = 0
    for name in ("drawdown_ppm", "volatility_ratio_ppm", "losing_streak"):
        value = getattr(step, name)
        given += value is not None
        if value is not None and any((getattr(other, name) or 0) >= value for other in before):
            key = LevelSection.model_fields[name].alias or name
            raise Problem((*at, key), "expected more than in the steps before")
    if not given:
        raise Problem(at, "expected at least one of drawdown, volatility_ratio, losing_streak; found none")


def add_instrument(rules: RuleList, file: File, section: InstrumentSection, scope: Scope) -> str:
    """The limits of an instrument and its trading windows; returns the zone of those, or ""."""
    own = Layer(section.risk, ("instruments", scope.instrument, "risk"))
    default = Layer(file.risk, _RISK, InstrumentDefaults)
    if file.risk is not None and file.risk.allow is not None and section.symbol not in file.risk.allow:
        rules.add(INSTRUMENT, "blocked", 1, (*_RISK, "allow"), scope)
    rules.take(INSTRUMENT, [own, default], scope)
    windows = own.look("opens") or default.look("opens")
    return _add_windows(rules, *windows, scope) if windows is not None else ""


def check_allowed(risk: RiskSection, instruments: Sequence[Instrument]) -> None:
    symbols = [instrument.symbol for instrument in instruments]
    for symbol in risk.allow or ():
        if symbol not in symbols:
            raise Problem((*_RISK, "allow"), f"unknown symbol {symbol!r}{nearest(symbol, symbols)}")


def _add_windows(rules: RuleList, windows: Sequence[WindowSection], at: Location, scope: Scope) -> str:
    if not windows:
        raise Problem(at, "expected at least one window, found none")
    spans: list[Span] = []
    for number, window in enumerate(windows):
        if window.zone != windows[0].zone:
            raise Problem(
                (*at, number, "zone"),
                f"expected one zone for all windows of an instrument, found {windows[0].zone!r} and {window.zone!r}",
            )
        spans += _spans(window, (*at, number))
        if len(spans) > WINDOWS_MAX:
            raise Problem(
                (*at, number), f"expected at most {WINDOWS_MAX} windows, where one that passes midnight counts as two"
            )
    for row, (days, starts_ns, ends_ns) in enumerate(spans):
        for name, value in (("days", days), ("starts_ns", starts_ns), ("ends_ns", ends_ns)):
            rules.add(WINDOW, name, value, at, scope, row)
    rules.add(INSTRUMENT, "windows", len(spans), at, scope)
    return windows[0].zone


def _spans(window: WindowSection, at: Location) -> list[Span]:
    """The parts of days that a window opens; past midnight it goes on into the days after its own."""
    if window.starts_ns == window.ends_ns or window.starts_ns == _DAY_NS:
        raise Problem(at, "expected a window that opens, from and to leave it no time")
    if window.ends_ns > window.starts_ns:
        return [(window.days, window.starts_ns, window.ends_ns)]
    evening = (window.days, window.starts_ns, _DAY_NS)
    days_after = (window.days << 1 | (1 if window.days & _SUNDAY else 0)) & EVERY_DAY
    return [evening, (days_after, 0, window.ends_ns)] if window.ends_ns else [evening]
