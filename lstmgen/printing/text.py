"""Expressions as plain text, in the notation of the paper: f_t = sigma(W_f·[h_{t-1}, x_t] + b_f)."""

from __future__ import annotations

from lstmgen.expression import (
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
    add,
    shifted,
)
from lstmgen.gradients import Gradients, VectorGradient
from lstmgen.printing.precedence import ATOM, MUL, POW, precedence

_TIME = {0: "t", -1: "t-1", 1: "t+1"}


def text(expression: Expression) -> str:
    """One line of Unicode-free text."""
    match expression:
        case Number(value):
            return str(value)
        case Value(name, 0):
            return f"{name}_t"
        case Value(name, shift):
            return f"{name}_{{{_TIME[shift]}}}"
        case Parameter(name):
            return name
        case MatVec(weight, slot, transposed, operand):
            return f"{weight}[{slot}]{'^T' if transposed else ''}·{text(operand)}"
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
        case Call(function, arguments):
            return f"{function}({', '.join(map(text, arguments))})"


def _signed(term: Expression) -> str:
    if isinstance(term, Neg):
        return " - " + _at(MUL, term.argument)
    return " + " + text(term)


def _at(level: int, expression: Expression) -> str:
    written = text(expression)
    return f"({written})" if precedence(expression) < level else written


def gradients_text(gradients: Gradients) -> str:
    """One derived equation a line, with its label."""
    lines = []
    for adjoint in gradients.adjoints:
        terms = [*adjoint.here, *(shifted(term, 1) for term in adjoint.later)]
        seed = ["dy_t"] * adjoint.is_output
        right = " + ".join([*seed, *map(text, terms)]).replace("+ -", "- ") or "0"
        lines.append(f"({adjoint.label}) {adjoint.name}_t = {right}")
    for gradient in gradients.parameters:
        name = f"d_{gradient.parameter}"
        if isinstance(gradient, VectorGradient):
            right = text(add(*gradient.terms))
            lines.append(f"({gradient.label}) {name} = sum_t {right}")
            continue
        for slot, block in enumerate(gradient.blocks):
            right = " + ".join(
                f"{'-' if p.negative else ''}{text(p.left)} {text(p.right)}^T" for p in block
            ).replace("+ -", "- ")
            lines.append(f"({gradient.label}) {name}[{slot}] = sum_t {right}")
    for inputs in gradients.inputs:
        lines.append(f"({inputs.label}) {inputs.name}_t = {text(add(*inputs.terms))}")
    for initial in gradients.initial:
        later = gradients.adjoint(initial.state).later
        lines.append(f"({initial.label}) d_{initial.state}_0 = {text(add(*later))} at t = 1")
    return "\n".join(lines)
