"""Whether a superscript is a power or part of a name, as the whole text shows, or a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lstmgen.language.papers.questions import Answer, Inference, Question
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.syntax import nodes as n
from lstmgen.language.papers.syntax.indexing import Indexing, bracketless, label_text
from lstmgen.language.papers.syntax.timing import Indices


@dataclass
class _Facts:
    """What the whole text shows about superscripts."""

    plain: set[str] = field(default_factory=set)  # letters that stand for themselves
    timed: set[str] = field(default_factory=set)  # letters with an index of time
    raised: dict[str, set[str]] = field(default_factory=dict)  # base -> its superscripts
    defined: set[str] = field(default_factory=set)  # letters that are a left side
    left: set[tuple[str, str]] = field(default_factory=set)  # (base, superscript) on a left side
    below: bool = False  # times stand in subscripts
    labels: dict[str, set[str]] = field(default_factory=dict)  # label -> what bears it
    whole: set[str] = field(default_factory=set)  # left sides with a time and no superscript


def _is_top(node: n.Node) -> bool:
    return isinstance(node, n.Symbol) and node.base in ("\\top", "T")


class Superscripts(Indexing):
    """Decides superscripts; what is open about them becomes a question."""

    def __init__(self, source: Source, indices: Indices, kinds: Mapping[str, str]) -> None:
        super().__init__(source, indices)
        self._kinds = kinds  # what is declared: "power" or "name", or the kind of a letter
        self._facts = _Facts()
        self._facts.plain |= {name for name, kind in kinds.items() if kind != "name"}
        self._questions: dict[str, Question] = {}
        self._inferences: dict[str, Inference] = {}

    def gather_all(self, equations: Sequence[n.ParsedEquation]) -> None:
        """Note how letters and superscripts are used."""
        for equation in equations:
            for k, side in enumerate(equation.sides):
                is_left = k < len(equation.sides) - 1
                self.gather(side, is_left=is_left)
                if is_left and isinstance(side, n.Symbol):
                    self._facts.defined.add(side.base)

    def gather(self, node: n.Node, *, is_left: bool) -> None:
        for part in n.walk(node):
            if not isinstance(part, n.Symbol):
                continue
            has_time = False
            raised = []
            for script in part.scripts:
                if any(self.step(item) is not None for item in script.items) or (
                    script.unicode and self.unicode(script)[1] is not None
                ):
                    has_time = True
                    self._facts.below |= script.side == "_"
                    continue
                label = label_text(script)
                if label is not None:
                    self._facts.labels.setdefault(label, set()).add(part.base)
                    if script.side == "^":
                        raised.append(label)
            (self._facts.timed if has_time else self._facts.plain).add(part.base)
            for label in raised:
                self._facts.raised.setdefault(part.base, set()).add(label)
                if is_left:
                    self._facts.left.add((part.base, label))
            if is_left and has_time and not raised:
                self._facts.whole.add(part.base)

    def is_part(self, symbol: n.Symbol) -> bool:
        """Whether C^T_t is a vector with this name: it is defined, and so is C_t."""
        base = symbol.base
        return (base, "T") in self._facts.left and base in self._facts.whole

    def is_power(self, symbol: n.Symbol, script: n.Script) -> bool:
        """Whether a superscript is a power: a number or a formula that is no time and no label."""
        if len(script.items) != 1:
            return False
        node = script.items[0]
        if self.step(node) is not None or self.layer(node) is not None:
            self._check_time(symbol, script)
            return False
        label = label_text(script)
        if label is not None and (symbol.base, label) in self._facts.left:
            return False
        inner = bracketless(node)
        if isinstance(inner, n.Symbol) and inner.base == "\\prime":
            return False
        if isinstance(inner, n.Sum) and any(_is_top(term) for _, term in inner.terms):
            self.refuse(script, "the inverse of a transposed matrix is not read; give it a name")
        if isinstance(inner, n.Number):
            if script.bracket or not inner.text.isdigit():
                return not script.bracket
            return self._numeral(symbol, inner)
        if isinstance(inner, n.Sum | n.Fraction | n.Call):
            return True
        if isinstance(inner, n.Group):
            return True
        if script.bracket in ("<", "["):
            return False
        if isinstance(inner, n.Term):
            if any(operator for operator, _ in inner.factors):
                return True
            if any(self.is_timed(part) for part in n.walk(inner)):
                return True
            if any(isinstance(p, n.Number) for _, p in inner.factors[:1]):
                return True
        elif self.is_timed(inner):
            return True
        if label is None:
            return True
        return self._letters(symbol, script, label)

    def _check_time(self, symbol: n.Symbol, script: n.Script) -> None:
        r"""Refuse \lambda^t in a text that writes h_t: it may be a power of the step's number."""
        is_plain = not script.bracket and self.step(script.items[0]) == 0
        is_known = symbol.base in self._facts.defined or symbol.base in ("x", "u")
        if is_plain and self._facts.below and not is_known and len(symbol.scripts) == 1:
            written = self._source.written(symbol.position, symbol.end)
            time = self._time
            self.refuse(
                symbol,
                f"{written} may be a power, where a step does not know its number {time}, or the "
                f"value at {time}; write {symbol.base}_{time} for that",
            )

    def _numeral(self, symbol: n.Symbol, number: n.Number) -> bool:
        """x^2 is a power unless there is an x^1, or it is declared to be a name."""
        written = f"{symbol.base}_{number.text}"
        declared = self._kinds.get(written)
        if declared is not None:
            return declared == "power"
        numerals = self._facts.raised.get(symbol.base, set())
        return not numerals & {"0", "1"}

    def _letters(self, symbol: n.Symbol, script: n.Script, label: str) -> bool:
        """b^{f}: a name or a power, as the text shows."""
        base = symbol.base
        if script.bracket:
            return False
        if base == "e" and not symbol.accents and "e" not in self._facts.timed:
            return self._kinds.get("e", "number") == "number"
        declared = self._kinds.get(f"{base}_{label}")
        if declared in ("name", "power"):
            return declared == "power"
        if declared is not None:
            return False
        item = script.items[0]
        is_word = isinstance(item, n.Symbol) and item.font == "upright" and len(item.base) > 1
        letters = {p.base for p in n.walk(item) if isinstance(p, n.Symbol)}
        if is_word and not letters & self._facts.plain:
            return False
        in_index = {x for x in letters if x in self._facts.timed}
        others = self._facts.raised.get(base, set()) - {label}
        is_known = letters <= self._facts.plain and not in_index
        is_capital = base[:1].isupper() and len(base) == 1
        alone = len(label) == 1 and not others and self._facts.labels[label] == {base}
        alone = alone and not letters & (self._facts.timed | self._facts.defined)
        if is_capital and (not is_known or letters & self._facts.defined) and not alone:
            return False  # U^z for the gate z
        if not is_known and (in_index or any(not x.isdigit() for x in others)):
            return False
        if is_known and not others:
            self._infer_power(symbol, label)
            return True
        name = f"{base}_{label}"
        written = self._source.written(symbol.position, symbol.end)
        self._questions.setdefault(
            name,
            Question(
                symbol.position,
                written,
                f"{written} may be {base} to the power {label}, or a symbol with the name {name}",
                (
                    Answer(f"{name} power", f"the power of {base}"),
                    Answer(f"{name} name", f"one symbol, {name}"),
                ),
            ),
        )
        return False

    def _infer_power(self, symbol: n.Symbol, label: str) -> None:
        name = f"{symbol.base}_{label}"
        written = self._source.written(symbol.position, symbol.end)
        self._inferences.setdefault(
            name,
            Inference(
                symbol.position,
                written,
                "a power",
                f"{label} is a symbol of its own elsewhere",
                (
                    Answer(f"{name} power", f"the power of {symbol.base}"),
                    Answer(f"{name} name", f"one symbol, {name}"),
                ),
            ),
        )

    def is_timed(self, node: n.Node) -> bool:
        if not isinstance(node, n.Symbol):
            return False
        return any(
            any(self.step(item) is not None for item in script.items)
            or (bool(script.unicode) and self.unicode(script)[1] is not None)
            for script in node.scripts
        )
