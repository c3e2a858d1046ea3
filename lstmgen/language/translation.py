"""Every node of a SymPy equation as an expression, with what its symbols are seen to be."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import isfinite

import sympy
from sympy.core.function import AppliedUndef

from lstmgen.algebra.expression import (
    Call,
    Expression,
    MatVec,
    Number,
    Parameter,
    Value,
    add,
    div,
    mul,
    number,
    power,
    values,
    walk,
)
from lstmgen.algebra.functions import BY_NOTATION
from lstmgen.algebra.stable import stable
from lstmgen.errors import EquationError
from lstmgen.form.normal_form import Definition
from lstmgen.language import notation
from lstmgen.language.indexing import Place, index_problem, indexed_name, is_scalar
from lstmgen.language.names import objection

_BEYOND = (
    "is beyond the range of floating-point numbers, 1e-323 to 1e308; scale the equation, or leave "
    "the number out"
)


class Translator:
    """Translates right-hand sides, and notes how each symbol is used."""

    def __init__(self, defined: Mapping[str, int]) -> None:
        self._defined = defined
        self._where = Place(0, sympy.S.Zero)
        self.uses: dict[str, dict[int, Place]] = {}  # vector -> offset -> first equation
        self.parameters: dict[str, Place] = {}  # -> first equation
        self.scalars: set[str] = set()
        self.scalar_inputs: set[str] = set()
        self.slots: dict[str, tuple[int, Place]] = {}  # matrix -> vectors it multiplies, where
        # An operand like r[t]*h[t-1] has no name yet: MatVec points at "#k" until it gets one.
        self.operands: dict[str, Expression] = {}

    def equation(self, k: int, equation: sympy.Eq) -> Definition:
        self._where = Place(k, equation)
        name = indexed_name(equation.lhs)
        assert name is not None
        self._check_name(name[0])
        if is_scalar(equation.lhs):
            raise self.refuse(
                f"{name[0]} is declared as a scalar, and only inputs and parameters can be; "
                "declare it with symbols()"
            )
        return Definition(str(k), name[0], stable(self._expression(equation.rhs)))

    def inputs(self) -> tuple[str, ...]:
        return tuple(n for n in self.uses if n not in self._defined)

    def refuse(self, problem: str) -> EquationError:
        return EquationError(f"{self._where}: {problem}")

    def _check_name(self, name: str) -> None:
        if problem := objection(name):
            raise self.refuse(f"the name {name!r} {problem}")

    def _expression(self, node: sympy.Basic) -> Expression:
        if (indexed := indexed_name(node)) is not None:
            return self._value(*indexed, is_scalar(node))
        if isinstance(node, notation.MatrixProduct):
            return self._product(node)
        if isinstance(node, notation.Transpose):
            raise self.refuse(f"{node} is not multiplied: write {node} @ h[t]")
        if isinstance(node, sympy.Symbol):
            return self._parameter(node)
        if isinstance(node, sympy.Rational):
            return self._number(Fraction(int(node.p), int(node.q)))
        if isinstance(node, sympy.Float):
            if not isfinite(float(node)) or (node != 0 and not float(node)):
                raise self.refuse(f"{node.evalf(6)} {_BEYOND}")
            # str is the shortest decimal that reads back as the float the user wrote.
            return self._number(Fraction(repr(float(node))))
        if isinstance(node, sympy.NumberSymbol):
            return Number(Fraction(str(node.evalf(60))))
        if isinstance(node, sympy.Add):
            return add(*map(self._expression, node.args))
        if isinstance(node, sympy.Mul):
            return self._mul(node)
        if isinstance(node, sympy.exp):
            return Call("exp", (self._expression(node.exp),))
        if isinstance(node, sympy.Pow):
            return self._power(node)
        if isinstance(node, (sympy.Function, sympy.Max, sympy.Min)):
            return self._call(node)
        raise self.refuse(
            f"{node} ({type(node).__name__}) is not part of the notation; use vectors at t or t-1, "
            "parameters, numbers, + - * / **, @ and the functions of lstmgen"
        )

    def _number(self, value: Fraction) -> Number:
        """An exact number that has a floating-point number near it."""
        try:
            inside = not value or float(value) != 0
        except OverflowError:
            inside = False
        if not inside:
            power = Decimal(value.numerator) / Decimal(value.denominator)
            raise self.refuse(f"{power:.6g} {_BEYOND}")
        return Number(value)

    def _value(self, name: str, offset: sympy.Expr, scalar: bool) -> Value:
        self._check_name(name)
        if offset not in (0, -1):
            raise self.refuse(index_problem(name, offset))
        if scalar and name in self._defined:
            raise self.refuse(
                f"{name} is declared as a scalar, but equation ({self._defined[name]}) defines "
                f"{name}[t], and only inputs and parameters can be; declare it with symbols()"
            )
        if name in self.uses and scalar is not (name in self.scalar_inputs):
            place = next(iter(self.uses[name].values()))
            raise self.refuse(
                f"{name} is a scalar in one place but not in the other (see {place}): declare it "
                "once, with scalars() or with symbols()"
            )
        if scalar:
            self.scalar_inputs.add(name)
        self.uses.setdefault(name, {}).setdefault(int(offset), self._where)
        return Value(name, int(offset))

    def _parameter(self, symbol: sympy.Symbol) -> Parameter:
        name = symbol.name
        self._check_name(name)
        if name in self._defined or name in self.uses:
            raise self.refuse(
                f"{name} stands without a time index but is a vector elsewhere: "
                f"write {name}[t] or {name}[t-1], or give the parameter another name"
            )
        scalar = bool(getattr(symbol, "is_scalar_parameter", False))
        if name in self.parameters and scalar is not (name in self.scalars):
            raise self.refuse(
                f"{name} is a scalar in one place but not in the other (see {self.parameters[name]}"
                "): declare it once, with scalars() or with symbols()"
            )
        self.parameters.setdefault(name, self._where)
        if scalar:
            self.scalars.add(name)
        return Parameter(name)

    def _product(self, node: notation.MatrixProduct) -> Expression:
        transposed = isinstance(node.weight, notation.Transpose)
        weight = node.weight.T if transposed else node.weight
        if not isinstance(weight, sympy.Symbol):
            raise self.refuse(f"only a matrix can stand on the left of @, not {weight}")
        parameter = self._parameter(weight)
        if parameter.name in self.scalars:
            raise self.refuse(
                f"{weight} is declared as a scalar but multiplies with @; "
                "write * for it, or declare it with symbols()"
            )
        slots, place = self.slots.setdefault(parameter.name, (len(node.operands), self._where))
        if slots != len(node.operands):
            raise self.refuse(
                f"sizes do not fit, {weight} multiplies {len(node.operands)} vector(s) here but "
                f"{slots} in {place}; use two matrices"
            )
        if transposed and len(node.operands) > 1:
            raise self.refuse(
                f"{node}: a transposed matrix multiplies one vector, not a concatenation"
            )
        terms = [
            MatVec(parameter.name, slot, transposed, self._operand(operand))
            for slot, operand in enumerate(node.operands)
        ]
        return add(*terms)

    def _operand(self, node: sympy.Expr) -> Value:
        expression = stable(self._expression(node))
        found = values(expression)
        if found and all(v.name in self.scalar_inputs for v in found):
            raise self.refuse(
                f"@ multiplies {node}, which is one number for each row; write w * {node} with a "
                "parameter w, which has one number for each unit"
            )
        if isinstance(expression, Value):
            return expression
        if not any(isinstance(x, (Value, MatVec)) for x in walk(expression)):
            raise self.refuse(f"@ multiplies {node}, which carries no time index; write h[t-1]")
        placeholder = next((k for k, v in self.operands.items() if v == expression), None)
        if placeholder is None:
            placeholder = f"#{len(self.operands)}"
            self.operands[placeholder] = expression
        return Value(placeholder)

    def _mul(self, node: sympy.Mul) -> Expression:
        above: list[Expression] = []
        below: list[Expression] = []
        for factor in node.args:
            if (
                isinstance(factor, sympy.Pow)
                and isinstance(factor.exp, sympy.Number)
                and factor.exp.is_negative
            ):
                below.append(self._raise(factor.base, -factor.exp))
            elif isinstance(factor, sympy.Rational) and factor.p == 1 and factor.q != 1:
                below.append(self._number(Fraction(int(factor.q))))
            else:
                above.append(self._expression(factor))
        return self._quotient(mul(*above), mul(*below)) if below else mul(*above)

    def _power(self, node: sympy.Pow) -> Expression:
        if isinstance(node.exp, sympy.Number) and node.exp.is_negative:
            return self._quotient(number(1), self._raise(node.base, -node.exp))
        return self._raise(node.base, node.exp)

    def _quotient(self, above: Expression, below: Expression) -> Expression:
        if below == number(0):
            raise self.refuse("divides by 0; take the division out")
        return div(above, below)

    def _raise(self, base: sympy.Expr, exponent: sympy.Expr) -> Expression:
        if exponent == sympy.Rational(1, 2):
            return Call("sqrt", (self._expression(base),))
        return power(self._expression(base), self._expression(exponent))

    def _call(self, node: sympy.Basic) -> Expression:
        written = type(node).__name__
        entry = BY_NOTATION.get(written)
        if entry is None and isinstance(node, AppliedUndef):
            raise self.refuse(
                f"{node} is a function of its argument, not a vector at a time step; write "
                f"{written}[t]"
            )
        if entry is None:
            known = ", ".join(sorted(f.notation for f in {*BY_NOTATION.values()}))
            raise self.refuse(f"the function {written} has no known derivative; known are {known}")
        arguments = [self._expression(argument) for argument in node.args]
        if entry.repeats:
            result = arguments[0]
            for argument in arguments[1:]:
                result = Call(entry.name, (result, argument))
            return result
        try:
            return Call(entry.name, entry.complete(arguments, Number))
        except TypeError as error:
            raise self.refuse(f"{written} {error}") from None


def function_name(node: sympy.Basic) -> str:
    """The name in `FUNCTIONS` of the function that a SymPy node applies."""
    return BY_NOTATION[type(node).__name__].name
