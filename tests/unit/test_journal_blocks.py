"""The bytes of a block, of a sealed value and of a document, one by one."""

import struct

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from adapters.journal.blocks import HEADER_BYTES, BlockBuffer, Chain, aligned, decode_block, documents_hash, seal_block
from adapters.journal.documents import (
    Document,
    StrategyDocument,
    TextDocument,
    decode_document,
    document_hash,
    encode_document,
)
from adapters.journal.port import Bytes, Malformed
from adapters.journal.sealed import Head, key_after, key_seq, seal, seq_key, unseal
from tests.conformance.journal_places import digest_of, flipped, some_decisions, some_events


def a_block(first_seq: int = 5, events: int = 3, decisions: int = 2, spare: int = 0) -> bytes:
    records = some_events(events), some_decisions(decisions, first_seq, first_seq + events - 1)
    buffer = BlockBuffer(events + spare, decisions + spare)
    buffer.events[: len(records[0])] = records[0]
    buffer.decisions[: len(records[1])] = records[1]
    hashes = documents_hash([(first_seq, bytes(32))])
    value = buffer.close_up(events, decisions)
    return bytes(seal_block(value, first_seq, events, digest_of(9), b"p" * 32, 1, hashes))


def test_a_block_is_the_same_in_a_larger_buffer() -> None:
    for decisions in (0, 1, 7):
        assert a_block(decisions=decisions) == a_block(decisions=decisions, spare=5)


def test_the_records_of_a_block_are_found_where_closing_up_has_moved_them() -> None:
    # Three decisions behind three events of a buffer for four: they reach into their own first place.
    events, decisions = some_events(3), some_decisions(3, 5, 7)
    buffer = BlockBuffer(4, 5)
    buffer.events[: len(events)] = events
    buffer.decisions[: len(decisions)] = decisions
    buffer.close_up(3, 3)
    found = buffer.block(3, 3)
    assert found[0].tobytes() == events.tobytes() and found[1].tobytes() == decisions.tobytes()


def bytes_of(value: bytes) -> Bytes:
    return np.frombuffer(value, np.uint8)


def test_the_layout_is_the_documented_one() -> None:
    value = a_block()
    assert HEADER_BYTES == 192
    assert value[:32] == blake3(value[32:]).digest()
    assert value[32:40] == b"TAPEFOLD"
    assert struct.unpack_from("<II", value, 40) == (1, 192)
    assert struct.unpack_from("<6q", value, 48) == (3, 2, 5, 1, 1_000, 3_000)
    assert value[96:128] == b"p" * 32
    assert value[128:160] == blake3(struct.pack("<q", 5) + bytes(32)).digest()
    assert value[160:192] == digest_of(9)
    assert value[192:384] == some_events(3).tobytes()
    assert value[384:] == some_decisions(2, 5, 7).tobytes()


def test_a_block_without_documents_has_zeros_for_their_hash() -> None:
    assert documents_hash([]) == bytes(32)


def test_every_flipped_bit_and_every_truncation_is_malformed() -> None:
    value = a_block()
    for position in range(len(value)):
        for bit in range(8):
            with pytest.raises(Malformed):
                decode_block(bytes_of(flipped(value, position, 1 << bit)))
        with pytest.raises(Malformed):
            decode_block(bytes_of(value[:position]))
    assert decode_block(bytes_of(value)).last_seq == 7


@given(st.binary(max_size=600))
def test_no_bytes_crash_the_decoder(value: bytes) -> None:
    for verified in (True, False):
        with pytest.raises(Malformed):
            decode_block(bytes_of(value), verified)


@given(st.binary(min_size=48, max_size=48))
def test_no_header_crashes_the_unverified_decoder(numbers: bytes) -> None:
    value = a_block()
    forged = value[:48] + numbers + value[96:]
    if forged != value:
        try:
            block = decode_block(bytes_of(forged), verified=False)
        except Malformed:
            return
        assert len(block.events) + len(block.decisions) == len(value) - HEADER_BYTES


def test_a_chain_takes_only_the_block_that_follows() -> None:
    chain = Chain(5, b"p" * 32)
    with pytest.raises(Malformed, match="starts at event 6, expected 5"):
        chain.link(seq_key(6), bytes_of(a_block(6)), verified=True)
    with pytest.raises(Malformed, match="block of events 6 to 8 is stored in its place"):
        chain.link(seq_key(5), bytes_of(a_block(6)), verified=True)
    with pytest.raises(Malformed, match="does not follow the block before it"):
        Chain(5, b"q" * 32).link(seq_key(5), bytes_of(a_block()), verified=True)
    assert chain.link(seq_key(5), bytes_of(a_block()), verified=True).last_seq == 7
    assert chain.next_seq == 8


@given(st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 63) - 1))
def test_keys_sort_as_their_numbers_do(first: int, second: int) -> None:
    assert (seq_key(first) < seq_key(second)) == (first < second)
    assert key_seq(seq_key(first)) == first
    assert seq_key(first) < key_after(seq_key(first)) <= seq_key(first) + b"\0"


@pytest.mark.parametrize("key", [b"", b"1234567", b"123456789", b"\x80" + bytes(7)])
def test_other_keys_are_malformed(key: bytes) -> None:
    with pytest.raises(Malformed, match="not a sequence number"):
        key_seq(key)


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_sealed_value_opens_only_unchanged(payload: bytes, data: st.DataObject) -> None:
    value = seal(payload)
    assert unseal(memoryview(value), "value") == payload
    position = data.draw(st.integers(0, len(value) - 1))
    for other in (flipped(value, position), value[:position], value + b"\0"):
        with pytest.raises(Malformed, match="the value is not what was written"):
            unseal(memoryview(other), "value")


def test_a_head_of_another_length_is_malformed() -> None:
    head = Head(7, 2, 5, bytes(32))
    assert Head.decode(memoryview(head.encode())) == head
    with pytest.raises(Malformed, match="has 3 bytes, expected 56"):
        Head.decode(memoryview(seal(b"abc")))


def test_a_document_has_one_encoding_and_its_hash_is_the_documented_one() -> None:
    one = StrategyDocument(name="ema", form="python", entry="a:b", parameters={"slow": 26, "fast": 12, "on": True})
    two = StrategyDocument(name="ema", form="python", entry="a:b", parameters={"on": True, "fast": 12, "slow": 26})
    value = encode_document(one)
    assert value == encode_document(two)
    assert document_hash(one) == struct.unpack("<q", blake3(value[32:]).digest()[:8])[0]
    assert document_hash(one) != document_hash(TextDocument(text="ema", author="a"))


@given(st.text(), st.text())
def test_texts_survive(text: str, author: str) -> None:
    document: Document = TextDocument(text=text, author=author)
    assert decode_document(unseal(memoryview(encode_document(document)), "document")) == document


def test_buffers_are_aligned() -> None:
    for size in (1, 63, 64, 100_000):
        buffer = aligned(size)
        assert len(buffer) == size and buffer.ctypes.data % 64 == 0
