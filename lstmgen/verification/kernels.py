"""Checks of a CuPy module's kernel text by the CUDA compiler, for which no GPU is needed."""

from __future__ import annotations

from dataclasses import dataclass

from lstmgen.errors import UnavailableError
from lstmgen.targets.cupy.resources import Build, compile_kernels
from lstmgen.verification.report import Check
from lstmgen.verification.runners import Runner


@dataclass(frozen=True)
class KernelChecks:
    """What came of it.

    Attributes:
        checks: a line for each dtype and architecture.
        builds: what each kernel takes there.
        unchecked: why there is neither, where the compiler is not here.
    """

    checks: tuple[Check, ...] = ()
    builds: tuple[Build, ...] = ()
    unchecked: tuple[str, ...] = ()


def check_kernels(runner: Runner) -> KernelChecks:
    """Compile the text that the module has in `_KERNELS`, with the options in `_OPTIONS`.

    A NumPy module has neither.
    """
    if runner.target != "cupy":
        return KernelChecks()
    text = getattr(runner.module, "_KERNELS", None)
    if not isinstance(text, str):
        detail = "the module has no _KERNELS, the text of its kernels"
        return KernelChecks((Check("kernels", "", "CUDA's compiler", None, None, False, detail),))
    options = getattr(runner.module, "_OPTIONS", None)
    if not isinstance(options, tuple) or not all(isinstance(o, str) for o in options):
        detail = "the module has no _OPTIONS, a tuple of what it asks the compiler for"
        return KernelChecks((Check("kernels", "", "CUDA's compiler", None, None, False, detail),))
    try:
        builds = compile_kernels(text, options=options)
    except UnavailableError as error:
        return KernelChecks(unchecked=(f"the kernels by CUDA's compiler: {error}",))
    return KernelChecks(tuple(map(_check, builds)), builds)


def _check(build: Build) -> Check:
    what = f"{build.architecture}: compiles, no spills"
    if build.dtype == "float32":
        what += ", no double precision"
    detail = "; ".join(build.problems)
    return Check(f"kernels {build.dtype}", "", what, None, None, not build.problems, detail)
