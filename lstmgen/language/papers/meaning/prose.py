"""What stands around the equations: formulas that say nothing of the cell, and words that do.

A formula in prose, `$n = 128$`, `$L = \\sum_t \\ell_t$`, may define what no equation uses.  It need
not be readable, and a letter may mean something else there: n units beside a vector n_t.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from lstmgen.errors import EquationError
from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.definition import Definition
from lstmgen.language.papers.equations.seen import Seen
from lstmgen.language.papers.meaning.roles import Role
from lstmgen.language.papers.questions import Answer, Question
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.syntax import nodes as n
from lstmgen.language.papers.syntax.indexing import Indexing, bracketless, label_text
from lstmgen.language.papers.syntax.parsing import parse, parse_name
from lstmgen.language.papers.syntax.statements import Statement
from lstmgen.language.papers.syntax.timing import Indices
from lstmgen.language.papers.text.pieces import relation_at

_Key = tuple[object, ...]
_SIGMA = re.compile(
    r"(?:σ|\\sigma(?![A-Za-z_]))(?:\([^()]{0,8}\))?[`$]?\\?\)?\s+(?:is|denotes|stands\s+for|represents|means|(?:can|may|could)\s+be)"
    r"\s+(?:the\s+|an?\s+|any\s+)?(\$?[^.;,:$\n]{1,60})(,?\s*(?:namely|i\.e\.|that\s+is)[^;\n]{1,60})?"
)
_SOME_SIGMA = re.compile(  # for a nonlinearity $\sigma$
    r"\b(?:[Aa]n?|[Ss]ome|[Aa]ny)\s+((?:[\w-]+\s+){0,4}?(?:function|non-?linearity|activation))\s+"
    r"(?:[$`]|\\\()*(?:σ|\\sigma(?![A-Za-z_]))"
)
_LOGISTIC = re.compile(r"(?i)sigmoid|logistic|sigm\b")
_FUNCTION = re.compile(
    r"(?i)tanh|relu|hyperbolic|rectif|softmax|softplus|linear|activation|squash|function"
)
_DIAGONAL = re.compile(
    r"(?<![-\w])(?<!not )diagonal(?!\s+(?:of|elements?|entr|state|and\s+(?:upper|lower)))"
)
_SENTENCE_END = re.compile(r"[.!?]\s+(?=[A-Z])|\n\s*\n|\$\$|\\begin|\\end")
_FONT = re.compile(r"\\(?:mathbf|boldsymbol|bm|mathrm|rm|bf|text)(?![A-Za-z])|[\s{}]")


def parsed_equations(
    source: Source, statements: Sequence[Statement], indices: Indices
) -> list[n.ParsedEquation]:
    """The trees of all equations that say something of the cell.

    Raises:
        EquationError: one of them cannot be read.
    """
    found: list[n.ParsedEquation] = []
    failed: list[tuple[n.Node | None, EquationError]] = []
    for statement in statements:
        try:
            found.append(parse(source, statement))
        except EquationError as error:
            if not statement.is_inline:
                raise
            failed.append((_left(source, statement), error))
    if not any(statement.is_inline for statement in statements):
        return found
    uses = _Uses(source, indices)
    for equation in found:
        uses.note(equation)
    for left, problem in failed:
        if left is not None and uses.need(left):
            raise problem
    needed = [e for e in found if not e.is_inline or uses.need(e.sides[0])]
    if not needed and failed:
        raise failed[0][1]
    return needed or found


def _left(source: Source, statement: Statement) -> n.Node | None:
    """What stands before the relation, if that can be read."""
    try:
        return parse_name(source, statement.tokens[: relation_at(statement.tokens)])
    except EquationError:
        return None


class _Uses(Indexing):
    """Which letters without a time are used, and how often each begins a left side."""

    def __init__(self, source: Source, indices: Indices) -> None:
        super().__init__(source, indices)
        self._used: set[_Key] = set()
        self._has_times = False

    def note(self, equation: n.ParsedEquation) -> None:
        """Note what the equation uses; of its left sides, what is not defined there."""
        for k, side in enumerate(equation.sides):
            is_left = k < len(equation.sides) - 1
            for place, (symbol, is_timed) in enumerate(self._symbols(side)):
                self._has_times |= is_timed
                if not is_timed and not (is_left and place == 0):
                    self._used.add(_key(symbol))

    def need(self, left: n.Node) -> bool:
        """Whether a left side defines a vector, or a letter that is used."""
        first = next(iter(self._symbols(left)), None)
        if first is None or not self._has_times:
            return True
        symbol, is_timed = first
        is_vector = is_timed and isinstance(left, n.Symbol | n.Term | n.Group | n.Grid)
        return is_vector or _key(symbol) in self._used

    def _symbols(self, node: n.Node) -> Iterator[tuple[n.Symbol, bool]]:
        """The symbols of a tree, and whether each has a time, behind it in brackets too."""
        if isinstance(node, n.Symbol):
            times = [self.step(item) for script in node.scripts for item in script.items]
            has_index = any(s.unicode and self.unicode(s)[1] is not None for s in node.scripts)
            yield node, has_index or any(time is not None for time in times)
            for script in node.scripts:
                is_label = script.side == "_" or script.bracket or node.base[:1].isupper()
                for item in () if is_label else script.items:  # e^{A}
                    yield from self._symbols(item)
        elif isinstance(node, n.Term):
            following = [*(factor for _, factor in node.factors[1:]), None]
            for (_, factor), behind in zip(node.factors, following, strict=True):
                is_timed = behind is not None and self._is_time(behind)
                for symbol, has_time in self._symbols(factor):
                    yield symbol, has_time or (is_timed and symbol is factor)
        else:
            if isinstance(node, n.Call | n.FunctionName):
                yield (
                    n.Symbol(node.function, (), "", 0, node.scripts, node.position, node.end),
                    False,
                )
            for part in n.parts(node):
                yield from self._symbols(part)

    def _is_time(self, node: n.Node) -> bool:
        inner = bracketless(node)
        return isinstance(node, n.Group) and self.step(inner) is not None


def _key(symbol: n.Symbol) -> _Key:
    below = tuple(label_text(script) for script in symbol.scripts if script.side == "_")
    return (symbol.base, symbol.accents, symbol.primes, below)


def question_of_sigma(source: Source, vectors: Sequence[Definition]) -> Question | None:
    """Where the words say that sigma is another function than the logistic one."""
    calls = (part for d in vectors for part in f.walk(d.value) if isinstance(part, f.Apply))
    if not any(call.function == "sigma" for call in calls):
        return None
    said_logistic = False
    for said in [*_SIGMA.finditer(source.text), *_SOME_SIGMA.finditer(source.text)]:
        if _LOGISTIC.search(said[0]):
            said_logistic = True
            continue
        if not _FUNCTION.search(said[1]) or (said.re is _SOME_SIGMA and said_logistic):
            continue
        if said.re is _SOME_SIGMA and _LOGISTIC.search(source.text, said.end(), said.end() + 50):
            continue
        return Question(
            said.start(),
            said[0],
            f"sigma is said to be {said[1].strip()!r}, which may be another function than the "
            "logistic one",
            (
                Answer("sigma = sigma", "the logistic function"),
                Answer("sigma = tanh", "the hyperbolic tangent, or another that is known"),
            ),
        )
    return None


def questions_of_diagonal(
    source: Source,
    parameters: Mapping[str, Role],
    vectors: Sequence[Definition],
    seen: Mapping[str, Seen],
    output: str,
) -> list[Question]:
    """Where the words call a matrix diagonal, "the weights from the cell, e.g. W_ci, are diagonal".

    Those that are named are asked about, and what multiplies the same vectors; where none is
    named, the peepholes: what multiplies another vector that an equation defines than the output.
    """
    multiplied: dict[str, set[str]] = {}
    for name, factor in _matrix_products(vectors, parameters):
        multiplied.setdefault(name, set()).add(factor)
    if not multiplied:
        return []
    defined = {d.name for d in vectors}
    found: dict[str, int] = {}
    for sentence, start in _sentences(source.text):
        word = _DIAGONAL.search(sentence)
        if word is None or "lstmgen:" in sentence or "initiali" in sentence.lower():
            continue
        plain = _FONT.sub("", sentence)
        named = [n for n in multiplied if n in seen and _names(plain, seen[n].written)]
        beside = {v for n in named for v in multiplied[n]} - {output}
        if not named and "peephole" in sentence.lower():
            beside = defined - {output}
        asked = {*named, *(n for n in multiplied if multiplied[n] & beside)}
        for name in multiplied:
            if name in asked:
                found.setdefault(name, start + word.start())
    return [
        Question(
            place,
            "diagonal",
            f"the words call a matrix diagonal: {name} may be a full matrix, or one number per "
            "unit",
            (
                Answer(f"{name} vector", "a diagonal matrix, one number per unit"),
                Answer(f"{name} matrix", "a full matrix"),
            ),
        )
        for name, place in found.items()
        if not parameters[name].is_declared
    ]


def _matrix_products(
    vectors: Sequence[Definition], parameters: Mapping[str, Role]
) -> Iterator[tuple[str, str]]:
    """The matrices that stand before or behind a vector that has a time, and that vector."""
    for definition in vectors:
        for node in f.walk(definition.value):
            if not isinstance(node, f.Product):
                continue
            factors = [factor for _, factor in node.factors]
            for one, other in itertools.pairwise(factors):
                for matrix, vector in ((one, other), (other, one)):
                    if not isinstance(matrix, f.Ref) or not isinstance(vector, f.Ref):
                        continue
                    role = parameters.get(matrix.name)
                    if vector.time is not None and role is not None and role.kind == "matrix":
                        yield matrix.name, vector.name


def _sentences(text: str) -> Iterator[tuple[str, int]]:
    start = 0
    for end in [*_SENTENCE_END.finditer(text), None]:
        stop = end.start() if end else len(text)
        yield text[start:stop], start
        start = end.end() if end else stop


def _names(plain: str, written: str) -> bool:
    """Whether a sentence without its fonts and braces has a symbol as it is written."""
    symbol = re.escape(_FONT.sub("", written))
    return re.search(rf"(?<![A-Za-z_]){symbol}(?![A-Za-z0-9_])", plain) is not None
