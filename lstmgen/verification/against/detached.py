"""The mistakes that people make in backward passes: a path along which no gradient flows.

A use of a value along which no gradient flows is, for the derivation, the use of a constant: it
gets a name of its own, whose numbers are those of the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations, islice

from lstmgen.algebra.expression import Value
from lstmgen.form.normal_form import Definition, NormalForm
from lstmgen.verification.against.variants import Variant, indexed, substituted, used

__all__ = ["detached"]

_MOST = 128
"""Choices of equations that are tried: all of up to seven uses of states."""

Uses = list[tuple[Definition, Value]]


def detached(form: NormalForm) -> list[Variant]:
    """The cell with paths cut: between steps, of one state, of one value, and of single uses."""
    found = []
    for what, uses in _cuts(form):
        made, names = _cut(form, uses)
        equations = tuple(dict.fromkeys(d.equation for d, _ in uses))
        found.append(Variant(what, equations, made, detached=names))
    return found


def _cuts(form: NormalForm) -> Iterator[tuple[str, Uses]]:
    """What is cut, and the uses along which no gradient flows; no two the same."""
    seen = set[frozenset[tuple[str, Value]]]()
    for what, uses in (*_usual(form), *_of_states(form)):
        key = frozenset((d.name, value) for d, value in uses)
        if key not in seen:
            seen.add(key)
            yield what, uses


def _uses(form: NormalForm, *wanted: Value) -> Uses:
    return [(d, v) for d in form.definitions for v in used(d) if v in wanted]


def _usual(form: NormalForm) -> Iterator[tuple[str, Uses]]:
    """All states, and each value wherever it is used, or in one place."""
    states = [Value(state, -1) for state in form.states]
    if len(states) > 1:
        whole = ", ".join(f"{v.name}[t-1]" for v in states)
        yield (
            f"the state ({whole}) is detached: no gradient passes between steps",
            _uses(form, *states),
        )
    own = {d.equation: d.name for d in form.definitions}.values()
    helpers = [d.name for d in form.definitions if d.name not in own]
    for value in [*states, *map(Value, own), *map(Value, helpers)]:
        found = _uses(form, value)
        if not found:
            continue
        shown = indexed(value)
        between = ": no gradient passes between steps" if value.shift and len(states) == 1 else ""
        yield f"{shown} is detached wherever it is used{between}", found
        if len(found) > 1:
            for use in found:
                yield f"{shown} is detached where {use[0].name}[t] uses it", [use]


def _of_states(form: NormalForm) -> Iterator[tuple[str, Uses]]:
    """States in some equations and not in others: every choice of these, if they are not many."""
    by_place: dict[tuple[Value, str], Uses] = {}
    for state in form.states:
        for definition, value in _uses(form, Value(state, -1)):
            by_place.setdefault((value, definition.equation), []).append((definition, value))
    count = len(by_place)
    sizes = sorted(range(1, count), key=lambda size: min(size, count - size))
    choices = (choice for size in sizes for choice in combinations(by_place, size))
    for choice in islice(choices, _MOST):
        parts = []
        for state in form.states:
            equations = [equation for value, equation in choice if value.name == state]
            if equations:
                every = len(equations) == sum(value.name == state for value, _ in by_place)
                where = "wherever it is used" if every else f"in {_equations(equations)}"
                parts.append(f"{indexed(Value(state, -1))} {where}")
        yield (
            f"detached are {' and '.join(parts)}",
            [u for place in choice for u in by_place[place]],
        )


def _equations(numbers: list[str]) -> str:
    plural = "s" if len(numbers) > 1 else ""
    return f"equation{plural} {', '.join(f'({number})' for number in numbers)}"


def _cut(
    form: NormalForm, uses: Iterable[tuple[Definition, Value]]
) -> tuple[NormalForm, tuple[tuple[str, str], ...]]:
    taken = {*form.sizes, *form.parameters}
    names: dict[str, str] = {}
    values = {d.name: d.value for d in form.definitions}
    for definition, value in uses:
        name = names.get(value.name, f"{value.name}_detached")
        while name in taken and name not in names.values():
            name += "_"
        names[value.name] = name
        values[definition.name] = substituted(
            values[definition.name], value, Value(name, value.shift)
        )
    made = replace(
        form,
        definitions=tuple(Definition(d.label, d.name, values[d.name]) for d in form.definitions),
        inputs=(*form.inputs, *names.values()),
        sizes={**form.sizes, **{new: form.sizes[old] for old, new in names.items()}},
    )
    return made, tuple((new, old) for old, new in names.items())
