"""A fused kernel: the element-wise assignments of one block, with what it loads and stores.

A cell's names never stand alone in the text, for whatever they are, CUDA or a header may have a
macro of that name: NAN, or linux.  A vector is NAME_t, or NAME_prev where it is the last step's, a
parameter NAME_p, a pointer p_NAME, and a size of more than a letter NAME_size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lstmgen.algebra.expression import Call, Expression, Parameter, Pow, Value, transform, walk
from lstmgen.form.normal_form import Definition
from lstmgen.targets.common.interface import Identifiers
from lstmgen.targets.common.lines import Line
from lstmgen.targets.cupy.arrays import Held, Kind, Place
from lstmgen.targets.cupy.expressions import Cuda

_WIDTH = 84  # of a statement and its label


@dataclass(frozen=True, slots=True)
class Argument:
    """A pointer that a kernel takes: its name there, and the array that it points to."""

    name: str
    array: Held
    shift: int
    written: bool


@dataclass(frozen=True, slots=True)
class Access:
    """A load or store of a variable: all units of what it stands for, through an argument."""

    variable: str
    argument: str
    place: Place
    of: Value | Parameter

    @property
    def address(self) -> str:
        """The address of the thread's first unit."""
        parts = [self.argument]
        if self.place.stride:
            stride = in_c(self.place.stride)
            parts.append(f"row * ({stride})" if " " in stride else f"row * {stride}")
        if self.place.offset != "0":
            parts.append(in_c(self.place.offset))
        return " + ".join([*parts, "j"])


@dataclass(frozen=True, slots=True)
class Statement:
    """A line of the kernel's inner loop."""

    code: str
    label: str

    @property
    def lines(self) -> str:
        """The code; a long sum has a line for each term, a long product for its last factor."""
        if len(self.code) + len(self.label) <= _WIDTH:
            return self.code
        breaks: dict[str, list[int]] = {"+": [], "*": []}
        depth = 0
        for at, character in enumerate(self.code):
            depth += (character in "([") - (character in ")]")
            operator = self.code[at : at + 3]
            if depth == 0 and operator in (" + ", " - ", " * ", " / "):
                breaks["+" if operator[1] in "+-" else "*"].append(at)
        found = self.code
        for at in reversed(breaks["+"] or breaks["*"][-1:]):
            found = f"{found[:at]}\n          {found[at + 1 :]}"
        return found


@dataclass(frozen=True)
class Kernel:
    """One kernel: loads once per thread, loads per row, statements, stores.

    `assignments` are what the statements say.
    """

    name: str
    size: str
    sizes: tuple[str, ...]
    arguments: tuple[Argument, ...]
    scalars: tuple[tuple[str, str], ...]  # variable, argument
    vectors: tuple[Access, ...]
    loads: tuple[Access, ...]
    statements: tuple[Statement, ...]
    stores: tuple[Access, ...]
    functions: tuple[str, ...]
    assignments: tuple[Definition, ...] = ()
    labels: tuple[str, ...] = field(default=())

    @property
    def parameters(self) -> str:
        """The parameter list of the kernel."""
        pointers = [
            f"{'' if a.written else 'const '}real* __restrict__ {a.name}" for a in self.arguments
        ]
        return filled([*pointers, "int rows", *(f"int {in_c(s)}" for s in self.sizes)])

    @property
    def units(self) -> str:
        """How many units a row has."""
        return in_c(self.size)

    @property
    def comment(self) -> str:
        """The equations that it computes."""
        return Line("", self.labels).comment

    @property
    def outputs(self) -> tuple[str, ...]:
        """The variables that are stored."""
        return tuple(dict.fromkeys(access.variable for access in self.stores))

    @property
    def passed(self) -> str:
        """The same list as passed on."""
        return filled([*(a.name for a in self.arguments), "rows", *map(in_c, self.sizes)])


def in_c(sizes: str) -> str:
    """An expression in sizes as the text of kernels has it."""
    words = sizes.split(" ")
    return " ".join(w if len(w) == 1 or not w[0].isalpha() else f"{w}_size" for w in words)


def filled(items: Sequence[str]) -> str:
    """The items with commas, on lines of their own if they do not fit one."""
    whole = ", ".join(items)
    if len(whole) <= _WIDTH // 2:
        return whole
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) + 2 > _WIDTH:
            lines.append("")
        lines[-1] += item + ", "
    return "\n    " + "\n    ".join(line.rstrip() for line in lines).rstrip(",")


def build(
    name: str,
    size: str,
    assignments: Sequence[Definition],
    where: Callable[[Value], Place],
    parameter: Callable[[str], Place],
    stores: Callable[[str], Iterable[Place]],
    pointer: Callable[[Held, int], str],
    rank: Callable[[Held], int],
) -> Kernel:
    """The kernel for some assignments.

    `where` tells where a value that is not assigned here lives, and `parameter` where an
    element-wise parameter does; `stores` tells where an assigned value is wanted, `pointer` names
    an array's argument.  Arguments come in the order of their arrays' `rank`.
    """
    return _Builder(name, size, where, parameter, stores, pointer, rank).build(assignments)


class _Builder:
    def __init__(
        self,
        name: str,
        size: str,
        where: Callable[[Value], Place],
        parameter: Callable[[str], Place],
        stores: Callable[[str], Iterable[Place]],
        pointer: Callable[[Held, int], str],
        rank: Callable[[Held], int],
    ) -> None:
        self._name, self._size = name, size
        self._where, self._parameter, self._stores = where, parameter, stores
        self._pointer, self._rank = pointer, rank
        self._identifiers = Identifiers(frozenset())
        self._arguments: dict[tuple[Held, int], str] = {}
        self._written: set[tuple[Held, int]] = set()
        self._variables: dict[Value | Parameter, str] = {}
        self._calls: dict[Expression, str] = {}
        self._loads: list[Access] = []
        self._vectors: list[Access] = []
        self._scalars: list[tuple[str, str]] = []
        self._made: dict[str, str] = {}
        self._statements: list[Statement] = []
        self._sizes: set[str] = {size}

    def build(self, assignments: Sequence[Definition]) -> Kernel:
        functions = tuple(
            sorted({n.function for d in assignments for n in walk(d.value) if isinstance(n, Call)})
        )
        cuda = Cuda(self._leaf)
        repeated = _repeated_calls(d.value for d in assignments)
        for d in assignments:
            self._name_calls(d, repeated, cuda)
            value = transform(d.value, self._with_named_calls)
            code = cuda.text(value)
            # What reaches a state's adjoint at t-1 is made from what came from t+1.
            carried = any(p.array.kind is Kind.CARRY for p in self._stores(d.name))
            variable = self._identifiers(d.name + ("_prev" if carried else "_t"), "made")
            self._made[d.name] = variable
            self._statements.append(Statement(f"const real {variable} = {code};", d.label))
        stores = []
        for d in assignments:
            for place in self._stores(d.name):
                argument = self._argument(place, True)
                stores.append(Access(self._made[d.name], argument, place, Value(d.name)))
                self._note_sizes(place)
        return Kernel(
            name=self._name,
            size=self._size,
            sizes=tuple(sorted(self._sizes)),
            arguments=tuple(
                Argument(name, array, shift, (array, shift) in self._written)
                for (array, shift), name in sorted(
                    self._arguments.items(), key=lambda item: self._rank(item[0][0])
                )
            ),
            scalars=tuple(self._scalars),
            vectors=tuple(self._vectors),
            loads=tuple(self._loads),
            statements=tuple(self._statements),
            stores=tuple(stores),
            functions=functions,
            assignments=tuple(assignments),
            labels=tuple(dict.fromkeys(d.label for d in assignments)),
        )

    def _name_calls(self, d: Definition, repeated: set[Expression], cuda: Cuda) -> None:
        for node in reversed(list(walk(d.value))):
            if node in repeated and node not in self._calls:
                assert isinstance(node, Call)
                inner = node.arguments[0]
                about = _variable(inner) if isinstance(inner, (Value, Parameter)) else "value"
                variable = self._identifiers(f"{node.function}_of_{about}", f"call {node}")
                below = transform_below(node, self._with_named_calls)
                code = cuda.text(below)
                self._statements.append(Statement(f"const real {variable} = {code};", d.label))
                # Expressions are rewritten from their leaves on: it is found with those renamed.
                self._calls[node] = self._calls[below] = variable

    def _with_named_calls(self, node: Expression) -> Expression:
        return Parameter(f"={self._calls[node]}") if node in self._calls else node

    def _leaf(self, node: Value | Parameter) -> str:
        if isinstance(node, Parameter) and node.name.startswith("="):
            return node.name[1:]
        if isinstance(node, Value) and node.shift == 0 and node.name in self._made:
            return self._made[node.name]
        if node not in self._variables:
            self._variables[node] = self._load(node)
        return self._variables[node]

    def _load(self, node: Value | Parameter) -> str:
        place = self._where(node) if isinstance(node, Value) else self._parameter(node.name)
        self._note_sizes(place)
        argument = self._argument(place, False)
        variable = self._identifiers(_variable(node), f"load {node}")
        if place.stride == "1" and place.offset == "1":
            self._scalars.append((variable, argument))
            return variable
        access = Access(variable, argument, place, node)
        (self._loads if place.stride else self._vectors).append(access)
        return f"{variable}.at[v]"

    def _argument(self, place: Place, written: bool) -> str:
        key = (place.array, place.shift)
        if written:
            self._written.add(key)
        if key not in self._arguments:
            self._arguments[key] = self._identifiers(self._pointer(*key), f"argument {key}")
        return self._arguments[key]

    def _note_sizes(self, place: Place) -> None:
        words = f"{place.stride} {place.offset}".replace("*", " ").replace("+", " ").split()
        self._sizes.update(word for word in words if not word.isdigit())


def _variable(node: Value | Parameter) -> str:
    """What a kernel calls a vector or a parameter that it loads."""
    if isinstance(node, Parameter):
        return f"{node.name}_p"
    return node.name + ("_prev" if node.shift < 0 else "_t")


def transform_below(expression: Call, change: Callable[[Expression], Expression]) -> Expression:
    """Apply `change` to what is inside the call, not to the call itself."""
    return Call(expression.function, tuple(transform(a, change) for a in expression.arguments))


def _repeated_calls(expressions: Iterable[Expression]) -> set[Expression]:
    """Function calls that occur more than once; what a power multiplies by itself does."""
    count: dict[Expression, int] = {}
    for expression in expressions:
        for node in walk(expression):
            if isinstance(node, Call):
                count[node] = count.get(node, 0) + 1
            elif isinstance(node, Pow):
                for inner in walk(node.base):
                    count[inner] = count.get(inner, 0) + 1
    return {node for node, uses in count.items() if uses > 1 and isinstance(node, Call)}
