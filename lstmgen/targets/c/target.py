"""The target `c`."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmgen.errors import UsageError
from lstmgen.targets.requirement import Requirement, package
from lstmgen.targets.target import (
    Counters,
    Files,
    Option,
    Runner,
    Sizes,
    Target,
    execute,
    module_name,
)

if TYPE_CHECKING:
    from lstmgen.stages import Stages
    from lstmgen.verification.verifier import Bench

__all__ = ["CTarget"]


class CTarget(Target):
    """C11 with a Python module around it that compiles it when it is first used."""

    name = "c"
    title = "C"
    summary = "C11 for the CPU, compiled at first use."
    options = (
        Option(
            "recompute",
            ("none", "all"),
            "none",
            "all: keep the states of a few steps only, and run the forward pass again in backward.",
        ),
        Option(
            "instructions",
            ("native", "portable", "avx2", "avx512"),
            "native",
            "native: those of the processor that it is compiled on; portable: those that every "
            "processor of its kind has.",
        ),
        Option(
            "only",
            ("all", "forward", "step"),
            "all",
            "forward: no backward; step: nothing but a step for streaming.",
        ),
    )
    # More rows than a chunk; units that fill vectors; more terms than a sum has at a time.
    machine = frozenset(
        "_library _Library _compiler _flags _processor _cache _compiled _unlock".split()
        + "_as_known _data _bytes".split()
    )
    # Of rows of a weight as they lie, whole vectors and what is left over.
    sizes = Sizes(more=((2, 2, 19, 21),), batches=(40, 200), enlarged=((40, 16), (2, 128)))
    native = frozenset({"cpu"})
    tensors = "cpu"
    rank = 1

    def render(self, cell: Stages, options: Mapping[str, str]) -> str:
        """The text of a cell's Python module."""
        return next(iter(self.files(cell, options).values()))

    def files(self, cell: Stages, options: Mapping[str, str]) -> Files:
        """The Python module and the C text."""
        from lstmgen.targets.c.text import c_text, python_text

        module = self.plan(cell, options)
        return {
            module_name(cell.name, self.name): python_text(module),
            f"{cell.name}_{self.name}.c": c_text(module),
        }

    def plan(self, cell: Stages, options: Mapping[str, str]) -> Any:
        """What the templates print."""
        from lstmgen.targets.c.module import CModule

        if options["only"] != "all" and options["recompute"] != "none":
            raise UsageError(
                f"--only {options['only']} has no backward pass, which --recompute is for"
            )
        said = {o.name: options[o.name] for o in self.options if options[o.name] != o.default}
        return CModule(cell, options, said)

    def explain(self, cell: Stages) -> Mapping[str, Sequence[str]]:
        """Memory, and what each pass does."""
        from lstmgen.targets.c.explaining import sections

        return sections(cell)

    def check_available(self, device: str) -> None:
        """A C compiler must be here."""
        from lstmgen.errors import UnavailableError
        from lstmgen.targets.c import compiler

        if compiler.command() is None:
            raise UnavailableError(f"the target c needs a C compiler; to get one: {compiler.CURE}")

    def requirements(self) -> tuple[Requirement, ...]:
        """NumPy and a C compiler."""
        from lstmgen.targets.c.compiler import requirement

        return (package("numpy", "running and verifying NumPy modules"), requirement())

    def quick_check(self, cell: Stages, files: Files) -> tuple[str, ...]:
        """The program that the text is printed from: the text itself would take a compiler."""
        from lstmgen.targets.c.interpreter import interpreted
        from lstmgen.verification.quick import check_module

        program = self.plan(cell, self.settle({})).c.program
        return check_module(cell, self.runner(interpreted(cell, program)), sequences=False)

    def extra_checks(self, bench: Bench) -> None:
        """What only this target has: threads, sizes beyond its own, pointers."""
        from lstmgen.targets.c.checks import check_threads
        from lstmgen.targets.c.page_check import check_pages
        from lstmgen.verification.points import shape_for

        check_threads(bench)
        ends = {bench.cases[0].shape, *(shape_for(bench.form, *size) for size in self.sizes.more)}
        cases = [case for case in bench.cases if case.shape in ends]
        check_pages(bench.session, [*cases, *bench.sequences])

    def counters(self, runner: Runner) -> Counters | None:
        """The module with counters in its C text."""
        from lstmgen.targets.c.counting import counters

        return counters(self, runner)

    def load(self, files: Files, device: str, folder: Path | None = None) -> types.ModuleType:
        """Run the module; its C text is the one among the files, wherever they lie."""
        module = execute(files, self.name, folder)
        texts = [text for name, text in files.items() if name.endswith(".c")]
        if texts:
            vars(module)["_text"] = texts[0]
        return module
