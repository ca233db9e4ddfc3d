"""Messages and answers of the exchanges that others have recorded, out of the files they are kept in."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import shared_data

FOLDER = "exchange_fixtures"
_CASSETTE = re.compile(r"string: '((?:[^']|'')*)'")


def files(*folders: str) -> list[Path]:
    """All files of some of the folders; skips the test where they are not on this machine."""
    return sorted(path for folder in folders for path in shared_data(f"{FOLDER}/{folder}").rglob("*") if path.is_file())


def name_of(path: Path) -> str:
    """A file's path below the folder of all recordings."""
    parts = path.parts
    return "/".join(parts[parts.index(FOLDER) + 1 :])


def values(path: Path) -> Iterator[Any]:
    """The JSON values that an exchange sent, in the order of the file; what was sent to it is left out."""
    text = path.read_text(errors="replace")
    if path.suffix == ".json":
        yield from _of_json(json.loads(text))
    elif path.suffix == ".yaml":
        for found in _CASSETTE.finditer(text):
            yield json.loads(re.sub(r"\n\s*", " ", found[1].replace("''", "'")).replace("\\\\", "\\"))
    elif path.suffix == ".txt":
        yield from _of_blocks(text)
    else:
        for line in text.splitlines():
            stamp, _, rest = line.partition(": ")
            if rest.startswith(("[", "{")) and " <- " not in stamp:
                yield json.loads(rest)


def _of_json(value: Any) -> Iterator[Any]:
    """A bare value, or the cases of ccxt's own tests."""
    if not (isinstance(value, dict) and "methods" in value):
        yield value
        return
    for cases in value["methods"].values():
        for case in cases:
            yield from case.get("messages", [])
            if "httpResponse" in case:
                yield case["httpResponse"]


def _of_blocks(text: str) -> Iterator[Any]:
    """Lines marked > were sent and < are short answers; a value follows a line =, or three lines about a request."""
    lines = [line for line in text.splitlines() if not line.startswith(">")]
    short = [line[1:] for line in lines if line.startswith("<")]
    rest = [line for line in lines if not line.startswith("<")]
    if not short and "=" not in [line.strip() for line in rest]:
        rest = rest[3:]
    for part in [*short, *re.split(r"^=\s*$", "\n".join(rest), flags=re.MULTILINE)]:
        try:
            yield json.loads(part)
        except ValueError:
            continue
