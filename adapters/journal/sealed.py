"""Every value of a journal starts with the hash of the rest of it; small records and keys."""

import struct
from typing import NamedTuple, Self

from blake3 import blake3

from adapters.journal.port import DIGEST_BYTES, Malformed

MANIFEST_KEY = b"manifest"
HEAD_KEY = b"head"
CUT_KEY = b"cut-"
LAST_KEY = b"\xff" * 8

_HEAD = struct.Struct("<qqq32s")


def digest(data: bytes | memoryview) -> bytes:
    """The 32 bytes of BLAKE3: the one hash of the journal."""
    return blake3(data).digest()


def seal(payload: bytes) -> bytes:
    """The payload behind its hash."""
    return digest(payload) + payload


def unseal(value: memoryview, what: str) -> memoryview:
    """The payload of a stored value. Raises `Malformed`, naming it `what`, where the hash does not match."""
    if len(value) <= DIGEST_BYTES or digest(value[DIGEST_BYTES:]) != value[:DIGEST_BYTES]:
        raise Malformed(f"the {what} is not what was written (its hash does not match)", unreadable=True)
    return value[DIGEST_BYTES:]


def seq_key(seq: int) -> bytes:
    """The key of a sequence number: big-endian, so that keys sort as numbers do."""
    return seq.to_bytes(8, "big")


def key_seq(key: bytes) -> int:
    """The sequence number of a key. Raises `Malformed` where the key is none."""
    if len(key) != 8 or key[0] > 127:
        raise Malformed(f"the key {key.hex()} is not a sequence number", unreadable=True)
    return int.from_bytes(key, "big")


def key_after(key: bytes) -> bytes:
    """The first key that sorts behind `key`."""
    return key + b"\0"


class Head(NamedTuple):
    """Where the tape ends: written in the commit of every block, so that a missing last block is noticed.

    `block_seq` is the first sequence number of the last block, `hash` its hash; of an empty tape the hash is the
    manifest's and the numbers are 0.
    """

    last_seq: int
    blocks: int
    block_seq: int
    hash: bytes

    def encode(self) -> bytes:
        return seal(_HEAD.pack(*self))

    @classmethod
    def decode(cls, value: memoryview | None) -> Self:
        if value is None:
            raise Malformed("the head record is missing")
        payload = unseal(value, "head record")
        if len(payload) != _HEAD.size:
            raise Malformed(f"the head record has {len(payload)} bytes, expected {_HEAD.size}")
        return cls(*_HEAD.unpack(payload))
