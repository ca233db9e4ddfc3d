"""How engine functions are compiled, and how a record is read as another of the same size.

`NUMBA_DISABLE_JIT=1` runs the same source as plain Python, with the same results.
"""

from typing import Any

import numba
from numba import config
from numba.extending import intrinsic

from engine.parts import PartCompiler, PartDispatcher

# Without a cache folder named by a hash of all kernel sources, numba would run stale code after an edit
# in an imported file: the composition root names one, and without it nothing is cached.
_CACHE = bool(getattr(config, "CACHE_DIR", ""))
INTERPRETED = bool(getattr(config, "DISABLE_JIT", 0))


def kernel(function: Any) -> Any:
    """Compile `function` without the object mode, division checks or the interpreter lock."""
    return numba.njit(function, cache=_CACHE, error_model="numpy", nogil=True)


def _part(function: Any) -> Any:
    options: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": PartCompiler}
    dispatcher = numba.njit(function, error_model="numpy", nogil=True, **options)
    if not INTERPRETED:
        dispatcher.__class__ = PartDispatcher
    return dispatcher


def inner_kernel(function: Any) -> Any:
    """As `kernel`, for what only kernels call: most of the time to compile is saved."""
    return _part(function)


def shared_kernel(function: Any) -> Any:
    """An inner kernel that stands for many: it is kept, so that a new kernel which calls it is compiled faster."""
    dispatcher = _part(function)
    if _CACHE and not INTERPRETED:
        dispatcher.enable_caching()
    return dispatcher


if INTERPRETED:

    def overlay(record: Any, dtype: Any) -> Any:
        """Read the bytes of `record` as `dtype` of the same size; a view, not a copy."""
        return record.view(dtype)

else:

    @intrinsic
    def overlay(typing_context, record, dtype):  # type: ignore[no-untyped-def]
        """Read the bytes of `record` as `dtype` of the same size; a view, not a copy."""

        def same_pointer(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            return arguments[0]

        if record.size != dtype.dtype.size:
            return None
        return dtype.dtype(record, dtype), same_pointer
