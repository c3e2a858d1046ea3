"""CuPy modules that count which statements of their kernels run, on a GPU or on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lstmgen.targets.common.counters import ARRAY, Counted, count_statements
from lstmgen.targets.cupy.instead import load_instead
from lstmgen.targets.target import Counters, Runner, Target

__all__ = ["counters"]

_READER = "lstmgen_read"


def counters(target: Target, runner: Runner) -> Counters | None:
    """The module again, with counters in its kernels; None without its text, or a CuPy in it."""
    made: list[tuple[Any, Counted]] = []

    def counting(raw_module: Any) -> Callable[..., Any]:
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

        return compile_counting

    found = load_instead(target, runner, counting)
    if found is None:
        return None
    module, cupy = found

    def never() -> Sequence[str]:
        ran: dict[str, bool] = {}
        for compiled, counted in made:
            read = cupy.zeros(max(1, len(counted.places)), "uint8")
            compiled.get_function(_READER)((1,), (1,), (read,))
            for place, one in zip(counted.places, cupy.asnumpy(read), strict=False):
                ran[place] = ran.get(place, False) or bool(one)
        return [f"kernels, {place}" for place, one in ran.items() if not one]

    return Counters(target.runner(module, runner.device, runner.name), never)
