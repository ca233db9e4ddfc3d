"""Binance's request limits, and the headers that tell how much of them is used."""

from collections.abc import Mapping

from adapters.venue.binanceusdm.errors import BinanceError

WEIGHT_PER_MINUTE = 2_400
ORDERS_PER_10_SECONDS = 300
ORDERS_PER_MINUTE = 1_200

_MINUTE_MS = 60_000
_TEN_SECONDS_MS = 10_000


class TooMany(BinanceError):
    """A limit is used up until its window ends."""

    def __init__(self, code: int, message: str, retry_after_s: int) -> None:
        super().__init__(code, message, status=429)
        self.retry_after_s = retry_after_s


class _Window:
    """A count that starts anew with every interval of the clock."""

    def __init__(self, interval_ms: int, most: int) -> None:
        self.interval_ms = interval_ms
        self.most = most
        self.used = 0
        self._interval = 0

    def add(self, count: int, now_ms: int) -> bool:
        """Count; False where that is more than may be."""
        interval = now_ms // self.interval_ms
        if interval != self._interval:
            self._interval, self.used = interval, 0
        self.used += count
        return self.used <= self.most

    def left_s(self, now_ms: int) -> int:
        """Seconds until it starts anew, at least one."""
        return (self.interval_ms - now_ms % self.interval_ms) // 1_000 + 1


class Limits:
    """What of the limits is used: weights by everybody together, who all come from one address, orders by customer."""

    def __init__(self) -> None:
        self._weight = _Window(_MINUTE_MS, WEIGHT_PER_MINUTE)
        self._orders: dict[str, tuple[_Window, _Window]] = {}

    def add_weight(self, weight: int, now_ms: int) -> None:
        if not self._weight.add(weight, now_ms):
            message = f"Too many requests; current limit is {WEIGHT_PER_MINUTE} requests per minute."
            raise TooMany(-1003, message, self._weight.left_s(now_ms))

    def add_orders(self, customer: str, count: int, now_ms: int) -> None:
        for window in self._order_windows(customer):
            if not window.add(count, now_ms):
                message = f"Too many new orders; current limit is {window.most} orders per {window.interval_ms} ms."
                raise TooMany(-1015, message, window.left_s(now_ms))

    def headers(self, customer: str | None) -> Mapping[str, str]:
        """`customer` where an order was placed."""
        headers = {"X-MBX-USED-WEIGHT-1M": str(self._weight.used)}
        if customer is not None:
            short, long = self._order_windows(customer)
            headers["X-MBX-ORDER-COUNT-10S"] = str(short.used)
            headers["X-MBX-ORDER-COUNT-1M"] = str(long.used)
        return headers

    def _order_windows(self, customer: str) -> tuple[_Window, _Window]:
        if customer not in self._orders:
            self._orders[customer] = (
                _Window(_TEN_SECONDS_MS, ORDERS_PER_10_SECONDS),
                _Window(_MINUTE_MS, ORDERS_PER_MINUTE),
            )
        return self._orders[customer]
