"""Element-wise expressions: the one language that all stages after the notation share.

An expression is an immutable tree over vectors at a time step, parameters and numbers.  Every
operation is element-wise; the only node that mixes units is `MatVec`, an opaque matrix product
that stands for one block of columns of one weight times one vector.  Trees keep the order in which
the paper writes its factors and terms: nothing here sorts.

The lower-case constructors (`add`, `mul`, `neg`, `div`, `power`) do the simplifications that a
reader would do silently (drop a factor 1, a term 0, a double minus); the classes do none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Number:
    """An exact constant."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Value:
    """The vector `name` at time t + shift; shift is 0, -1 or (in gradients only) +1."""

    name: str
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that acts element-wise: a scalar, or one number per unit."""

    name: str


@dataclass(frozen=True, slots=True)
class MatVec:
    """Block `slot` of the columns of `weight` times `operand`; with `transposed`, its transpose."""

    weight: str
    slot: int
    transposed: bool
    operand: Value


@dataclass(frozen=True, slots=True)
class Add:
    """A sum, in its order."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Mul:
    """An element-wise product, in its order."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Neg:
    """- argument."""

    argument: Expression


@dataclass(frozen=True, slots=True)
class Div:
    """numerator / denominator."""

    numerator: Expression
    denominator: Expression


@dataclass(frozen=True, slots=True)
class Pow:
    """base ** exponent."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `lstmgen.algebra.functions.FUNCTIONS`, by its name there."""

    function: str
    arguments: tuple[Expression, ...]


Expression = Number | Value | Parameter | MatVec | Add | Mul | Neg | Div | Pow | Call

MASKED = "masked"
"""The function that a derivative multiplies by what may be 0 beside something infinite."""

ZERO = Number(Fraction(0))
ONE = Number(Fraction(1))


def number(value: int | Fraction) -> Number:
    """The constant `value`."""
    return Number(Fraction(value))


def neg(argument: Expression) -> Expression:
    """-argument."""
    match argument:
        case Neg(inner):
            return inner
        case Number(value):
            return Number(-value)
    return Neg(argument)


def add(*terms: Expression) -> Expression:
    """Sum of the terms in their order; nested sums are flattened and zeros dropped."""
    flat: list[Expression] = []
    for term in terms:
        if isinstance(term, Add):
            flat.extend(term.terms)
        elif term != ZERO:
            flat.append(term)
    if not flat:
        return ZERO
    return flat[0] if len(flat) == 1 else Add(tuple(flat))


def sub(left: Expression, right: Expression) -> Expression:
    """left - right."""
    return add(left, neg(right))


def mul(*factors: Expression) -> Expression:
    """Element-wise product in its order; signs move to the front, ones vanish, zero wins.

    A masked factor masks the whole product.
    """
    flat: list[Expression] = []
    masks: list[Expression] = []
    negative = False
    for factor in factors:
        if isinstance(factor, Neg):
            negative = not negative
            factor = factor.argument
        while isinstance(factor, Call) and factor.function == MASKED:
            mask, factor = factor.arguments
            masks.append(mask)
        if isinstance(factor, Number) and factor.value < 0:
            negative = not negative
            factor = Number(-factor.value)
        if factor == ZERO:
            return ZERO
        if isinstance(factor, Mul):
            flat.extend(factor.factors)
        elif factor != ONE:
            flat.append(factor)
    product = Mul(tuple(flat)) if len(flat) > 1 else flat[0] if flat else ONE
    for mask in reversed(masks):
        product = Call(MASKED, (mask, product))
    return neg(product) if negative else product


def div(numerator: Expression, denominator: Expression) -> Expression:
    """numerator / denominator."""
    if numerator == ZERO or denominator == ONE:
        return numerator
    if isinstance(numerator, Neg):
        return neg(div(numerator.argument, denominator))
    if isinstance(numerator, Call) and numerator.function == MASKED:
        mask, value = numerator.arguments
        return masked(mask, div(value, denominator))
    return Div(numerator, denominator)


def masked(mask: Expression, value: Expression = ONE) -> Expression:
    """mask * value, where a mask of 0 gives 0 even if the value is infinite."""
    return mul(Call(MASKED, (mask, ONE)), value)


def unmasked(call: Call) -> Expression:
    """What `masked` made, as the plain product that it is where the value is finite."""
    mask, value = call.arguments
    if value == ONE:
        return mask
    return mul(value, mask)


def without_masks(expression: Expression) -> Expression:
    """The expression with plain products for masked ones: the same where everything is finite."""

    def change(node: Expression) -> Expression:
        return unmasked(node) if isinstance(node, Call) and node.function == MASKED else node

    return transform(expression, change)


def power(base: Expression, exponent: Expression) -> Expression:
    """base ** exponent."""
    if exponent == ONE:
        return base
    if exponent == ZERO:
        return ONE
    return Pow(base, exponent)


def children(expression: Expression) -> tuple[Expression, ...]:
    """The direct sub-expressions, in order; a matrix product is a leaf."""
    match expression:
        case Add(items) | Mul(items):
            return items
        case Call(_, items):
            return items
        case Neg(argument):
            return (argument,)
        case Div(first, second) | Pow(first, second):
            return (first, second)
    return ()


def rebuild(expression: Expression, parts: tuple[Expression, ...]) -> Expression:
    """The same operation on other sub-expressions, simplified."""
    match expression:
        case Add():
            return add(*parts)
        case Mul():
            return mul(*parts)
        case Call(function, _):
            return Call(function, parts)
        case Neg():
            return neg(parts[0])
        case Div():
            return div(parts[0], parts[1])
        case Pow():
            return power(parts[0], parts[1])
    return expression


def transform(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Apply `change` to every node, leaves first."""
    parts = children(expression)
    if parts:
        changed = tuple(transform(part, change) for part in parts)
        if changed != parts:
            expression = rebuild(expression, changed)
    return change(expression)


def walk(expression: Expression) -> Iterator[Expression]:
    """Every node in the order of the paper, a node before its parts."""
    yield expression
    for part in children(expression):
        yield from walk(part)


def values(expression: Expression) -> tuple[Value, ...]:
    """The vectors that appear element-wise (not inside a matrix product), once each, in order."""
    return tuple(dict.fromkeys(node for node in walk(expression) if isinstance(node, Value)))


def parameters(expression: Expression) -> tuple[str, ...]:
    """The names of the element-wise parameters, once each, in order."""
    return tuple(dict.fromkeys(n.name for n in walk(expression) if isinstance(n, Parameter)))


def matvecs(expression: Expression) -> tuple[MatVec, ...]:
    """The matrix products, once each, in order."""
    return tuple(dict.fromkeys(node for node in walk(expression) if isinstance(node, MatVec)))


def shifted(expression: Expression, by: int) -> Expression:
    """The expression `by` steps later: x_t becomes x_{t+by}, inside matrix products too."""

    def change(node: Expression) -> Expression:
        match node:
            case Value(name, shift):
                return Value(name, shift + by)
            case MatVec(weight, slot, transposed, operand):
                return MatVec(weight, slot, transposed, Value(operand.name, operand.shift + by))
        return node

    return transform(expression, change)
