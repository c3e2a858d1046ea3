"""Import a generated module with `cupy` meaning the stand-in, and nothing else changed."""

from __future__ import annotations

import builtins
import itertools
import linecache
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from .module import EmulatedCuPy, emulated_cupy

__all__ = ["load_module"]

_SERIAL = itertools.count(1)


def load_module(
    source: str | Path, name: str | None = None, *, cupy: EmulatedCuPy | None = None
) -> ModuleType:
    """Execute a module's text with its `import cupy` bound to the stand-in.

    source: the path of a .py file, or its text (a str with a line break).  name: the module's
    `__name__`; by default the file's.  cupy: the stand-in, a new one where it is missing; the
    module has it as its `cupy` in any case, however it names it itself.

    Only the import statements of this module are redirected, now and whenever its functions run:
    sys.modules is neither read for cupy nor changed, so the real cupy, if it is there, is
    untouched, and threads may load modules at the same time.
    """
    if isinstance(source, Path) or "\n" not in source:
        path = Path(source)
        text, file = path.read_text(encoding="utf-8"), str(path)
        name = name or path.stem
    else:
        name = name or "generated"
        text, file = source, f"<lstmgen {name} {next(_SERIAL)}>"
        # Tracebacks and the verification show the generated lines.
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    stand_in = cupy if cupy is not None else emulated_cupy()
    module = ModuleType(name)
    module.__file__ = file
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": _importer(stand_in)}
    exec(compile(text, file, "exec"), vars(module))
    vars(module).setdefault("cupy", stand_in)
    return module


def _importer(stand_in: EmulatedCuPy) -> Any:
    """`__import__` for one module: its cupy is the stand-in, all else as ever."""
    submodules = stand_in.submodules()

    def importer(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level or name.partition(".")[0] != "cupy":
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        if name not in submodules:
            raise ModuleNotFoundError(
                f"the stand-in for cupy that runs kernels on the CPU has no module {name}",
                name=name,
            )
        return submodules[name] if fromlist else stand_in

    return importer
