"""Which engine this is: the version for people and a hash of every source that decides how events fold."""

from functools import cache
from pathlib import Path

from blake3 import blake3

VERSION = "0.3.0"
_ENGINE = Path(__file__).resolve().parent.parent / "engine"


@cache
def engine_version() -> str:
    """`version+hash`: two engines of the same name fold the same tape to the same state."""
    digest = blake3()
    for file in sorted(_ENGINE.rglob("*.py")):
        digest.update(file.relative_to(_ENGINE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{VERSION}+{digest.hexdigest()[:16]}"
