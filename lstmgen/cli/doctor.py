"""What is installed here, and for what is not: what needs it and how to get it."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass, replace
from functools import partial

from lstmgen import __version__, targets
from lstmgen.errors import UnavailableError
from lstmgen.targets.requirement import Requirement, package

__all__ = ["SCHEMA", "Finding", "as_json", "as_text", "examine"]

SCHEMA = 1
"""Version of the JSON form; it grows when a field changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: what was looked for.
        found: whether it is here.
        detail: its version, and where it is; when it is absent, why, or empty.
        needed_for: what does not work without it.
        cure: how to get it.
    """

    name: str
    found: bool
    detail: str
    needed_for: str
    cure: str


def examine() -> list[Finding]:
    """Look for everything that lstmgen and its targets can use.

    Nothing is changed, and no error is raised; a target that cannot be loaded is a finding.
    """
    python = f"{platform.python_version()} ({platform.machine()}, {platform.system()})"
    found, problems = targets.available()
    return [
        Finding("python", True, python, "everything", "Python 3.11 or later"),
        Finding("lstmgen", True, __version__, "everything", "pip install lstmgen"),
        *map(_look, _together((*_ALWAYS, *(r for t in found.values() for r in _of(t))))),
        *map(_look, _BESIDES),
        *(
            Finding(f"target {name}", True, target.summary, f"`--target {name}`", "")
            for name, target in found.items()
        ),
        *(
            Finding("a target", False, problem, "generating modules for it", "repair its package")
            for problem in problems
        ),
    ]


def as_text(findings: list[Finding]) -> str:
    """A line for each thing that is here, and what to do about each that is not."""
    width = max(len(f.name) for f in findings)
    lines = []
    for f in findings:
        lines.append(f"{f.name:<{width}}  {f.detail or 'not found'}")
        if not f.found:
            lines.append(f"{'':<{width}}    needed for: {f.needed_for}")
            lines.append(f"{'':<{width}}    to get it: {f.cure}")
    return "\n".join(lines)


def as_json(findings: list[Finding]) -> dict[str, object]:
    """The findings as plain data."""
    return {"schema": SCHEMA, "findings": [asdict(f) for f in findings]}


def _of(target: targets.Target) -> tuple[Requirement, ...]:
    """What a target needs; if it cannot say, that is what is found."""
    try:
        return target.requirements()
    except Exception as error:  # of a target of another package
        problem = f"{type(error).__name__}: {error}"

        def fail() -> str | None:
            raise UnavailableError(f"cannot be told: {problem}")

        return (Requirement(f"what {target.name} needs", fail, target.title, ""),)


def _together(requirements: tuple[Requirement, ...]) -> list[Requirement]:
    """Each thing once, with all that it is needed for."""
    found: dict[str, Requirement] = {}
    for one in requirements:
        if one.name in found:
            reasons = dict.fromkeys((found[one.name].needed_for, one.needed_for))
            found[one.name] = replace(found[one.name], needed_for="; ".join(reasons))
        else:
            found[one.name] = one
    return list(found.values())


def _look(one: Requirement) -> Finding:
    try:
        detail = one.look()
    except UnavailableError as error:
        return Finding(one.name, False, str(error), one.needed_for, one.cure)
    except Exception as error:  # of a target of another package
        problem = f"cannot be looked for: {type(error).__name__}: {error}"
        return Finding(one.name, False, problem, one.needed_for, one.cure)
    return Finding(one.name, detail is not None, detail or "", one.needed_for, one.cure)


def _program(name: str) -> str | None:
    """First line of the program's version and its place; None where it is absent or broken."""
    path = shutil.which(name)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{done.stdout.partition(chr(10))[0]} ({path})"


_ALWAYS = (
    package("sympy", "reading equations"),
    package("mpmath", "verification at 50 digits"),
    package("jinja2", "generating modules"),
    package("click", "the command line"),
)
"""What lstmgen itself needs."""

_BESIDES = (
    package("cairosvg", "`lstmgen draw -o cell.png`", 'pip install "lstmgen[draw]"'),
    replace(
        package("torch", "the layer of `lstmgen.torch`, and the benchmarks"),
        name="PyTorch",
        cure='pip install "lstmgen[torch]"',
    ),
    Requirement(
        "pdflatex",
        partial(_program, "pdflatex"),
        "typesetting what `lstmgen latex --standalone` prints",
        "apt install texlive-latex-base",
    ),
)
"""What single commands can use."""
