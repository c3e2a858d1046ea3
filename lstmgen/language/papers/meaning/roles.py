"""Which parameter is a number, a vector or a matrix, from how all equations use it, and why.

A letter's kind is what a declaration says; else what the text says of its set; else what its uses
show: a capital letter beside a vector is a matrix, what is multiplied with \\odot or, as a small
letter, added to a vector has one number per unit.  Whatever is left open is asked, all at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.declarations import Declarations
from lstmgen.language.papers.equations.definition import Definition
from lstmgen.language.papers.equations.memberships import Member
from lstmgen.language.papers.meaning.uses import (
    MATRIX,
    NUMBER,
    SCALAR,
    VECTOR,
    Gatherer,
    Uses,
    is_capital,
    transposed_letter,
)
from lstmgen.language.papers.questions import Answer, Question
from lstmgen.language.papers.source import Source

_SHOWN = {
    "times": "\\times",
    "ast": "\\ast",
    "star": "\\star",
    "bullet": "\\bullet",
    "otimes": "\\otimes",
    "*": "*",
}
_MEANINGS = {
    SCALAR: "one number for the whole layer",
    VECTOR: "one number per unit, multiplied element-wise",
    MATRIX: "a matrix, and the product with it",
}


@dataclass(frozen=True, slots=True)
class Role:
    """The kind of a parameter, and why it is taken for one."""

    kind: str
    reason: str
    is_declared: bool
    first: f.Ref  # where it first stands


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of all parameters, and what is open about them.

    Attributes:
        parameters: by name.
        vectors: names with a time that are shown to be vectors, and not matrices over time.
        are_rows: whether the text writes vectors before their matrices, x_t W.
        questions: what is open.
    """

    parameters: Mapping[str, Role]
    vectors: frozenset[str]
    are_rows: bool
    questions: tuple[Question, ...]

    def kind(self, name: str) -> str:
        """The kind of a parameter; a vector while that is open."""
        role = self.parameters.get(name)
        return VECTOR if role is None else role.kind


def roles(
    source: Source,
    definitions: Sequence[Definition],
    declared: Declarations,
    members: Mapping[str, Member],
) -> Roles:
    """Gather the uses of every letter, and decide."""
    gathered = Gatherer(source, declared, members)
    _check_outer(source, definitions)
    for definition in definitions:
        gathered.note(definition.value, "")
    return _Decider(source, gathered, declared, members).decide()


def _check_outer(source: Source, definitions: Sequence[Definition]) -> None:
    r"""Refuse \otimes unless an equation shows that it is element-wise.

    In `c_t = f_t \otimes c_{t-1} + ...` it is: an outer product with c would be more than c.
    """
    products = [
        (d.name, node)
        for d in definitions
        for node in f.walk(d.value)
        if isinstance(node, f.Product) and any(operator == "otimes" for operator, _ in node.factors)
    ]
    for name, node in products:
        factors = [f.unbracketed(factor) for _, factor in node.factors]
        if any(isinstance(x, f.Ref) and x.name == name and x.time is not None for x in factors):
            return
    for _, node in products:
        raise source.error(
            node.position,
            "\\otimes may be an outer product (or a Kronecker product), which is not read, or an "
            "element-wise one; write \\odot for the latter",
        )


class _Decider:
    def __init__(
        self,
        source: Source,
        gathered: Gatherer,
        declared: Declarations,
        members: Mapping[str, Member],
    ) -> None:
        self._source = source
        self._gathered = gathered
        self._declared = declared
        self._members = members

    def decide(self) -> Roles:
        """A role or a question for each letter."""
        found: dict[str, Role] = {}
        questions: list[Question] = []
        families = {
            name.partition("_")[0]
            for name, use in self._gathered.uses.items()
            if self._gathered.known(name) == MATRIX or (MATRIX in use.shown and is_capital(name))
        }
        for name, use in self._gathered.uses.items():
            role = self._decided(name, use, families)
            if role is not None:
                found[name] = role
            elif (question := self._question(name, use)) is not None:
                questions.append(question)
        if self._gathered.rows is not None and self._gathered.columns is not None:
            self._check_ways(found)
        are_rows = self._gathered.rows is not None and self._gathered.columns is None
        vectors = frozenset(
            self._gathered.vectors | {n for n, k in self._declared.kinds.items() if k == VECTOR}
        )
        return Roles(found, vectors, are_rows, tuple(questions))

    def _check_ways(self, found: Mapping[str, Role]) -> None:
        """x_t W beside U h_t: one of the two is not what it looks like."""
        node = self._gathered.rows
        assert node is not None
        letter = transposed_letter(node) or node
        if isinstance(node, f.Transposed):
            return  # x_t W^T is the row of W x_t
        role = found.get(letter.name) if isinstance(letter, f.Ref) else None
        if role is not None and role.kind != MATRIX:
            return
        written = self._source.written(node.position, node.end)
        other = self._gathered.columns
        assert other is not None
        raise self._source.error(
            node.position,
            f"a vector before {written}, where line {self._source.line(other.position)} writes a "
            f"matrix before its vector: write {written} x_t here too, or \\odot for a parameter "
            f"of one number per unit; or declare: % lstmgen: {written} scalar",
        )

    def _decided(self, name: str, use: Uses, families: set[str]) -> Role | None:
        first = use.first
        if name in self._declared.kinds:
            return Role(self._declared.kinds[name], "declared", True, first)
        member = self._members.get(name)
        if member is not None:
            line = self._source.line(member.position)
            return Role(member.kind, f"line {line} says which set it is from", False, first)
        if name == "I" and use.identity and not use.shown and not use.beside:
            return Role("identity", "I among matrices is the identity", False, first)
        if MATRIX in use.shown and VECTOR in use.shown:
            (matrix, _), (vector, reason) = use.shown[MATRIX], use.shown[VECTOR]
            raise self._source.error(
                vector,
                f"{name} is a matrix in line {self._source.line(matrix)}, but here {reason}; name "
                f"the two differently, or declare it: % lstmgen: {name} scalar, or {name} vector",
            )
        for kind in (VECTOR, MATRIX):
            if kind in use.shown and (kind == VECTOR or use.starred is None):
                return Role(kind, use.shown[kind][1], False, first)
        is_applied = use.applied is not None and use.starred is None and is_capital(name)
        if is_applied and name.partition("_")[0] in families:
            return Role(MATRIX, "its letter stands for matrices in this text", False, first)
        return None

    def _question(self, name: str, use: Uses) -> Question | None:
        if use.starred is not None:
            return self._star_question(name, *use.starred)
        beside = use.multiplied or (use.alone and use.applied)
        if use.applied is not None and not beside:
            return self._call_question(name, use)
        if name == "I" and (use.identity or use.beside):
            return Question(
                use.first.position,
                name,
                "I may be the identity, which changes nothing, or a matrix",
                (Answer("I matrix", "a matrix"), Answer("x_t", "for I x_t: the identity", False)),
            )
        constant = (NUMBER,) if name in ("pi", "e") else ()
        if beside is not None:
            if isinstance(beside, f.Transposed):
                return self._row_question(name, beside)
            kinds = (*constant, SCALAR, VECTOR, MATRIX)
            return self._kind_question(name, beside, kinds, "beside a vector")
        if use.alone is not None:
            kinds = (*constant, SCALAR, VECTOR, *((MATRIX,) if is_capital(name) else ()))
            return self._kind_question(name, use.alone, kinds, "without a time")
        return None

    def _kind_question(
        self, name: str, node: f.Formula, kinds: Sequence[str], where: str
    ) -> Question:
        written = self._source.written(node.position, node.end)
        meanings = {**_MEANINGS, NUMBER: "the constant"}
        names = {SCALAR: "a scalar", VECTOR: "a vector", MATRIX: "a matrix", NUMBER: "the constant"}
        listed = [names[kind] for kind in kinds]
        options = f"{', '.join(listed[:-1])} or {listed[-1]}"
        called = "" if written == name else f" ({name})"
        return Question(
            node.position,
            written,
            f"{written}{called} {where} may be {options}",
            tuple(Answer(f"{name} {kind}", meanings[kind]) for kind in kinds),
        )

    def _star_question(self, name: str, node: f.Formula, operator: str) -> Question:
        shown = _SHOWN[operator]
        written = self._source.written(node.position, node.end)
        return Question(
            node.position,
            f"{written} {shown}",
            f"{shown} beside {written} may be a matrix product or element-wise, with a vector or a "
            "scalar (or a convolution, which is not read)",
            (
                Answer(f"{name} matrix", "the product with a matrix"),
                Answer(f"{name} vector", "element-wise, with one number per unit"),
                Answer(f"{name} scalar", "times one number for the whole layer"),
            ),
        )

    def _call_question(self, name: str, use: Uses) -> Question:
        node = use.applied
        assert node is not None
        written = self._source.written(node.position, node.end)
        ref = node if isinstance(node, f.Ref) else use.first
        if ref.is_function:
            return Question(
                node.position,
                written,
                f"which function {written} is, is not said",
                (
                    Answer(f"{name} = sigma", "the logistic function"),
                    Answer(f"{name} = tanh", "the hyperbolic tangent, or another that is known"),
                ),
            )
        answers: tuple[Answer, ...] = (
            Answer(f"{name} = tanh", "a function: this one, or another that is known"),
            Answer(f"{name} matrix", "the product with a matrix"),
            Answer(f"{name} scalar", "times one number"),
            Answer(f"{name} vector", "times one number per unit"),
        )
        if ref.is_upright:
            problem = f"the function {written} is not known"
            answers = answers[:2]
        else:
            problem = (
                f"{written}(...) may be a function, a matrix, a scalar or a vector, and which "
                "is not said"
            )
            if is_capital(name) and MATRIX in use.shown:
                answers = answers[:2]
        return Question(node.position, f"{written}(...)", problem, answers)

    def _row_question(self, name: str, node: f.Formula) -> Question:
        written = self._source.written(node.position, node.end)
        return Question(
            node.position,
            written,
            f"{written} before a vector may be a matrix, or a vector, where the product is one "
            "number, which is not read",
            (Answer(f"{name} matrix", "a matrix, transposed"),),
        )
