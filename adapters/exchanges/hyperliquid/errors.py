"""What Hyperliquid's texts and statuses mean. It answers with HTTP 200, whatever became of an order."""

from typing import Any

from adapters.exchanges.answers import Refused
from adapters.exchanges.transport import Answered, Unreadable
from engine.kinds import EventKind
from engine.reasons import Reason

_TEXTS = (
    ("divisible by tick size", Reason.EXCHANGE_PRICE_OFF_TICK),
    ("invalid price", Reason.EXCHANGE_PRICE_OFF_TICK),
    ("must have minimum value", Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM),
    ("insufficient margin", Reason.EXCHANGE_MARGIN_INSUFFICIENT),
    ("insufficient spot balance", Reason.EXCHANGE_BALANCE_INSUFFICIENT),
    ("reduce only", Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE),
    ("post only order", Reason.EXCHANGE_POST_ONLY_WOULD_TAKE),
    ("could not immediately match", Reason.EXCHANGE_IOC_REMAINDER),
    ("invalid tp/sl price", Reason.EXCHANGE_TRIGGER_INVALID),
    ("no liquidity available", Reason.EXCHANGE_NO_MARKET),
    ("never placed, already canceled, or filled", Reason.EXCHANGE_ORDER_UNKNOWN),
    ("cannot modify", Reason.EXCHANGE_ORDER_UNKNOWN),
    ("invalid size", Reason.EXCHANGE_QUANTITY_OFF_LOT),
    ("zero size", Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM),
    ("asset does not exist", Reason.EXCHANGE_INSTRUMENT_UNKNOWN),
    ("too many open orders", Reason.EXCHANGE_ORDER_TABLE_FULL),
    ("already expired", Reason.EXCHANGE_EXPIRED),
    ("away from the reference price", Reason.EXCHANGE_ORDER_INVALID),
)
_TOO_MANY = "too many cumulative requests"

_STATUSES = {
    "canceled": Reason.EXCHANGE_CANCELED_ON_REQUEST,
    "scheduledCancel": Reason.EXCHANGE_CANCELED_ON_REQUEST,
    "marginCanceled": Reason.EXCHANGE_MARGIN_INSUFFICIENT,
    "reduceOnlyCanceled": Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE,
    "tickRejected": Reason.EXCHANGE_PRICE_OFF_TICK,
    "minTradeNtlRejected": Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM,
    "perpMarginRejected": Reason.EXCHANGE_MARGIN_INSUFFICIENT,
    "insufficientSpotBalanceRejected": Reason.EXCHANGE_BALANCE_INSUFFICIENT,
    "reduceOnlyRejected": Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE,
    "badAloPxRejected": Reason.EXCHANGE_POST_ONLY_WOULD_TAKE,
    "iocCancelRejected": Reason.EXCHANGE_IOC_REMAINDER,
    "badTriggerPxRejected": Reason.EXCHANGE_TRIGGER_INVALID,
    "marketOrderNoLiquidityRejected": Reason.EXCHANGE_NO_MARKET,
}


def refusal(text: str) -> Reason:
    """A refusal by its text."""
    lower = text.lower()
    return next((reason for part, reason in _TEXTS if part in lower), Reason.EXCHANGE_OTHER)


def state(status: str) -> tuple[EventKind, Reason, bool]:
    """What an order's status is on the tape: a kind, a reason, and whether it is open."""
    if status in ("open", "triggered"):
        return EventKind.ORDER_ACCEPTED, Reason.NONE, True
    if status == "filled":
        return EventKind.ORDER_ACCEPTED, Reason.NONE, False
    reason = _STATUSES.get(status, Reason.EXCHANGE_OTHER)
    if status.lower().endswith("rejected"):
        return EventKind.ORDER_REJECTED, reason, False
    if status.lower().endswith(("canceled", "cancel")):
        return EventKind.ORDER_CANCELED, reason, False
    raise Unreadable(f"{status!r} is no status of an order")


def check(answer: Any) -> None:
    """Raise Refused where a whole action was refused, or Answered where nobody looked at it."""
    if answer.get("status") != "ok":
        text = str(answer.get("response"))
        if _TOO_MANY in text.lower():
            raise Answered(429, 0, text)
        raise Refused(refusal(text))


def statuses(answer: Any, count: int) -> Any:
    """The statuses of an action's orders. Raises Refused, or Answered where nobody looked at it.

    What is wrong with an action before any of its orders is looked at may be said only once.
    """
    check(answer)
    said = answer["response"]["data"]["statuses"]
    return said * count if len(said) == 1 and "error" in said[0] else said


def status_of(said: Any) -> dict[str, Any]:
    """What is said of one order; a bare word says nothing more. Raises Refused."""
    if isinstance(said, dict) and "error" in said:
        raise Refused(refusal(str(said["error"])))
    return said if isinstance(said, dict) else {}


def only_status(answer: Any) -> dict[str, Any]:
    """The status of the one order that an action was about. Raises Refused, or Answered where nobody looked at it."""
    return status_of(statuses(answer, 1)[0])
