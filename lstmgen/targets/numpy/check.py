"""The checker of plans: it executes both loops symbolically, statement by statement.

It knows which expression every part of every array holds at each moment.  A read of memory that was
not written in this step, or that was overwritten, a product with the wrong vector, a sum that lacks
a term: all end in an expression that is not the one that the schedule wants there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from lstmgen.algebra.expression import (
    ONE,
    Call,
    Expression,
    MatVec,
    Value,
    add,
    div,
    mul,
    neg,
    number,
    power,
    sub,
    transform,
    values,
)
from lstmgen.errors import StageError
from lstmgen.schedule.program import Block as ElementWise
from lstmgen.schedule.program import Gather, Schedule
from lstmgen.targets.common.canonical import canonical
from lstmgen.targets.numpy.backward import Backward
from lstmgen.targets.numpy.forward import Forward
from lstmgen.targets.numpy.program import AddAhead, Dot, Keep, Once, Operand, Slot, Stack, Statement
from lstmgen.targets.numpy.program import Call as Operation
from lstmgen.targets.numpy.trees import unfolded

_OPERATIONS: dict[str, Callable[..., Expression]] = {
    "add": add,
    "subtract": sub,
    "multiply": mul,
    "divide": div,
    "reciprocal": lambda a: div(ONE, a),
    "negative": neg,
    "power": power,
    "square": lambda a: power(a, number(2)),
    "copy": lambda a: a,
}

_Cell = tuple[Stack, int]


@lru_cache(maxsize=1 << 14)
def _canonical(expression: Expression) -> Any:
    """What expressions have in common that are computed alike, functions as operations."""
    return canonical(transform(expression, unfolded))


def check(schedule: Schedule, forward: Forward, backward: Backward) -> None:
    """Raise `StageError`, with the equation named, unless the plans compute the schedule."""
    _check_forward(schedule, forward)
    _check_backward(schedule, forward, backward)
    _check_parameters(schedule, backward)


def _refuse(label: str, problem: str) -> StageError:
    return StageError(
        f"equation ({label}): {problem}; this is a fault of lstmgen's NumPy target, not of the "
        "equations: please report the cell"
    )


class _Machine:
    """Memory that holds expressions; `expected` says what a finished value is.

    Args:
        places: where each value goes.
        expected: what it is, in values that are finished before it.
        given: what memory holds that no statement writes.
    """

    def __init__(
        self,
        places: Mapping[str, Slot],
        expected: Mapping[str, Expression],
        given: Callable[[Stack, int, int], Expression | None],
        labels: Mapping[str, str],
    ) -> None:
        self._held: dict[_Cell, Expression] = {}
        self._given = given
        self._labels = labels
        self._at: dict[_Cell, list[str]] = {}
        self._alias: dict[str, Value] = {}
        self._expected: dict[str, Any] = {}
        for name, value in expected.items():
            place = places.get(name)
            if place is None:
                continue
            if isinstance(value, Value) and value.shift == 0 and places.get(value.name) == place:
                self._alias[name] = value
                continue
            self._at.setdefault((place.stack, place.first), []).append(name)
        self._expected = {
            name: _canonical(self._resolved(value)) for name, value in expected.items()
        }
        self.finished: set[str] = set(self._alias)

    def _resolved(self, expression: Expression) -> Expression:
        def change(node: Expression) -> Expression:
            if isinstance(node, Value) and node.shift == 0 and node.name in self._alias:
                return self._resolved(self._alias[node.name])
            if isinstance(node, MatVec):
                operand = self._resolved(node.operand)
                assert isinstance(operand, Value)
                return MatVec(node.weight, node.slot, node.transposed, operand)
            return node

        return transform(expression, change)

    def run(self, statement: Statement) -> None:
        match statement:
            case Dot(matrix, operand, out, labels):
                self._dot(matrix.rows, operand, out, labels)
            case AddAhead(ahead):
                for k, term in enumerate(ahead.terms):
                    at = (ahead.out.stack, ahead.out.first + k)
                    self._write(at, add(self._read(at, 0, ahead.labels), term))
            case Operation(function, operands, out, labels):
                for k in range(out.count):
                    parts = [self._member(o, k, out.count, labels) for o in operands]
                    apply = _OPERATIONS.get(function)
                    made = apply(*parts) if apply else Call(function, tuple(parts))
                    self._write((out.stack, out.first + k), made, finish=False)
                for k in range(out.count):
                    self._finish((out.stack, out.first + k))

    def _dot(self, rows: Any, operand: Slot, out: Slot, labels: tuple[str, ...]) -> None:
        vectors = [self._member(operand, k, operand.count, labels) for k in range(operand.count)]
        if len(rows) != out.count or any(len(row) != operand.count for row in rows):
            raise _refuse(labels[0], f"a product of other blocks than {operand} has")
        for k, row in enumerate(rows):
            terms = []
            for block, vector in zip(row, vectors, strict=True):
                if not isinstance(vector, Value):
                    raise _refuse(labels[0], f"multiplies something unfinished: {vector}")
                product = MatVec(block.weight, block.slot, block.transposed, vector)
                terms.append(neg(product) if block.negative else product)
            self._write((out.stack, out.first + k), add(*terms))

    def _member(self, operand: Operand, k: int, count: int, labels: tuple[str, ...]) -> Expression:
        if isinstance(operand, Once):
            return operand.expressions[0 if len(operand.expressions) == 1 else k]
        if operand.count not in (1, count):
            raise _refuse(labels[0], f"{operand} does not lie beside what is computed")
        at = operand.first + (0 if operand.count == 1 else k)
        return self._read((operand.stack, at), operand.lag, labels)

    def _read(self, at: _Cell, lag: int, labels: tuple[str, ...]) -> Expression:
        if lag == 0 and at in self._held:
            return self._held[at]
        given = self._given(at[0], at[1], lag)
        if given is None:
            raise _refuse(labels[0], f"reads {at[0].members[at[1]]} before this step wrote it")
        return given

    def _write(self, at: _Cell, value: Expression, *, finish: bool = True) -> None:
        self._held[at] = value
        if finish:
            self._finish(at)

    def _finish(self, at: _Cell) -> None:
        """What is there gets its name, if it is what that name stands for."""
        found = _canonical(self._held[at])
        for name in self._at.get(at, ()):
            if found == self._expected[name]:
                self._held[at] = Value(name)
                self.finished.add(name)
                return

    def holds(self, name: str, place: Slot) -> bool:
        """Whether a value is where it should be at the end of the step."""
        held = self._held.get((place.stack, place.first))
        if held is None:
            held = self._given(place.stack, place.first, 0)
        return held == self._resolved(Value(name))

    def label(self, name: str) -> str:
        return self._labels.get(name, "?")


def _check_forward(schedule: Schedule, plan: Forward) -> None:
    in_loop = [
        d for s in schedule.forward.loop if isinstance(s, ElementWise) for d in s.assignments
    ]
    names = {d.name for d in in_loop}
    form = schedule.form
    before = {
        row.result: MatVec(row.weight, row.slot, row.transposed, s.operand)
        for s in schedule.forward.before
        if not isinstance(s, (ElementWise, Gather))
        for row in s.rows
    }

    def given(stack: Stack, k: int, lag: int) -> Expression | None:
        member = stack.members[k]
        if lag == -1 and stack.keep is Keep.STATE:
            return Value(member, -1)
        if lag != 0 or member in names or stack.keep in (Keep.STEP, Keep.CARRY):
            return None
        return before.get(member, Value(member))

    def expanded(expression: Expression) -> Expression:
        return transform(
            expression,
            lambda n: before.get(n.name, n) if isinstance(n, Value) and n.shift == 0 else n,
        )

    machine = _Machine(
        plan.places,
        {d.name: form.by_name[d.name].value for d in in_loop},
        given,
        {d.name: d.label for d in in_loop},
    )
    for statement in plan.loop:
        if isinstance(statement, AddAhead):
            terms = tuple(map(expanded, statement.ahead.terms))
            machine.run(AddAhead(replace(statement.ahead, terms=terms)))
        else:
            machine.run(statement)
    for d in in_loop:
        place = plan.places.get(d.name)
        if place is None:
            continue
        if d.name not in machine.finished:
            raise _refuse(d.label, f"the loop does not compute {d.name} as the equation says")
        if place.stack.keep is not Keep.STEP and not machine.holds(d.name, place):
            raise _refuse(d.label, f"{d.name} is overwritten within its step")
    for state in form.states:
        if plan.places[state].stack.keep is not Keep.STATE:
            raise _refuse(form.by_name[state].label, f"{state} is not kept from step to step")


def _check_backward(schedule: Schedule, forward: Forward, plan: Backward) -> None:
    factors = {line.name: line.value for line in plan.factors}
    common = {line.name: line.value for line in plan.common}

    def expanded(expression: Expression) -> Expression:
        def change(node: Expression) -> Expression:
            if isinstance(node, Value) and node.shift == 0:
                if node.name in common:
                    return expanded(common[node.name])
                if node.name in factors:
                    return expanded(factors[node.name])
            return node

        return transform(expression, change)

    blocks = [s for s in schedule.backward.loop if isinstance(s, ElementWise)]
    assignments = {d.name: d for s in blocks for d in s.assignments}
    computed = {m for s in plan.loop if not isinstance(s, AddAhead) for m in s.out.members}
    left_out = {
        name: d.value
        for name, d in assignments.items()
        if name not in computed and name not in plan.places
    }

    def inlined(expression: Expression) -> Expression:
        return transform(
            expression,
            lambda n: (
                inlined(left_out[n.name]) if isinstance(n, Value) and n.name in left_out else n
            ),
        )

    expected: dict[str, Expression] = {
        name: inlined(d.value) for name, d in assignments.items() if name in plan.places
    }
    labels = {name: d.label for name, d in assignments.items()}
    for s in schedule.backward.loop:
        if isinstance(s, Gather):
            products = [MatVec(c.weight, c.slot, c.transposed, Value(c.operand)) for c in s.columns]
            expected[s.result] = add(
                *(neg(p) if c.negative else p for p, c in zip(products, s.columns, strict=True))
            )
            labels[s.result] = s.label
    written = set(expected)
    carries = {name for names in plan.handed.values() for name in names}

    def given(stack: Stack, k: int, lag: int) -> Expression | None:
        member = stack.members[k]
        if member in carries:
            return Value(member)
        if member in factors:
            return expanded(factors[member])
        if stack.keep is Keep.STATE:
            return Value(member, lag)
        if lag != 0 or member in written or stack.keep is Keep.STEP:
            return None
        return Value(member)

    machine = _Machine(plan.places, expected, given, labels)
    for statement in plan.loop:
        machine.run(statement)
    for name in expected:
        if name not in machine.finished:
            raise _refuse(labels[name], f"the loop does not compute {name} as it was derived")
        place = plan.places[name]
        if place.stack.keep is not Keep.STEP and not machine.holds(name, place):
            raise _refuse(labels[name], f"{name} is overwritten within its step")
    needed = set(schedule.kept_adjoints) & set(assignments)
    for name in sorted(needed - set(plan.places)):
        raise _refuse(labels[name], f"{name} is read later but not computed")
    for name, value in left_out.items():
        users = [d for d in assignments.values() if Value(name) in values(d.value)]
        if len(users) > 1:
            raise _refuse(labels[name], f"{name} is left out but {value} is used more than once")


def _check_parameters(schedule: Schedule, plan: Backward) -> None:
    """Every outer product and sum of the schedule is in the plan once."""
    wanted = Counter((row, w.operand) for w in schedule.weight_gradients for row in w.rows)
    members = plan.columns.members if plan.columns is not None else ()
    found: Counter[Any] = Counter()
    for product in plan.gradients.products:
        first = members.index(product.adjoints[0])
        for k, (adjoint, block) in enumerate(zip(product.adjoints, product.blocks, strict=True)):
            if members[first + k] != adjoint or block.outer.adjoint != adjoint:
                raise _refuse(block.outer.label, f"{adjoint} is not in its place among the columns")
            found[block.outer, product.operand] += 1
    if found != wanted:
        raise _refuse("δ", "the weights' gradients are not those of the schedule")
    for parameter in schedule.form.parameters:
        mine = [r.value for r in schedule.reductions if r.parameter == parameter]
        sums = [s.value for s in plan.gradients.sums if s.parameter == parameter]
        if canonical(add(*mine)) != canonical(add(*sums)):
            label = schedule.gradients.parameter(parameter).label
            raise _refuse(label, f"d_{parameter} is not the sum of the schedule")
