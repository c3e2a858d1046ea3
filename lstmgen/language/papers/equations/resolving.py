r"""What a symbol's decorations mean: its name, its time, a power, a transpose.

`\tilde{C}_{t-1}` is C_tilde at t-1; `W_{hf}` is W_hf; `b^{(1)}_f` is b_f_1; `x_t^2` is a power.
Whether `b^c` is a name or a power is decided by what the rest of the text shows, else asked.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from lstmgen.language.names import objection
from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.seen import Key, Seen, SeenSymbols
from lstmgen.language.papers.equations.superscripts import Superscripts
from lstmgen.language.papers.questions import Inference, Question
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.syntax import nodes as n
from lstmgen.language.papers.syntax.indexing import MARKS
from lstmgen.language.papers.syntax.timing import Indices
from lstmgen.language.papers.text.vocabulary import (
    CONCATENATION,
    MATRIX_PRODUCT,
    SPELLINGS,
)

_OPENING = re.compile(r"(?:\\left|\\[bB]ig+l?)?[\s(\[{]*$")


@dataclass(frozen=True, slots=True)
class Resolved:
    """All equations with their symbols resolved.

    Attributes:
        equations: in the order of the text.
        seen: by name, where each symbol first stands.
        questions: what is open about names and powers.
        inferences: what was concluded about them.
    """

    equations: tuple[f.ResolvedEquation, ...]
    seen: Mapping[str, Seen]
    questions: tuple[Question, ...]
    inferences: tuple[Inference, ...]


@dataclass(frozen=True, slots=True)
class _Spelling:
    name: str
    time: int | None
    power: n.Node | None
    transposed: bool
    key: Key


class Resolver(Superscripts):
    """Resolves the equations of one text."""

    def __init__(
        self, source: Source, indices: Indices, kinds: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(source, indices, kinds or {})
        self._seen = SeenSymbols(source)

    def resolve(self, equations: Sequence[n.ParsedEquation]) -> Resolved:
        """Every equation, and what was asked and concluded on the way."""
        self.gather_all(equations)
        found = tuple(
            f.ResolvedEquation(tuple(map(self.formula, e.sides)), e.is_inline) for e in equations
        )
        inferences = [*self._inferences.values(), *self._seen.in_one_font(found)]
        return Resolved(
            found,
            dict(self._seen.by_name),
            tuple(self._questions.values()),
            tuple(inferences),
        )

    def name(self, node: n.Node) -> str | None:
        """The name of a symbol that stands alone, as in a declaration."""
        return self._spelling(node).name if isinstance(node, n.Symbol) else None

    # Formulas

    def formula(self, node: n.Node) -> f.Formula:
        """The formula of any node."""
        match node:
            case n.Symbol():
                return self._symbol(node, None)
            case n.Number():
                value: f.Formula = f.Num(node.text, node.position, node.end)
                return self._powers(value, node.scripts, node.end)
            case n.Sum(terms, position, end):
                resolved = tuple((negative, self.formula(term)) for negative, term in terms)
                return f.Sum(resolved, position, end)
            case n.Term():
                return self._term(node)
            case n.Group():
                return self._group(node)
            case n.Fraction(above, below, position, end):
                return f.Quotient(self.formula(above), self.formula(below), position, end)
            case n.Call():
                return self._call(node)
            case n.FunctionName(function, scripts, position, end):
                if scripts:
                    symbol = n.Symbol(function, (), "upright", 0, scripts, position, end)
                    return self._symbol(symbol, None)
                return f.FunctionRef(SPELLINGS.get(function, function), position, end)
            case n.Grid(rows, scripts, position, end):
                grid: f.Formula = f.Grid(
                    tuple(tuple(map(self.formula, row)) for row in rows), position, end
                )
                return self._powers(grid, scripts, end)

    def _term(self, node: n.Term) -> f.Formula:
        """Factors; a symbol and its time in brackets, h(t-1), are one."""
        factors: list[tuple[str, f.Formula]] = []
        rest = list(node.factors)
        while rest:
            operator, factor = rest.pop(0)
            following = rest[0] if rest and rest[0][0] == "" else None
            time = None if following is None else self._bracketed_time(following[1])
            if time is not None and following is not None:
                group = following[1]
                assert isinstance(group, n.Group)
                merged = self._with_time(factor, time, group)
                if merged is not None:
                    rest.pop(0)
                    factors.append((operator, merged))
                    continue
            if isinstance(factor, n.Call) and factor.is_bare and following is not None:
                self.refuse(
                    factor,
                    f"where the argument of {factor.function} ends is not clear; put it in "
                    f"parentheses, as in {factor.function}(W x_t)",
                )
            factors.append((operator, self.formula(factor)))
        if len(factors) == 1:
            return factors[0][1]
        return f.Product(tuple(factors), node.position, node.end)

    def _bracketed_time(self, node: n.Node) -> int | None:
        if isinstance(node, n.Group) and node.bracket in ("(", "[") and len(node.items) == 1:
            return self.step(node.items[0])
        return None

    def _with_time(self, node: n.Node, time: int, group: n.Group) -> f.Formula | None:
        """A symbol, or the symbol that a bare function is applied to, at the time behind it."""
        if isinstance(node, n.Symbol):
            if self._spelling(node).time is not None:
                return None
            result = self._symbol(replace(node, end=group.end), time)
            return self._powers(result, group.scripts, group.end)
        if isinstance(node, n.Call) and node.is_bare and len(node.arguments) == 1:
            inner = self._with_time(node.arguments[0], time, group)
            if inner is not None:
                return self._applied(node, (inner,))
        return None

    def _group(self, node: n.Group) -> f.Formula:
        items = tuple(map(self.formula, node.items))
        result: f.Formula
        if node.bracket == "{" and len(items) == 1:
            result = (
                items[0]
                if not isinstance(items[0], f.Sum | f.Product)
                else f.Brackets("{", items, node.position, node.end)
            )
        else:
            result = f.Brackets(node.bracket, items, node.position, node.end)
        scripts = node.scripts
        if scripts and scripts[0].mark == "+" and len(items) == 1:
            result = f.Apply("relu", items, False, node.position, node.end)
            scripts = scripts[1:]
        return self._powers(result, scripts, node.end)

    def _call(self, node: n.Call) -> f.Formula:
        if node.function == "abs" and any(s.side == "_" for s in node.scripts):
            self.refuse(
                node,
                "a norm takes all units together; only element-wise functions are read",
            )
        if any(s.side == "_" for s in node.scripts):
            # \sigma_g(a): the function's name is sigma_g
            below = tuple(s for s in node.scripts if s.side == "_")
            others = tuple(s for s in node.scripts if s.side != "_")
            start = node.arguments[0].position if node.arguments else node.end
            written = _OPENING.sub("", self._source.text[node.position : start])
            end = node.position + len(written)
            symbol = n.Symbol(node.function, (), "", 0, below, node.position, end)
            spelling = self._spelling(symbol)
            step = self.step(node.arguments[0]) if len(node.arguments) == 1 else None
            if spelling.time is None and step is not None:
                return self._powers(self._symbol(symbol, step), others, node.end)
            if spelling.time is None:
                inner = tuple(map(self.formula, node.arguments))
                group = f.Brackets("(", inner, end, node.end)
                name = self._symbol(symbol, None)
                if isinstance(name, f.Ref):
                    name = replace(name, is_function=True)
                pair = (("", name), ("", group))
                return self._powers(f.Product(pair, node.position, node.end), others, node.end)
        return self._applied(node, tuple(map(self.formula, node.arguments)))

    def _applied(self, node: n.Call, arguments: tuple[f.Formula, ...]) -> f.Formula:
        span = (node.position, node.end)
        if node.is_bare and isinstance(node.arguments[0], n.Number):
            self.refuse(
                node,
                f"where the argument of {node.function} ends is not clear; put it in parentheses, "
                f"as in {node.function}(1 + x_t)",
            )
        if node.is_bare and node.function == "sigma":
            self.refuse(
                node,
                "sigma beside a symbol may be a function or a number; put the argument of the "
                "function in parentheses, or give the number another letter",
            )
        result: f.Formula
        if node.function in CONCATENATION:
            items = arguments
            if len(items) == 1 and isinstance(items[0], f.Brackets):
                items = items[0].items
            result = f.Brackets("[", items, *span)
        elif node.function in MATRIX_PRODUCT and len(arguments) == 2:
            result = f.Brackets(
                "(", (f.Product((("", arguments[0]), ("@", arguments[1])), *span),), *span
            )
        else:
            function = SPELLINGS.get(node.function, node.function)
            if node.function == "PReLU" and len(arguments) == 1:
                self.refuse(
                    node, "the slope of PReLU is a parameter; write it, as in PReLU(a, \\alpha)"
                )
            if any(_is_inverse(s) for s in node.scripts):
                self.refuse(
                    node,
                    f"{node.function}^{{-1}} is an inverse function or a power; write "
                    f"1 / {node.function}(...), or the inverse by its name",
                )
            result = f.Apply(function, arguments, node.is_bare, *span)
        return self._powers(result, node.scripts, node.end)

    def _powers(self, base: f.Formula, scripts: Sequence[n.Script], end: int) -> f.Formula:
        """Superscripts after a number, a bracket or a function: powers and transposes."""
        is_raised = False
        for script in scripts:
            if script.unicode:
                words, _ = self.unicode(script)
                only: n.Node | None = None
                if script.side == "^" and len(words) == 1 and words[0].isdigit():
                    only = n.Number(words[0], (), script.position, script.position + 1)
            elif script.mark == "top" or self._is_transpose(script):
                base = f.Transposed(base, base.position, end)
                continue
            else:
                only = script.items[0] if len(script.items) == 1 else None
            if script.side != "^" or only is None or script.mark:
                self.refuse(script, "an index can follow a symbol only")
            if isinstance(only, n.Symbol) and only.base == "\\prime":
                self.refuse(
                    script, "a prime after a bracket or a function is a derivative, or unclear"
                )
            if is_raised:
                self.refuse(
                    script,
                    "a second exponent: a^b^c may be (a^b)^c or a^(b^c); put one of the powers in "
                    "parentheses",
                )
            is_raised = True
            base = f.Power(base, self.formula(only), base.position, end)
        return base

    def _is_transpose(self, script: n.Script) -> bool:
        if script.side != "^" or len(script.items) != 1 or script.bracket:
            return False
        only = script.items[0]
        return isinstance(only, n.Symbol) and not only.scripts and only.base in ("\\top", "T")

    # Symbols

    def _symbol(self, node: n.Symbol, time: int | None) -> f.Formula:
        spelling = self._spelling(node)
        name = spelling.name
        time = spelling.time if time is None else time
        if problem := objection(name):
            self.refuse(node, f"the name {name!r} {problem}")
        self._seen.note(node, name, spelling.key, is_timed=time is not None)
        is_upright = node.font == "upright" and len(node.base) > 1
        result: f.Formula = f.Ref(
            name, time, node.position, node.end, is_upright, node.font == "bold"
        )
        if spelling.transposed:
            result = f.Transposed(result, node.position, node.end)
        if spelling.power is not None:
            result = f.Power(result, self.formula(spelling.power), node.position, node.end)
        return result

    def _spelling(self, symbol: n.Symbol) -> _Spelling:
        """The meaning of a symbol's decorations."""
        time: int | None = None
        power: n.Node | None = None
        transposed = False
        below: list[str] = []
        above: list[str] = []
        layer: int | None = None
        for script in symbol.scripts:
            is_top = script.mark == "top" or self._is_transpose(script)
            if is_top and (script.mark or not self.is_part(symbol)):
                transposed = True
                continue
            if script.mark:
                is_above = script.mark in ("*", "star", "ast") and script.side == "^"
                is_known = is_above or script.mark == "+"
                if is_known and symbol.base[:1].isupper() and not self.is_timed(symbol):
                    mark = "+" if script.mark == "+" else "*"
                    meanings = "its conjugate transpose, an inverse"
                    if script.side == "_":
                        meanings = "its positive part"
                    self.refuse(
                        script,
                        f"{symbol.base}{script.side}{mark} may be {meanings} or a name; give it "
                        "another name",
                    )
                above.append(MARKS.get(script.mark, script.mark))
                continue
            if script.unicode:
                words, offset = self.unicode(script)
                if script.side == "^" and len(words) == 1 and words[0].isdigit():
                    place = script.position
                    if power is not None:
                        self._second_exponent(script)
                    power = n.Number(words[0], (), place, place + 1)
                    continue
            elif script.side == "^" and self.is_power(symbol, script):
                if power is not None:
                    self._second_exponent(script)
                power = script.items[0]
                continue
            else:
                words, offset, found = self.words(script)
                layer = found if found is not None else layer
            if offset is not None:
                if time is not None:
                    self.refuse(script, "a second time index on one symbol")
                time = offset
            (below if script.side == "_" else above).extend(words)
        primes = symbol.primes
        while "\\prime" in above:
            above.remove("\\prime")
            primes += 1
        if layer is not None and layer < 0:
            above.append("below")
        words = [*symbol.accents, *["prime"] * primes, *_plain(below), *_plain(above)]
        name = "_".join([symbol.base.lstrip("\\"), *words])
        if keyword.iskeyword(name):
            name += "_"
        font = "" if symbol.font == "upright" and len(symbol.base) > 1 else symbol.font
        key = Key((symbol.base, symbol.accents, primes, tuple(below), tuple(above)), font)
        return _Spelling(name, time, power, transposed, key)

    def _second_exponent(self, script: n.Script) -> NoReturn:
        self.refuse(
            script,
            "a second exponent on one symbol: a^b^c may be (a^b)^c or a^(b^c); put one of the "
            "powers in parentheses",
        )


def _is_inverse(script: n.Script) -> bool:
    only = script.items[0] if script.items else None
    return isinstance(only, n.Sum) and len(only.terms) == 1 and only.terms[0][0]


def _plain(words: list[str]) -> list[str]:
    return [part for word in words for part in word.lstrip("\\").split("_")]
