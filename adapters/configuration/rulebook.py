"""All rules of a configuration, in the order in which a tape tells them."""

from collections.abc import Sequence

from adapters.configuration.breakers import add_breakers, add_reconciliation, needs_reconciliation
from adapters.configuration.entries import add_entries
from adapters.configuration.risk import add_account, add_book, add_instrument, check_allowed, check_one_money
from adapters.configuration.rules import Layer, Rule, RuleList, Rules, Scope
from adapters.configuration.sections import File, StrategySection
from adapters.configuration.terms import Account, Instrument, Location, Problem
from adapters.configuration.values import nearest
from engine.kinds import Scope as BreakerScope
from engine.kinds import Setting
from engine.rules import PAIR, RING_TIMES, STRATEGY


def resolve_rules(file: File, accounts: Sequence[Account], instruments: Sequence[Instrument]) -> Rules:
    """The rules of everything, accounts, instruments, strategies and breakers. Raises `Problem`."""
    rules = RuleList()
    if file.risk is not None:
        check_allowed(file.risk, instruments)
        add_book(rules, file.risk, accounts)
    for section, account in zip(file.accounts, accounts, strict=True):
        add_account(rules, file, section, account)
    zones = []
    for instrument_section, instrument in zip(file.instruments, instruments, strict=True):
        account = accounts[instrument.account]
        scope = Scope(
            account=account.number,
            instrument=instrument.number,
            money_decimals=account.money_decimals,
            lot_size=instrument.lot_size,
        )
        zones.append(add_instrument(rules, file, instrument_section, scope))
        add_entries(rules, file, instrument_section, instrument, account.kind, scope)
    symbols = [instrument.symbol for instrument in instruments]
    for number, strategy in enumerate(file.strategies):
        _add_strategy(rules, number, strategy, accounts, symbols)
    names = {
        BreakerScope.ACCOUNT: [account.name for account in accounts],
        BreakerScope.INSTRUMENT: symbols,
        BreakerScope.STRATEGY: [strategy.name for strategy in file.strategies],
    }
    add_breakers(rules, file.breakers, names, instruments, file.run.timer_interval_ns > 0)
    if needs_reconciliation(file):
        add_reconciliation(rules, len(file.breakers))
    return Rules(tuple(rules.rules), tuple(zones))


def instrument_settings(instruments: Sequence[Instrument]) -> list[Rule]:
    """What instruments have always told of themselves, also where it is 0."""
    return [
        Rule(setting, value, account=instrument.account, instrument=instrument.number)
        for instrument in instruments
        for setting, value in (
            (Setting.ORDER_QUANTITY_LOTS, instrument.order_quantity_lots),
            (Setting.SHORT_ALLOWED, int(instrument.short_allowed)),
        )
    ]


def check_votes(strategies: Sequence[StrategySection], instruments: Sequence[Instrument]) -> None:
    """Refuse an instrument on which no strategy may vote: its weights sum to nothing. Raises `Problem`."""
    for instrument in instruments if strategies else ():
        silent = [_silenced(number, strategy, instrument) for number, strategy in enumerate(strategies)]
        if all(silent):
            raise Problem(silent[-1], f"expected a strategy that is enabled on {instrument.symbol}: weights sum to 0")


def _silenced(number: int, strategy: StrategySection, instrument: Instrument) -> Location:
    """Where it says that a strategy has no vote on an instrument; empty where it has one."""
    if strategy.enabled is False:
        return "strategies", number, "enabled"
    pair = strategy.instruments.get(instrument.symbol)
    return ("strategies", number, "instruments", instrument.symbol, "enabled") if pair and pair.disabled else ()


def _add_strategy(
    rules: RuleList, number: int, section: StrategySection, accounts: Sequence[Account], symbols: Sequence[str]
) -> None:
    at: Location = ("strategies", number)
    if section.loss_max is not None:
        check_one_money(accounts, (*at, "loss_max"))
    if (section.executions_max is None) != (section.executions_window_ns is None):
        missing = "executions_max" if section.executions_max is None else "executions_window"
        raise Problem((*at, missing), "expected executions_max and executions_window together")
    if section.executions_max is not None and section.executions_max > RING_TIMES:
        raise Problem((*at, "executions_max"), f"expected at most {RING_TIMES}, found {section.executions_max}")
    scope = Scope(strategy=number, money_decimals=accounts[0].money_decimals)
    if section.enabled is not None:
        rules.rules.append(Rule(Setting.STRATEGY_ENABLED, int(section.enabled), strategy=number))
    rules.take(STRATEGY, [Layer(section, at)], scope)
    for symbol, pair in section.instruments.items():
        if symbol not in symbols:
            raise Problem((*at, "instruments", symbol), f"unknown symbol{nearest(symbol, symbols)}")
        scope = Scope(instrument=symbols.index(symbol), strategy=number)
        rules.take(PAIR, [Layer(pair, (*at, "instruments", symbol))], scope)
