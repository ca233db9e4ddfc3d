"""Keys and values of the tables as bytes. Keys sort as what they stand for."""

from uuid import UUID

import msgspec
from eventsourcing.persistence import DataError

# LMDB's bound for a key.
KEY_BYTES_MAX = 511
_NUMBER_BYTES = 8
_HALF = 1 << 63


class StoredValue(msgspec.Struct, frozen=True, array_like=True):
    """What a stored event holds besides its key."""

    topic: str
    state: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredValue)


def originator_key(originator_id: UUID | str) -> bytes:
    """The start of the keys of an aggregate's events; no other aggregate's starts so."""
    if isinstance(originator_id, UUID):
        return b"u" + originator_id.bytes
    text = originator_id.encode()
    key = b"s" + len(text).to_bytes(2, "big") + text if len(text) <= KEY_BYTES_MAX else text
    if len(key) + _NUMBER_BYTES > KEY_BYTES_MAX:
        raise DataError(f"originator_id has {len(text)} bytes, expected at most {KEY_BYTES_MAX - 3 - _NUMBER_BYTES}")
    return key


def event_key(originator_id: UUID | str, version: int) -> bytes:
    return originator_key(originator_id) + version_key(version)


def version_key(version: int) -> bytes:
    """Big-endian, with the negative ones below; what is beyond 64 bits is taken for the outermost."""
    return (min(max(version, -_HALF), _HALF - 1) + _HALF).to_bytes(_NUMBER_BYTES, "big")


def event_of_key(key: bytes) -> tuple[UUID | str, int]:
    """The originator and the version of a key."""
    version = int.from_bytes(key[-_NUMBER_BYTES:], "big") - _HALF
    originator = key[:-_NUMBER_BYTES]
    return (UUID(bytes=originator[1:]) if originator[:1] == b"u" else originator[3:].decode()), version


def position_key(position: int) -> bytes:
    """The key of a notification; positions start at 1."""
    return min(max(position, 0), 2 * _HALF - 1).to_bytes(_NUMBER_BYTES, "big")


def key_position(key: bytes) -> int:
    return int.from_bytes(key, "big")


def name_key(name: str) -> bytes:
    """The key of an application's name, which may be empty."""
    key = b"n" + name.encode()
    if len(key) > KEY_BYTES_MAX:
        raise DataError(f"application_name has {len(key) - 1} bytes, expected at most {KEY_BYTES_MAX - 1}")
    return key


def encode_value(topic: str, state: bytes) -> bytes:
    return _encoder.encode(StoredValue(topic, state))


def decode_value(value: bytes) -> StoredValue:
    return _decoder.decode(value)
