"""The notation of a cell file: SymPy objects that read like the formulas of the paper.

    h, x, W, b = symbols("h x W b")
    Eq(h[t], tanh(W @ [h[t-1], x[t]] + b))

`name[t]` is a vector at a time step, `W @ [a, b]` the product of a matrix with a concatenation,
`W.T` a transpose, and `*`, `+`, `-`, `/`, `**` act element-wise.  All are SymPy expressions, so
`subs`, `free_symbols` or `lambdify` work on them.  SymPy sorts the terms of a sum and the factors
of a product; the classes here keep the order in which they were written, because the generated
LaTeX and code follow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from lstmgen.algebra.functions import BY_NOTATION, FUNCTIONS, Function
from lstmgen.algebra.symbols import symbol
from lstmgen.typeset.formula import Letters, Time
from lstmgen.typeset.latex import latex

__all__ = ["Eq", "scalars", "symbols", "t", *sorted(BY_NOTATION)]

t = sympy.Symbol("t", integer=True)
"""The time step: `x[t]` is this step's, `h[t-1]` the previous one's."""


class Ordered:
    """Operators that build SymPy sums and products in the order written.

    The priority makes SymPy hand `2 * f[t]` or `sympy.pi + f[t]` to these operators too.
    """

    __slots__ = ()
    _op_priority = 100.0

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        """As a plain SymPy object, which numbers collapse in: here 1 + 2 stays as written."""
        for plain in (sympy.Add, sympy.Mul, sympy.Pow):
            if isinstance(self, plain):
                return plain(*(part._evalf(prec) for part in self.args))
        return super()._eval_evalf(prec)  # type: ignore[misc]

    def __add__(self, other: Any) -> sympy.Expr:
        return OrderedAdd(self, other)

    def __radd__(self, other: Any) -> sympy.Expr:
        return OrderedAdd(other, self)

    def __sub__(self, other: Any) -> sympy.Expr:
        return OrderedAdd(self, OrderedMul(-1, other))

    def __rsub__(self, other: Any) -> sympy.Expr:
        return OrderedAdd(other, OrderedMul(-1, self))

    def __mul__(self, other: Any) -> sympy.Expr:
        return OrderedMul(self, other)

    def __rmul__(self, other: Any) -> sympy.Expr:
        return OrderedMul(other, self)

    def __truediv__(self, other: Any) -> sympy.Expr:
        return OrderedMul(self, OrderedPow(other, -1))

    def __rtruediv__(self, other: Any) -> sympy.Expr:
        return OrderedMul(other, OrderedPow(self, -1))

    def __pow__(self, other: Any) -> sympy.Expr:
        return OrderedPow(self, other)

    def __rpow__(self, other: Any) -> sympy.Expr:
        return OrderedPow(other, self)

    def __neg__(self) -> sympy.Expr:
        return OrderedMul(-1, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> sympy.Expr:
        return CLASSES["abs"](self)

    def __matmul__(self, other: Any) -> sympy.Expr:
        raise TypeError(
            f"only a matrix can stand on the left of @, and {self} is an expression; "
            "write W @ [h[t-1], x[t]]"
        )


class OrderedAdd(Ordered, sympy.Add):  # type: ignore[misc]
    """A sum in the order written."""

    __slots__ = ()

    def __new__(cls, *terms: Any, **_: Any) -> Any:
        flat: list[sympy.Expr] = []
        for term in map(sympy.sympify, terms):
            flat.extend(term.args if isinstance(term, OrderedAdd) else (term,))
        return super().__new__(cls, *flat, evaluate=False)

    def _sympystr(self, printer: Any) -> str:
        return str(printer._print_Add(self, order="none"))

    def _latex(self, printer: Any) -> str:
        return str(printer._print_Add(self, order="none"))


class OrderedMul(Ordered, sympy.Mul):  # type: ignore[misc]
    """An element-wise product in the order written."""

    __slots__ = ()

    def __new__(cls, *factors: Any, **_: Any) -> Any:
        flat: list[sympy.Expr] = []
        for factor in map(sympy.sympify, factors):
            flat.extend(factor.args if isinstance(factor, OrderedMul) else (factor,))
        return super().__new__(cls, *flat, evaluate=False)


class OrderedPow(Ordered, sympy.Pow):  # type: ignore[misc]
    """A power that is kept as written."""

    __slots__ = ()

    def __new__(cls, base: Any, exponent: Any, **_: Any) -> Any:
        return super().__new__(cls, sympy.sympify(base), sympy.sympify(exponent), evaluate=False)


class Name(Ordered, sympy.Symbol):  # type: ignore[misc]
    """A letter of the paper: with a time index a vector, without one a parameter."""

    __slots__ = ()
    __iter__: Any = None  # with an index for every integer, SymPy would iterate over it for ever
    is_scalar_parameter = False

    def __getitem__(self, index: Any) -> Any:
        return At(self, index)

    def __matmul__(self, operand: Any) -> Any:
        return MatrixProduct(self, operand)

    @property
    def T(self) -> Any:
        """The transpose, for `W.T @ h[t]`."""
        return Transpose(self)


class ScalarName(Name):
    """One number: as a parameter for the whole layer, as an input for each row and step."""

    __slots__ = ()
    is_scalar_parameter = True


class Transpose(sympy.Expr):  # type: ignore[misc]
    """The transpose of a matrix parameter; it can only be multiplied with `@`."""

    def __new__(cls, weight: Any) -> Any:
        return super().__new__(cls, sympy.sympify(weight))

    def __matmul__(self, operand: Any) -> Any:
        return MatrixProduct(self, operand)

    @property
    def T(self) -> Any:
        """The matrix itself."""
        return self.args[0]

    def _sympystr(self, printer: Any) -> str:
        return f"{printer._print(self.args[0])}.T"

    def _latex(self, printer: Any) -> str:
        return rf"{printer._print(self.args[0])}^{{\top}}"


class At(Ordered, sympy.Expr):  # type: ignore[misc]
    """A vector at a time step, `h[t-1]`."""

    is_symbol = True  # so that lambdify takes it for an argument, as it does SymPy's Indexed

    def __new__(cls, name: Any, index: Any) -> Any:
        return super().__new__(cls, name, _own_time(sympy.sympify(index)))

    @property
    def name(self) -> str:
        return str(self.args[0])

    @property
    def offset(self) -> sympy.Expr:
        """The index relative to t: 0 for `h[t]`, -1 for `h[t-1]`."""
        return sympy.expand(self.args[1] - t)

    @property
    def free_symbols(self) -> set[sympy.Basic]:
        return {self}

    def _sympystr(self, printer: Any) -> str:
        return f"{self.name}[{self.args[1]}]".replace(" ", "")

    def _latex(self, printer: Any) -> str:
        offset = self.offset
        time = Time(int(offset)) if offset.is_Integer else Letters(str(self.args[1]))
        return latex(symbol(self.name, time))


def _own_time(index: sympy.Basic) -> sympy.Basic:
    """The index in our t: SymPy takes a symbol of that name with other assumptions for another."""
    others = {s: t for s in index.free_symbols if isinstance(s, sympy.Symbol) and s.name == "t"}
    return index.xreplace(others)


class MatrixProduct(Ordered, sympy.Expr):  # type: ignore[misc]
    """`W @ [a, b]`: a matrix times the concatenation of vectors; one node, never expanded."""

    def __new__(cls, weight: Any, *operands: Any) -> Any:
        # A list, as it is written; or its vectors one by one, as SymPy rebuilds an expression.
        parts: Sequence[Any] = operands
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            parts = operands[0]
        if not parts:
            raise TypeError(f"{weight} @ [] multiplies nothing; write {weight} @ [h[t-1], x[t]]")
        return super().__new__(cls, weight, *map(sympy.sympify, parts))

    @property
    def weight(self) -> Any:
        return self.args[0]

    @property
    def operands(self) -> tuple[sympy.Expr, ...]:
        return tuple(self.args[1:])

    def _sympystr(self, printer: Any) -> str:
        return f"{printer._print(self.weight)} @ [{', '.join(map(printer._print, self.operands))}]"

    def _latex(self, printer: Any) -> str:
        inner = ", ".join(map(printer._print, self.operands))
        return rf"{printer._print(self.weight)} \cdot [{inner}]"


class _ElementWise(Ordered, sympy.Function):  # type: ignore[misc]
    """A function that acts on each unit; SymPy does not evaluate or reorder it."""

    @classmethod
    def eval(cls, *args: Any) -> None:
        return None


def _function(entry: Function) -> Any:
    """The function of the table as a class of SymPy functions."""
    summary = f"{entry.summary}  {entry.note}".rstrip()
    names: dict[str, Any] = {"__doc__": summary, "__module__": __name__}
    if not entry.repeats:
        least = entry.arity - len(entry.defaults)
        names["nargs"] = tuple(range(least, entry.arity + 1))
    kind: Any = type(_ElementWise)  # SymPy's own
    return kind(entry.notation, (_ElementWise,), names)


CLASSES: dict[str, Any] = {
    entry.name: _function(entry) for entry in FUNCTIONS.values() if entry.is_offered
}
"""What cell files call, by the name in the table of functions."""


def __getattr__(name: str) -> Any:
    """The functions of the table, by their names in cell files."""
    entry = BY_NOTATION.get(name)
    if entry is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return CLASSES[entry.name]


def Eq(left: Any, right: Any) -> sympy.Eq:
    """The equation left = right, kept as written."""
    return sympy.Eq(sympy.sympify(left), sympy.sympify(right), evaluate=False)


def symbols(names: str) -> Any:
    """Names separated by spaces or commas: a tuple, or the one name.

    What each stands for follows from its use: with a time index a vector, before `@` a matrix,
    else a parameter with one number per unit.
    """
    return _names(names, Name)


def scalars(names: str) -> Any:
    """Names of single numbers, separated by spaces or commas.

    Without a time index, `alpha`, it is a parameter that is one number for the whole layer; with
    one, `m[t]`, an input that is one number for each row and step, such as a mask or a time gap.
    """
    return _names(names, ScalarName)


def _names(names: str, kind: type[Name]) -> Any:
    made = tuple(kind(name) for name in names.replace(",", " ").split())
    return made[0] if len(made) == 1 else made
