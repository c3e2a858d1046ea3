"""The program of a C module, run in NumPy without a compiler.

What it does not show is what the C text around the statements does: packing, tiles, padding,
chunks, lengths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

from lstmgen.algebra.expression import (
    Add,
    Call,
    Div,
    Expression,
    MatVec,
    Mul,
    Neg,
    Number,
    Parameter,
    Pow,
    Value,
)
from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.stages import Stages
from lstmgen.targets.c.program import Factor, Pass, Product, Program, Statement
from lstmgen.verification.arithmetic import Arithmetic

__all__ = ["interpreted"]

Array = npt.NDArray[Any]
Arrays = dict[str, Array]


def interpreted(cell: Stages, program: Program) -> Any:
    """A module with `forward`, `backward` and `step` of the program."""
    machine = _Machine(cell, program)
    return SimpleNamespace(forward=machine.forward, backward=machine.backward, step=machine.step)


class _Machine:
    def __init__(self, cell: Stages, program: Program) -> None:
        self._form, self._schedule, self._program = cell.normal_form, cell.schedule, program

    def forward(self, params: Arrays, x: Any, state: Arrays) -> Any:
        """As the generated function, for a state that is given."""
        form = self._form
        inputs = x if isinstance(x, dict) else {form.inputs[0]: x}
        sizes = self._sizes(params, inputs, state)
        T, B = next(iter(inputs.values())).shape[:2]
        wide = {
            n: np.broadcast_to(a.reshape(T, B, -1), (T, B, sizes[form.sizes[n]]))
            for n, a in inputs.items()
        }
        before, steps = {s: np.asarray(state[s]) for s in form.states}, []
        for t in range(T):
            now = {n: a[t] for n, a in wide.items()}
            step = _Step(self._program, params, sizes, form.weights, now, before, {})
            step.run(self._program.forward.statements)
            steps.append((step.now, before))
            before = {s: step.now[s] for s in form.states}
        y = [now[form.output] for now, _ in steps]
        output = np.stack(y) if y else np.zeros((0, B, sizes[form.sizes[form.output]]))
        kind = next(iter(state.values())).dtype
        last = {s: a.astype(kind) for s, a in before.items()}
        return output.astype(kind), last, (steps, inputs, sizes)

    def step(self, params: Arrays, x: Any, state: Arrays) -> Arrays:
        """One time step."""
        whole = {n: a[None] for n, a in x.items()} if isinstance(x, dict) else x[None]
        last: Arrays = self.forward(params, whole, state)[1]
        return last

    def backward(self, params: Arrays, tape: Any, dy: Any = None, dstate: Any = None) -> Any:
        """As the generated function."""
        form, program, carried = self._form, self._program, self._schedule.carried
        steps, inputs, sizes = tape
        kept = {*form.inputs, *(a.name for a in program.tape)}
        totals = {p: np.zeros(np.shape(a)) for p, a in params.items()}
        dx = {x: np.zeros_like(a) for x, a in inputs.items()}
        hands: Arrays = {}
        start = steps[0][1] if steps else dstate
        for s, pair in carried.items():
            first, *others = [name for name in pair if name is not None]
            hands[first] = np.zeros_like(start[s]) if dstate is None else np.asarray(dstate[s])
            hands |= {name: np.zeros_like(hands[first]) for name in others}
        for t in reversed(range(len(steps))):
            now = {n: a for n, a in steps[t][0].items() if n in kept} | hands
            output = steps[t][0][form.output]
            now[self._schedule.seed] = np.zeros_like(output) if dy is None else dy[t]
            again = program.recomputed
            step = _Step(program, params, sizes, form.weights, now, steps[t][1], again)
            step.run(program.backward.statements)
            step.run(program.again)
            step.add_to(totals)
            hands = {name: step.now[name] for name in hands}
            for g in self._schedule.gradients.inputs:
                found = step.now[g.name]
                if g.of in form.scalar_inputs:
                    found = found.sum(axis=-1, keepdims=True)
                dx[g.of][t] = found.reshape(dx[g.of][t].shape)
        kind = next(iter(inputs.values())).dtype
        dstate0 = {
            s: np.sum([hands[n] for n in pair if n is not None], axis=0).astype(kind)
            for s, pair in carried.items()
        }
        totals = {p: a.astype(kind) for p, a in totals.items()}
        return totals, dx if len(form.inputs) > 1 else dx[form.inputs[0]], dstate0

    def _sizes(self, params: Arrays, inputs: Arrays, state: Arrays) -> dict[str, int]:
        form = self._form
        found = {form.sizes[s]: a.shape[-1] for s, a in state.items()}
        found |= {
            form.sizes[x]: a.shape[-1] for x, a in inputs.items() if x not in form.scalar_inputs
        }
        found |= {size: params[p].shape[0] for p, size in form.vectors.items()}
        return found | {w.rows: params[p].shape[0] for p, w in form.weights.items()}


class _Step:
    """The values of one step, (B, size) each; padding is not part of them."""

    def __init__(
        self,
        program: Program,
        params: Arrays,
        sizes: Mapping[str, int],
        weights: Mapping[str, Any],
        now: Arrays,
        before: Arrays,
        again: Mapping[str, Any],
    ) -> None:
        self._program, self._params, self._sizes, self._weights = program, params, sizes, weights
        self.now, self._before, self._again = dict(now), before, again
        self._rows = next(iter(now.values())).shape[0]

    def run(self, statements: Sequence[Statement]) -> None:
        """Statements in their order."""
        for statement in statements:
            match statement:
                case Product():
                    self._product(statement)
                case Pass(size, assignments, _):
                    shape = (self._rows, self._sizes[size])
                    for d in assignments:
                        self.now[d.name] = np.broadcast_to(self.evaluate(d.value), shape)

    def _product(self, product: Product) -> None:
        members = product.out.members[product.first : product.first + product.count]
        for k, name in enumerate(members):
            made: Array = self.now[name] if product.add else np.zeros(())
            for matrix, operand in product.terms:
                term = self._value(operand) @ self._block(self._params, matrix.factors[k]).T
                made = made - term if matrix.factors[k].negative else made + term
            self.now[name] = made

    def _block(self, params: Arrays, factor: Factor) -> Array:
        """A block of a weight: a view, transposed if the factor is."""
        widths = [self._sizes[c] for c in self._weights[factor.weight].columns]
        start = sum(widths[: factor.slot])
        block = params[factor.weight][:, start : start + widths[factor.slot]]
        return block.T if factor.transposed else block

    def add_to(self, totals: Arrays) -> None:
        """The step's part of the gradients of the parameters."""
        for o in self._program.outers:
            for b in o.blocks:
                block = self._block(totals, Factor(b.weight, b.slot, b.transposed, False))
                made = self._value(Value(b.adjoint)).T @ self._value(o.operand)
                block += -made if b.negative else made
        for group in self._program.totals:
            shape = (self._rows, self._sizes[group.size])
            for total in group.totals:
                found = np.broadcast_to(self.evaluate(total.value), shape)
                axes = (0, 1) if total.scalar else (0,)
                totals[total.parameter] = totals[total.parameter] + found.sum(axis=axes)

    def _value(self, value: Value) -> Array:
        if value.shift:
            return self._before[value.name]
        if value.name in self._again and value.name not in self.now:
            return np.asarray(self.evaluate(self._again[value.name].value))
        return self.now[value.name]

    def evaluate(self, expression: Expression) -> Any:
        """An element-wise expression."""
        match expression:
            case Number(value):
                return float(value)
            case Value():
                return self._value(expression)
            case Parameter(name):
                return np.asarray(self._params[name])
            case Add(terms):
                return sum(map(self.evaluate, terms))
            case Mul(factors):
                return np.prod(np.broadcast_arrays(*map(self.evaluate, factors)), axis=0)
            case Neg(argument):
                return -self.evaluate(argument)
            case Div(numerator, denominator):
                return np.divide(self.evaluate(numerator), self.evaluate(denominator))
            case Pow(base, exponent):
                return np.power(self.evaluate(base), self.evaluate(exponent))
            case Call(function, arguments):
                return _function(function)(*map(self.evaluate, arguments))
            case MatVec():
                raise AssertionError(f"a product in an element-wise pass: {expression}")


def _function(name: str) -> Any:
    made = np.frompyfunc(
        Arithmetic(15, mpmath.fp).functions[name], len(FUNCTIONS[name].arguments), 1
    )
    return lambda *arguments: np.asarray(made(*arguments), dtype=np.float64)
