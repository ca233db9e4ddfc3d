"""What Bitfinex's errors mean: ["error", code, text], most of them with the HTTP status 500."""

from typing import Any

from engine.kinds import RequestFailure
from engine.reasons import Reason

_RATE_LIMIT = 11010
_NONCE_SMALL = 10114
_KEYS = frozenset((10100, 10111, 10112, 10113))
# One code for all of an order; its text says what it is.
_TEXTS = (
    ("not enough", Reason.EXCHANGE_MARGIN_INSUFFICIENT),
    ("order not found", Reason.EXCHANGE_ORDER_UNKNOWN),
    ("minimum size", Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM),
    ("maximum size", Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM),
    ("reduce", Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE),
    ("price: invalid", Reason.EXCHANGE_PRICE_OFF_TICK),
    ("amount: invalid", Reason.EXCHANGE_QUANTITY_OFF_LOT),
    ("symbol: invalid", Reason.EXCHANGE_INSTRUMENT_UNKNOWN),
    ("invalid order", Reason.EXCHANGE_ORDER_INVALID),
    ("invalid", Reason.EXCHANGE_ORDER_INVALID),
    # What has ended cannot be changed any more.
    ("order update", Reason.EXCHANGE_ORDER_UNKNOWN),
)


def meaning(http_status: int, answer: Any) -> Reason | RequestFailure:
    """Why an order was refused, or the failure where its outcome is not known."""
    if not (isinstance(answer, list) and len(answer) >= 3 and answer[0] == "error"):
        return RequestFailure.SERVER_ERROR if http_status >= 500 else RequestFailure.MALFORMED
    code, text = answer[1], str(answer[2])
    if code == _RATE_LIMIT:
        return RequestFailure.RATE_LIMITED
    if code == _NONCE_SMALL:
        # Overtaken by a later request: it was not looked at, and may be asked again.
        return RequestFailure.OTHER
    if code in _KEYS:
        return Reason.EXCHANGE_OTHER
    return refusal(text)


def refusal(text: str) -> Reason:
    """A refusal by its text."""
    lower = text.lower()
    return next((reason for part, reason in _TEXTS if part in lower), Reason.EXCHANGE_OTHER)
