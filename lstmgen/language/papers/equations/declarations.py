r"""Declarations that settle what the equations leave open.

In the file, one a line, or on the command line:

    % lstmgen: \alpha scalar      one number for the layer, or as m_t for each row and step
    % lstmgen: p vector           a parameter with one number per unit
    % lstmgen: \Theta matrix      a matrix
    % lstmgen: pi number          the constant pi or e
    % lstmgen: r size P           a vector of another size than H
    % lstmgen: y output           what the cell returns at each step
    % lstmgen: \phi = tanh        a letter that stands for a function
    % lstmgen: b^c power          a power, and not a symbol with that name
    % lstmgen: b^c name           a symbol with that name, and not a power
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lstmgen.errors import EquationError
from lstmgen.language.papers.equations.resolving import Resolver
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.syntax import nodes
from lstmgen.language.papers.syntax.parsing import parse_name
from lstmgen.language.papers.syntax.timing import Indices
from lstmgen.language.papers.text.documents import Directive
from lstmgen.language.papers.text.lexing import Lexer
from lstmgen.language.papers.text.vocabulary import SPELLINGS

MAX_DIRECTIVES = 500
_KIND = re.compile(r"(.*\S)\s+(scalar|vector|matrix|number|output|power|name)")
_SIZE = re.compile(r"(.*\S)\s+size\s+(\w+)")
_POWER = re.compile(r"(.*\S)\s*\^\s*\{?\s*([^{}]+?)\s*\}?")
_FORMS = "NAME scalar, NAME vector, NAME matrix, NAME size P, NAME output, or NAME = tanh"


@dataclass
class Declarations:
    """What has been declared, by name; `places` are where (None: besides the text)."""

    kinds: dict[str, str] = field(default_factory=dict)
    superscripts: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    output: str | None = None
    places: dict[str, int | None] = field(default_factory=dict)

    def inherit(self, blocks: Mapping[str, str]) -> None:
        """What is declared of a matrix holds for its blocks, given as block -> matrix."""
        for block, name in blocks.items():
            if name in self.kinds:
                self.kinds.setdefault(block, self.kinds[name])


def declared(source: Source, directives: Iterable[Directive], extra: Iterable[str]) -> Declarations:
    """The declarations in the text, and those given besides it, which win."""
    found = Declarations()
    for count, directive in enumerate(directives):
        if count >= MAX_DIRECTIVES:
            raise source.error(
                directive.position or 0, f"there are more than {MAX_DIRECTIVES} declarations"
            )
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
        if function not in SPELLINGS:
            known = ", ".join(sorted(set(SPELLINGS.values())))
            raise refuse(f"{function or 'nothing'} is no known function; known are {known}")
        identifier = _identifier(name.strip(), refuse)
        found.functions[identifier] = SPELLINGS[function]
    elif kind is not None and kind[2] == "output":
        is_raised = re.search(r"\^\s*\{?\d", kind[1]) is not None  # h^2, a name
        identifier = (_superscript if is_raised else _identifier)(kind[1], refuse)
        found.output = identifier
    elif kind is not None and kind[2] in ("power", "name"):
        identifier = _superscript(kind[1], refuse)
        found.superscripts[identifier] = kind[2]
        return
    elif kind is not None:
        identifier = _identifier(kind[1], refuse)
        if kind[2] == "number" and identifier not in ("pi", "e"):
            raise refuse(f"{identifier} is no known number; pi and e are")
        known = found.kinds.get(identifier, kind[2])
        if known != kind[2] and position is not None:
            raise refuse(f"{identifier} is declared to be a {known} already; leave one line out")
        found.kinds[identifier] = kind[2]
        found.superscripts.setdefault(identifier, kind[2])
    elif size is not None:
        identifier = _identifier(size[1], refuse)
        found.sizes[identifier] = size[2]
    else:
        raise refuse(f"expected {_FORMS}")
    found.places[identifier] = position


def _superscript(written: str, refuse: Callable[[str], EquationError]) -> str:
    """`b_c` for a symbol with a superscript, b^c or b^{c}."""
    raised = _POWER.fullmatch(written)
    if raised is None:
        return _identifier(written, refuse)
    return f"{_identifier(raised[1], refuse).rstrip('_')}_{raised[2]}"


def _identifier(written: str, refuse: Callable[[str], EquationError]) -> str:
    """The name of a symbol written in LaTeX, in Unicode or as an identifier."""
    if written.isidentifier() and written.isascii():
        return written + "_" * keyword.iskeyword(written)
    source = Source(written, "declaration")
    try:
        lexer = Lexer(source, written, is_latex=True, macros={})
        node = parse_name(source, lexer.tokens(0, len(written)))
        if isinstance(node, nodes.FunctionName):
            node = nodes.Symbol(node.function, (), "", 0, node.scripts, 0, len(written))
        name = Resolver(source, Indices("t", frozenset())).name(node)
    except EquationError:
        name = None
    if name is None:
        raise refuse(f"{written!r} is no name; expected {_FORMS}")
    return name
