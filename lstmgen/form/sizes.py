"""Sizes of all vectors and matrices, inferred from the equations by unification.

What is combined element-wise has one size; a matrix links the size of its result and of each
vector it multiplies.  A state has the hidden size H unless it is declared otherwise, so has any
other defined vector whose size nothing fixes; an input has a size of its own, D, unless it is
combined element-wise with something else.

An input that is one number for each row and step stands for a vector whose units are all equal: it
has the size of what it is combined with, and modules take it with an extent of 1.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping

from lstmgen.algebra.expression import MatVec, parameters, values
from lstmgen.errors import EquationError
from lstmgen.form.normal_form import Definition, NormalForm, Weight

_Key = tuple[str, ...]
# What modules call other things: numbers of steps and rows, their own constants and classes.
RESERVED_SIZES = frozenset({"T", "B", "CELL", "STATES", "INPUTS", "OUTPUT", "PARAMETERS", "Tape"})


def infer(
    *,
    name: str,
    definitions: tuple[Definition, ...],
    states: tuple[str, ...],
    inputs: tuple[str, ...],
    output: str,
    parameters: tuple[str, ...],
    scalars: frozenset[str],
    scalar_inputs: frozenset[str],
    slots: Mapping[str, int],
    declared: Mapping[str, str],
) -> NormalForm:
    """The normal form with a size for everything; raises `EquationError` if sizes do not fit."""
    solver = _Sizes(definitions, states, inputs, scalars, scalar_inputs, declared)
    weights = solver.weights(slots)
    for weight in weights:
        if weight in solver.vectors:
            raise EquationError(
                f"{solver.vectors[weight]}: {weight} is used element-wise, but it is a matrix "
                f"elsewhere ({weight} @ ...); give one of the two another name"
            )
    return NormalForm(
        name=name,
        definitions=definitions,
        states=states,
        inputs=inputs,
        output=output,
        weights=weights,
        vectors={p: solver.size(("vector", p)) for p in parameters if p in solver.vectors},
        scalars=tuple(p for p in parameters if p in scalars),
        parameters=parameters,
        sizes={
            **{x: solver.size(("value", x)) for x in inputs},
            **{d.name: solver.size(("value", d.name)) for d in definitions},
        },
        scalar_inputs=tuple(x for x in inputs if x in scalar_inputs),
    )


class _Sizes:
    """Union-find over the sizes of values, per-unit parameters, and the sides of matrices."""

    def __init__(
        self,
        definitions: tuple[Definition, ...],
        states: tuple[str, ...],
        inputs: tuple[str, ...],
        scalars: frozenset[str],
        scalar_inputs: frozenset[str],
        declared: Mapping[str, str],
    ) -> None:
        self._parent: dict[_Key, _Key] = {}
        self._name: dict[_Key, str] = {}
        self.vectors: dict[str, str] = {}  # per-unit parameter -> where first used
        self._scalars = scalars
        self._scalar_inputs = scalar_inputs
        for vector, size in declared.items():
            if vector in scalar_inputs:
                raise EquationError(
                    f"{vector} is declared as a scalar, which has no size {size}; declare it with "
                    "symbols(), or leave its size out"
                )
            if hasattr(builtins, size):
                raise EquationError(
                    f"the size of {vector} cannot be called {size}: that is a name of Python's, "
                    "which modules use; call it P"
                )
            if size in RESERVED_SIZES:
                raise EquationError(
                    f"the size of {vector} cannot be called {size}: T is the number of steps, B "
                    "the batch size, and modules use CELL, STATES, INPUTS, OUTPUT, PARAMETERS and "
                    "Tape themselves; call it P"
                )
            if not size[0].isupper():
                raise EquationError(
                    f"the size of {vector} cannot be called {size}: modules use small letters for "
                    f"variables of their own; call it {size[0].upper()}{size[1:]}"
                )
            self._name[("value", vector)] = size
        for state in states:
            self._name.setdefault(("value", state), "H")
        for definition in definitions:
            self._constrain(definition)
        for definition in definitions:
            self._name.setdefault(self._find(("value", definition.name)), "H")
        free = [x for x in inputs if self._find(("value", x)) not in self._name]
        roots = list(dict.fromkeys(self._find(("value", x)) for x in free))
        for x in free:
            root = self._find(("value", x))
            self._name.setdefault(root, "D" if len(roots) == 1 else f"D_{x}")

    def size(self, key: _Key) -> str:
        return self._name.get(self._find(key), "H")

    def weights(self, slots: Mapping[str, int]) -> dict[str, Weight]:
        return {
            w: Weight(
                self.size(("rows", w)),
                tuple(self.size(("column", w, str(k))) for k in range(count)),
            )
            for w, count in slots.items()
        }

    def _find(self, key: _Key) -> _Key:
        while (parent := self._parent.get(key, key)) != key:
            key = parent
        return key

    def _unify(self, first: _Key, second: _Key, where: str) -> None:
        a, b = self._find(first), self._find(second)
        if a == b:
            return
        if a in self._name and b in self._name and self._name[a] != self._name[b]:
            scalar = next((k[1] for k in (first, second) if k[1] in self._scalar_inputs), None)
            if scalar is not None:
                raise EquationError(
                    f"{where}: {scalar} is combined with vectors of size {self._name[a]} and with "
                    f"vectors of size {self._name[b]}; use two inputs, one for each size"
                )
            raise EquationError(
                f"{where}: sizes do not fit, {_describe(first)} has size {self._name[a]} and "
                f"{_describe(second)} has size {self._name[b]}; multiply by a matrix of the right "
                "shape, or declare another size: Cell(..., sizes={'r': 'P'})"
            )
        if b in self._name:
            a, b = b, a
        self._parent[b] = a

    def _constrain(self, definition: Definition) -> None:
        where = _where(definition)
        result: _Key = ("value", definition.name)
        for value in values(definition.value):
            self._unify(result, ("value", value.name), where)
        for parameter in parameters(definition.value):
            if parameter not in self._scalars:
                self.vectors.setdefault(parameter, where)
                self._unify(result, ("vector", parameter), where)
        for product in definition.products:
            self._product(result, product, where)

    def _product(self, result: _Key, product: MatVec, where: str) -> None:
        rows: _Key = ("rows", product.weight)
        column: _Key = ("column", product.weight, str(product.slot))
        if product.transposed:
            rows, column = column, rows
        self._unify(result, rows, where)
        self._unify(column, ("value", product.operand.name), where)


def _describe(key: _Key) -> str:
    match key:
        case ("rows", weight):
            return f"the result of {weight}"
        case ("column", weight, slot):
            return f"the vector in place {int(slot) + 1} that {weight} multiplies"
    return key[1]


def _where(definition: Definition) -> str:
    return f"equation ({definition.equation}) for {definition.name}"
