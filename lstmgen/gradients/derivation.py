"""Reverse-mode derivation: for every definition of a normal form its adjoint, as an equation.

The loss is L = sum over t of dy_t . y_t + sum over the states of dstate . s_T, so that an adjoint
δv_t is dL/dv_t: the sum, over the definitions that use v, of their adjoint times the partial
derivative by v.  A use of v at t-1 in the next step gives the terms at t+1; there are none at
t = T, where dstate stands in their place, and at t = 0 they alone are the gradient of the initial
state.  Source: P. Werbos, "Backpropagation Through Time", Proc. IEEE 78(10), 1990.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lstmgen.algebra.derivative import derivative
from lstmgen.algebra.expression import (
    ZERO,
    Call,
    Expression,
    MatVec,
    Neg,
    Parameter,
    Value,
    add,
    children,
    masked,
    matvecs,
    mul,
    neg,
    parameters,
    shifted,
    values,
    walk,
    without_masks,
)
from lstmgen.algebra.functions import (
    FUNCTIONS,
    Function,
    call,
    infinite_where_off,
    is_singular,
    vanishing_factor,
)
from lstmgen.algebra.text import text
from lstmgen.form.normal_form import Definition, Names, NormalForm
from lstmgen.form.typesetting import Typesetter
from lstmgen.gradients import typesetting
from lstmgen.gradients.equations import (
    Adjoint,
    InitialGradient,
    InputGradient,
    MatrixGradient,
    OuterProduct,
    VectorGradient,
)
from lstmgen.notebook import plain_text
from lstmgen.typeset.formula import Formula
from lstmgen.typeset.lines import Line


@dataclass(frozen=True, slots=True)
class Gradients:
    """All derived equations, in the order of their labels."""

    adjoints: tuple[Adjoint, ...]
    parameters: tuple[MatrixGradient | VectorGradient, ...]
    inputs: tuple[InputGradient, ...]
    initial: tuple[InitialGradient, ...]
    form: NormalForm

    @property
    def masks(self) -> tuple[Function, ...]:
        """The functions in these equations that papers need not have, in order: at kinks."""
        terms = [*self._terms()]
        terms += [t for p in self.parameters if isinstance(p, VectorGradient) for t in p.terms]
        calls = [n.function for term in terms for n in walk(term) if isinstance(n, Call)]
        own = {
            n.function for d in self.form.definitions for n in walk(d.value) if isinstance(n, Call)
        }
        at_kinks = ("positive", "step", "nonzero", "sign")
        return tuple(FUNCTIONS[f] for f in dict.fromkeys(calls) if f in at_kinks and f not in own)

    def adjoint(self, value: str) -> Adjoint:
        """The adjoint of a defined value."""
        return next(a for a in self.adjoints if a.of == value)

    def parameter(self, name: str) -> MatrixGradient | VectorGradient:
        """The gradient of a parameter."""
        return next(p for p in self.parameters if p.parameter == name)

    def __len__(self) -> int:
        return len(self.adjoints) + len(self.parameters) + len(self.inputs) + len(self.initial)

    _repr_pretty_ = plain_text

    def __str__(self) -> str:
        lines = [*map(str, self.adjoints), *map(str, self.parameters)]
        for inputs in self.inputs:
            right = text(add(*inputs.terms))
            if inputs.of in self.form.scalar_inputs:
                right = f"1^T·({right})"
            lines.append(f"({inputs.label}) {inputs.name}_t = {right}")
        for initial in self.initial:
            right = text(add(*self.adjoint(initial.state).later))
            lines.append(f"({initial.label}) d_{initial.state}_0 = {right} at t = 1")
        return "\n".join(lines)

    def typesetter(self, others: Mapping[str, Formula] | None = None) -> Typesetter:
        """Typesets the values and the adjoints of these equations; `others` as they are given."""
        adjoints = {a.name: a.of for a in self.adjoints} | {i.name: i.of for i in self.inputs}
        return Typesetter(self.form, adjoints, others)

    def lines(self) -> tuple[list[Line], list[Line], list[Line]]:
        """The typeset equations of the adjoints, the parameters, and of inputs and first states."""
        printer = self.typesetter()
        rest = [typesetting.of_input(gradient, printer) for gradient in self.inputs]
        for initial in self.initial:
            later = self.adjoint(initial.state).later
            rest.append(typesetting.of_initial_state(initial, later, printer))
        return (
            [typesetting.of_value(adjoint, printer) for adjoint in self.adjoints],
            [x for p in self.parameters for x in typesetting.of_parameter(p, printer)],
            rest,
        )

    def block_lines(self) -> list[Line]:
        """The blocks of columns that the equations name, W_f = [W_{f,h}, W_{f,x}]."""
        named = {m.weight for term in self._terms() for m in matvecs(term)}
        named |= {
            gradient.parameter
            for gradient in self.parameters
            if isinstance(gradient, MatrixGradient) and not typesetting.is_whole(gradient)
        }
        return self.typesetter().block_lines([w for w in self.form.weights if w in named])

    def _terms(self) -> Iterator[Expression]:
        """Of values and inputs."""
        for adjoint in self.adjoints:
            yield from (*adjoint.here, *adjoint.later)
        for gradient in self.inputs:
            yield from gradient.terms

    def latex(self) -> str:
        """The derived equations with the definitions they use, in align* environments and text."""
        helpers = self.typesetter().helper_lines()
        return typesetting.document(
            self.form, helpers, self.block_lines(), self.lines(), self.masks
        )

    def _repr_latex_(self) -> str:
        return self.latex()


def derive(form: NormalForm) -> Gradients:
    """The gradients of a cell; the time is proportional to the size of its equations."""
    names = Names({*form.sizes, *form.parameters})
    adjoint = {name: names.new("d", name) for name in form.sizes}
    here: dict[str, list[Expression]] = {name: [] for name in form.sizes}
    later: dict[str, list[Expression]] = {name: [] for name in form.sizes}
    outer: dict[str, list[list[OuterProduct]]] = {
        w: [[] for _ in weight.columns] for w, weight in form.weights.items()
    }
    vanishing: dict[Expression, Expression] = {}
    for d in form.definitions:
        factor = vanishing_factor(d.value, vanishing)
        if factor is not None:
            own = Value(d.name)
            vanishing[own] = own if factor == d.value else factor
            # A step before, only states are there still.
            kept = all(v.name in form.states and not v.shift for v in values(vanishing[own]))
            vanishing[shifted(own, -1)] = shifted(vanishing[own] if kept else own, -1)
    finite = not any(is_singular(d.value) for d in form.definitions)

    def term(delta: Value, definition: Definition, by: Value | Parameter) -> Expression:
        own = Value(definition.name)
        slope = derivative(definition.value, by, own, vanishing)
        off = infinite_where_off(slope, vanishing) if by in vanishing else None
        # What is off has no gradient, or sqrt(r) would give r = relu(a) an infinite one.
        found = mul(delta, slope if off is None else masked(call("nonzero", off), slope))
        # Where no derivative can be infinite, 0 need not be told from 0 times infinity.
        return without_masks(found) if finite else found

    sums: dict[str, list[Expression]] = {p: [] for p in form.parameters if p not in form.weights}

    live = _live(form)
    for definition in form.definitions:
        if definition.name not in live:
            continue  # its adjoint is zero, whatever it is multiplied by
        delta = Value(adjoint[definition.name])
        used: dict[Value, list[Expression]] = {}
        for value in values(definition.value):
            used.setdefault(value, []).append(term(delta, definition, value))
        for product, negative in _signed_products(definition.value):
            back = MatVec(product.weight, product.slot, not product.transposed, delta)
            used.setdefault(product.operand, []).append(neg(back) if negative else back)
            pair = (delta, product.operand)
            left, right = reversed(pair) if product.transposed else pair
            outer[product.weight][product.slot].append(OuterProduct(left, right, negative))
        for value, terms in used.items():
            (here if value.shift == 0 else later)[value.name] += terms
        for parameter in parameters(definition.value):
            summand = term(delta, definition, Parameter(parameter))
            sums[parameter] += [summand] if summand != ZERO else []  # sign's slope, say

    labels = (f"δ{k}" for k in range(1, 1 << 30))
    return Gradients(
        adjoints=tuple(
            Adjoint(
                next(labels),
                adjoint[d.name],
                d.name,
                tuple(here[d.name]),
                tuple(later[d.name]),
                d.name == form.output,
            )
            for d in reversed(form.definitions)
        ),
        parameters=tuple(
            MatrixGradient(next(labels), p, tuple(map(tuple, outer[p])))
            if p in outer
            else VectorGradient(next(labels), p, tuple(sums[p]))
            for p in form.parameters
        ),
        inputs=tuple(
            InputGradient(next(labels), adjoint[x], x, tuple(here[x])) for x in form.inputs
        ),
        initial=tuple(InitialGradient(next(labels), s) for s in form.states),
        form=form,
    )


def _live(form: NormalForm) -> set[str]:
    """The definitions that the loss depends on: states, the output, and what leads to these."""
    live = {*form.states, form.output}
    for d in reversed(form.definitions):
        if d.name in live:
            live.update(v.name for v in values(d.value))
            live.update(p.operand.name for p in d.products)
    return live


def _signed_products(value: Expression) -> list[tuple[MatVec, bool]]:
    """The products of a definition and whether each is subtracted."""
    match value:
        case MatVec():
            return [(value, False)]
        case Neg(MatVec() as product):
            return [(product, True)]
    return [pair for part in children(value) for pair in _signed_products(part)]


def total(terms: tuple[Expression, ...]) -> Expression:
    """The sum of the terms."""
    return add(*terms)
