"""Finding a strategy's code by what the configuration calls it: a module's name or a file's path."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numba

from adapters.compile_cache import digest_of
from adapters.errors import UserError

_NUMBA: Any = numba.config


def load_module(entry: str, folder: Path) -> ModuleType:
    """The module of `package.module` or of `path/to/file.py` (relative to `folder`). Raises UserError."""
    return _load_file(entry, (folder / entry).resolve()) if entry.endswith(".py") else _import(entry)


def _import(entry: str) -> ModuleType:
    try:
        specification = importlib.util.find_spec(entry)
        if specification is None:
            raise ModuleNotFoundError(name=entry)
        with _own_kernels(specification.origin):
            return importlib.import_module(entry)
    except ModuleNotFoundError as error:
        raise UserError(f"strategy {entry}: no module named {error.name}, expected an importable module") from None
    except Exception as error:
        raise UserError(f"strategy {entry}: cannot be loaded: {type(error).__name__}: {error}") from error


def _load_file(entry: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"strategy {entry}: no such file {path}")
    name = "strategy_file_" + digest_of([str(path).encode()])
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        with _own_kernels(str(path)):
            specification.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"strategy {entry}: {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


@contextmanager
def _own_kernels(file: str | None) -> Iterator[None]:
    """Kernels defined here are kept in a place named by all sources beside `file`.

    Numba looks only at the file that a kernel stands in, and would run stale code after an edit in one that it
    imports.
    """
    kept = _NUMBA.CACHE_DIR
    if kept and file is not None:
        sources = digest_of(source.read_bytes() for source in _beside(Path(file)))
        _NUMBA.CACHE_DIR = str(Path(kept) / f"strategy_{sources}")
    try:
        yield
    finally:
        _NUMBA.CACHE_DIR = kept


def _beside(file: Path) -> list[Path]:
    return sorted(file.parent.glob("*.py"))


def source_files(module: ModuleType) -> list[Path]:
    """The module's file and those of its own folder that it may import: what a compiled result depends on."""
    assert module.__file__ is not None
    return _beside(Path(module.__file__))
