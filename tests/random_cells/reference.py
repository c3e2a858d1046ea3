"""An independent reference: the cell's own SymPy equations in NumPy, with forward derivatives.

Nothing of the normal form's equations, the derived gradients or the schedule is used.  Every value
carries its derivative by every number that is free (parameters, inputs, initial states), so that
one pass over the steps gives the gradient of any loss: "dual numbers", W. K. Clifford 1873; see
A. Griewank and A. Walther, "Evaluating Derivatives", 2nd ed., SIAM 2008, chapter 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy

from lstmgen import Cell
from lstmgen.language import notation
from lstmgen.language.indexing import indexed_name

from .functions import Kinks, call

Array = npt.NDArray[Any]
Arrays = dict[str, Array]


@dataclass(frozen=True)
class Point:
    """Numbers for everything that is free, and which steps the rows take.

    Attributes:
        parameters: by name.
        inputs: by name, (T, B, size).
        initial: the states before the first step by name, (B, size).
        sizes: how many units each vector has, by name.
        lengths: (B,), how many steps each row takes; all where None.
        restart: (T, B), before which steps a row's states are zero; nowhere where None.
    """

    parameters: Arrays
    inputs: Arrays
    initial: Arrays
    sizes: Mapping[str, int]
    lengths: Array | None = None
    restart: Array | None = None

    def free(self) -> Arrays:
        """All that gradients are asked for, by a name that tells which it is."""
        groups = (("dparams", self.parameters), ("dx", self.inputs), ("dstate0", self.initial))
        return {f"{group} {name}": a for group, arrays in groups for name, a in arrays.items()}


@dataclass(frozen=True)
class Result:
    """y (T, B, size), the last states, each step's states, and derivatives by each free number.

    Attributes:
        y_by, last_by: (N, ...) for the N free numbers, in the order of `Point.free`.
        kinks: how near the values came to kinks and poles.
        largest: the largest value that was met.
    """

    y: Array
    last: Arrays
    steps: list[Arrays]
    y_by: Array
    last_by: Arrays
    kinks: Kinks
    largest: float
    point: Point

    def gradients(self, dy: Array | None, dstate: Mapping[str, Array] | None) -> Arrays:
        """Of sum(dy * y) + the sum over states of dstate * last state, by each free array."""
        total = np.zeros(len(self.y_by))
        if dy is not None:
            total = total + (self.y_by * dy).reshape(len(total), -1).sum(axis=1)
        for name, seed in (dstate or {}).items():
            total = total + (self.last_by[name] * seed).reshape(len(total), -1).sum(axis=1)
        found, at = {}, 0
        for name, array in self.point.free().items():
            found[name] = total[at : at + array.size].reshape(array.shape)
            at += array.size
        return found


@dataclass(frozen=True)
class _Dual:
    """A value (B or 1, size or 1) and its derivatives (N, the same), None where all are zero."""

    value: Array
    by: Array | None


class Reference:
    """Evaluates one cell's equations."""

    def __init__(self, cell: Cell) -> None:
        self._equations = [(indexed_name(eq.lhs), eq.rhs) for eq in cell.equations]
        self._output, self._states = cell.output, cell.states
        self._names: dict[int, Any] = {}  # by node what `indexed_name` says: asked at every step

    def run(self, point: Point, dtype: str = "float64") -> Result:
        """All steps; the arithmetic and what is drawn in is `dtype`."""
        given = self._equations, self._names, self._output, self._states
        return _Run(*given, point, dtype).result()


class _Run:
    def __init__(
        self,
        equations: Any,
        names: dict[int, Any],
        output: str,
        states: tuple[str, ...],
        point: Point,
        dtype: str,
    ) -> None:
        self._names = names
        self._equations, self._output, self._states = equations, output, states
        self._point, self._dtype = point, np.dtype(dtype)
        self._kinks = Kinks()
        self._largest = 0.0
        free = point.free()
        self._count = sum(array.size for array in free.values())
        self._start = {}
        at = 0
        for name, array in free.items():
            self._start[name] = at
            at += array.size
        self._rows = next(iter(point.inputs.values())).shape[1]
        self._parameters = {
            name: self._parameter(name) for name, a in point.parameters.items() if a.ndim < 2
        }
        self._now: dict[str, _Dual] = {}
        self._before: dict[str, _Dual] = {}

    # What is free

    def _parameter(self, name: str) -> _Dual:
        given = self._point.parameters[name]
        value = np.asarray(given, self._dtype).reshape(1, -1)
        by = np.zeros((self._count, *value.shape), self._dtype)
        at = self._start[f"dparams {name}"]
        by[np.arange(value.size) + at, 0, np.arange(value.size)] = 1
        return _Dual(value, by)

    def _free(self, name: str, given: Array, start: int) -> _Dual:
        """Rows of free numbers, of which the first is number `start`."""
        value = np.asarray(given, self._dtype)
        by = np.zeros((self._count, value.size), self._dtype)
        by[start + np.arange(value.size), np.arange(value.size)] = 1
        return _Dual(value, by.reshape(self._count, *value.shape))

    # Steps

    def result(self) -> Result:
        point, states = self._point, self._states
        T = len(next(iter(point.inputs.values())))
        last = {s: self._free(s, a, self._start[f"dstate0 {s}"]) for s, a in point.initial.items()}
        outputs, steps = [], []
        for t in range(T):
            taken = np.ones(self._rows, bool) if point.lengths is None else t < point.lengths
            self._before = last
            if point.restart is not None:
                kept = ~(point.restart[t] & taken)
                self._before = {s: _select(kept, value, None) for s, value in last.items()}
            self._now = {
                x: self._free(x, a[t], self._start[f"dx {x}"] + t * a[t].size)
                for x, a in point.inputs.items()
            }
            self._step()
            last = {s: _select(taken, self._now[s], last[s]) for s in states}
            outputs.append(_select(taken, self._now[self._output], None))
            steps.append({s: last[s].value for s in states})
        empty = (0, self._rows, point.sizes[self._output])
        return Result(
            y=np.stack([o.value for o in outputs]) if outputs else np.zeros(empty),
            last={s: value.value for s, value in last.items()},
            steps=steps,
            y_by=np.stack([self._all_by(o) for o in outputs], axis=1)
            if outputs
            else np.zeros((self._count, *empty)),
            last_by={s: self._all_by(value) for s, value in last.items()},
            kinks=self._kinks,
            largest=self._largest,
            point=point,
        )

    def _all_by(self, dual: _Dual) -> Array:
        zero = np.zeros((self._count, *dual.value.shape), self._dtype)
        return zero if dual.by is None else np.broadcast_to(dual.by, zero.shape)

    def _step(self) -> None:
        for (name, _), right in self._equations:
            found = self._evaluate(right)
            shape = (self._rows, self._point.sizes[name])  # a number stands for every unit
            value = np.array(np.broadcast_to(found.value, shape))
            by = found.by
            if by is not None:
                by = np.broadcast_to(by, (len(by), *value.shape))
            self._now[name] = _Dual(value, by)
            if value.size:
                self._largest = max(self._largest, float(np.max(np.abs(value))))

    # Equations

    def _evaluate(self, node: Any) -> _Dual:
        if id(node) not in self._names:
            self._names[id(node)] = indexed_name(node)
        if (indexed := self._names[id(node)]) is not None:
            name, offset = indexed
            return self._now[name] if offset == 0 else self._before[name]
        if isinstance(node, notation.MatrixProduct):
            return self._product(node)
        if isinstance(node, sympy.Symbol):
            return self._parameters[node.name]
        if node.is_number and not node.atoms(sympy.Function):
            return _Dual(np.full((1, 1), float(node), self._dtype), None)
        if isinstance(node, sympy.Add):
            found = self._evaluate(node.args[0])
            for term in node.args[1:]:
                found = _sum(found, self._evaluate(term))
            return found
        if isinstance(node, sympy.Mul):
            found = self._evaluate(node.args[0])
            for factor in node.args[1:]:
                found = _times(found, self._evaluate(factor))
            return found
        if isinstance(node, sympy.Pow) and not isinstance(node, sympy.exp):
            return self._power(node)
        arguments = [self._evaluate(argument) for argument in node.args]
        value, slopes = call(type(node).__name__, [a.value for a in arguments], self._kinks)
        result = _Dual(value, None)
        for argument, slope in zip(arguments, slopes, strict=True):
            if argument.by is not None:
                result = _Dual(value, _plus(result.by, argument.by * slope))
        return result

    def _power(self, node: Any) -> _Dual:
        base = self._evaluate(node.base)
        if node.exp.is_number:
            exponent = float(node.exp)
            whole = exponent == int(exponent)
            if exponent < 0 or not whole:
                self._kinks.edge(np.abs(base.value) if whole else base.value)
            value = base.value ** self._dtype.type(exponent)
            slope = self._dtype.type(exponent) * base.value ** self._dtype.type(exponent - 1)
            return _Dual(value, None if base.by is None else base.by * slope)
        raised = self._evaluate(node.exp)
        self._kinks.edge(base.value)
        value = base.value**raised.value
        by = None if base.by is None else base.by * (raised.value * value / base.value)
        if raised.by is not None:
            by = _plus(by, raised.by * (value * np.log(base.value)))
        return _Dual(value, by)

    def _product(self, node: notation.MatrixProduct) -> _Dual:
        back = isinstance(node.weight, notation.Transpose)
        name = str(node.weight.args[0] if back else node.weight)
        matrix = np.asarray(self._point.parameters[name], self._dtype)
        operands = [self._evaluate(operand) for operand in node.operands]
        x = np.concatenate([operand.value for operand in operands], axis=1)
        use = matrix if back else matrix.T  # x @ use
        by = np.zeros((self._count, self._rows, use.shape[1]), self._dtype)
        at = 0
        for operand in operands:
            width = operand.value.shape[1]
            if operand.by is not None:
                by += operand.by @ use[at : at + width]
            at += width
        # d(x @ use)[row, i] / d use[j, i] = x[row, j]
        start, outer = self._start[f"dparams {name}"], use.shape[1]
        own = by[start : start + matrix.size].reshape(*matrix.shape, self._rows, outer)
        if not back:
            own = own.swapaxes(0, 1)
        for i in range(outer):
            own[:, i, :, i] += x.T
        return _Dual(x @ use, by)


def _select(chosen: Array, yes: _Dual, no: _Dual | None) -> _Dual:
    """Row by row one or the other; zero where there is no other."""
    rows = chosen[:, None]
    other = 0 if no is None else no.value
    value = np.where(rows, yes.value, other).astype(yes.value.dtype)
    first, second = yes.by, None if no is None else no.by
    if first is None and second is None:
        return _Dual(value, None)
    by = np.where(rows, 0 if first is None else first, 0 if second is None else second)
    return _Dual(value, by.astype(value.dtype))


def _plus(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _sum(a: _Dual, b: _Dual) -> _Dual:
    return _Dual(a.value + b.value, _plus(a.by, b.by))


def _times(a: _Dual, b: _Dual) -> _Dual:
    by = None if a.by is None else a.by * b.value
    return _Dual(a.value * b.value, _plus(by, None if b.by is None else b.by * a.value))
