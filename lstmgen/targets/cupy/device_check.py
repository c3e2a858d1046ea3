"""Checks of what only a device has: kernels for large arrays, and threads in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from lstmgen.form.normal_form import NormalForm
from lstmgen.guarded import EDGES, is_available
from lstmgen.targets.cupy.grid_check import bits, check_grid
from lstmgen.verification.cases import SEEDS, Array, Arrays, Case, Gradient
from lstmgen.verification.labels import Label
from lstmgen.verification.module import ModuleCheck
from lstmgen.verification.points import Shape
from lstmgen.verification.session import Session
from lstmgen.verification.verifier import Bench
from lstmgen.verification.wide import enlarged, many_rows

_LOADED = 16  # bytes at a time in the kernels for large arrays
_THREADS = 512  # a multiprocessor, from which on they are used
_UNITS = 4  # times those of a small case, so that rows are multiples of what is loaded
_ROWS = 400  # of which blocks of all sizes are several
_COUNTED = 5  # copies of a batch, the first and the last among them, whose gradients are summed


def check_device(bench: Bench) -> None:
    """In each dtype, at the largest of the odd sizes, and at an even one; then the grid."""
    even = even_shape(bench.form)
    largest = bench.cases[-1].shape
    checks = []
    for case in bench.cases:
        if case.shape == largest:
            both = [c for c in bench.sequences if c.dtype == case.dtype and _starts_and_ends(c)]
            small = bench.make(even, case.dtype)
            checks.append(DeviceCheck(bench.session, bench.form, case, small, both))
    for check in checks:
        check.run()
    # The kernels of all dtypes are one text.
    check_grid(bench.session, list(checks[0].of_many_blocks(bench.cases[0])))


def _starts_and_ends(case: Case) -> bool:
    return case.lengths is not None and case.restart is not None


def even_shape(form: NormalForm) -> Shape:
    """A small size of multiples of 16 bytes, which a GPU loads at a time, but not of more."""
    symbols = (*form.input_sizes, *form.extra_sizes)
    return Shape(2, 2, 12, tuple((symbol, 16 + 4 * k) for k, symbol in enumerate(symbols)))


class DeviceCheck:
    """The checks in one dtype.

    Args:
        session: of a module for CuPy.
        form: the cell's normal form.
        odd, even: cases in this dtype; the sizes of one are multiples of 16 bytes.
        sequences: small ones with lengths and restarts, if there are any.
    """

    def __init__(
        self,
        session: Session,
        form: NormalForm,
        odd: Case,
        even: Case,
        sequences: Sequence[Case] = (),
    ) -> None:
        self._s = session
        self._odd, self._even = odd, even
        self._sequences = [enlarged(case, form, _UNITS) for case in sequences[:1]]
        what = "many rows, with loads of 16 bytes where they fit"
        session.ledger.merge(self._called("wide"), what)

    def run(self) -> None:
        """All checks."""
        with np.errstate(all="ignore"):
            self._many_rows(self._wide(self._even))
            self._many_rows(self._many(self._odd, self._odd.shape.H))
            for small in self._sequences:
                ModuleCheck(self._s, self._wide(small)).run_large(SEEDS[-1:])
            self._repeat()
            self._between_pages()

    def of_many_blocks(self, small: Case) -> Iterator[Case]:
        """Cases in which all kernels have several blocks, those for large arrays too."""
        rows = -(-_ROWS // small.shape.B)
        yield many_rows(small, rows)
        yield self._wide(self._even)
        for case in self._sequences:
            yield many_rows(case, -(-_ROWS // case.shape.B))
            yield self._wide(case)

    def _called(self, check: str) -> str:
        return f"{check} {self._odd.dtype}"

    def _wide(self, small: Case) -> Case:
        """The case with so many rows that each kernel is one for large arrays, at some step."""
        units = min((small.shape.H, *(size for _, size in small.shape.others)))
        # Of rows with lengths few may take a step.
        return self._many(small, units if small.lengths is None else max(1, units // 2))

    def _many(self, small: Case, units: int) -> Case:
        """The case with its batch repeated until a kernel for large arrays would be chosen."""
        device = self._s.runner.library.cuda.Device()
        enough = _THREADS * int(device.attributes["MultiProcessorCount"])
        enough *= _LOADED // np.dtype(small.dtype).itemsize
        return _few_counted(small, -(-enough // (units * small.shape.B)))

    def _many_rows(self, case: Case) -> None:
        """Forward and backward."""
        s = self._s
        check, where = self._called("wide"), str(case.shape)
        with s.ledger.guard(check, s.output, case.bound, where):
            params, x = s.send(case.parameters), s.inputs(s.send(case.inputs))
            y, last, tape = s.module.forward(params, x, s.send(case.initial))
            s.results(check, y, last, case, where)
            dy, dstate = s.runner.to_device(case.dy), s.send(case.dstate)
            found = s.module.backward(params, tape, dy, dstate)
            s.gradients(check, found, case.gradients[SEEDS[-1]], case, where)

    def _repeat(self) -> None:
        """The same bits whenever it runs: nothing depends on the order of threads or blocks."""
        s, case = self._s, self._odd
        check, orders = self._called("repeat"), orders_of(s.runner.library)
        how = f"threads and blocks in the orders {', '.join(orders)}" if orders else "run twice"
        label = Label("", f"the same bits, {how}")
        with s.ledger.guard(check, label, None, str(case.shape)):
            first: list[bytes] | None = None
            for order in orders or ("", ""):
                with in_order(s.runner.library, order):
                    found = bits(s, case)
                first = first or found
                s.ledger.verdict(check, label, found == first, f"{case.shape}: {order} differs")

    def _between_pages(self) -> None:
        """Nothing is read beside an array, even if its value does not count."""
        s, check = self._s, f"pages {self._odd.dtype}"
        emulator = getattr(s.runner.library, "emulator", None)
        if emulator is None or emulator.sanitize or not is_available():
            where = "on a GPU" if emulator is None else "by AddressSanitizer, or by this system"
            label = Label("", f"left out: arrays are not laid beside pages {where}")
            s.ledger.verdict(f"no {check}", label, True, "")
            return
        s.ledger.merge(check, "arrays beside pages that cannot be touched: nothing reads there")
        wide = [self._wide(case) for case in (self._even, self._odd, *self._sequences)]
        cases = [self._odd, self._even, *self._sequences, *wide]
        for edge in EDGES:
            emulator.edge = edge
            try:
                for case in cases:
                    label = Label("", f"at the {edge} of each array")
                    with s.ledger.guard(check, label, None, str(case)):
                        bits(s, case)
                        s.ledger.verdict(check, label, True, "")
            finally:
                emulator.edge = ""


def _few_counted(small: Case, times: int) -> Case:
    """The case with its batch repeated, and no loss on the rows but of a few copies.

    Gradients of parameters are then sums of few terms, which float32 can hold to the bound; every
    row goes through the same kernels.
    """
    copies = np.zeros(times, bool)
    copies[np.linspace(0, times - 1, _COUNTED).astype(int)] = True
    rows = np.repeat(copies, small.shape.B)[:, None]
    count = int(copies.sum())
    case, small_gradient = small.repeated(times), small.gradients[SEEDS[-1]]

    def masked(array: Array) -> Array:
        return np.where(rows, array, np.zeros((), array.dtype))

    def all_masked(arrays: Arrays) -> Arrays:
        return {name: masked(array) for name, array in arrays.items()}

    repeated = case.gradients[SEEDS[-1]]
    gradient = Gradient(
        {name: array * count for name, array in small_gradient.parameters.items()},
        all_masked(repeated.inputs),
        all_masked(repeated.initial),
    )
    return replace(
        case,
        dy=masked(case.dy),
        dstate=all_masked(case.dstate),
        gradients={SEEDS[-1]: gradient},
    )


def orders_of(library: Any) -> tuple[str, ...]:
    """The orders of threads that a module's cupy can be told; none on a GPU."""
    from lstmgen.cuda.on_cpu import ORDERS, EmulatedCuPy

    return ORDERS if isinstance(library, EmulatedCuPy) else ()


@contextmanager
def in_order(library: Any, order: str) -> Iterator[None]:
    """Run what is launched in the block in this order; an empty one changes nothing."""
    if not order:
        yield
        return
    before, library.emulator.order = library.emulator.order, order
    try:
        yield
    finally:
        library.emulator.order = before
