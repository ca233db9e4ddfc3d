"""Who signed an action: Hyperliquid has no API keys, an account is the address that its signature gives back.

An action of trading is packed, hashed with its nonce and signed as EIP-712 data by a "phantom agent"; a wallet's
own action (a transfer, an approval) would be signed as itself, and the venue has none of these.
"""

import struct
from bisect import insort
from functools import lru_cache
from typing import Any

from ccxt.static_dependencies.ethabi import hash_domain
from ccxt.static_dependencies.keccak import SHA3
from ccxt.static_dependencies.msgpack import packb
from coincurve import PrivateKey, PublicKey

Json = dict[str, Any]

_DOMAIN = {
    "name": "Exchange",
    "version": "1",
    "chainId": 1337,
    "verifyingContract": "0x0000000000000000000000000000000000000000",
}


def _keccak(data: bytes) -> bytes:
    return bytes(SHA3(data))


# What does not change between actions, hashed once: these hashes are slow in Python.
_HEADER = b"\x19\x01" + hash_domain(_DOMAIN)
_AGENT = _keccak(b"Agent(string source,bytes32 connectionId)") + _keccak(b"a")  # "a" is the main net


class SignatureUnreadable(ValueError):
    """No signer can be told from what was given as a signature."""


def action_hash(action: Json, nonce_ms: int, vault_address: str = "", expires_after_ms: int | None = None) -> bytes:
    """What stands for an action in its signature; the order of the action's fields matters.

    Raises SignatureUnreadable for what cannot be packed.
    """
    try:
        packed = packb(action) + struct.pack(">Q", nonce_ms)
        if vault_address:
            packed += b"\x01" + bytes.fromhex(vault_address.removeprefix("0x"))
        else:
            packed += b"\x00"
        if expires_after_ms is not None:
            packed += b"\x00" + struct.pack(">Q", expires_after_ms)
    except (struct.error, TypeError, ValueError, OverflowError) as error:
        raise SignatureUnreadable(str(error)) from None
    return _keccak(packed)


def signer(hashed_action: bytes, signature: Json) -> str:
    """The address that signed, in lower case. Raises SignatureUnreadable."""
    try:
        r, s, v = int(signature["r"], 16), int(signature["s"], 16), int(signature["v"])
        packed = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v - 27])
        public = PublicKey.from_signature_and_message(packed, _signed_bytes(hashed_action), hasher=None)
    except Exception as error:  # the library raises plain exceptions
        raise SignatureUnreadable(type(error).__name__) from None
    return _address(public)


def sign(hashed_action: bytes, private_key: bytes) -> Json:
    """The signature of a key, as a client makes it."""
    signed = PrivateKey(private_key).sign_recoverable(_signed_bytes(hashed_action), hasher=None)
    return {"r": f"0x{signed[:32].hex()}", "s": f"0x{signed[32:64].hex()}", "v": 27 + signed[64]}


def address_of(private_key: bytes) -> str:
    """The account of a private key (32 bytes), in lower case."""
    return _address(PrivateKey(private_key).public_key)


def _signed_bytes(hashed_action: bytes) -> bytes:
    return _keccak(_HEADER + _keccak(_AGENT + hashed_action))


def _address(public: PublicKey) -> str:
    return _address_of_point(public.format(compressed=False)[1:])


@lru_cache(maxsize=64)
def _address_of_point(point: bytes) -> str:
    return "0x" + _keccak(point)[-20:].hex()


class Nonces:
    """The times that signers have put under their actions: each works once, and only while it is recent."""

    _KEPT = 100
    _AGE_MAX_MS = 2 * 86_400_000
    _AHEAD_MAX_MS = 86_400_000

    def __init__(self) -> None:
        self._used: dict[str, list[int]] = {}

    def objection(self, address: str, nonce_ms: int, now_ms: int) -> str:
        """What is wrong with a nonce, empty where nothing is: then it is used up."""
        used = self._used.setdefault(address, [])
        lowest = max(now_ms - self._AGE_MAX_MS, used[0] if len(used) == self._KEPT else 0)
        if nonce_ms in used:
            return f"Invalid nonce: duplicate nonce {nonce_ms}"
        if nonce_ms < lowest:
            return f"Invalid nonce: nonce too low {nonce_ms} < {lowest}"
        if nonce_ms > now_ms + self._AHEAD_MAX_MS:
            return f"Invalid nonce: nonce too high {nonce_ms} > {now_ms + self._AHEAD_MAX_MS}"
        insort(used, nonce_ms)
        del used[: -self._KEPT]
        return ""
