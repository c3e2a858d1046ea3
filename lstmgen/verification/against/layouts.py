"""Mistakes in how weights are laid out: stacks of gates, concatenations, transposes.

A stack is what several pre-activations with matrices of the same shapes would be kept in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lstmgen.algebra.expression import Expression, MatVec, Mul, Parameter, walk
from lstmgen.form.normal_form import Definition, NormalForm, Weight
from lstmgen.verification.against.variants import Draft, everywhere, indexed, renamed, terms

__all__ = ["concatenations", "gate_orders", "transposed"]

_Role = tuple[str, tuple[str, ...], int]
_MANY = 5
"""Of more gates not all orders are tried, but those that exchange two or turn them round."""


def gate_orders(form: NormalForm) -> Iterator[Draft]:
    """The gates stacked in another order."""
    names = {d.equation: d.name for d in form.definitions}
    for own, order, taken in _stacked(form):
        if len(set(own)) == len(own):
            shown = [", ".join(names[equation] for equation in row) for row in (own, order)]
        else:
            shown = [", ".join(row) for row in (taken, taken.values())]
        what = f"the stacked parameters of {shown[0]} are taken in the order {shown[1]}"
        yield what, own, renamed(form, taken)


def transposed(form: NormalForm) -> Iterator[Draft]:
    """The transpose of square blocks: of all that are recurrent, of those of one state, of one."""
    square: dict[tuple[str, int], str] = {}
    recurrent: dict[str, list[tuple[str, int]]] = {}
    for d in form.definitions:
        for product in d.products:
            weight, key = form.weights[product.weight], (product.weight, product.slot)
            if weight.rows == weight.columns[product.slot]:
                square.setdefault(key, d.equation)
                if product.operand.name not in form.inputs:
                    keys = recurrent.setdefault(product.operand.name, [])
                    keys += [key] * (key not in keys)

    def turned(keys: Sequence[tuple[str, int]]) -> NormalForm | None:
        def change(node: Expression) -> Expression:
            match node:
                case MatVec(weight, slot, transposed, operand) if (weight, slot) in keys:
                    return MatVec(weight, slot, not transposed, operand)
            return node

        return everywhere(form, change)

    every = [key for keys in recurrent.values() for key in keys]
    if len(every) > 1:
        what = "the recurrent weights are transposed"
        yield what, [square[key] for key in every], turned(every)
    for name, keys in recurrent.items():
        if 1 < len(keys) < len(every):
            what = f"all that multiplies {name} is transposed"
            yield what, [square[key] for key in keys], turned(keys)
    for key, equation in square.items():
        yield f"{_block(form, *key)} is transposed", (equation,), turned([key])


def concatenations(form: NormalForm) -> Iterator[Draft]:
    """The vectors of a concatenation in another order: each matrix, then all."""
    wide = [w for w, weight in form.weights.items() if len(weight.columns) > 1]
    where = {p.weight: d.equation for d in form.definitions for p in d.products}
    for names in [wide, *([w] for w in wide)] if len(wide) > 1 else [wide] * bool(wide):
        longest = max(len(form.weights[w].columns) for w in names)
        for order in itertools.permutations(range(longest)):
            if order == tuple(range(longest)) or longest > 3:
                continue
            if len({len(form.weights[w].columns) for w in names}) > 1:
                made, shown = _reversed(form, names, None), "in the opposite order"
                if order != tuple(reversed(range(longest))):
                    continue
            else:
                made = _reversed(form, names, order)
                operands = form.blocks[names[0]]
                shown = f"as [{', '.join(indexed(operands[k]) for k in order)}]"
            whose = ", ".join(names)
            verb = "multiplies" if len(names) == 1 else "multiply"
            yield f"{whose} {verb} the concatenation {shown}", [where[w] for w in names], made


def _reversed(
    form: NormalForm, names: Sequence[str], order: tuple[int, ...] | None
) -> NormalForm | None:
    """The columns of matrices in another order of their blocks, the opposite one for None."""
    orders = {w: order or tuple(reversed(range(len(form.weights[w].columns)))) for w in names}

    def change(node: Expression) -> Expression:
        match node:
            case MatVec(weight, slot, transposed, operand) if weight in orders:
                return MatVec(weight, orders[weight].index(slot), transposed, operand)
        return node

    weights = {
        w: Weight(v.rows, tuple(v.columns[k] for k in orders[w])) if w in orders else v
        for w, v in form.weights.items()
    }
    return everywhere(replace(form, weights=weights), change)


def _block(form: NormalForm, weight: str, slot: int) -> str:
    if len(form.weights[weight].columns) == 1:
        return weight
    return f"the block of {weight} for {indexed(form.blocks[weight][slot])}"


_Order = tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]


def _stacked(form: NormalForm) -> Iterator[_Order]:
    """Every other order of the pre-activations that could be one stack.

    For each: the equations in the order of the cell, and in that of the stack, and which parameter
    is taken in which one's place.
    """
    groups: dict[tuple[_Role, ...], list[tuple[Definition, dict[_Role, str]]]] = {}
    for definition in form.definitions:
        roles = _roles(definition, form)
        matrices = tuple(role for role in roles if role[0] == "matrix")
        if matrices:
            groups.setdefault(matrices, []).append((definition, roles))
    for members in groups.values():
        if len(members) < 2:
            continue
        shared = set.intersection(*(set(roles) for _, roles in members))
        whose = tuple(definition.equation for definition, _ in members)
        for order in _orders(len(members)):
            taken = {
                own[role]: members[k][1][role]
                for (_, own), k in zip(members, order, strict=True)
                for role in sorted(shared)
            }
            yield whose, tuple(whose[k] for k in order), taken


def _roles(definition: Definition, form: NormalForm) -> dict[_Role, str]:
    """What each parameter of a pre-activation is there: a matrix, a bias, a factor, of a shape."""
    found: dict[_Role, str] = {}

    def note(kind: str, name: str) -> None:
        shape = form.shape(name)
        if name in found.values():
            return
        number = sum(role[:2] == (kind, shape) for role in found)
        found[(kind, shape, number)] = name

    for product in definition.products:
        note("matrix", product.weight)
    for term in terms(definition.value):
        if isinstance(term, Parameter):
            note("bias", term.name)
        elif isinstance(term, Mul):
            for node in walk(term):
                if isinstance(node, Parameter):
                    note("factor", node.name)
    return found


def _orders(count: int) -> Iterator[tuple[int, ...]]:
    own = tuple(range(count))
    if count <= _MANY:
        yield from (order for order in itertools.permutations(own) if order != own)
        return
    for a, b in itertools.combinations(own, 2):
        yield tuple({a: b, b: a}.get(k, k) for k in own)
    for turn in range(1, count):
        yield own[turn:] + own[:turn]
