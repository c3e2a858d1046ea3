"""Verification of modules of one cell, with what can be shared computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from lstmgen import targets
from lstmgen.apart import is_available, is_whole
from lstmgen.errors import VerificationError
from lstmgen.form.normal_form import NormalForm
from lstmgen.stages import Stages
from lstmgen.targets.target import Runner, Target, module_text
from lstmgen.verification.cases import (
    BOUNDS,
    Case,
    Cases,
    quick_shapes,
    shapes,
)
from lstmgen.verification.contract import ContractCheck
from lstmgen.verification.coverage import Coverage
from lstmgen.verification.derivation import check_derivation
from lstmgen.verification.exits import exits_raise
from lstmgen.verification.labels import Label, Labels
from lstmgen.verification.large import LargeCheck
from lstmgen.verification.layouts import LAYOUTS
from lstmgen.verification.ledger import Ledger, Stopped
from lstmgen.verification.module import ModuleCheck
from lstmgen.verification.never_run import NeverRunCheck
from lstmgen.verification.outlasting import Stage, checksum, outlast
from lstmgen.verification.points import CALM_RANGES, Shape, shape_for
from lstmgen.verification.refusals import RefusalCheck
from lstmgen.verification.report import Check, Report
from lstmgen.verification.sequences import sequences
from lstmgen.verification.session import Session
from lstmgen.verification.tapes import TapeCheck
from lstmgen.verification.traps import TrapCheck
from lstmgen.verification.wide import enlarged, many_rows

_POOL = (4, 1, 5, 3)  # the T, B, H, D of the sequences that long ones are made of
_WIDE = 20  # rows from which on forward and backward alone are run

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
        sequences: small cases with lengths and restarts.
    """

    session: Session
    form: NormalForm
    cases: Sequence[Case]
    make: Callable[[Shape, str], Case]
    sequences: Sequence[Case] = ()


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
        self._too_long: list[str] = []

    @cached_property
    def _labels(self) -> Labels:
        return Labels(self.cell, self.cell.gradients)

    @cached_property
    def _maker(self) -> Cases:
        return Cases(self.cell)

    @cached_property
    def _wide(self) -> list[Case]:
        """The first case with many rows and units, and long ones."""
        if self._quick:
            return []
        form, sizes, found = self.cell.normal_form, self.target.sizes, []
        for case in [case for case in self.cases() if case.shape == self._shapes[0]]:
            found += [many_rows(case, times) for times in sizes.batches]
            for rows, units in sizes.enlarged:
                found.append(enlarged(many_rows(case, rows), form, units))
        for dtype in self._dtypes:
            for steps, rows, units in sizes.long:
                base = self._long(steps, dtype)
                if base is not None:
                    found.append(enlarged(many_rows(base, rows), form, units))
        return found

    def _long(self, steps: int, dtype: str) -> Case | None:
        """Two rows of many steps; None where no point stays in the range of numbers so long."""
        shape = shape_for(self.cell.normal_form, steps, 2, 2, 1)
        try:
            return self._maker.make(shape, dtype, CALM_RANGES)
        except VerificationError as error:
            reason, _, _ = str(error).partition(". ")
            self._too_long.append(f"{steps} steps in {dtype}: {reason}")
            return None

    @cached_property
    def _pools(self) -> dict[str, list[Case] | None]:
        """By dtype, short sequences of which long ones are made."""
        return self._made_pools(zeros=True)

    @cached_property
    def _pools_without_zeros(self) -> dict[str, list[Case] | None]:
        """The same for cells that have no value where a state is zero."""
        others = self._made_pools(zeros=False) if None in self._pools.values() else {}
        return {d: others[d] if pool is None else None for d, pool in self._pools.items()}

    def _made_pools(self, zeros: bool) -> dict[str, list[Case] | None]:
        if not self.target.sequences:
            return {}
        shape = shape_for(self.cell.normal_form, *_POOL)
        return {dtype: self._maker.make_pool(shape, dtype, zeros) for dtype in self._dtypes}

    @cached_property
    def _sequences(self) -> list[Case]:
        """With lengths, restarts and both; small ones first."""
        found, large, form, steps = [], [], self.cell.normal_form, _POOL[0]
        kinds = ((True, self._pools.values()), (False, self._pools_without_zeros.values()))
        for within, pools in kinds:
            for pool in pools:
                if pool is None:
                    continue
                made = partial(sequences, pool, within=within)
                found += [
                    made(9 if within else steps, 8, 1, lengths=True, restart=True),
                    made(steps, 12, 2, lengths=True, restart=False),
                ]
                if self._quick:
                    continue
                if within:
                    found.append(made(7, 6, 3, lengths=False, restart=True))
                for T, rows, units in self.target.sizes.sequences:
                    both = made(T if within else steps, rows, 4, lengths=True, restart=True)
                    large.append(enlarged(both, form, units))
        return found + large

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
        # Without parameters what a module says of them cannot run.
        whole = not self._quick and bool(self.cell.normal_form.parameters)
        coverage = Coverage(runner.module, self.target.machine) if whole else None
        session = Session(self.cell.normal_form, self._labels, runner, ledger, coverage)

        def began(stage: Stage) -> None:
            if progress:
                progress(stage.text, stage.done)

        with suppress(Stopped):
            if is_available() if runner.native else runner.device == "cpu" and is_whole():
                self._run_apart(session, coverage, began)
            else:
                for stage in self._stages(session, coverage):
                    began(stage)
                    stage.run()
        report = self._report(runner, tuple(ledger.checks()))
        return replace(report, left_out=(*self._left_out(), *ledger.left_out()))

    def _run_apart(
        self, session: Session, coverage: Coverage | None, began: Callable[[Stage], None]
    ) -> None:
        """All stages in another process; what is made of the cell is made in this one, and kept."""
        stages = [*self._stages(session, coverage)]
        known = [*self._cases, *self._sequences, *self._wide]
        before = checksum(known)

        def unchanged() -> None:
            label = Label("", "the numbers that are compared with are as they were")
            passed = checksum(known) == before
            # A report on a Python module is the same whether or not it could be done apart.
            if session.runner.native or not passed:
                session.ledger.verdict("process", label, passed, "others")

        last = Stage("what is compared with", 1.0, unchanged)
        outlast([*stages, last], session.ledger, began)

    def _stages(self, session: Session, coverage: Coverage | None) -> Iterator[Stage]:
        """All that is checked of a module; no stage needs what another one did."""
        if coverage is not None:
            yield Stage("loading the module", 0.0, partial(self._load_again, session, coverage))
        count = len(self._shapes) * len(self._dtypes)
        for k, case in enumerate(self.cases()):
            first = case.shape == self._shapes[0]
            layouts = LAYOUTS if first else (LAYOUTS[k % len(LAYOUTS)],)
            check = partial(self._check_case, session, case, layouts)
            yield Stage(f"running the module, {case}", k / count, check)
        for text, run in self._more(session, coverage):
            yield Stage(f"running the module, {text}", 1.0, run)

    def _more(
        self, session: Session, coverage: Coverage | None
    ) -> Iterator[tuple[str, Callable[[], None]]]:
        """What is checked when the usual sizes are."""
        cases = list(self.cases())
        for first in [case for case in cases if case.shape == self._shapes[0]]:
            same = [case for case in cases if case.dtype == first.dtype]
            other = [c for c in cases if c.shape == first.shape and c.dtype != first.dtype]
            yield "tapes", partial(_run, TapeCheck, session, first, (*same[1:], *other))
            yield "numbers that overflow", partial(_run, TrapCheck, session, first)
            yield "what does not fit", partial(_run, RefusalCheck, session, first)
        # What is made of small cases: long sequences, with lengths and restarts, many rows.
        for case in self._sequences:
            if case.shape.B < _WIDE:
                yield str(case), partial(_run, ModuleCheck, session, case)
                yield f"{case}, tapes", partial(_run, TapeCheck, session, case, ())
        for case in [c for c in self._sequences if c.shape.B >= _WIDE] + self._wide:
            yield str(case), partial(self._check_large, session, case)
        yield "large inputs", partial(self._check_range, session, self._pools, self._large)
        yield "what the target checks", partial(self._check_extra, session)
        yield "interface", partial(_run, ContractCheck, session)
        if not self._quick:
            small = [*cases, *self._sequences]
            check = (session, coverage, small, self._wide, self._check_extra)
            yield "which statements run", partial(_run, NeverRunCheck, *check)

    def _check_case(self, session: Session, case: Case, layouts: Sequence[str]) -> None:
        ModuleCheck(session, case).run(layouts)
        if case is self._cases[0] and not session.ledger.compared_any():
            session.ledger.note("all other checks, as no call of the first gave a number")
            raise Stopped

    def _check_large(self, session: Session, case: Case) -> None:
        ModuleCheck(session, case).run_large()

    def _check_range(
        self, session: Session, pools: Mapping[str, Any], large: Mapping[str, Case | None]
    ) -> None:
        """Inputs out of range, and what is left out for want of zeros."""
        for dtype, pool in pools.items():
            if pool is None:
                what = "left out: the equations have no value, or no slope, at states of zeros"
                session.ledger.verdict(f"no restart {dtype}", Label("", what), True, "")
        for dtype, case in large.items():
            LargeCheck(session, dtype, case).run()

    def _check_extra(self, session: Session) -> None:
        self.target.extra_checks(self._bench(session))

    def _bench(self, session: Session) -> Bench:
        small = [case for case in self._sequences if case.shape.B < _WIDE]
        return Bench(session, self.cell.normal_form, list(self.cases()), self._make, small)

    def _load_again(self, session: Session, coverage: Coverage) -> None:
        """What runs while a module is loaded, decorators say, counts too."""
        runner = session.runner
        text = module_text(runner.module)
        if text:
            with suppress(Exception), coverage.recording():
                self.target.load({f"{runner.module.CELL}.py": text}, runner.device)

    def verify(self, runner: Runner, progress: Progress | None = None) -> Report:
        """The derivation, then the module, then what its target finds in it without running it."""

        def part(start: float, share: float) -> Progress | None:
            if progress is None:
                return None
            return lambda text, done: progress(text, start + share * done)

        checks = self.derivation(part(0.0, 0.3))
        try:
            with exits_raise():
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

    def _left_out(self) -> Iterator[str]:
        """What is not verified, or not wholly, whatever the module."""
        if not self.target.sequences:
            yield f"lengths and restart, which modules for {self.target.name} do not take"
        yield from self._too_long

    def _report(self, runner: Runner, checks: tuple[Check, ...]) -> Report:
        return Report(
            self.cell.name,
            runner.target.name,
            runner.device,
            runner.name,
            checks,
            note=runner.note,
        )


def _run(check: Callable[..., Any], *arguments: Any) -> None:
    check(*arguments).run()


def _compared(checks: Sequence[Check]) -> tuple[Check, ...]:
    """A failed line where no number of the module was compared with an expected one."""
    if any(check.error is not None for check in checks):
        return ()
    return (Check("module", "", "its numbers", None, None, False, "nothing was compared"),)
