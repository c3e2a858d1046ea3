"""Which symbol is what, gathered from all equations before any is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.errors import EquationError
from lstmgen.language.names import needs_declaration, objection
from lstmgen.language.papers.declarations import Declarations
from lstmgen.language.papers.nodes import (
    Group,
    Node,
    Number,
    ParsedEquation,
    Sum,
    Symbol,
    Term,
    walk,
)
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.spelling import Spelling, is_mark, resolve

_ELEMENT_WISE = ("HAD", "STAR", "TIMES")


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """g(a) = 4 sigma(a) - 2, to be put in place of g(...)."""

    name: str
    argument: str
    body: Node


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a symbol first stands, and how it is written there."""

    written: str
    position: int
    key: tuple[object, ...]


class Roles:
    """The symbols of a text and the parts they play."""

    def __init__(
        self,
        source: Source,
        equations: Sequence[ParsedEquation],
        declarations: Declarations,
        letter: str,
    ) -> None:
        self._source = source
        self._declared = declarations
        self._letter = letter
        self.seen: dict[str, Seen] = {}
        self.vectors: dict[str, int] = {}  # name -> position of a use with a time index
        self.plain: dict[str, int] = {}  # name -> position of a use without
        self.matrices: dict[str, int] = {}  # name -> position of the use that shows it
        self.functions: dict[str, FunctionDefinition] = {}
        self.equations = [e for e in equations if not self._take_function(e)]
        bodies = [f.body for f in self.functions.values()]
        arguments = {f.argument for f in self.functions.values()}
        nodes = [n for e in self.equations for n in (e.left, e.right)]
        for node in [*nodes, *bodies]:
            self._note_all(node, arguments)
        for name, position in self.plain.items():
            self._check_time(name, position)
        self._check_declared()

    def may_be_matrix(self, node: Node) -> bool:
        """Whether a factor is a parameter that can multiply the vector to its right."""
        if isinstance(node, Group):
            inner = node.items[0] if len(node.items) == 1 else None
            return isinstance(inner, Sum) and not node.scripts and self._is_matrix_sum(inner)
        if not isinstance(node, Symbol):
            return False
        spelling = resolve(self._source, node, self._letter)
        return (
            spelling.time is None
            and spelling.power is None
            and self._declared.kinds.get(spelling.identifier, "matrix") == "matrix"
            and spelling.identifier not in self._declared.functions
            and spelling.identifier not in self.functions
        )

    def is_elementwise_product(self, node: Term) -> bool:
        """Whether the factors are joined by an element-wise operator."""
        return any(operator in _ELEMENT_WISE for operator, _ in node.factors)

    def check_matrix(self, node: Symbol, spelling: Spelling) -> None:
        """Refuse a letter that may as well be a scalar, unless it is declared."""
        name = spelling.identifier
        if self._declared.kinds.get(name) == "matrix" or spelling.transposed:
            return
        if name == "I":
            raise self._source.error(
                node.position,
                "I may be the identity or a parameter; write the identity's product out, or "
                "declare: % lstmgen: I matrix",
            )
        if needs_declaration(name):
            raise self._source.error(
                node.position,
                f"{name} beside a vector may be a number or a matrix; declare it: "
                f"% lstmgen: {name} scalar, {name} vector (one number per unit), or {name} matrix",
            )

    def _is_matrix_sum(self, node: Sum) -> bool:
        """(A - A^T): some term is a transposed or known matrix without a vector."""
        for _, term in node.terms:
            last = term.factors[-1][1] if isinstance(term, Term) else term
            if isinstance(last, Symbol):
                spelling = resolve(self._source, last, self._letter)
                is_known = spelling.identifier in self.matrices and spelling.time is None
                if spelling.transposed or is_known:
                    return True
        return False

    def _take_function(self, equation: ParsedEquation) -> bool:
        """Note an equation g(a) = ... as the definition of a function."""
        match equation.left:
            case Term((("", Symbol() as name), ("", Group("(", (Symbol() as argument,), ())))):
                pass
            case _:
                return False
        inner = resolve(self._source, argument, self._letter)
        outer = resolve(self._source, name, self._letter)
        if outer.time is not None or inner.time is not None:
            return False
        if inner.identifier == self._letter:
            raise self._source.error(
                argument.position,
                f"time in parentheses is not read; write {name.base}_{self._letter}",
            )
        self.functions[outer.identifier] = FunctionDefinition(
            outer.identifier, inner.identifier, equation.right
        )
        return True

    def _note_all(self, node: Node, arguments: set[str]) -> None:
        """Note every symbol, those in exponents too."""
        for part in walk(node):
            self._note(part, arguments)
            for exponent in self._exponents(part):
                self._note_all(exponent, arguments)

    def _exponents(self, node: Node) -> list[Node]:
        if isinstance(node, Symbol):
            power = resolve(self._source, node, self._letter).power
            return [power] if power is not None else []
        scripts = [s for s in getattr(node, "scripts", ()) if s.side == "^"]
        return [item for script in scripts for item in script.items if not is_mark(item)]

    def _note(self, node: Node, arguments: set[str]) -> None:
        if isinstance(node, Symbol):
            spelling = resolve(self._source, node, self._letter)
            self._note_symbol(node, spelling, arguments)
        elif isinstance(node, Term):
            for (_, left), (operator, right) in zip(
                node.factors[:-1], node.factors[1:], strict=True
            ):
                self._note_pair(left, operator, right)

    def _note_symbol(self, node: Symbol, spelling: Spelling, arguments: set[str]) -> None:
        name = spelling.identifier
        if problem := objection(name):
            raise self._source.error(node.position, f"the name {name!r} {problem}")
        if spelling.time not in (None, 0, -1):
            raise self._source.error(
                node.position,
                f"an index other than {self._letter} or {self._letter}-1; carry an older value in "
                "a vector of its own, like g_t = h_{t-1}",
            )
        written = self._source.text[node.position : node.end].strip()
        if written.startswith("\\text"):
            raise self._source.error(
                node.position,
                f"expected a formula, not prose ({written}); move it behind a %, or write "
                "\\mathrm for a symbol's name",
            )
        seen = self.seen.setdefault(name, Seen(written, node.position, spelling.key))
        if seen.key != spelling.key:
            raise self._source.error(
                node.position,
                f"{written} and {seen.written} (line {self._source.line(seen.position)}) would "
                f"both be called {name}; write them alike, or rename one of them",
            )
        if spelling.time is not None:
            self.vectors.setdefault(name, node.position)
        elif name not in arguments and name not in self.functions:
            self.plain.setdefault(name, node.position)
        if spelling.transposed:
            self.matrices.setdefault(name, node.position)

    def _note_pair(self, left: Node, operator: str, right: Node) -> None:
        """W x_t, W [h, x] and W \\cdot (...) show that W is a matrix."""
        if operator not in ("", "CDOT") or not isinstance(left, Symbol):
            return
        if not self.may_be_matrix(left):
            return
        spelling = resolve(self._source, left, self._letter)
        shows = operator == "CDOT" and isinstance(right, Group)
        if isinstance(right, Symbol):
            shows = resolve(self._source, right, self._letter).time is not None
        elif isinstance(right, Group) and len(right.items) > 1:
            shows = True
        if shows:
            self.matrices.setdefault(spelling.identifier, left.position)

    def _check_time(self, name: str, position: int) -> None:
        if name in self.vectors:
            raise self._source.error(
                position,
                f"{name} has no time index here, but has one in line "
                f"{self._source.line(self.vectors[name])}; write {name}_{self._letter}, or name "
                "the two differently",
            )

    def _check_declared(self) -> None:
        for name, place in self._declared.places.items():
            known = name in self.seen or name in self._declared.functions
            kind = self._declared.kinds.get(name)
            if known and (kind in (None, "scalar") or name not in self.vectors):
                continue
            problem = (
                f"{name} carries a time index, so it cannot be a {kind}"
                if known
                else f"{name} is declared but does not occur; the symbols are "
                + ", ".join(sorted(self.seen))
            )
            if place is None:
                raise EquationError(f"{self._source.name}: {problem}")
            raise self._source.error(place, problem)


def left_side(
    source: Source, equation: ParsedEquation, letter: str
) -> Spelling:
    """The vector at t that an equation defines."""
    node = equation.left
    if isinstance(node, Symbol):
        spelling = resolve(source, node, letter)
        if spelling.time == 0 and spelling.power is None and not spelling.transposed:
            return spelling
        if spelling.time is None:
            if not _has_time(source, equation.right, letter) and isinstance(
                equation.right, (Sum, Term)
            ):
                raise source.error(
                    node.position,
                    f"{spelling.identifier} would be defined by parameters alone; write its "
                    "products out where it is used, as in (W - W^\\top) h_{t-1}",
                )
            raise source.error(
                node.position,
                f"{spelling.identifier} is defined without a time index; the left side must be a "
                f"vector at time {letter}, like {node.base}_{letter}"
                + ("" if not isinstance(equation.right, Number) else " (leave initial values out)"),
            )
    raise source.error(
        node.position, f"the left side must be one vector at time {letter}, like h_{letter}"
    )


def _has_time(source: Source, node: Node, letter: str) -> bool:
    return any(
        isinstance(part, Symbol) and resolve(source, part, letter).time is not None
        for part in walk(node)
    )
