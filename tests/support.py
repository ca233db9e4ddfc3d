"""What several tests need."""

from pathlib import Path
from typing import Any

import numba
import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


def shared_data(relative: str) -> Path:
    """The path of a file of the shared test data; skips the test where it is not there."""
    path = SHARED_DATA / relative
    if not path.exists():
        pytest.skip(f"test data {relative} is not on this machine (../shared/data)")
    return path


def from_python(function: Any) -> Any:
    """A kernel in a form that Python can call. Not cached: it would be taken for the kernel itself."""
    return numba.njit(getattr(function, "py_func", function), error_model="numpy")
