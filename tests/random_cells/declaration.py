"""A cell as the text of its declaration: what the generator makes, shrinks and writes to a file."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sympy

import lstmgen
from lstmgen import Cell
from lstmgen.language import notation

_WORD = re.compile(r"[A-Za-z_]\w*")
_NOTATION = {name: getattr(notation, name) for name in notation.__all__}
_TAKEN = {*_NOTATION, "Cell", "sympy", "cell"}
"""What a cell file has imported: a symbol of that name needs another variable."""


@dataclass(frozen=True)
class Declaration:
    """A cell's equations as Python text, in which each symbol's variable is its name.

    Attributes:
        equations: what is defined, and its right side: `("h", "tanh(W @ [h[t-1], x[t]])")`.
        scalars: the parameters that are one number.
        output: the vector that `forward` returns.
        sizes: declared sizes of vectors.
        renamed: symbols that are called otherwise in the cell than in the text.
        name: the cell's.
    """

    equations: tuple[tuple[str, str], ...]
    scalars: tuple[str, ...] = ()
    output: str = "h"
    sizes: tuple[tuple[str, str], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    name: str = "cell"

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol, as the text calls it, in order of appearance."""
        found: list[str] = []
        for left, right in self.equations:
            names = [n for n in ast.walk(ast.parse(right)) if isinstance(n, ast.Name)]
            found += [left, *(n.id for n in sorted(names, key=lambda n: n.col_offset))]
        return tuple(dict.fromkeys(name for name in found if name not in _TAKEN))

    def called(self, symbol: str) -> str:
        """What the cell calls a symbol of the text."""
        return dict(self.renamed).get(symbol, symbol)

    def cell(self) -> Cell:
        """The cell; raises `EquationError` where it is refused."""
        scope: dict[str, Any] = {**_NOTATION, "sympy": sympy}
        for symbol in self.symbols:
            make = lstmgen.scalars if symbol in self.scalars else lstmgen.symbols
            scope[symbol] = make(self.called(symbol))
        equations = []
        for left, right in self.equations:
            value = eval(compile(right, "<right side>", "eval"), scope)
            equations.append(notation.Eq(scope[left][notation.t], value))
        return Cell(
            self.name,
            *equations,
            output=self.called(self.output),
            sizes={self.called(v): size for v, size in self.sizes},
        )

    def text(self, about: str) -> str:
        """The declaration as a cell file, with `about` as its docstring."""
        variable: dict[str, str] = {}
        for symbol in self.symbols:
            wanted = self.called(symbol)
            while wanted in _TAKEN or keyword.iskeyword(wanted) or wanted in variable.values():
                wanted += "_"
            variable[symbol] = wanted
        right = [_renamed(right, variable) for _, right in self.equations]
        plain = [s for s in self.symbols if s not in self.scalars]
        used = sorted({w for text in right for w in _WORD.findall(text)} & {*_NOTATION})
        imports = sorted({*used, "Cell", "Eq", "symbols", "t", *["scalars"] * bool(self.scalars)})
        uses_sympy = any("sympy." in text for text in right)
        options = []
        if self.output != "h" or self.called("h") != "h":
            options.append(f"output={self.called(self.output)!r}")
        if self.sizes:
            sizes = {self.called(v): size for v, size in self.sizes}
            options.append(f"sizes={sizes!r}")
        lines = [f'"""{about}"""', ""]
        lines += ["import sympy", ""] * uses_sympy
        lines += [f"from lstmgen import {', '.join(imports)}", ""]
        for make, chosen in (("symbols", plain), ("scalars", list(self.scalars))):
            if chosen:
                given = " ".join(map(self.called, chosen))
                lines.append(f'{", ".join(variable[s] for s in chosen)} = {make}("{given}")')
        lines += ["", "cell = Cell(", f'    "{self.name}",']
        for (left, _), text in zip(self.equations, right, strict=True):
            lines.append(f"    Eq({variable[left]}[t], {text}),")
        lines += [f"    {option}," for option in options]
        return "\n".join([*lines, ")", ""])

    def __str__(self) -> str:
        lines = [f"{self.called(v)}[t] = {_renamed(r, self._names)}" for v, r in self.equations]
        more = [f"output={self.called(self.output)}"] if self.called(self.output) != "h" else []
        more += [f"scalars={self.scalars}"] if self.scalars else []
        more += [f"sizes={self.sizes}"] if self.sizes else []
        return "\n".join([*lines, *more])

    @property
    def _names(self) -> dict[str, str]:
        return {symbol: self.called(symbol) for symbol in self.symbols}


def read(path: Path) -> Declaration:
    """The declaration in a cell file of this kind; raises ValueError for any other Python."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    scalars: list[str] = []
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        made, target = ast.unparse(node.value.func), node.targets[0]
        if made in ("symbols", "scalars"):
            given = ast.literal_eval(node.value.args[0]).replace(",", " ").split()
            variables = target.elts if isinstance(target, ast.Tuple) else [target]
            names.update(zip(map(ast.unparse, variables), given, strict=True))
            scalars += [ast.unparse(v) for v in variables] * (made == "scalars")
        elif made == "Cell":
            call = node.value
    options = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
    back = {name: variable for variable, name in names.items()}
    return Declaration(
        equations=tuple(
            (ast.unparse(eq.args[0].value), ast.unparse(eq.args[1]))  # type: ignore[attr-defined]
            for eq in call.args[1:]
        ),
        scalars=tuple(scalars),
        output=back[options.get("output", "h")],
        sizes=tuple((back[v], size) for v, size in options.get("sizes", {}).items()),
        renamed=tuple((variable, name) for variable, name in names.items() if variable != name),
        name=ast.literal_eval(call.args[0]),
    )


def _renamed(text: str, names: dict[str, str]) -> str:
    """The text with other names for its symbols; functions and attributes stay."""
    tidy = ast.unparse(ast.parse(text, mode="eval")).replace("[t - 1]", "[t-1]")
    return re.sub(r"(?<![\w.])[A-Za-z_]\w*", lambda m: names.get(m[0], m[0]), tidy)
