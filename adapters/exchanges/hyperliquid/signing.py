"""An action's signature as ccxt makes it, but with what is the same in all of them hashed once.

These hashes are pure Python, and the event loop waits for each; the signature itself is coincurve's already.
"""

from typing import Any

from ccxt.base.exchange import Exchange
from ccxt.static_dependencies.ethabi import hash_domain

_DOMAIN = {
    "name": "Exchange",
    "version": "1",
    "chainId": 1337,
    "verifyingContract": "0x0000000000000000000000000000000000000000",
}


def _keccak(data: bytes) -> bytes:
    return bytes(Exchange.hash(data, "keccak", "binary"))


_HEADER = b"\x19\x01" + hash_domain(_DOMAIN)
# "a" is the main net, which local venues take themselves for.
_AGENT = _keccak(b"Agent(string source,bytes32 connectionId)") + _keccak(b"a")


class QuickSigning:
    """Goes before ccxt's class."""

    def sign_l1_action(
        self, action: object, nonce: int, vault_address: str | None = None, expires_after_ms: int | None = None
    ) -> dict[str, Any]:
        hashed: bytes = self.action_hash(action, vault_address, nonce, expires_after_ms)  # type: ignore[attr-defined]
        message = _HEADER + _keccak(_AGENT + hashed)
        key: str = self.privateKey  # type: ignore[attr-defined]
        signature: dict[str, Any] = self.sign_message(message, key)  # type: ignore[attr-defined]
        return signature
