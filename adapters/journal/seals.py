"""Signed seals: what a journal was at some event, said by somebody who holds a key.

Whoever can write a journal can make all its hashes anew. A seal names the hash that the tape had, and cannot be made
anew by one who does not hold the key.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from adapters.errors import JournalDamaged, UserError
from adapters.journal.integrity import IntegrityReport
from adapters.journal.journal import JournalReader, read_end
from adapters.journal.keys import public_hex
from adapters.journal.port import NO_STATE_DIGEST, Table
from adapters.journal.sealed import key_seq

SEALS_FOLDER = "seals"
SEAL_VERSION = 1
# Signed with the text before it, so that no other signature of the same key can pass for a seal.
_CONTEXT = b"tapefold seal\n"
_SEAL_BYTES_MAX = 64 << 10
_encoder = msgspec.json.Encoder(order="deterministic")


class Seal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A journal as it was after event `last_seq`, the last of a block. Hashes, key and signature are hexadecimal.

    `state_digest` is empty where that block states none; `name` is who seals, in their own words, and `sealed_ns`
    when, by their clock.
    """

    seal_version: int = SEAL_VERSION
    journal_id: str
    manifest_hash: str
    last_seq: int
    blocks: int
    documents: int
    head_hash: str
    state_digest: str
    sealed_ns: int
    name: str
    public_key: str
    signature: str = ""

    @property
    def file_name(self) -> str:
        """What its file is called: two who seal the same end do not get in each other's way."""
        return f"{self.last_seq}-{self.public_key[:8]}.json"

    def signed(self, key: Ed25519PrivateKey) -> Self:
        return msgspec.structs.replace(self, signature=key.sign(self._message()).hex())

    def is_signed(self) -> bool:
        """Whether the signature is the key's for exactly these words."""
        try:
            signature = bytes.fromhex(self.signature)
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))
            key.verify(signature, self._message())
        except (InvalidSignature, ValueError):
            return False
        return signature.hex() == self.signature

    def encode(self) -> bytes:
        """The one way to write this seal: sorted keys, one line."""
        return _encoder.encode(self) + b"\n"

    def _message(self) -> bytes:
        return _CONTEXT + _encoder.encode(msgspec.structs.replace(self, signature=""))


@dataclass(frozen=True, slots=True)
class FoundSeal:
    """A seal and the file that it was read from."""

    file: Path
    seal: Seal

    def __str__(self) -> str:
        who = f" of {self.seal.name!r}" if self.seal.name else ""
        return f"the seal{who} at event {self.seal.last_seq} ({self.file})"


def seal_journal(reader: JournalReader, key: Ed25519PrivateKey, name: str, sealed_ns: int) -> Seal:
    """Seal the tape as it ends now, also while it grows. Raises `UserError` for an empty one, `JournalDamaged`."""
    with reader.store.view() as view:
        head = read_end(reader.store.name, view)
        if head.last_seq == 0:
            raise UserError(f"{reader.store.name}: the tape is empty, expected at least one event to seal")
        documents = sum(key_seq(key) <= head.last_seq for key, _ in view.items(Table.DOCUMENTS, b"\0"))
    block = next(iter(reader.blocks(head.last_seq, head.last_seq)))
    if block.hash != head.hash:
        raise JournalDamaged(f"{reader.store.name}: the head record names another block; nothing was sealed")
    seal = Seal(
        journal_id=reader.manifest.journal_id,
        manifest_hash=reader.manifest_hash.hex(),
        last_seq=head.last_seq,
        blocks=head.blocks,
        documents=documents,
        head_hash=head.hash.hex(),
        state_digest="" if block.state_digest == NO_STATE_DIGEST else block.state_digest.hex(),
        sealed_ns=sealed_ns,
        name=name,
        public_key=public_hex(key.public_key()),
    )
    return seal.signed(key)


def keep_seal(seal: Seal, file: Path) -> None:
    """Write a seal, whole or not at all. Raises `UserError`."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(unfinished, "wb") as out:
            out.write(seal.encode())
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror}), expected room for a seal") from error


def read_seal(file: Path) -> FoundSeal:
    """The seal in a file; its signature is not checked. Raises `UserError` for what is none."""
    try:
        with open(file, "rb") as source:
            text = source.read(_SEAL_BYTES_MAX)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}), expected a seal") from error
    try:
        seal = msgspec.json.decode(text, type=Seal)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: holds no seal ({error}), expected one that tapefold journal seal has made") from None
    if seal.seal_version != SEAL_VERSION:
        raise UserError(f"{file}: the seal has version {seal.seal_version}, expected {SEAL_VERSION}")
    if seal.encode() != text:
        raise UserError(f"{file}: the seal is not as it was written, expected it byte for byte")
    return FoundSeal(file, seal)


def seals_of(journal: Path) -> list[FoundSeal]:
    """The seals in a journal's folder. Raises `JournalDamaged` for one that is not as it was written."""
    folder = journal / SEALS_FOLDER
    try:
        return [read_seal(file) for file in sorted(folder.glob("*.json"))]
    except UserError as error:
        raise JournalDamaged(str(error)) from None


@dataclass(frozen=True, slots=True)
class SealsChecked:
    """Seals that hold, and those that nobody can tell of, because the segment they are in has been moved away."""

    held: list[FoundSeal] = field(default_factory=list)
    open: list[FoundSeal] = field(default_factory=list)


def check_seals(
    reader: JournalReader, report: IntegrityReport, seals: Sequence[FoundSeal], keys: Collection[str] = ()
) -> SealsChecked:
    """Compare seals with a tape that is sound. `report` must have been asked for the ends that they are of.

    With `keys` (hexadecimal), each seal must be signed with one of them, and there must be one. Raises
    `JournalDamaged` for the first that does not hold: then the tape is not the one that was sealed.
    """
    if keys and not seals:
        raise JournalDamaged(f"{reader.store.name}: there is no seal, expected one of the given key")
    checked = SealsChecked()
    for found in seals:
        if (wrong := _wrong_with(reader, report, found.seal, keys)) is not None:
            raise JournalDamaged(f"{reader.store.name}: {found}: {wrong}")
        (checked.held if found.seal.last_seq in report.ends else checked.open).append(found)
    return checked


def _wrong_with(reader: JournalReader, report: IntegrityReport, seal: Seal, keys: Collection[str]) -> str | None:
    if not seal.is_signed():
        return "the signature is not that of its key; the seal was changed"
    if keys and seal.public_key not in keys:
        return f"it is signed with another key ({seal.public_key[:8]}) than the given ones"
    if seal.manifest_hash != reader.manifest_hash.hex():
        return f"it is of another journal ({seal.journal_id}), not of {reader.manifest.journal_id}"
    if seal.last_seq > report.events:
        return f"the tape ends at event {report.events}: what was behind it was cut off"
    end = report.ends.get(seal.last_seq)
    if end is None:
        is_away = any(segment.first_seq <= seal.last_seq <= segment.last_seq for segment in report.absent)
        return None if is_away else "no block ends there: the tape was replaced by another one"
    if end.hash.hex() != seal.head_hash:
        return "the tape has another hash there: events up to it were replaced"
    counts = end.blocks, end.documents
    if counts != (seal.blocks, seal.documents):
        return (
            f"{end.blocks} blocks and {end.documents} documents are there, it says {seal.blocks} and {seal.documents}"
        )
    return None
