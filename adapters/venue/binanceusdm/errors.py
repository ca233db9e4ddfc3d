"""What Binance answers where it does not do as it is asked: an HTTP status, a code and a message."""

from engine.reasons import Reason


class BinanceError(Exception):
    """Becomes the answer to a request."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def missing(name: str) -> BinanceError:
    return BinanceError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def bad_precision() -> BinanceError:
    return BinanceError(-1111, "Precision is over the maximum defined for this asset.")


def unknown_order() -> BinanceError:
    """The answer to a cancel."""
    return BinanceError(-2011, "Unknown order sent.")


def no_such_order() -> BinanceError:
    """The answer to a question, and to an amendment."""
    return BinanceError(-2013, "Order does not exist.")


def unsupported() -> BinanceError:
    return BinanceError(-1020, "This operation is not supported.")


_REJECTIONS = {
    Reason.EXCHANGE_PRICE_OFF_TICK: (-4014, "Price not increased by tick size."),
    Reason.EXCHANGE_QUANTITY_OFF_LOT: (-4023, "Qty not increased by step size."),
    Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM: (-4004, "Quantity less than min quantity."),
    Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM: (-4005, "Quantity greater than max quantity."),
    Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM: (
        -4164,
        "Order's notional must be no smaller than the minimum (unless you choose reduce only).",
    ),
    Reason.EXCHANGE_BALANCE_INSUFFICIENT: (-2018, "Balance is insufficient."),
    Reason.EXCHANGE_MARGIN_INSUFFICIENT: (-2019, "Margin is insufficient."),
    Reason.EXCHANGE_POST_ONLY_WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    ),
    Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE: (-2022, "ReduceOnly Order is rejected."),
    Reason.EXCHANGE_FOK_NOT_FILLABLE: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected.",
    ),
    Reason.EXCHANGE_NO_MARKET: (-4016, "No market price is available."),
    Reason.EXCHANGE_ORDER_UNKNOWN: (-2013, "Order does not exist."),
    Reason.EXCHANGE_ORDER_INVALID: (-1106, "Parameter sent when not required."),
    Reason.EXCHANGE_ORDER_TABLE_FULL: (-2025, "Reach max open order limit."),
    Reason.EXCHANGE_TRIGGER_INVALID: (-4006, "Stop price less than zero."),
    Reason.EXCHANGE_EXPIRED: (-4186, "Good till date is in the past."),
}


def rejection(reason: Reason) -> BinanceError:
    """What Binance says where the simulated exchange rejects for a reason."""
    code, message = _REJECTIONS.get(reason, (-2010, "NEW_ORDER_REJECTED"))
    return BinanceError(code, message)
