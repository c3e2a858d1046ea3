"""The forward program: products with one vector become one, blocks lie between the products."""

from __future__ import annotations

from collections.abc import Mapping

from lstmgen.algebra.expression import MatVec, Value, values
from lstmgen.form.normal_form import Definition, Names, NormalForm
from lstmgen.schedule.blocks import blocks
from lstmgen.schedule.program import Block, Fanout, Program, Row, Stage
from lstmgen.schedule.regions import Regions
from lstmgen.schedule.variables import Role, Variable


def forward_program(
    form: NormalForm, regions: Regions, names: Names, variables: dict[str, Variable]
) -> Program:
    """The stages before, in and after the loop; `variables` gets the products' results."""
    parts = {}
    ready: dict[MatVec, str] = {}  # product -> the name of its result
    hoisted: dict[Value, list[Row]] = {}
    for d in form.definitions:
        for product in d.products:
            name = names.new(product.weight, product.operand.name)
            ready[product] = name
            variables[name] = Variable(name, variables[d.name].indices, Role.PRODUCT, d.label)
            # A product moves before the loop if its vector is known there.
            if regions.of(product.operand.name) == "before" and regions.of(d.name) != "before":
                hoisted.setdefault(product.operand, []).append(_row(product, name, d.label))
    for part in ("before", "loop", "after"):
        chosen = [d for d in form.definitions if regions.of(d.name) == part]
        parts[part] = _rounds(chosen, ready, hoisted, part, variables)
    before = list(parts["before"])
    for operand, rows in hoisted.items():
        before = _add_rows(before, operand, rows)
    return Program(tuple(before), tuple(parts["loop"]), tuple(parts["after"]))


def _row(product: MatVec, name: str, label: str) -> Row:
    return Row(product.weight, product.slot, product.transposed, name, label)


def _add_rows(stages: list[Stage], operand: Value, rows: list[Row]) -> list[Stage]:
    """Widen the product with `operand`, or add one where its vector is ready."""
    for k, stage in enumerate(stages):
        if isinstance(stage, Fanout) and stage.operand == operand:
            return [*stages[:k], Fanout(operand, (*stage.rows, *rows)), *stages[k + 1 :]]
    defining = [
        k
        for k, stage in enumerate(stages)
        if isinstance(stage, Block) and any(d.name == operand.name for d in stage.assignments)
    ]
    at = defining[0] + 1 if defining else 0
    return [*stages[:at], Fanout(operand, tuple(rows)), *stages[at:]]


def _rounds(
    chosen: list[Definition],
    ready: dict[MatVec, str],
    hoisted: dict[Value, list[Row]],
    part: str,
    variables: Mapping[str, Variable],
) -> list[Stage]:
    """Products and blocks in turns: a block holds all that needs no further product."""
    here = {d.name for d in chosen}
    moved = {row.result for rows in hoisted.values() for row in rows}
    round_of: dict[str, int] = {}
    for d in chosen:
        after_blocks = [round_of[v.name] for v in values(d.value) if _now(v, here)]
        after_products = [round_of[p.operand.name] + 1 for p in d.products if _now(p.operand, here)]
        round_of[d.name] = max([0, *after_blocks, *after_products])
    count = max(round_of.values(), default=-1) + 1
    fans: list[dict[Value, list[Row]]] = [{} for _ in range(count)]
    made: list[list[Definition]] = [[] for _ in range(count)]
    for d in chosen:
        made[round_of[d.name]].append(d)
        for product in d.products:
            k = round_of[product.operand.name] + 1 if _now(product.operand, here) else 0
            if ready[product] not in moved:
                row = _row(product, ready[product], d.label)
                fans[k].setdefault(product.operand, []).append(row)
    stages: list[Stage] = []
    for fan, definitions in zip(fans, made, strict=True):
        stages += [Fanout(operand, tuple(rows)) for operand, rows in fan.items()]
        stages += blocks(definitions, ready, variables)
    return stages


def _now(value: Value, here: set[str]) -> bool:
    return value.shift == 0 and value.name in here
