"""Normal form: the paper's equations, cut so that each matrix product stands in one place.

A `NormalForm` is a list of definitions in the order of the equations.  In each, matrix products
appear only as whole terms of a sum (possibly with a minus), every product of one weight block with
one vector appears once, and a product multiplies a named vector.  Three kinds of definition are
added to the paper's for this, and labelled with a letter after the equation's number:

* a pre-activation: f_t = sigma(W_f·[h_{t-1}, x_t] + b_f) gives (1a) a^f_t = W_f·[...] + b_f and
  (1) f_t = sigma(a^f_t);
* an operand: W·[r_t * h_{t-1}, x_t] gives u_t = r_t * h_{t-1};
* a product that two equations share.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from lstmgen.algebra.expression import (
    Add,
    Expression,
    MatVec,
    Neg,
    Value,
    children,
    matvecs,
    rebuild,
    transform,
    values,
    walk,
)
from lstmgen.algebra.text import text
from lstmgen.notebook import plain_text


@dataclass(frozen=True, slots=True)
class Definition:
    """`name` at time t is `value`; `label` is the equation it comes from."""

    label: str
    name: str
    value: Expression

    @property
    def products(self) -> tuple[MatVec, ...]:
        """The matrix products among the terms of the value."""
        return matvecs(self.value)

    @property
    def equation(self) -> str:
        """The number of the paper's equation: 1 for the label 1a."""
        return self.label.rstrip(string.ascii_lowercase)

    def __str__(self) -> str:
        return f"({self.label}) {text(Value(self.name))} = {text(self.value)}"


@dataclass(frozen=True, slots=True)
class Weight:
    """A matrix: the size of its result and of each vector of the concatenation it multiplies."""

    rows: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class NormalForm:
    """A cell as definitions in order of evaluation, with the role and size of every symbol.

    Sizes are symbols: H for the hidden size, D for the input's, or as declared.
    """

    name: str
    definitions: tuple[Definition, ...]
    states: tuple[str, ...]
    inputs: tuple[str, ...]
    output: str
    weights: dict[str, Weight] = field(hash=False)
    vectors: dict[str, str] = field(hash=False)  # per-unit parameter -> size
    scalars: tuple[str, ...]
    parameters: tuple[str, ...]  # all of them, in order of appearance
    sizes: dict[str, str] = field(hash=False)  # value -> size
    scalar_inputs: tuple[str, ...] = ()  # of the inputs, those whose units are all equal

    @cached_property
    def by_name(self) -> dict[str, Definition]:
        """The definition of each value."""
        return {d.name: d for d in self.definitions}

    @cached_property
    def blocks(self) -> dict[str, tuple[Value, ...]]:
        """For each weight, the vectors of its concatenation where it is first used."""
        found: dict[str, dict[int, Value]] = {}
        for definition in self.definitions:
            for product in definition.products:
                found.setdefault(product.weight, {}).setdefault(product.slot, product.operand)
        return {w: tuple(slots[k] for k in sorted(slots)) for w, slots in found.items()}

    def shape(self, parameter: str) -> tuple[str, ...]:
        """The symbolic shape of a parameter, for example ("H", "H+D")."""
        if parameter in self.weights:
            weight = self.weights[parameter]
            return (weight.rows, "+".join(weight.columns))
        return (self.vectors[parameter],) if parameter in self.vectors else ()

    @property
    def input_sizes(self) -> tuple[str, ...]:
        """The sizes that belong to inputs alone, in order of the inputs."""
        bound = {self.sizes[d.name] for d in self.definitions}
        return tuple(
            dict.fromkeys(self.sizes[x] for x in self.inputs if self.sizes[x] not in bound)
        )

    @property
    def unread(self) -> tuple[Definition, ...]:
        """The definitions on which no state and no output depends: they do nothing."""
        read: set[str] = set()
        for definition in reversed(self.definitions):
            if definition.name in (*self.states, self.output, *read):
                read |= {value.name for value in values(definition.value)}
                read |= {product.operand.name for product in definition.products}
        kept = {*read, *self.states, self.output}
        return tuple(d for d in self.definitions if d.name not in kept)

    @property
    def input_extents(self) -> dict[str, str]:
        """What each input has for a step and a row, as modules take it: a size, or "1"."""
        return {x: "1" if x in self.scalar_inputs else self.sizes[x] for x in self.inputs}

    def telling(self, size: str) -> tuple[str, ...]:
        """The parameters, inputs and states with this size on an axis, which tell its number."""
        return (
            *(p for p in self.parameters if any(size in e.split("+") for e in self.shape(p))),
            *(x for x, extent in self.input_extents.items() if extent == size),
            *(s for s in self.states if self.sizes[s] == size),
        )

    @property
    def extra_sizes(self) -> tuple[str, ...]:
        """The declared sizes besides H and the inputs', sorted."""
        return tuple(sorted(set(self.sizes.values()) - {"H", *self.input_sizes}))

    _repr_pretty_ = plain_text

    def __str__(self) -> str:
        return "\n".join(map(str, self.definitions))


class HasNormalForm(Protocol):
    """A cell, and whatever else has a normal form."""

    @property
    def normal_form(self) -> NormalForm: ...


def uses_product(expression: Expression) -> bool:
    """Whether a matrix product appears anywhere in the expression."""
    return any(isinstance(node, MatVec) for node in walk(expression))


class Names:
    """Names for the definitions that are added, different from all of the cell's."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)

    def new(self, prefix: str, equation: str) -> str:
        name, count = f"{prefix}_{equation}", 1
        while name in self._taken:
            count += 1
            name = f"{prefix}{count}_{equation}"
        self._taken.add(name)
        return name


def normalize(equations: list[Definition], names: Names) -> tuple[Definition, ...]:
    """Cut equations whose operands are named already into normal form."""
    found: list[Definition] = []
    for equation in equations:
        cut = _Cut(equation, names)
        value = cut.expose(equation.value)
        found += [*cut.added, Definition(equation.label, equation.name, value)]
    return _relabelled(_share_products(found, names))


class _Cut:
    """Moves the sums of products inside one equation into definitions of their own."""

    def __init__(self, equation: Definition, names: Names) -> None:
        self._equation = equation
        self._names = names
        self.added: list[Definition] = []

    def expose(self, expression: Expression) -> Expression:
        """At the top of a definition products may stay as terms of the sum."""
        match expression:
            case MatVec() | Neg(MatVec()):
                return expression
            case Add(terms):
                return Add(tuple(self.expose(term) for term in terms))
        return self.hide(expression)

    def hide(self, expression: Expression) -> Expression:
        """Below the top a product, or a sum with products, becomes a pre-activation."""
        if not uses_product(expression):
            return expression
        direct = isinstance(expression, MatVec) or (
            isinstance(expression, Add)
            and any(isinstance(x, MatVec) or _is_negated_product(x) for x in expression.terms)
        )
        if direct:
            value = self.expose(expression)
            name = self._names.new("a", self._equation.name)
            self.added.append(Definition(self._equation.label, name, value))
            return Value(name)
        return rebuild(expression, tuple(self.hide(part) for part in children(expression)))


def _is_negated_product(expression: Expression) -> bool:
    return isinstance(expression, Neg) and isinstance(expression.argument, MatVec)


def _share_products(found: list[Definition], names: Names) -> list[Definition]:
    """Give a product that occurs more than once a definition before its first use."""
    count: dict[MatVec, int] = {}
    for definition in found:
        for node in walk(definition.value):
            if isinstance(node, MatVec):
                count[node] = count.get(node, 0) + 1
    shared = {product for product, uses in count.items() if uses > 1}
    named: dict[MatVec, Value] = {}
    result: list[Definition] = []

    def replace(node: Expression) -> Expression:
        return named.get(node, node) if isinstance(node, MatVec) else node

    for definition in found:
        for product in definition.products:
            if product in shared and product not in named and definition.value != product:
                name = names.new("p", definition.name)
                named[product] = Value(name)
                result.append(Definition(definition.label, name, product))
        result.append(
            Definition(definition.label, definition.name, transform(definition.value, replace))
        )
        if definition.value in shared and isinstance(definition.value, MatVec):
            named.setdefault(definition.value, Value(definition.name))
    return result


def _relabelled(definitions: list[Definition]) -> tuple[Definition, ...]:
    """Letters for the definitions that were added: (1a), (1b), then the equation itself, (1)."""
    last = {d.label: d.name for d in definitions}
    letters: dict[str, int] = {}
    result = []
    for d in definitions:
        label = d.label
        if d.name != last[d.label]:
            letters[label] = letters.get(label, 0) + 1
            label += _letters(letters[label])
        result.append(Definition(label, d.name, d.value))
    return tuple(result)


def _letters(count: int) -> str:
    """1 is a, 26 is z, 27 is aa."""
    text = ""
    while count:
        count, digit = divmod(count - 1, 26)
        text = chr(ord("a") + digit) + text
    return text
