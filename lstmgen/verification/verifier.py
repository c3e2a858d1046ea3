"""Verification of modules of one cell, with what can be shared computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lstmgen import targets
from lstmgen.errors import VerificationError
from lstmgen.form.normal_form import NormalForm
from lstmgen.stages import Stages
from lstmgen.targets.target import Runner, Target
from lstmgen.verification.cases import (
    BOUNDS,
    Case,
    Cases,
    quick_shapes,
    shapes,
)
from lstmgen.verification.contract import ContractCheck
from lstmgen.verification.derivation import check_derivation
from lstmgen.verification.labels import Labels
from lstmgen.verification.large import LargeCheck
from lstmgen.verification.ledger import Ledger, Stopped
from lstmgen.verification.module import ModuleCheck
from lstmgen.verification.points import Shape
from lstmgen.verification.report import Check, Report
from lstmgen.verification.session import Session
from lstmgen.verification.wide import wide_cases

Progress = Callable[[str, float], None]
"""Called with what is being done and the part of the work that is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a target's own checks work with.

    Attributes:
        session: the module, and the ledger that results go to.
        form: the cell's normal form.
        cases: those at which the module was checked, from the smallest sizes to the largest.
        make: another case, by its shape and dtype.
    """

    session: Session
    form: NormalForm
    cases: Sequence[Case]
    make: Callable[[Shape, str], Case]


class Verifier:
    """Checks modules of a cell; the derivation and the reference numbers are made once.

    Args:
        cell: the cell.
        target: decides the sizes; a target or its name.
        quick: few sizes and no wide batches, for the tests of many cells.
    """

    def __init__(
        self, cell: Stages, target: str | Target = targets.DEFAULT, *, quick: bool = False
    ) -> None:
        self.cell = cell
        self.target = targets.get(target)
        self._dtypes = tuple(dtype for dtype in BOUNDS if dtype in self.target.dtypes)
        self._quick = quick
        self._shapes = (quick_shapes if quick else shapes)(cell.normal_form, self.target.sizes.more)
        self._cases: list[Case] = []
        self._made: dict[tuple[Shape, str], Case] = {}
        self._derivation: tuple[Check, ...] | None = None

    @cached_property
    def _labels(self) -> Labels:
        return Labels(self.cell, self.cell.gradients)

    @cached_property
    def _maker(self) -> Cases:
        return Cases(self.cell)

    @cached_property
    def _wide(self) -> list[Case]:
        if self._quick:
            return []
        form = self.cell.normal_form
        first = [case for case in self.cases() if case.shape == self._shapes[0]]
        return [wide for case in first for wide in wide_cases(case, form, self.target.sizes)]

    @cached_property
    def _large(self) -> dict[str, Case | None]:
        return {dtype: self._maker.make_large(dtype) for dtype in self._dtypes}

    def _make(self, shape: Shape, dtype: str) -> Case:
        """A case for a target's own checks, made once."""
        if (shape, dtype) not in self._made:
            self._made[shape, dtype] = self._maker.make(shape, dtype)
        return self._made[shape, dtype]

    def derivation(self, progress: Progress | None = None) -> tuple[Check, ...]:
        """Normal form and derived equations against the cell's equations, at 50 digits."""
        if self._derivation is None:
            labels = len(self.cell.gradients)
            done = 0

            def advance(label: str) -> None:
                nonlocal done
                if progress:
                    progress(f"differentiating the equations, ({label})", done / labels)
                done += 1

            self._derivation = check_derivation(self.cell, advance=advance)
        return self._derivation

    def cases(self) -> Iterator[Case]:
        """Every size in every dtype, made when first asked for."""
        wanted = [(shape, dtype) for shape in self._shapes for dtype in self._dtypes]
        for k, (shape, dtype) in enumerate(wanted):
            if k == len(self._cases):
                self._cases.append(self._maker.make(shape, dtype))
            yield self._cases[k]

    def check(
        self, runner: Runner, *, stop: bool = False, progress: Progress | None = None
    ) -> Report:
        """The module's interface and numbers; with `stop`, only until the first failure.

        The derivation and the compiler's checks of kernels are not part of this report: `verify`
        puts them together.
        """
        ledger = Ledger(runner.to_host, stop)
        session = Session(self.cell.normal_form, self._labels, runner, ledger)
        count = len(self._shapes) * len(self._dtypes)
        try:
            for k, case in enumerate(self.cases()):
                if progress:
                    progress(f"running the module, {case}", k / count)
                ModuleCheck(session, case).run()
            for case in self._wide:
                ModuleCheck(session, case).run_forward_and_backward()
            for dtype, large in self._large.items():
                LargeCheck(session, dtype, large).run()
            form = self.cell.normal_form
            self.target.extra_checks(Bench(session, form, list(self.cases()), self._make))
            ContractCheck(session).run()
        except Stopped:
            pass
        return self._report(runner, tuple(ledger.checks()))

    def verify(self, runner: Runner, progress: Progress | None = None) -> Report:
        """The derivation, then the module, then what its target finds in it without running it."""

        def part(start: float, share: float) -> Progress | None:
            if progress is None:
                return None
            return lambda text, done: progress(text, start + share * done)

        checks = self.derivation(part(0.0, 0.3))
        try:
            report = self.check(runner, progress=part(0.3, 0.5))
        except SystemExit as error:
            raise VerificationError(
                f"the module {runner.name} exits ({error.code}) instead of computing"
            ) from None
        if progress:
            progress("inspecting the module", 0.8)
        inspection = self.target.inspect(runner)
        if progress:
            progress("done", 1.0)
        return replace(
            report,
            checks=checks + report.checks + _compared(report.checks) + inspection.checks,
            kernels=inspection.kernels,
            unchecked=inspection.unchecked,
            kernel_lines=inspection.lines,
        )

    def _report(self, runner: Runner, checks: tuple[Check, ...]) -> Report:
        return Report(
            self.cell.name,
            runner.target.name,
            runner.device,
            runner.name,
            checks,
            note=runner.note,
        )


def _compared(checks: Sequence[Check]) -> tuple[Check, ...]:
    """A failed line where no number of the module was compared with an expected one."""
    if any(check.error is not None for check in checks):
        return ()
    return (Check("module", "", "its numbers", None, None, False, "nothing was compared"),)
