"""Products: which factor is a matrix, what it multiplies, and on which side."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import sympy

from lstmgen.language import notation
from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.memberships import (
    Member,
    check_columns,
    check_rows,
    check_sets,
)
from lstmgen.language.papers.equations.substitution import MAX_SIZE
from lstmgen.language.papers.meaning import matrices as m
from lstmgen.language.papers.meaning.inner import InnerVectors
from lstmgen.language.papers.meaning.roles import Roles
from lstmgen.language.papers.meaning.uses import STARS, is_capital
from lstmgen.language.papers.questions import Answer, Inference, Question
from lstmgen.language.papers.source import Source

NO_MATRIX = "a concatenation must be multiplied by a matrix, as in W \\cdot [h_{t-1}, x_t]"
NUMBER, SCALAR, UNIT, VECTOR = "number", "scalar", "unit", "vector"
ROW, LIST, MATRIX = "row", "concatenation", "matrix"
_RANK = {NUMBER: 0, SCALAR: 1, UNIT: 2, VECTOR: 3}


@dataclass(frozen=True, slots=True)
class Built:
    """What a formula becomes.

    Attributes:
        expression: of the notation; for a concatenation a list of vectors, for a matrix `Matrix`.
        kind: a number, a scalar parameter, one number per unit, a vector, a vector as a row, a
            concatenation or a matrix.
        size: its leaves, each as often as it occurs.
        is_product: a product of vectors without brackets, which a matrix must not precede.
        weight: the matrix whose product it is, and nothing else.
    """

    expression: Any
    kind: str
    size: int = 1
    is_product: bool = False
    weight: m.Weight | None = None  # the matrix whose product this is


class Products(ABC):
    """Builds products; `value` builds what is none."""

    def __init__(
        self,
        source: Source,
        roles: Roles,
        members: Mapping[str, Member],
        defined: frozenset[str],
        numbers: frozenset[str],
    ) -> None:
        self.source = source
        self.roles = roles
        self._members = members
        self._numbers = numbers  # vectors of one number: inputs that are scalar at each step
        self.inner = InnerVectors(source, members, defined | frozenset(roles.parameters))
        self._at: dict[tuple[str, int], Any] = {}  # vectors that are built already
        self.questions: list[Question] = []
        self.inferences: list[Inference] = []

    @abstractmethod
    def value(self, node: f.Formula) -> Built:
        """The value of any formula, matrices and concatenations too."""

    def refuse(self, node: f.Formula, problem: str) -> NoReturn:
        raise self.source.error(node.position, problem)

    def joined(self, node: f.Formula, expression: Any, operands: Sequence[Built]) -> Built:
        """The expression of an operation, as wide as the widest of its operands."""
        size = sum(b.size for b in operands)
        if size > MAX_SIZE:
            self.refuse(
                node, f"an expression of more than {MAX_SIZE} symbols is not read; name its parts"
            )
        return Built(expression, max((b.kind for b in operands), key=_RANK.__getitem__), size)

    def plain(self, node: f.Formula, built: Built) -> Built:
        """Refuse a matrix, a row or a concatenation where a number or vector must stand."""
        if built.kind == MATRIX:
            name = self.source.written(node.position, node.end)
            self.refuse(
                node,
                f"{name} is a matrix, but here it is not followed by the vector it multiplies; "
                "name the two differently, or declare it: % lstmgen: "
                f"{f.name_of(node)} scalar, or {f.name_of(node)} vector",
            )
        if built.kind == LIST:
            self.refuse(node, NO_MATRIX)
        if built.kind == ROW:
            self.refuse(node, "a transposed vector must stand before a matrix, as in x_t^\\top W")
        return built

    def quotient(self, node: f.Formula, above: Built, below: Built) -> Built:
        top, bottom = above.expression, self.plain(node, below).expression
        if below.kind == NUMBER and bottom == 0:
            self.refuse(node, "a division by zero")
        inverse = notation.OrderedPow(bottom, -1)
        if above.kind == MATRIX and below.kind in (NUMBER, SCALAR):
            return replace(above, expression=m.scaled(top, inverse))
        above = self.plain(node, above)
        if isinstance(top, sympy.Integer) and isinstance(bottom, sympy.Integer):
            return Built(sympy.Rational(int(top), int(bottom)), NUMBER)
        return self.joined(node, notation.OrderedMul(top, inverse), [above, below])

    def product(self, node: f.Product) -> Built:
        """Matrices bind what stands beside them first, then from left to right."""
        values = [self.value(factor) for _, factor in node.factors]
        if all(value.kind in (NUMBER, SCALAR, UNIT, VECTOR) for value in values):
            check_sets(self.source, node, self._members)
        check_rows(self.source, node, self._members)
        runs: list[tuple[str, list[int]]] = []
        for k, (operator, _) in enumerate(node.factors):
            if k and self._binds(operator, values[k - 1], values[k]):
                self._check_bare(node.factors[k - 1][1], operator)
                runs[-1][1].append(k)
            else:
                runs.append((operator, [k]))
        result: Built | None = None
        for (before, _), (operator, places) in itertools.pairwise(runs):
            if before == "/" and operator not in ("*", "/"):
                self.refuse(
                    node.factors[places[0]][1],
                    "how much is divided by is not clear; put it in parentheses, or write a "
                    "fraction",
                )
        self._tell_first(node, runs, values)
        for operator, places in runs:
            built = self._run(node, [(node.factors[k][1], values[k]) for k in places])
            first = node.factors[places[0]][1]
            if result is None:
                result = built
            elif operator == "/":
                if len(places) > 1:
                    self.refuse(first, "how much is divided by is not clear; put it in parentheses")
                result = self.quotient(node, result, built)
            else:
                result = self._element_wise(node, first, operator, result, built)
        assert result is not None
        return result

    def _tell_first(
        self, node: f.Product, runs: Sequence[tuple[str, list[int]]], values: Sequence[Built]
    ) -> None:
        """Tell how `U r_t \\odot h_{t-1}` is read, as some write U (r_t \\odot h_{t-1}) so."""
        for (_, places), (operator, after) in itertools.pairwise(runs):
            first, second = (node.factors[k][1] for k in (places[-1], after[0]))
            is_plain = isinstance(first, f.Ref) and isinstance(second, f.Ref)
            is_state = isinstance(second, f.Ref) and second.time == -1
            is_product = len(places) == 2 and values[places[0]].kind == MATRIX
            if is_plain and is_state and is_product and operator != "/" and len(after) == 1:
                position = node.factors[places[0]][1].position
                written = self.source.written(position, second.end)
                claim = "an element-wise product behind the one with the matrix"
                reason = "a matrix multiplies what stands right behind it; else write brackets"
                self.inferences.append(
                    Inference(position, written, claim, reason, (), is_told=True)
                )

    def _binds(self, operator: str, left: Built, right: Built) -> bool:
        """Whether factors belong to one run: side by side, or a matrix and what it multiplies."""
        if operator in ("", "@"):
            return True
        is_open = operator == "cdot" or (operator in STARS and operator != "otimes")
        return is_open and MATRIX in (left.kind, right.kind)

    def _check_bare(self, node: f.Formula, operator: str) -> None:
        if isinstance(node, f.Apply) and node.is_bare and operator == "":
            self.refuse(
                node,
                f"where the argument of {node.function} ends is not clear; put it in parentheses",
            )

    def _element_wise(
        self, node: f.Product, first: f.Formula, operator: str, left: Built, right: Built
    ) -> Built:
        if MATRIX in (left.kind, right.kind):
            if operator == "otimes":
                self.refuse(first, "\\otimes between matrices (a Kronecker product) is not read")
            if left.kind == right.kind:
                self.refuse(
                    first,
                    "an element-wise product of two matrices (a mask) is not read; call the "
                    "product one matrix",
                )
            name = f.name_of(first if right.kind == MATRIX else node.factors[0][1])
            self.refuse(
                first,
                f"{name} is a matrix, and an element-wise operator stands beside it; write "
                f"{name} x_t for the product with the matrix, or declare it: "
                f"% lstmgen: {name} vector",
            )
        if operator == "cdot" and ROW in (left.kind, right.kind):
            self._inner(first)
        if operator == "otimes":
            written = self.source.written(node.position, node.end)
            reason = "an outer product would be a matrix, and the text defines vectors with it"
            self.inferences.append(
                Inference(node.position, written, "element-wise", reason, (), is_told=True)
            )
        left, right = (self.plain(first, b) for b in (left, right))
        product = notation.OrderedMul(left.expression, right.expression)
        return self.joined(node, product, [left, right])

    def _inner(self, node: f.Formula) -> NoReturn:
        self.refuse(
            node,
            "this product of two vectors may be one number (an inner product), which is not read; "
            "for an element-wise product write \\odot",
        )

    def _run(self, node: f.Product, run: Sequence[tuple[f.Formula, Built]]) -> Built:
        """Factors side by side, from the right: W x, f W x, alpha W x; x W as a row."""
        last_node, done = run[-1]
        is_row = False
        for k in range(len(run) - 2, -1, -1):
            left_node, left = run[k]
            right_node = run[k + 1][0]
            if is_row and left.kind not in (NUMBER, SCALAR):
                self._unclear(left_node)
            row_before = done.kind == MATRIX and left.kind in (VECTOR, ROW, LIST, UNIT)
            done = self._pair(node, left_node, left, right_node, done)
            is_row = is_row or row_before
        if len(run) > 1 and done.kind == LIST:
            self.refuse(f.list_of(last_node), NO_MATRIX)
        return done

    def _unclear(self, node: f.Formula) -> NoReturn:
        self.refuse(node, "what the matrix multiplies is not clear; put the product in parentheses")

    def _pair(
        self,
        node: f.Formula,
        left_node: f.Formula,
        left: Built,
        right_node: f.Formula,
        right: Built,
    ) -> Built:
        """Two values side by side."""
        kinds = (left.kind, right.kind)
        if left.kind == MATRIX:
            return self._matrix_before(left_node, left, right_node, right)
        if right.kind == MATRIX:
            return self._matrix_behind(left_node, left, right_node, right)
        if LIST in kinds:
            if left.kind == LIST and right.kind == LIST:
                return self._blocks(left_node, left, right)
            self.refuse(f.list_of(left_node if left.kind == LIST else right_node), NO_MATRIX)
        if kinds == (ROW, VECTOR):
            self._inner(left_node)
        if kinds == (VECTOR, ROW):
            self.refuse(
                right_node,
                "a vector times a transposed vector is a matrix (an outer product), which is not "
                "read",
            )
        if ROW in kinds and not {NUMBER, SCALAR} & set(kinds):
            self._inner(left_node)
        if left.kind == VECTOR and right.kind == VECTOR:
            self._check_matrix_in_time(left_node)
            inner = f.unbracketed(left_node)
            is_dot = isinstance(inner, f.Product) and inner.factors[1][0] == "cdot"
            if is_dot and isinstance(left_node, f.Brackets):  # (q_t \cdot k_t) v_t
                self._inner(left_node)
        is_row = ROW in kinds
        left, right = (replace(b, kind=VECTOR) if b.kind == ROW else b for b in (left, right))
        product = notation.OrderedMul(left.expression, right.expression)
        joined = self.joined(node, product, [left, right])
        is_product = left.kind == VECTOR and right.kind == VECTOR
        return replace(joined, kind=ROW if is_row else joined.kind, is_product=is_product)

    def _check_matrix_in_time(self, node: f.Formula) -> None:
        """A_t h_{t-1}: in papers A_t is a matrix that changes with time."""
        if not isinstance(node, f.Ref) or not is_capital(node.name):
            return
        if node.name in self.roles.vectors:
            return
        written = self.source.written(node.position, node.end)
        self.questions.append(
            Question(
                node.position,
                written,
                f"{written} before a vector may be a matrix that changes with time, which is not "
                "read, or a vector that multiplies element-wise",
                (Answer(f"{node.name} vector", "a vector, and \\odot between the two"),),
            )
        )

    def _matrix_before(
        self, left_node: f.Formula, left: Built, right_node: f.Formula, right: Built
    ) -> Built:
        if right.kind == MATRIX:
            product = m.multiplied(left.expression, right.expression)
            if len(product) > m.MAX_TERMS:
                self.refuse(left_node, f"a matrix of more than {m.MAX_TERMS} terms is not read")
            return Built(product, MATRIX, left.size + right.size)
        if right.kind in (NUMBER, SCALAR):
            return replace(left, expression=m.scaled(left.expression, right.expression))
        if right.kind == UNIT:
            name = f.name_of(left_node)
            self.refuse(
                left_node,
                "a matrix must stand right before the vector it multiplies; move it there, or "
                f"declare the letter: % lstmgen: {name} scalar, or {name} vector",
            )
        if right.kind == ROW:
            self.refuse(right_node, "a transposed vector stands behind a matrix; write W x_t")
        if right.is_product:
            self._unclear(left_node)
        return self._times(left_node, left.expression, right)

    def _matrix_behind(
        self, left_node: f.Formula, left: Built, right_node: f.Formula, right: Built
    ) -> Built:
        """2 W, a W for a vector a, and the row products x W and [h, x] W^T."""
        if left.kind in (NUMBER, SCALAR):
            return replace(right, expression=m.scaled(right.expression, left.expression))
        if left.kind == UNIT:
            link = m.Diagonal(left.expression, left_node.position)
            return Built(m.multiplied(m.single(link), right.expression), MATRIX, right.size + 1)
        if left.is_product:
            self._unclear(right_node)
        is_row = left.kind == ROW
        built = self._times(right_node, m.transposed(right.expression), left)
        return replace(built, kind=ROW if is_row else VECTOR)

    def _blocks(self, node: f.Formula, left: Built, right: Built) -> Built:
        """[W, U] [x; h] is W x + U h."""
        matrices = [x for x in left.expression if isinstance(x, tuple)]
        if len(matrices) != len(left.expression) or len(matrices) != len(right.expression):
            self.refuse(node, NO_MATRIX)
        terms = [
            self._times(node, matrix, Built(vector, VECTOR)).expression
            for matrix, vector in zip(matrices, right.expression, strict=True)
        ]
        return Built(notation.OrderedAdd(*terms), VECTOR, left.size + right.size)

    def _times(self, node: f.Formula, matrix: m.Matrix, vector: Built) -> Built:
        """The product of a matrix with a vector or a concatenation."""
        size = len(matrix) * (1 + vector.size) + sum(len(term.links) for term in matrix)
        if size > MAX_SIZE:
            self.refuse(
                node, f"an expression of more than {MAX_SIZE} symbols is not read; name its parts"
            )
        if vector.kind == LIST:
            for term in matrix:
                last = term.links[-1] if term.links else None
                if not isinstance(last, m.Weight):
                    self.refuse(node, NO_MATRIX)
                if last.transposed:
                    self.refuse(
                        node,
                        f"[a, b] {last.name}, a row of vectors before a matrix, is not read; "
                        f"write a product for each, a {last.name}_a + b {last.name}_b",
                    )

        outer = self.inner.rows(matrix)
        is_at = isinstance(vector.expression, notation.At)
        name = vector.expression.name if is_at else ""
        for term in matrix:
            link = term.links[-1] if term.links else None
            if isinstance(link, m.Weight):
                columns = self.inner.columns(link)
                check_columns(self.source, node, link.name, columns, self._members.get(name))

        def step(link: m.Link, value: Any, is_last: bool) -> Any:
            if isinstance(link, m.Diagonal):
                return notation.OrderedMul(link.expression, value)
            weight: Any = notation.Name(link.name)
            if link.transposed:
                weight = notation.Transpose(weight)
            operands = value if isinstance(value, list) else [value]
            product = notation.MatrixProduct(weight, operands)
            return product if is_last else self.inner.named(link, product, outer)

        operand = vector.expression
        if vector.weight is not None:
            operand = self.inner.named(vector.weight, operand, outer)
        first = matrix[0].links[0] if len(matrix) == 1 and matrix[0].links else None
        is_plain = isinstance(first, m.Weight) and matrix[0].coefficient is None
        return Built(
            m.applied(matrix, step, operand),
            VECTOR,
            size,
            weight=first if is_plain and isinstance(first, m.Weight) else None,
        )
