"""The state-to-state Jacobian of a cell: how each state depends on the states one step before.

For states s and r, ds_t/dr_{t-1} is a matrix.  It is derived in forward mode along the definitions
of the normal form: by the chain rule, a definition's Jacobian is the sum, over the vectors that it
uses, of diag(partial derivative) or a weight's block, times that vector's own Jacobian.  What meets
no weight on its way is one diagonal matrix, the direct path: along an LSTM's conveyor belt it is
diag(f_t).  All else passes through matrix products, which shrink it or let it grow.

Source: S. Hochreiter, "Untersuchungen zu dynamischen neuronalen Netzen", diploma thesis, TU
München, 1991; R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural
networks", ICML 2013, equations (3) to (5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lstmgen.algebra.derivative import derivative
from lstmgen.algebra.expression import (
    ONE,
    ZERO,
    Expression,
    MatVec,
    Neg,
    Number,
    Value,
    add,
    children,
    mul,
    values,
    walk,
    without_masks,
)
from lstmgen.form.normal_form import Definition, HasNormalForm, Names, NormalForm
from lstmgen.gradients.jacobian_typesetting import lines, notes
from lstmgen.gradients.paths import Block, Diagonal, Entry, Factor, Group, Term, Whole
from lstmgen.notebook import plain_text
from lstmgen.typeset.lines import Line, align

__all__ = ["Jacobian", "jacobian"]

_LONG = 24  # nodes: a direct path longer than this that is wanted twice gets a name


@dataclass(frozen=True)
class Jacobian:
    """The Jacobian of every state by every state of the step before, as equations.

    Attributes:
        cell: the name of the cell.
        entries: of all pairs of states, in the order of the cell's states.
        helpers: of the other values that entries mention, each after those it mentions.
    """

    cell: str
    entries: tuple[Entry, ...]
    helpers: tuple[Entry, ...]
    form: NormalForm

    def entry(self, of: str, by: str) -> Entry:
        """d`of`_t/d`by`_{t-1}.

        Raises:
            KeyError: there is no such entry.
        """
        for entry in (*self.entries, *self.helpers):
            if (entry.of, entry.by) == (of, by):
                return entry
        raise KeyError(f"d{of}_t/d{by}_(t-1) is not part of the Jacobian of {self.cell}")

    _repr_pretty_ = plain_text

    def __str__(self) -> str:
        entries = (*self.entries, *self.helpers)
        return "\n".join([*map(str, entries), *notes(entries, self.form)])

    def latex(self) -> str:
        """The equations in one align environment."""
        return align(self.lines())

    def lines(self) -> list[Line]:
        """All equations, then the symbols that they add."""
        return lines((*self.entries, *self.helpers), self.form)

    def _repr_latex_(self) -> str:
        return self.latex()


def jacobian(cell: HasNormalForm) -> Jacobian:
    """The state-to-state Jacobian of a cell.

    The number and the length of its equations grow in proportion to the cell's, for each state.
    """
    form = cell.normal_form
    names = Names({*form.sizes, *form.parameters})
    found: dict[tuple[str, str], Entry] = {}
    for by in form.states:
        found |= {(e.of, by): e for e in _Columns(form, by, names).entries()}
    entries = [found.pop((of, by)) for of in form.states for by in form.states]
    helpers = found.values()
    return Jacobian(
        form.name,
        tuple(replace(e, label=f"J{k}") for k, e in enumerate(entries, 1)),
        tuple(replace(e, label=f"J{k}") for k, e in enumerate(helpers, len(entries) + 1)),
        form,
    )


class _Columns:
    """The Jacobians of all values of a step by one state of the step before."""

    def __init__(self, form: NormalForm, by: str, names: Names) -> None:
        self._form = form
        self._by = by
        self._names = names
        self._found: dict[str, Entry] = {}
        self._uses = dict.fromkeys(form.sizes, 0)
        for definition in form.definitions:
            for value in values(definition.value):
                if value.shift == 0:
                    self._uses[value.name] += 1

    def entries(self) -> list[Entry]:
        """Those of the states, and of every other value that one of them mentions."""
        for definition in self._form.definitions:
            self._found[definition.name] = self._derive(definition)
        named = {e.diagonal: e.of for e in self._found.values() if e.diagonal is not None}
        wanted = set(self._form.states)
        for name in reversed(self._found):
            if name in wanted:
                wholes, vectors = _mentions(self._found[name])
                wanted |= wholes | {of for vector, of in named.items() if vector in vectors}
        return [entry for name, entry in self._found.items() if name in wanted]

    def _derive(self, definition: Definition) -> Entry:
        direct: list[Expression] = []
        products: list[Term] = []
        for value in values(definition.value):
            slope = without_masks(derivative(definition.value, value, Value(definition.name)))
            if slope == ZERO:
                continue
            if value.shift == 0:
                direct.append(self._straight(slope, value.name))
                products += self._scaled(slope, value.name)
            elif value.name == self._by:
                direct.append(slope)
        for product, negative in _signed(definition.value):
            block = Block(product.weight, product.slot, product.transposed)
            if product.operand.shift == 0:
                products += self._multiplied(block, product.operand.name, negative)
            elif product.operand.name == self._by:
                products.append(Term((block,), negative))
        return Entry("", definition.name, self._by, add(*direct), tuple(products))

    def _straight(self, slope: Expression, value: str) -> Expression:
        """The direct path through an element-wise use of a value."""
        entry = self._found.get(value)
        if entry is None or entry.direct == ZERO:
            return ZERO
        own = entry.direct
        if self._uses[value] > 1 and sum(1 for _ in walk(own)) > _LONG:
            if entry.diagonal is None:
                name = self._names.new("j", f"{value}_{self._by}")
                entry = self._found[value] = replace(entry, diagonal=name)
            own = Value(str(entry.diagonal))
        return mul(slope, own)

    def _scaled(self, slope: Expression, value: str) -> list[Term]:
        """The paths through products of an element-wise use of a value, times diag(slope)."""
        entry = self._found.get(value)
        if entry is None or not entry.products:
            return []
        terms = entry.products
        slope, negative = _magnitude(slope)
        # A sum that is wanted twice, or is a state's anyway, is mentioned and not written again.
        again = self._uses[value] > 1
        shown = value in self._form.states and entry.direct == ZERO and len(terms) > 1
        if shown or (again and _has_sum(terms)):
            terms = (Term((Whole(value, self._by, part=entry.direct != ZERO),)),)
        if slope == ONE:
            return [replace(term, negative=term.negative != negative) for term in terms]
        if len(terms) > 1:
            return [Term((Diagonal(slope), Group(terms)), negative)]
        term = terms[0]
        first, *rest = term.factors
        factors: tuple[Factor, ...] = (Diagonal(slope), *term.factors)
        if isinstance(first, Diagonal):
            factors = (Diagonal(mul(slope, first.vector)), *rest)
        return [Term(factors, negative != term.negative)]

    def _multiplied(self, block: Block, operand: str, negative: bool) -> list[Term]:
        """The paths through the product of a block with a value of this step."""
        entry = self._found.get(operand)
        if entry is None or (entry.direct == ZERO and not entry.products):
            return []
        if not entry.products and sum(1 for _ in walk(entry.direct)) <= _LONG:
            vector, minus = _magnitude(entry.direct)
            factors = (block,) if vector == ONE else (block, Diagonal(vector))
            return [Term(factors, negative != minus)]
        if entry.direct == ZERO and not _has_sum(entry.products):
            (term,) = entry.products
            return [Term((block, *term.factors), negative != term.negative)]
        return [Term((block, Whole(operand, self._by)), negative)]


def _has_sum(terms: tuple[Term, ...]) -> bool:
    """Whether there is more than one path."""
    return len(terms) > 1 or any(isinstance(f, Group) for term in terms for f in term.factors)


def _magnitude(expression: Expression) -> tuple[Expression, bool]:
    """The expression without its sign, and whether it has one."""
    match expression:
        case Neg(argument):
            return argument, True
        case Number(value) if value < 0:
            return Number(-value), True
    return expression, False


def _mentions(entry: Entry) -> tuple[set[str], set[str]]:
    """The values whose Jacobians an entry refers to, and the vectors in its diagonals."""
    wholes: set[str] = set()
    diagonals = [entry.direct]
    terms = list(entry.products)
    for term in terms:  # grows while it is read
        for factor in term.factors:
            match factor:
                case Diagonal(vector):
                    diagonals.append(vector)
                case Whole(of):
                    wholes.add(of)
                case Group(inner):
                    terms += inner
    vectors = {n.name for d in diagonals for n in walk(d) if isinstance(n, Value)}
    return wholes, vectors


def _signed(value: Expression) -> list[tuple[MatVec, bool]]:
    """The matrix products among the terms of a definition, and whether each is subtracted."""
    match value:
        case MatVec():
            return [(value, False)]
        case Neg(MatVec() as product):
            return [(product, True)]
    return [pair for part in children(value) for pair in _signed(part)]
