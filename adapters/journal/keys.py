"""Keys that sign seals: Ed25519, each in a file. A private key is for its owner alone, and no message shows one."""

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from adapters.errors import UserError

# Far more than a key takes; what is larger is some other file.
_BYTES_MAX = 16 << 10
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_key(file: Path) -> Ed25519PublicKey:
    """Write a new private key (PEM, PKCS 8) that only its owner can read; the public key. Raises `UserError`."""
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UserError(f"{file}: is there already, expected a new file: a key is never replaced") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror}), expected a new file for the key") from error
    with open(descriptor, "wb") as out:
        out.write(text)
        out.flush()
        os.fsync(descriptor)
    return key.public_key()


def read_private_key(file: Path) -> Ed25519PrivateKey:
    """The private key in a file that nobody but its owner may read. Raises `UserError`, which never shows the key."""
    text = _read(file, "a private key")
    try:
        if file.stat().st_mode & _OTHERS:
            raise UserError(f"{file}: can be read or written by others, expected chmod 600")
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Their words may quote what was read.
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{file}: holds no key to sign with, expected one that tapefold journal keygen has made")
    return key


def read_public_key(file: Path) -> Ed25519PublicKey:
    """The public key in a file. Raises `UserError`."""
    text = _read(file, "a public key")
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"{file}: holds no public key, expected what tapefold journal keygen has printed")
    return key


def public_text(key: Ed25519PublicKey) -> str:
    """A public key as text (PEM)."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_hex(key: Ed25519PublicKey) -> str:
    """The 32 bytes of a public key in hexadecimal: what a seal names its signer by."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _read(file: Path, what: str) -> bytes:
    try:
        with open(file, "rb") as source:
            text = source.read(_BYTES_MAX + 1)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}), expected {what}") from error
    return text if len(text) <= _BYTES_MAX else b""
