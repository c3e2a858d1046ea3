"""What the table knows of one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from lstmgen.algebra.expression import Call, Expression
from lstmgen.typeset.formula import Formula

Real = Any  # a number of many digits: neither mpmath nor its likes have types
Context = Any  # at whose digits a function is evaluated; it has mpmath's names
Arguments = tuple[Expression, ...]
T = TypeVar("T")
Rule = Callable[[Expression, Arguments], tuple[Expression, ...]]


@dataclass(frozen=True, slots=True)
class Text:
    """A function in a target's language.

    Attributes:
        call: its call, with `{}` for each argument.
        helper: the definition that the call needs, or "" if the language has it.
        uses: the functions of the table whose helpers this one calls.
        into: whether the call takes, as one more argument, the memory for its value.
        ufunc: the name of NumPy's function, where the call is one of it and no more.
        unfolded: the function in operations that can be computed one after the other, each in the
            memory for the value; None if there is no use for it.
    """

    call: str
    helper: str = ""
    uses: tuple[str, ...] = ()
    into: bool = False
    ufunc: str = ""
    unfolded: Callable[..., Expression] | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """An element-wise function: all that any part of lstmgen knows about it.

    It is either primitive, with a text for every language, or `composed` of other functions; then
    each target makes its text from these.

    Attributes:
        name: in expressions, and in the texts that a cell is shown as.
        arguments: their names.
        summary: its definition in a line.
        written: its name in formulas, or what makes a formula of the argument's: `Root`, `Bars`.
        exact: its definition, evaluated at many digits: (context, *arguments) -> value.
            The context has mpmath's names; numbers besides the arguments are whole ones, or come
            of a text: m.mpf("0.1").
            Written apart from `composed` and `rule`, because these are verified against it.
        rule: from the value of a call and its arguments to a partial derivative for each argument;
            None for a function that occurs in derivatives only.  Where it can, it is written in the
            value: that is how papers print it, and the forward pass has it at hand.
        composed: the function of its arguments in terms of others; None if it is primitive.
        numpy, c: its text in Python with NumPy, and in what C11 with <tgmath.h> and CUDA C++ have
            in common, for the type `real`.
        note: what a user should know besides.
        python: its name in cell files, if other than `name`.
        aliases: other names in cell files; SymPy's own functions are taken by them.
        words: how papers write it, without backslash; `name` and `python` are understood anyway.
        commands: LaTeX commands that stand for it, without backslash.
        label: how drawings write it, if other than `name`.
        operations: what an evaluation is worth in additions, roughly.
        power_on_name: whether a power stands on the name: tanh^2(a).
        defaults: of the last arguments, which may be left out.
        repeats: whether it takes more than two arguments, one after the other: max(max(a, b), c).
        kinks: numbers that are zero where it has a kink.
        singular: whether its derivative can be infinite where the function is finite.
        rounds: whether its value is rounded; not where it is an argument or a small whole number.
        vanishes: whether it is 0 over whole ranges, where nothing depends on what it multiplies.
        flat: from the value, a number that is near 0 where the derivative is flat and `rule`, which
            writes it in the value, makes it a difference of nearly equal numbers.
        domain: a number that is positive inside the domain and zero at its border.
        pole: the sign of an infinite value at that border; 0 where the value is finite.
    """

    name: str
    arguments: tuple[str, ...]
    summary: str
    written: Formula | Callable[[Formula], Formula]
    exact: Callable[..., Real]
    rule: Rule | None = None
    composed: Callable[..., Expression] | None = None
    numpy: Text | None = None
    c: Text | None = None
    note: str = ""
    python: str = ""
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    label: str = ""
    operations: int = 10
    power_on_name: bool = False
    defaults: tuple[Fraction, ...] = ()
    repeats: bool = False
    kinks: Callable[..., tuple[Real, ...]] | None = None
    singular: bool = False
    rounds: bool = True
    vanishes: bool = False
    flat: Callable[[Context, Real], Real] | None = None
    domain: Callable[..., Real] | None = None
    pole: int = 0

    def __post_init__(self) -> None:
        if self.composed is None and (self.numpy is None or self.c is None):
            raise TypeError(f"{self.name} is not composed of others and lacks a text")

    @property
    def arity(self) -> int:
        """The number of its arguments."""
        return len(self.arguments)

    def complete(self, given: Sequence[T], number: Callable[[Fraction], T]) -> tuple[T, ...]:
        """The arguments of a call, with the defaults for those that are left out.

        Raises `TypeError` for too few or too many.
        """
        missing = self.arity - len(given)
        if not 0 <= missing <= len(self.defaults):
            least = self.arity - len(self.defaults)
            counts = str(self.arity) if least == self.arity else f"{least} to {self.arity}"
            raise TypeError(f"takes {counts} argument(s), not {len(given)}")
        return (*given, *map(number, self.defaults[len(self.defaults) - missing :]))

    @property
    def notation(self) -> str:
        """Its name in cell files."""
        return self.python or self.name

    @property
    def is_offered(self) -> bool:
        """Whether equations may use it; the others occur in derivatives only."""
        return self.rule is not None


def ufunc(name: str) -> Text:
    """The text of a function of one argument that NumPy has."""
    return Text(f"np.{name}({{}})", into=True, ufunc=name)


def call(name: str, *arguments: Expression) -> Call:
    """A call of the function `name` of the table."""
    return Call(name, arguments)
