"""Products: which factor is a matrix, what it multiplies, and what is a function's argument."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import sympy

from lstmgen.language import notation
from lstmgen.language.papers.declarations import Declarations
from lstmgen.language.papers.nodes import Call, Group, Node, Script, Sum, Symbol, Term
from lstmgen.language.papers.roles import FunctionDefinition, Roles
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.spelling import Spelling, resolve

MAX_SIZE = 4_000
NO_MATRIX = "a concatenation must be multiplied by a matrix, as in W \\cdot [h_{t-1}, x_t]"
CLASSES: dict[str, Any] = {
    "abs": notation.Abs,
    "max": notation.Max,
    "min": notation.Min,
    **{
        name: getattr(notation, name)
        for name in ("sigma", "tanh", "relu", "exp", "log", "sqrt", "softplus", "sin", "cos")
    },
}
NUMBER, SCALAR, UNIT, VECTOR, LIST = "number", "scalar", "unit", "vector", "concatenation"
_RANK = {NUMBER: 0, SCALAR: 1, UNIT: 2, VECTOR: 3, LIST: 4}


@dataclass(frozen=True, slots=True)
class Built:
    """An expression of the notation: a number, a scalar, one number per unit, or a vector.

    `size` counts its leaves, each as often as it occurs.
    """

    expression: Any
    kind: str
    size: int = 1


class Products(ABC):
    """Builds the products of one text; what is no product is left to `build`."""

    def __init__(
        self, source: Source, roles: Roles, declarations: Declarations, letter: str
    ) -> None:
        self._source = source
        self._roles = roles
        self._declared = declarations
        self._letter = letter
        self._arguments: dict[str, Built] = {}  # of the defined function being applied
        self._applying: list[str] = []

    @abstractmethod
    def build(self, node: Node) -> Built:
        """The expression of any node that is not a bare matrix or a concatenation."""

    @abstractmethod
    def sum(self, terms: Sequence[tuple[bool, Node]]) -> Built:
        """The sum of terms with their signs."""

    def _refuse(self, node: Node | Script | Spelling, problem: str) -> NoReturn:
        raise self._source.error(node.position, problem)

    def _joined(self, node: Node, expression: Any, operands: Sequence[Built]) -> Built:
        """The expression of an operation, as wide as the widest of its operands."""
        size = sum(b.size for b in operands)
        if size > MAX_SIZE:
            self._refuse(
                node, f"an expression of more than {MAX_SIZE} symbols is not read; name its parts"
            )
        return Built(expression, max((b.kind for b in operands), key=_RANK.__getitem__), size)

    def _quotient(self, node: Node, above: Built, below: Built) -> Built:
        top, bottom = above.expression, below.expression
        if bottom == 0:
            self._refuse(node, "a division by zero")
        if isinstance(top, sympy.Integer) and isinstance(bottom, sympy.Integer):
            return Built(sympy.Rational(int(top), int(bottom)), NUMBER)
        inverse = notation.OrderedPow(bottom, -1)
        return self._joined(node, notation.OrderedMul(top, inverse), [above, below])

    def term(self, node: Term) -> Built:
        """A product: matrices bind the vector to their right first, then left to right."""
        runs: list[tuple[str, list[tuple[str, Node]]]] = []
        previous: Node | None = None
        for operator, factor in node.factors:
            glued = operator == "" or (
                operator == "CDOT"
                and previous is not None
                and self._roles.may_be_matrix(previous)
            )
            if previous is not None and glued:
                self._check_bare(previous, operator)
                runs[-1][1].append((operator, factor))
            else:
                runs.append((operator, [("", factor)]))
            previous = factor
        result: Built | None = None
        for operator, run in runs:
            built = self._run(node, run)
            if result is None:
                result = built
            elif operator == "SLASH":
                if len(run) > 1:
                    self._refuse(
                        run[0][1], "how much is divided by is not clear; put it in parentheses"
                    )
                result = self._quotient(node, result, built)
            else:
                if operator == "CDOT" and len(run) == 1:
                    self._check_order(run[0][1], result)
                product = notation.OrderedMul(result.expression, built.expression)
                result = self._joined(node, product, [result, built])
        assert result is not None
        return result

    def _check_bare(self, node: Node, operator: str) -> None:
        if isinstance(node, Call) and node.is_bare and operator == "":
            self._refuse(
                node,
                f"where the argument of {node.function} ends is not clear; put it in parentheses",
            )

    def _run(self, node: Node, run: Sequence[tuple[str, Node]]) -> Built:
        """Factors side by side, from the right: W x, f W x, alpha W x."""
        done: list[Built] = []
        right: Node | None = None
        glue = ""
        for operator, factor in reversed(run):
            joined = None
            if right is not None and glue in ("", "CDOT"):
                joined = self._applied(factor, right, glue, done[0])
                joined = joined or self._matrix_times(factor, right, glue, done)
            if joined is not None:
                done[0] = joined
            else:
                self._check_lone_matrix(factor, done)
                built = self._factor(factor)
                if right is not None:
                    self._check_order(right, built)
                done.insert(0, built)
            right, glue = factor, operator
        if any(built.kind == LIST for built in done):
            lists = [f for _, f in run if isinstance(f, Group) and len(f.items) > 1]
            self._refuse(lists[0] if lists else node, NO_MATRIX)
        if len(done) == 1:
            return done[0]
        return self._joined(node, notation.OrderedMul(*(b.expression for b in done)), done)

    def _factor(self, node: Node) -> Built:
        """A factor; several vectors in brackets are the concatenation that a matrix multiplies."""
        if not isinstance(node, Group) or len(node.items) == 1:
            return self.build(node)
        if node.scripts:
            self._refuse(node, "a concatenation takes no power")
        vectors = [self.build(item) for item in node.items]
        for item, vector in zip(node.items, vectors, strict=True):
            if vector.kind != VECTOR:
                self._refuse(item, "this part of the concatenation carries no time index")
        size = sum(v.size for v in vectors)
        return Built([v.expression for v in vectors], LIST, size)

    def _check_lone_matrix(self, node: Node, done: Sequence[Built]) -> None:
        """Refuse W b and W 2 x: a matrix must stand right before what it multiplies."""
        beside = done and done[0].kind == UNIT
        if (beside or any(b.kind == VECTOR for b in done)) and self._is_parameter(node):
            name = self._name(node)
            self._refuse(
                node,
                "a matrix must stand right before the vector it multiplies; move it there, or "
                f"declare the letter: % lstmgen: {name} scalar, or {name} vector",
            )

    def _check_order(self, node: Node, left: Built) -> None:
        """Refuse x W: whether rows multiply a matrix or numbers a vector is not clear."""
        if left.kind == VECTOR and self._is_parameter(node):
            name = self._name(node)
            self._refuse(
                node,
                f"a vector before {name}: write a matrix before its vector, as in {name} x_t, and "
                f"a parameter of one number per unit with \\odot, or declare: % lstmgen: {name} "
                f"scalar, or {name} vector",
            )

    def _is_parameter(self, node: Node) -> bool:
        """A letter that may be a matrix, and is not declared to be anything else."""
        return (
            isinstance(node, Symbol)
            and self._roles.may_be_matrix(node)
            and self._name(node) not in self._arguments
        )

    def _name(self, node: Node) -> str:
        assert isinstance(node, Symbol)
        return resolve(self._source, node, self._letter).identifier

    def _matrix_times(
        self, node: Node, right: Node, glue: str, done: Sequence[Built]
    ) -> Built | None:
        """W x, where `done` begins with x; None if the node is no matrix here."""
        vector = done[0]
        if vector.kind not in (VECTOR, LIST) or not self._roles.may_be_matrix(node):
            return None
        if isinstance(node, Symbol) and self._name(node) in self._arguments:
            return None
        if sum(b.kind == VECTOR for b in done) > 1:
            self._refuse(
                node, "what the matrix multiplies is not clear; put the product in parentheses"
            )
        if isinstance(node, Group):
            return self._distributed(node, vector)
        is_group = isinstance(right, Group) and len(right.items) == 1
        if glue == "" and is_group and vector.kind == VECTOR:
            assert isinstance(right, Group)
            self._check_not_function(node, right)
        return self._product(node, vector)

    def _distributed(self, node: Group, vector: Built) -> Built:
        """(A - A^T) h as A h - A^T h."""
        inner = node.items[0]
        assert isinstance(inner, Sum)
        place = f"#{len(self._arguments)}"
        operand = Symbol(place, (), "", 0, (), node.position, node.end)
        saved = self._arguments
        self._arguments = {**saved, place: vector}
        terms = []
        for negative, term in inner.terms:
            factors = term.factors if isinstance(term, Term) else (("", term),)
            terms.append((negative, Term((*factors, ("", operand)), term.position, term.end)))
        try:
            return self.sum(terms)
        finally:
            self._arguments = saved

    def _check_not_function(self, node: Node, right: Group) -> None:
        """U(r h): a matrix if it is one elsewhere, or if a product stands in the parentheses."""
        name = self._name(node)
        if name in self._roles.matrices or self._declared.kinds.get(name) == "matrix":
            return
        inner = right.items[0]
        if isinstance(inner, Term) and self._roles.is_elementwise_product(inner):
            return
        self._refuse(
            node,
            f"{name}(...) may be a product with a matrix or a number, or a function; declare it: "
            f"% lstmgen: {name} matrix, {name} scalar, or {name} = tanh",
        )

    def _product(self, node: Node, vector: Built) -> Built:
        assert isinstance(node, Symbol)
        spelling = resolve(self._source, node, self._letter)
        self._roles.check_matrix(node, spelling)
        weight: Any = notation.Name(spelling.identifier)
        if spelling.transposed:
            weight = notation.Transpose(weight)
        operands = vector.expression if vector.kind == LIST else [vector.expression]
        product = notation.MatrixProduct(weight, operands)
        operand = Built(None, VECTOR, vector.size)
        return self._joined(node, product, [Built(weight, UNIT), operand])

    def _applied(self, node: Node, right: Node, glue: str, argument: Built) -> Built | None:
        """g(a) for a function that the text defines or a declaration names."""
        if not isinstance(node, Symbol) or not isinstance(right, Group) or glue:
            return None
        spelling = resolve(self._source, node, self._letter)
        name = spelling.identifier
        if spelling.time is not None:
            return None
        if name not in self._declared.functions and name not in self._roles.functions:
            if node.font == "upright" and len(node.base) > 1 and name not in self._roles.matrices:
                self._refuse(
                    node,
                    f"the function {name} is not known; declare it: % lstmgen: {name} = tanh, or "
                    f"{name} matrix if it is one",
                )
            return None
        if right.scripts or len(right.items) != 1:
            self._refuse(right, f"{name} takes one argument in parentheses, without a power")
        if name in self._declared.functions:
            value = CLASSES[self._declared.functions[name]](argument.expression)
            return self._joined(node, value, [argument])
        return self._substituted(node, self._roles.functions[name], argument)

    def _substituted(self, node: Node, function: FunctionDefinition, argument: Built) -> Built:
        if function.name in self._applying:
            self._refuse(node, f"{function.name} is defined by itself")
        saved = self._arguments
        self._arguments = {function.argument: argument}
        self._applying.append(function.name)
        try:
            return self.build(function.body)
        finally:
            self._arguments = saved
            self._applying.pop()
