"""How often each path may be asked: so many times a minute, and then not until the minute is over."""

from adapters.venue.bitfinex.errors import RATE_LIMIT, Refused

# What the exchange documents for most of its paths.
REQUESTS_A_MINUTE = 90

_MINUTE_MS = 60_000


class TooMany(Refused):
    """A path has been asked too often."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(RATE_LIMIT, "ratelimit: error", status=429)
        self.retry_after_s = retry_after_s


class Limits:
    """Counts requests by who asks and for what."""

    def __init__(self, requests_a_minute: int) -> None:
        self._most = requests_a_minute
        self._minute = 0
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, who: str, path: str, now_ms: int) -> None:
        """Count a request. Raises TooMany."""
        minute = now_ms // _MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        used = self._counts[who, path] = self._counts.get((who, path), 0) + 1
        if used > self._most:
            raise TooMany((_MINUTE_MS - now_ms % _MINUTE_MS) // 1_000 + 1)
