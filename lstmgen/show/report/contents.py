"""What a cell's page holds, as immutable values: made once, then only set into the template."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from lstmgen import targets
from lstmgen.drawing import draw
from lstmgen.drawing.description import caption
from lstmgen.errors import LstmgenError
from lstmgen.gradients.typesetting import example, final
from lstmgen.show.report.checking import Checks, checks
from lstmgen.show.report.code import Listing, listing
from lstmgen.show.report.costing import Costs, costing
from lstmgen.show.report.flowing import Measured, flowing
from lstmgen.show.report.formulas import (
    Group,
    added,
    forward,
    gradients,
    jacobian_group,
    symbol,
    typeset,
)
from lstmgen.show.report.program import Plan, plan
from lstmgen.targets.rendering import files
from lstmgen.typeset.formula import Time
from lstmgen.verification import verify

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["Contents", "Figure", "Progress", "Vector", "gather"]

_FIELD = re.compile(r"([A-Z][a-z]+): (.*)$")

Progress = Callable[[str, float], None]
"""Called with what is being done and the part of the work that is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing: its SVG, its name, its width, and what the signs in it mean."""

    svg: Markup
    title: str
    width: int
    caption: str


@dataclass(frozen=True, slots=True)
class Vector:
    """A state, an input or the output, with its size."""

    name: Markup
    size: Markup


@dataclass(frozen=True)
class Contents:
    """Everything on a page, in its order."""

    name: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    digest: str
    states: tuple[Vector, ...]
    inputs: tuple[Vector, ...]
    output: Vector
    final: tuple[Markup, ...]
    equations: Group
    added: Group
    blocks: Group
    adjoints: Group
    parameters: Group
    rest: Group
    masks: tuple[tuple[Markup, str], ...]
    drawing: Figure
    backward_drawing: Figure
    jacobian: Group
    flow: Measured
    plan: Plan
    costs: Costs
    checks: Checks
    listings: tuple[Listing, ...]
    labels: frozenset[str] = field(hash=False)


def gather(cell: Stages, progress: Progress | None = None) -> Contents:
    """Derive, draw, measure and verify: all that a cell's page shows.

    Args:
        cell: the cell.
        progress: called with a text and the part of the work that is done.

    Raises:
        EquationError, VerificationError: as when the cell is built or verified.
    """

    def part(start: float, share: float) -> Progress:
        def watch(text: str, done: float) -> None:
            if progress:
                progress(text, start + share * done)

        return watch

    form = cell.normal_form
    groups = gradients(cell)
    own, helpers, steps = forward(cell), added(cell), jacobian_group(cell)
    labels = frozenset(
        formula.label for group in (own, helpers, *groups) for formula in group.formulas
    ) - {""}
    watch = part(0.0, 0.3)
    watch(f"drawing {cell.name}", 0.0)
    drawing = _figure(cell, gradients=False)
    watch(f"drawing {cell.name}, backward", 0.5)
    backward_drawing = _figure(cell, gradients=True)
    report = verify(cell, progress=part(0.3, 0.4))
    flow = flowing(cell, part(0.7, 0.3))
    summary, facts = described(cell.source)
    return Contents(
        name=cell.name,
        summary=summary,
        facts=facts,
        digest=cell.digest,
        states=tuple(_vector(cell, name) for name in form.states),
        inputs=tuple(_vector(cell, name) for name in form.inputs),
        output=_vector(cell, form.output),
        final=tuple(typeset(final(state)) for state in form.states),
        equations=own,
        added=helpers,
        blocks=groups[0],
        adjoints=groups[1],
        parameters=groups[2],
        rest=groups[3],
        masks=tuple((typeset(example(f)), f.summary) for f in cell.gradients.masks),
        drawing=drawing,
        backward_drawing=backward_drawing,
        jacobian=steps,
        flow=flow,
        plan=plan(cell),
        costs=costing(cell),
        checks=checks(report, labels),
        listings=tuple(_listings(cell, labels)),
        labels=labels,
    )


def _listings(cell: Stages, labels: frozenset[str]) -> Iterator[Listing]:
    """The files for every target that can be loaded here, and has what the cell needs."""
    found, _ = targets.available()
    for name, target in found.items():
        try:
            texts = files(cell, target)
        except LstmgenError:
            continue
        for number, (file, text) in enumerate(texts.items(), start=1):
            place = name if number == 1 else f"{name}-{number}"
            title = target.title if number == 1 else f"{target.title}: {file}"
            yield listing(text, place, labels, title, file.endswith(".py"))


def described(source: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What a cell says about itself: the first line, and the rest as named fields.

    A field begins with its name, `Year: 2000`, and is continued on the lines below it; text that
    belongs to none is called a note.
    """
    first, _, rest = source.strip().partition("\n")
    found: list[tuple[str, str]] = []
    continued = False
    for line in rest.splitlines():
        text = line.strip()
        if match := _FIELD.match(text):
            found.append((match[1], match[2]))
        elif continued and text:
            name, before = found.pop()
            found.append((name, f"{before} {text}"))
        elif text:
            found.append(("Note", text))
        continued = bool(text)
    return first.strip(), tuple(found)


def _vector(cell: Stages, name: str) -> Vector:
    return Vector(symbol(name, Time()), symbol(cell.normal_form.sizes[name]))


def _figure(cell: Stages, *, gradients: bool) -> Figure:
    drawing = draw(cell, gradients=gradients)
    words = caption(drawing.graph, gradients=gradients)
    return Figure(Markup(drawing.svg()), drawing.title, round(drawing.layout.width), words)
