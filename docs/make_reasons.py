"""Writes docs/reasons.md, the table of all reason codes, from engine/reasons.py: `python -m docs.make_reasons`."""

import re
from pathlib import Path

from engine import reasons
from engine.reasons import RETIRED, Reason

PAGE = Path(__file__).with_name("reasons.md")

_HEAD = """\
# Reason codes

Why something was refused, rejected or stopped. A code never changes its meaning: tapes outlive programs.
A refusal also carries the limit that was applied and the figure that was seen. This page is made from
`engine/reasons.py` by `python -m docs.make_reasons`; a test keeps it up to date.
"""

# What a reader can do with the code, in one sentence each.
MEANINGS = {
    Reason.NONE: "No reason: nothing was refused.",
    Reason.EVENT_KIND_UNKNOWN: "The engine does not know this kind of event.",
    Reason.TIME_WENT_BACK: "The event is older than the last one that was applied.",
    Reason.INSTRUMENT_UNKNOWN: "No instrument of this number is defined.",
    Reason.ACCOUNT_UNKNOWN: "No account of this number is defined.",
    Reason.STRATEGY_UNKNOWN: "No strategy of this number is defined; seen: the number.",
    Reason.SETTING_UNKNOWN: "There is no such setting.",
    Reason.PRICE_INVALID: "A price is zero, negative or crossed, or the prices of a bar make no sense together.",
    Reason.QUANTITY_INVALID: "A quantity is negative, zero where it must not be, or beyond what fits.",
    Reason.VALUE_INVALID: "A value of a definition, setting or funding is outside what it may be.",
    Reason.DEFINITION_CONFLICT: "It is defined already, and what is held of it must not change its worth.",
    Reason.ORDER_TABLE_FULL: "As many orders are open as the state can hold; limit: that many, seen: the open ones.",
    Reason.INSTRUMENT_TABLE_FULL: "The instrument's number is beyond what the state can hold.",
    Reason.ACCOUNT_TABLE_FULL: "The account's number is beyond what the state can hold.",
    Reason.STRATEGY_TABLE_FULL: "The strategy's number is beyond what the state can hold.",
    Reason.MONEY_OVERFLOW: "An amount would not fit (2^60 units or lots); as a fault it stops the engine.",
    Reason.BRACKET_TABLE_FULL: "As many brackets are open as the state can hold.",
    Reason.BREAKER_TABLE_FULL: "As many breakers are defined as the state can hold.",
    Reason.TRADING_HALTED: "Trading is halted, by an operator, a setting or a fault.",
    Reason.TRADING_REDUCE_ONLY: "Nothing is opened or enlarged; what closes is still ordered.",
    Reason.STRATEGY_DISABLED: "The strategy is disabled, at all or on the instrument.",
    Reason.ORDER_QUANTITY_UNSET: "Neither the signal nor the instrument's setting gives a size.",
    Reason.NO_REFERENCE_PRICE: "There has been no price yet to measure it by.",
    Reason.QUANTITY_BELOW_MINIMUM: "The order is smaller than the instrument's minimum; limit: that, seen: its lots.",
    Reason.QUANTITY_ABOVE_MAXIMUM: "The order is larger than the instrument's maximum; limit: that, seen: its lots.",
    Reason.NOTIONAL_BELOW_MINIMUM: "The order is worth less than the instrument's minimum; limit: that, seen: this.",
    Reason.ALREADY_AT_TARGET: "What is held and on its way is what is asked for; limit: the target, seen: the sum.",
    Reason.ACTION_UNKNOWN: "There is no such action of a signal or an operator.",
    Reason.CONFIDENCE_BELOW_MINIMUM: "The signal is less sure than its strategy must be; limit: that, seen: this.",
    Reason.STRENGTH_BELOW_MINIMUM: "All strategies together are too weak to act upon; limit: the minimum, seen: this.",
    Reason.STOP_MISSING: "The entry would have no stop, and must have one or is sized by its distance.",
    Reason.STOP_INVALID: "The signal's stop is not on the losing side of the price; limit: the price, seen: the stop.",
    Reason.TARGET_INVALID: "The signal's target is not on the winning side of the price; limit: that, seen: this.",
    Reason.NO_VOLATILITY: "No estimate of the volatility or range yet; limit: the samples needed, seen: these.",
    Reason.KELLY_NOT_POSITIVE: "By its wins and losses the strategy should bet nothing; seen: the fraction in ppm.",
    Reason.KELLY_TRADES_TOO_FEW: "The strategy has closed too few trades to size by; limit: the least, seen: these.",
    Reason.SIZE_ZERO: "Nothing is left of the size; limit: the SizeLimit that bound it (0: none), seen: the wanted.",
    Reason.EQUITY_NOT_POSITIVE: "The size depends on the equity, and there is none; seen: the equity.",
    Reason.WITHIN_BAND: "The position is near enough to its target; limit: the least worth of a trade, seen: this.",
    Reason.TRADE_BELOW_MINIMUM: "The trade towards the target is too small; limit: the least worth, seen: its worth.",
    Reason.ENTRIES_MAX: "As many entries are open on that side of the instrument as allowed; limit: that, seen: those.",
    Reason.SIZING_VALUE_UNSET: "The sizing method or the target needs a value that is not set; seen: the method.",
    Reason.EXCHANGE_PRICE_OFF_TICK: "The price is not on the exchange's tick.",
    Reason.EXCHANGE_QUANTITY_OFF_LOT: "The quantity is not a multiple of the exchange's step.",
    Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM: "The quantity is below the exchange's minimum.",
    Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM: "The quantity is above the exchange's maximum.",
    Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM: "The order is worth less than the exchange's minimum.",
    Reason.EXCHANGE_BALANCE_INSUFFICIENT: "The account has not enough cash, or not enough of what it sells.",
    Reason.EXCHANGE_MARGIN_INSUFFICIENT: "The account has not enough margin.",
    Reason.EXCHANGE_POST_ONLY_WOULD_TAKE: "A post-only order would trade at once.",
    Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE: "A reduce-only order would open or enlarge a position.",
    Reason.EXCHANGE_FOK_NOT_FILLABLE: "A fill-or-kill order cannot be filled whole.",
    Reason.EXCHANGE_IOC_REMAINDER: "The rest of an immediate-or-cancel order is cancelled.",
    Reason.EXCHANGE_NO_MARKET: "There is no market yet to trade on.",
    Reason.EXCHANGE_ORDER_UNKNOWN: "The exchange does not know the order, or no longer.",
    Reason.EXCHANGE_ORDER_INVALID: "The order's type, prices or flags do not go together.",
    Reason.EXCHANGE_ORDER_TABLE_FULL: "The exchange takes no more orders.",
    Reason.EXCHANGE_TRIGGER_INVALID: "The trigger price or trailing distance cannot be.",
    Reason.EXCHANGE_EXPIRED: "The order's time is over.",
    Reason.EXCHANGE_CANCELED_ON_REQUEST: "It was cancelled as asked.",
    Reason.EXCHANGE_INSTRUMENT_UNKNOWN: "The exchange does not trade this instrument.",
    Reason.EXCHANGE_NOT_ASKED: "A dry run: the command is on the tape and was not sent.",
    Reason.EXCHANGE_OTHER: "Another reason of the exchange's own.",
    Reason.INSTRUMENT_NOT_ALLOWED: "The instrument is not on the allow-list; seen: its number.",
    Reason.REFERENCE_STALE: "The last market event is too old to measure a price by; limit and seen: ages in ns.",
    Reason.PRICE_OUTSIDE_COLLAR: "The limit price is worse than the mark by more than allowed; limit and seen: ppm.",
    Reason.ORDER_QUANTITY_MAX: "The order is larger than the rule allows; limit and seen: lots.",
    Reason.ORDER_NOTIONAL_MAX: "The order is worth more than the rule allows; limit and seen: units.",
    Reason.POSITION_QUANTITY_MAX: "The position would be larger than the rule allows; limit and seen: lots.",
    Reason.POSITION_WEIGHT_MAX: "The position would be a larger part of the equity than allowed; in units.",
    Reason.ACCOUNT_GROSS_MAX: "The account's gross exposure, what is on order with it, would be too large; in units.",
    Reason.ACCOUNT_NET_MAX: "The account's net exposure would be too large; limit and seen: units.",
    Reason.ACCOUNT_LONG_MAX: "The account's long exposure would be too large; limit and seen: units.",
    Reason.ACCOUNT_SHORT_MAX: "The account's short exposure would be too large; limit and seen: units.",
    Reason.ACCOUNT_LEVERAGE_MAX: "The account's gross exposure would be too large a multiple of its equity; in units.",
    Reason.TOTAL_GROSS_MAX: "The gross exposure of all accounts would be too large; limit and seen: units.",
    Reason.TOTAL_NET_MAX: "The net exposure of all accounts would be too large; limit and seen: units.",
    Reason.TOTAL_LONG_MAX: "The long exposure of all accounts would be too large; limit and seen: units.",
    Reason.TOTAL_SHORT_MAX: "The short exposure of all accounts would be too large; limit and seen: units.",
    Reason.TOTAL_LEVERAGE_MAX: "The gross exposure of all accounts would be too large for their equity; in units.",
    Reason.FUNDS_INSUFFICIENT: "Free cash or margin does not pay for the order; limit: what is free, seen: needed.",
    Reason.OPEN_ORDERS_MAX: "As many orders are open as the rule allows; limit: that many, seen: the open ones.",
    Reason.OPEN_POSITIONS_MAX: "As many positions are held or being entered as the rule allows; seen: how many.",
    Reason.ENTRIES_PER_DAY_MAX: "As many entries were ordered today as the rule allows; seen: how many.",
    Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX: "As many entries of the instrument were ordered today as allowed.",
    Reason.COOLDOWN: "The instrument's last entry is too recent; limit and seen: ns.",
    Reason.LOSS_COOLDOWN: "The instrument's last losing trade is too recent; limit and seen: ns.",
    Reason.OUTSIDE_WINDOW: "No trading window of the instrument is open; seen: local time of day in ns.",
    Reason.DAILY_LOSS_MAX: "The account has lost as much today as the rule allows; limit and seen: units.",
    Reason.DRAWDOWN_MAX: "The account is as far below its peak as the rule allows; limit and seen: units.",
    Reason.STRATEGY_LOSS_MAX: "The strategy has lost as much as the rule allows; limit and seen: units.",
    Reason.ORDER_RATE_MAX: "Orders come too fast; limit: how many in the window, seen: ns until the next may come.",
    Reason.CANCEL_RATE_MAX: "Cancels come too fast; limit: how many in the window, seen: ns until there is room.",
    Reason.DUPLICATE_INTENT: "The same was ordered a moment ago; limit and seen: ns.",
    Reason.SELF_CROSS: "The order would trade with one of our own; limit: that order's limit, seen: this price.",
    Reason.RISK_STOPPED: "The risk level scales all sizes to nothing; seen: the level.",
    Reason.BREAKER_TRIPPED: "A breaker blocks entries; limit: which, from 0, seen: the figure that tripped it.",
    Reason.TRANSPORT_OPEN: "The connection to the exchange fails; limit: until when, seen: the time.",
    Reason.EXECUTIONS_THROTTLED: "The strategy's entries were filled too often; an operator must enable it again.",
    Reason.RISK_BY_DRAWDOWN: "The drawdown moved the risk level; limit and seen: units.",
    Reason.RISK_BY_VOLATILITY: "Fast over slow volatility moved the risk level; limit and seen: ppm.",
    Reason.RISK_BY_LOSING_STREAK: "Losses in a row moved the risk level; limit and seen: trades.",
    Reason.FEE_CURRENCY_UNKNOWN: "A fee in a currency without a rate is not booked; the log has its amount.",
    Reason.QUANTITY_OFF_LOT: "The exchange has a quantity between two lots; seen: the lots that are booked instead.",
    Reason.ORDER_FOREIGN: "The account has an open order that is not of this tape; seen: its id at the exchange.",
    Reason.ORDER_TAKEN_OVER: "An open order of this tape was not known to be open; seen: its lots left.",
    Reason.GROUP_INVALID: "A group has no place for the order, or it is of another kind or instrument.",
    Reason.ORDER_INVALID: "The terms of a requested order do not go together.",
    Reason.REDUCE_ONLY_WOULD_INCREASE: "A reduce-only request does not reduce: no such position is on the other side.",
    Reason.LEG_REJECTED: "The exchange rejected a leg of a bracket.",
    Reason.LEG_LOST: "A leg of a bracket ended though nobody asked for it.",
    Reason.POSITION_WITHOUT_STOP: "A position is held without a live stop.",
    Reason.EXIT_OVERFILLED: "More was closed than was held; the excess is ordered back.",
    Reason.POSITION_SMALLER_THAN_BRACKET: "The position is smaller than its brackets hold; the youngest are cut.",
    Reason.TIME_LIMIT_REACHED: "The bracket's time is up.",
    Reason.ENTRY_UNPROTECTED: "An entry was filled late, when its bracket had gone; the lots are closed.",
    Reason.EXIT_REJECTED: "Exits were refused more often than legs are replaced; they are tried on, after pauses.",
    Reason.STOP_REACHED: "The stop closed it.",
    Reason.TARGET_REACHED: "A target closed it.",
    Reason.SIGNAL_CLOSED: "A signal closed it.",
    Reason.OPERATOR_CLOSED: "An operator closed it.",
    Reason.BREAKER_CLOSED: "A breaker closed it.",
    Reason.ENTRY_ENDED_UNFILLED: "The entry ended without a fill.",
}

_SECTION = re.compile(r"# (\d+)\.\.(\d+): (.+)")


def page() -> str:
    """The text of the page. Raises KeyError where a reason has no meaning written here."""
    source = Path(reasons.__file__).read_text(encoding="utf-8")
    sections = [(int(first), int(last), title) for first, last, title in _SECTION.findall(source)]
    parts = [_HEAD]
    for first, last, title in [(0, 0, "none"), *sections]:
        parts.append(f"\n## {first} to {last}: {title}\n" if last else "\n## 0: no reason\n")
        parts.append("\n| code | name | meaning |\n| --- | --- | --- |\n")
        parts += [row for code, row in _rows() if first <= code <= last]
    return "".join(parts)


def _rows() -> list[tuple[int, str]]:
    rows = [(int(reason), f"| {int(reason)} | `{reason.name}` | {MEANINGS[reason]} |\n") for reason in Reason]
    rows += [
        (code, f"| {code} | `{name}` | Retired: never given, and never used again. |\n")
        for code, name in RETIRED.items()
    ]
    return sorted(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
