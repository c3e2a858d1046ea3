"""Cells of the library printed as papers print them: in one of many notations, drawn by chance.

`printed(cell, random)` gives a text, and the cell that it states.  Run as a program it draws many:
`python tests/support/paper_notations.py 5000`.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Sequence
from typing import Any

import sympy
from paper_cells import gates_of, stacked, with_rows
from paper_frames import as_document, framed
from paper_plain import printed_plainly
from paper_style import TIMES, Style, all_names, drawn, step

from lstmgen import Cell, load
from lstmgen.algebra.symbols import symbol
from lstmgen.errors import LstmgenError
from lstmgen.language import notation
from lstmgen.language.indexing import indexed_name
from lstmgen.language.translation import function_name
from lstmgen.language.typesetting import declarations
from lstmgen.library.loading import names
from lstmgen.library.texts import read_tex
from lstmgen.show.comparing import compare
from lstmgen.typeset.latex import latex


def printed(cell: Cell, chance: random.Random, are_rows: bool = False) -> str:
    """The text of a cell in a notation that is drawn; `are_rows`: vectors before matrices."""
    style = drawn(chance, cell)
    if are_rows:
        style.rows = "transposed"
    writer = _Writer(style, cell, chance)
    lines = [writer.equation(e) for e in cell.equations]
    is_free = not are_rows and not {"W", "b"} & all_names(cell)
    gates = gates_of(cell) if style.stack and is_free else []
    if gates:
        lines = writer.with_stack(lines, cell, gates)
    if style.shuffled:
        chance.shuffle(lines)
    weights = {str(product.weight) for _, _, product, _ in gates}
    head = "".join(
        f"% lstmgen: {line}\n"
        for line in declarations(cell.equations, cell.normal_form)
        if line.split()[0] not in weights
    )
    if style.macro:
        lines = [line.replace(style.product, r"\had ") for line in lines]
        lines = [line.replace(r"\tanh", r"\tnh") for line in lines]
        head += "\\newcommand{\\had}{" + style.product + "}\n\\def\\tnh{\\tanh}\n"
    if style.initial:
        states = [writer.vector_name(s) + "_0" for s in cell.states if "_" not in s]
        lines[:0] = [f"{s} {style.equals} 0" for s in states]
    body = framed(lines, style.environment, style.equals, style.remark)
    return head + (as_document(body, chance) if style.document else body)


class _Writer:
    def __init__(self, style: Style, cell: Cell, chance: random.Random) -> None:
        self._style = style
        self._chance = chance
        self._scalars = frozenset(cell.normal_form.scalars)
        self._vectors = {*cell.normal_form.inputs, *(d.name for d in cell.normal_form.definitions)}
        self._inputs = frozenset(cell.normal_form.inputs)
        self._states = frozenset(cell.normal_form.states)

    def equation(self, equation: Any) -> str:
        left, right = self._write(equation.lhs, 0), self._write(equation.rhs, 0)
        match self._style.marked:
            case "underbrace":
                right = f"\\underbrace{{{right}}}_{{\\text{{a remark}}}}"
            case "color":
                right = f"{{\\color{{blue}} {right}}}"
            case "braces":
                right = f"{{{right}}}"
            case "boxed":
                left = f"\\boxed{{{left}}}"
        return f"{left} {self._style.equals} {right}"

    def with_stack(self, lines: list[str], cell: Cell, gates: Sequence[Any]) -> list[str]:
        """The lines with those of the gates replaced by one of a stack."""
        names = [self._write(cell.equations[k].lhs, 0) for k, _, _, _ in gates]
        operands = self._list(gates[0][2])
        words = {"sigma": r"\sigma", "tanh": r"\tanh"}

        def function(name: str) -> str:
            return words.get(name, rf"\mathrm{{{name}}}")

        left, right = stacked(gates, names, function, operands)
        places = {k for k, _, _, _ in gates}
        rest = [line for k, line in enumerate(lines) if k not in places]
        return [f"{left} {self._style.equals} {right}", *rest]

    def _stepped(self, name: str, offset: int) -> str:
        """A vector at a time that primes or an index of the layer tell."""
        if self._style.steps == "layers":
            level, base = ("l-1", "h") if name in self._inputs else ("l", name)
            return f"{self.vector_name(base)}^{{({level})}}_{{{step('t', offset)}}}"
        is_new = name in self._states and offset == 0
        return self.vector_name(name) + "'" * is_new

    def vector_name(self, name: str) -> str:
        """The name of a vector or a matrix, in the font of the text."""
        written = self._labelled(latex(symbol(name)), name)
        bold = self._style.bold
        head, mark, rest = written.partition("_")
        if bold and len(head) == 1 and "prime" not in name:
            head = f"{{\\bf {head}}}" if bold == "bf" else f"{bold}{{{head}}}"
            return head + mark + rest
        return written

    def _labelled(self, written: str, name: str) -> str:
        """A parameter's label elsewhere than below."""
        label = re.fullmatch(r"([A-Za-z])_\{?([A-Za-z]+)\}?", written)
        if label is None or name in self._vectors:
            return written
        match self._style.labels:
            case "above":
                return f"{label[1]}^{{({label[2]})}}"
            case "roman":
                return f"{label[1]}_{{\\rm {label[2]}}}"
            case "text":
                return f"{label[1]}_{{\\text{{{label[2]}}}}}"
        return written

    def _write(self, node: Any, level: int) -> str:
        """`level`: 0 in a sum, 1 in a product, 2 in a power."""
        text, own = self._text(node)
        if own >= level:
            return text
        return f"\\left({text}\\right)" if self._style.big else f"({text})"

    def _text(self, node: Any) -> tuple[str, int]:
        vector = indexed_name(node)
        if vector is not None:
            name, offset = vector
            if self._style.steps:
                return self._stepped(name, int(offset)), 2
            time = TIMES[self._style.time]
            is_now = self._style.same_input and name in self._inputs
            shift = int(offset) + (0 if is_now else self._style.ahead)
            return time(self.vector_name(name), self._style.letter, shift), 2
        if isinstance(node, notation.MatrixProduct):
            return self._product(node), 1
        if isinstance(node, sympy.Symbol):
            layer = "^{(l)}" if self._style.steps == "layers" else ""
            if node.name in self._scalars:
                return latex(symbol(node.name)) + layer, 2
            return self.vector_name(node.name) + layer, 2
        if isinstance(node, sympy.Float):
            return f"{float(node)}", 2 if node >= 0 else 0
        if isinstance(node, sympy.Rational):
            text = str(node.p) if node.q == 1 else f"\\frac{{{node.p}}}{{{node.q}}}"
            return text, 2 if node >= 0 else 0
        if isinstance(node, sympy.Add):
            return self._sum(node), 0
        if isinstance(node, sympy.Mul):
            return self._mul(node)
        if isinstance(node, sympy.exp):
            return f"e^{{{self._write(node.exp, 0)}}}", 2
        if isinstance(node, sympy.Pow):
            return self._power(node)
        return self._call(node), 2

    def _sum(self, node: Any) -> str:
        text = ""
        for k, term in enumerate(node.args):
            minus = isinstance(term, sympy.Mul) and term.args[0] == sympy.S.NegativeOne
            if minus and len(term.args) == 2:
                text += " - " + self._write(term.args[1], 1)
            else:
                text += " + " * (k > 0) + self._write(term, 1 if k else 0)
        return text

    def _mul(self, node: Any) -> tuple[str, int]:
        if node.args[0] == sympy.S.NegativeOne and len(node.args) == 2:
            return "-" + self._write(node.args[1], 1), 0
        above = [a for a in node.args if not _is_below(a)]
        below = [a.base for a in node.args if _is_below(a)]
        text = self._factors(above) if above else "1"
        if below:
            return f"\\frac{{{text}}}{{{self._factors(below)}}}", 1
        return text, 1

    def _factors(self, factors: Sequence[Any]) -> str:
        text, before = "", ""
        for factor in factors:
            kind = "vector" if _has_vector(factor) else "number" if factor.is_number else "letter"
            if kind == "letter" and factor.free_symbols <= self._named_scalars(factor):
                kind = "number"
            body = self._write(factor, 2 if isinstance(factor, notation.MatrixProduct) else 1)
            if not text:
                text = body
            elif "number" in (kind, before):
                is_digit = body[:1].isdigit() and text[-1:].isdigit()
                text += (r" \cdot " if is_digit else r"\, ") + body
            elif kind == before == "vector":
                text += f" {self._style.product} {body}"
            else:
                text += rf" \odot {body}"
            before = kind if before != "vector" else before
        return text

    def _named_scalars(self, node: Any) -> set[Any]:
        return {s for s in node.free_symbols if getattr(s, "name", "") in self._scalars}

    def _power(self, node: Any) -> tuple[str, int]:
        if node.exp == sympy.Rational(1, 2):
            return f"\\sqrt{{{self._write(node.base, 0)}}}", 2
        if node.exp == sympy.S.NegativeOne:
            return f"\\frac{{1}}{{{self._write(node.base, 0)}}}", 1
        return f"({self._write(node.base, 0)})^{{{self._write(node.exp, 0)}}}", 2

    def _call(self, node: Any) -> str:
        name = function_name(node)
        inner = ", ".join(self._write(a, 0) for a in node.args)
        if name == "sqrt":
            return f"\\sqrt{{{inner}}}"
        if name == "abs":
            return f"\\lvert {inner} \\rvert"
        plain = (
            f"\\{name}" if name in ("log", "max", "min", "sin", "cos") else f"\\mathrm{{{name}}}"
        )
        written = self._style.functions.get(name, plain)
        left, right = (r"\left(", r"\right)") if self._style.big else ("(", ")")
        return f"{written}{left}{inner}{right}"

    def _product(self, node: Any) -> str:
        transposed = isinstance(node.weight, notation.Transpose)
        weight = self.vector_name(str(node.weight.T if transposed else node.weight))
        weight += "^{(l)}" if self._style.steps == "layers" else ""
        top = self._chance.choice((r"^\top", "^T", r"^{\top}"))
        if len(node.operands) > 1:
            dot = r" \cdot " if self._style.cdot else " "
            return (
                f"{self._transposed(weight, top) if transposed else weight}{dot}{self._list(node)}"
            )
        operand = self._write(node.operands[0], 2)
        if self._style.rows == "transposed":
            return f"{operand} {weight if transposed else self._transposed(weight, top)}"
        if transposed:
            weight = self._transposed(weight, top)
        dot = r" \cdot " if self._style.cdot and not operand.startswith("(") else " "
        return f"{weight}{dot}{operand}"

    def _transposed(self, weight: str, top: str) -> str:
        return f"{{{weight}}}{top}" if "^" in weight or "'" in weight else weight + top

    def _list(self, node: Any) -> str:
        items = [self._write(operand, 0) for operand in node.operands]
        kind = self._style.lists
        plain = all(indexed_name(operand) is not None for operand in node.operands)
        if kind == "transposed" and plain and self._style.time in ("subscript", "round"):
            return "[" + ", ".join(rf"{i}^\top" for i in items) + r"]^\top"
        if kind == "bmatrix":
            return r"\begin{bmatrix} " + r" \\ ".join(items) + r" \end{bmatrix}"
        mark = {"semicolon": "; ", "bars": r" \| "}.get(kind, ", ")
        return f"[{mark.join(items)}]"


def _is_below(node: Any) -> bool:
    is_power = isinstance(node, sympy.Pow) and not isinstance(node, sympy.exp)
    return is_power and node.exp == sympy.S.NegativeOne


def _has_vector(node: Any) -> bool:
    return any(indexed_name(part) is not None for part in sympy.preorder_traversal(node))


def in_some_notation(cell: Cell, chance: random.Random) -> tuple[Cell, str]:
    """A cell, now and then one of rows, and its text in a notation, now and then in plain text."""
    kind = chance.random()
    if kind < 0.2:
        return cell, printed_plainly(cell, chance)
    rows = with_rows(cell) if kind < 0.4 else None
    return (cell, printed(cell, chance)) if rows is None else (rows, printed(rows, chance, True))


def difference(cell: Cell, text: str) -> str | None:
    """What the reading of a text says of another cell than this one; None if nothing."""
    try:
        found = read_tex(text, name=cell.name)
    except LstmgenError as refusal:
        return f"refused: {refusal}"
    if found.digest == cell.digest:
        return None
    comparison = compare(cell, found)
    return None if comparison.same else str(comparison)


def main(count: int, seed: int = 0) -> int:
    """Print and read back `count` cells in drawn notations; the number that came back otherwise."""
    chance = random.Random(seed)
    cells = [load(name) for name in names()]
    failed = 0
    for _ in range(count):
        cell = chance.choice(cells)
        cell, text = in_some_notation(cell, chance)
        problem = difference(cell, text)
        if problem is not None:
            failed += 1
            print(f"--- {cell.name}\n{text}\n{problem}\n")
    print(f"{count} texts, {failed} read otherwise than they were meant")
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
