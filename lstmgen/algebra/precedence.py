"""Where an expression needs parentheses: shared by every printer."""

from __future__ import annotations

from lstmgen.algebra.expression import Add, Div, Expression, Mul, Neg, Number, Pow

ADD, MUL, POW, ATOM = 1, 2, 3, 4


def precedence(expression: Expression) -> int:
    """How tightly the expression's outermost operation binds."""
    match expression:
        case Add() | Neg():
            return ADD
        case Number(value):
            return ADD if value < 0 else (ATOM if value.denominator == 1 else MUL)
        case Mul() | Div():
            return MUL
        case Pow():
            return POW
    return ATOM
