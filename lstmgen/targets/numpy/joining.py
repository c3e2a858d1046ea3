"""Products of the loop that take in what is added to them.

A pre-activation W_h·h_{t-1} + W_x·x_t + b is one product where 1, h_{t-1} and x_t lie one below the
other, and b, W_h and W_x side by side: nothing is left to add in the loop.  Here is decided which
products take in which inputs and constants.  A `Product` may also serve two steps, as in
`lstmgen.targets.numpy.across`; such a product takes in nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from lstmgen.algebra.expression import Add, Expression, Neg, Value, add, values
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.program import Block, Fanout, Row, Schedule
from lstmgen.targets.numpy.across import fanout_pairs

ONE = "1"
"""The row of ones, which constants multiply: its name, and its size."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A block of a weight, or its negative."""

    row: Row
    negative: bool


@dataclass(frozen=True, slots=True)
class Sum:
    """One block of rows of a product: `of` times the operand, and what is added to that.

    Attributes:
        of: the block that multiplies the operand.
        beside: the blocks that multiply the inputs, in their order.
        constant: what multiplies the 1, or None for zero.
        user: the pre-activation that the sum is a part of.
    """

    of: Signed
    beside: tuple[Signed, ...]
    constant: Expression | None
    user: str


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the loop: a stack of sums.

    Attributes:
        name: of the matrix.
        operand: the vector of the loop that it multiplies.
        inputs: what it multiplies beside the operand.
        constant: whether it multiplies a 1 as well.
        sums: the rows.
        later: how many of the last sums are for the step after.
    """

    name: str
    operand: Value
    inputs: tuple[str, ...]
    constant: bool
    sums: tuple[Sum, ...]
    later: int = 0

    @property
    def plain(self) -> bool:
        """Whether it multiplies the operand alone."""
        return not self.inputs and not self.constant


@dataclass(frozen=True, slots=True)
class Operand:
    """A vector of the loop with all that is multiplied beside it: an array of slots per step."""

    names: tuple[str, ...]
    sizes: tuple[str, ...]


class Joining:
    """Which products the loop has, and where each pre-activation begins.

    Attributes:
        products: for each `Fanout` of the loop its products; none where an earlier step's serve.
        begins: for each pre-activation that needs nothing ahead of the loop, the result that it
            begins with, in the product's own memory; what else is to be added, is added there.
        taken: results of products ahead of the loop that no longer stand there.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._inputs = schedule.form.inputs
        loop = schedule.forward.loop
        self._loop = [stage for stage in loop if isinstance(stage, Fanout)]
        self._ahead = {
            row.result: (stage, row)
            for stage in schedule.forward.before
            if isinstance(stage, Fanout)
            for row in stage.rows
        }
        self._users = {
            v.name: d
            for stage in loop
            if isinstance(stage, Block)
            for d in stage.assignments
            for v in values(d.value)
        }
        self.products: dict[Fanout, tuple[Product, ...]] = {}
        self.begins: dict[str, str] = {}
        self._begun: dict[str, int] = {}  # pre-activation -> place in the loop of where it begins
        self.taken: set[str] = set()
        self._names: set[str] = set()
        pairs = fanout_pairs(loop)
        paired = {fanout for pair in pairs for fanout in pair}
        for fanout in self._by_rows(f for f in self._loop if f not in paired):
            self._join(fanout)
        for now, later in pairs:
            # What is left for the step after must be added there before it is overwritten.
            place = self._loop.index(now)
            if (
                not {now, later} & {*self.products}
                and all(self._has_begun(row, len(self._loop)) for row in now.rows)
                and all(self._has_begun(row, place) for row in later.rows)
            ):
                rows = (*now.rows, *later.rows)
                sums = tuple(map(self._alone, rows))
                self.products[later] = ()
                self.products[now] = (
                    Product(self._name(now), now.operand, (), False, sums, len(later.rows)),
                )
        for fanout in self._by_rows(f for f in self._loop if f not in self.products):
            self._join(fanout)

    def _by_rows(self, fanouts: Iterable[Fanout]) -> list[Fanout]:
        """Those with the most rows first: they take in what more than one could."""
        return sorted(fanouts, key=lambda f: (-len(f.rows), self._loop.index(f)))

    def _name(self, fanout: Fanout) -> str:
        name = f"w_{fanout.operand.name}"
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    # One fanout

    def _join(self, fanout: Fanout) -> None:
        """The products of a fanout: the rows that take in inputs, and all the others."""
        able = {row: self._terms(row) for row in fanout.rows}
        # Beside a state that is new in this step lies the input of the next.
        if fanout.operand.name in self._schedule.form.states and not fanout.operand.shift:
            able = {row: found if found and found.plain else None for row, found in able.items()}
        keys = [found.inputs for found in able.values() if found is not None and found.inputs]
        inputs = max(keys, key=keys.count, default=())
        chosen: list[Sum] = []
        rest: list[Sum] = []
        for row, found in able.items():
            begins = found is not None and found.user not in self.begins
            if found is not None and begins and found.inputs in (inputs, ()):
                self.begins[found.user] = row.result
                self._begun[found.user] = self._loop.index(fanout)
                self.taken.update(found.results)
                (chosen if found.inputs else rest).append(found.sum)
            else:
                rest.append(self._alone(row))
        products = []
        for sums, beside in ((chosen, inputs), (rest, ())):
            if sums:
                constant = any(s.constant is not None for s in sums)
                name = self._name(fanout)
                products.append(Product(name, fanout.operand, beside, constant, tuple(sums)))
        self.products[fanout] = tuple(products)

    def _alone(self, row: Row) -> Sum:
        d = self._users[row.result]
        return Sum(Signed(row, self._is_negative(d, row.result)), (), None, d.name)

    @staticmethod
    def _is_negative(d: Definition, result: str) -> bool:
        return Neg(Value(result)) in terms(d.value)

    def _terms(self, row: Row) -> _Found | None:
        """What a sum with the row takes in; None if its pre-activation does not begin with it."""
        d = self._users[row.result]
        if d.name in self.begins or row.result not in _results(d):
            return None
        beside: dict[str, Signed] = {}
        results = []
        constants = []
        for term in terms(d.value):
            inner = term.argument if isinstance(term, Neg) else term
            if isinstance(inner, Value) and inner.name in self._ahead:
                stage, ahead = self._ahead[inner.name]
                if stage.operand.name not in self._inputs or stage.operand.name in beside:
                    return None
                beside[stage.operand.name] = Signed(ahead, isinstance(term, Neg))
                results.append(inner.name)
            elif not values(term):
                constants.append(term)
        inputs = tuple(name for name in self._inputs if name in beside)
        return _Found(
            d.name,
            inputs,
            tuple(results),
            Sum(
                Signed(row, self._is_negative(d, row.result)),
                tuple(beside[name] for name in inputs),
                add(*constants) if constants else None,
                d.name,
            ),
        )

    def _has_begun(self, row: Row, place: int) -> bool:
        """Whether there is, at a place in the loop, what the row's result can be added to."""
        d = self._users[row.result]
        if row.result not in _results(d):
            return False
        return self._begun[d.name] < place if d.name in self._begun else self.ready(d) != ()

    def ready(self, d: Definition) -> tuple[Expression, ...]:
        """The terms of a pre-activation that are known ahead of the loop."""
        found = []
        for term in terms(d.value):
            inner = term.argument if isinstance(term, Neg) else term
            known = isinstance(inner, Value) and inner.name in self._ahead
            if known or not values(inner):
                found.append(term)
        return tuple(found)

    # What is multiplied

    @cached_property
    def operands(self) -> dict[str, Operand]:
        """The vectors that products multiply with something beside them: 1, vector, inputs."""
        found: dict[str, Operand] = {}
        sizes = self._schedule.sizes
        for fanout in self._loop:
            products = [p for p in self.products[fanout] if not p.plain]
            if products:
                value = fanout.operand
                inputs = max((p.inputs for p in products), key=len)
                names = (*(ONE,) * any(p.constant for p in products), value.name, *inputs)
                own = (ONE if name == ONE else sizes[name] for name in names)
                found[value.name] = Operand(names, tuple(own))
        return found


@dataclass(frozen=True, slots=True)
class _Found:
    """What a sum takes in."""

    user: str
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    sum: Sum

    @property
    def plain(self) -> bool:
        """Whether it takes in nothing."""
        return not self.inputs and self.sum.constant is None


def terms(expression: Expression) -> tuple[Expression, ...]:
    """The terms of a sum."""
    return expression.terms if isinstance(expression, Add) else (expression,)


def _results(d: Definition) -> Sequence[str]:
    """The values that a definition adds up, with either sign."""
    inner = (t.argument if isinstance(t, Neg) else t for t in terms(d.value))
    return [v.name for v in inner if isinstance(v, Value)]
