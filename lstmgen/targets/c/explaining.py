"""What a C module plans, as text: memory, and what each pass does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from lstmgen.algebra.expression import Value
from lstmgen.targets.c.planning import plan
from lstmgen.targets.c.program import Array, Code, Keep, Matrix, Pass, Product, Program, Statement
from lstmgen.targets.common.lines import Line

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["sections"]


_TITLES = {
    Keep.INPUT: "inputs, for the rows of a chunk",
    Keep.TAPE: "kept of each step by forward",
    Keep.STATE: "kept of each step by forward, the state before the chunk first",
    Keep.CHUNK: "for the rows of a chunk",
    Keep.STEP: "for one step",
    Keep.CARRY: "handed from step to step by backward",
}


def sections(cell: Stages) -> Mapping[str, Sequence[str]]:
    """Lines by title."""
    program = plan(cell.schedule)
    found: dict[str, Sequence[str]] = {"C memory": tuple(_memory(program))}
    for name, code in (("forward", program.forward), ("backward", program.backward)):
        found[f"C {name}"] = tuple(_code(code))
    found["C gradients of parameters, after each chunk of the backward pass"] = tuple(
        _gradients(program)
    )
    return found


def _memory(program: Program) -> Iterator[str]:
    """Arrays by how long they live; sizes are padded to whole vectors."""
    arrays = (
        *program.inputs,
        *program.tape,
        *program.forward_arrays,
        *program.backward_arrays,
    )
    for keep in Keep:
        own = [a for a in arrays if a.keep is keep]
        if own:
            yield f"{_TITLES[keep]}:"
            yield from (f"  {_array(a)}" for a in own)
    weights = [
        m
        for code in (program.forward, program.backward)
        for s in code.statements
        if isinstance(s, Product)
        for m, _ in s.terms
    ]
    if weights:
        yield "weights packed once a call; forward's are used as they lie where rows are few:"
        yield from (f"  {_matrix(w)}" for w in weights)


def _array(array: Array) -> str:
    if len(array.members) == 1:
        return f"{array.name} ({array.sizes[0]})"
    members = ", ".join(f"{m} ({s})" for m, s in zip(array.members, array.sizes, strict=True))
    return f"{array.name} of {members}"


def _matrix(matrix: Matrix) -> str:
    blocks = [
        f"{'-' * f.negative}{f.weight}[{f.slot}]{'^T' * f.transposed}" for f in matrix.factors
    ]
    return f"{matrix.name} = {'; '.join(blocks)}"


def _code(code: Code) -> Iterator[str]:
    parts = (
        ("for all rows of a chunk, before its steps", code.before),
        ("each step", code.loop),
        ("for all rows of a chunk, after its steps", code.after),
    )
    for title, statements in parts:
        if statements:
            yield f"{title}:"
            for statement in statements:
                yield from (f"  {line}" for line in _statement(statement))


def _statement(statement: Statement) -> Iterator[str]:
    if isinstance(statement, Pass):
        labels = tuple(dict.fromkeys(d.label for d in statement.assignments))
        names = ", ".join(d.name for d in statement.assignments)
        yield f"for each of {statement.size} units: {names}  {Line('', labels).comment}"
        return
    members = statement.out.members[statement.first : statement.first + statement.count]
    terms = " + ".join(f"{m.name} {_value(x)}" for m, x in statement.terms)
    sign = "+=" if statement.add else "="
    text = f"{'; '.join(members)} {sign} {terms}"
    if statement.early:
        text += ", where a step has few rows"
    if statement.ahead:
        more = " + ".join(f"{m.name} {_value(x)}" for m, x in statement.ahead)
        text += f", or where it has many = that + {more}"
    yield f"{text}  {Line('', statement.labels).comment}"


def _value(value: Value) -> str:
    return f"{value.name}_before" if value.shift else value.name


def _gradients(program: Program) -> Iterator[str]:
    for again in program.again:
        yield from _statement(again)
    for outer in program.outers:
        labels = tuple(dict.fromkeys(b.label for b in outer.blocks))
        product = f"({'; '.join(outer.adjoints)}) {_value(outer.operand)}^T"
        yield f"{outer.name} += sum over rows of {product}  {Line('', labels).comment}"
    for totals in program.totals:
        for total in totals.totals:
            yield f"{total.parameter} += {total.value}, summed over rows  ({total.label})"
