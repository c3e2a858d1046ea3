r"""Declarations that settle what the equations leave open.

In the file, one a line, or on the command line:

    % lstmgen: \alpha scalar      one number for the layer, or as m_t for each row and step
    % lstmgen: p vector           a parameter with one number per unit
    % lstmgen: \Theta matrix      a matrix
    % lstmgen: pi number          the constant pi or e
    % lstmgen: r size P           a vector of another size than H
    % lstmgen: y output           what the cell returns at each step
    % lstmgen: \phi = tanh        a letter that stands for a function
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lstmgen.algebra.functions import FUNCTIONS
from lstmgen.errors import EquationError
from lstmgen.language.papers.nodes import Symbol
from lstmgen.language.papers.source import Chunk, Source
from lstmgen.language.papers.spelling import resolve
from lstmgen.language.papers.syntax import parse

MAX_DIRECTIVES = 500
_KIND = re.compile(r"(.*\S)\s+(scalar|vector|matrix|number|output)")
_SIZE = re.compile(r"(.*\S)\s+size\s+(\w+)")
_FORMS = "NAME scalar, NAME vector, NAME matrix, NAME size P, NAME output, or NAME = tanh"


@dataclass
class Declarations:
    """What has been declared, by identifier."""

    kinds: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    output: str | None = None
    places: dict[str, int | None] = field(default_factory=dict)


def declared(source: Source, extra: Iterable[str]) -> Declarations:
    """The declarations in the file, and those given besides it, which win."""
    found = Declarations()
    if len(source.directives) > MAX_DIRECTIVES:
        place = source.directives[MAX_DIRECTIVES].position
        raise source.error(place or 0, f"there are more than {MAX_DIRECTIVES} declarations")
    for directive in source.directives:
        _add(found, source, directive.text, directive.position)
    for text in extra:
        _add(found, source, text, None)
    return found


def _add(found: Declarations, source: Source, text: str, position: int | None) -> None:
    def refuse(problem: str) -> EquationError:
        if position is not None:
            return source.error(position, problem)
        return EquationError(f"the declaration {text!r}: {problem}")

    name, equals, function = text.partition("=")
    kind = _KIND.fullmatch(text.strip())
    size = _SIZE.fullmatch(text.strip())
    if equals:
        function = function.strip().lstrip("\\")
        if function not in FUNCTIONS or FUNCTIONS[function].rule is None:
            known = ", ".join(sorted(n for n, f in FUNCTIONS.items() if f.rule is not None))
            raise refuse(f"{function or 'nothing'} is no known function; known are {known}")
        identifier = _identifier(name.strip(), refuse)
        found.functions[identifier] = function
    elif kind is not None and kind[2] == "output":
        identifier = found.output = _identifier(kind[1], refuse)
    elif kind is not None:
        identifier = _identifier(kind[1], refuse)
        if kind[2] == "number" and identifier not in ("pi", "e"):
            raise refuse(f"{identifier} is no known number; pi and e are")
        found.kinds[identifier] = kind[2]
    elif size is not None:
        identifier = _identifier(size[1], refuse)
        found.sizes[identifier] = size[2]
    else:
        raise refuse(f"expected {_FORMS}")
    found.places[identifier] = position


def _identifier(written: str, refuse: Callable[[str], EquationError]) -> str:
    """The identifier of a name written in LaTeX or as an identifier."""
    if written.isidentifier() and written.isascii():
        return written
    if sigma := re.fullmatch(r"(?:\\sigma|σ)_\{?([A-Za-z0-9]+)\}?", written):
        return f"sigma_{sigma[1]}"
    source = Source(f"{written} = \\top", "declaration")
    try:
        node = parse(source, Chunk(source.text, 0)).left
    except EquationError:
        node = None
    if not isinstance(node, Symbol):
        raise refuse(f"{written!r} is no name; expected {_FORMS}")
    return resolve(source, node, "t").identifier
