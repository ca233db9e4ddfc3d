"""What the engine refused in a run, in words: by which rule, at which limit, at which figure."""

from collections.abc import Callable
from typing import Any

import numpy as np

from adapters.report.amounts import duration_text, money_text, quantity_text, shown_amount, time_text
from engine.kinds import SizeLimit
from engine.reasons import Reason
from engine.records import REFUSAL
from replay.incidents import figure_text
from replay.names import Names
from replay.sampling import Observation

Json = dict[str, Any]

_LOTS = (
    *(Reason.QUANTITY_BELOW_MINIMUM, Reason.QUANTITY_ABOVE_MAXIMUM, Reason.ALREADY_AT_TARGET),
    *(Reason.ORDER_QUANTITY_MAX, Reason.POSITION_QUANTITY_MAX, Reason.REDUCE_ONLY_WOULD_INCREASE),
)
_PRICES = (Reason.STOP_INVALID, Reason.TARGET_INVALID, Reason.SELF_CROSS)
_MILLIONTHS = (Reason.CONFIDENCE_BELOW_MINIMUM, Reason.STRENGTH_BELOW_MINIMUM, Reason.PRICE_OUTSIDE_COLLAR)
_TIMES = (Reason.REFERENCE_STALE, Reason.COOLDOWN, Reason.LOSS_COOLDOWN, Reason.DUPLICATE_INTENT)
_COUNTS = (
    *(Reason.OPEN_ORDERS_MAX, Reason.OPEN_POSITIONS_MAX, Reason.ENTRIES_PER_DAY_MAX),
    *(Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX, Reason.ENTRIES_MAX, Reason.NO_VOLATILITY, Reason.KELLY_TRADES_TOO_FEW),
    *(Reason.EXECUTIONS_THROTTLED, Reason.ORDER_TABLE_FULL, Reason.BRACKET_TABLE_FULL),
)
MONEY = (
    *(Reason.NOTIONAL_BELOW_MINIMUM, Reason.WITHIN_BAND, Reason.TRADE_BELOW_MINIMUM, Reason.ORDER_NOTIONAL_MAX),
    *(Reason.POSITION_WEIGHT_MAX, Reason.ACCOUNT_GROSS_MAX, Reason.ACCOUNT_NET_MAX, Reason.ACCOUNT_LONG_MAX),
    *(Reason.ACCOUNT_SHORT_MAX, Reason.ACCOUNT_LEVERAGE_MAX, Reason.TOTAL_GROSS_MAX, Reason.TOTAL_NET_MAX),
    *(Reason.TOTAL_LONG_MAX, Reason.TOTAL_SHORT_MAX, Reason.TOTAL_LEVERAGE_MAX, Reason.FUNDS_INSUFFICIENT),
    *(Reason.DAILY_LOSS_MAX, Reason.DRAWDOWN_MAX, Reason.STRATEGY_LOSS_MAX),
)
_NAMES = {reason.value: reason.name.lower() for reason in Reason}


def refused_of(observation: Observation, names: Names) -> list[Json]:
    """The first refusals of a tape, in their order; `limit` and `observed` are the numbers that are on it."""
    found = []
    for row in observation.refused:
        refusal = np.frombuffer(row["decision"].tobytes(), dtype=REFUSAL)[0]
        reason = int(refusal["reason"])
        found.append(
            {
                "ts_ns": int(row["ts_ns"]),
                "time": time_text(int(row["ts_ns"])),
                "seq": int(refusal["seq"]),
                "symbol": names.instrument(int(refusal["instrument"])).symbol,
                "strategy": names.strategy(int(refusal["strategy"])),
                "reason": _NAMES.get(reason, f"reason_{reason}"),
                "limit": int(refusal["limit"]),
                "observed": int(refusal["observed"]),
                "text": refusal_text(refusal, names),
            }
        )
    return found


def refusal_text(refusal: Any, names: Names) -> str:
    """A refusal (a row of REFUSAL): whose, by which rule, at which limit and figure, these in the rule's unit."""
    number, reason = int(refusal["instrument"]), int(refusal["reason"])
    limit, observed = int(refusal["limit"]), int(refusal["observed"])
    words = _NAMES.get(reason, f"reason {reason}").replace("_", " ")
    what = f"{names.strategy(int(refusal['strategy']))} at {names.instrument(number).symbol}: {words}"
    if reason == Reason.BREAKER_TRIPPED:
        figure = figure_text(names.conditions.get(limit, 0), observed, names, number)
        return f"{what}, {names.breaker(limit)} at {figure}"
    if reason == Reason.SIZE_ZERO:
        why = SizeLimit(limit).name.lower().replace("_", " ")
        return f"{what}, {_lots(observed, names, number)} wanted, limit {why}"
    shown = shown_by(reason, number, names)
    return what if shown is None else f"{what}, limit {shown(limit)}, seen {shown(observed)}"


def shown_by(reason: int, number: int, names: Names) -> Callable[[int], str] | None:
    """How the two figures of a reason are shown at an instrument; None where they are no figures to compare."""
    if reason in MONEY:
        return lambda units: _money(units, number, names)
    if reason in _LOTS:
        return lambda lots: _lots(lots, names, number)
    if reason in _PRICES:
        return lambda ticks: quantity_text(ticks, names.instrument(number).tick_size)
    if reason in _MILLIONTHS:
        return lambda ppm: f"{ppm / 10_000:.2f} %"
    if reason in _TIMES:
        return duration_text
    return (lambda count: f"{count:,}") if reason in _COUNTS else None


def _money(units: int, number: int, names: Names) -> str:
    if number not in names.instruments:
        return f"{units:,} units"
    account = names.account(names.instruments[number].account)
    return f"{shown_amount(money_text(units, account.money_decimals))} {account.currency}"


def _lots(lots: int, names: Names, number: int) -> str:
    return quantity_text(lots, names.instrument(number).lot_size)
