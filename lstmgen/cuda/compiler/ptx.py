"""Look for double precision in PTX, the compiler's portable assembly.

What counts: an instruction whose opcode carries the type `.f64` and which computes with it:
arithmetic (`add.f64`, `fma.rn.f64`, `div.rn.f64`, `sqrt.rn.f64`, `atom.add.f64`, ...), comparison
(`setp.lt.f64`) and conversion to or from it (`cvt.f64.f32`, `cvt.rn.f32.f64`).  What does not:
declarations (`.reg .f64`, `.param .f64`), and instructions that only move 8 bytes (`ld`, `st`,
`mov`, `selp`), because the same move is written `.b64` for some architectures; a
double that is moved and never used costs nothing that this check is about.

CUDA's own float functions may hold doubles: `sinf`, `cosf` and `tanf` do, in the slow path for
large arguments.  They are reported too, since the device executes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["DoubleInstruction", "block_sizes", "double_instructions", "entry_names"]

_MOVES = frozenset(("ld", "ldu", "st", "mov", "selp"))
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_LINE_DIRECTIVE = re.compile(r"^[ \t]*\.(?:loc|file|version|target|address_size)\b[^\n]*", re.M)
_HEADER = re.compile(r"\.(?P<kind>entry|func)\b\s*(?:\([^)]*\)\s*)?(?P<name>[\w$]+)")
_STATEMENT = re.compile(
    r"^(?:[\s{}]|[\w$%]+:(?!:))*"  # blocks opened or closed, labels
    r"(?:@!?%?[\w$]+\s+)?"  # the predicate
    r"(?P<opcode>[a-z][\w]*(?:\.{1,2}[\w:]+)*)"
)


@dataclass(frozen=True, slots=True)
class DoubleInstruction:
    """One instruction of PTX that computes in double precision."""

    function: str
    """The kernel or device function whose body holds it."""
    kind: str
    """"arithmetic", "comparison" or "conversion"."""
    opcode: str
    """E.g. "fma.rn.f64"."""
    text: str
    """The whole instruction, on one line."""


def entry_names(ptx: str) -> tuple[str, ...]:
    """The names of the kernels that `ptx` defines, sorted."""
    return tuple(sorted(name for kind, name, _ in _functions(ptx) if kind == "entry"))


def block_sizes(ptx: str) -> dict[str, int]:
    """The threads of the largest block, for the kernels with `__launch_bounds__`."""
    text = _COMMENT.sub(" ", ptx)
    found = {}
    for header in re.finditer(r"\.entry\s+([\w$]+)\s*\([^)]*\)([^{;]*)", text):
        bounds = re.search(r"\.maxntid\s+(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?", header[2])
        if bounds is not None:
            x, y, z = (int(n or 1) for n in bounds.groups())
            found[header[1]] = x * y * z
    return found


def double_instructions(ptx: str) -> tuple[DoubleInstruction, ...]:
    """Every double-precision instruction in `ptx`, in the order of the text."""
    found = []
    for _, name, body in _functions(ptx):
        for statement in body.split(";"):
            match = _STATEMENT.match(statement)
            if match is None:
                continue
            opcode = match["opcode"]
            operation, *modifiers = opcode.split(".")
            if "f64" not in modifiers or operation in _MOVES:
                continue
            text = " ".join(statement[match.start("opcode") :].split())
            found.append(DoubleInstruction(name, _kind(operation), opcode, text))
    return tuple(found)


def _kind(operation: str) -> str:
    if operation == "cvt":
        return "conversion"
    return "comparison" if operation in ("setp", "set", "testp", "slct") else "arithmetic"


def _functions(ptx: str) -> Iterator[tuple[str, str, str]]:
    """(".entry" or ".func" without its dot, name, body) of every function that has a body."""
    text = _LINE_DIRECTIVE.sub("", _COMMENT.sub(" ", ptx))
    position = 0
    while match := _HEADER.search(text, position):
        opening, semicolon = text.find("{", match.end()), text.find(";", match.end())
        if opening < 0 or 0 <= semicolon < opening:  # a declaration only
            position = match.end()
            continue
        end = _closing(text, opening)
        yield match["kind"], match["name"], text[opening + 1 : end]
        position = end


def _closing(text: str, opening: int) -> int:
    depth = 0
    for brace in re.finditer(r"[{}]", text[opening:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return opening + brace.start()
    return len(text)
