"""CuPy modules that count which statements of their kernels run, on a GPU or on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from lstmgen.targets.common.counters import ARRAY, Counted, count_statements
from lstmgen.targets.cupy.instead import load_instead
from lstmgen.targets.target import Counters, Runner, Target

__all__ = ["counters", "read", "with_reader"]

_READER = "lstmgen_read"


def with_reader(text: str, kind: str, count: int) -> str:
    """A kernels' text in which so many counters of a type count, with a kernel that reads them."""
    return (
        f"__device__ {kind} {ARRAY}[{count}];\n{text}\n"
        f'extern "C" __global__ void {_READER}({kind}* to) {{\n'
        f"  for (int k = 0; k < {count}; ++k) to[k] = {ARRAY}[k];\n}}\n"
    )


def read(cupy: Any, compiled: Any, dtype: str, count: int) -> npt.NDArray[Any]:
    """The counters of a `RawModule` that was made of such a text."""
    found = cupy.zeros(count, dtype)
    compiled.get_function(_READER)((1,), (1,), (found,))
    numbers: npt.NDArray[Any] = cupy.asnumpy(found)
    return numbers


def counters(target: Target, runner: Runner) -> Counters | None:
    """The module again, with counters in its kernels; None without its text, or a CuPy in it."""
    made: list[tuple[Any, Counted]] = []

    def counting(raw_module: Any) -> Callable[..., Any]:
        def compile_counting(*, code: str, **options: Any) -> Any:
            """A `RawModule` of the text with counters, and with a kernel that reads them."""
            counted = count_statements(code)
            count = max(1, len(counted.places))
            code = with_reader(counted.text, "unsigned char", count)
            compiled = raw_module(code=code, **options)
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
            numbers = read(cupy, compiled, "uint8", max(1, len(counted.places)))
            for place, one in zip(counted.places, numbers, strict=False):
                ran[place] = ran.get(place, False) or bool(one)
        return [f"kernels, {place}" for place, one in ran.items() if not one]

    return Counters(target.runner(module, runner.device, runner.name), never)
