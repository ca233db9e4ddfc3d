"""Who asks, and for what: signatures, timestamps and parameters of requests."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from adapters.venue.binanceusdm.errors import BinanceError, missing
from adapters.venue.core import VenueCore
from adapters.venue.customer import Customer

_RECV_WINDOW_MS = 5_000
_RECV_WINDOW_MAX_MS = 60_000
_AHEAD_MAX_MS = 1_000
_SIGNATURE = re.compile(r"&?signature=([^&]*)")


class Parameters:
    """The parameters of a request, of its query and of its body."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str, otherwise: str = "") -> str:
        return self._values.get(name, otherwise)

    def required(self, name: str) -> str:
        value = self._values.get(name, "")
        if not value:
            raise missing(name)
        return value

    def whole(self, name: str, otherwise: int = 0) -> int:
        """A number without decimals."""
        text = self._values.get(name, "")
        if not text:
            return otherwise
        if not text.isdecimal():
            raise missing(name)
        return int(text)

    def flag(self, name: str) -> bool:
        return self._values.get(name, "").lower() == "true"


async def read_parameters(request: web.Request) -> tuple[Parameters, str]:
    """The parameters, and the text that a signature is made of."""
    body = await request.text()
    query = request.rel_url.raw_query_string
    pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    return Parameters(dict(pairs)), query + body


def customer_of(core: VenueCore, request: web.Request) -> Customer:
    """Whose API key a request carries."""
    customer = core.customer_of(request.headers.get("X-MBX-APIKEY", ""))
    if customer is None:
        raise BinanceError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
    return customer


def check_signature(customer: Customer, signed_text: str) -> None:
    found = _SIGNATURE.search(signed_text)
    if found is None:
        raise missing("signature")
    payload = _SIGNATURE.sub("", signed_text, count=1)
    expected = hmac.new(customer.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, found[1]):
        raise BinanceError(-1022, "Signature for this request is not valid.")


def check_time(parameters: Parameters, now_ms: int) -> None:
    """A request must not be older than its window nor from the future."""
    parameters.required("timestamp")
    sent_ms = parameters.whole("timestamp")
    window_ms = parameters.whole("recvWindow", _RECV_WINDOW_MS)
    if window_ms > _RECV_WINDOW_MAX_MS:
        raise BinanceError(-1131, "recvWindow must be less than 60000.")
    if sent_ms >= now_ms + _AHEAD_MAX_MS:
        raise BinanceError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent_ms > window_ms:
        raise BinanceError(-1021, "Timestamp for this request is outside of the recvWindow.")
