"""Where compiled kernels are kept: a folder named by a hash of all kernel sources and versions.

Numba itself checks only the file that a function stands in, and would run stale code after an edit in an
imported one. `prepare()` must run before anything of `engine` is imported; the command line and the tests do.

Numba also numbers the functions that it compiles from 1 in every process, and names machine code by these numbers
and by the order in which a process met its record types. Kernels of two state layouts that two processes compiled
could so have one name, and the linker would give both layouts the code of one: `prepare()` has every process count
from a number of its own.
"""

import hashlib
import itertools
import os
import sys
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_KERNEL_FOLDERS = ("engine", "adapters/journal", "adapters/simulated", "adapters/strategies", "replay")
_VARIABLE = "NUMBA_CACHE_DIR"


def digest_of(parts: Iterable[bytes]) -> str:
    """A short name for exactly these bytes."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def kernel_sources() -> list[Path]:
    """Every file that a kernel may be compiled from, in a stable order."""
    return sorted(file for folder in _KERNEL_FOLDERS for file in (_ROOT / folder).rglob("*.py"))


def _name() -> str:
    settings = [os.environ.get(name, "") for name in ("NUMBA_BOUNDSCHECK", "NUMBA_OPT")]
    versions = [sys.version, version("numba"), version("numpy"), version("llvmlite"), *settings]
    files = [Path(__file__), *kernel_sources()]
    return digest_of([*(text.encode() for text in versions), *(file.read_bytes() for file in files)])


def _name_kernels_apart() -> None:
    """Number this process's functions from a start that no other process has; the numbers go into names alone."""
    from numba.core.bytecode import FunctionIdentity

    FunctionIdentity._unique_ids = itertools.count(time.time_ns() << 22 | os.getpid())


def cache_base() -> Path:
    """The folder for everything that is kept between runs and can be made again."""
    base = os.environ.get("TAPEFOLD_CACHE")
    return Path(base or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tapefold"))


def prepare() -> bool:
    """Name the cache folder to numba; True where kernels must be compiled first because it is new."""
    folder = cache_base() / f"kernels-{_name()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return True
    os.environ[_VARIABLE] = str(folder)
    _name_kernels_apart()
    return not any(folder.rglob("*.nbi"))


def cache_folder() -> Path | None:
    """The prepared folder, or None where kernels are not kept."""
    folder = os.environ.get(_VARIABLE)
    return Path(folder) if folder else None
