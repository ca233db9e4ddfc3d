"""Who is asking: HMAC-SHA384 signatures, and a nonce of each key that only grows."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from adapters.venue.bitfinex.errors import AUTHENTICATION_FAILED, NONCE_SMALL, Refused

# The largest whole number that JavaScript counts exactly.
_NONCE_MAX = (1 << 53) - 1


class Gate:
    """Lets in who signs with a secret that `secret_of` knows for the key; it is None for keys nobody has."""

    def __init__(self, secret_of: Callable[[str], str | None]) -> None:
        self._secret_of = secret_of
        self._last_nonces: dict[str, int] = {}

    def check_request(self, path: str, headers: Mapping[str, str], body: str) -> str:
        """The key that signed a REST request; `path` begins with /api/v2. Raises Refused."""
        nonce = headers.get("bfx-nonce", "")
        return self._check(
            headers.get("bfx-apikey", ""), headers.get("bfx-signature", ""), nonce, f"{path}{nonce}{body}"
        )

    def check_stream(self, message: Mapping[str, Any]) -> str:
        """The key that signed an `auth` event of a websocket. Raises Refused."""
        nonce = str(message.get("authNonce", ""))
        payload = str(message.get("authPayload", ""))
        if payload != f"AUTH{nonce}":
            raise Refused(AUTHENTICATION_FAILED, "auth: payload invalid")
        return self._check(str(message.get("apiKey", "")), str(message.get("authSig", "")), nonce, payload)

    def _check(self, key: str, signature: str, nonce: str, signed: str) -> str:
        secret = self._secret_of(key)
        if secret is None:
            raise Refused(AUTHENTICATION_FAILED, "apikey: invalid")
        expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha384).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Refused(AUTHENTICATION_FAILED, "apikey: digest invalid")
        if not (nonce.isascii() and nonce.isdecimal()) or int(nonce) > _NONCE_MAX:
            raise Refused(NONCE_SMALL, "nonce: invalid")
        if int(nonce) <= self._last_nonces.get(key, 0):
            raise Refused(NONCE_SMALL, "nonce: small")
        self._last_nonces[key] = int(nonce)
        return key
