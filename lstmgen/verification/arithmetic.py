"""Element-wise functions at many digits, by name, and how near a point is to trouble.

Numbers are decimal ones; a vector is a list of them, and a number alone stands for every unit.
The functions are evaluated by their definitions, not by the derivation's table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from itertools import repeat
from operator import add, mul
from typing import Any, TypeVar

from lstmgen.algebra.functions import FUNCTIONS, Function
from lstmgen.verification.decimals import Decimals

Real = Any  # a number of the arithmetic's context
Vector = list[Real]
Matrix = list[Vector]
Operand = Any  # Real or Vector

LARGEST = 1e6
"""Values beyond this are avoided: a rounding error would be large next to anything else."""

FARTHEST = 1e30
"""Values beyond this are out of range, of float32 or of what is made of them."""

LARGEST_EXPONENT = 1e6
"""Exponentials beyond this are not evaluated: 1 / (1 + exp(1e6)) still is."""


class PointError(ArithmeticError):
    """The equations cannot be evaluated at this point: outside a domain, or out of range."""


class IndefiniteError(PointError):
    """A derived equation gives 0 times infinity: it is wrong there, whatever the point."""


class Arithmetic:
    """Decimal numbers of `digits` digits, which operators have within `working`.

    With a context that is given, such as `mpmath.fp`, it is that.

    Attributes:
        kink: the least distance but zero, since `watch`, of an argument to a kink of relu, abs, max
            or min.
        tie: whether there was an argument right at a kink.
        edge: the same to a pole or to the border of a domain (division, log, sqrt, powers).
        far: whether values beyond `LARGEST` are in range, up to `FARTHEST`.
        border: whether there was an argument right at a border, as sqrt(relu(a)) has where a < 0.
        flat: the least distance of a tanh or a sigma from where its derivative vanishes.
    """

    def __init__(self, digits: int, context: Any = None) -> None:
        context = Decimals(digits) if context is None else context
        self.context = context
        self.digits = digits
        self.zero: Real = self.context.mpf(0)
        self.one: Real = self.context.mpf(1)
        self.allow(far=False)
        self.functions: dict[str, Callable[..., Real]] = {
            entry.name: self._function(entry) for entry in FUNCTIONS.values()
        }
        self.watch()

    def watch(self) -> None:
        """Start the record of distances anew."""
        self.kink: Real = self.context.inf
        self.tie = False
        self.edge: Real = self.context.inf
        self.border = False
        self.flat: Real = self.context.inf

    def allow(self, far: bool) -> None:
        """Values beyond `LARGEST` too, or not."""
        self.far = far
        self.largest: Real = self.context.mpf(FARTHEST if far else LARGEST)

    def number(self, value: Any) -> Real:
        """`value` (an int, a float, a Fraction, a decimal string) at full precision."""
        if isinstance(value, (int, float, str)):
            return self.context.mpf(value)
        with self.working():
            return self.context.mpf(value.numerator) / self.context.mpf(value.denominator)

    def working(self) -> AbstractContextManager[Any]:
        """Where numbers are computed: within it operators have the arithmetic's digits."""
        context = self.context
        return context.working() if isinstance(context, Decimals) else nullcontext()

    def each(self, function: Callable[..., Real], *operands: Operand) -> Operand:
        """The function unit by unit; numbers go with every unit of the vectors."""
        lengths = [len(operand) for operand in operands if isinstance(operand, list)]
        if not lengths:
            return function(*operands)
        if lengths.count(lengths[0]) < len(lengths):
            raise ValueError("vectors of different sizes meet in one element-wise operation")
        if len(lengths) < len(operands):
            operands = tuple(o if isinstance(o, list) else repeat(o) for o in operands)
        return list(map(function, *operands))

    def total(self, terms: Sequence[Operand]) -> Operand:
        """The sum of the terms, rounded once: what cancels leaves nothing."""
        if len(terms) < 3:
            return terms[0] if len(terms) == 1 else self.each(add, *terms)
        return self.each(lambda *units: self.context.fsum(units), *terms)

    def product(self, factors: Sequence[Operand]) -> Operand:
        """The element-wise product of the factors."""
        result = factors[0]
        for factor in factors[1:]:
            result = self.each(mul, result, factor)
        return result

    def apply(self, matrix: Sequence[Sequence[Real]], vector: Sequence[Real]) -> Vector:
        """matrix times vector."""
        if matrix and len(matrix[0]) != len(vector):
            raise ValueError("a matrix meets a vector of another size")
        return [self.dot(row, vector) for row in matrix]

    def dot(self, first: Iterable[Real], second: Iterable[Real]) -> Real:
        """The sum of the products, rounded once."""
        return self.context.fdot(first, second)

    def sum(self, terms: Iterable[Real]) -> Real:
        """The sum of many numbers, rounded once."""
        return self.context.fsum(terms)

    def quotient(self, above: Real, below: Real) -> Real:
        """above / below, of numbers."""
        self._near_edge(abs(below))
        if not below:
            return self._pole(above * self.context.inf)
        return above / below

    def power(self, base: Real, exponent: Real) -> Real:
        """base ** exponent, of numbers; a fractional exponent wants a base that is not negative."""
        if exponent == int(exponent):
            if exponent < 0:
                return self.quotient(self.one, base ** int(-exponent))
            return base ** int(exponent) if exponent else self.one
        return self.varying_power(base, exponent)

    def varying_power(self, base: Real, exponent: Real) -> Real:
        """base ** exponent where the exponent is no whole number: for bases from 0 on."""
        if base < 0:
            raise PointError("a fractional or varying power of a negative number")
        self._near_edge(base)
        if not base:
            if exponent > 0:
                return self.zero
            return self._pole(self.context.inf) if exponent < 0 else self.one
        return self._ranged(self.context.exp(self._exponent(exponent * self.context.log(base))))

    def in_range(self, vector: Vector) -> Vector:
        """The vector, if nothing in it is too large to be compared in float32."""
        for value in vector:
            self._ranged(value)
        return vector

    def _ranged(self, value: Real) -> Real:
        if not abs(value) <= self.largest:
            raise PointError(f"a value beyond {float(self.largest):g}")
        return value

    def _near_edge(self, distance: Real) -> None:
        if not distance:
            self.border = True
        elif distance < self.edge:
            self.edge = distance

    def _near_kink(self, distance: Real) -> None:
        if not distance:
            self.tie = True
        elif distance < self.kink:
            self.kink = distance

    def _exponent(self, a: Real) -> Real:
        if a > LARGEST_EXPONENT:
            raise PointError("an exponential out of range")
        return a

    def _function(self, entry: Function) -> Callable[..., Real]:
        """The function by its definition, with a watch on its kinks and its domain."""
        context, exact, kinks, domain = self.context, entry.exact, entry.kinks, entry.domain
        if entry.name == "exp":
            return lambda a: context.exp(self._exponent(a))
        if entry.flat is not None:
            return self._watching_flat(exact, entry.flat)
        if kinks is None and domain is None and not entry.defaults:
            return lambda *arguments: exact(context, *arguments)

        def evaluate(*given: Real) -> Real:
            arguments = entry.complete(given, self.number)
            if kinks is not None:
                for distance in kinks(context, *arguments):
                    self._near_kink(abs(distance))
            if domain is not None:
                distance = domain(context, *arguments)
                if distance < 0:
                    raise PointError(f"{entry.notation} of a number outside its domain")
                self._near_edge(distance)
                if not distance and entry.pole:
                    return self._pole(entry.pole * context.inf)
            return exact(context, *arguments)

        return evaluate

    def _watching_flat(
        self, exact: Callable[..., Real], flat: Callable[..., Real]
    ) -> Callable[..., Real]:
        context = self.context

        def evaluate(a: Real) -> Real:
            value = exact(context, a)
            distance = flat(context, value)
            if distance < self.flat:
                self.flat = distance
            return value

        return evaluate

    def _pole(self, limit: Real) -> Real:
        """The value where a function or a quotient has a pole, of which `limit` is the limit."""
        raise PointError("a pole: a division by zero, or the logarithm of zero")


Evaluate = TypeVar("Evaluate", bound=Callable[..., Any])


def at_digits(method: Evaluate) -> Evaluate:
    """A method that computes with the digits of its object's `arithmetic`."""

    @wraps(method)
    def evaluate(self: Any, *arguments: Any, **options: Any) -> Any:
        with self.arithmetic.working():
            return method(self, *arguments, **options)

    return evaluate  # type: ignore[return-value]


class Limits(Arithmetic):
    """The same for derivatives: they are infinite at a pole.

    A mask hides what is infinite; 0 times infinity is not a number, and `in_range` refuses it.
    """

    def in_range(self, vector: Vector) -> Vector:
        for value in vector:
            if abs(value) <= self.largest:
                continue
            if self.context.isnan(value):
                raise IndefiniteError("0 times infinity")
            if abs(value) < self.context.inf:
                self._ranged(value)
        return vector

    def _pole(self, limit: Real) -> Real:
        return limit
