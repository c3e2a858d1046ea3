"""Every stage as plain text: f_t = sigma(a_f_t), W_f[0]·h_{t-1}."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    add,
    shifted,
    unmasked,
)
from lstmgen.algebra.precedence import ATOM, MUL, POW, precedence

if TYPE_CHECKING:
    from lstmgen.gradients.derivation import Gradients
    from lstmgen.schedule.program import Fanout, Gather, Schedule, WeightGradient

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
        case Call("masked"):
            return text(unmasked(expression))
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
    from lstmgen.gradients.derivation import VectorGradient

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
        right = text(add(*inputs.terms))
        if inputs.of in gradients.form.scalar_inputs:
            right = f"1^T·({right})"
        lines.append(f"({inputs.label}) {inputs.name}_t = {right}")
    for initial in gradients.initial:
        later = gradients.adjoint(initial.state).later
        lines.append(f"({initial.label}) d_{initial.state}_0 = {text(add(*later))} at t = 1")
    return "\n".join(lines)


def fanout_text(product: Fanout) -> str:
    """[W_f[0]; W_i[0]] · h_{t-1} -> W_f_h, W_i_h."""
    stack = "; ".join(_block(row.weight, row.slot, row.transposed) for row in product.rows)
    results = ", ".join(row.result for row in product.rows)
    return f"{results} = [{stack}] · {text(product.operand)}"


def gather_text(product: Gather) -> str:
    """back_h = W_f[0]^T·d_a_f + W_i[0]^T·d_a_i."""
    terms = [
        ("- " if c.negative else "+ ") + _block(c.weight, c.slot, c.transposed) + f"·{c.operand}_t"
        for c in product.columns
    ]
    return f"({product.label}) {product.result} = {' '.join(terms).removeprefix('+ ')}"


def weight_gradient_text(product: WeightGradient) -> str:
    """d W_f[0], d W_i[0] += sum_t [d_a_f; d_a_i] h_{t-1}^T."""
    names = ", ".join(f"d {_block(r.weight, r.slot, False)}" for r in product.rows)
    adjoints = "; ".join(
        ("-" if r.negative else "") + r.adjoint + "_t" + ("(^T)" if r.transposed else "")
        for r in product.rows
    )
    return f"{names} += sum_t [{adjoints}] {text(product.operand)}^T"


def _block(weight: str, slot: int, transposed: bool) -> str:
    return f"{weight}[{slot}]{'^T' if transposed else ''}"


def schedule_text(schedule: Schedule) -> str:
    """The whole program, a stage after the other."""
    from lstmgen.schedule.program import Block

    lines = []
    for title, program in (("forward", schedule.forward), ("backward", schedule.backward)):
        for part, stages in (
            ("all steps at once", program.before),
            ("each step", program.loop),
            ("all steps at once", program.after),
        ):
            if stages:
                lines.append(f"{title}, {part}:")
            for stage in stages:
                kind = "block" if isinstance(stage, Block) else "product"
                lines += [f"  {kind:8}{line}" for line in str(stage).splitlines()]
        if title == "forward":
            lines.append(f"  kept for backward: {', '.join(schedule.kept)}")
            again = ", ".join(d.name for d in schedule.recomputed)
            lines.append(f"  evaluated again:   {again or 'nothing'}")
    lines.append("parameters, all steps at once:")
    lines += [f"  product {w}" for w in schedule.weight_gradients]
    lines += [f"  sum     d {r.parameter} = sum_t {text(r.value)}" for r in schedule.reductions]
    return "\n".join(lines)
