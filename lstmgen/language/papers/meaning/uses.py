"""How all equations use each letter: beside a vector, before brackets, added, element-wise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lstmgen.language.names import is_weight, needs_declaration
from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.declarations import Declarations
from lstmgen.language.papers.equations.memberships import Member
from lstmgen.language.papers.source import Source

NUMBER, SCALAR, VECTOR, MATRIX = "number", "scalar", "vector", "matrix"
STARS = frozenset({"*", "times", "ast", "star", "bullet", "otimes"})
GLUE = frozenset({"", "cdot", "@"})


@dataclass
class Uses:
    """How one letter is used; places by what they show."""

    first: f.Ref
    shown: dict[str, tuple[int, str]] = field(default_factory=dict)  # kind -> place, reason
    multiplied: f.Formula | None = None  # beside a vector, which may mean several things
    starred: tuple[f.Formula, str] | None = None  # joined by *, \times ...
    applied: f.Formula | None = None  # before parentheses
    alone: f.Ref | None = None  # in a function, a quotient, an exponent
    identity: bool = False  # I in a sum of matrices
    beside: bool = False  # I before a vector

    def show(self, kind: str, place: int, reason: str) -> None:
        self.shown.setdefault(kind, (place, reason))


def is_capital(name: str) -> bool:
    """Whether a letter is one that papers use for matrices: a capital Latin one."""
    return name[:1].isupper() and not needs_declaration(name)


def is_letter(node: f.Formula) -> bool:
    """Whether it is a letter without a time."""
    return isinstance(node, f.Ref) and node.time is None


def is_vectorial(node: f.Formula) -> bool:
    """Whether a vector at a time step occurs in it, and not as a diagonal: then it is a vector."""
    if isinstance(node, f.Apply) and node.function == "diag":
        return False
    if isinstance(node, f.Ref):
        return node.time is not None
    return any(map(is_vectorial, f.parts(node)))


def is_matrix_like(node: f.Formula) -> bool:
    """Whether it looks like a matrix: a capital letter without a time, or a transposed one."""
    letter = node if is_letter(node) else transposed_letter(node)
    return isinstance(letter, f.Ref) and is_capital(letter.name)


def transposed_letter(node: f.Formula) -> f.Ref | None:
    """The letter of W^T."""
    inner = f.unbracketed(node)
    if isinstance(inner, f.Transposed):
        letter = f.unbracketed(inner.inner)
        if isinstance(letter, f.Ref) and letter.time is None:
            return letter
    return None


class Gatherer:
    """Goes through all equations once, and notes what each use of a letter shows."""

    def __init__(
        self,
        source: Source,
        declared: Declarations,
        members: Mapping[str, Member],
    ) -> None:
        self._source = source
        self._declared = declared
        self._members = members
        self.uses: dict[str, Uses] = {}
        self.vectors: set[str] = set()
        self.columns: f.Formula | None = None  # where a matrix stands before its vector
        self.rows: f.Formula | None = None  # and where behind it

    # Uses

    def note(self, node: f.Formula, context: str) -> None:
        """Note what a formula shows; `context` is "odot" or "added" for what holds it."""
        match node:
            case f.Ref(_, None):
                self._letter(node, context)
            case f.Ref() | f.Num() | f.FunctionRef():
                if context == "odot" and isinstance(node, f.Ref):
                    self.vectors.add(node.name)
            case f.Sum(terms):
                vectors = [is_vectorial(term) for _, term in terms]
                for k, (_, term) in enumerate(terms):
                    beside = any(v for j, v in enumerate(vectors) if j != k)
                    self.note(term, "added" if beside else context)
            case f.Brackets(_, items):
                for item in items:
                    if len(items) > 1:
                        self._vector(item)
                    self.note(item, context if len(items) == 1 else "")
            case f.Product():
                self._product(node, context)
            case f.Power(base, exponent):
                inner = context if context == "odot" else ""
                if not self._is_euler(base):
                    self.note(base, inner)
                self.note(exponent, inner)
            case f.Apply("diag", arguments):
                for argument in arguments:
                    is_open = isinstance(argument, f.Ref) and is_capital(argument.name)
                    self.note(argument, "" if is_open else "odot")  # diag(A) of a matrix A?
            case f.Apply(function, arguments):
                beside = function in ("max", "min") and any(map(is_vectorial, arguments))
                for argument in arguments:
                    inner = "odot" if context == "odot" else "added" if beside else ""
                    self.note(argument, inner)
            case f.Quotient(above, below):
                self.note(above, context)
                self.note(below, context if context == "odot" else "")
            case _:
                for part in f.parts(node):
                    self.note(part, "")

    def _is_euler(self, node: f.Formula) -> bool:
        is_e = isinstance(node, f.Ref) and node.name == "e" and node.time is None
        return is_e and self.known("e") in (None, NUMBER)

    def _is_number(self, node: f.Formula) -> bool:
        is_scalar = isinstance(node, f.Ref) and self.known(node.name) in (SCALAR, NUMBER)
        return isinstance(node, f.Num) or is_scalar

    def _use(self, ref: f.Ref) -> Uses:
        return self.uses.setdefault(ref.name, Uses(ref))

    def _letter(self, ref: f.Ref, context: str) -> None:
        use = self._use(ref)
        if context == "odot":
            use.show(VECTOR, ref.position, "it is multiplied element-wise")
        elif context == "added" and is_weight(ref.name):
            use.alone = use.alone or ref  # a matrix whose vector was forgotten?
        elif context == "added" and not needs_declaration(ref.name):
            use.show(VECTOR, ref.position, "it is added to a vector")
        elif context == "added" and ref.is_bold:
            use.show(VECTOR, ref.position, "it is bold, and added to a vector")
        elif use.alone is None:
            use.alone = ref

    def _vector(self, node: f.Formula) -> None:
        inner = f.unbracketed(node)
        if isinstance(inner, f.Transposed):
            inner = inner.inner
        if isinstance(inner, f.Ref) and inner.time is not None:
            self.vectors.add(inner.name)

    def _product(self, node: f.Product, context: str) -> None:
        """Runs of factors side by side, joined by operators."""
        runs: list[list[tuple[str, f.Formula]]] = []
        for k, (operator, factor) in enumerate(node.factors):
            if k and operator in GLUE:
                runs[-1].append((operator, factor))
            else:
                runs.append([(operator, factor)])
        operators = [run[0][0] for run in runs[1:]]
        is_vector = [any(is_vectorial(factor) for _, factor in run) for run in runs]
        has_vector = any(is_vector)
        for k, run in enumerate(runs):
            around = {operators[j] for j in (k - 1, k) if 0 <= j < len(operators)}
            beside = any(v for j, v in enumerate(is_vector) if j != k)
            inner = context
            if "odot" in around and (beside or context == "odot"):
                inner = "odot"
            elif "odot" in around and not has_vector:
                inner = ""
            elif len(runs) > 1 and inner == "added":
                inner = "" if has_vector else inner
            only = run[0][1] if len(run) == 1 else None
            if only is not None and around & STARS and (beside or is_vector[k]):
                self._starred(only, sorted(around & STARS)[0], "odot" in around)
                continue
            divided = k > 0 and operators[k - 1] == "/"
            self._run(
                [(op if j else "", x) for j, (op, x) in enumerate(run)],
                "" if divided and inner != "odot" else inner,
            )

    def _starred(self, node: f.Formula, operator: str, is_element_wise: bool) -> None:
        if isinstance(node, f.Ref) and node.time is None:
            use = self._use(node)
            if is_element_wise:
                use.show(VECTOR, node.position, "it is multiplied element-wise")
            elif use.starred is None:
                use.starred = (node, operator)
        elif isinstance(node, f.Ref):
            self.vectors.add(node.name)
        elif transposed_letter(node) is not None:
            letter = transposed_letter(node)
            assert letter is not None
            self._use(letter).show(MATRIX, letter.position, "it is transposed")
        else:
            self.note(node, "")

    def _run(self, run: Sequence[tuple[str, f.Formula]], context: str) -> None:
        """Factors side by side: which are matrices, and which way they multiply."""
        factors = [factor for _, factor in run]
        vectors = [k for k, x in enumerate(factors) if is_vectorial(x)]
        not_numbers = [k for k, x in enumerate(factors) if not self._is_number(x)]
        for k, (operator, factor) in enumerate(run):
            following = run[k + 1] if k + 1 < len(run) else None
            with_at = operator == "@" or (following is not None and following[0] == "@")
            letter = factor if is_letter(factor) else transposed_letter(factor)
            if isinstance(factor, f.Power) and is_matrix_like(f.unbracketed(factor.base)):
                letter = f.unbracketed(factor.base)  # W^{-1} x, W^2 x
                self.note(factor.exponent, "")
            before_vector = any(j > k for j in vectors)
            after_vector = any(j < k for j in vectors)
            beside = before_vector or after_vector
            if isinstance(letter, f.Ref) and (beside or with_at):
                is_transposed = isinstance(factor, f.Transposed)
                self._beside(letter, factor, following, with_at, is_transposed, before_vector)
                continue
            row = f.as_list(factor) if before_vector and not is_vectorial(factor) else None
            if row is not None and len(row) > 1 and all(map(self._is_matrix_term, row)):
                for item in row:
                    self._matrices(item)
                self._way(factor, True)
                continue
            group = factor.inner if isinstance(factor, f.Transposed) else factor
            is_group = isinstance(group, f.Brackets) and len(group.items) == 1
            is_group = is_group or isinstance(group, f.Quotient)
            if is_group and beside and self._is_matrix_sum(group):
                self._matrices(group)
                self._way(factor, before_vector)
                continue
            before_letter = following is not None and is_letter(following[1])
            is_matrix = not vectors and before_letter and is_matrix_like(factor)
            if is_matrix and isinstance(letter, f.Ref):
                reason = "it is a capital letter before another one"
                self._use(letter).show(MATRIX, letter.position, reason)
                continue
            if isinstance(factor, f.Ref) and factor.time is not None:
                is_row = following is not None and is_matrix_like(following[1])
                is_row = is_row and not any(j > k + 1 for j in vectors)
                if is_row or (k and is_matrix_like(factors[k - 1])):
                    self.vectors.add(factor.name)
            is_alone = not_numbers == [k] or not not_numbers
            self.note(factor, context if is_alone else "")

    def _beside(
        self,
        letter: f.Ref,
        factor: f.Formula,
        following: tuple[str, f.Formula] | None,
        with_at: bool,
        is_transposed: bool,
        before_vector: bool,
    ) -> None:
        """A letter beside a vector."""
        use = self._use(letter)
        name = letter.name
        group = None if following is None else following[1]
        is_list = group is not None and f.as_list(group) is not None and before_vector
        if with_at:
            use.show(MATRIX, letter.position, "it stands beside @")
            self._way(factor, before_vector)
        elif is_list and self._is_matrix_of_list(letter, following):
            use.show(MATRIX, letter.position, "it stands before a concatenation")
            self._way(factor, True)
        elif is_list and not is_transposed:
            if use.applied is None:
                use.applied = factor
        elif is_transposed and (
            is_capital(name) or (needs_declaration(name) and name[:1].isupper())
        ):
            use.show(MATRIX, letter.position, "it is transposed")
            self._way(factor, before_vector)
        elif name == "I":
            use.beside = True
        elif self._is_call(letter, following):
            if use.applied is None:
                use.applied = factor
        elif is_capital(name):
            where = "before" if before_vector else "behind"
            use.show(
                MATRIX, letter.position, f"it is a capital letter {where} the vector it multiplies"
            )
            self._way(factor, before_vector)
        elif use.multiplied is None:
            use.multiplied = factor

    def _is_matrix_of_list(self, letter: f.Ref, following: tuple[str, f.Formula] | None) -> bool:
        """W [h, x]; f(h, x) is a function, which is not said, and so may W(h, x) be."""
        if not is_capital(letter.name) or following is None:
            return False
        operator, group = following
        if operator == "cdot" or isinstance(f.unbracketed(group), f.Grid):
            return True
        return not (isinstance(group, f.Brackets) and group.bracket == "(")

    def _way(self, node: f.Formula, before_vector: bool) -> None:
        if before_vector:
            self.columns = self.columns or node
        else:
            self.rows = self.rows or node

    def _is_call(self, letter: f.Ref, following: tuple[str, f.Formula] | None) -> bool:
        """Whether U(...) may be a function of what stands in the parentheses."""
        if following is None or following[0] != "" or not isinstance(following[1], f.Brackets):
            return False
        group = following[1]
        if group.bracket not in ("(", "[") or len(group.items) != 1:
            return False
        inner = f.unbracketed(group)
        if not is_capital(letter.name):
            return True
        is_product = isinstance(inner, f.Product) and not any(
            is_letter(x) or transposed_letter(x) for _, x in inner.factors
        )
        return not (is_product or (is_weight(letter.name) and is_vectorial(inner)))

    def _is_matrix_sum(self, node: f.Formula) -> bool:
        """(A - A^T), (U - a V), (U - gamma I), (U V), A/2: no vector, all matrices."""
        inner = f.unbracketed(node)
        if is_vectorial(inner):
            return False
        terms = [t for _, t in inner.terms] if isinstance(inner, f.Sum) else [inner]
        return all(self._is_matrix_term(term) for term in terms)

    def _is_matrix_term(self, node: f.Formula) -> bool:
        node = f.unbracketed(node)
        if isinstance(node, f.Sum):
            return all(self._is_matrix_term(t) for _, t in node.terms)
        if isinstance(node, f.Product):
            return any(self._is_matrix_term(x) for _, x in node.factors)
        if isinstance(node, f.Apply) and node.function == "diag":
            return True
        if isinstance(node, f.Transposed):
            return True
        if isinstance(node, f.Quotient):
            return self._is_matrix_term(node.above)
        if not isinstance(node, f.Ref) or node.time is not None:
            return False
        kind = self.known(node.name)
        return kind == MATRIX or (kind is None and is_capital(node.name)) or node.name == "I"

    def known(self, name: str) -> str | None:
        if name in self._declared.kinds:
            return self._declared.kinds[name]
        member = self._members.get(name)
        return member.kind if member is not None else None

    def _matrices(self, node: f.Formula) -> None:
        """Letters of an expression of matrices."""
        node = f.unbracketed(node)
        if isinstance(node, f.Ref):
            use = self._use(node)
            if node.name == "I" and self.known("I") is None:
                use.identity = True
            elif self._is_matrix_term(node):
                use.show(
                    MATRIX, node.position, "it is a capital letter in an expression of matrices"
                )
            elif use.alone is None:
                use.alone = node
        elif isinstance(node, f.Product):
            for _, factor in node.factors:
                if self._is_matrix_term(factor):
                    self._matrices(factor)
                else:
                    self.note(factor, "")
        elif isinstance(node, f.Apply):
            self.note(node, "")
        elif isinstance(node, f.Quotient):
            self._matrices(node.above)
            self.note(node.below, "")
        elif isinstance(node, f.Transposed):
            inner = f.unbracketed(node.inner)
            if isinstance(inner, f.Ref):
                self._use(inner).show(MATRIX, inner.position, "it is transposed")
            else:
                self._matrices(inner)
        else:
            for part in f.parts(node):
                self._matrices(part)
