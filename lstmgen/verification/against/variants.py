"""A cell with one thing done otherwise: how variants are made from its equations.

A variant is a normal form again, with the same parameters, so that it is evaluated and derived as
any cell is.  Everything here works on the equations' structure; no cell is known by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lstmgen.algebra.expression import (
    Add,
    Expression,
    MatVec,
    Neg,
    Parameter,
    Value,
    transform,
    values,
    walk,
)
from lstmgen.form.normal_form import Definition, Names, NormalForm, normalize


@dataclass(frozen=True)
class Variant:
    """What is done otherwise, in which equations, and the cell that comes of it.

    Attributes:
        what: a sentence without its full stop.
        equations: the numbers of the equations concerned.
        form: the cell.
        delayed: whether the output is that of the step before.
        detached: for values that count as constants in the derivation, by the name that stands for
            them in `form`, the value that they are.
    """

    what: str
    equations: tuple[str, ...]
    form: NormalForm
    delayed: bool = False
    detached: tuple[tuple[str, str], ...] = ()


Draft = tuple[str, Sequence[str], NormalForm | None]
"""What is done otherwise, in which equations, and the cell; None if it cannot be evaluated."""


def changed(
    form: NormalForm, new: Mapping[str, Expression], added: Iterable[Definition] = ()
) -> NormalForm | None:
    """The form with other right sides for some values, and with further definitions.

    The definitions are put in an order in which each stands after what it uses at t, and cut into
    normal form again; None where there is no such order.
    """
    own = [Definition(d.equation, d.name, new.get(d.name, d.value)) for d in form.definitions]
    ordered = _sorted([*(Definition(d.equation, d.name, d.value) for d in added), *own])
    if ordered is None:
        return None
    definitions = normalize(ordered, Names({*form.sizes, *form.parameters, *(d.name for d in own)}))
    sizes = dict(form.sizes)
    for definition in definitions:
        if definition.name not in sizes:
            sizes[definition.name] = _size(definition.value, form, sizes)
    return replace(form, definitions=definitions, sizes=sizes)


def everywhere(form: NormalForm, change: Callable[[Expression], Expression]) -> NormalForm | None:
    """The form with `change` applied to every node of every right side."""
    return changed(form, {d.name: transform(d.value, change) for d in form.definitions})


def renamed(form: NormalForm, names: Mapping[str, str]) -> NormalForm | None:
    """The form with parameters in other places; each takes the place of one of its own shape."""

    def change(node: Expression) -> Expression:
        match node:
            case Parameter(name) if name in names:
                return Parameter(names[name])
            case MatVec(weight, slot, transposed, operand) if weight in names:
                return MatVec(names[weight], slot, transposed, operand)
        return node

    return everywhere(form, change)


def used(definition: Definition) -> tuple[Value, ...]:
    """The values that a definition uses, element-wise or in a product, once each."""
    products = (product.operand for product in definition.products)
    return tuple(dict.fromkeys((*values(definition.value), *products)))


def substituted(expression: Expression, old: Value, new: Value) -> Expression:
    """The expression with one value in another's place, inside products too."""

    def change(node: Expression) -> Expression:
        match node:
            case Value() if node == old:
                return new
            case MatVec(weight, slot, transposed, operand) if operand == old:
                return MatVec(weight, slot, transposed, new)
        return node

    return transform(expression, change)


def _sorted(definitions: list[Definition]) -> list[Definition] | None:
    """In an order of evaluation, as near to the given one as there is, if there is one."""
    waiting, done = list(definitions), set[str]()
    defined = {d.name for d in definitions}
    result: list[Definition] = []
    while waiting:
        for definition in waiting:
            needs = {v.name for v in used(definition) if v.shift == 0} & defined
            if needs <= done:
                break
        else:
            return None
        waiting.remove(definition)
        done.add(definition.name)
        result.append(definition)
    return result


def _size(value: Expression, form: NormalForm, sizes: Mapping[str, str]) -> str:
    """The size of a value whose definition was added."""
    for node in walk(value):
        match node:
            case Value(name) if name in sizes:
                return sizes[name]
            case MatVec(weight, slot, transposed, _):
                shape = form.weights[weight]
                return shape.columns[slot] if transposed else shape.rows
            case Parameter(name) if name in form.vectors:
                return form.vectors[name]
    return "H"


def terms(value: Expression) -> tuple[Expression, ...]:
    """The terms of a sum, without their signs; what is no sum is one term."""
    parts = value.terms if isinstance(value, Add) else (value,)
    return tuple(part.argument if isinstance(part, Neg) else part for part in parts)


def indexed(value: Value) -> str:
    """h[t-1], as cell files write it."""
    return f"{value.name}[t{'-1' if value.shift else ''}]"
