"""The backward program, from the derived equations."""

from __future__ import annotations

from lstmgen.algebra.expression import Expression, MatVec, Neg, Value, add, matvecs, values
from lstmgen.form.normal_form import Definition, Names, NormalForm, uses_product
from lstmgen.gradients.derivation import Gradients
from lstmgen.schedule.blocks import blocks
from lstmgen.schedule.program import Column, Gather, Program, Stage
from lstmgen.schedule.regions import Regions
from lstmgen.schedule.variables import Role, Variable


class Backward:
    """Builds the backward program from the derived equations."""

    def __init__(
        self,
        form: NormalForm,
        gradients: Gradients,
        regions: Regions,
        names: Names,
        variables: dict[str, Variable],
        seed: str,
    ) -> None:
        self._form = form
        self._gradients = gradients
        self._regions = regions
        self._names = names
        self._variables = variables
        self._seed = Value(seed)
        self._value_of = {a.name: a.of for a in gradients.adjoints}
        self._hoistable: set[str] = set()  # gathers of the loop that can run before it
        self._round: dict[str, int] = {}  # adjoint or assignment -> round within its part

    def program(self) -> tuple[Program, dict[str, tuple[str | None, str | None]]]:
        carried = {s: self._carry_names(s) for s in self._form.states}
        # Adjoints of what runs after the forward loop come first, and so on.
        first = self._part("after", carried)
        loop = self._part("loop", carried)
        last = self._part("before", carried)
        first += [g for g in loop if isinstance(g, Gather) and self._from_after(g)]
        loop = [s for s in loop if not (isinstance(s, Gather) and self._from_after(s))]
        return Program(tuple(first), tuple(loop), tuple(last)), carried

    def _add(self, name: str, like: str, role: Role, label: str) -> None:
        self._variables[name] = Variable(name, self._variables[like].indices, role, label)

    def _from_after(self, gather: Gather) -> bool:
        """Whether a gather in the loop reads only adjoints known before it, at the same step."""
        return gather.result in self._hoistable

    def _carry_names(self, state: str) -> tuple[str | None, str | None]:
        later = self._gradients.adjoint(state).later
        products = any(uses_product(term) for term in later)
        # What hands nothing on hands on zero: dstate must not reach steps before the last.
        elementwise = any(not uses_product(term) for term in later) or not later
        made = []
        for wanted, prefix in ((elementwise, "carry"), (products, "back")):
            name = self._names.new(prefix, state) if wanted else None
            if name is not None:
                self._add(name, state, Role.CARRY, self._gradients.adjoint(state).label)
            made.append(name)
        return made[0], made[1]

    def _part(self, part: str, carried: dict[str, tuple[str | None, str | None]]) -> list[Stage]:
        pending: list[tuple[int, Definition]] = []  # round, assignment
        gathers: list[tuple[int, Gather]] = []  # runs before the blocks of this round
        for adjoint in self._gradients.adjoints:
            if self._regions.of(adjoint.of) != part:
                continue
            terms: list[Expression] = [self._seed] if adjoint.is_output else []
            if part == "loop" and adjoint.of in carried:
                terms += [Value(name) for name in carried[adjoint.of] if name is not None]
            terms += [term for term in adjoint.here if not uses_product(term)]
            for sources in self._split(adjoint.here):
                gather = self._gather(adjoint.of, sources, adjoint.label)
                ready = self._after(gather, part)
                if ready is None:
                    self._hoistable.add(gather.result)
                gathers.append((ready or 0, gather))
                self._round[gather.result] = ready or 0
                terms.append(Value(gather.result))
            assignment = Definition(adjoint.label, adjoint.name, add(*terms))
            self._place(assignment, pending)
        if part == "loop":
            for state in self._form.states:
                self._carry(state, carried[state], pending, gathers)
        if part == "before":
            for gradient in self._gradients.inputs:
                terms = [term for term in gradient.terms if not uses_product(term)]
                products = [term for term in gradient.terms if uses_product(term)]
                if products:
                    gather = self._gather(gradient.of, products, gradient.label)
                    ready = self._after(gather, part) or 0
                    gathers.append((ready, gather))
                    self._round[gather.result] = ready
                    terms.append(Value(gather.result))
                self._place(Definition(gradient.label, gradient.name, add(*terms)), pending)
        return self._in_rounds(pending, gathers)

    def _place(self, assignment: Definition, pending: list[tuple[int, Definition]]) -> None:
        rounds = [self._round.get(v.name, 0) for v in values(assignment.value)]
        self._round[assignment.name] = max([0, *rounds])
        pending.append((self._round[assignment.name], assignment))

    def _split(self, terms: tuple[Expression, ...]) -> list[list[Expression]]:
        """The products among the terms, those with adjoints of `after` apart."""
        products = [term for term in terms if uses_product(term)]
        early = [t for t in products if self._region_of(_product(t).operand.name) == "after"]
        rest = [t for t in products if t not in early]
        return [group for group in (early, rest) if group]

    def _region_of(self, adjoint: str) -> str:
        return self._regions.of(self._value_of[adjoint])

    def _gather(self, target: str, terms: list[Expression], label: str) -> Gather:
        result = self._names.new("back", target)
        self._add(result, target, Role.PRODUCT, label)
        return self._gather_into(result, terms, label)

    def _gather_into(self, result: str, terms: list[Expression], label: str) -> Gather:
        columns = []
        for term in terms:
            p = _product(term)
            columns.append(
                Column(p.weight, p.slot, p.transposed, p.operand.name, isinstance(term, Neg))
            )
        return Gather(result, tuple(columns), label)

    def _after(self, gather: Gather, part: str) -> int | None:
        """The round before whose blocks the gather runs; None if it can run before the loop."""
        inside = [c.operand for c in gather.columns if self._region_of(c.operand) == part]
        if not inside:
            return None if part == "loop" else 0
        return max(self._round[name] for name in inside) + 1

    def _carry(
        self,
        state: str,
        names: tuple[str | None, str | None],
        pending: list[tuple[int, Definition]],
        gathers: list[tuple[int, Gather]],
    ) -> None:
        """What the step hands to δs of the step before."""
        elementwise, products = names
        adjoint = self._gradients.adjoint(state)
        # Not before δs has read what the step after it handed over.
        mine = self._round[adjoint.name]
        if elementwise is not None:
            terms = [term for term in adjoint.later if not uses_product(term)]
            value = add(*terms)
            mine = max([mine, *(self._round.get(v.name, 0) for v in values(value))])
            pending.append((mine, Definition(adjoint.label, elementwise, value)))
        if products is not None:
            # After the element-wise part, so that a target may add the product to it.
            gather = self._gather_into(
                products, [term for term in adjoint.later if uses_product(term)], adjoint.label
            )
            inside = [c.operand for c in gather.columns if self._region_of(c.operand) == "loop"]
            gathers.append((max([mine, *(self._round[n] for n in inside)]) + 1, gather))

    def _in_rounds(
        self, pending: list[tuple[int, Definition]], gathers: list[tuple[int, Gather]]
    ) -> list[Stage]:
        last = max([*(k for k, _ in pending), *(k for k, _ in gathers)], default=-1)
        stages: list[Stage] = []
        for k in range(last + 1):
            stages += [gather for at, gather in gathers if at == k]
            stages += blocks([d for at, d in pending if at == k], {}, self._variables)
        for _, d in pending:
            # The next part starts counting its rounds anew.
            self._round[d.name] = 0
        for _, gather in gathers:
            self._round[gather.result] = 0
        return stages


def _product(term: Expression) -> MatVec:
    """The product in a term that is a product or its negative."""
    return matvecs(term)[0]
