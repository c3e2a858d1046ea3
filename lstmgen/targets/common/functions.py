"""The functions of the table in a target's language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lstmgen.algebra.expression import Expression
from lstmgen.algebra.functions import FUNCTIONS, Function, Text, composition, used


@dataclass(frozen=True)
class Language:
    """How a target writes calls of functions, and the definitions that they need.

    Attributes:
        text: a function's own text, or None if the language has none for it.  A composed function
            may have none: it is then defined by what it is composed of.
        name: what the language calls the definition of a composed function.
        define: that definition, of an expression in parameters named like the arguments.
    """

    text: Callable[[Function], Text | None]
    name: Callable[[Function], str]
    define: Callable[[Function, Expression], str]

    def __post_init__(self) -> None:
        missing = [f.name for f in FUNCTIONS.values() if not f.composed and not self.text(f)]
        if missing:
            raise TypeError(f"no text for the functions {', '.join(missing)}")

    @property
    def identifiers(self) -> frozenset[str]:
        """All names of functions in the texts, which a cell's symbols must not take."""
        texts = (self.call(f.name, ["0"] * f.arity) for f in FUNCTIONS.values())
        return frozenset(name for text in texts for name in re.findall(r"[A-Za-z_]\w*", text))

    def call(self, function: str, arguments: Iterable[str]) -> str:
        """The call of a function with arguments that are texts already."""
        entry = FUNCTIONS[function]
        own = self.text(entry)
        if own is not None:
            return own.call.format(*arguments)
        return f"{self.name(entry)}({', '.join(arguments)})"

    def definitions(self, functions: Iterable[str]) -> tuple[str, ...]:
        """The definitions that these functions need, each after those that it needs itself."""
        found: dict[str, str] = {}

        def add(name: str) -> None:
            if name in found:
                return
            entry = FUNCTIONS[name]
            own = self.text(entry)
            if own is not None:
                for needed in own.uses:
                    add(needed)
                found[name] = own.helper
                return
            value = composition(entry)
            assert value is not None
            for needed in sorted(used([value])):
                add(needed)
            found[name] = self.define(entry, value)

        for name in FUNCTIONS:
            if name in set(functions):
                add(name)
        return tuple(text for text in found.values() if text)
