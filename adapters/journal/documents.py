"""The documents of the tape: text for people and the full definitions for the audit, never what a fold waits for."""

import msgspec

from adapters.journal.sealed import seal

Parameter = str | int | float | bool


class ConfigurationDocument(msgspec.Struct, frozen=True, kw_only=True, tag="configuration"):
    """A configuration file as it was read, or a change of it. `format` names its language, such as `toml`."""

    text: str
    format: str


class InstrumentDocument(msgspec.Struct, frozen=True, kw_only=True, tag="instrument"):
    """What instrument `number` is. Sizes are decimal strings: money of one tick, quantity of one lot, multiplier."""

    number: int
    symbol: str
    base_currency: str
    quote_currency: str
    settlement_currency: str
    tick_size: str
    lot_size: str
    multiplier: str


class AccountDocument(msgspec.Struct, frozen=True, kw_only=True, tag="account"):
    """What an account is called, what its money is, and of which kind it is (`cash` or `margin`)."""

    name: str
    currency: str
    account_kind: str


class StrategyDocument(msgspec.Struct, frozen=True, kw_only=True, tag="strategy"):
    """Which strategy runs: its name, form (`compiled` or `python`), entry point and parameters."""

    name: str
    form: str
    entry: str
    parameters: dict[str, Parameter]


class BreakerDocument(msgspec.Struct, frozen=True, kw_only=True, tag="breaker"):
    """What the breaker in row `number` is called."""

    number: int
    name: str


class TextDocument(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """Free text: the reason of a signal or of an operator's command."""

    text: str
    author: str


Document = (
    ConfigurationDocument | InstrumentDocument | AccountDocument | StrategyDocument | BreakerDocument | TextDocument
)

# Sorted keys: one document has one encoding, hence one hash.
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder: msgspec.msgpack.Decoder[Document] = msgspec.msgpack.Decoder(Document)


def encode_document(document: Document) -> bytes:
    """The document as stored: 32 bytes of hash, then MessagePack with sorted keys."""
    return seal(_encoder.encode(document))


def decode_document(payload: memoryview) -> Document:
    """The document in an opened value. Raises `msgspec.MsgspecError` for what is none of the known kinds."""
    return _decoder.decode(payload)


def document_hash(document: Document) -> int:
    """What the event that the document belongs to carries: the first 8 bytes of its hash, little-endian int64."""
    return hash_word(encode_document(document))


def hash_word(sealed: bytes | memoryview) -> int:
    """The first 8 bytes of a stored value's hash as a little-endian int64."""
    return int.from_bytes(sealed[:8], "little", signed=True)
