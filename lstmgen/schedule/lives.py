"""Where each value of a schedule lives, and who reads it when: facts that targets build on."""

from __future__ import annotations

from collections.abc import Iterator

from lstmgen.algebra.expression import Expression, Value, values
from lstmgen.schedule.program import (
    Block,
    Fanout,
    Gather,
    Reduction,
    Schedule,
    Stage,
    WeightGradient,
)
from lstmgen.schedule.variables import Home, Life, Part, Role, Site, Use


def parts(schedule: Schedule) -> tuple[tuple[Part, tuple[Stage, ...]], ...]:
    """The parts with their stages, in the order in which they run."""
    forward, backward = schedule.forward, schedule.backward
    return (
        (Part.FORWARD_BEFORE, forward.before),
        (Part.FORWARD_LOOP, forward.loop),
        (Part.FORWARD_AFTER, forward.after),
        (Part.BACKWARD_BEFORE, backward.before),
        (Part.BACKWARD_LOOP, backward.loop),
        (Part.BACKWARD_AFTER, backward.after),
    )


def writes(stage: Stage) -> tuple[str, ...]:
    """The names of the values that a stage makes."""
    match stage:
        case Fanout(_, rows):
            return tuple(row.result for row in rows)
        case Gather(result, _, _):
            return (result,)
        case Block(_, assignments):
            return tuple(d.name for d in assignments)


def reads(stage: Stage) -> tuple[Value, ...]:
    """What a stage reads that it has not made itself."""
    match stage:
        case Fanout(operand, _):
            return (operand,)
        case Gather(_, columns, _):
            return tuple(dict.fromkeys(Value(column.operand) for column in columns))
        case Block(_, assignments):
            made: set[str] = set()
            found: dict[Value, None] = {}
            for d in assignments:
                found |= {v: None for v in values(d.value) if v.shift or v.name not in made}
                made.add(d.name)
            return tuple(found)


def closure(schedule: Schedule, wanted: Expression | Value) -> Iterator[Value]:
    """What of the forward pass a backward expression reads, also to evaluate values again."""
    again = {d.name: d for d in schedule.recomputed}
    todo = [wanted] if isinstance(wanted, Value) else list(values(wanted))
    seen: set[Value] = set()
    while todo:
        value = todo.pop()
        if value in seen:
            continue
        seen.add(value)
        yield value
        if value.name in again:
            inner = values(again[value.name].value)
            todo += [Value(v.name, v.shift + value.shift) for v in inner]


def lives(schedule: Schedule) -> dict[str, Life]:
    """Every variable's life, in the order of `schedule.variables`."""
    read: dict[str, list[Use]] = {name: [] for name in schedule.variables}
    written: dict[str, Site] = {}
    for part, stages in parts(schedule):
        for k, stage in enumerate(stages):
            site = Site(part, k)
            found = list(reads(stage))
            if not part.is_forward:
                found = list(dict.fromkeys(w for v in found for w in closure(schedule, v)))
            for value in found:
                read[value.name].append(Use(site, value.shift))
            written |= dict.fromkeys(writes(stage), site)
    gradients: tuple[WeightGradient | Reduction, ...]
    gradients = (*schedule.weight_gradients, *schedule.reductions)
    for k, gradient in enumerate(gradients):
        site = Site(Part.PARAMETERS, k)
        for value in dict.fromkeys(w for v in gradient.reads for w in closure(schedule, v)):
            read[value.name].append(Use(site, value.shift))
    again = {d.name for d in schedule.recomputed}
    return {
        name: Life(
            variable,
            _home(schedule, name, written.get(name), read[name]),
            written.get(name),
            tuple(read[name]),
            name in again,
        )
        for name, variable in schedule.variables.items()
    }


def _home(schedule: Schedule, name: str, written: Site | None, read: list[Use]) -> Home:
    role = schedule.variables[name].role
    if written is None:
        return Home.CALL if role is not Role.CARRY else Home.NOWHERE
    if role is Role.CARRY:
        return Home.CARRY
    if name in schedule.kept:
        return Home.TAPE
    if role is Role.INPUT_GRADIENT or name == schedule.form.output:
        return Home.PASS  # the caller reads it
    # What is evaluated again has a second life in the backward pass, which its reader gives it.
    mine = [u for u in read if u.site.part.is_forward == written.part.is_forward]
    if not mine:
        return Home.BLOCK if _read_inside(schedule, name, written) else Home.NOWHERE
    if written.part.is_loop and all(u.site.part is written.part for u in mine):
        return Home.STEP
    return Home.PASS


def _read_inside(schedule: Schedule, name: str, written: Site) -> bool:
    """Whether the block that makes a value reads it itself."""
    stage = dict(parts(schedule))[written.part][written.position]
    return isinstance(stage, Block) and any(
        Value(name) in values(d.value) for d in stage.assignments
    )
