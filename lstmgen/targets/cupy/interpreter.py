"""A CuPy module without a compiler: its kernels are interpreted, statement by statement, in NumPy.

The module's own text runs, on the stand-in for CuPy; a launch evaluates the C++ expressions of the
kernel's statements over all rows and units at once.  What it does not show is what the text around
the statements does: blocks, wide loads, the ends of rows.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

from lstmgen.algebra.functions import FUNCTIONS as TABLE
from lstmgen.cuda import on_cpu
from lstmgen.targets.cupy.expressions import FUNCTIONS
from lstmgen.targets.cupy.kernel import Access, Kernel
from lstmgen.targets.cupy.moving import Mover
from lstmgen.targets.target import Files
from lstmgen.verification.arithmetic import Arithmetic

__all__ = ["load_interpreted"]

Array = npt.NDArray[Any]

_STATEMENT = re.compile(r"const real (\w+) = (.*);")
_LIBRARY: dict[str, Any] = {
    "real": float,  # of a literal; it takes the dtype of what it meets
    "atan": np.arctan,
    "pow": np.power,
    "fabs": np.abs,
    "fmax": np.maximum,
    "fmin": np.minimum,
    **{
        name: getattr(np, name)
        for name in "exp log log1p expm1 sqrt sin cos tanh sinh cosh".split()
    },
}
"""The functions that CUDA has, and the conversion to `real`."""


def load_interpreted(files: Files, kernels: Sequence[Kernel], restart: Mover) -> ModuleType:
    """A module whose kernels, which are these, are interpreted; `restart` is that of its states."""
    file, source = next(iter(files.items()))
    cupy = on_cpu.emulated_cupy(multiprocessors=1)
    table = {kernel.name: kernel for kernel in kernels if kernel.stores}

    class RawModule:
        """Takes the text and knows the kernels anyway."""

        def __init__(self, *, code: str, options: Sequence[str] = ()) -> None:
            self._code = code

        def get_function(self, name: str) -> Any:
            """A kernel that can be launched."""
            if f" {name}(" not in self._code:
                raise ValueError(f"no kernel {name!r}")
            plain = name.removesuffix("_wide")
            if plain == "gather":
                return lambda grid, block, arguments: _gather(*arguments)
            if plain == "restart":
                return lambda grid, block, arguments: _restart(restart, arguments)
            if plain not in table:
                raise ValueError(f"the kernel {name!r} has no result")
            return lambda grid, block, arguments: _launch(table[plain], arguments)

    vars(cupy)["RawModule"] = RawModule
    module = on_cpu.load_module(source, Path(file).stem, cupy=cupy)
    place = str(module.__file__)
    linecache.cache[place] = (len(source), None, source.splitlines(True), place)
    return module


def _launch(kernel: Kernel, arguments: Sequence[Any]) -> None:
    """What the kernel does to the arrays that it is given."""
    count = len(kernel.arguments)
    if len(arguments) != count + 1 + len(kernel.sizes):
        raise TypeError(f"{kernel.name}: {len(arguments)} arguments")
    memory = {
        a.name: on_cpu.memory(array)
        for a, array in zip(kernel.arguments, arguments[:count], strict=True)
    }
    rows, *numbers = (int(number) for number in arguments[count:])
    sizes = tuple(zip(kernel.sizes, numbers, strict=True))
    names: dict[str, Any] = {**_LIBRARY, **_helpers()}
    for variable, argument in kernel.scalars:
        flat, start = memory[argument]
        names[variable] = flat[start]
    for access in (*kernel.vectors, *kernel.loads):
        flat, start = memory[access.argument]
        names[access.variable] = flat[start + _places(access, kernel.size, rows, sizes)]
    for statement in kernel.statements:
        found = _STATEMENT.fullmatch(statement.code)
        if found is None:
            raise SyntaxError(f"{kernel.name}: not a statement: {statement.code}")
        names[found[1]] = eval(found[2].replace(".at[v]", ""), {"__builtins__": {}}, names)
    for access in kernel.stores:
        flat, start = memory[access.argument]
        flat[start + _places(access, kernel.size, rows, sizes)] = names[access.variable]


def _gather(source: Any, result: Any, places: Any, rows: Any, size: Any) -> None:
    """What the kernel of that name does."""
    (given, start), (found, first) = map(on_cpu.memory, (source, result))
    indices, at = on_cpu.memory(places)
    for row, place in enumerate(indices[at : at + int(rows)]):
        begin = start + int(place) * int(size)
        values = given[begin : begin + int(size)] if place >= 0 else 0
        found[first + row * int(size) :][: int(size)] = values


def _restart(kernel: Mover, arguments: Sequence[Any]) -> None:
    """What the kernel of that name does."""
    again, *pairs, order = arguments[: len(kernel.pointers)]
    rows, *numbers = map(int, arguments[len(kernel.pointers) :])
    extents = dict(zip(kernel.sizes, numbers, strict=True))
    (flags, flag), (places, place) = map(on_cpu.memory, (again, order))
    zero = flags[flag + places[place : place + rows]]
    for (_, symbol), before, start in zip(kernel.states, pairs[::2], pairs[1::2], strict=True):
        count = rows * extents[symbol]
        (given, begin), (found, first) = map(on_cpu.memory, (before, start))
        values = given[begin : begin + count].reshape(rows, -1)
        found[first : first + count] = np.where(zero[:, None], 0, values).reshape(-1)


@lru_cache(maxsize=4096)
def _places(access: Access, size: str, rows: int, sizes: tuple[tuple[str, int], ...]) -> Array:
    """Where each unit of each row lies, from the beginning of the array on."""
    units = np.arange(_number(size, sizes))
    offset = _number(access.place.offset, sizes)
    if not access.place.stride:
        return np.asarray(offset + units)
    starts = np.arange(rows)[:, None] * _number(access.place.stride, sizes)
    return np.asarray(starts + offset + units)


def _number(expression: str, sizes: tuple[tuple[str, int], ...]) -> int:
    """A sum of sizes as a number."""
    return int(eval(expression, {"__builtins__": {}}, dict(sizes)))


@cache
def _helpers() -> dict[str, Any]:
    """The functions that a kernel's text brings along, from their definitions."""
    exact = Arithmetic(15, mpmath.fp).functions
    found = {}
    for name, function in exact.items():
        arity = TABLE[name].arity
        called = FUNCTIONS.call(name, ["0"] * arity).partition("(")[0]
        if called not in _LIBRARY:
            found[called] = _vectorized(function, arity)
    return found


def _vectorized(function: Any, arity: int) -> Any:
    made = np.frompyfunc(function, arity, 1)

    def evaluate(*arguments: Any) -> Any:
        if all(isinstance(argument, float) for argument in arguments):
            return float(made(*arguments))
        dtype = np.result_type(*arguments)
        return np.asarray(made(*arguments)).astype(dtype)

    return evaluate
