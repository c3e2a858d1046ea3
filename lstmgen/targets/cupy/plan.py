"""Where values live on the device, and the kernels and products of a module.

Arrays are batch-major, (T, B, units), so that x, y and their gradients need no conversion:

* each state has T + 1 rows, the initial one first;
* the results of one input product are the columns of one array, and so are the adjoints; a gate
  takes the column of its pre-activation;
* a product of the loop is added to the input's by cuBLAS (beta = 1) where both have the same rows;
  else it has a small array of its own, which the block adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from lstmgen.expression import Add, Call, Expression, Neg, Value, add, transform, values
from lstmgen.normal_form import Definition
from lstmgen.schedule import Block, Fanout, Gather, Schedule, Stage
from lstmgen.targets.cupy.kernel import Kernel, Place, build
from lstmgen.targets.extents import columns as column_slice
from lstmgen.targets.extents import extent
from lstmgen.targets.ordering import best_order


@dataclass(frozen=True, slots=True)
class WeightBlock:
    """A block of columns of a weight, or its transpose or negative."""

    weight: str
    slot: int
    transposed: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class StackedWeights:
    """Sums of blocks of weights, one below the other."""

    name: str
    sums: tuple[tuple[WeightBlock, ...], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """out = operand · weights^T, or with `back` operand · weights; added to out if `accumulate`."""

    weights: StackedWeights
    operand: Place
    out: Place
    accumulate: bool
    back: bool
    labels: tuple[str, ...]
    columns: tuple[str, ...] = ()  # of a back product: the adjoints that it multiplies


CupyStage = Product | Kernel


@dataclass(frozen=True, slots=True)
class Array:
    """An array of the module: `rows` is "T + 1", "T" or "" (one step), `width` its units."""

    name: str
    rows: str
    width: str


class Plan:
    """The whole module."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.form = schedule.form
        self.arrays: dict[str, Array] = {}
        self._kernels = 0
        self._producer: dict[str, tuple[Fanout, str]] = {
            row.result: (stage, part)
            for part in ("before", "loop", "after")
            for stage in getattr(schedule.forward, part)
            if isinstance(stage, Fanout)
            for row in stage.rows
        }
        self._user = {
            v.name: d
            for s in schedule.forward.stages
            if isinstance(s, Block)
            for d in s.assignments
            for v in values(d.value)
            if v.name in self._producer
        }
        self._names = self._product_names()
        self._store_values()
        self._order_adjoints()
        self.forward_before = self._forward(schedule.forward.before)
        self.forward_loop = self._forward(schedule.forward.loop)
        self.forward_after = self._forward(schedule.forward.after)
        self.backward_before = self._backward(schedule.backward.before, "T")
        self.backward_loop = self._backward(schedule.backward.loop, "")
        self.backward_after = self._backward(schedule.backward.after, "T")

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """All kernels, in the order in which they first run."""
        parts = (
            *self.forward_before,
            *self.forward_loop,
            *self.forward_after,
            *self.backward_before,
            *self.backward_loop,
            *self.backward_after,
            *self.extra_kernels,
        )
        return tuple(stage for stage in parts if isinstance(stage, Kernel))

    # Forward: where values are

    def _product_names(self) -> dict[Fanout, str]:
        named: dict[Fanout, str] = {}
        for stage in self.schedule.forward.stages:
            if isinstance(stage, Fanout):
                name = stage.operand.name + ("_prev" if stage.operand.shift < 0 else "")
                while name in named.values():
                    name += "_"
                named[stage] = name
        return named

    def _store_values(self) -> None:
        """Give each value that outlives its kernel a column of a product's array, or an array."""
        self.places: dict[str, Place] = {}
        sizes = self.schedule.sizes
        for state in self.form.states:
            self.arrays[f"state {state}"] = Array(state, "T + 1", sizes[state])
        for stage, name in self._names.items():
            whole = self._producer[stage.rows[0].result][1] != "loop"
            if whole or not self._accumulates(stage):
                widths = tuple(sizes[row.result] for row in stage.rows)
                self.arrays[f"product {name}"] = Array(
                    f"{'a' if whole else 'p'}_{name}", "T" if whole else "", extent(widths)
                )
        for d in self.form.definitions:
            if d.name in self.form.states or d.name not in self._outliving:
                continue
            # Operands of products and the output are matrices of their own.
            column = None if d.name in self._matrices else self._column_of(d)
            if column is not None:
                self.places[d.name] = self._result_place(column)
            else:
                rows = "T" if d.name in self._lasting else ""
                self.arrays[f"value {d.name}"] = Array(f"v_{d.name}", rows, sizes[d.name])

    @cached_property
    def _outliving(self) -> set[str]:
        """Values that something outside of their own kernel reads."""
        found = {*self.schedule.kept, self.form.output}
        found |= {p.operand.name for d in self.form.definitions for p in d.products}
        for stage in self.schedule.forward.stages:
            if isinstance(stage, Block):
                made = {d.name for d in stage.assignments}
                read = {v.name for d in stage.assignments for v in values(d.value)}
                found |= read - made
        return found & {*self.form.by_name}

    @cached_property
    def _matrices(self) -> set[str]:
        operands = {p.operand.name for d in self.form.definitions for p in d.products}
        return operands | {self.form.output}

    @cached_property
    def _lasting(self) -> set[str]:
        """Values whose history is needed: kept, or computed or read outside of the loop."""
        blocks = [s for s in self.schedule.forward.loop if isinstance(s, Block)]
        loop = {d.name for b in blocks for d in b.assignments}
        found = ({*self.form.by_name} - loop) | {*self.schedule.kept, self.form.output}
        for d in self.form.definitions:
            if d.name not in loop:
                found |= {v.name for v in values(d.value)} | {p.operand.name for p in d.products}
        return found

    def _column_of(self, d: Definition) -> str | None:
        """The result of an input product whose column a value can take: nothing reads it later."""
        if d.products:
            for name in self._results(d):
                if self._producer[name][1] != "loop":
                    return name
        if isinstance(d.value, Call) and len(d.value.arguments) == 1:
            argument = d.value.arguments[0]
            if isinstance(argument, Value) and not argument.shift and argument.name in (
                self.form.by_name
            ):
                inner = self.form.by_name[argument.name]
                # The pre-activation's own block must be this one's: its column is free then.
                if argument.name not in self._outliving:
                    return self._column_of(inner) if inner.products else None
        return None

    def _results(self, d: Definition) -> list[str]:
        return [name for name, user in self._user.items() if user.name == d.name]

    def _row(self, result: str) -> tuple[Fanout, int]:
        stage = self._producer[result][0]
        return stage, [row.result for row in stage.rows].index(result)

    def _result_place(self, result: str) -> Place:
        stage, k = self._row(result)
        widths = tuple(self.schedule.sizes[row.result] for row in stage.rows)
        return Place(
            f"product {self._names[stage]}", 0, extent(widths), extent(widths[:k])
        )

    def _accumulates(self, stage: Fanout) -> Fanout | None:
        """The input product with the same users as this product of the loop, if there is one."""
        if self._producer[stage.rows[0].result][1] != "loop":
            return None
        users = [self._user[row.result].name for row in stage.rows]
        for other in self.schedule.forward.before:
            if isinstance(other, Fanout) and other is not stage:
                theirs = [self._user[row.result].name for row in other.rows]
                if sorted(theirs) == sorted(users) and len(set(users)) == len(users):
                    return other
        return None

    def place(self, value: Value) -> Place:
        """Where a value of the forward pass lives."""
        name = value.name
        size = self.schedule.sizes[name]
        if name in self.form.states:
            return Place(f"state {name}", 1 + value.shift, size)
        if name in self.form.inputs:
            return Place(f"input {name}", 0, size)
        if name in self._producer:
            return self._result_place(name)
        if name in self.places:
            return self.places[name]
        return Place(f"value {name}", 0, size)

    def parameter(self, name: str) -> Place:
        """Where an element-wise parameter lives."""
        if name in self.form.scalars:
            return Place(f"parameter {name}", 0, "1", "1")
        return Place(f"parameter {name}", 0, "")

    # Forward: stages

    def _forward(self, stages: tuple[Stage, ...]) -> tuple[CupyStage, ...]:
        found: list[CupyStage] = []
        for stage in stages:
            if isinstance(stage, Fanout):
                found.append(self._fanout(stage))
            elif isinstance(stage, Block):
                found.append(self._forward_kernel(stage))
        return tuple(found)

    def _fanout(self, stage: Fanout) -> Product:
        into = self._accumulates(stage)
        rows = list(stage.rows)
        signs = [False] * len(rows)
        if into is not None:
            # The rows in the order of the array that they are added to, with its sign.
            order = [self._user[row.result].name for row in into.rows]
            rows.sort(key=lambda row: order.index(self._user[row.result].name))
            theirs = [self._negative(row.result) for row in into.rows]
            signs = [
                self._negative(row.result) is not their
                for row, their in zip(rows, theirs, strict=True)
            ]
        labels = tuple(dict.fromkeys(row.label for row in stage.rows))
        weights = StackedWeights(
            f"w_{self._names[stage]}",
            tuple(
                (WeightBlock(row.weight, row.slot, row.transposed, negative),)
                for row, negative in zip(rows, signs, strict=True)
            ),
            labels,
        )
        out = self._result_place((into or stage).rows[0].result)
        return Product(
            weights, self.place(stage.operand), out, into is not None, False, labels
        )

    def _negative(self, result: str) -> bool:
        d = self._user[result]
        block_value = self._assignment(d.name).value
        terms = block_value.terms if isinstance(block_value, Add) else (block_value,)
        return Neg(Value(result)) in terms

    def _assignment(self, name: str) -> Definition:
        return next(
            d
            for s in self.schedule.forward.stages
            if isinstance(s, Block)
            for d in s.assignments
            if d.name == name
        )

    def _forward_kernel(self, stage: Block) -> Kernel:
        """A block; what cuBLAS has added to an input product is there already."""
        assignments = [
            Definition(d.label, d.name, _without(d.value, self._added(d)))
            for d in stage.assignments
        ]

        def stores(name: str) -> Iterable[Place]:
            return [self.place(Value(name))] if self._is_stored(name) else []

        return self._kernel("forward", stage.size, assignments, self.place, stores)

    def _is_stored(self, name: str) -> bool:
        return name in self.form.states or name in self._outliving

    def _added(self, d: Definition) -> set[str]:
        return {
            v.name
            for v in values(d.value)
            if v.name in self._producer and self._accumulates(self._producer[v.name][0])
        }

    def _kernel(
        self,
        prefix: str,
        size: str,
        assignments: list[Definition],
        where: Callable[[Value], Place],
        stores: Callable[[str], Iterable[Place]],
    ) -> Kernel:
        self._kernels += 1
        name = f"{prefix}_{self._kernels}"
        return build(
            name,
            size,
            assignments,
            where,
            self.parameter,
            stores,
            self.title,
            self.rank,
        )

    def rank(self, array: str) -> int:
        """0 for arrays that a tape or workspace has for each step, 1 for those that a call brings
        for each step, 2 for those without an axis of steps."""
        kind = array.split()[0]
        if kind in ("input", "seed", "whole", "again", "summand"):
            return 1
        return 0 if array in self.arrays and self.arrays[array].rows else 2

    def title(self, array: str, shift: int) -> str:
        """What a kernel or a loop calls an array."""
        kind, _, name = array.partition(" ")
        if kind == "state":
            return name if shift else f"{name}_prev"
        if kind == "seed":
            return self.schedule.seed
        return self.arrays[array].name if array in self.arrays else name or kind

    # Backward: where adjoints are

    def _order_adjoints(self) -> None:
        sizes = self.schedule.sizes
        gathers = [
            {c.operand for c in s.columns}
            for s in (*self.schedule.backward.loop, *self.schedule.backward.after)
            if isinstance(s, Gather)
        ]
        groups = gathers + [{r.adjoint for r in w.rows} for w in self.schedule.weight_gradients]

        def cost(order: tuple[str, ...]) -> int:
            return sum(len(_runs(order, group)) for group in groups)

        self.adjoints = best_order(tuple(reversed(self.schedule.kept_adjoints)), cost)
        self.widths = tuple(sizes[a] for a in self.adjoints)
        self.arrays["adjoint"] = Array("d", "T", extent(self.widths))
        for state in self.form.states:
            self.arrays[f"carry {state}"] = Array(f"carry_{state}", "", sizes[state])
        # A product over some of the adjoints reads them from a compact copy.
        self.compact: dict[str, tuple[str, ...]] = {}
        made_in_loop = {
            d.name
            for s in self.schedule.backward.loop
            if isinstance(s, Block)
            for d in s.assignments
        }
        for stage in self.schedule.backward.loop:
            if isinstance(stage, Gather):
                if {c.operand for c in stage.columns} != {*self.adjoints}:
                    operands = tuple(dict.fromkeys(c.operand for c in stage.columns))
                    self.compact[stage.result] = operands
                    # An adjoint that is known before the loop is copied for all steps.
                    rows = "" if {*operands} <= made_in_loop else "T"
                    self.arrays[f"compact {stage.result}"] = Array(
                        f"g_{stage.result}", rows, extent([sizes[n] for n in operands])
                    )
                if stage.result not in self._carried:
                    self.arrays[f"gathered {stage.result}"] = Array(
                        stage.result, "", sizes[stage.result]
                    )
        self._same: dict[str, str] = {}  # a product's result that is an assignment's value as it is
        for stage in self.schedule.backward.after:
            if isinstance(stage, Block):
                for d in stage.assignments:
                    if isinstance(d.value, Value) and not {d.name, d.value.name} & {*self.adjoints}:
                        self._same[d.value.name] = d.name
        self._loop_values = self._crossing(self.schedule.backward.loop)
        for name in self._loop_values:
            self.arrays[f"within {name}"] = Array(f"s_{name}", "", sizes[name])
        for stages in (self.schedule.backward.before, self.schedule.backward.after):
            for stage in stages:
                names = (
                    [stage.result]
                    if isinstance(stage, Gather)
                    else [d.name for d in stage.assignments]
                    if isinstance(stage, Block)
                    else []
                )
                for name in names:
                    if name not in self.adjoints and name not in self._same:
                        self.arrays[f"whole {name}"] = Array(name, "T", sizes[name])

    @cached_property
    def _carried(self) -> dict[str, str]:
        """The names of what reaches a state's adjoint from the step after, and the state."""
        return {n: s for s, pair in self.schedule.carried.items() for n in pair if n is not None}

    def _crossing(self, stages: tuple[Stage, ...]) -> tuple[str, ...]:
        """Adjoints that a later kernel of the same step reads and no history keeps."""
        blocks = [s for s in stages if isinstance(s, Block)]
        made = {d.name: k for k, b in enumerate(blocks) for d in b.assignments}
        found = {
            v.name
            for k, b in enumerate(blocks)
            for d in b.assignments
            for v in values(d.value)
            if made.get(v.name, k) != k
        }
        gathered = {c.operand for s in stages if isinstance(s, Gather) for c in s.columns}
        names = (found | (gathered & {*made})) - {*self.adjoints} - {*self._carried}
        return tuple(sorted(names))

    def _where_backward(self, value: Value) -> Place:
        name = self._same.get(value.name, value.name)
        size = self.schedule.sizes[name]
        if name == self.schedule.seed:
            return Place("seed", 0, size)
        if name in self._carried:
            return Place(f"carry {self._carried[name]}", 0, size)
        if name in self.adjoints:
            k = self.adjoints.index(name)
            return Place("adjoint", 0, extent(self.widths), extent(self.widths[:k]))
        for kind in ("gathered", "within", "whole"):
            if f"{kind} {name}" in self.arrays:
                return Place(f"{kind} {name}", 0, size)
        return self.place(value)

    # Backward: stages

    def _backward(self, stages: tuple[Stage, ...], rows: str) -> tuple[CupyStage, ...]:
        found: list[CupyStage] = []
        for stage in stages:
            if isinstance(stage, Gather):
                found.append(self._gather(stage, rows))
            elif isinstance(stage, Block):
                same = {*self._same.values()}
                chosen = tuple(d for d in stage.assignments if d.name not in same)
                if chosen:
                    found.append(self._backward_kernel(replace(stage, assignments=chosen)))
        return tuple(found)

    def _gather(self, stage: Gather, rows: str) -> Product:
        operands = self._gathered_operands(stage)
        weights = StackedWeights(
            f"w_{stage.result}",
            tuple(
                tuple(
                    WeightBlock(c.weight, c.slot, not c.transposed, c.negative)
                    for c in stage.columns
                    if c.operand == operand
                )
                for operand in operands
            ),
            (stage.label,),
        )
        if stage.result in self.compact and not rows:
            operand = Place(f"compact {stage.result}", 0, "")
        else:
            operand = Place("adjoint", 0, "")
        accumulate = False
        if stage.result in self._carried:
            elementwise, _ = self.schedule.carried[self._carried[stage.result]]
            accumulate = elementwise is not None
        return Product(
            weights,
            operand,
            self._where_backward(Value(stage.result)),
            accumulate,
            True,
            (stage.label,),
            operands,
        )

    def _gathered_operands(self, stage: Gather) -> tuple[str, ...]:
        """The adjoints that a gather multiplies, in the order in which they lie."""
        operands = tuple(dict.fromkeys(c.operand for c in stage.columns))
        if stage.result in self.compact:
            return operands
        return tuple(sorted(operands, key=self.adjoints.index))

    def _backward_kernel(self, stage: Block) -> Kernel:
        both = {
            names[1]: names[0]
            for names in self.schedule.carried.values()
            if names[0] is not None and names[1] is not None
        }
        assignments = [
            Definition(d.label, d.name, self.plain(_without(d.value, {n for n in both if n})))
            for d in stage.assignments
        ]
        return self._kernel(
            "backward", stage.size, assignments, self._where_backward, self._stores_backward
        )

    def _stores_backward(self, name: str) -> Iterable[Place]:
        sizes = self.schedule.sizes
        if name in self._carried:
            yield Place(f"carry {self._carried[name]}", 0, sizes[name])
            return
        if name in self.adjoints or any(f"{k} {name}" in self.arrays for k in ("within", "whole")):
            yield self._where_backward(Value(name))
        for result, operands in self.compact.items():
            if name in operands:
                widths = [sizes[operand] for operand in operands]
                offset = extent(widths[: operands.index(name)])
                yield Place(f"compact {result}", 0, extent(widths), offset)

    def plain(self, expression: Expression) -> Expression:
        """The expression with what is evaluated again written out."""
        again = {d.name: d for d in self.schedule.recomputed}

        def change(node: Expression) -> Expression:
            if isinstance(node, Value) and node.name in again:
                return self.plain(again[node.name].value)
            return node

        return transform(expression, change)

    # Kernels for parameters' gradients

    @cached_property
    def extra_kernels(self) -> tuple[Kernel, ...]:
        """Kernels for operands that are evaluated again, and for summands of reductions."""
        return (*self.again_kernels.values(), *self.summand_kernels.values())

    @cached_property
    def again_kernels(self) -> dict[str, Kernel]:
        """Kernels that evaluate operands of weights again, for all steps."""
        again = {d.name: d for d in self.schedule.recomputed}
        found = {}
        for gradient in self.schedule.weight_gradients:
            name = gradient.operand.name
            if name in again and name not in found:
                found[name] = self._single(name, again[name], f"again {name}")
        return found

    @cached_property
    def summand_kernels(self) -> dict[int, Kernel]:
        """Kernels for reductions of more than a plain adjoint, by their position."""
        found = {}
        for k, reduction in enumerate(self.schedule.reductions):
            if not isinstance(reduction.value, Value):
                d = Definition(reduction.label, "summand", reduction.value)
                found[k] = self._single("summand", d, "summand", reduction.size)
        return found

    def _single(self, name: str, d: Definition, array: str, size: str = "") -> Kernel:
        size = size or self.schedule.sizes[name]
        assignment = Definition(d.label, d.name, self.plain(d.value))
        return self._kernel(
            "backward", size, [assignment], self._where_backward, lambda _: [Place(array, 0, size)]
        )

    def adjoint_runs(self, names: tuple[str, ...]) -> list[str]:
        """The slices of columns of the adjoints' array that hold some of them."""
        runs = _runs(self.adjoints, set(names))
        return [column_slice(self.widths, run[0], len(run)) for run in runs]


def _runs(order: tuple[str, ...], group: set[str]) -> list[list[int]]:
    """The runs of neighbouring positions that the members of a group take."""
    found: list[list[int]] = []
    for k, name in enumerate(order):
        if name in group:
            if found and found[-1][-1] == k - 1:
                found[-1].append(k)
            else:
                found.append([k])
    return found


def _without(expression: Expression, dropped: set[str]) -> Expression:
    """A sum without the terms that are plain values of these names."""
    terms = expression.terms if isinstance(expression, Add) else (expression,)
    kept = []
    for term in terms:
        inner = term.argument if isinstance(term, Neg) else term
        if not (isinstance(inner, Value) and inner.name in dropped):
            kept.append(term)
    return add(*kept)

