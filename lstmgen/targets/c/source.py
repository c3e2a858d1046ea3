"""The C text of a module as its template prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

from lstmgen.algebra.expression import Call, Expression, Value, walk
from lstmgen.stages import Stages
from lstmgen.targets.c.expressions import definitions
from lstmgen.targets.c.naming import Naming, padded, padded_sum, vectors_in
from lstmgen.targets.c.passes import PassWriter
from lstmgen.targets.c.planning import plan
from lstmgen.targets.c.program import (
    Array,
    Keep,
    Matrix,
    OuterProduct,
    Pass,
    Product,
    Statement,
)
from lstmgen.targets.common.extents import extent
from lstmgen.targets.common.interface import Interface
from lstmgen.targets.common.lines import Line

__all__ = ["CSource"]


class CSource:
    """Everything that the template of the C text prints."""

    def __init__(self, cell: Stages, interface: Interface, recompute: bool, only: str) -> None:
        self.interface = interface
        self.form = form = cell.normal_form
        self.schedule = cell.schedule
        self.recompute = recompute
        self.only = only
        self.both = only == "all"  # whether there is a backward pass
        self.program = plan(cell.schedule)
        self.naming = Naming(form)
        self._forward = PassWriter(self.program, self.naming, backward=False)
        self._backward = PassWriter(self.program, self.naming, backward=True)
        self.functions = definitions(self._functions())

    def _functions(self) -> set[str]:
        program = self.program
        statements = (*program.forward.statements, *program.backward.statements, *program.again)
        found: list[Expression] = [
            d.value for s in statements if isinstance(s, Pass) for d in s.assignments
        ]
        found += [t.value for totals in program.totals for t in totals.totals]
        found += [d.value for d in program.recomputed.values()]
        return {n.function for e in found for n in walk(e) if isinstance(n, Call)}

    # Sizes

    @property
    def sizes(self) -> tuple[str, ...]:
        return self.interface.sizes

    def size(self, name: str) -> str:
        """The variable of a size."""
        return self.naming.size(name)

    @property
    def most_segments(self) -> int:
        counts = [len(p.terms) + len(p.ahead) for p in self._products()]
        return max(counts, default=1)

    def _products(self) -> Iterator[Product]:
        for s in (*self.program.forward.statements, *self.program.backward.statements):
            if isinstance(s, Product):
                yield s

    # Memory

    def matrices(self, which: str) -> list[Matrix]:
        """The packed matrices of a pass."""
        code = self.program.forward if which == "forward" else self.program.backward
        return [m for s in code.statements if isinstance(s, Product) for m, _ in s.terms]

    def member(self, array: Array | Matrix | OuterProduct) -> str:
        return self.naming.member(array.name)

    def row(self, array: Array) -> str:
        """Numbers in a row of an array."""
        return padded_sum(array.sizes, inside=True)

    def rows_of(self, matrix: Matrix | OuterProduct) -> str:
        return padded_sum(matrix.sizes, inside=True)

    def states(self) -> list[Array]:
        return [a for a in self.program.tape if a.keep is Keep.STATE]

    def kept(self) -> list[Array]:
        """The rest of the tape."""
        return [a for a in self.program.tape if a.keep is not Keep.STATE]

    def before(self, array: Array) -> str:
        return self.naming.before(array.name)

    def rows_kept(self, array: Array) -> str:
        """How many rows an array of a chunk has."""
        return {
            Keep.STEP: "m->B",
            Keep.CARRY: "m->B",
            Keep.STATE: "m->rows + m->B",
        }.get(array.keep, "m->rows")

    def vectors(self) -> dict[str, tuple[str, str]]:
        """The members of per-unit parameters, and their sizes."""
        return {
            p: (self.naming.member(p, "parameter"), size) for p, size in self.form.vectors.items()
        }

    def scalars(self) -> dict[str, str]:
        return {p: self.naming.member(p, "parameter") for p in self.form.scalars}

    @property
    def transposes_forward(self) -> bool:
        """Whether the forward pass multiplies by a transposed weight."""
        return any(f.transposed for matrix in self.matrices("forward") for f in matrix.factors)

    def packing(self, which: str) -> Iterator[str]:
        """What says where the blocks of the matrices of a pass are, and packs them."""
        for matrix in self.matrices(which):
            member = self.member(matrix)
            for k, (factor, size) in enumerate(zip(matrix.factors, matrix.sizes, strict=True)):
                weight, place = self.block(factor.weight, factor.slot)
                yield (
                    f"m->blocks_{member}[{k}] = (block){{p->{place}, {weight}, {self.size(size)}, "
                    f".transposed = {int(factor.transposed)}, "
                    f".sign = {-1 if factor.negative else 1}}};"
                )
            pack = (
                f"pack(m->{member}, m->blocks_{member}, {len(matrix.factors)}, "
                f"{self.size(matrix.terms)});"
            )
            if which == "forward":
                yield "if (m->packed)"
                yield f"    {pack}"
            else:
                yield pack

    def block(self, weight: str, slot: int) -> tuple[str, str]:
        """The columns of a weight, and where a block of them begins."""
        columns = [self.size(c) for c in self.form.weights[weight].columns]
        before = extent(columns[:slot]) if slot else ""
        name = self.parameter(weight)
        return extent(columns), f"{name} + {before}" if before else name

    def parameter(self, name: str) -> str:
        """The member of the public structs."""
        return self.naming.public(name)

    def count(self, parameter: str) -> str:
        """How many numbers a parameter has."""
        if parameter in self.form.weights:
            rows = self.size(self.form.weights[parameter].rows)
            return f"{rows} * ({self.block(parameter, 0)[0]})"
        return self.size(self.form.vectors[parameter]) if parameter in self.form.vectors else "1"

    @property
    def unpacked_ways(self) -> frozenset[bool]:
        """Whether gradients are of blocks as they are (False), of transposed ones, or of both."""
        return frozenset(block.transposed for o in self.program.outers for block in o.blocks)

    def unpacking(self) -> Iterator[str]:
        for o in self.program.outers:
            vectors = vectors_in(o.sizes)
            for outer in o.blocks:
                k = o.adjoints.index(outer.adjoint)
                first = vectors_in(o.sizes[:k])
                weight, place = self.block(outer.weight, outer.slot)
                yield (
                    f"unpack(m->{self.member(o)}, {vectors}, {first}, dparams->{place}, {weight}, "
                    f"{self.size(o.sizes[k])}, {self.size(o.terms)}, {int(outer.transposed)}, "
                    f"{-1 if outer.negative else 1});  // ({outer.label})"
                )

    # Code

    def lines(self, which: str, part: str) -> list[str]:
        """The statements of a part."""
        code = self.program.forward if which == "forward" else self.program.backward
        writer = self._forward if which == "forward" else self._backward
        statements: Sequence[Statement] = getattr(code, part)
        return list(writer.statements(statements, stepwise=part == "loop"))

    def gradient_lines(self) -> Iterator[str]:
        """What a chunk adds to the gradients of the parameters."""
        yield from self._backward.statements(self.program.again, stepwise=False)
        packed: tuple[str, ...] | None = None
        for o in self.program.outers:
            vectors = vectors_in(o.sizes)
            labels = Line("", tuple(dict.fromkeys(b.label for b in o.blocks))).comment
            yield f"// {labels}"
            if o.adjoints != packed:
                packed = o.adjoints
                for k, (name, size) in enumerate(zip(o.adjoints, o.sizes, strict=True)):
                    first = vectors_in(o.sizes[:k])
                    yield (
                        f"pack_rows(m->adjoint_panels, {vectors}, {first}, "
                        f"{self._backward.at(Value(name), False)}, {padded(size)}, rows);"
                    )
            operand = self.program.places[o.operand.name].array
            yield (
                f"turn(m->operand_turned, {self._backward.at(o.operand, False)}, "
                f"{self.row(operand)}, {self.size(o.terms)}, rows);"
            )
            yield (
                f"outer(m->{self.member(o)}, m->adjoint_panels, {vectors}, m->operand_turned, "
                f"{self.size(o.terms)}, rows);"
            )
        for totals in self.program.totals:
            for total in totals.totals:
                yield f"zero(m->chunk_{self.naming.member(total.name)}, {padded(totals.size)});"
            yield from self._backward.totals(totals)
            for total in totals.totals:
                name = self.naming.member(total.name)
                yield f"add(m->{name}, m->chunk_{name}, {padded(totals.size)});"

    def total_lines(self) -> Iterator[str]:
        """The sums go to the gradients."""
        for totals in self.program.totals:
            for total in totals.totals:
                name = self.naming.member(total.name)
                to = f"dparams->{self.parameter(total.parameter)}"
                index = "0" if total.scalar else "unit"
                size = self.size(totals.size)
                yield f"for (int64_t unit = 0; unit < {size}; unit++)  // ({total.label})"
                yield f"    {to}[{index}] += m->{name}[unit];"

    def totals(self) -> list[tuple[str, str]]:
        return [
            (self.naming.member(t.name), padded(totals.size))
            for totals in self.program.totals
            for t in totals.totals
        ]

    def operand_sizes(self) -> list[str]:
        return list(dict.fromkeys(padded(o.terms) for o in self.program.outers))

    def adjoint_sizes(self) -> list[str]:
        return list(dict.fromkeys(padded_sum(o.sizes, inside=True) for o in self.program.outers))

    def largest(self, sizes: Sequence[str]) -> str:
        """The largest of some sizes, 0 of none."""
        return reduce(lambda a, b: f"most({a}, {b})", sizes) if sizes else "0"

    # Ends

    @property
    def output(self) -> tuple[str, str]:
        """Where the output of a chunk is, and its size."""
        size = self.form.sizes[self.form.output]
        return self._forward.at(Value(self.form.output), False), size

    @property
    def seed(self) -> tuple[str, str]:
        return (
            self.naming.member(self.schedule.seed),
            self.form.sizes[self.form.output],
        )

    def input_gradients(self) -> list[tuple[str, str, str, bool]]:
        """For each input: its name, where the gradient is, its size, whether it is a scalar."""
        found = []
        for g in self.schedule.gradients.inputs:
            at = self._backward.at(Value(g.name), False)
            scalar = g.of in self.form.scalar_inputs
            found.append((g.of, at, self.form.sizes[g.of], scalar))
        return found

    def carries(self) -> list[tuple[str, str, list[str]]]:
        """For each state: its name, its size, what hands its gradient on."""
        return [
            (
                s,
                self.form.sizes[s],
                [self.naming.member(n) for n in self.schedule.carried[s] if n is not None],
            )
            for s in self.form.states
        ]
