"""From a schedule to the program of a C module."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from lstmgen.algebra.expression import Add, Expression, Neg, Value, add
from lstmgen.form.normal_form import Definition, Names
from lstmgen.schedule.lives import closure, lives, parts, writes
from lstmgen.schedule.program import Block, Fanout, Gather, Schedule, Stage
from lstmgen.schedule.variables import Home, Life, Part, Role
from lstmgen.targets.c.merging import together
from lstmgen.targets.c.program import (
    Array,
    Code,
    Factor,
    Keep,
    Matrix,
    OuterProduct,
    Pass,
    Place,
    Product,
    Program,
    Statement,
    Total,
    Totals,
)

__all__ = ["plan"]


def plan(schedule: Schedule) -> Program:
    """The program of a cell."""
    return _Planner(schedule).program()


def _widest_first(stages: Sequence[Stage]) -> list[Stage]:
    """Products that follow one another read nothing of each other: the widest ones lead."""
    found: list[Stage] = []
    for is_fanout, group in itertools.groupby(stages, lambda s: isinstance(s, Fanout)):
        members = list(group)
        if is_fanout:
            members.sort(key=lambda s: -len(writes(s)))
        found += members
    return found


class _Planner:
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._form = schedule.form
        self._lives = lives(schedule)
        taken = {*schedule.variables, *self._form.parameters}
        self._names = Names(taken)
        self._places: dict[str, Place] = {}
        self._sum_of: dict[str, str] = {}  # the result of a forward product -> its definition
        self._sign: dict[str, bool] = {}  # whether it is subtracted there
        self._started: set[str] = set()  # members of sums that something was stored to
        self._again = {d.name: d for d in schedule.recomputed}

    def program(self) -> Program:
        schedule, form = self._schedule, self._form
        inputs = [self._array(x, Keep.INPUT) for x in form.inputs]
        tape = [
            self._array(v, Keep.STATE if v in form.states else Keep.TAPE) for v in schedule.kept
        ]
        sums = self._sums()
        forward_arrays = [*sums]
        backward_arrays = [self._array(schedule.seed, Keep.CHUNK)]
        for part, stages in parts(schedule):
            arrays = forward_arrays if part.is_forward else backward_arrays
            for stage in stages:
                for name in writes(stage):
                    if name not in self._places and name not in self._sum_of:
                        keep = self._keep(self._lives[name])
                        if keep is not None:
                            arrays.append(self._array(name, keep))
        for pair in schedule.carried.values():
            for carry in pair:
                if carry is not None and carry not in self._places:
                    backward_arrays.append(self._array(carry, Keep.CARRY))
        again = self._evaluated_again(backward_arrays)
        code = {part: self._statements(part, stages) for part, stages in parts(schedule)}
        code[Part.FORWARD_BEFORE], code[Part.FORWARD_LOOP] = together(
            code[Part.FORWARD_BEFORE], code[Part.FORWARD_LOOP], self._names
        )
        return Program(
            forward=Code(
                code[Part.FORWARD_BEFORE], code[Part.FORWARD_LOOP], code[Part.FORWARD_AFTER]
            ),
            backward=Code(
                code[Part.BACKWARD_BEFORE], code[Part.BACKWARD_LOOP], code[Part.BACKWARD_AFTER]
            ),
            again=again,
            outers=tuple(self._outers()),
            totals=tuple(self._totals()),
            places=self._places,
            inputs=tuple(inputs),
            tape=tuple(tape),
            forward_arrays=tuple(forward_arrays),
            backward_arrays=tuple(backward_arrays),
            recomputed=self._again,
        )

    # Arrays

    def _size(self, name: str) -> str:
        return self._schedule.variables[name].size

    def _array(self, name: str, keep: Keep) -> Array:
        array = Array(name, (name,), (self._size(name),), keep)
        self._places[name] = Place(array, 0)
        return array

    def _keep(self, life: Life) -> Keep | None:
        """The memory that a value needs besides the tape."""
        if life.home in (Home.BLOCK, Home.NOWHERE):
            # The result of a product is in memory whoever reads it.
            if life.variable.role is not Role.PRODUCT:
                return None
            assert life.written is not None
            return Keep.STEP if life.written.part.is_loop else Keep.CHUNK
        return {
            Home.PASS: Keep.CHUNK,
            Home.STEP: Keep.STEP,
            Home.CARRY: Keep.CARRY,
            Home.TAPE: Keep.TAPE,
            Home.CALL: Keep.CHUNK,
        }[life.home]

    def _sums(self) -> list[Array]:
        """One value for all forward products of a definition: each is added to the last ones.

        They lie side by side, so that the products with one vector are one.
        """
        loop = {
            name: part
            for part, stages in parts(self._schedule)
            for stage in stages
            if isinstance(stage, Fanout)
            for name in writes(stage)
            if part.is_forward
        }
        kinds: dict[Keep, list[tuple[str, str]]] = {Keep.CHUNK: [], Keep.STEP: []}
        for part, stages in parts(self._schedule):
            if not part.is_forward:
                continue
            for stage in stages:
                if not isinstance(stage, Block):
                    continue
                for d in stage.assignments:
                    found = self._products(d.value, loop)
                    if not found:
                        continue
                    name = self._names.new("sum", d.name)
                    for product, negative in found:
                        self._sum_of[product], self._sign[product] = name, negative
                    stepwise = all(loop[p] is Part.FORWARD_LOOP for p, _ in found)
                    keep = Keep.STEP if stepwise else Keep.CHUNK
                    kinds[keep].append((name, self._size(d.name)))
        arrays = []
        for keep, members in kinds.items():
            if members:
                names, sizes = zip(*members, strict=True)
                array = Array(
                    self._names.new("sums", keep.name.lower()), tuple(names), tuple(sizes), keep
                )
                for k, name in enumerate(names):
                    self._places[name] = Place(array, k)
                arrays.append(array)
        return arrays

    def _products(self, value: Expression, results: dict[str, Part]) -> list[tuple[str, bool]]:
        terms = value.terms if isinstance(value, Add) else (value,)
        found = []
        for term in terms:
            inner = term.argument if isinstance(term, Neg) else term
            if isinstance(inner, Value) and inner.name in results:
                found.append((inner.name, isinstance(term, Neg)))
        return found

    def _summed(self, value: Expression) -> Expression:
        """A value with the sum of its products for the products."""
        found = self._products(value, dict.fromkeys(self._sum_of, Part.FORWARD_LOOP))
        if not found:
            return value
        names = {name for name, _ in found}
        rest = []
        for term in value.terms if isinstance(value, Add) else (value,):
            inner = term.argument if isinstance(term, Neg) else term
            if not (isinstance(inner, Value) and inner.name in names):
                rest.append(term)
        return add(Value(self._sum_of[found[0][0]]), *rest)

    # Statements

    def _statements(self, part: Part, stages: Sequence[Stage]) -> tuple[Statement, ...]:
        made: list[Statement] = []
        for stage in _widest_first(stages):
            match stage:
                case Fanout():
                    made += self._fanout(stage)
                case Gather():
                    made.append(self._gather(stage))
                case Block(size, assignments):
                    chosen = tuple(
                        Definition(d.label, d.name, self._summed(d.value)) if part.is_forward else d
                        for d in assignments
                    )
                    stored = frozenset(d.name for d in chosen if d.name in self._places)
                    made.append(Pass(size, chosen, stored))
        return tuple(made)

    def _fanout(self, stage: Fanout) -> Iterable[Product]:
        """Products of neighbouring sums; each stores where nothing was stored before, or adds."""
        rows = sorted(stage.rows, key=lambda row: self._places[self._sum_of[row.result]].member)
        run: list[tuple[Factor, str, str, str]] = []
        previous: tuple[Array, int, bool] | None = None
        for row in rows:
            name = self._sum_of[row.result]
            place = self._places[name]
            later = name in self._started
            self._started.add(name)
            if run and previous != (place.array, place.member - 1, later):
                assert previous is not None
                yield self._run(stage, run, *previous)
                run = []
            factor = Factor(row.weight, row.slot, row.transposed, self._sign[row.result])
            run.append((factor, place.size, row.label, name))
            previous = place.array, place.member, later
        if run:
            assert previous is not None
            yield self._run(stage, run, *previous)

    def _run(
        self,
        stage: Fanout,
        run: list[tuple[Factor, str, str, str]],
        out: Array,
        last: int,
        later: bool,
    ) -> Product:
        matrix = Matrix(
            self._names.new("panels", stage.operand.name),
            tuple(factor for factor, _, _, _ in run),
            tuple(size for _, size, _, _ in run),
            self._size(stage.operand.name),
        )
        return Product(
            out,
            last - len(run) + 1,
            len(run),
            ((matrix, stage.operand),),
            later,
            tuple(dict.fromkeys(label for _, _, label, _ in run)),
        )

    def _gather(self, stage: Gather) -> Product:
        place = self._places[stage.result]
        terms = []
        for column in stage.columns:
            factor = Factor(column.weight, column.slot, column.transposed, column.negative)
            matrix = Matrix(
                self._names.new("panels", stage.result),
                (factor,),
                (place.size,),
                self._size(column.operand),
            )
            terms.append((matrix, Value(column.operand)))
        return Product(place.array, place.member, 1, tuple(terms), False, (stage.label,))

    # Gradients of parameters

    def _evaluated_again(self, arrays: list[Array]) -> tuple[Pass, ...]:
        """What the outer products read must be in memory."""
        wanted = []
        for gradient in self._schedule.weight_gradients:
            if gradient.operand.name in self._again:
                wanted.append(gradient.operand.name)
        needed = {v.name for name in wanted for v in closure(self._schedule, Value(name))}
        passes = []
        for d in self._schedule.recomputed:
            if d.name in needed and d.name in wanted:
                name = self._names.new("again", d.name)
                array = Array(name, (d.name,), (self._size(d.name),), Keep.CHUNK)
                arrays.append(array)
                self._places[name] = Place(array, 0)
                passes.append(
                    Pass(
                        self._size(d.name),
                        (Definition(d.label, name, Value(d.name)),),
                        frozenset({name}),
                    )
                )
        self._again_place = {p.assignments[0].value: p.assignments[0].name for p in passes}
        return tuple(passes)

    def _outers(self) -> Iterable[OuterProduct]:
        for gradient in self._schedule.weight_gradients:
            operand = gradient.operand
            if operand in self._again_place:
                operand = Value(self._again_place[operand])
            adjoints = tuple(dict.fromkeys(row.adjoint for row in gradient.rows))
            yield OuterProduct(
                self._names.new("d_panels", gradient.operand.name),
                adjoints,
                tuple(map(self._size, adjoints)),
                operand,
                self._size(gradient.operand.name),
                gradient.rows,
            )

    def _totals(self) -> Iterable[Totals]:
        by_size: dict[str, list[Total]] = {}
        for r in self._schedule.reductions:
            total = Total(
                self._names.new("total", r.parameter),
                r.parameter,
                r.value,
                r.parameter in self._form.scalars,
                r.label,
            )
            by_size.setdefault(r.size, []).append(total)
        for size, totals in by_size.items():
            yield Totals(size, tuple(totals))
