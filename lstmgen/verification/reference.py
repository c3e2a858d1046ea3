"""The cell's own equations, evaluated one by one as they were written.

This reads `cell.equations` (SymPy) by itself.  It shares nothing with the normal form, the
schedule or the printers, so that a mistake there shows as a difference.  Source of the idea of an
independent high-precision reference: N. Higham, "Accuracy and Stability of Numerical Algorithms",
2nd ed., SIAM 2002, section 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce
from typing import Any

import sympy

from lstmgen.algebra.functions import BY_NOTATION
from lstmgen.language import notation
from lstmgen.stages import Stages
from lstmgen.verification.arithmetic import Arithmetic, Operand, Vector, at_digits
from lstmgen.verification.points import Point
from lstmgen.verification.unrolling import Frame, Shift, Trajectory, finish, unroll

Evaluator = Callable[[Frame], Operand]


class Reference:
    """Evaluates a cell's equations at the digits of `arithmetic`.

    Every right side becomes a function of the step's values once; evaluating is then quick.
    """

    def __init__(self, cell: Stages, arithmetic: Arithmetic) -> None:
        self.arithmetic = arithmetic
        self._sizes = cell.normal_form.sizes
        self.equations: list[tuple[str, Evaluator]] = [
            (_indexed(equation.lhs)[0], self._compile(equation.rhs)) for equation in cell.equations
        ]
        self.names = tuple(name for name, _ in self.equations)

    @at_digits
    def run(
        self,
        point: Point,
        *,
        shift: Shift | None = None,
        known: Trajectory | None = None,
        first: int = 1,
    ) -> Trajectory:
        """Every value of every step; `shift` is added to values where they are defined.

        `known` is a trajectory whose steps before `first` are kept.  Raises `PointError` where the
        equations are not defined.
        """
        return unroll(self, point, self._sizes, shift=shift, known=known, first=first)

    def step(self, frame: Frame, size: Mapping[str, int], added: Mapping[str, Vector]) -> None:
        """One step of one row of the batch: fills `frame.now`."""
        for name, evaluate in self.equations:
            value = evaluate(frame)
            frame.now[name] = finish(self.arithmetic, value, size[name], added.get(name))

    def _compile(self, node: Any) -> Evaluator:
        arithmetic = self.arithmetic
        if isinstance(node, (notation.At, sympy.Indexed)):
            name, offset = _indexed(node)
            return lambda frame: frame.value(name, offset)
        if isinstance(node, notation.MatrixProduct):
            return self._product(node)
        if isinstance(node, sympy.Symbol):
            parameter = node.name
            return lambda frame: frame.parameters[parameter]
        if node.is_Number or isinstance(node, sympy.NumberSymbol):
            constant = self._constant(node)
            return lambda frame: constant
        if isinstance(node, sympy.Add):
            terms = [self._compile(term) for term in node.args]
            return lambda frame: arithmetic.total([term(frame) for term in terms])
        if isinstance(node, sympy.Mul):
            return self._quotient(node)
        if isinstance(node, sympy.Pow) and not isinstance(node, sympy.exp):
            return self._power(node.base, node.exp)
        if isinstance(node, sympy.exp):  # also a power of sympy.E
            power = self._compile(node.exp)
            return lambda frame: arithmetic.each(arithmetic.functions["exp"], power(frame))
        entry = BY_NOTATION[type(node).__name__]
        function = arithmetic.functions[entry.name]
        arguments = [self._compile(argument) for argument in node.args]
        if entry.repeats:
            return lambda frame: reduce(
                lambda a, b: arithmetic.each(function, a, b), [a(frame) for a in arguments]
            )
        return lambda frame: arithmetic.each(function, *(a(frame) for a in arguments))

    def _constant(self, node: Any) -> Any:
        if isinstance(node, sympy.Rational):
            return self.arithmetic.number(Fraction(int(node.p), int(node.q)))
        if isinstance(node, sympy.Float):
            # The decimal that the user wrote, as everywhere in lstmgen: 0.1 is one tenth.
            return self.arithmetic.number(repr(float(node)))
        return self.arithmetic.number(str(node.evalf(self.arithmetic.digits + 10)))

    def _quotient(self, node: sympy.Mul) -> Evaluator:
        """A product; the factors with a negative constant power are divisors."""
        arithmetic = self.arithmetic
        above, below = [], []
        for factor in node.args:
            power = isinstance(factor, sympy.Pow) and not isinstance(factor, sympy.exp)
            if power and factor.exp.is_Number and factor.exp.is_negative:
                below.append(self._power(factor.base, -factor.exp))
            else:
                above.append(self._compile(factor))

        def evaluate(frame: Frame) -> Operand:
            result = arithmetic.product([arithmetic.one, *(f(frame) for f in above)])
            for divisor in below:
                result = arithmetic.each(arithmetic.quotient, result, divisor(frame))
            return result

        return evaluate

    def _power(self, base: Any, exponent: Any) -> Evaluator:
        arithmetic = self.arithmetic
        inner, raised = self._compile(base), self._compile(exponent)
        if exponent == sympy.Rational(1, 2):
            root = arithmetic.functions["sqrt"]
            return lambda frame: arithmetic.each(root, inner(frame))
        constant = exponent.is_number
        rule = arithmetic.power if constant else arithmetic.varying_power
        return lambda frame: arithmetic.each(rule, inner(frame), raised(frame))

    def _product(self, node: notation.MatrixProduct) -> Evaluator:
        arithmetic = self.arithmetic
        transposed = isinstance(node.weight, notation.Transpose)
        weight = str(node.weight.args[0] if transposed else node.weight)
        operands = [self._compile(operand) for operand in node.operands]

        def evaluate(frame: Frame) -> Vector:
            matrix = frame.parameters[weight]
            vector = [unit for operand in operands for unit in operand(frame)]
            if transposed:
                matrix = list(zip(*matrix, strict=True))
            return arithmetic.apply(matrix, vector)

        return evaluate


def _indexed(node: Any) -> tuple[str, int]:
    """The name and the offset from t of `h[t-1]`, also when written with SymPy's IndexedBase."""
    if isinstance(node, notation.At):
        return node.name, int(node.offset)
    index = node.indices[0]
    (time,) = index.free_symbols
    return str(node.base), int(sympy.expand(index - time))
