"""How an instrument enters and protects a position: signals, sizing and brackets, from their sections to rules."""

from decimal import Decimal

from adapters.configuration.rule_sections import BracketSection, SignalsSection, SizingSection
from adapters.configuration.rules import Layer, RuleList, Scope
from adapters.configuration.sections import File, InstrumentSection
from adapters.configuration.terms import Instrument, Location, Problem
from adapters.configuration.values import PPM
from engine.kinds import AccountKind, Distance, SignalMode, SizingMethod
from engine.rules import INSTRUMENT, TARGET

# The keys of each sizing method: those it needs, and those it can have.
_SIZING_KEYS: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
    SizingMethod.FIXED_QUANTITY: ((), ()),
    SizingMethod.FIXED_AMOUNT: (("amount",), ()),
    SizingMethod.FIXED_FRACTION: ((), ("fraction",)),
    SizingMethod.RISK_BASED: (("risk",), ()),
    SizingMethod.VOLATILITY_BASED: (("volatility_target",), ()),
    SizingMethod.KELLY: ((), ("kelly_fraction", "win_rate", "payoff", "trades_min")),
}


def add_entries(
    rules: RuleList, file: File, section: InstrumentSection, instrument: Instrument, kind: AccountKind, scope: Scope
) -> None:
    """The rules of an instrument's signals, sizes and bracket: its own tables, else those of the whole file."""
    signals = _own_or_default(file, section, "signals", scope)
    sizing = _own_or_default(file, section, "sizing", scope)
    bracket = _own_or_default(file, section, "bracket", scope)
    is_cash = kind == AccountKind.CASH
    if isinstance(signals.section, SignalsSection):
        _check_signals(signals.section, signals.at, is_cash)
    if isinstance(sizing.section, SizingSection):
        stop = bracket.section.stop if isinstance(bracket.section, BracketSection) else None
        _check_sizing(sizing.section, sizing.at, instrument, is_cash, stop is not None)
    rules.take(INSTRUMENT, [signals, sizing, bracket], scope)
    if isinstance(bracket.section, BracketSection):
        _add_bracket(rules, bracket.section, bracket.at, scope)


def _own_or_default(file: File, section: InstrumentSection, name: str, scope: Scope) -> Layer:
    own = getattr(section, name)
    if own is not None:
        return Layer(own, ("instruments", scope.instrument, name))
    return Layer(getattr(file, name), (name,))


def _given(section: SizingSection | SignalsSection) -> list[str]:
    """The keys of a section that have a value."""
    fields = type(section).model_fields
    return [field.alias or name for name, field in fields.items() if getattr(section, name) is not None]


def _check_signals(signals: SignalsSection, at: Location, is_cash: bool) -> None:
    given = _given(signals)
    if signals.signal_mode == SignalMode.TARGETS:
        if "target_weight" not in given:
            raise Problem((*at, "target_weight"), 'expected a share of the equity for mode = "targets", found none')
        if "entries_max" in given:
            raise Problem((*at, "entries_max"), 'expected mode = "entries" with it, found "targets"')
    else:
        for key in ("target_weight", "band", "trade_min"):
            if key in given:
                raise Problem((*at, key), 'expected mode = "targets" with it, found "entries"')
    if is_cash and (signals.target_weight_ppm or 0) > PPM:
        raise Problem((*at, "target_weight"), "expected at most 1 on a cash account")


def _check_sizing(sizing: SizingSection, at: Location, instrument: Instrument, is_cash: bool, has_stop: bool) -> None:
    method = SizingMethod(sizing.sizing_method)
    needed, possible = _SIZING_KEYS[method]
    given = [key for key in _given(sizing) if key != "method"]
    name = method.name.lower()
    for key in needed:
        if key not in given:
            raise Problem((*at, key), f'expected a value for method = "{name}", found none')
    for key in given:
        if key not in needed + possible:
            owner = next(other for other, keys in _SIZING_KEYS.items() if key in keys[0] + keys[1])
            raise Problem((*at, key), f'expected method = "{SizingMethod(owner).name.lower()}" with it, found "{name}"')
    if ("win_rate" in given) != ("payoff" in given):
        missing = "payoff" if "win_rate" in given else "win_rate"
        raise Problem((*at, missing), "expected win_rate and payoff together, or neither for the strategy's own trades")
    if "win_rate" in given and "trades_min" in given:
        raise Problem((*at, "trades_min"), "expected it only without win_rate, for the strategy's own trades")
    if sizing.kelly_win_ppm and sizing.kelly_payoff_ppm:
        _check_kelly(sizing.kelly_win_ppm, sizing.kelly_payoff_ppm, at)
    if method == SizingMethod.FIXED_QUANTITY and instrument.order_quantity_lots == 0:
        raise Problem((*at, "method"), f"expected an order_quantity of {instrument.symbol}, found none")
    if method == SizingMethod.RISK_BASED and not has_stop:
        raise Problem((*at, "method"), f'expected a bracket of {instrument.symbol} with a stop, or stop = "signal"')
    if is_cash and (sizing.fraction_ppm or 0) > PPM:
        raise Problem((*at, "fraction"), "expected at most 1 on a cash account")


def _check_kelly(win_ppm: int, payoff_ppm: int, at: Location) -> None:
    """Refuse figures by which nothing is ever bet: the engine would refuse every entry."""
    if win_ppm - (PPM - win_ppm) * PPM // payoff_ppm <= 0:
        least = Decimal(PPM - win_ppm) / win_ppm
        raise Problem(
            (*at, "payoff"),
            f"expected more than {least:.6g}, which wins nothing at that win_rate; found {_of(payoff_ppm)}",
        )


def _of(ppm: int) -> str:
    return f"{Decimal(ppm) / PPM:f}"


def _add_bracket(rules: RuleList, bracket: BracketSection, at: Location, scope: Scope) -> None:
    _check_bracket(bracket, at)
    rules.add(INSTRUMENT, "bracketed", 1, at, scope)
    for key, name, measure in (("stop", "stop", bracket.stop), ("trailing", "trail", bracket.trail)):
        if measure is not None:
            rules.add(INSTRUMENT, f"{name}_distance", measure.kind, (*at, key), scope)
            rules.add(INSTRUMENT, f"{name}_value", measure.value, (*at, key), scope)
    for row, target in enumerate(bracket.targets):
        place = (*at, "targets", row)
        rules.add(TARGET, "target_distance", target.at.kind, (*place, "at"), scope, row)
        rules.add(TARGET, "target_value", target.at.value, (*place, "at"), scope, row)
        rules.add(TARGET, "target_share_ppm", target.share_ppm, (*place, "share"), scope, row)


def _check_bracket(bracket: BracketSection, at: Location) -> None:
    if bracket.stop is None and not bracket.stop_optional:
        raise Problem((*at, "stop"), 'expected a stop, stop = "signal" or stop_required = false; found none')
    if not (bracket.stop or bracket.targets or bracket.trail or bracket.time_limit_ns):
        raise Problem(at, "expected at least one of stop, targets, trailing, time_limit; found none")
    for key, value, needs, needed in (
        ("trailing_activation", bracket.trail_activation_ppm, "trailing", bracket.trail),
        ("trailing_step", bracket.trail_step_ticks, "trailing", bracket.trail),
        ("break_even_offset", bracket.break_even_offset_ticks, "break_even", bracket.break_even_ppm),
    ):
        if value is not None and needed is None:
            raise Problem((*at, key), f"expected {needs} with it, found none")
    trail, step_ticks = bracket.trail, bracket.trail_step_ticks
    if trail and trail.kind == Distance.TICKS and (step_ticks or 0) > trail.value:
        raise Problem(
            (*at, "trailing_step"), f"expected at most the distance of trailing, {trail.value}; found {step_ticks}"
        )
    shares = 0
    for row, target in enumerate(bracket.targets):
        shares += target.share_ppm
        if shares > PPM:
            raise Problem(
                (*at, "targets", row, "share"), f"expected shares of at most 1 together, found {shares / PPM:g}"
            )
