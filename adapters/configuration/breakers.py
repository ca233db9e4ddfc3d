"""Circuit breakers: from their sections to the words of their rows."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapters.configuration.rule_sections import BreakerSection
from adapters.configuration.rules import RuleList, Scope
from adapters.configuration.sections import File
from adapters.configuration.terms import Instrument, Location, Problem, whole
from adapters.configuration.values import PPM, nearest, parse_decimal, parse_duration, parse_fraction, shown
from engine.kinds import BreakerAction, Condition, RearmRule
from engine.kinds import Scope as BreakerScope
from engine.rules import BREAKER, RING_TIMES

_ACCOUNT, _INSTRUMENT, _STRATEGY = BreakerScope.ACCOUNT, BreakerScope.INSTRUMENT, BreakerScope.STRATEGY

# What a condition can watch beside everything.
SCOPES: Mapping[Condition, tuple[BreakerScope, ...]] = {
    Condition.ACCOUNT_DRAWDOWN: (_ACCOUNT,),
    Condition.POSITION_LOSS: (_ACCOUNT, _INSTRUMENT),
    Condition.DAILY_LOSS: (_ACCOUNT, _STRATEGY),
    Condition.WEEKLY_LOSS: (_ACCOUNT, _STRATEGY),
    Condition.LOSING_STREAK: (_ACCOUNT, _INSTRUMENT, _STRATEGY),
    Condition.VOLATILITY: (_INSTRUMENT,),
    Condition.PRICE_JUMP: (_INSTRUMENT,),
    Condition.SPREAD: (_INSTRUMENT,),
    Condition.STALE_DATA: (_INSTRUMENT,),
    Condition.EXPOSURE: (_ACCOUNT,),
    Condition.MARGIN_RATIO: (_ACCOUNT,),
    Condition.REJECTS: (_ACCOUNT, _STRATEGY),
    Condition.REQUEST_FAILURES: (_ACCOUNT,),
    Condition.FILL_SLIPPAGE: (_ACCOUNT, _INSTRUMENT, _STRATEGY),
    Condition.CLOCK_SKEW: (),
    Condition.RECONCILIATION: (_ACCOUNT, _INSTRUMENT),
}
_COUNTED_IN_WINDOW = (Condition.REJECTS, Condition.REQUEST_FAILURES)
_WINDOWED = (Condition.PRICE_JUMP, *_COUNTED_IN_WINDOW)
_TIMES = (Condition.STALE_DATA, Condition.CLOCK_SKEW)
# These cannot be more than all there was.
_AT_MOST_ALL = (Condition.ACCOUNT_DRAWDOWN, Condition.DAILY_LOSS, Condition.WEEKLY_LOSS)

# What the breaker is called that live trading has anyway.
RECONCILIATION_NAME = "differs-from-exchange"

Names = Mapping[BreakerScope, Sequence[str]]


def add_breakers(
    rules: RuleList,
    breakers: Sequence[BreakerSection],
    names: Names,
    instruments: Sequence[Instrument],
    has_timer: bool,
) -> None:
    """All words of every breaker's row, whether it is enabled last; `names` are those of each scope by number."""
    used: set[str] = set()
    for row, section in enumerate(breakers):
        at: Location = ("breakers", row)
        if section.name in used:
            raise Problem((*at, "name"), f"expected a name of its own, {section.name!r} is used twice")
        used.add(section.name)
        condition = Condition(section.condition)
        scope, number = _scope(section, condition, names, at)
        _check_times(section, condition, has_timer, at)
        watched = [
            instrument
            for instrument in instruments
            if (scope != _ACCOUNT or instrument.account == number)
            and (scope != _INSTRUMENT or instrument.number == number)
        ]
        words = {
            "condition": condition,
            "scope": scope,
            "scope_id": number,
            "actions": section.actions,
            "limit": _limit(section.limit, condition, watched, (*at, "limit")),
            "window_ns": section.window_ns or 0,
            "rearm_rule": section.rearm_rule,
            "cooldown_ns": section.cooldown_ns or 0,
            "enabled": int(section.enabled),
        }
        for name in BREAKER.bounds:
            rules.tell(BREAKER, name, words[name], Scope(), row)


def needs_reconciliation(file: File) -> bool:
    """Whether a breaker has to be added that notices where the exchange holds something else than the engine."""
    return file.live is not None and all(section.condition != Condition.RECONCILIATION for section in file.breakers)


def add_reconciliation(rules: RuleList, row: int) -> None:
    """A difference of one lot blocks entries, and alerts, until a report agrees again."""
    words = {
        "condition": Condition.RECONCILIATION,
        "scope": BreakerScope.EVERYTHING,
        "actions": BreakerAction.ALERT | BreakerAction.BLOCK_ENTRIES,
        "limit": 1,
        "rearm_rule": RearmRule.CLEAR,
        "enabled": 1,
    }
    for name in BREAKER.bounds:
        rules.tell(BREAKER, name, int(words.get(name, 0)), Scope(), row)


def _scope(section: BreakerSection, condition: Condition, names: Names, at: Location) -> tuple[BreakerScope, int]:
    given = [scope for scope in (_ACCOUNT, _INSTRUMENT, _STRATEGY) if getattr(section, scope.name.lower()) is not None]
    if not given:
        return BreakerScope.EVERYTHING, 0
    key = given[-1].name.lower()
    if len(given) > 1:
        raise Problem((*at, key), "expected at most one of account, instrument, strategy")
    if given[0] not in SCOPES[condition]:
        possible = ", ".join(["everything", *(scope.name.lower() for scope in SCOPES[condition])])
        raise Problem((*at, key), f"{condition.name.lower()} cannot watch it, expected one of {possible}")
    name = getattr(section, key)
    if name not in names[given[0]]:
        raise Problem((*at, key), f"unknown {key} {name!r}{nearest(name, names[given[0]])}")
    return given[0], names[given[0]].index(name)


def _check_times(section: BreakerSection, condition: Condition, has_timer: bool, at: Location) -> None:
    name = condition.name.lower()
    if condition in _WINDOWED and section.window_ns is None:
        raise Problem((*at, "window"), f"expected the time that {name} looks back, found none")
    if condition not in _WINDOWED and section.window_ns is not None:
        raise Problem((*at, "window"), f"expected none: {name} has no window")
    if condition == Condition.STALE_DATA and not has_timer:
        raise Problem((*at, "condition"), "expected run.timer_interval with it: only a timer notices stale data")
    if section.rearm_rule == RearmRule.COOLDOWN and section.cooldown_ns is None:
        raise Problem((*at, "cooldown"), 'expected a duration for rearm = "cooldown", found none')
    if section.rearm_rule == RearmRule.OPERATOR and section.cooldown_ns is not None:
        raise Problem((*at, "cooldown"), 'expected rearm = "cooldown", "clear" or "next_day" with it')


def _limit(value: Any, condition: Condition, watched: Sequence[Instrument], at: Location) -> int:
    """A breaker's limit in the unit of its condition, above 0."""
    try:
        if condition in _TIMES:
            limit = parse_duration(value)
        elif condition in (Condition.LOSING_STREAK, *_COUNTED_IN_WINDOW):
            limit = _count(value)
        elif condition == Condition.RECONCILIATION:
            limit = _lots(parse_decimal(value), watched, at)
        else:
            limit = parse_fraction(value)
    except ValueError as error:
        raise Problem(at, str(error)) from None
    if limit <= 0:
        raise Problem(at, f"expected a limit above 0, found {value}")
    if condition in _COUNTED_IN_WINDOW and limit > RING_TIMES:
        raise Problem(at, f"expected at most {RING_TIMES} in a window, found {value}")
    if condition in _AT_MOST_ALL and limit > PPM:
        raise Problem(at, f"expected a fraction of at most 1, found {value}")
    if limit > BREAKER.bounds["limit"][1]:
        raise Problem(at, f"expected a smaller limit, found {value}")
    return limit


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, found {shown(value)}")
    return value


def _lots(quantity: Decimal, watched: Sequence[Instrument], at: Location) -> int:
    sizes = {instrument.lot_size for instrument in watched}
    if len(sizes) > 1:
        raise Problem(at, "expected a breaker for each instrument: their lots are not the same quantity")
    return whole(quantity, sizes.pop() if sizes else Decimal(1), at, "lots")
