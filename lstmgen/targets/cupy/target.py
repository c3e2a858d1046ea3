"""The target `cupy`."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmgen.targets.requirement import Requirement
from lstmgen.targets.target import Counters, Files, Inspection, Runner, Sizes, Target

if TYPE_CHECKING:
    from lstmgen.stages import Stages
    from lstmgen.verification.verifier import Bench

__all__ = ["CupyTarget"]


class CupyTarget(Target):
    """Modules in CuPy, with kernels of their own; a stand-in for CuPy runs them on the CPU."""

    name = "cupy"
    title = "CuPy"
    summary = "CuPy and CUDA kernels, on a GPU; for tests on the CPU too."
    devices = ("cuda", "cpu")
    # More units than a warp has threads, by one, or than some loads of 16 bytes take; and fewer
    # rows than on a CPU, as the kernels may be emulated.
    sizes = Sizes(more=((2, 9, 33, 5),), sequences=((24, 24, 16),))
    machine = frozenset({"_kernel", "_multiprocessors"})
    native = frozenset({"cpu"})  # on a GPU a fault is an error
    imports = frozenset({"cupy", "cupyx"})
    tensors = "cuda"

    def render(self, cell: Stages, options: Mapping[str, str]) -> str:
        """The text of a cell's module."""
        from lstmgen.targets.common.templates import set_into

        return set_into("cupy.py.j2", self.plan(cell, options))

    def plan(self, cell: Stages, options: Mapping[str, str]) -> Any:
        """What the template prints."""
        from lstmgen.targets.cupy.source import cupy_module

        return cupy_module(cell)

    def explain(self, cell: Stages) -> Mapping[str, Sequence[str]]:
        """What each step launches, the kernels, and what they take."""
        from lstmgen.targets.cupy.explaining import sections

        return sections(cell)

    def check_available(self, device: str) -> None:
        """For cuda CuPy and a device, for the CPU a C++ compiler."""
        from lstmgen.targets.cupy import devices

        (devices.real_cupy if device == "cuda" else devices.emulated_cupy)()

    def load(self, files: Files, device: str, folder: Path | None = None) -> types.ModuleType:
        """Run a module's text with CuPy, or on the CPU with its stand-in."""
        if device == "cuda":
            return super().load(files, device, folder)
        from lstmgen.targets.cupy.devices import load_emulated

        return load_emulated(files)

    def runner(self, module: Any, device: str | None = None, name: str = "generated") -> Runner:
        """A runner for a module, where the `cupy` that it imported is."""
        from lstmgen.targets.cupy.devices import runner

        self.check_device(device)
        return runner(self, module, device, name)

    def requirements(self) -> tuple[Requirement, ...]:
        """CuPy, a device, and for the CPU the compilers."""
        from lstmgen.targets.cupy.requirements import requirements

        return requirements()

    def quick_check(self, cell: Stages, files: Files) -> tuple[str, ...]:
        """The module, with its kernels interpreted."""
        from lstmgen.targets.cupy.interpreter import load_interpreted
        from lstmgen.targets.cupy.source import cupy_module
        from lstmgen.verification.quick import check_module

        plan = cupy_module(cell)
        module = load_interpreted(files, plan.kernels, plan.restart)
        return check_module(cell, self.runner(module))

    def extra_checks(self, bench: Bench) -> None:
        """What only a device has: kernels for large arrays, and threads in any order."""
        from lstmgen.targets.cupy.device_check import check_device

        check_device(bench)

    def counters(self, runner: Runner) -> Counters | None:
        """The module with counters in its kernels."""
        from lstmgen.targets.cupy.counting import counters

        return counters(self, runner)

    def inspect(self, runner: Runner) -> Inspection:
        """Compile the kernels by NVRTC."""
        from lstmgen.targets.cupy.inspection import inspect

        return inspect(runner)
