"""Which equations a difference can come from.

A mistake in one equation shows in everything that depends on it within the step, and in nothing
else.  So what differs and what agrees after one step narrow it down: every array that differs
depends on that equation, and none that agrees does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lstmgen.algebra.expression import Expression, MatVec, Value, walk
from lstmgen.form.normal_form import NormalForm
from lstmgen.gradients.derivation import Gradients
from lstmgen.gradients.equations import MatrixGradient
from lstmgen.verification.against.variants import used

__all__ = ["common_origins", "forward_graph", "gradient_graph"]

Graph = Mapping[str, frozenset[str]]
"""For each node what it uses directly, within one step."""


def forward_graph(form: NormalForm) -> Graph:
    """By value: the values of the same step that its equation uses."""
    return {
        d.name: frozenset(v.name for v in used(d) if v.shift == 0 and v.name in form.by_name)
        for d in form.definitions
    }


def gradient_graph(gradients: Gradients) -> Graph:
    """By label of a derived equation: those that it uses where there is one step."""
    label = {adjoint.name: adjoint.label for adjoint in gradients.adjoints}

    def uses(terms: Iterable[Expression]) -> frozenset[str]:
        names = set()
        for term in terms:
            for node in walk(term):
                if isinstance(node, Value):
                    names.add(node.name)
                elif isinstance(node, MatVec):
                    names.add(node.operand.name)
        return frozenset(label[name] for name in names if name in label)

    graph = {a.label: uses(a.here) for a in gradients.adjoints}
    for gradient in gradients.parameters:
        if isinstance(gradient, MatrixGradient):
            pairs = [product for block in gradient.blocks for product in block]
            graph[gradient.label] = uses([v for p in pairs for v in (p.left, p.right)])
        else:
            graph[gradient.label] = uses(gradient.terms)
    for of_input in gradients.inputs:
        graph[of_input.label] = uses(of_input.terms)
    for initial in gradients.initial:
        graph[initial.label] = uses(gradients.adjoint(initial.state).later)
    return graph


def common_origins(graph: Graph, differing: Iterable[str], agreeing: Iterable[str]) -> list[str]:
    """The nodes that all that differs depends on, or some of it, and nothing that agrees."""
    behind = [_behind(graph, node) for node in differing]
    innocent = set().union(*(_behind(graph, node) for node in agreeing))
    for suspects in (set.intersection(*behind) if behind else set(), set().union(*behind)):
        if left := suspects - innocent:
            return [node for node in graph if node in left]
    return []


def _behind(graph: Graph, node: str) -> set[str]:
    found, waiting = set[str](), [node]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += sorted(graph[name])
    return found
