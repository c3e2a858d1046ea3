"""The checkers of schedules and NumPy plans: faults of many kinds, each refused by equation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lstmgen import Cell, load
from lstmgen.algebra.expression import Neg, Value
from lstmgen.errors import StageError
from lstmgen.schedule.check import check
from lstmgen.schedule.lives import lives
from lstmgen.schedule.program import Block, Fanout, Gather, Program, Schedule
from lstmgen.schedule.variables import Home
from lstmgen.targets.numpy.backward import Backward, backward
from lstmgen.targets.numpy.check import check as check_plan
from lstmgen.targets.numpy.forward import Forward, forward
from lstmgen.targets.numpy.program import Call, Dot

CELLS = ("lstm", "peephole", "gru", "gru_reset_after", "peephole_diagonal", "lstmp")


def cell(name: str) -> Cell:
    return load(name)


def first(stages: tuple[object, ...], kind: type) -> int:
    return next(k for k, stage in enumerate(stages) if isinstance(stage, kind))


def loop(program: Program, change: Callable[[list[object]], None]) -> Program:
    stages: list[object] = list(program.loop)
    change(stages)
    return replace(program, loop=tuple(stages))


def forward_loop(schedule: Schedule, change: Callable[[list[object]], None]) -> Schedule:
    return replace(schedule, forward=loop(schedule.forward, change))


def backward_loop(schedule: Schedule, change: Callable[[list[object]], None]) -> Schedule:
    return replace(schedule, backward=loop(schedule.backward, change))


def negated(stages: list[object], position: int) -> None:
    block = stages[position]
    assert isinstance(block, Block)
    *rest, last = block.assignments
    stages[position] = replace(block, assignments=(*rest, replace(last, value=Neg(last.value))))


def turned(stages: list[object]) -> None:
    at = first(tuple(stages), Fanout)
    fan = stages[at]
    assert isinstance(fan, Fanout)
    row = replace(fan.rows[0], transposed=not fan.rows[0].transposed)
    stages[at] = replace(fan, rows=(row, *fan.rows[1:]))


def another_sign(stages: list[object]) -> None:
    at = first(tuple(stages), Gather)
    gather = stages[at]
    assert isinstance(gather, Gather)
    column = replace(gather.columns[0], negative=not gather.columns[0].negative)
    stages[at] = replace(gather, columns=(column, *gather.columns[1:]))


def of_this_step(stages: list[object]) -> None:
    """The product takes the state of the step itself, which is not there yet."""
    at = first(tuple(stages), Fanout)
    fan = stages[at]
    assert isinstance(fan, Fanout)
    stages[at] = replace(fan, operand=Value(fan.operand.name))


def without_a_product(schedule: Schedule) -> Schedule:
    first_one, *rest = schedule.weight_gradients
    fewer = replace(first_one, rows=first_one.rows[1:])
    return replace(schedule, weight_gradients=(fewer, *rest))


FAULTS: dict[str, Callable[[Schedule], Schedule]] = {
    "a sign in the forward loop": lambda s: forward_loop(
        s, lambda x: negated(x, first(tuple(x), Block))
    ),
    "a sign in the backward loop": lambda s: backward_loop(
        s, lambda x: negated(x, first(tuple(x), Block))
    ),
    "a transposed weight": lambda s: forward_loop(s, turned),
    "a state read a step early": lambda s: forward_loop(s, of_this_step),
    "blocks in another order": lambda s: forward_loop(s, list.reverse),
    "a product left out": lambda s: forward_loop(s, lambda x: x.pop(first(tuple(x), Fanout))),
    "a gradient that is subtracted": lambda s: backward_loop(s, another_sign),
    "an outer product left out": without_a_product,
    "nothing kept": lambda s: replace(s, kept=s.form.states, recomputed=()),
    "no adjoint kept": lambda s: replace(s, kept_adjoints=()),
    "a sum left out": lambda s: replace(s, reductions=s.reductions[1:]),
    "the loop hoisted": lambda s: replace(
        s,
        forward=replace(s.forward, before=(*s.forward.before, *s.forward.loop), loop=()),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["lstm", "peephole"])
def test_a_schedule_with_a_fault_is_refused(name: str, fault: str) -> None:
    schedule = cell(name).schedule
    check(schedule)
    with pytest.raises(StageError, match=r"^equation \(") as refused:
        check(FAULTS[fault](schedule))
    assert "fault of lstmgen" in str(refused.value)


@pytest.mark.parametrize("name", CELLS)
def test_lives_say_where_each_value_is_and_who_reads_it(name: str) -> None:
    schedule = cell(name).schedule
    found = lives(schedule)
    assert list(found) == list(schedule.variables)
    for value in schedule.kept:
        assert found[value].home is Home.TAPE
    for x in schedule.form.inputs:
        assert found[x].home is Home.CALL and found[x].read
    for state in schedule.form.states:
        assert any(use.lag == -1 for use in found[state].read)
        assert found[state].variable.indices == (schedule.sizes[state],)


def plans(name: str) -> tuple[Schedule, Forward, Backward]:
    schedule = cell(name).schedule
    planned = forward(schedule)
    return schedule, planned, backward(schedule, planned)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("which", ["forward", "backward"])
def test_each_statement_of_a_loop_is_needed_and_in_its_place(name: str, which: str) -> None:
    """Left out, done twice the wrong way, or with its operands changed: the plan is refused."""
    schedule, first_plan, second = plans(name)
    check_plan(schedule, first_plan, second)
    plan = first_plan if which == "forward" else second
    statements = plan.loop
    for k, statement in enumerate(statements):
        wrong = [(*statements[:k], *statements[k + 1 :])]
        if isinstance(statement, Call) and statement.function in ("add", "subtract"):
            other = "subtract" if statement.function == "add" else "add"
            wrong.append(
                (*statements[:k], replace(statement, function=other), *statements[k + 1 :])
            )
        if isinstance(statement, Dot):
            rows = tuple(
                tuple(replace(b, negative=not b.negative) for b in r) for r in statement.matrix.rows
            )
            changed = replace(statement, matrix=replace(statement.matrix, rows=rows))
            wrong.append((*statements[:k], changed, *statements[k + 1 :]))
        for body in wrong:
            plan.loop = body
            with pytest.raises(StageError):
                check_plan(schedule, first_plan, second)
        plan.loop = statements
