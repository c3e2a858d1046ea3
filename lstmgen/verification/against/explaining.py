"""What explains a difference: the equations that it can come from, and the mistake that agrees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from lstmgen.stages import Stages
from lstmgen.verification.against.detached import detached
from lstmgen.verification.against.mistakes import mistakes
from lstmgen.verification.against.numbers import Evaluation, distance
from lstmgen.verification.against.origins import common_origins, forward_graph, gradient_graph
from lstmgen.verification.against.result import Agreement
from lstmgen.verification.against.variants import Variant
from lstmgen.verification.cases import Arrays, Case, Gradient
from lstmgen.verification.labels import Label, Labels

__all__ = ["Findings", "explain"]

AGREES = {"float64": 1e-7, "float32": 1e-4}
"""What a variant's numbers may be off, relative to the largest number of an array."""
_SHOWN = 3


@dataclass
class Findings:
    """What an implementation gave: outputs and states ("y" the output), and gradients."""

    cell: Stages
    dtype: str
    outcomes: list[tuple[Case, Arrays]] = field(default_factory=list)
    gradients: list[tuple[Case, str, Gradient]] = field(default_factory=list)

    @property
    def bound(self) -> float:
        return AGREES[self.dtype]


def explain(
    findings: Findings, labels: Labels
) -> tuple[tuple[Label, ...], int, tuple[Agreement, ...]]:
    """The equations that a difference can come from, how many mistakes were tried, which agree."""
    forward = [_differing(_expected(case), found, findings) for case, found in findings.outcomes]
    form = findings.cell.normal_form
    own = {d.equation: _written(d.equation, labels) for d in form.definitions}
    if any(forward):
        origins = _forward_origins(findings, forward[0], own)
        tried, agreeing = _forward_variants(findings)
    else:
        origins = _gradient_origins(findings, labels)
        tried, agreeing = _gradient_variants(findings)
    return (
        origins,
        tried,
        tuple(
            Agreement(v.what, tuple(own[e] for e in v.equations), error, parts)
            for v, error, parts in agreeing[:_SHOWN]
        ),
    )


def _written(equation: str, labels: Labels) -> Label:
    return next(label for label in labels.values.values() if label.label == equation)


def _expected(case: Case) -> Arrays:
    return {"y": case.y, **case.last}


def _differing(expected: Arrays, found: Arrays, findings: Findings) -> list[str]:
    return [
        name
        for name, array in expected.items()
        if distance({name: found[name]}, {name: array}) > findings.bound
    ]


def _forward_origins(
    findings: Findings, differing: list[str], own: dict[str, Label]
) -> tuple[Label, ...]:
    """From one step; where that agrees, whatever hands a state to the next."""
    form = findings.cell.normal_form
    case, _ = findings.outcomes[0]
    named = {"y": form.output}
    wrong = {named.get(name, name) for name in differing}
    right = {named.get(name, name) for name in _expected(case)} - wrong
    graph = forward_graph(form)
    nodes = common_origins(graph, sorted(wrong), sorted(right)) if wrong else list(form.states)
    equations = dict.fromkeys(form.by_name[node].equation for node in nodes)
    return tuple(own[equation] for equation in equations)


def _gradient_origins(findings: Findings, labels: Labels) -> tuple[Label, ...]:
    gradients = findings.cell.gradients
    by_name = [
        ({p.parameter: p.label for p in gradients.parameters}, "parameters"),
        ({i.of: i.label for i in gradients.inputs}, "inputs"),
        ({i.state: i.label for i in gradients.initial}, "initial"),
    ]
    by_steps: dict[int, list[tuple[Case, str, Gradient]]] = {}
    for one in findings.gradients:
        by_steps.setdefault(one[0].shape.T, []).append(one)
    for _, compared in sorted(by_steps.items()):
        wrong, right = set[str](), set[str]()
        for case, seed, gradient in compared:
            for names, group in by_name:
                expected = getattr(case.gradients[seed], group)
                differing = _differing(expected, getattr(gradient, group), findings)
                wrong |= {names[name] for name in differing}
                right |= {
                    names[name]
                    for name, array in expected.items()
                    if np.any(array) and name not in differing
                }
        if wrong:
            nodes = common_origins(gradient_graph(gradients), sorted(wrong), sorted(right - wrong))
            texts = _texts(labels)
            return tuple(texts[node] for node in nodes)
    return ()


def _texts(labels: Labels) -> dict[str, Label]:
    groups: Iterable[dict[str, Label]] = (
        labels.adjoints,
        labels.parameters,
        labels.inputs,
        labels.initial,
    )
    return {label.label: label for group in groups for label in group.values()}


def _forward_variants(findings: Findings) -> tuple[int, list[tuple[Variant, float, str]]]:
    form = findings.cell.normal_form
    variants = mistakes(form)
    evaluations = [(Evaluation(form, case), found) for case, found in findings.outcomes]
    agreeing = []
    for variant in variants:
        error = 0.0
        for evaluation, found in evaluations:
            numbers = evaluation.forward(variant)
            if numbers is None:
                error = float("inf")
                break
            if numbers["y"].size == 0:  # a delayed output that is not defined before step 1
                numbers = {name: array for name, array in numbers.items() if name != "y"}
            error = max(error, distance(found, numbers))
            if error > findings.bound:
                break
        if error > findings.bound:
            continue
        gradient = _gradient_error(findings, variant)
        agrees = gradient is not None and gradient <= findings.bound
        parts = "outputs, states and gradients" if agrees else "outputs and states"
        agreeing.append((variant, max(error, gradient or 0.0) if agrees else error, parts))
    return len(variants), agreeing


def _gradient_variants(findings: Findings) -> tuple[int, list[tuple[Variant, float, str]]]:
    variants = detached(findings.cell.normal_form)
    agreeing = []
    for variant in variants:
        error = _gradient_error(findings, variant)
        if error is not None and error <= findings.bound:
            agreeing.append((variant, error, "gradients"))
    return len(variants), agreeing


def _gradient_error(findings: Findings, variant: Variant) -> float | None:
    """How far a variant's gradients are from those found; None where there are none."""
    form = findings.cell.normal_form
    worst: float | None = None
    for case, seed, found in findings.gradients:
        numbers = Evaluation(form, case).gradient(variant, seed)
        if numbers is None:
            return None
        for got, expected in (
            (found.parameters, numbers.parameters),
            (found.inputs, numbers.inputs),
            (found.initial, numbers.initial),
        ):
            # As in the comparison: an array counts a hundredth of the largest of its kind.
            largest = max(float(np.max(np.abs(a), initial=0.0)) for a in expected.values())
            for name, array in expected.items():
                scale = max(float(np.max(np.abs(array), initial=0.0)), 1e-2 * largest) or 1.0
                error = float(np.max(np.abs(got[name] - array), initial=0.0)) / scale
                worst = max(worst or 0.0, error if np.isfinite(error) else float("inf"))
        if worst is not None and worst > findings.bound:
            return worst
    return worst
