"""Which symbols of one cell are which of another: by name, and where names differ by structure.

Papers name the same vectors differently, and write [h, x] or two products.  Vectors correspond
where their names and roles are the same, else where their equations are the same but for names,
else where each cell has but one state, input or other vector left.  A matrix is compared block by
block, so that W·[h_{t-1}, x_t] is the same as U h_{t-1} + V x_t.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lstmgen.algebra.expression import (
    Add,
    Call,
    Div,
    Expression,
    MatVec,
    Mul,
    Neg,
    Number,
    Parameter,
    Pow,
    Value,
    children,
    shifted,
)
from lstmgen.form.normal_form import Definition, NormalForm
from lstmgen.stages import Stages

__all__ = [
    "Correspondence",
    "Key",
    "Name",
    "block",
    "common_size",
    "inner_definitions",
    "key",
    "own_definitions",
    "parameter_blocks",
    "sizes",
]

Key = str
"""A form that two expressions share if they are the same but for the order of terms and factors."""

_AlignedLeaf = tuple[str, str]


def block(weight: str, slot: int) -> str:
    """The name of a block of columns: W_f[1]."""
    return f"{weight}[{slot}]"


class Correspondence:
    """For two cells, what corresponds to what.

    Attributes:
        values: for vectors of `b`, inner definitions included, their counterparts in `a`.
        parameters: for blocks, vectors and scalars of `b` theirs.
    """

    def __init__(self, a: Stages, b: Stages) -> None:
        self.a, self.b = a.normal_form, b.normal_form
        self.values: dict[str, str] = {}
        self.parameters: dict[str, str] = {}
        self._match_values()
        self._match_parameters()
        self._match_inner()

    def value_of_b(self, name: str) -> str:
        """A vector of `b` by the name of its counterpart in `a`, if it has one."""
        return self.values.get(name, f"{name} of b")

    def parameter_of_b(self, name: str) -> str:
        """A parameter or block of `b` by the name of its counterpart in `a`, if it has one."""
        return self.parameters.get(name, f"{name} of b")

    # Vectors ------------------------------------------------------------------------------------

    def _match_values(self) -> None:
        roles_a, roles_b = _roles(self.a), _roles(self.b)
        for name, role in roles_b.items():
            if roles_a.get(name) == role:
                self.values[name] = name
        self._match_by_structure(roles_a, roles_b)
        output = self.b.output
        if self._free_a(self.a.output) and self._free_b(output):
            self.values[output] = self.a.output
        for role in ("state", "input"):
            self._match_the_last(roles_a, roles_b, role)
        self._match_by_structure(roles_a, roles_b)
        lower = {name.lower(): name for name in roles_a if self._free_a(name)}
        for name, role in roles_b.items():
            other = lower.get(name.lower())
            if other is not None and self._free_b(name) and roles_a[other] == role:
                self.values[name] = other
        for role in ("state", "input", "value"):
            self._match_the_last(roles_a, roles_b, role)
        self._match_by_structure(roles_a, roles_b)

    def _free_a(self, name: str) -> bool:
        return name not in self.values.values()

    def _free_b(self, name: str) -> bool:
        return name not in self.values

    def _match_by_structure(self, roles_a: dict[str, str], roles_b: dict[str, str]) -> None:
        """Equations that are the same, where what is not matched yet may be any of its role."""
        found = True
        while found:
            found = False
            for d in own_definitions(self.b):
                if not self._free_b(d.name):
                    continue
                form = self._open_key(self.b, d, roles_b, self.values)
                same = {name: name for name in self.values.values()}
                alike = [
                    e.name
                    for e in own_definitions(self.a)
                    if self._free_a(e.name)
                    and roles_a[e.name] == roles_b[d.name]
                    and self._open_key(self.a, e, roles_a, same) == form
                ]
                if alike:
                    self.values[d.name] = alike[0]
                    found = True

    def _open_key(
        self, form: NormalForm, d: Definition, roles: dict[str, str], known: dict[str, str]
    ) -> Key:
        def name(value: str) -> str:
            return "itself" if value == d.name else known.get(value) or f"a {roles[value]}"

        return key(d.value, name, _any_parameter, inner_definitions(form))

    def _match_the_last(self, roles_a: dict[str, str], roles_b: dict[str, str], role: str) -> None:
        left_a = [name for name, r in roles_a.items() if r == role and self._free_a(name)]
        left_b = [name for name, r in roles_b.items() if r == role and self._free_b(name)]
        if len(left_a) == 1 == len(left_b):
            self.values[left_b[0]] = left_a[0]

    # Parameters ---------------------------------------------------------------------------------

    def _match_parameters(self) -> None:
        """First where whole equations are alike, then by name and use in the others."""
        pairs = [
            (self.a.by_name[self.values[d.name]], d)
            for d in own_definitions(self.b)
            if d.name in self.values
        ]
        different = []
        for mine, other in pairs:
            leaves = _align(
                _Side(mine.value, str, inner_definitions(self.a)),
                _Side(other.value, self.value_of_b, inner_definitions(self.b)),
            )
            if leaves is None:
                different.append((mine, other))
                continue
            for a, b in leaves:
                self._pair(a, b)
        for mine, other in different:
            uses_a = list(_uses(mine.value, str, inner_definitions(self.a)))
            uses_b = list(_uses(other.value, self.value_of_b, inner_definitions(self.b)))
            for named in (True, False):
                for how_b, b in uses_b:
                    for how_a, a in uses_a:
                        same = _weight(a) == _weight(b) if named else how_b.startswith("product")
                        if how_a == how_b and same:
                            self._pair(a, b)

    def _pair(self, a: str, b: str) -> None:
        free = b not in self.parameters and a not in self.parameters.values()
        if free and sizes(self.a, a) == sizes(self.b, b):
            self.parameters[b] = a

    # Definitions that the normal form adds ----------------------------------------------------

    def _match_inner(self) -> None:
        kinds = {(d.equation, _kind(self.a, d)): d.name for d in self.a.definitions if _is_inner(d)}
        by_number = {d.label: d.name for d in own_definitions(self.b)}
        label_a = {d.name: d.label for d in own_definitions(self.a)}
        for d in self.b.definitions:
            if not _is_inner(d):
                continue
            mine = self.values.get(by_number[d.equation])
            if mine is not None:
                found = kinds.get((label_a[mine], _kind(self.b, d)))
                if found is not None:
                    self.values[d.name] = found


def parameter_blocks(form: NormalForm, parameter: str) -> tuple[str, ...]:
    """The blocks of a matrix, or the vector or scalar itself."""
    if parameter not in form.weights:
        return (parameter,)
    return tuple(block(parameter, slot) for slot in range(len(form.weights[parameter].columns)))


def own_definitions(form: NormalForm) -> list[Definition]:
    """The cell's equations, without what the normal form adds."""
    return [d for d in form.definitions if not _is_inner(d)]


def _is_inner(d: Definition) -> bool:
    return d.label != d.equation


def inner_definitions(form: NormalForm) -> dict[str, Definition]:
    """What the normal form adds, by name."""
    return {d.name: d for d in form.definitions if _is_inner(d)}


def _kind(form: NormalForm, d: Definition) -> str:
    """The prefix of an inner definition's name: a, u, p, a2, ..."""
    own = next(e.name for e in own_definitions(form) if e.label == d.equation)
    return d.name.removesuffix(f"_{own}")


def _roles(form: NormalForm) -> dict[str, str]:
    """State, input or value, with its size."""
    return {
        name: ("state" if name in form.states else "input" if name in form.inputs else "value")
        for name in form.sizes
        if name not in inner_definitions(form)
    }


def sizes(form: NormalForm, parameter: str) -> tuple[str, ...]:
    """The sizes of a block, vector or scalar; an input's own size is D whatever its name."""
    weight, bracket, slot = parameter.partition("[")
    if bracket:
        of = form.weights[weight]
        found: tuple[str, ...] = (of.rows, of.columns[int(slot.rstrip("]"))])
    else:
        found = form.shape(parameter)
    return tuple(common_size(form, size) for size in found)


def common_size(form: NormalForm, size: str) -> str:
    """D for the own size of any input."""
    return "D" if size in form.input_sizes else size


def _weight(name: str) -> str:
    return name.partition("[")[0]


def _any_parameter(name: str) -> str:
    return "a block" if name.endswith("]") else "a parameter"


# Forms --------------------------------------------------------------------------------------------

Name = Callable[[str], str]
_NONE: Mapping[str, Definition] = {}


def key(
    e: Expression, value: Name, parameter: Name, inner: Mapping[str, Definition] = _NONE
) -> Key:
    """The form of an expression: its vectors, parameters and blocks named by these functions.

    The definitions in `inner` are written out.
    """

    def of(part: Expression) -> Key:
        return key(part, value, parameter, inner)

    match e:
        case Value(name, shift) if name in inner:
            return of(shifted(inner[name].value, shift))
        case Value(name, shift):
            return f"{value(name)}@{shift}"
        case Parameter(name):
            return f"<{parameter(name)}>"
        case MatVec(weight, slot, transposed, operand):
            mark = "T" if transposed else ""
            return f"{parameter(block(weight, slot))}{mark}.{of(operand)}"
        case Number(number):
            return str(number)
        case Add():
            return f"sum({', '.join(sorted(map(of, _flat(e, inner))))})"
        case Mul(factors):
            return f"product({', '.join(sorted(map(of, factors)))})"
        case Neg(argument):
            return f"minus({of(argument)})"
        case Div(numerator, denominator):
            return f"ratio({of(numerator)}, {of(denominator)})"
        case Pow(base, exponent):
            return f"power({of(base)}, {of(exponent)})"
        case Call("max" | "min" as function, arguments):
            return f"{function}({', '.join(sorted(map(of, arguments)))})"
        case Call(function, arguments):
            return f"{function}({', '.join(map(of, arguments))})"


def _flat(e: Expression, inner: Mapping[str, Definition]) -> Iterator[Expression]:
    """The terms of a sum, with those of inner sums among them."""
    match e:
        case Value(name, shift) if name in inner:
            yield from _flat(shifted(inner[name].value, shift), inner)
        case Add(terms):
            for term in terms:
                yield from _flat(term, inner)
        case _:
            yield e


class _Side:
    """One of two expressions that are walked side by side."""

    def __init__(self, e: Expression, value: Name, inner: Mapping[str, Definition]) -> None:
        if isinstance(e, Value) and e.name in inner:
            e = shifted(inner[e.name].value, e.shift)
        self.e, self._value, self._inner = e, value, inner

    @property
    def key(self) -> Key:
        return key(self.e, self._value, _any_parameter, self._inner)

    def parts(self) -> list[_Side]:
        """In an order that is the same for both sides, but for what is alike."""
        items: Iterable[Expression] = children(self.e)
        if isinstance(self.e, MatVec):
            items = [self.e.operand]
        if isinstance(self.e, Add):
            items = _flat(self.e, self._inner)
        found = [_Side(item, self._value, self._inner) for item in items]
        ordered = isinstance(self.e, (Div, Pow)) or (
            isinstance(self.e, Call) and self.e.function not in ("max", "min")
        )
        return found if ordered else sorted(found, key=lambda side: side.key)

    def leaf(self) -> str | None:
        """The parameter or block right here."""
        match self.e:
            case Parameter(name):
                return name
            case MatVec(weight, slot, _, _):
                return block(weight, slot)
        return None

    @property
    def names(self) -> str:
        """The parameters' own names, to tell apart what is alike."""
        own = self.leaf()
        return " ".join([_weight(own) if own else "", *(part.names for part in self.parts())])


def _align(a: _Side, b: _Side) -> list[_AlignedLeaf] | None:
    """The parameters of two expressions that stand in the same places; None if these differ."""
    return _leaves(a, b) if a.key == b.key else None


def _leaves(a: _Side, b: _Side) -> list[_AlignedLeaf]:
    own_a, own_b = a.leaf(), b.leaf()
    found = [(own_a, own_b)] if own_a is not None and own_b is not None else []
    rest = b.parts()
    for part in a.parts():
        alike = [other for other in rest if other.key == part.key]
        chosen = next((other for other in alike if other.names == part.names), alike[0])
        rest.remove(chosen)
        found += _leaves(part, chosen)
    return found


def _uses(e: Expression, value: Name, inner: Mapping[str, Definition]) -> Iterator[_AlignedLeaf]:
    """Each parameter with how it is used: ("product with h@-1", "W_f[0]")."""
    side = _Side(e, value, inner)
    leaf = side.leaf()
    if leaf is not None:
        how = f"product {side.key}" if leaf.endswith("]") else "element-wise"
        yield how, leaf
    for part in side.parts():
        yield from _uses(part.e, value, inner)
