"""Inner kernels as parts: typed and translated once, linked into whole kernels, and optimised there.

Numba by itself optimises and makes executable every function it meets, with all that the function calls, again and
again up the tree of calls; here that is done once for each whole kernel. What is used of numba is its interface for
compilers of one's own (passes, code libraries, caches). Why: docs/decisions/0011-kernels-from-parts.md.
"""

from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.codegen import JITCodeLibrary, ll  # type: ignore[attr-defined]
from numba.core.compiler import CompilerBase, DefaultPassBuilder, compile_result
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

_PYTHON_MAY_CALL = False


class _PartLibrary(JITCodeLibrary):
    """The code of a part: it is neither optimised nor executable, only there to be linked."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _PartName:
    """Stands for a part where numba looks for the address of a function."""


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        name = _PartName()
        state.targetctx.insert_user_function(name, state["cr"].fndesc, [state.library])
        state["cr"] = state["cr"]._replace(cfunc=name)
        return True


class PartCompiler(CompilerBase):
    """Numba's own passes, but for the last step."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(_PartLowering if step is NativeLowering else step, text) for step, text in passes.passes]
        passes.finalize()
        return [passes]


class _PartCode(CompileResultCacheImpl):
    """A part in the cache: its code before optimisation, with all that it calls."""

    def reduce(self, compiled: Any) -> Any:
        compiled.fndesc.typemap = compiled.fndesc.calltypes = None
        library = compiled.library
        return library.name, library._get_module_for_linking().as_bitcode(), compiled.fndesc, compiled.signature

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        name, bitcode, fndesc, signature = payload
        library = _PartLibrary(target_context.codegen(), name)
        library._final_module = ll.parse_bitcode(bitcode)
        library._finalized = True
        return compile_result(
            target_context=target_context,
            typing_context=target_context.typing_context,
            library=library,
            entry_point=_PartName(),
            fndesc=fndesc,
            signature=signature,
            objectmode=False,
            lifted=(),
        )


class _PartCache(FunctionCache):
    _impl_class = _PartCode


class PartDispatcher(CPUDispatcher):
    """A function that only kernels can call."""

    def add_overload(self, compiled: Any) -> None:
        self.overloads[tuple(compiled.signature.args)] = compiled

    def enable_caching(self) -> None:
        self._cache = _PartCache(self.py_func)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        assert _PYTHON_MAY_CALL, f"{self.py_func.__name__} is an inner kernel: only kernels can call it"
