"""What the kernels of a module take from a GPU: compiled by NVRTC, for which no GPU is needed.

    compiled = compile_kernels(text)
    print("\\n".join(table(compiled)))

The text is compiled for each architecture of `nvrtc.ARCHITECTURES` in float and double.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lstmgen.cuda.compiler.nvrtc import ARCHITECTURES, Compiled, CompileError, Nvrtc
from lstmgen.cuda.compiler.ptx import block_sizes

__all__ = ["DTYPES", "Build", "KernelUse", "compile_kernels", "table"]

DTYPES = {"float32": "float", "float64": "double"}
"""What a module's kernels are compiled for, and the C++ type that the text calls `real`."""

MODULE_OPTIONS = ("-std=c++17",)
"""What modules ask NVRTC for, besides the type of `real`."""

_CUPYS_OPTIONS = ("--ftz=true",)  # what CuPy adds


@dataclass(frozen=True, slots=True)
class KernelUse:
    """What a kernel takes; registers for each thread, shared memory for each block, in bytes."""

    kernel: str
    registers: int
    spilled: int
    """Bytes of registers written to memory or read from it, for want of room."""
    shared: int
    """Static shared memory."""
    threads: int
    """Of the largest block that the module launches."""
    occupancy: float
    """Resident warps over the most that a multiprocessor holds, for blocks of `threads`."""


@dataclass(frozen=True, slots=True)
class Build:
    """All kernels of a text in one dtype for one architecture.

    Attributes:
        problems: why a module must not use them: what the compiler refused, a spill, a kernel
            that no multiprocessor can hold, double precision in float32.
    """

    dtype: str
    architecture: str
    kernels: tuple[KernelUse, ...]
    problems: tuple[str, ...]


def compile_kernels(
    text: str,
    architectures: Sequence[str] = ARCHITECTURES,
    dtypes: Sequence[str] = tuple(DTYPES),
    options: Sequence[str] = MODULE_OPTIONS,
) -> tuple[Build, ...]:
    """Compile a module's kernel text for every dtype and architecture, with the module's options.

    Raises UnavailableError where NVRTC is not installed, or does not know an architecture.
    """
    nvrtc = Nvrtc.load()
    wanted = [(dtype, architecture) for dtype in dtypes for architecture in architectures]
    # NVRTC works outside of Python's lock.
    with ThreadPoolExecutor(min(len(wanted), os.cpu_count() or 1)) as pool:
        return tuple(pool.map(lambda pair: _build(nvrtc, text, pair[0], pair[1], options), wanted))


def table(builds: Sequence[Build]) -> list[str]:
    """A line for each kernel and dtype: registers and occupancy on each architecture."""
    architectures = tuple(dict.fromkeys(build.architecture for build in builds))
    rows = [("kernel", "dtype", "block", *architectures, "spilled", "shared")]
    uses: dict[tuple[str, str], dict[str, KernelUse]] = {}
    for build in builds:
        for use in build.kernels:
            uses.setdefault((use.kernel, build.dtype), {})[build.architecture] = use
    for (kernel, dtype), by_architecture in uses.items():
        every = by_architecture.values()
        rows.append(
            (
                kernel,
                dtype,
                str(max(use.threads for use in every)),
                *(_cell(by_architecture.get(name)) for name in architectures),
                f"{max(use.spilled for use in every)} B",
                f"{max(use.shared for use in every)} B",
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "registers of a thread, and how much of a multiprocessor's threads can be resident:",
        *(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ),
    ]


def _cell(use: KernelUse | None) -> str:
    return "-" if use is None else f"{use.registers:>3}  {use.occupancy:>4.0%}"


def _build(nvrtc: Nvrtc, text: str, dtype: str, architecture: str, asked: Sequence[str]) -> Build:
    options = (*asked, *_CUPYS_OPTIONS, f"-DREAL={DTYPES[dtype]}")
    try:
        compiled = nvrtc.compile(text, arch=architecture, options=options)
    except CompileError as error:
        return Build(dtype, architecture, (), (str(error),))
    threads = block_sizes(compiled.ptx)
    problems = [
        f"{row.kernel} spills {row.spill_stores + row.spill_loads} bytes of registers"
        for row in compiled.spilling
    ]
    uses = []
    for row in compiled.kernels:
        block = threads.get(row.kernel, 1024)
        found = row.occupancy(block)
        if not found.blocks:
            problems.append(f"{row.kernel}: no block of {block} threads fits a multiprocessor")
        spilled = row.spill_stores + row.spill_loads
        uses.append(
            KernelUse(row.kernel, row.registers, spilled, row.static_shared, block, found.fraction)
        )
    if not uses:
        problems.append("the text has no kernel")
    # A C++ compiler on the CPU cannot show what these do to the numbers.
    problems += [f"{option}: numbers less exact than verified" for option in asked if _fast(option)]
    if dtype == "float32":
        problems += _doubles(nvrtc, text, compiled, options)
    return Build(dtype, architecture, tuple(uses), tuple(problems))


def _fast(option: str) -> bool:
    """Whether an option makes arithmetic less exact."""
    name = option.lstrip("-").replace("-", "_")
    return name.startswith(("use_fast_math", "prec_div=false", "prec_sqrt=false"))


def _doubles(nvrtc: Nvrtc, text: str, compiled: Compiled, options: tuple[str, ...]) -> list[str]:
    """Double precision that the text itself asks for.

    CUDA's own sinf and cosf compute in it for large arguments; with the fast ones in their place,
    what is left is the text's.
    """
    found = compiled.doubles
    if found:
        fast = (*options, "--use_fast_math")
        found = nvrtc.compile(text, arch=compiled.arch, options=fast).doubles
    return [f"{i.function} computes in double precision: {i.text}" for i in found[:1]]
