"""The checker of schedules: a wrong pass fails here, and not in somebody's numbers.

It runs over every schedule, and knows nothing of how the passes work: it reads the program stage by
stage and asks of each whether what it reads is there, of the right step and size, and whether in
the end the program is the equations, each term of them once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from lstmgen.algebra.expression import (
    Add,
    Expression,
    MatVec,
    Value,
    add,
    neg,
    transform,
    values,
)
from lstmgen.errors import StageError
from lstmgen.form.normal_form import Definition, NormalForm
from lstmgen.gradients.equations import MatrixGradient, OuterProduct
from lstmgen.schedule.lives import closure, parts, reads
from lstmgen.schedule.program import Block, Column, Fanout, Gather, Row, Schedule, Stage
from lstmgen.schedule.variables import Part, Role

__all__ = ["check"]


def check(schedule: Schedule) -> None:
    """Raise `StageError`, with the equation named, unless the schedule computes its equations."""
    _Order(schedule).check()
    _check_forward(schedule)
    _check_backward(schedule)
    _check_parameters(schedule)


def _refuse(label: str, problem: str) -> StageError:
    return StageError(
        f"equation ({label}): {problem}; this is a fault of lstmgen's schedule, not of the "
        "equations: please report the cell"
    )


class _Order:
    """Defined before use, of the right step and size; what leaves a loop is kept for all steps."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._form = schedule.form
        self._variables = schedule.variables
        self._known: set[str] = set(schedule.form.inputs)
        self._carries = {name for pair in schedule.carried.values() for name in pair if name}
        self._carried_read: set[str] = set()
        self._made_in: dict[str, Part] = {}

    def check(self) -> None:
        for part, stages in parts(self._schedule):
            if part is Part.BACKWARD_BEFORE:
                self._start_backward()
            for stage in stages:
                for label, result, read in _steps_of(stage):
                    for value in read:
                        self._read(value, part, label)
                    if result is not None:
                        self._write(result, part, label)
                self._sizes(stage)
        wanted = [(d.name, d.label) for d in self._form.definitions]
        wanted += [(a.name, a.label) for a in self._schedule.gradients.adjoints]
        for name, label in wanted:
            if name not in self._made_in:
                raise _refuse(label, f"{name} is computed nowhere")
        for carry in sorted(self._carries - set(self._made_in)):
            raise _refuse(self._variables[carry].label, f"{carry} is handed on by nobody")

    def _start_backward(self) -> None:
        """The backward pass knows what was kept, the inputs, and dL/dy."""
        schedule = self._schedule
        self._known = {*self._form.inputs, *schedule.kept, schedule.seed}
        for d in schedule.recomputed:
            for value in values(d.value):
                self._forward_value(value, d.label)
            self._known.add(d.name)

    def _forward_value(self, value: Value, label: str) -> None:
        lagged = value.shift == -1 and value.name in self._form.states
        if value.name not in self._known or not (value.shift == 0 or lagged):
            raise _refuse(label, f"reads {value.name} at lag {value.shift}, which is not kept")

    def _read(self, value: Value, part: Part, label: str) -> None:
        name, lag = value.name, value.shift
        if name not in self._variables:
            raise _refuse(label, f"reads {name}, which is no variable of the schedule")
        if lag == -1 and name in self._form.states:
            if part is Part.FORWARD_BEFORE:
                raise _refuse(label, f"is hoisted but reads {name} of the step before")
            if part.is_forward or name in self._known:
                return
        if lag != 0:
            raise _refuse(label, f"reads {name} at lag {lag}")
        if name in self._carries and part is Part.BACKWARD_LOOP:
            if name in self._made_in:
                raise _refuse(label, f"reads {name} after it was overwritten for the next step")
            self._carried_read.add(name)
            return
        if name not in self._known:
            raise _refuse(label, f"reads {name} before it is computed")
        self._lasts(name, part, label)

    def _lasts(self, name: str, part: Part, label: str) -> None:
        """An adjoint that another part reads has a history; so has a value of another pass."""
        home = self._made_in.get(name)
        role = self._variables[name].role
        if home is None or home is part:
            return
        if role is Role.ADJOINT and name not in self._schedule.kept_adjoints:
            raise _refuse(label, f"reads {name} of another part, which is not kept")

    def _write(self, name: str, part: Part, label: str) -> None:
        if name in self._made_in:
            raise _refuse(label, f"{name} is computed twice")
        if name not in self._variables:
            raise _refuse(label, f"computes {name}, which is no variable of the schedule")
        self._made_in[name] = part
        self._known.add(name)

    def _sizes(self, stage: Stage) -> None:
        match stage:
            case Fanout(operand, rows):
                for row in rows:
                    self._product(row, operand.name, row.result, row.label)
            case Gather(result, columns, label):
                for column in columns:
                    self._product(column, column.operand, result, label)
            case Block(_, assignments):
                for d in assignments:
                    self._elementwise(d)

    def _product(self, block: Row | Column, operand: str, result: str, label: str) -> None:
        weight = self._form.weights[block.weight]
        shape = ((weight.rows,), (weight.columns[block.slot],))
        # The adjoint of a product multiplies by the transpose: its operand has the rows.
        wanted = shape[::-1] if block.transposed else shape
        found = (self._variables[result].indices, self._variables[operand].indices)
        if found != wanted:
            raise _refuse(label, f"{block.weight}[{block.slot}] maps {wanted}, not {found}")

    def _elementwise(self, d: Definition) -> None:
        mine = self._variables[d.name].indices
        for value in values(d.value):
            other = self._variables[value.name].indices
            if other not in (mine, ()):
                raise _refuse(d.label, f"{value.name}{list(other)} meets {d.name}{list(mine)}")


def _steps_of(stage: Stage) -> Iterable[tuple[str, str | None, tuple[Value, ...]]]:
    """The label, result and reads of each thing that a stage does, in order."""
    match stage:
        case Fanout(operand, rows):
            for row in rows:
                yield row.label, row.result, (operand,)
        case Gather(result, _, label):
            yield label, result, reads(stage)
        case Block(_, assignments):
            for d in assignments:
                yield d.label, d.name, values(d.value)


def _expanded(expression: Expression, results: Mapping[str, Expression]) -> Expression:
    """The expression with the names of products' results replaced by the products."""

    def change(node: Expression) -> Expression:
        if isinstance(node, Value) and node.name in results and node.shift == 0:
            return results[node.name]
        return node

    return transform(expression, change)


def _check_forward(schedule: Schedule) -> None:
    """Each definition of the normal form is assigned once, and as it stands."""
    products: dict[str, Expression] = {
        row.result: MatVec(row.weight, row.slot, row.transposed, stage.operand)
        for stage in schedule.forward.stages
        if isinstance(stage, Fanout)
        for row in stage.rows
    }
    assigned = _assignments(schedule.forward.stages)
    for d in schedule.form.definitions:
        if d.name not in assigned or _expanded(assigned[d.name].value, products) != d.value:
            raise _refuse(d.label, f"{d.name} is not computed as the equation says")


def _check_backward(schedule: Schedule) -> None:
    """Each adjoint, carry and input gradient is the sum of its derived terms, each once."""
    sums: dict[str, Expression] = {
        stage.result: add(*(_term(column) for column in stage.columns))
        for stage in schedule.backward.stages
        if isinstance(stage, Gather)
    }
    assigned = _assignments(schedule.backward.stages)
    for adjoint in schedule.gradients.adjoints:
        elementwise, product = schedule.carried.get(adjoint.of, (None, None))
        wanted = list(adjoint.here)
        wanted += [Value(schedule.seed)] if adjoint.is_output else []
        wanted += [Value(name) for name in (elementwise, product) if name is not None]
        carries = {name for name in (elementwise, product) if name is not None}
        # A carry stands for itself here: what it is was the business of the step after.
        inner = {name: value for name, value in sums.items() if name not in carries}
        _same_terms(adjoint.label, adjoint.name, assigned, inner, wanted)
        handed: list[Expression] = []
        if elementwise is not None:
            handed += _terms(assigned[elementwise].value)
        if product is not None:
            handed += _terms(sums[product])
        if Counter(handed) != Counter(_flat(adjoint.later)):
            raise _refuse(adjoint.label, f"the step before {adjoint.name} gets other terms")
    for gradient in schedule.gradients.inputs:
        _same_terms(gradient.label, gradient.name, assigned, sums, list(gradient.terms))


def _same_terms(
    label: str,
    name: str,
    assigned: Mapping[str, Definition],
    sums: Mapping[str, Expression],
    wanted: Iterable[Expression],
) -> None:
    if name not in assigned:
        raise _refuse(label, f"{name} is computed nowhere")
    found = _terms(_expanded(assigned[name].value, sums))
    if Counter(found) != Counter(_flat(wanted)):
        raise _refuse(label, f"{name} is not the sum that was derived")


def _assignments(stages: Iterable[Stage]) -> dict[str, Definition]:
    return {d.name: d for s in stages if isinstance(s, Block) for d in s.assignments}


def _term(column: Column) -> Expression:
    product = MatVec(column.weight, column.slot, column.transposed, Value(column.operand))
    return neg(product) if column.negative else product


def _terms(expression: Expression) -> list[Expression]:
    return _flat([expression])


def _flat(terms: Iterable[Expression]) -> list[Expression]:
    """The terms of a sum of sums, without zeros."""
    total = add(*terms)
    if isinstance(total, Add):
        return list(total.terms)
    return [] if total == add() else [total]


def _check_parameters(schedule: Schedule) -> None:
    """Every outer product and every sum is there once, over values and adjoints that are kept."""
    gradients = schedule.gradients
    found: Counter[tuple[str, int, OuterProduct]] = Counter()
    for product in schedule.weight_gradients:
        for row in product.rows:
            pair = (Value(row.adjoint), product.operand)
            left, right = reversed(pair) if row.transposed else pair
            found[row.weight, row.slot, OuterProduct(left, right, row.negative)] += 1
    wanted: Counter[tuple[str, int, OuterProduct]] = Counter(
        (g.parameter, slot, outer)
        for g in gradients.parameters
        if isinstance(g, MatrixGradient)
        for slot, block in enumerate(g.blocks)
        for outer in block
    )
    for weight, _, _ in (found - wanted) + (wanted - found):
        raise _refuse(gradients.parameter(weight).label, f"d_{weight} is not what was derived")
    sums: dict[str, list[Expression]] = {}
    for reduction in schedule.reductions:
        sums.setdefault(reduction.parameter, []).extend(_terms(reduction.value))
    for g in gradients.parameters:
        if not isinstance(g, MatrixGradient) and Counter(sums.get(g.parameter, [])) != Counter(
            _flat(g.terms)
        ):
            raise _refuse(g.label, f"d_{g.parameter} is not the sum that was derived")
    _check_kept(schedule)


def _check_kept(schedule: Schedule) -> None:
    form: NormalForm = schedule.form
    adjoints = {a.name for a in schedule.gradients.adjoints}
    there = {*form.inputs, *schedule.kept, *(d.name for d in schedule.recomputed)}
    found = [(w.rows[0].label, w.reads) for w in schedule.weight_gradients]
    found += [(r.label, r.reads) for r in schedule.reductions]
    for label, read in found:
        for value in read:
            if value.name in adjoints:
                if value.name not in schedule.kept_adjoints:
                    raise _refuse(label, f"reads {value.name}, which is not kept")
                continue
            for inner in closure(schedule, value):
                if inner.name not in there:
                    raise _refuse(label, f"reads {inner.name}, which is not kept")
