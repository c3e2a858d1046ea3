"""The page of one cell: contents set into the template."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from lstmgen import __version__
from lstmgen.show.report.code import anchor, runs
from lstmgen.show.report.contents import Contents, Progress, Vector, gather
from lstmgen.targets.writing import Outcome, write
from lstmgen.templates_folder import template_folder

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["is_page", "page", "rendered", "save", "set_into"]

SECTIONS = (
    ("equations", "Equations"),
    ("drawing", "Drawing"),
    ("gradients", "Derived gradients"),
    ("jacobian", "Jacobian of a step"),
    ("flow", "How far gradients reach"),
    ("parameters", "Parameters"),
    ("schedule", "Schedule"),
    ("cost", "Cost"),
    ("verification", "Verification"),
    ("code", "Generated code"),
)
"""The ids and titles of the sections, in the template's order."""

_PUNCTUATED = re.compile(r"(<math>(?:(?!</math>).)*</math>[,;:.)]+)")
"""A formula and what follows it: no line begins with a comma."""

_OURS = re.compile(
    rb'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    rb'<meta name="generator" content="lstmgen [^"]+">\n'
)


def page(cell: Stages, progress: Progress | None = None) -> str:
    """A cell's page: one HTML document that needs nothing else.

    Args:
        cell: the cell.
        progress: called with a text and the part of the work that is done, from 0 to 1.
    """
    return rendered(gather(cell, progress))


def rendered(contents: Contents, index: str = "") -> str:
    """Contents as a page; `index` is where the list of all cells is, if there is one."""
    where = {
        label: [
            (listing.title, listing.target, runs(listing.lines[label]))
            for listing in contents.listings
            if label in listing.lines
        ]
        for label in sorted(contents.labels)
    }
    return set_into(
        "report.html.j2",
        c=contents,
        index=index,
        sections=SECTIONS,
        where={label: lines for label, lines in where.items() if lines},
    )


def save(text: str, path: Path, *, force: bool = False) -> Outcome:
    """Write a page, whole or not at all.

    Raises:
        UsageError: the file is there and lstmgen did not write it, or it cannot be written.
    """
    return write(path, text.encode(), is_ours=is_page, force=force)


def is_page(content: bytes) -> bool:
    """Whether a file's content begins as every page of lstmgen does."""
    return _OURS.match(content) is not None


def set_into(template: str, **values: object) -> str:
    """A template with values; the same values give the same text everywhere."""
    text = _environment().get_template(template).render(version=__version__, **values)
    text = _PUNCTUATED.sub(r'<span class="together">\1</span>', text)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip() + "\n"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters["anchor"] = anchor
    environment.filters["sized"] = _sized
    return environment


def _sized(vector: Vector) -> Markup:
    return Markup("{} of size {}").format(vector.name, vector.size)
