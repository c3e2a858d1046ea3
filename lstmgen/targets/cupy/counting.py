"""CuPy modules on the CPU that count which statements of their kernels run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lstmgen.targets.common.counters import ARRAY, Counted, count_statements
from lstmgen.targets.target import Counters, Runner, Target, module_text

__all__ = ["counters"]

_READER = "lstmgen_read"


def counters(target: Target, runner: Runner) -> Counters | None:
    """The module again, with counters in its kernels; None on a device, and without its text."""
    from lstmgen.cuda import on_cpu
    from lstmgen.targets.cupy.devices import emulated_cupy

    text = module_text(runner.module)
    if runner.device != "cpu" or not text:
        return None
    cupy = emulated_cupy()
    made: list[tuple[Any, Counted]] = []

    class Counting(cupy.RawModule):  # type: ignore[misc, name-defined]
        """Puts counters into the text, and a kernel that reads them."""

        def __init__(self, *, code: str, **options: Any) -> None:
            counted = count_statements(code)
            count = max(1, len(counted.places))
            super().__init__(
                code=f"__device__ unsigned char {ARRAY}[{count}];\n{counted.text}\n"
                f'extern "C" __global__ void {_READER}(unsigned char* to) {{\n'
                f"  for (int k = 0; k < {count}; ++k) to[k] = {ARRAY}[k];\n}}\n",
                **options,
            )
            made.append((self, counted))

    vars(cupy)["RawModule"] = Counting
    module = on_cpu.load_module(text, runner.module.__name__, cupy=cupy)

    def never() -> Sequence[str]:
        ran: dict[str, bool] = {}
        for compiled, counted in made:
            read = cupy.zeros(max(1, len(counted.places)), "uint8")
            compiled.get_function(_READER)((1,), (1,), (read,))
            for place, one in zip(counted.places, cupy.asnumpy(read), strict=False):
                ran[place] = ran.get(place, False) or bool(one)
        return [f"kernels, {place}" for place, one in ran.items() if not one]

    return Counters(target.runner(module, "cpu", runner.name), never)
