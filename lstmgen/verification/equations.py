"""The definitions of the normal form, evaluated literally as they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import neg

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
    walk,
)
from lstmgen.form.normal_form import NormalForm
from lstmgen.verification.arithmetic import Arithmetic, Operand, Vector, at_digits
from lstmgen.verification.points import Point, Shape
from lstmgen.verification.unrolling import Frame, Shift, Trajectory, finish, unroll

Evaluator = Callable[[Frame], Operand]


class Compiler:
    """Turns expressions of a normal form into functions of a step's values."""

    def __init__(self, form: NormalForm, arithmetic: Arithmetic) -> None:
        self._form = form
        self._arithmetic = arithmetic

    def compile(self, expression: Expression) -> Evaluator:
        """The function that evaluates the expression; a number stands for every unit."""
        arithmetic = self._arithmetic
        match expression:
            case Number(value):
                constant = arithmetic.number(value)
                return lambda frame: constant
            case Value(name, shift):
                return lambda frame: frame.value(name, shift)
            case Parameter(name):
                return lambda frame: frame.parameters[name]
            case MatVec():
                return self._product(expression)
            case Add(parts):
                terms = [self.compile(part) for part in parts]
                return lambda frame: arithmetic.total([term(frame) for term in terms])
            case Mul(parts):
                factors = [self.compile(part) for part in parts]
                return lambda frame: arithmetic.product([f(frame) for f in factors])
            case Neg(part):
                inner = self.compile(part)
                return lambda frame: arithmetic.each(neg, inner(frame))
            case Div(numerator, denominator):
                above, below = self.compile(numerator), self.compile(denominator)
                return lambda frame: arithmetic.each(
                    arithmetic.quotient, above(frame), below(frame)
                )
            case Pow(base, exponent):
                inner, raised = self.compile(base), self.compile(exponent)
                constant = _is_constant(exponent)
                rule = arithmetic.power if constant else arithmetic.varying_power
                return lambda frame: arithmetic.each(rule, inner(frame), raised(frame))
            case Call(name, parts):
                arguments = [self.compile(part) for part in parts]
                function = arithmetic.functions[name]
                return lambda frame: arithmetic.each(function, *(a(frame) for a in arguments))

    def total(self, terms: tuple[Expression, ...]) -> Evaluator:
        """The function that evaluates the sum of the terms; zero if there are none."""
        if not terms:
            return lambda frame: self._arithmetic.zero
        evaluators = [self.compile(term) for term in terms]
        return lambda frame: self._arithmetic.total([e(frame) for e in evaluators])

    def _product(self, product: MatVec) -> Evaluator:
        columns = self._form.weights[product.weight].columns
        operand = product.operand

        def evaluate(frame: Frame) -> Vector:
            matrix = frame.parameters[product.weight]
            vector = frame.value(operand.name, operand.shift)
            start, stop = block(columns, product.slot, frame.shape)
            rows = [row[start:stop] for row in matrix]
            if product.transposed:
                rows = [list(column) for column in zip(*rows, strict=True)]
            return self._arithmetic.apply(rows, vector)

        return evaluate


def block(columns: tuple[str, ...], slot: int, shape: Shape) -> tuple[int, int]:
    """Where the block of columns `slot` of a weight starts and ends."""
    start = sum(shape.size(symbol) for symbol in columns[:slot])
    return start, start + shape.size(columns[slot])


def _is_constant(expression: Expression) -> bool:
    return all(isinstance(node, (Number, Neg)) for node in walk(expression))


class NormalFormEvaluator:
    """Evaluates the definitions of a normal form at the digits of `arithmetic`."""

    def __init__(self, form: NormalForm, arithmetic: Arithmetic) -> None:
        self.arithmetic = arithmetic
        self._form = form
        compiler = Compiler(form, arithmetic)
        self._definitions = [(d.name, compiler.compile(d.value)) for d in form.definitions]

    @at_digits
    def run(
        self,
        point: Point,
        *,
        shift: Shift | None = None,
        known: Trajectory | None = None,
        first: int = 1,
    ) -> Trajectory:
        """As `Reference.run`; helper definitions are among the values too."""
        return unroll(self, point, self._form.sizes, shift=shift, known=known, first=first)

    def step(self, frame: Frame, size: Mapping[str, int], added: Mapping[str, Vector]) -> None:
        """One step of one row of the batch: fills `frame.now`."""
        for name, evaluate in self._definitions:
            value = evaluate(frame)
            frame.now[name] = finish(self.arithmetic, value, size[name], added.get(name))
