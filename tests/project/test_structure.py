"""The rooms of the package form a house: imports go down, and never in a circle.

Every import counts, in functions and for type checkers too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import lstmgen

PACKAGE = Path(lstmgen.__file__).parent

CIRCLES = {
    # A target checks what it writes with the means of verification, which runs what a target makes.
    frozenset({"targets", "verification"}),
}

STAGES = ("typeset", "algebra", "form", "gradients", "schedule", "language", "stages", "targets")
"""From the ground up; a stage imports none above it."""


def module_of(path: Path) -> str:
    """lstmgen.show.flow, or for an __init__.py its folder."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, anywhere in it."""
    parts = path.relative_to(PACKAGE.parent).parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = parts[: len(parts) - node.level] if node.level else ()
            base = ".".join([*here, *([node.module] if node.module else [])])
            found = [f"{base}.{alias.name}" for alias in node.names]
            found = [name if name in MODULES else base for name in found]
        else:
            continue
        yield from (name for name in found if name in MODULES)


def room(module: str) -> str:
    """The folder under lstmgen, or the file that lies there."""
    return module.split(".")[1] if "." in module else ""


@cache
def imports() -> dict[str, set[str]]:
    """For every room the others that it imports; the front door, `lstmgen` itself, imports none."""
    found: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        below = {room(name) for name in imported(path)}
        found.setdefault(room(module), set()).update(below - {room(module), ""})
    return found


def without(circles: set[frozenset[str]], graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The graph without the arrows inside the given circles."""
    return {
        name: {b for b in below if not any({name, b} <= circle for circle in circles)}
        for name, below in graph.items()
    }


def test_imports_between_rooms_form_no_circle() -> None:
    tuple(TopologicalSorter(without(CIRCLES, imports())).static_order())


def test_no_circle_is_excused_that_is_none() -> None:
    for circle in CIRCLES:
        with pytest.raises(CycleError):
            tuple(TopologicalSorter(without(CIRCLES - {circle}, imports())).static_order())


def test_a_stage_imports_none_above_it() -> None:
    graph = imports()
    above = set(graph) - {"errors", "notebook", "", *STAGES}
    for height, stage in enumerate(STAGES[:-1]):
        assert not graph[stage] & {*STAGES[height + 1 :], *above}, stage


def test_a_circle_would_be_found() -> None:
    graph = {**imports(), "form": imports()["form"] | {"show"}}
    with pytest.raises(CycleError, match="form"):
        tuple(TopologicalSorter(without(CIRCLES, graph)).static_order())


PAPERS = ("text", "syntax", "equations", "meaning")
"""How a paper's text becomes a cell: the stages of `language/papers`, in their order."""


def test_a_stage_of_reading_imports_none_above_it() -> None:
    papers = "lstmgen.language.papers."
    for module, path in MODULES.items():
        stage = module.removeprefix(papers).split(".")[0]
        if module.startswith(papers) and stage in PAPERS:
            above = tuple(papers + later for later in PAPERS[PAPERS.index(stage) + 1 :])
            assert not [name for name in imported(path) if name.startswith(above)], module
