"""Finding a strategy's code by what the configuration calls it: a module's name or a file's path."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from adapters.compile_cache import digest_of
from adapters.errors import UserError


def load_module(entry: str, folder: Path) -> ModuleType:
    """The module of `package.module` or of `path/to/file.py` (relative to `folder`). Raises UserError."""
    if not entry.endswith(".py"):
        try:
            return importlib.import_module(entry)
        except ModuleNotFoundError as error:
            raise UserError(f"strategy {entry}: no module named {error.name}, expected an importable module") from None
    path = (folder / entry).resolve()
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
        specification.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"strategy {entry}: {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def source_files(module: ModuleType) -> list[Path]:
    """The module's file and those of its own folder that it may import: what a compiled result depends on."""
    assert module.__file__ is not None
    return sorted(Path(module.__file__).parent.glob("*.py"))
