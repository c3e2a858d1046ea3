"""Checks of a CuPy module's kernel text by the CUDA compiler, for which no GPU is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from lstmgen.cuda.compiler.nvrtc import ARCHITECTURES
from lstmgen.errors import UnavailableError
from lstmgen.targets.cupy.resources import Build, compile_kernels, table
from lstmgen.targets.target import Inspection, Runner
from lstmgen.verification.report import Check

__all__ = ["inspect"]


def inspect(runner: Runner, architectures: Sequence[str] = ARCHITECTURES) -> Inspection:
    """Compile the text that the module has in `_KERNELS`, with the options in `_OPTIONS`."""
    text = getattr(runner.module, "_KERNELS", None)
    if not isinstance(text, str):
        return _missing("the module has no _KERNELS, the text of its kernels")
    options = getattr(runner.module, "_OPTIONS", None)
    if not isinstance(options, tuple) or not all(isinstance(o, str) for o in options):
        return _missing("the module has no _OPTIONS, a tuple of what it asks the compiler for")
    try:
        builds = compile_kernels(text, architectures, options=options)
    except UnavailableError as error:
        return Inspection(unchecked=(f"the kernels by CUDA's compiler: {error}",))
    kernels = tuple(
        {"dtype": build.dtype, "architecture": build.architecture, **asdict(use)}
        for build in builds
        for use in build.kernels
    )
    return Inspection(tuple(map(_check, builds)), kernels, tuple(table(builds)))


def _missing(detail: str) -> Inspection:
    return Inspection((Check("kernels", "", "CUDA's compiler", None, None, False, detail),))


def _check(build: Build) -> Check:
    what = f"{build.architecture}: compiles, no spills"
    if build.dtype == "float32":
        what += ", no double precision"
    detail = "; ".join(build.problems)
    return Check(f"kernels {build.dtype}", "", what, None, None, not build.problems, detail)
