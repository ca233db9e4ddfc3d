"""What was compared on the way to an order or a refusal, in words: the rule, its limit and the figure, exact."""

from decimal import Decimal
from typing import Any

from adapters.report.amounts import duration_text, money_text, quantity_text, time_text
from engine.decisions import Stage
from engine.kinds import RiskLevel, SizeLimit, SizingMethod, TradingState
from engine.reasons import Reason
from replay.incidents import figure_text
from replay.names import Names
from replay.refusals import MONEY, shown_by

Json = dict[str, Any]

_RATES = (Reason.ORDER_RATE_MAX, Reason.CANCEL_RATE_MAX)
# The checks of docs/risk/checks.md, in their order.
CHECKS = (
    *(Reason.TRADING_HALTED, Reason.TRADING_REDUCE_ONLY, Reason.INSTRUMENT_NOT_ALLOWED, Reason.BREAKER_TRIPPED),
    *(Reason.TRANSPORT_OPEN, Reason.OUTSIDE_WINDOW, Reason.REFERENCE_STALE, Reason.PRICE_OUTSIDE_COLLAR),
    *(Reason.COOLDOWN, Reason.LOSS_COOLDOWN, Reason.DUPLICATE_INTENT, Reason.SELF_CROSS, Reason.ORDER_QUANTITY_MAX),
    *(Reason.ORDER_NOTIONAL_MAX, Reason.POSITION_QUANTITY_MAX, Reason.POSITION_WEIGHT_MAX, Reason.ACCOUNT_GROSS_MAX),
    *(Reason.ACCOUNT_NET_MAX, Reason.ACCOUNT_LONG_MAX, Reason.ACCOUNT_SHORT_MAX, Reason.ACCOUNT_LEVERAGE_MAX),
    *(Reason.TOTAL_GROSS_MAX, Reason.TOTAL_NET_MAX, Reason.TOTAL_LONG_MAX, Reason.TOTAL_SHORT_MAX),
    *(Reason.TOTAL_LEVERAGE_MAX, Reason.FUNDS_INSUFFICIENT, Reason.OPEN_ORDERS_MAX, Reason.OPEN_POSITIONS_MAX),
    *(Reason.ENTRIES_PER_DAY_MAX, Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX, Reason.DAILY_LOSS_MAX, Reason.DRAWDOWN_MAX),
    *(Reason.STRATEGY_LOSS_MAX, Reason.RISK_STOPPED, Reason.ORDER_RATE_MAX, Reason.CANCEL_RATE_MAX),
)


class Amounts:
    """Exact amounts of one instrument, for people: thousands apart, with the account's currency."""

    def __init__(self, names: Names, number: int) -> None:
        self.names, self.number = names, number
        self.symbol = names.instrument(number).symbol
        self._tick, self._lot = names.instrument(number).tick_size, names.instrument(number).lot_size
        self._account = names.account(names.instrument(number).account)

    def price(self, ticks: int) -> str:
        return _grouped(quantity_text(ticks, self._tick))

    def lots(self, lots: int) -> str:
        return _grouped(quantity_text(lots, self._lot))

    def exact_lots(self, lots: int) -> str:
        """Without thousands, for programs."""
        return quantity_text(lots, self._lot)

    def money(self, units: int) -> str:
        text = _grouped(money_text(units, self._account.money_decimals))
        return f"{text} {self._account.currency}".rstrip()

    def exact_money(self, units: int) -> str:
        """Without thousands and currency, for programs."""
        return money_text(units, self._account.money_decimals)


def compared(row: Any, names: Names, number: int) -> Json:
    """A row of `engine.decisions.COMPARED` that passed."""
    stage = Stage(int(row["stage"]))
    what, limit, observed = (int(row[name]) for name in ("what", "limit", "observed"))
    amounts = Amounts(names, number)
    if stage == Stage.METHOD:
        rule, text = SizingMethod(what).name.lower(), _method(what, limit, observed, amounts)
    elif stage == Stage.CUT:
        rule, text = SizeLimit(what).name.lower() if what else "risk_level", _cut(what, limit, observed, amounts)
    else:
        rule, text = Reason(what).name.lower(), check_text(what, limit, observed, amounts)
    return {
        "stage": stage.name.lower(),
        "rule": rule,
        "limit": limit,
        "observed": observed,
        "passed": stage != Stage.CUT or limit >= observed,
        "text": text,
    }


def refused(refusal: Any, names: Names, number: int) -> Json:
    """What failed: the rule and the figures of a refusal (a row of REFUSAL)."""
    reason, limit, observed = (int(refusal[name]) for name in ("reason", "limit", "observed"))
    known = reason in Reason.__members__.values()
    amounts = Amounts(names, number)
    return {
        "stage": "check" if reason in CHECKS else "refusal",
        "rule": Reason(reason).name.lower() if known else f"reason_{reason}",
        "limit": limit,
        "observed": observed,
        "passed": False,
        "text": check_text(reason, limit, observed, amounts, failed=True),
    }


def check_text(reason: int, limit: int, observed: int, amounts: Amounts, failed: bool = False) -> str:
    """A rule with its limit and figure, in its unit."""
    words = Reason(reason).name.lower().replace("_", " ") if reason in Reason.__members__.values() else f"{reason}"
    plain = _plain(reason, limit, observed, amounts, failed)
    if plain is not None:
        return f"{words}: {plain}"
    shown = amounts.money if reason in MONEY else shown_by(reason, amounts.number, amounts.names)
    return words if shown is None else f"{words}: limit {shown(limit)}, seen {shown(observed)}"


def _plain(reason: int, limit: int, observed: int, amounts: Amounts, failed: bool) -> str | None:
    """What is no limit and figure of one unit."""
    if reason in (Reason.TRADING_HALTED, Reason.TRADING_REDUCE_ONLY):
        return f"trading is {TradingState(observed).name.lower().replace('_', ' ')}"
    if reason == Reason.INSTRUMENT_NOT_ALLOWED:
        return f"{amounts.symbol} is {'not ' if failed else ''}allowed"
    if reason == Reason.BREAKER_TRIPPED:
        return _breaker(limit, observed, amounts)
    if reason == Reason.TRANSPORT_OPEN:
        return f"closed to entries until {time_text(limit)}" if failed else "the connection takes entries"
    if reason == Reason.OUTSIDE_WINDOW:
        return f"local time {duration_text(observed) if observed else '0s'} of the day"
    if reason == Reason.RISK_STOPPED:
        return f"risk level {RiskLevel(observed).name.lower()}"
    if reason == Reason.STRATEGY_DISABLED:
        return "the strategy is off" if failed else "the strategy is on"
    if reason in _RATES:
        return f"limit {limit:,}, {f'the next in {duration_text(observed)}' if observed else 'one is free'}"
    if reason == Reason.SELF_CROSS and not failed:
        return f"no own order is met at {amounts.price(observed)}"
    if reason == Reason.SIZE_ZERO:
        return f"{amounts.lots(observed)} wanted, {_size_limit(limit)} leaves nothing"
    return None


def _breaker(number: int, observed: int, amounts: Amounts) -> str:
    names = amounts.names
    if number < 0:
        return "no breaker is in the way"
    figure = figure_text(names.conditions.get(number, 0), observed, names, amounts.number)
    return f"{names.breaker(number)} at {figure}"


def _method(method: int, amount_units: int, ticks: int, amounts: Amounts) -> str:
    spent, each = amounts.money(amount_units), amounts.price(ticks)
    if method == SizingMethod.RISK_BASED:
        return f"risk based: {spent} at risk, the stop {each} away"
    return f"{SizingMethod(method).name.lower().replace('_', ' ')}: worth {spent}, at {each}"


def _size_limit(size_limit: int) -> str:
    return SizeLimit(size_limit).name.lower().replace("_", " ") if size_limit else "the risk level"


def _cut(size_limit: int, left: int, before: int, amounts: Amounts) -> str:
    words = _size_limit(size_limit)
    if left < before:
        return f"{words} leaves {amounts.lots(left)} of {amounts.lots(before)}"
    most = "all" if left > before * 1_000_000 or not size_limit else f"up to {amounts.lots(left)}"
    return f"{words} allows {most} of {amounts.lots(before)}"


def _grouped(text: str) -> str:
    return f"{Decimal(text):,f}"
