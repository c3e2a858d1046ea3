"""Expressions as plain text: f_t = sigma(a_f_t), W_f[0]·h_{t-1}."""

from __future__ import annotations

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
    unmasked,
)
from lstmgen.algebra.precedence import ATOM, MUL, POW, precedence

_TIME = {0: "t", -1: "t-1", 1: "t+1"}


def text(expression: Expression) -> str:
    """One line of Unicode-free text."""
    match expression:
        case Number(value):
            return str(value) if value.denominator < 10**6 else f"{float(value):.6g}..."
        case Value(name, 0):
            return f"{name}_t"
        case Value(name, shift):
            return f"{name}_{{{_TIME[shift]}}}"
        case Parameter(name):
            return name
        case MatVec(weight, slot, transposed, operand):
            return f"{block_text(weight, slot, transposed)}·{text(operand)}"
        case Add(terms):
            first, *rest = terms
            return text(first) + "".join(_signed(term) for term in rest)
        case Mul(factors):
            return " * ".join(_at(MUL, f) for f in factors)
        case Neg(argument):
            return "-" + _at(MUL, argument)
        case Div(numerator, denominator):
            return f"{_at(MUL, numerator)} / {_at(POW, denominator)}"
        case Pow(base, exponent):
            return f"{_at(ATOM, base)}^{_at(ATOM, exponent)}"
        case Call("masked"):
            return text(unmasked(expression))
        case Call(function, arguments):
            return f"{function}({', '.join(map(text, arguments))})"


def block_text(weight: str, slot: int, transposed: bool) -> str:
    """W_f[0], or W_f[0]^T."""
    return f"{weight}[{slot}]{'^T' if transposed else ''}"


def _signed(term: Expression) -> str:
    if isinstance(term, Neg):
        return " - " + _at(MUL, term.argument)
    return " + " + text(term)


def _at(level: int, expression: Expression) -> str:
    written = text(expression)
    return f"({written})" if precedence(expression) < level else written
