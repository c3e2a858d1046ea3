"""A reading repeated: the equations in plain text, with a declaration for every letter.

What is written here leaves nothing open: it reads back as the same cell, `--strict` included.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from typing import Any

import sympy

from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.algebra.precedence import ADD, ATOM, MUL, POW
from lstmgen.form.normal_form import NormalForm
from lstmgen.language import notation
from lstmgen.language.indexing import indexed_name
from lstmgen.language.translation import function_name

_CONSTANTS = {"Pi": "pi", "Exp1": "e"}
_LETTERS = ("t", "n", "k", "s", "i", "j", "m")


def written_out(equations: Sequence[sympy.Eq], form: NormalForm) -> str:
    """Declarations and equations, a line each, as a text that the reader takes."""
    lines = []
    for name in form.parameters:
        kind = "matrix" if name in form.weights else "vector"
        lines.append(f"# lstmgen: {name} {'scalar' if name in form.scalars else kind}")
    lines += [f"# lstmgen: {name} scalar" for name in form.scalar_inputs]
    if len(form.inputs) > 1:
        vectors = [name for name in form.inputs if name not in form.scalar_inputs]
        lines += [f"# lstmgen: {name} vector" for name in vectors]
    nodes = [n for e in equations for n in sympy.preorder_traversal(e.rhs)]
    found = {_CONSTANTS.get(type(n).__name__) for n in nodes if isinstance(n, sympy.NumberSymbol)}
    lines += [f"# lstmgen: {name} number" for name in sorted(filter(None, found))]
    defined = [str(indexed_name(e.lhs)[0]) for e in equations]  # type: ignore[index]
    for name in (*form.inputs, *defined):
        if form.sizes[name] in form.extra_sizes:
            lines.append(f"# lstmgen: {name} size {form.sizes[name]}")
    lines.append(f"# lstmgen: {form.output} output")
    words = {w for name in (*form.parameters, *form.sizes) for w in name.split("_")}
    letter = next((x for x in _LETTERS if x not in words), "t")
    writer = _Writer(letter)
    lines += [
        f"{writer.write(equation.lhs)} = {writer.write(equation.rhs)}" for equation in equations
    ]
    return "\n".join(lines) + "\n"


class _Writer:
    """Writes expressions with the brackets that their operators need."""

    def __init__(self, letter: str) -> None:
        self._letter = letter

    def write(self, node: Any, level: int = ADD) -> str:
        """The expression, in parentheses where it binds less tightly than `level`."""
        text, own = self._text(node)
        return text if own >= level else f"({text})"

    def _text(self, node: Any) -> tuple[str, int]:
        vector = indexed_name(node)
        if vector is not None:
            name, offset = vector
            time = self._letter if offset == 0 else f"{self._letter}-1"
            return f"{_name(name)}[{time}]", ATOM
        if isinstance(node, notation.MatrixProduct):
            return self._product(node)
        if isinstance(node, sympy.Symbol):
            return _name(node.name), ATOM
        if isinstance(node, sympy.Float):
            text = repr(float(node))
            return text, ATOM if float(node) >= 0 else ADD
        if isinstance(node, sympy.Rational):
            if node.q == 1:
                return str(node), ATOM if node >= 0 else ADD
            return f"{node.p}/{node.q}", ADD
        if isinstance(node, sympy.NumberSymbol):
            return _CONSTANTS.get(type(node).__name__, repr(float(node))), ATOM
        if isinstance(node, sympy.Add):
            return self._sum(node), ADD
        if isinstance(node, sympy.Mul):
            return self._mul(node)
        if isinstance(node, sympy.exp):
            return f"exp({self.write(node.exp)})", ATOM
        if isinstance(node, sympy.Pow):
            return f"({self.write(node.base)})^({self.write(node.exp)})", POW
        function = FUNCTIONS[function_name(node)]
        arguments = tuple(self.write(a) for a in node.args)
        if not function.repeats:
            arguments = function.complete(arguments, lambda value: repr(float(value)))
        return f"{function.name}({', '.join(arguments)})", ATOM

    def _sum(self, node: Any) -> str:
        text = ""
        for k, term in enumerate(node.args):
            negative = (
                isinstance(term, sympy.Mul)
                and len(term.args) > 1
                and term.args[0] == sympy.S.NegativeOne
            )
            if negative and len(term.args) == 2:
                text += ("-" if k == 0 else " - ") + self.write(term.args[1], MUL)
            else:
                text += ("" if k == 0 else " + ") + self.write(term, ADD if k == 0 else MUL)
        return text

    def _mul(self, node: Any) -> tuple[str, int]:
        args = list(node.args)
        if args[0] == sympy.S.NegativeOne and len(args) == 2:
            return f"-{self.write(args[1], MUL)}", ADD
        text = ""
        for k, factor in enumerate(args):
            below = (
                isinstance(factor, sympy.Pow)
                and not isinstance(factor, sympy.exp)
                and factor.exp == sympy.S.NegativeOne
            )
            if below:
                text += ("1 / " if k == 0 else " / ") + self.write(factor.base, ATOM)
            else:
                text += ("" if k == 0 else " * ") + self.write(factor, POW)
        return text, MUL

    def _product(self, node: Any) -> tuple[str, int]:
        transposed = isinstance(node.weight, notation.Transpose)
        name = _name(str(node.weight.T if transposed else node.weight))
        operands = [self.write(operand) for operand in node.operands]
        inner = f"[{', '.join(operands)}]"
        if len(operands) == 1:
            inner = self.write(node.operands[0], ATOM)
        return f"{name}{'.T' * transposed} @ {inner}", MUL


def _name(name: str) -> str:
    """A name as the reader takes it: without the mark that a keyword of Python has."""
    if re.search(r"_\d+[A-Za-z]", name):  # T_2n_i: else 2 and n would be read apart
        head, *words = name.split("_")
        return f"{head}_{{{','.join(words)}}}"
    return name[:-1] if name.endswith("_") and keyword.iskeyword(name[:-1]) else name
