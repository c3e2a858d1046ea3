"""The mistakes that people make in backward passes: a path along which no gradient flows.

A use of a value along which no gradient flows is, for the derivation, the use of a constant: it
gets a name of its own, whose numbers are those of the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from lstmgen.algebra.expression import Value
from lstmgen.form.normal_form import Definition, NormalForm
from lstmgen.verification.against.variants import Variant, substituted, used

__all__ = ["detached"]


def detached(form: NormalForm) -> list[Variant]:
    """The cell with paths cut: between steps, of one state, of one value, and of single uses."""
    found = []
    for what, uses in _cuts(form):
        made, names = _cut(form, uses)
        equations = tuple(dict.fromkeys(d.equation for d, _ in uses))
        found.append(Variant(what, equations, made, detached=names))
    return found


def _cuts(form: NormalForm) -> Iterator[tuple[str, list[tuple[Definition, Value]]]]:
    def uses(*wanted: Value) -> list[tuple[Definition, Value]]:
        return [(d, v) for d in form.definitions for v in used(d) if v in wanted]

    states = [Value(state, -1) for state in form.states]
    if len(states) > 1:
        whole = ", ".join(f"{v.name}[t-1]" for v in states)
        yield f"the state ({whole}) is detached: no gradient passes between steps", uses(*states)
    own = {d.equation: d.name for d in form.definitions}.values()
    helpers = [d.name for d in form.definitions if d.name not in own]
    for value in [*states, *map(Value, own), *map(Value, helpers)]:
        found = uses(value)
        if not found:
            continue
        shown = f"{value.name}[t{'-1' if value.shift else ''}]"
        between = ": no gradient passes between steps" if value.shift and len(states) == 1 else ""
        yield f"{shown} is detached wherever it is used{between}", found
        if len(found) > 1:
            for use in found:
                yield f"{shown} is detached where {use[0].name}[t] uses it", [use]


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
