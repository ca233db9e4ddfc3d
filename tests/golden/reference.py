"""The reference journals: where they are, how they are unpacked, what they lead to.

`python -m tests.golden.reference` unpacks them beside their files, to be asked; with folders, it prints where those
journals lead, from a process of its own.
"""

from adapters import compile_cache

compile_cache.prepare()

import json  # noqa: E402
import lzma  # noqa: E402
import sys  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from pathlib import Path  # noqa: E402

from adapters.journal import read_journal  # noqa: E402
from adapters.journal.lmdb_environment import DATA_FILE  # noqa: E402
from replay.audit.bisect import What, part_from_engine  # noqa: E402
from replay.refold import refold  # noqa: E402
from tests.support import ROOT  # noqa: E402

FOLDER = ROOT / "journals" / "reference"
EXPECTED = FOLDER / "expected.json"
_SUFFIX = ".mdb.xz"

Found = dict[str, str | int]


def names() -> list[str]:
    return sorted(file.name.removesuffix(_SUFFIX) for file in FOLDER.glob(f"*{_SUFFIX}"))


def expected() -> Mapping[str, Found]:
    """By name: the engine that wrote it, how many events, and where they lead."""
    found: dict[str, Found] = json.loads(EXPECTED.read_text())
    return found


def unpack(name: str, folder: Path) -> Path:
    """The journal of this name as a folder in `folder`."""
    journal = folder / name
    journal.mkdir(parents=True, exist_ok=True)
    (journal / DATA_FILE).write_bytes(lzma.decompress((FOLDER / f"{name}{_SUFFIX}").read_bytes()))
    return journal


def pack(name: str, journal: Path) -> None:
    """Keep a journal, which nobody writes, under this name."""
    FOLDER.mkdir(exist_ok=True)
    packed = lzma.compress((journal / DATA_FILE).read_bytes(), preset=9 | lzma.PRESET_EXTREME)
    (FOLDER / f"{name}{_SUFFIX}").write_bytes(packed)


def digests(journal: Path) -> Found:
    """Where a journal leads with this engine: to its end, or to the event before one that is decided otherwise."""
    with read_journal(journal) as reader:
        found: Found = {"engine_version": reader.manifest.engine_version, "events": reader.last_seq}
        parted = part_from_engine(reader)
        if parted.what is not What.NOTHING:
            found |= {"parts_at": parted.seq, "parts_in": parted.what.value}
        folded = refold(reader, until_seq=parted.seq - 1 if parted.seq else None)
        return found | {"state": folded.state_digest, "commands": folded.command_digest}


def main(arguments: list[str]) -> None:
    if arguments:
        print(json.dumps({"hashed": hash("tape"), "digests": [digests(Path(name)) for name in arguments]}))
        return
    for name in names():
        print(unpack(name, FOLDER))


if __name__ == "__main__":
    main(sys.argv[1:])
