"""Lists and stacks of vectors: v_t = [h, x] as a name, and [i; f; o] = ... row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import NoReturn, TypeGuard

from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.definition import Definition
from lstmgen.language.papers.equations.times import wrong_time
from lstmgen.language.papers.questions import Inference
from lstmgen.language.papers.source import Source


def without_lists(source: Source, vectors: Sequence[Definition], letter: str) -> list[Definition]:
    """Put in the concatenations that a text gives a name, v_t = [h_{t-1}, x_t]."""
    lists: dict[str, f.Brackets] = {}
    rest: list[Definition] = []
    for definition in vectors:
        items = f.as_list(definition.value)
        if items is not None and len(items) > 1 and not definition.repeated:
            node = definition.value
            lists[definition.name] = f.Brackets("[", items, node.position, node.end)
        else:
            rest.append(definition)
    if not lists:
        return rest
    open_ones: list[str] = []

    def change(node: f.Formula) -> f.Formula:
        if isinstance(node, f.Brackets) and len(node.items) > 1:
            return replace(node, items=tuple(f.flat(node.items)))
        if not isinstance(node, f.Ref) or node.name not in lists or node.time is None:
            return node
        if node.name in open_ones:
            raise source.error(node.position, f"{node.name} is a concatenation that holds itself")
        open_ones.append(node.name)
        found = lists[node.name]
        items = tuple(f.flat(f.mapped(item, change) for item in found.items))
        open_ones.pop()
        if node.time == -1:
            for ref in (r for item in items for r in f.refs(item)):
                if ref.time not in (None, 0):
                    raise source.error(node.position, wrong_time(letter, -2))
            items = tuple(f.mapped(item, _one_back) for item in items)
        return replace(found, items=items, position=node.position)

    return [replace(d, value=f.mapped(d.value, change)) for d in rest]


@dataclass(frozen=True, slots=True)
class Unstacked:
    """Definitions without stacks; `blocks` has for each block of a matrix the matrix's name."""

    vectors: tuple[Definition, ...]
    blocks: Mapping[str, str]
    inferences: tuple[Inference, ...]


def unstacked(source: Source, vectors: Sequence[Definition], used: Set[str]) -> Unstacked:
    """Row k of a stacked equation: its function, and blocks of its matrices by name."""
    taken = {d.name for d in vectors} | used
    result = []
    blocks: dict[str, str] = {}
    told: dict[str, Inference] = {}
    for definition in vectors:
        node = definition.value
        if isinstance(node, f.StackRow):
            row = _Row(source, node, definition.name, taken)
            value = row.of(node.body)
            for name, block in row.blocks.items():
                blocks[block] = name
                told.setdefault(
                    name,
                    Inference(
                        definition.position,
                        name,
                        "kept as blocks, one for each row of the stack",
                        "each row is a vector of its own",
                        (),
                    ),
                )
            definition = replace(definition, value=value)
        result.append(definition)
    for definition in result:
        for ref in f.refs(definition.value):
            if ref.time is None and ref.name in told:
                raise source.error(
                    ref.position,
                    f"{ref.name} is a stack of blocks in line "
                    f"{source.line(told[ref.name].position)}, and one matrix here; name the two "
                    "differently, or write an equation for each row of the stack",
                )
    return Unstacked(tuple(result), blocks, tuple(told.values()))


class _Row:
    """One row of a stacked equation, where matrices and biases are kept as blocks."""

    def __init__(self, source: Source, row: f.StackRow, name: str, taken: set[str]) -> None:
        self._source = source
        self._row = row.index
        self._count = row.count
        self._name = name
        self._taken = taken
        self.blocks: dict[str, str] = {}

    def of(self, node: f.Formula) -> f.Formula:
        """The row of a formula for the whole stack."""
        match node:
            case f.Brackets(_, items) if len(items) == 1:
                return replace(node, items=(self.of(items[0]),))
            case f.Grid() | f.Brackets():
                column = f.as_list(node)
                if column is None or len(column) != self._count:
                    self._refuse(node)
                return column[self._row]
            case f.Sum(terms):
                return replace(node, terms=tuple((s, self.of(term)) for s, term in terms))
            case f.Product(factors):
                return self._product(node, factors)
            case f.Apply(_, (argument,)):
                return replace(node, arguments=(self.of(argument),))
            case f.Ref(_, None):
                return self._block(node)
            case f.Num():
                return node
        self._refuse(node)

    def _product(self, node: f.Product, factors: Sequence[tuple[str, f.Formula]]) -> f.Formula:
        """A column of functions before the formula, or a matrix before its vector."""
        (_, first), *rest = factors
        functions = f.as_list(first)
        if functions is not None and all(isinstance(x, f.FunctionRef) for x in functions):
            if len(functions) != self._count or not rest:
                self._refuse(first)
            function = functions[self._row]
            assert isinstance(function, f.FunctionRef)
            inner = f.Product((("", rest[0][1]), *rest[1:]), rest[0][1].position, node.end)
            argument = self.of(f.unbracketed(inner.factors[0][1]) if len(rest) == 1 else inner)
            return f.Apply(function.function, (argument,), False, node.position, node.end)
        if isinstance(first, f.Ref) and first.time is None:
            return replace(node, factors=(("", self._block(first)), *rest))
        if f.has_time(first) and len(rest) == 1 and rest[0][0] in ("", "cdot", "@"):
            last = rest[0][1]
            if isinstance(last, f.Ref) and last.time is None:  # x_t W
                return replace(node, factors=(factors[0], (rest[0][0], self._block(last))))
        if isinstance(first, f.Brackets) and len(first.items) == 1 and not rest:
            return self.of(first)
        self._refuse(node)

    def _block(self, node: f.Ref) -> f.Ref:
        name = f"{node.name.rstrip('_')}_{self._name}"
        if name in self._taken:
            raise self._source.error(
                node.position,
                f"the block of {node.name} for {self._name} would be called {name}, which is "
                "taken; rename one of them",
            )
        self.blocks[node.name] = name
        return replace(node, name=name)

    def _refuse(self, node: f.Formula) -> NoReturn:
        raise self._source.error(
            node.position,
            "which rows of this belong to which vector on the left is not clear; write an "
            "equation for each of them",
        )


def without_rows(source: Source, node: f.Formula) -> f.Formula:
    r"""The value of h_t in `h_t^\top = x_t^\top W + b^\top`: its vectors are rows anyway."""

    def change(part: f.Formula) -> f.Formula:
        if isinstance(part, f.Product):
            for (_, a), (operator, b) in zip(part.factors, part.factors[1:], strict=False):
                if _is_row(a) and operator in ("", "cdot", "@") and f.has_time(b):
                    raise source.error(
                        a.position,
                        "a transposed vector before a vector is one number (an inner product), "
                        "which is not read; for an element-wise product write \\odot",
                    )
        return f.rebuilt(part, tuple(x.inner if _is_row(x) else x for x in f.parts(part)))

    changed = f.mapped(node, change)
    return changed.inner if _is_row(changed) else changed


def _is_row(node: f.Formula) -> TypeGuard[f.Transposed]:
    """A transposed vector: one with a time, or a small letter."""
    if not isinstance(node, f.Transposed):
        return False
    inner = f.unbracketed(node.inner)
    return f.has_time(inner) or (isinstance(inner, f.Ref) and inner.name[:1].islower())


def _one_back(node: f.Formula) -> f.Formula:
    if isinstance(node, f.Ref) and node.time is not None:
        return replace(node, time=node.time - 1)
    return node
