"""Cells printed in plain text: as code, with Unicode, or as LaTeX without its backslashes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy

from lstmgen import Cell
from lstmgen.language import notation
from lstmgen.language.indexing import indexed_name
from lstmgen.language.papers.writing import written_out
from lstmgen.language.translation import function_name
from lstmgen.language.typesetting import declarations

LOWERED = str.maketrans("0123456789+-t", "₀₁₂₃₄₅₆₇₈₉₊₋ₜ")
TIMES: dict[str, Callable[[str, int], str]] = {
    "index": lambda name, k: f"{name}_{{{_step(k)}}}" if k else f"{name}_t",
    "square": lambda name, k: f"{name}[{_step(k)}]",
    "round": lambda name, k: f"{name}({_step(k)})",
    "unicode": lambda name, k: name + _step(k).translate(LOWERED),
    "words": lambda name, k: f"{name}_prev" if k else f"{name}_t",
}
PRODUCTS = (" @ ", " ", "·", " · ")
HADAMARD = (" * ", " ⊙ ", " ∘ ", " .* ", "⊙", " (.) ")
FUNCTIONS = {
    "sigma": ("sigmoid", "σ", "np.sigmoid", "torch.sigmoid", "logistic", "Sigmoid"),
    "tanh": ("tanh", "np.tanh", "torch.tanh", "Tanh"),
    "relu": ("relu", "ReLU", "F.relu"),
}
BEFORE = ("", "", "- ", "* ", "1. ", "(1) ", "> ")
BEHIND = ("", "", "", ".", "  # the gate", "   (1)")
HEADS = (
    "",
    "",
    "# the cell\n",
    "The step of the cell:\n\n",
    "A unit with a gate.\n\n# equations\n",
)


@dataclass
class Style:
    """How one text is written."""

    time: str
    product: str
    hadamard: str
    names: dict[str, str]
    lists: str
    equals: str
    before: str
    behind: str
    head: str


def drawn(chance: random.Random) -> Style:
    """A notation of plain text."""
    before = chance.choice(BEFORE)
    return Style(
        time=chance.choice([time for time in TIMES if time != "words"]),
        product=chance.choice(PRODUCTS),
        hadamard=chance.choice(HADAMARD),
        names={f: chance.choice(words) for f, words in FUNCTIONS.items()},
        lists=chance.choice(("[{}]", "concat({})", "np.concatenate([{}])", "cat([{}])")),
        equals=chance.choice((" = ", " := ", " <- ", "=", " ← ")),
        before=before,
        behind=chance.choice(BEHIND),
        head=chance.choice(HEADS),
    )


def printed_plainly(cell: Cell, chance: random.Random) -> str:
    """The text of a cell in plain text."""
    style = drawn(chance)
    if style.hadamard == " * " or chance.random() < 0.2:  # a * b with a parameter is asked
        lines = written_out(cell.equations, cell.normal_form).splitlines()
        declared = [line for line in lines if line.startswith("#")]
    else:
        form = cell.normal_form
        declared = [f"# lstmgen: {line}" for line in declarations(cell.equations, form)]
    writer = _Writer(style, cell)
    lines = []
    for number, equation in enumerate(cell.equations, start=1):
        before = style.before.replace("1", str(number))
        behind = style.behind.replace("1", str(number))
        left, right = writer.write(equation.lhs, 0), writer.write(equation.rhs, 0)
        lines.append(f"{before}{left}{style.equals}{right}{behind}")
    return "\n".join([*declared, style.head + lines[0], *lines[1:]]) + "\n"


class _Writer:
    def __init__(self, style: Style, cell: Cell) -> None:
        self._style = style
        self._weights = frozenset(cell.normal_form.weights)

    def write(self, node: Any, level: int) -> str:
        """`level`: 0 in a sum, 1 in a product, 2 in a power or a product with a matrix."""
        text, own = self._text(node)
        return text if own >= level else f"({text})"

    def _text(self, node: Any) -> tuple[str, int]:
        vector = indexed_name(node)
        if vector is not None:
            return TIMES[self._style.time](_spelled(vector[0]), int(vector[1])), 2
        if isinstance(node, notation.MatrixProduct):
            return self._product(node), 1
        if isinstance(node, sympy.Symbol):
            return _spelled(node.name), 2
        if isinstance(node, sympy.Add):
            return self._sum(node), 0
        if isinstance(node, sympy.Mul):
            return self._mul(node)
        if isinstance(node, sympy.exp):
            return f"exp({self.write(node.exp, 0)})", 2
        if isinstance(node, sympy.Pow):
            return f"({self.write(node.base, 0)})^({self.write(node.exp, 0)})", 2
        if node.is_number:
            text = str(node) if isinstance(node, sympy.Rational) else repr(float(node))
            return text, 2 if node >= 0 and "/" not in text else 0
        name = function_name(node)
        inner = ", ".join(self.write(argument, 0) for argument in node.args)
        return f"{self._style.names.get(name, name)}({inner})", 2

    def _sum(self, node: Any) -> str:
        text = ""
        for k, term in enumerate(node.args):
            minus = isinstance(term, sympy.Mul) and term.args[0] == -1 and len(term.args) == 2
            if minus:
                text += " - " + self.write(term.args[1], 1)
            else:
                text += " + " * (k > 0) + self.write(term, 1 if k else 0)
        return text

    def _mul(self, node: Any) -> tuple[str, int]:
        if node.args[0] == -1 and len(node.args) == 2:
            return "-" + self.write(node.args[1], 1), 0
        text = ""
        for k, factor in enumerate(node.args):
            is_power = isinstance(factor, sympy.Pow) and not isinstance(factor, sympy.exp)
            if is_power and factor.exp == -1:
                text += ("1 / " if k == 0 else " / ") + self.write(factor.base, 2)
                continue
            level = 2 if isinstance(factor, notation.MatrixProduct) else 1
            text += (self._style.hadamard if k else "") + self.write(factor, level)
        return f"{text}", 1

    def _product(self, node: Any) -> str:
        transposed = isinstance(node.weight, notation.Transpose)
        weight = _spelled(str(node.weight.T if transposed else node.weight)) + ".T" * transposed
        if len(node.operands) == 1:
            return weight + self._style.product + self.write(node.operands[0], 2)
        items = ", ".join(self.write(operand, 0) for operand in node.operands)
        return weight + self._style.product + self._style.lists.format(items)


def _step(k: int) -> str:
    return "t" if k == 0 else f"t{k:+d}"


def _spelled(name: str) -> str:
    return name[:-1] if name.endswith("_") else name
