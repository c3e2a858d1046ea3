"""A CuPy module again, with another `RawModule`: on a GPU and on the CPU alike."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from lstmgen.targets.target import Runner, Target, module_text

__all__ = ["load_instead"]


def load_instead(
    target: Target, runner: Runner, compile_instead: Callable[[Any], Callable[..., Any]]
) -> tuple[Any, Any] | None:
    """The module that the runner has, loaded again from its text, and its cupy.

    `compile_instead` makes of CuPy's `RawModule` what the module gets in its place.  None for a
    module without a text, or without CuPy in it.
    """
    text = module_text(runner.module)
    if not text:
        return None
    module = target.load({f"{runner.module.__name__}.py": text}, runner.device)
    cupy: Any = next((v for v in vars(module).values() if _is_cupy(v)), None)
    if cupy is None:
        return None
    made = compile_instead(cupy.RawModule)
    if runner.device == "cpu":  # the stand-in is the module's own
        vars(cupy)["RawModule"] = made
    else:
        instead = _Instead(cupy, made)
        vars(module).update({n: instead for n, v in vars(module).items() if _is_cupy(v)})
    return module, cupy


def _is_cupy(value: object) -> bool:
    return isinstance(value, types.ModuleType) and value.__name__ == "cupy"


class _Instead(types.ModuleType):
    """CuPy, but for what compiles."""

    def __init__(self, cupy: Any, compile_instead: Any) -> None:
        super().__init__("cupy")
        self._cupy, self.RawModule = cupy, compile_instead

    def __getattr__(self, name: str) -> Any:
        """CuPy's own."""
        return getattr(self._cupy, name)
