"""lstmgen list."""

from __future__ import annotations

import contextlib
import sys

import click

from lstmgen.cli.output import as_json, echo_json

__all__ = ["SCHEMA", "list_cells"]

SCHEMA = 1
"""Version of the JSON form; it grows when a field changes its meaning or goes."""


@click.command("list")
@as_json
def list_cells(as_json: bool) -> None:
    """The cells by family, a line each, with their papers.

    These are the built-in cells and those of installed packages (entry-point group lstmgen.cells).
    What cannot be loaded is reported on stderr, and does no harm to the others.
    """
    from lstmgen.library import catalogue, packages

    families, problems = catalogue.described()
    found = packages.find()
    if found.offers:
        # Only loading them shows whether they can be loaded.
        with contextlib.redirect_stdout(sys.stderr):
            others, broken = catalogue.of_packages(found.offers)
        families |= {f"From {package}": entries for package, entries in others.items()}
        problems = (*problems, *broken)
    for problem in (*problems, *found.problems):
        click.echo(f"lstmgen: {problem}", err=True)
    if as_json:
        cells = [
            {"name": e.name, "family": family, "paper": e.citation, "summary": e.summary}
            for family, group in families.items()
            for e in group
        ]
        echo_json({"schema": SCHEMA, "cells": cells})
        return
    entries = [e for group in families.values() for e in group]
    name_width = max((len(e.name) for e in entries), default=0)
    paper_width = max((len(e.citation) for e in entries), default=0)
    for family, group in families.items():
        if group:
            click.echo(family)
        for e in group:
            line = f"  {e.name:<{name_width}}  {e.citation:<{paper_width}}  {e.summary}"
            click.echo(line.rstrip())
