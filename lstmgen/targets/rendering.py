"""From a cell to the source of a module: templates hold structure, printers hold expressions."""

from __future__ import annotations

import ast
import builtins
import itertools
import linecache
import textwrap
import types
from functools import cache
from typing import TYPE_CHECKING, Any

import jinja2

from lstmgen.errors import UnavailableError, UsageError
from lstmgen.templates_folder import template_folder

if TYPE_CHECKING:
    from lstmgen.cell import Cell

__all__ = ["check_recompute", "compile", "kernel_text", "render"]

_WIDTH = 99


def render(cell: Cell, target: str, *, recompute: str = "none") -> str:
    """The source of the module that computes a cell on a target.

    The same cell, target and option give the same text everywhere.

    Args:
        cell: the cell.
        target: "numpy" or "cupy".
        recompute: "none": the forward pass keeps what the backward pass needs; "all" (for numpy):
            it keeps the states of a few steps only, and the backward pass runs it again.

    Raises:
        UsageError: there is no such target, or it has no such option.
    """
    check_recompute(target, recompute)
    if target == "numpy":
        from lstmgen.targets.numpy.source import numpy_module

        module: Any = numpy_module(cell, recompute)
    elif target == "cupy":
        from lstmgen.targets.cupy.source import cupy_module

        module = cupy_module(cell)
    else:
        raise UsageError(f"there is no target {target!r}; the targets are numpy and cupy")
    text = _environment().get_template(f"{target}.py.j2").render(module=module)
    return _tidy(text)


def check_recompute(target: str, recompute: str) -> None:
    """Raise UsageError unless the target's modules can be told so."""
    if recompute not in ("none", "all"):
        raise UsageError(f"recompute: expected none or all, got {recompute!r}")
    if recompute == "all" and target == "cupy":
        raise UsageError(
            "modules for cupy keep what backward needs; --recompute all is for numpy only"
        )


def compile(cell: Cell, target: str, *, recompute: str = "none") -> types.ModuleType:
    """The module that computes a cell on a target, in memory.

    Args: as in `render`.

    Raises:
        UsageError: there is no such target, or it has no such option.
        UnavailableError: the target's array library cannot be imported here.
    """
    source = render(cell, target, recompute=recompute)
    name = f"{cell.name}_{target}"
    filename = f"<lstmgen {name} {next(_SERIAL)}>"
    module = types.ModuleType(name)
    module.__file__ = filename
    # Tracebacks and inspect.getsource then show the generated lines.
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    code = builtins.compile(source, filename, "exec", dont_inherit=True)
    try:
        exec(code, module.__dict__)
    except ImportError as error:
        raise UnavailableError(
            f"the target {target} needs a package that is not here ({error}); "
            f"see `lstmgen doctor`"
        ) from error
    return module


def kernel_text(cell: Cell) -> str:
    """The CUDA text of a cell's CuPy module, as the module has it in `_KERNELS`."""
    for node in ast.parse(render(cell, "cupy")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_KERNELS":
            return str(ast.literal_eval(node.value))
    raise AssertionError("the template of CuPy modules assigns no _KERNELS")


_SERIAL = itertools.count(1)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the output is Python, not HTML
    )
    environment.filters["tuple_text"] = _tuple_text
    environment.filters["expression_tuple"] = _expression_tuple
    environment.filters["source_text"] = lambda s: (
        f'("{s.size}", "{s.parameter}", {s.axis}, {_tuple_text(s.others)})'
    )
    environment.filters["library"] = lambda name: {"np": "numpy", "cp": "cupy"}[name]
    environment.filters["commented"] = _commented
    environment.filters["targets"] = _targets
    environment.filters["out"] = lambda name: f"{name}_out"
    return environment


def _tuple_text(items: tuple[str, ...]) -> str:
    """A tuple of strings as Python source."""
    return "(" + ", ".join(f'"{x}"' for x in items) + ("," if len(items) == 1 else "") + ")"


def _expression_tuple(items: tuple[str, ...]) -> str:
    """A tuple of expressions as Python source."""
    return "(" + ", ".join(items) + ("," if len(items) == 1 else "") + ")"


def _commented(line: Any, indent: int) -> str:
    """A line with its equations' labels behind it, or above it where the line is long."""
    code = str(line.code)
    comment = f"# {line.comment}" if line.labels else ""
    if comment and indent + len(code) + 2 + len(comment) <= _WIDTH:
        return f"{code}  {comment}"
    margin = " " * indent
    wrapped = _wrap(code, indent).replace("\n", f"\n{margin}")
    return f"{comment}\n{margin}{wrapped}" if comment else wrapped


def _targets(names: list[str], indent: int) -> str:
    """The variables of a loop as a tuple, over several lines if it is long."""
    line = ", ".join(names) + ("," if len(names) == 1 else "")
    if indent + len(line) <= _WIDTH - 30:
        return f"({line})" if len(names) == 1 else line
    margin = " " * indent
    filled = textwrap.wrap(line + ",", _WIDTH - indent - 4)
    return "\n".join(["(", *(f"{margin}    {x}" for x in filled), f"{margin})"])


def _wrap(code: str, indent: int) -> str:
    """Code that is too long for a line, its longest parentheses opened: an argument per line."""
    if indent + len(code) <= _WIDTH:
        return code
    start, end = max(_parentheses(code), key=lambda pair: pair[1] - pair[0], default=(0, 0))
    arguments = _arguments(code[start + 1 : end])
    if start == end or not arguments:
        return code
    if len(arguments) == 1 and code[start + 1] == "(" and code[end - 1] == ")":
        # A call with a tuple: open both at once.
        start, end = start + 1, end - 1
        arguments = _arguments(code[start + 1 : end])
    wrapped = (_wrap(a, indent + 4).replace("\n", "\n    ") for a in arguments)
    inner = "".join(f"    {argument},\n" for argument in wrapped)
    if len(arguments) == 1:
        inner = inner.removesuffix(",\n") + "\n"
    return f"{code[: start + 1]}\n{inner}{code[end:]}"


def _parentheses(code: str) -> list[tuple[int, int]]:
    """The positions of each pair of parentheses."""
    stack: list[int] = []
    pairs = []
    for at, character in enumerate(code):
        if character == "(":
            stack.append(at)
        elif character == ")":
            pairs.append((stack.pop(), at))
    return pairs


def _arguments(code: str) -> list[str]:
    """The parts between the commas that no bracket encloses."""
    parts, depth = [""], 0
    for character in code:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _tidy(text: str) -> str:
    """No trailing blanks, no more than two empty lines, one newline at the end."""
    lines: list[str] = []
    empty = 0
    for line in text.splitlines():
        line = line.rstrip()
        empty = 0 if line else empty + 1
        if empty <= 2:
            lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"
