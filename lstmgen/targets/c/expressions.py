"""Expressions as C on vectors, and the functions that they call."""

from __future__ import annotations

from collections.abc import Iterable

from lstmgen.algebra.expression import Call, Expression, Number, Parameter, Pow
from lstmgen.algebra.functions import FUNCTIONS, composition, used
from lstmgen.targets.common.c_expressions import _SMALL_POWER, CFamily

__all__ = ["NATIVE", "Vectors", "definitions"]

NATIVE = frozenset("exp sigma tanh relu abs max min positive nonzero step sign masked".split())
"""The functions that the common text has, as v_NAME."""


class Vectors(CFamily):
    """Writes expressions in the type `vec`."""

    def number(self, decimal: str) -> str:
        return f"splat({'(real)' if '.' in decimal else ''}{decimal})"

    def text(self, expression: Expression) -> str:
        match expression:
            case Call(function, arguments):
                return f"v_{function}({', '.join(map(self.text, arguments))})"
            case Pow(base, exponent) if not _is_small(exponent):
                return f"v_pow({self.text(base)}, {self.text(exponent)})"
        return super().text(expression)


def _is_small(exponent: Expression) -> bool:
    return (
        isinstance(exponent, Number)
        and exponent.value.denominator == 1
        and 1 < exponent.value <= _SMALL_POWER
    )


def definitions(functions: Iterable[str]) -> tuple[str, ...]:
    """The definitions of functions that the common text lacks, each after those that it needs."""
    found: dict[str, str] = {}

    def need(name: str) -> None:
        if name in found or name in NATIVE:
            return
        entry = FUNCTIONS[name]
        value = composition(entry)
        if value is not None:
            for needed in sorted(used([value])):
                need(needed)
            parameters = ", ".join(f"vec {a}" for a in entry.arguments)
            text = Vectors(_name).text(value)
            found[name] = f"INLINE vec v_{name}({parameters}) {{ return {text}; }}"
            return
        assert entry.c is not None
        scalar(name)
        parameters = ", ".join(f"vec {a}" for a in entry.arguments)
        call = entry.c.call.format(*(f"{a}[k]" for a in entry.arguments))
        found[name] = "\n".join(
            [
                f"HELPER vec v_{name}({parameters})",
                "{",
                "    vec all = {0};",
                "    for (int k = 0; k < LANES; k++)",
                f"        all[k] = {call};",
                "    return all;",
                "}",
            ]
        )

    def scalar(name: str) -> None:
        text = FUNCTIONS[name].c
        assert text is not None
        for needed in text.uses:
            scalar(needed)
        if text.helper:
            found.setdefault(f"scalar {name}", f"INLINE {text.helper}")

    for name in FUNCTIONS:
        if name in set(functions):
            need(name)
    return tuple(found.values())


def _name(leaf: object) -> str:
    assert isinstance(leaf, Parameter)
    return leaf.name
