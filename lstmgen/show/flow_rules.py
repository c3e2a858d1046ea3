"""What a measurement of gradient flow sets for every cell by one rule: forget biases and masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lstmgen.algebra.expression import (
    ONE,
    Add,
    Call,
    Div,
    Expression,
    Mul,
    Neg,
    Number,
    Parameter,
    Value,
    walk,
)
from lstmgen.gradients.jacobian import jacobian

if TYPE_CHECKING:
    from lstmgen.form.normal_form import NormalForm
    from lstmgen.stages import Stages

__all__ = ["forget_biases", "masks"]

_Gate = tuple[Expression, int]
"""What a gate is a function of, and whether it keeps the state (1) or replaces it (-1)."""
_Bias = tuple[str, int]
"""A parameter of a gate, and whether the gate rises with it (1) or falls (-1)."""


def forget_biases(cell: Stages) -> dict[str, int]:
    """The biases of the gates on the direct paths of states to themselves, and their direction.

    A term of the direct part of ds_t/ds_{t-1} that is a gate alone keeps the state: a sigmoid, an
    exponential, or what one of them is divided by something; inputs, parameters and numbers beside
    it do not matter.  With f_t and its bias b the state is kept the longer the larger b is:
    {"b": 1}.  With 1 - z_t, as in a GRU, the direction is -1.  The second bias of a gate that has
    two gets 0: it adds nothing.
    """
    form, derived = cell.normal_form, jacobian(cell)
    found: dict[str, int] = {}
    for state in form.states:
        for inner, direction in _gates(derived.entry(state, state).direct, form):
            biases = sorted(_biases(inner, form), key=lambda bias: -bias[1])
            for name, sign in biases:
                found.setdefault(name, direction * sign)
                direction = 0
    return found


def masks(cell: Stages) -> tuple[str, ...]:
    """The inputs that stand as 1 - d somewhere: they choose between two values."""
    form = cell.normal_form
    found = {
        node.terms[1].argument.name
        for d in form.definitions
        for node in walk(d.value)
        if isinstance(node, Add)
        and len(node.terms) == 2
        and node.terms[0] == ONE
        and isinstance(node.terms[1], Neg)
        and isinstance(node.terms[1].argument, Value)
    }
    return tuple(x for x in form.inputs if x in found)


def _gates(term: Expression, form: NormalForm) -> Iterator[_Gate]:
    match term:
        case Value(name, 0) if name in form.by_name:
            yield from _gates(form.by_name[name].value, form)
        case Call("sigma" | "exp", (inner,)):
            yield inner, 1
        case Div(above, _):
            yield from _gates(above, form)
        case Add((one, Neg(inner))) if one == ONE:
            yield from ((argument, -direction) for argument, direction in _gates(inner, form))
        case Add(terms):
            for part in terms:
                yield from _gates(part, form)
        case Mul(factors):
            gates = [factor for factor in factors if not _is_outside(factor, form)]
            if len(gates) == 1:
                yield from _gates(gates[0], form)


def _is_outside(factor: Expression, form: NormalForm) -> bool:
    """Whether it is made of inputs, parameters and numbers alone."""
    return all(
        isinstance(node, (Parameter, Number))
        or (isinstance(node, Value) and node.name in form.inputs)
        or not isinstance(node, Value)
        for node in walk(factor)
    )


def _biases(inner: Expression, form: NormalForm) -> Iterator[_Bias]:
    """The parameters among the terms of a pre-activation, through names and rising functions."""
    match inner:
        case Parameter(name):
            yield name, 1
        case Neg(argument):
            yield from ((name, -sign) for name, sign in _biases(argument, form))
        case Add(terms):
            for term in terms:
                yield from _biases(term, form)
        case Call("log" | "sigma" | "softplus" | "min" | "max", arguments):
            for argument in arguments:
                yield from _biases(argument, form)
        case Value(name, 0) if name in form.by_name and name not in form.states:
            yield from _biases(form.by_name[name].value, form)
