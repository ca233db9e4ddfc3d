"""What goes over the network: ccxt does it. Here is what it may reach, and what its failures are called on the tape.

ccxt puts whole addresses, with their signatures, into some of its errors: nothing of an error's text goes any further.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

import orjson
from ccxt.async_support.base.throttler import Throttler
from ccxt.base.errors import BadResponse, BaseError, ExchangeNotAvailable, NetworkError, RequestTimeout

from adapters.configuration.live_section import LOOPBACK
from adapters.exchanges.scales import Malformed
from engine.kinds import RequestFailure

_MS = 1000
# How long an idle connection may say nothing before it is pinged; twice that without an answer, and it is dead.
_PING_EVERY_MS = 10_000
# Said of a websocket that ended without a word.
_CLOSED_ABNORMALLY = 1006


class Endpoint(IntEnum):
    """What a failed request was about (`endpoint` of REQUEST_FAILED)."""

    READ = 0
    PLACE = 1
    CANCEL = 2
    AMEND = 3


class Answered(Exception):
    """The exchange answered, and the answer is an error. Its text is never shown: it may hold what was sent."""

    def __init__(self, http_status: int, retry_after_ms: int, answer: Any) -> None:
        super().__init__(f"answered with HTTP {http_status}")
        self.http_status = http_status
        self.retry_after_ms = retry_after_ms
        # Decoded JSON, or the text of the body.
        self.answer = answer


class Unreadable(Exception):
    """The exchange answered with something that is not what it documents."""


# What comes of an answer that is not what the exchange documents.
_UNREADABLE = (
    *(Unreadable, Malformed, BadResponse),
    *(AttributeError, LookupError, TypeError, ValueError, ArithmeticError),
)


def failure_of(error: BaseException) -> tuple[RequestFailure, int, int]:
    """What a failed request is called on the tape, its HTTP status and what the exchange said to wait, in ms."""
    if isinstance(error, Answered):
        status, retry_after_ms = error.http_status, error.retry_after_ms
        if status in (418, 429):
            return RequestFailure.RATE_LIMITED, status, retry_after_ms
        kind = RequestFailure.SERVER_ERROR if status >= 500 else RequestFailure.OTHER
        return kind, status, retry_after_ms
    if isinstance(error, RequestTimeout | asyncio.TimeoutError):
        return RequestFailure.TIMEOUT, 0, 0
    if isinstance(error, ExchangeNotAvailable | NetworkError | OSError):
        return RequestFailure.CONNECTION, 0, 0
    if isinstance(error, _UNREADABLE):
        return RequestFailure.MALFORMED, 0, 0
    # What ccxt makes of an answer that broke off in the middle.
    return (RequestFailure.CONNECTION if isinstance(error, BaseError) else RequestFailure.OTHER), 0, 0


class Wire:
    """Goes before a ccxt.pro class: raw messages out, plain errors, and connections that no bad message can end."""

    # Given by the client that owns the wire.
    on_raw_message: Callable[[str, Any], bool]
    on_connection: Callable[[str], None]
    on_unreadable: Callable[[], None]
    on_headers: Callable[[dict[str, str]], None]
    # The paths of requests that place, change and cancel orders: questions do not keep them waiting.
    order_paths: frozenset[str] = frozenset()

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)  # type: ignore[call-arg]
        self._closing: set[asyncio.Future[None]] = set()
        self._question_pace: Any = self.throttler
        self._order_pace: Any = None

    async def fetch2(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = None, config: Any = None
    ) -> Any:
        """Every request passes here. Orders and questions are held to the exchange's pace each by its own count."""
        if self._order_pace is None:
            self._order_pace = Throttler(self.tokenBucket, asyncio.get_running_loop())  # type: ignore[attr-defined]
        # ccxt asks its throttler before it waits for anything, so that this is the one that counts.
        self.throttler = self._order_pace if path in self.order_paths else self._question_pace
        return await super().fetch2(path, api, method, params or {}, config or {})  # type: ignore[misc]

    def handle_message(self, client: Any, message: Any) -> None:
        """Everything that a stream says, decoded. What the owner does not take is ccxt's: pings, subscriptions."""
        try:
            if not self.on_raw_message(client.url, message):
                super().handle_message(client, message)  # type: ignore[misc]
        except Exception:
            # An exception here would leave the socket without a reader.
            self.on_unreadable()

    def on_connected(self, client: Any, message: Any = None) -> None:
        super().on_connected(client, message)  # type: ignore[misc]
        self.on_connection(client.url)

    def client(self, url: str) -> Any:
        known = url in (self.clients or {})  # type: ignore[attr-defined]
        client = super().client(url)  # type: ignore[misc]
        if not known:
            client.handle_text_or_binary_message = self._decoded(client, client.handle_text_or_binary_message)
            client.receive_loop = lambda: self._begin_to_read(client)
        return client

    def _decoded(self, client: Any, other: Callable[[Any], None]) -> Callable[[Any], None]:
        """What a client does with a message: JSON is ours, without detours, anything else is left to ccxt."""

        def take(data: Any) -> None:
            try:
                if data[:1] in ("{", "["):
                    self.handle_message(client, orjson.loads(data))
                else:
                    other(data)
            except ValueError:
                self.on_unreadable()

        return take

    def _begin_to_read(self, client: Any) -> None:
        client.reading = asyncio.ensure_future(self._read_all(client))

    async def _read_all(self, client: Any) -> None:
        """Instead of ccxt's loop, which makes a task for each time that something comes: that costs a tenth of a ms."""
        try:
            while not client.closed():
                client.handle_message(await client.receive())
        except Exception as error:
            client.reject(NetworkError(type(error).__name__))
        else:
            client.on_close(_CLOSED_ABNORMALLY)

    def drop(self, url: str) -> None:
        """Forget a connection, so that the next watch makes a new one."""
        client = (self.clients or {}).pop(url, None)  # type: ignore[attr-defined]
        if client is not None:
            closing = asyncio.ensure_future(client.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def end(self, url: str) -> None:
        """End a connection as if it had been lost: whoever watches it is told."""
        client = self.clients[url]  # type: ignore[attr-defined]
        client.on_error(NetworkError("ended"))

    def handle_errors(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: dict[str, str],
        body: str,
        response: Any,
        request_headers: Any,
        request_body: Any,
    ) -> None:
        """Called by ccxt with every answer."""
        self.on_headers(headers)
        if code >= 400:
            raise Answered(code, _retry_after_ms(headers), body if response is None else response)
        if response is None:
            raise Unreadable(f"{method} was answered with something that is not JSON")


def settings(key: str, secret: str, wallet: str, timeout_ms: int, options: dict[str, Any]) -> dict[str, Any]:
    """What every ccxt class is constructed with."""
    # ccxt logs requests with their signatures at DEBUG.
    logging.getLogger("ccxt").setLevel(logging.WARNING)
    return {
        "apiKey": key,
        "secret": secret,
        "walletAddress": wallet,
        "privateKey": secret,
        "timeout": timeout_ms,
        "enableRateLimit": True,
        "enableLastHttpResponse": False,
        "enableLastJsonResponse": False,
        "options": {"maxRetriesOnFailure": 0, "ws": {"keepAlive": _PING_EVERY_MS, "compress": 0}, **options},
    }


def point_to(wire: Any, endpoint: str) -> None:
    """Rewrite every address of a ccxt instance to a local venue's, `http://127.0.0.1:PORT`, paths kept.

    ccxt would merge addresses given to its constructor with its own: one forgotten leaf would be the real exchange.
    """
    parts = urlsplit(endpoint)
    assert parts.scheme == "http" and parts.hostname in LOOPBACK, "an endpoint is http:// and on this machine"
    wire.urls["api"] = _rewritten(wire.urls["api"], parts.netloc, wire.hostname)
    for name in ("test", "demo"):
        wire.urls.pop(name, None)
    for address in _leaves(wire.urls["api"]):
        assert urlsplit(address).hostname in LOOPBACK, "every address is of this machine"


def _rewritten(addresses: Any, netloc: str, hostname: str | None) -> Any:
    if isinstance(addresses, dict):
        return {name: _rewritten(inner, netloc, hostname) for name, inner in addresses.items()}
    parts = urlsplit(addresses.replace("{hostname}", hostname or ""))
    scheme = "ws" if parts.scheme.startswith("ws") else "http"
    return f"{scheme}://{netloc}{parts.path}"


def _leaves(addresses: Any) -> list[str]:
    if isinstance(addresses, dict):
        return [leaf for inner in addresses.values() for leaf in _leaves(inner)]
    return [addresses]


def _retry_after_ms(headers: dict[str, str]) -> int:
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return int(float(text) * _MS) if text.replace(".", "", 1).isdecimal() else 0


def json_of(answer: Any) -> Any:
    """An answer's JSON where it is one, for what is checked in it."""
    if isinstance(answer, str):
        try:
            return json.loads(answer)
        except ValueError:
            return None
    return answer
