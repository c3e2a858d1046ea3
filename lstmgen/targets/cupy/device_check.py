"""Checks of what only a device has: kernels for large arrays, and threads in any order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from lstmgen.form.normal_form import NormalForm
from lstmgen.verification.cases import SEEDS, Array, Arrays, Case, Gradient
from lstmgen.verification.labels import Label
from lstmgen.verification.points import Shape
from lstmgen.verification.session import Session
from lstmgen.verification.verifier import Bench

_LOADED = 16  # bytes at a time in the kernels for large arrays
_THREADS = 512  # a multiprocessor, from which on they are used
_COUNTED = 5  # copies of a batch, the first and the last among them, whose gradients are summed


def check_device(bench: Bench) -> None:
    """In each dtype, at the largest of the odd sizes, and at an even one."""
    even = even_shape(bench.form)
    largest = bench.cases[-1].shape
    for case in bench.cases:
        if case.shape == largest:
            DeviceCheck(bench.session, case, bench.make(even, case.dtype)).run()


def even_shape(form: NormalForm) -> Shape:
    """A small size of multiples of 16 bytes, which a GPU loads at a time, but not of more."""
    symbols = (*form.input_sizes, *form.extra_sizes)
    return Shape(2, 2, 12, tuple((symbol, 16 + 4 * k) for k, symbol in enumerate(symbols)))


class DeviceCheck:
    """The checks in one dtype.

    Args:
        session: of a module for CuPy.
        odd, even: cases in this dtype; the sizes of one are multiples of 16 bytes.
    """

    def __init__(self, session: Session, odd: Case, even: Case) -> None:
        self._s = session
        self._odd, self._even = odd, even
        what = "many rows, with loads of 16 bytes where they fit"
        session.ledger.merge(self._called("wide"), what)

    def run(self) -> None:
        """All checks."""
        with np.errstate(all="ignore"):
            smallest = min((self._even.shape.H, *(size for _, size in self._even.shape.others)))
            self._many_rows(self._even, smallest)
            self._many_rows(self._odd, self._odd.shape.H)
            self._repeat()

    def _called(self, check: str) -> str:
        return f"{check} {self._odd.dtype}"

    def _many_rows(self, small: Case, units: int) -> None:
        """The case with its batch repeated until a kernel for large arrays would be chosen."""
        s = self._s
        device = s.runner.library.cuda.Device()
        enough = _THREADS * int(device.attributes["MultiProcessorCount"])
        enough *= _LOADED // np.dtype(small.dtype).itemsize
        case = _few_counted(small, -(-enough // (units * small.shape.B)))
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
                    found = self._bits()
                first = first or found
                s.ledger.verdict(check, label, found == first, f"{case.shape}: {order} differs")

    def _bits(self) -> list[bytes]:
        s, case = self._s, self._odd
        params, x = s.send(case.parameters), s.inputs(s.send(case.inputs))
        y, last, tape = s.module.forward(params, x, s.send(case.initial))
        dy, dstate = s.runner.to_device(case.dy), s.send(case.dstate)
        dparams, dx, dstate0 = s.module.backward(params, tape, dy, dstate)
        groups = (last, dparams, s.by_input(dx), dstate0)
        arrays = [y, *(group[name] for group in groups for name in sorted(group))]
        return [s.runner.to_host(array).tobytes() for array in arrays]


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
