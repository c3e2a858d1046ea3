"""CuPy modules that count which statements of their kernels run, on a GPU or on the CPU."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from lstmgen.targets.common.counters import ARRAY, Counted, count_statements
from lstmgen.targets.target import Counters, Runner, Target, module_text

__all__ = ["counters"]

_READER = "lstmgen_read"


def counters(target: Target, runner: Runner) -> Counters | None:
    """The module again, with counters in its kernels; None without its text, or a CuPy in it."""
    text = module_text(runner.module)
    if not text:
        return None
    file = f"{runner.module.__name__}.py"
    module = target.load({file: text}, runner.device)
    cupy: Any = next((v for v in vars(module).values() if _is_cupy(v)), None)
    if cupy is None:
        return None
    raw_module = cupy.RawModule
    made: list[tuple[Any, Counted]] = []

    def compile_counting(*, code: str, **options: Any) -> Any:
        """A `RawModule` of the text with counters, and with a kernel that reads them."""
        counted = count_statements(code)
        count = max(1, len(counted.places))
        compiled = raw_module(
            code=f"__device__ unsigned char {ARRAY}[{count}];\n{counted.text}\n"
            f'extern "C" __global__ void {_READER}(unsigned char* to) {{\n'
            f"  for (int k = 0; k < {count}; ++k) to[k] = {ARRAY}[k];\n}}\n",
            **options,
        )
        made.append((compiled, counted))
        return compiled

    if runner.device == "cpu":  # the stand-in is the module's own
        vars(cupy)["RawModule"] = compile_counting
    else:
        instead = _Instead(cupy, compile_counting)
        vars(module).update({n: instead for n, v in vars(module).items() if _is_cupy(v)})

    def never() -> Sequence[str]:
        ran: dict[str, bool] = {}
        for compiled, counted in made:
            read = cupy.zeros(max(1, len(counted.places)), "uint8")
            compiled.get_function(_READER)((1,), (1,), (read,))
            for place, one in zip(counted.places, cupy.asnumpy(read), strict=False):
                ran[place] = ran.get(place, False) or bool(one)
        return [f"kernels, {place}" for place, one in ran.items() if not one]

    return Counters(target.runner(module, runner.device, runner.name), never)


def _is_cupy(value: object) -> bool:
    return isinstance(value, types.ModuleType) and value.__name__ == "cupy"


class _Instead(types.ModuleType):
    """CuPy, but for what compiles."""

    def __init__(self, cupy: Any, compile_counting: Any) -> None:
        super().__init__("cupy")
        self._cupy, self.RawModule = cupy, compile_counting

    def __getattr__(self, name: str) -> Any:
        """CuPy's own."""
        return getattr(self._cupy, name)
