"""What Bitfinex answers to what it does not accept: ["error", code, text], most of it with the status 500."""

GENERIC = 10001
INVALID_PARAMETER = 10020
AUTHENTICATION_FAILED = 10100
NONCE_SMALL = 10114
SUBSCRIPTION_FAILED = 10300
ALREADY_SUBSCRIBED = 10301
CHANNEL_UNKNOWN = 10302
SUBSCRIPTION_LIMIT = 10305
NOT_SUBSCRIBED = 10401
RATE_LIMIT = 11010


class Refused(Exception):
    """A request that is answered with an error; `status` is that of HTTP."""

    def __init__(self, code: int, text: str, status: int = 500) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.status = status

    def answer(self) -> list[object]:
        return ["error", self.code, self.text]


def invalid(field: str) -> Refused:
    """A field of a request that is missing or makes no sense."""
    return Refused(INVALID_PARAMETER, f"{field}: invalid")


def invalid_order(why: str) -> Refused:
    """An order that the exchange does not take."""
    return Refused(GENERIC, f"Invalid order: {why}")


def order_not_found() -> Refused:
    return Refused(GENERIC, "Order not found.")
