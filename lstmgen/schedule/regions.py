"""What takes part in the recurrence, and what can be computed for all time steps at once."""

from __future__ import annotations

from dataclasses import dataclass

from lstmgen.algebra.expression import Value, values
from lstmgen.form.normal_form import Definition, NormalForm


@dataclass(frozen=True, slots=True)
class Regions:
    """Which definitions take part in the recurrence."""

    before: frozenset[str]
    loop: frozenset[str]
    after: frozenset[str]

    def of(self, name: str) -> str:
        """The part of the forward program that defines `name`; an input counts as before."""
        return "loop" if name in self.loop else "after" if name in self.after else "before"


def operands(definition: Definition) -> tuple[Value, ...]:
    """All vectors that a definition uses, element-wise or in a product."""
    inside = (product.operand for product in definition.products)
    return tuple(dict.fromkeys((*values(definition.value), *inside)))


def find_regions(form: NormalForm) -> Regions:
    """Split the definitions: `after` depends on the loop but feeds nothing back to it."""
    # States are made in the loop, and so is what depends on them, at whatever step: before it runs
    # only what reads nothing but inputs and what is made before it too.
    depends: set[str] = set(form.states)
    for d in form.definitions:
        if any(v.shift < 0 or v.name in depends for v in operands(d)):
            depends.add(d.name)
    feeds: set[str] = set(form.states)
    for d in reversed(form.definitions):
        if d.name in feeds:
            feeds.update(v.name for v in operands(d) if v.shift == 0)
    loop = depends & feeds
    after = depends - loop
    before = {d.name for d in form.definitions} - depends
    return Regions(frozenset(before), frozenset(loop), frozenset(after))
