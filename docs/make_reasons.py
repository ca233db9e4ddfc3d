"""Writes docs/reasons.md, the table of all reason codes, from engine/reasons.py: `python -m docs.make_reasons`."""

import re
from pathlib import Path

from engine import reasons
from engine.reasons import Reason

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
    Reason.TRADING_REDUCE_ONLY: "Only signals that close are acted upon.",
    Reason.STRATEGY_DISABLED: "The strategy is disabled.",
    Reason.ORDER_QUANTITY_UNSET: "Neither the signal nor the instrument's setting gives a size.",
    Reason.NO_REFERENCE_PRICE: "There has been no price yet to measure it by.",
    Reason.SIGNAL_EXPIRED: "The signal is older than the time it is valid for.",
    Reason.QUANTITY_BELOW_MINIMUM: "The order is smaller than the instrument's minimum; limit: that, seen: its lots.",
    Reason.QUANTITY_ABOVE_MAXIMUM: "The order is larger than the instrument's maximum; limit: that, seen: its lots.",
    Reason.NOTIONAL_BELOW_MINIMUM: "The order is worth less than the instrument's minimum; limit: that, seen: this.",
    Reason.ALREADY_AT_TARGET: "What is held and on its way is what is asked for; limit: the target, seen: the sum.",
    Reason.SHORT_NOT_ALLOWED: "The instrument may not be sold short.",
    Reason.ACTION_UNKNOWN: "There is no such action of a signal or an operator.",
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
    Reason.EXCHANGE_OTHER: "Another reason of the exchange's own.",
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
        parts += [f"| {int(r)} | `{r.name}` | {MEANINGS[r]} |\n" for r in Reason if first <= r <= last]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
