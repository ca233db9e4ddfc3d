"""Where the keys of an exchange come from: the environment, or a file that nobody else can read. Never shown."""

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from adapters.configuration.live_section import ConnectionSection
from adapters.errors import UserError
from adapters.exchanges.port import Keys

_NAMES = ("key", "secret", "wallet")
# Where an account is a wallet there is no key, and its address names it.
_NEEDED = {"hyperliquid": ("secret", "wallet")}
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load_keys(section: ConnectionSection, folder: Path, environment: Mapping[str, str] = os.environ) -> Keys:
    """The keys of a connection; a relative `keys_file` starts from `folder`. Raises UserError, which names no value."""
    if section.keys_env is not None:
        found = {name: environment.get(f"{section.keys_env}_{name.upper()}", "") for name in _NAMES}
        names = {name: f"environment: {section.keys_env}_{name.upper()}" for name in _NAMES}
    else:
        assert section.keys_file is not None, "the configuration names one place for keys"
        path = folder / section.keys_file
        found, names = _read(path), {name: f"{path}: {name}" for name in _NAMES}
    for name in _NEEDED.get(section.exchange, ("key", "secret")):
        if not found.get(name):
            raise UserError(f"{names[name]} is missing, expected the {name} of account {section.account}")
    return Keys(found.get("key", ""), found["secret"], found.get("wallet", ""))


def _read(path: Path) -> dict[str, str]:
    try:
        mode = path.stat().st_mode
        if mode & _OTHERS:
            raise UserError(f"{path}: others may read or write it ({stat.filemode(mode)}), expected chmod 600")
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}), expected a file of keys") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # The parser's own words could show a part of a key.
        raise UserError(f"{path}: not valid TOML, expected key and secret as texts") from None
    unknown = sorted(keys.keys() - set(_NAMES))
    if unknown or not all(isinstance(value, str) for value in keys.values()):
        raise UserError(f"{path}: expected key, secret and wallet as texts and nothing else")
    return keys
