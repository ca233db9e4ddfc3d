"""What Binance's error codes mean for an order."""

from typing import Any

from engine.kinds import RequestFailure
from engine.reasons import Reason

# https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code
_REASONS = {
    -1111: Reason.EXCHANGE_PRICE_OFF_TICK,
    -1121: Reason.EXCHANGE_INSTRUMENT_UNKNOWN,
    -2010: Reason.EXCHANGE_OTHER,
    -2011: Reason.EXCHANGE_ORDER_UNKNOWN,
    -2013: Reason.EXCHANGE_ORDER_UNKNOWN,
    -2018: Reason.EXCHANGE_BALANCE_INSUFFICIENT,
    -2019: Reason.EXCHANGE_MARGIN_INSUFFICIENT,
    -2020: Reason.EXCHANGE_NO_MARKET,
    -2021: Reason.EXCHANGE_TRIGGER_INVALID,
    -2022: Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE,
    -2025: Reason.EXCHANGE_ORDER_TABLE_FULL,
    -2026: Reason.EXCHANGE_ORDER_INVALID,
    -2027: Reason.EXCHANGE_MARGIN_INSUFFICIENT,
    -2028: Reason.EXCHANGE_MARGIN_INSUFFICIENT,
    -4003: Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM,
    -4004: Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM,
    -4005: Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM,
    -4014: Reason.EXCHANGE_PRICE_OFF_TICK,
    -4023: Reason.EXCHANGE_QUANTITY_OFF_LOT,
    -4045: Reason.EXCHANGE_ORDER_TABLE_FULL,
    -4118: Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE,
    -4131: Reason.EXCHANGE_NO_MARKET,
    -4142: Reason.EXCHANGE_TRIGGER_INVALID,
    -4164: Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM,
    -5021: Reason.EXCHANGE_FOK_NOT_FILLABLE,
    -5022: Reason.EXCHANGE_POST_ONLY_WOULD_TAKE,
}
# The filters of an instrument share one code; its text names the filter.
_FILTER_FAILED = -1013
_FILTERS = {
    "PRICE_FILTER": Reason.EXCHANGE_PRICE_OFF_TICK,
    "LOT_SIZE": Reason.EXCHANGE_QUANTITY_OFF_LOT,
    "NOTIONAL": Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM,
}
# The request's time is too far from the exchange's.
CLOCK_WRONG = -1021
# An amendment to what the order is already.
_UNCHANGED = -5027
# Not refusals of the order: nobody looked at it, or nobody says what became of it.
_FAILURES = {
    -1000: RequestFailure.SERVER_ERROR,
    -1001: RequestFailure.SERVER_ERROR,
    -1003: RequestFailure.RATE_LIMITED,
    -1006: RequestFailure.SERVER_ERROR,
    -1007: RequestFailure.TIMEOUT,
    -1008: RequestFailure.SERVER_ERROR,
    -1015: RequestFailure.RATE_LIMITED,
    CLOCK_WRONG: RequestFailure.OTHER,
    # The client id is taken: the order is there already.
    -4116: RequestFailure.OTHER,
}


def is_unchanged(answer: Any) -> bool:
    """Whether an order has the terms already that it was to be changed to."""
    return isinstance(answer, dict) and answer.get("code") == _UNCHANGED


def meaning(http_status: int, answer: Any) -> Reason | RequestFailure:
    """Why an order was refused, or the failure where its outcome is not known. An unknown code is a refusal."""
    code = answer.get("code") if isinstance(answer, dict) else None
    if isinstance(code, int) and code in _FAILURES:
        return _FAILURES[code]
    if http_status >= 500:
        return RequestFailure.SERVER_ERROR
    if not isinstance(code, int):
        return RequestFailure.MALFORMED
    if code == _FILTER_FAILED:
        text = str(answer.get("msg", ""))
        return next((reason for name, reason in _FILTERS.items() if name in text), Reason.EXCHANGE_ORDER_INVALID)
    if code in _REASONS:
        return _REASONS[code]
    return Reason.EXCHANGE_ORDER_INVALID if -1130 <= code <= -1100 else Reason.EXCHANGE_OTHER
