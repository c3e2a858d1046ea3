"""Element-wise assignments as array operations, one NumPy ufunc each.

Storage is a set of arrays whose rows are slots: a `View` is a run of neighbouring slots.  Lowering
gives every intermediate result a temporary of its own; `lstmgen.targets.numpy.fusion` then merges
operations over neighbouring slots, and gives the temporaries their places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType

from lstmgen.algebra.expression import (
    ONE,
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
)
from lstmgen.algebra.functions import FUNCTIONS as TABLE
from lstmgen.errors import EquationError

TEMPORARY = "temporary"


@dataclass(frozen=True, slots=True)
class View:
    """`count` neighbouring slots of `array` from `slot` on, `shift` time steps later."""

    array: str
    slot: int
    count: int = 1
    shift: int = 0

    @property
    def temporary(self) -> bool:
        """Whether it is an intermediate result that has no place yet."""
        return self.array.startswith(TEMPORARY)

    @property
    def end(self) -> int:
        return self.slot + self.count

    def overlaps(self, other: View) -> bool:
        return (
            self.array == other.array
            and self.shift == other.shift
            and self.slot < other.end
            and other.slot < self.end
        )


Operand = View | Number


@dataclass(frozen=True)
class Operation:
    """out = ufunc(inputs); `size` is that of one slot, `labels` the equations it computes.

    Where an input has fewer slots than `out` it is the same for each of them.
    `activate` is no ufunc: it applies the activation `kinds[k]` to slot k of a pre-activation whose
    weights were scaled for it.
    """

    ufunc: str
    inputs: tuple[Operand, ...]
    out: View
    labels: tuple[str, ...]
    size: str
    kinds: tuple[str, ...] = ()

    @cached_property
    def reads(self) -> tuple[View, ...]:
        return tuple(x for x in self.inputs if isinstance(x, View))


@dataclass(frozen=True, slots=True)
class Assignment:
    """Store `value` at `target`, or if that is None keep it while other assignments use it."""

    label: str
    name: str
    target: View | None
    value: Expression
    size: str


# What each function of lstmgen.algebra.functions is in NumPy: a ufunc and its further arguments.
_UFUNCS: dict[str, tuple[str, tuple[Number, ...]]] = {
    "tanh": ("tanh", ()),
    "exp": ("exp", ()),
    "log": ("log", ()),
    "sqrt": ("sqrt", ()),
    "abs": ("absolute", ()),
    "sin": ("sin", ()),
    "cos": ("cos", ()),
    "sign": ("sign", ()),
    "sinh": ("sinh", ()),
    "cosh": ("cosh", ()),
    "arctan": ("arctan", ()),
    "expm1": ("expm1", ()),
    "log1p": ("log1p", ()),
    "max": ("maximum", ()),
    "min": ("minimum", ()),
    "relu": ("maximum", (Number(Fraction(0)),)),
    "softplus": ("logaddexp", (Number(Fraction(0)),)),
    "positive": ("heaviside", (Number(Fraction(0)),)),
    "step": ("heaviside", (Number(Fraction(1, 2)),)),
}
_HALF = Number(Fraction(1, 2))
FUNCTIONS = tuple(
    sorted(
        {name for name, _ in _UFUNCS.values()}
        | set("add copyto divide dot multiply negative power reciprocal square subtract".split())
    )
)
"""NumPy's functions that generated code may call."""


class Lowering:
    """Turns assignments into operations, sharing common sub-expressions.

    `where` says where a value lives that no assignment of this lowering has defined; `scaled` holds
    the pre-activations whose weights carry the factor of their activation.  `stored` are
    sub-expressions that get a place of their own, `known` those that have one already.
    """

    def __init__(
        self,
        where: Callable[[Value], View],
        scaled: frozenset[str] = frozenset(),
        stored: Mapping[Expression, View] = MappingProxyType({}),
        known: Mapping[Expression, View] = MappingProxyType({}),
    ) -> None:
        self._where = where
        self._scaled = scaled
        self._stored = stored
        self._known: dict[Expression, Operand] = dict(known)
        self._temporaries = 0
        self._labels: tuple[str, ...] = ()
        self._size = ""
        self.operations: list[Operation] = []

    def assign(self, assignment: Assignment) -> None:
        """Append the operations of one assignment."""
        self._labels, self._size = (assignment.label,), assignment.size
        result = self._evaluate(assignment.value, assignment.target)
        if assignment.target is not None and result != assignment.target:
            self._emit("copyto" if not isinstance(result, Number) else "fill", (result,),
                       assignment.target)
            result = assignment.target
        self._known[Value(assignment.name)] = result

    def _temporary(self) -> View:
        self._temporaries += 1
        return View(f"{TEMPORARY} {self._temporaries - 1}", 0)

    def _emit(
        self,
        ufunc: str,
        inputs: Iterable[Operand],
        out: View | None,
        kinds: tuple[str, ...] = (),
    ) -> View:
        target = out if out is not None else self._temporary()
        self.operations.append(
            Operation(ufunc, tuple(inputs), target, self._labels, self._size, kinds)
        )
        return target

    def _evaluate(self, expression: Expression, out: View | None = None) -> Operand:
        if (known := self._known.get(expression)) is not None:
            return known
        result = self._compute(expression, self._stored.get(expression, out))
        if not isinstance(expression, (Number, Value, Parameter)):
            self._known[expression] = result
        return result

    def _compute(self, expression: Expression, out: View | None) -> Operand:
        match expression:
            case Number():
                return expression
            case Value():
                return self._where(expression)
            case Parameter(name):
                return View(f"parameter {name}", 0)
            case Add(terms):
                return self._sum(terms, out)
            case Mul(factors):
                return self._chain("multiply", [self._evaluate(f) for f in factors], out)
            case Neg(argument):
                return self._emit("negative", (self._evaluate(argument),), out)
            case Div(numerator, denominator):
                if numerator == ONE:
                    return self._emit("reciprocal", (self._evaluate(denominator),), out)
                pair = (self._evaluate(numerator), self._evaluate(denominator))
                return self._emit("divide", pair, out)
            case Pow(base, exponent):
                if exponent == Number(Fraction(2)):
                    return self._emit("square", (self._evaluate(base),), out)
                pair = (self._evaluate(base), self._evaluate(exponent))
                return self._emit("power", pair, out)
            case Call(function, arguments):
                return self._call(function, arguments, out)
            case MatVec():
                raise AssertionError(f"a product inside an element-wise block: {expression}")

    def _sum(self, terms: tuple[Expression, ...], out: View | None) -> Operand:
        first = next((k for k, term in enumerate(terms) if not isinstance(term, Neg)), None)
        if first is None:
            inner = self._sum(tuple(t.argument for t in terms if isinstance(t, Neg)), None)
            return self._emit("negative", (inner,), out)
        rest = [*terms[:first], *terms[first + 1 :]]
        result = self._evaluate(terms[first])
        for k, term in enumerate(rest):
            target = out if k == len(rest) - 1 else None
            if isinstance(term, Neg):
                pair = (result, self._evaluate(term.argument))
                result = self._emit("subtract", pair, target)
            else:
                result = self._emit("add", (result, self._evaluate(term)), target)
        return result

    def _chain(self, ufunc: str, operands: list[Operand], out: View | None) -> Operand:
        result = operands[0]
        for k, operand in enumerate(operands[1:], start=2):
            result = self._emit(
                ufunc, (result, operand), out if k == len(operands) else None
            )
        return result

    def _call(
        self, function: str, arguments: tuple[Expression, ...], out: View | None
    ) -> Operand:
        if function == "masked":
            return self._compute(Mul(arguments), out)
        entry = TABLE[function]
        if entry.composed is not None:
            return self._compute(entry.composed(*arguments), out)
        inputs = [self._evaluate(argument) for argument in arguments]
        argument = arguments[0]
        if isinstance(argument, Value) and argument.name in self._scaled:
            return self._emit("activate", inputs, out, (function,))
        if function == "sigma":
            # sigma(a) = (1 + tanh(a/2)) / 2: exact in both tails, and tanh never overflows.
            half = self._emit("multiply", (inputs[0], _HALF), out)
            half = self._emit("tanh", (half,), out)
            half = self._emit("multiply", (half, _HALF), out)
            return self._emit("add", (half, _HALF), out)
        if function == "nonzero":
            return self._emit("sign", (self._emit("absolute", inputs, out),), out)
        if function not in _UFUNCS:
            raise EquationError(f"the function {function} cannot be built for numpy yet")
        ufunc, more = _UFUNCS[function]
        return self._emit(ufunc, (*inputs, *more), out)


def lower(
    assignments: Iterable[Assignment],
    where: Callable[[Value], View],
    scaled: frozenset[str] = frozenset(),
    stored: Mapping[Expression, View] = MappingProxyType({}),
    known: Mapping[Expression, View] = MappingProxyType({}),
) -> list[Operation]:
    """The operations of a sequence of assignments; the arguments are those of `Lowering`."""
    lowering = Lowering(where, scaled, stored, known)
    for assignment in assignments:
        lowering.assign(assignment)
    return lowering.operations
