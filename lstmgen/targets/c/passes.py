"""The statements of a program as C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lstmgen.algebra.expression import (
    Call,
    Expression,
    Number,
    Parameter,
    Value,
    children,
    rebuild,
)
from lstmgen.form.normal_form import Definition
from lstmgen.targets.c.expressions import Vectors
from lstmgen.targets.c.naming import Naming, padded, padded_sum, vectors_in
from lstmgen.targets.c.program import Keep, Pass, Place, Product, Program, Statement, Totals
from lstmgen.targets.common.interface import Identifiers
from lstmgen.targets.common.lines import Line

__all__ = ["PassWriter"]


class PassWriter:
    """Writes the statements of one pass; `stepwise` is within a loop over steps."""

    def __init__(self, program: Program, naming: Naming, *, backward: bool) -> None:
        self._program = program
        self._naming = naming
        self._backward = backward

    def statements(self, statements: Sequence[Statement], *, stepwise: bool) -> Iterator[str]:
        """Their lines."""
        for statement in statements:
            if isinstance(statement, Product):
                yield from self._product(statement, stepwise)
            else:
                yield from self._pass(statement, stepwise)

    # Places

    def at(self, value: Value, stepwise: bool) -> str:
        """Where the first row of a value is."""
        return self._where(self._program.places[value.name], value.shift, stepwise)

    def _where(self, place: Place, shift: int, stepwise: bool) -> str:
        array = place.array
        row = padded_sum(array.sizes)
        name = self._naming.member(array.name)
        if array.keep is Keep.STATE and shift < 0:
            name = self._naming.before(array.name)
        text = f"m->{name}"
        later = array.keep is Keep.STATE and shift == 0
        if array.keep not in (Keep.STEP, Keep.CARRY) and stepwise:
            text += f" + {'(t + 1)' if later else 't'} * n * {row}"
        elif later:
            text += f" + n * {row}"
        if place.member:
            text += f" + {padded_sum(array.sizes[: place.member], inside=True)}"
        return text

    # Products

    def _product(self, product: Product, stepwise: bool) -> Iterator[str]:
        rows = "n" if stepwise else "rows"
        sizes = product.out.sizes[product.first : product.first + product.count]
        out = self._where(Place(product.out, product.first), 0, stepwise)
        few = "if (m->packed && n < TOGETHER) " if product.early else ""
        yield f"{few}{{  // {Line('', product.labels).comment}"
        yield "    const segment parts[] = {"
        for matrix, operand in (*product.terms, *product.ahead):
            place = self._program.places[operand.name]
            panels, x = self._naming.member(matrix.name), self.at(operand, stepwise)
            row = padded_sum(place.array.sizes, inside=True)
            terms = self._naming.size(matrix.terms)
            blocks = f"m->blocks_{panels}, {len(matrix.factors)}"
            yield f"        {{m->{panels}, {x}, {terms}, {row}, {blocks}}},"
        yield "    };"
        count, add = str(len(product.terms)), str(int(product.add))
        if product.ahead:  # there already where rows are few
            add = "m->packed && n < TOGETHER"
            count = f"{add} ? {count} : {len(product.terms) + len(product.ahead)}"
        yield (
            f"    product({vectors_in(sizes)}, {rows}, parts, {count}, "
            f"{out}, {padded_sum(product.out.sizes, inside=True)}, {add});"
        )
        yield "}"

    # Element-wise passes

    def _pass(self, made: Pass, stepwise: bool) -> Iterator[str]:
        block = _Block(self._naming, self._program, self._backward)
        for d in made.assignments:
            block.assign(d, d.name in made.stored)
        yield from self._loop(block, made.size, stepwise)

    def totals(self, totals: Totals) -> Iterator[str]:
        """Sums over the rows of a chunk."""
        block = _Block(self._naming, self._program, self._backward)
        for total in totals.totals:
            text = block.value(total.value)
            name = self._naming.member(total.name)
            block.lines.append(
                f"store(m->chunk_{name} + unit, load(m->chunk_{name} + unit) + {text});"
                f"  // ({total.label})"
            )
        yield from self._loop(block, totals.size, False)

    def _loop(self, block: _Block, size: str, stepwise: bool) -> Iterator[str]:
        rows = "n" if stepwise else "rows"
        width = padded(size)
        yield "{"
        pointers: dict[str, str] = {}
        for access in (*block.loads, *block.stores):
            kind = "" if access.store else "const "
            name = block.names(("to_" if access.store else "from_") + access.variable, "pointer")
            pointers[access.variable + str(access.store)] = name
            yield f"    {kind}real *const {name} = {self.at(access.value, stepwise)};"
        yield f"    for (int64_t row = 0; row < {rows}; row++)"
        yield f"        for (int64_t unit = 0; unit < {width}; unit += LANES) {{"
        margin = " " * 12
        for access in block.loads:
            name = pointers[access.variable + "False"]
            at = f"{name} + {self._index(access)}"
            yield f"{margin}const vec {access.variable} = load({at});"
        for name, text in block.given:
            yield f"{margin}const vec {name} = {text};"
        for line in block.lines:
            yield margin + line
        for access in block.stores:
            name = pointers[access.variable + "True"]
            yield f"{margin}store({name} + {self._index(access)}, {access.variable});"
        yield "        }"
        yield "}"

    def _index(self, access: _Access) -> str:
        return f"row * {padded_sum(self._program.places[access.value.name].array.sizes)} + unit"


@dataclass(frozen=True, slots=True)
class _Access:
    variable: str
    value: Value
    store: bool


@dataclass
class _Block:
    """The inner lines of a loop over rows and units."""

    naming: Naming
    program: Program
    backward: bool
    loads: list[_Access] = field(default_factory=list)
    stores: list[_Access] = field(default_factory=list)
    given: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = Identifiers(self.naming.reserved)
        self._local: dict[Value | Parameter, str] = {}
        self._calls: dict[Expression, str] = {}

    def assign(self, d: Definition, stored: bool) -> None:
        """A local variable for a definition, stored where it is read elsewhere."""
        value = d.value
        if isinstance(value, Call):  # it has a name already: the definition's
            value = Call(value.function, tuple(map(self._once, value.arguments)))
            new = value not in self._calls
            text = Vectors(self._leaf).text(value) if new else self._calls[value]
        else:
            new, text = False, self.value(value)
        variable = self.names(d.name, "assigned")
        if new:
            self._calls[value] = variable
        self.lines.append(f"const vec {variable} = {text};  // ({d.label})")
        self._local[Value(d.name)] = variable
        if stored:
            self.stores.append(_Access(variable, Value(d.name), True))

    def value(self, expression: Expression) -> str:
        """An expression in local variables; each call stands in one of its own."""
        return Vectors(self._leaf).text(self._once(expression))

    def _once(self, expression: Expression) -> Expression:
        """Calls become variables, so that none is computed twice."""
        parts = children(expression)
        if parts:
            changed = tuple(self._once(part) for part in parts)
            if changed != parts:
                expression = _rebuilt(expression, changed)
        if not isinstance(expression, Call):
            return expression
        if expression not in self._calls:
            text = Vectors(self._leaf).text(expression)
            name = self.names(expression.function, f"call {len(self._calls)}")
            self.lines.append(f"const vec {name} = {text};")
            self._calls[expression] = name
        return Parameter("call " + self._calls[expression])

    def _leaf(self, leaf: Value | Parameter) -> str:
        if isinstance(leaf, Parameter) and leaf.name.startswith("call "):
            return leaf.name.removeprefix("call ")
        if leaf not in self._local:
            self._local[leaf] = self._new(leaf)
        return self._local[leaf]

    def _new(self, leaf: Value | Parameter) -> str:
        if isinstance(leaf, Parameter):
            name = self.names(leaf.name, "parameter")
            member = self.naming.member(leaf.name, "parameter")
            scalar = leaf.name in self.naming.scalars
            self.given.append(
                (name, f"splat(*m->{member})" if scalar else f"load(m->{member} + unit)")
            )
            return name
        if self.backward and leaf.name in self.program.recomputed:
            d = self.program.recomputed[leaf.name]
            assert leaf.shift == 0, leaf
            text = self.value(d.value)
            name = self.names(leaf.name, "again")
            self.lines.append(f"const vec {name} = {text};  // ({d.label}) again")
            return name
        wanted = f"{leaf.name}_before" if leaf.shift else leaf.name
        carried = self.program.places[leaf.name].array.keep is Keep.CARRY
        name = self.names(wanted, "carried" if carried else f"loaded {leaf.shift}")
        self.loads.append(_Access(name, leaf, False))
        return name


def _rebuilt(expression: Expression, parts: tuple[Expression, ...]) -> Expression:
    """The same operation; a variable that stands for a call must not be simplified away."""
    made = rebuild(expression, parts)
    assert not isinstance(made, Number)
    return made
