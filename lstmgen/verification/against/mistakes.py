"""The mistakes that people make in forward passes, as changes of any cell's equations.

Each generator below, and in `layouts`, is one kind of mistake.  What it looks for is structure: a
gate is a sigmoid, a bias is a parameter that is a term of a sum, a peephole is a state that is used
where that of another step could be.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial

from lstmgen.algebra.expression import (
    ONE,
    ZERO,
    Add,
    Call,
    Expression,
    MatVec,
    Mul,
    Neg,
    Number,
    Parameter,
    Value,
    add,
    mul,
    sub,
    transform,
    walk,
)
from lstmgen.algebra.text import text
from lstmgen.form.normal_form import Definition, NormalForm, uses_product
from lstmgen.verification.against.layouts import concatenations, gate_orders, transposed
from lstmgen.verification.against.variants import (
    Draft,
    Variant,
    changed,
    everywhere,
    indexed,
    substituted,
    terms,
    used,
)

__all__ = ["mistakes"]


def mistakes(form: NormalForm) -> list[Variant]:
    """Every variant of the cell, the kinds in the order in which they are likely."""
    found = [
        Variant(what, tuple(dict.fromkeys(equations)), made)
        for kind in _KINDS
        for what, equations, made in kind(form)
        if made is not None
    ]
    output = form.by_name[form.output]
    late = f"{form.output}[t-1] is returned where {form.output}[t] should be"
    return [*found, Variant(late, (output.equation,), form, delayed=True)]


def _complemented(form: NormalForm) -> Iterator[Draft]:
    """z and 1 - z."""
    for gate, name, equation in _gates(form):
        shown = f"{name}[t]" if name else text(gate)
        made = _with_other(form, [gate], partial(_complement, gate))
        yield f"{shown} and 1 - {shown} are swapped", (equation,), made


def _complement(gate: Expression, _: Expression) -> Expression:
    return sub(ONE, gate)


def _swapped(form: NormalForm) -> Iterator[Draft]:
    """One gate used in the other's place."""
    named = [name for _, name, _ in _gates(form) if name]
    for a, b in itertools.combinations(named, 2):
        if form.sizes[a] != form.sizes[b]:
            continue
        exchange = {Value(a): Value(b), Value(b): Value(a)}

        def change(node: Expression, exchange: dict[Value, Value] = exchange) -> Expression:
            match node:
                case Value():
                    return exchange.get(node, node)
                case MatVec(weight, slot, transposed, operand):
                    return MatVec(weight, slot, transposed, exchange.get(operand, operand))
            return node

        users = [d.equation for d in form.definitions if {Value(a), Value(b)} & {*used(d)}]
        yield f"{a}[t] and {b}[t] are swapped", users, everywhere(form, change)


def _reset_after(form: NormalForm) -> Iterator[Draft]:
    """W (r * h) as r * (W h)."""
    for u in form.definitions:
        match u.value:
            case Mul((Value(gate, 0), Value() as state) | (Value() as state, Value(gate, 0))):
                pass
            case _:
                continue
        for d in form.definitions:
            if Value(u.name) not in [product.operand for product in d.products]:
                continue

            def after(
                node: Expression, u: Definition = u, gate: str = gate, state: Value = state
            ) -> Expression:
                match node:
                    case MatVec(weight, slot, transposed, Value(u.name, 0)):
                        return mul(Value(gate), MatVec(weight, slot, transposed, state))
                return node

            yield (
                f"{gate}[t] multiplies after the product with {text(state)}, not before",
                (d.equation,),
                changed(form, {d.name: transform(d.value, after)}),
            )


def _reset_before(form: NormalForm) -> Iterator[Draft]:
    """r * (W h + c) as W (r * h) + c, with r on the bias or without; or with the bias outside."""
    for d in form.definitions:
        for term in [node for node in walk(d.value) if isinstance(node, Mul)]:
            match term:
                case Mul((Value(gate, 0), Value(name, 0)) | (Value(name, 0), Value(gate, 0))):
                    pass
                case _:
                    continue
            for r, p in ((gate, name), (name, gate)):
                inner = form.by_name.get(p)
                if inner is None or not inner.products or inner.equation != d.equation:
                    continue
                yield from _moved_reset(form, d, term, r, inner)


def _moved_reset(
    form: NormalForm, d: Definition, term: Mul, gate: str, inner: Definition
) -> Iterator[Draft]:
    added: list[Definition] = []
    before: list[Expression] = []
    after: list[Expression] = []
    outside: list[Expression] = []
    parts = inner.value.terms if isinstance(inner.value, Add) else (inner.value,)
    for part in parts:
        if isinstance(part, MatVec):
            name = f"reset_{len(added)}_{part.operand.name}"
            added.append(Definition(d.equation, name, mul(Value(gate), part.operand)))
            before.append(MatVec(part.weight, part.slot, part.transposed, Value(name)))
            outside.append(mul(Value(gate), part))
        else:
            after.append(part)
    operand = text(inner.products[0].operand)

    def put(new: Expression) -> dict[str, Expression]:
        return {d.name: transform(d.value, lambda node: new if node == term else node)}

    what = f"{gate}[t] multiplies {operand} before the product, not after"
    yield what, (d.equation,), changed(form, put(add(*before, *after)), added)
    if after:
        scaled = [mul(Value(gate), part) for part in after]
        yield (
            f"{what}, and the bias as well",
            (d.equation,),
            changed(form, put(add(*before, *scaled)), added),
        )
        shown = " + ".join(map(text, after))
        yield (
            f"{gate}[t] does not multiply {shown}",
            (d.equation,),
            changed(form, put(add(*outside, *after))),
        )


def _other_step(form: NormalForm) -> Iterator[Draft]:
    """A state of the last step in place of this one's, or the other way round."""
    names = {d.equation: d.name for d in form.definitions}
    for state in form.states:
        for shift in (0, -1):
            old, new = Value(state, shift), Value(state, -1 - shift)
            users = [d for d in form.definitions if old in used(d) and d.name != state]
            kind = "old" if shift == 0 else "new"
            what = f"the {kind} {indexed(new)} is used where {indexed(old)} should be"
            for d in users:
                made = changed(form, {d.name: substituted(d.value, old, new)})
                yield f"in {names[d.equation]}[t], {what}", (d.equation,), made
            if len(users) > 1:
                every = {d.name: substituted(d.value, old, new) for d in users}
                yield what, [d.equation for d in users], changed(form, every)


def _biases(form: NormalForm) -> Iterator[Draft]:
    """A bias missing or doubled: each, then all of them."""
    found: dict[str, list[str]] = {}
    for d in form.definitions:
        for part in terms(d.value):
            if isinstance(part, Parameter) and (uses_product(d.value) or d.name not in form.states):
                found.setdefault(part.name, []).append(d.equation)
    if len(found) > 1:
        whose = [equation for equations in found.values() for equation in equations]
        yield "all biases are missing", whose, _bias(form, [*found], 0)
        yield "all biases are added twice", whose, _bias(form, [*found], 2)
    for name, equations in found.items():
        yield f"the bias {name} is missing", equations, _bias(form, [name], 0)
        yield f"the bias {name} is added twice", equations, _bias(form, [name], 2)


def _bias(form: NormalForm, names: Sequence[str], times: int) -> NormalForm | None:
    def change(node: Expression) -> Expression:
        if not isinstance(node, Add):
            return node
        parts: list[Expression] = []
        for part in node.terms:
            inner = part.argument if isinstance(part, Neg) else part
            is_bias = isinstance(inner, Parameter) and inner.name in names
            parts += [part] * (times if is_bias else 1)
        return add(*parts)

    return changed(form, {d.name: transform(d.value, change) for d in form.definitions})


def _activations(form: NormalForm) -> Iterator[Draft]:
    """Another function, or none: in one place, and in all."""
    for function in ("sigma", "tanh", "relu"):
        calls = _calls(form, (function,))
        for what, other in _others(function):
            if len(calls) > 1:
                whose = [equation for _, _, equation in calls]
                made = _with_other(form, [call for call, _, _ in calls], other)
                yield f"in place of every {function} there is {what}", whose, made
            for call, name, equation in calls:
                shown = f"of {name}[t]" if name else text(call)
                yield (
                    f"in place of the {function} {shown} there is {what}",
                    (equation,),
                    _with_other(form, [call], other),
                )


def _with_other(
    form: NormalForm, calls: Sequence[Call], other: Callable[[Expression], Expression]
) -> NormalForm | None:
    def change(node: Expression) -> Expression:
        return other(node.arguments[0]) if isinstance(node, Call) and node in calls else node

    return everywhere(form, change)


def _others(function: str) -> Iterator[tuple[str, Callable[[Expression], Expression]]]:
    yield "nothing", lambda a: a
    for other in ("sigma", "tanh", "relu"):
        if other != function:
            yield other, partial(_called, other)
    if function == "sigma":
        for name, slope in (("0.2 a + 0.5", Fraction(1, 5)), ("a/6 + 1/2", Fraction(1, 6))):
            yield f"the hard sigmoid {name}", partial(_hard_sigmoid, slope)


def _called(function: str, a: Expression) -> Expression:
    return Call(function, (a,))


def _hard_sigmoid(slope: Fraction, a: Expression) -> Expression:
    line = add(mul(Number(slope), a), Number(Fraction(1, 2)))
    return Call("min", (Call("max", (line, ZERO)), ONE))


def _moved_sigmoid(by: Number, a: Expression) -> Expression:
    return Call("sigma", (add(a, by),))


def _shifted_gates(form: NormalForm) -> Iterator[Draft]:
    """A forget bias of 1, added on top."""
    for call, name, equation in _gates(form):
        argument = call.arguments[0]
        shown = f"the pre-activation of {name}[t]" if name else text(argument)
        for sign, shift in (("added to", ONE), ("subtracted from", Number(Fraction(-1)))):
            made = _with_other(form, [call], partial(_moved_sigmoid, shift))
            yield f"1 is {sign} {shown}", (equation,), made


_KINDS = (
    _complemented,
    _swapped,
    gate_orders,
    _reset_after,
    _reset_before,
    _other_step,
    _biases,
    transposed,
    concatenations,
    _activations,
    _shifted_gates,
)


def _gates(form: NormalForm) -> list[tuple[Call, str, str]]:
    """Each sigmoid, the value that it is or "", its equation."""
    return _calls(form, ("sigma",))


def _calls(form: NormalForm, functions: Sequence[str]) -> list[tuple[Call, str, str]]:
    """Every different call of these functions, the value that it is if it is one, its equation."""
    found: dict[Call, tuple[str, str]] = {}
    for d in form.definitions:
        for node in walk(d.value):
            if isinstance(node, Call) and node.function in functions:
                found.setdefault(node, (d.name if node == d.value else "", d.equation))
    return [(call, name, equation) for call, (name, equation) in found.items()]
