"""From syntax trees to the cell's notation: what is a product, a matrix, a function.

A parameter beside a vector, or before a centred dot, multiplies it as a matrix; with an
element-wise operator it has one number per unit; a vector beside a vector is element-wise.  Where
a formula leaves this open the reader refuses it and names the declarations that decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from lstmgen.language import notation
from lstmgen.language.papers.nodes import (
    Call,
    Fraction,
    Group,
    Node,
    Number,
    Script,
    Sum,
    Symbol,
    Term,
)
from lstmgen.language.papers.products import (
    CLASSES,
    NO_MATRIX,
    NUMBER,
    SCALAR,
    UNIT,
    VECTOR,
    Built,
    Products,
)
from lstmgen.language.papers.spelling import Spelling, is_mark, resolve

MAX_INTEGER_DIGITS = 15
MAX_EXPONENT = 64
_CONSTANTS = {"pi": sympy.pi, "e": sympy.E}


class Builder(Products):
    """Builds the right-hand sides of one text."""

    def vector(self, spelling: Spelling) -> Any:
        """`h[t-1]` for a symbol with a time index."""
        assert spelling.time is not None
        name = spelling.identifier
        scalar = self._declared.kinds.get(name) == "scalar"
        kind = notation.ScalarName if scalar else notation.Name
        return notation.At(kind(name), notation.t + spelling.time)

    def build(self, node: Node) -> Built:
        """The expression of any node that is not a bare matrix or a concatenation."""
        match node:
            case Number():
                return self._number(node)
            case Symbol():
                return self._symbol(node)
            case Sum(terms, _, _):
                return self.sum(terms)
            case Term():
                return self.term(node)
            case Fraction(above, below, _, _):
                return self._quotient(node, self.build(above), self.build(below))
            case Group():
                return self._group(node)
            case Call():
                return self._call(node)

    def _number(self, node: Number) -> Built:
        if "." in node.text:
            value: Any = sympy.Float(float(node.text))
        elif len(node.text) > MAX_INTEGER_DIGITS:
            self._refuse(node, f"a number of more than {MAX_INTEGER_DIGITS} digits is not read")
        else:
            value = sympy.Integer(int(node.text))
        return self._powers(node, Built(value, NUMBER), node.scripts)

    def _symbol(self, node: Symbol) -> Built:
        spelling = resolve(self._source, node, self._letter)
        name = spelling.identifier
        if name in self._arguments and spelling.time is None:
            result = self._arguments[name]
        elif spelling.time is not None:
            result = Built(self.vector(spelling), VECTOR)
        elif name in ("e", "e_") and spelling.power is not None and self._is_exponential(spelling):
            argument = self.build(spelling.power)
            return self._joined(node, notation.exp(argument.expression), [argument])
        else:
            result = self._parameter(node, spelling)
        if spelling.transposed:
            self._refuse(
                node, "a transposed symbol must be a matrix before a vector, as in W^\\top h_t"
            )
        if spelling.power is not None:
            result = self._power(node, result, self._exponent(spelling.power))
        return result

    def _is_exponential(self, spelling: Spelling) -> bool:
        return self._declared.kinds.get(spelling.identifier, "number") == "number"

    def _parameter(self, node: Symbol, spelling: Spelling) -> Built:
        name = spelling.identifier
        if self._declared.kinds.get(name) == "number":
            return Built(_CONSTANTS[name], NUMBER)
        if name in self._roles.functions or name in self._declared.functions:
            self._refuse(node, f"{name} is a function and needs an argument in parentheses")
        if name in self._roles.matrices:
            self._refuse(
                node,
                f"{name} is a matrix in line "
                f"{self._source.line(self._roles.matrices[name])}, but here it is not "
                "followed by the vector it multiplies; name the two differently, or declare it: "
                f"% lstmgen: {name} scalar, or {name} vector",
            )
        if self._declared.kinds.get(name) == "scalar":
            return Built(notation.ScalarName(name), SCALAR)
        return Built(notation.Name(name), UNIT)

    def sum(self, terms: Sequence[tuple[bool, Node]]) -> Built:
        """The sum of terms with their signs."""
        built = [self.build(term) for _, term in terms]
        signed = [
            notation.OrderedMul(-1, b.expression) if negative else b.expression
            for (negative, _), b in zip(terms, built, strict=True)
        ]
        total = signed[0] if len(signed) == 1 else notation.OrderedAdd(*signed)
        return self._joined(terms[0][1], total, built)

    def _exponent(self, node: Node) -> Built:
        exponent = self.build(node)
        value = exponent.expression
        negated = isinstance(value, sympy.Mul) and len(value.args) == 2 and value.args[0] == -1
        if negated and isinstance(value.args[1], sympy.Number):
            exponent = Built(-value.args[1], NUMBER)
        if isinstance(exponent.expression, sympy.Number) and (
            abs(exponent.expression) > MAX_EXPONENT
        ):
            self._refuse(node, f"an exponent beyond {MAX_EXPONENT} is not read")
        return exponent

    def _power(self, node: Node, base: Built, exponent: Built) -> Built:
        if base.expression == 0:
            self._refuse(node, "a power of zero")
        value = notation.OrderedPow(base.expression, exponent.expression)
        return self._joined(node, value, [base, exponent])

    def _powers(self, node: Node, base: Built, scripts: Sequence[Script]) -> Built:
        """Superscripts after a number, a bracket or a function: powers only."""
        for script in scripts:
            only = script.items[0] if len(script.items) == 1 else None
            if script.side != "^" or only is None:
                self._refuse(script, "an index can follow a symbol only")
            if is_mark(only):
                self._refuse(script, "only a matrix can be transposed, as in W^\\top h_t")
            base = self._power(node, base, self._exponent(only))
        return base

    def _group(self, node: Group) -> Built:
        if len(node.items) > 1:
            self._refuse(node, NO_MATRIX)
        return self._powers(node, self.build(node.items[0]), node.scripts)

    def _call(self, node: Call) -> Built:
        powers = [s for s in node.scripts if s.side == "^"]
        function = self._function(node)
        arguments = [self.build(argument) for argument in node.arguments]
        if function == "sqrt" or function not in ("max", "min"):
            self._check_count(node, function, len(arguments), 1)
        elif len(arguments) < 2:
            self._refuse(node, f"{function} takes two or more arguments, separated by commas")
        value = CLASSES[function](*(a.expression for a in arguments))
        if any(_is_minus_one(s) for s in powers):
            self._refuse(
                node, f"{function}^{{-1}} is an inverse function or a power; write 1 / {function}"
            )
        return self._powers(node, self._joined(node, value, arguments), powers)

    def _check_count(self, node: Node, function: str, found: int, expected: int) -> None:
        if found != expected:
            self._refuse(node, f"{function} takes {expected} argument, not {found}")

    def _function(self, node: Call) -> str:
        """The function that a call applies; an index on its name must be declared."""
        below = [s for s in node.scripts if s.side == "_"]
        if not below:
            if node.function not in CLASSES:
                self._refuse(node, f"the function {node.function} is not known")
            return node.function
        start = below[0].position
        plain = Symbol(node.function, (), "", 0, tuple(below), node.position, start)
        name = resolve(self._source, plain, self._letter).identifier
        if name not in self._declared.functions:
            self._refuse(
                node,
                f"which function {name} is, is not said; declare it: % lstmgen: {name} = tanh",
            )
        return self._declared.functions[name]


def _is_minus_one(script: Script) -> bool:
    only = script.items[0] if script.items else None
    return isinstance(only, Sum) and len(only.terms) == 1 and only.terms[0][0]
