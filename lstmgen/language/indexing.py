"""The vectors of SymPy equations: `h[t-1]`, in this notation or with SymPy's IndexedBase."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from lstmgen.language import notation

_LONGEST = 300  # letters of an equation in a message


def indexed_name(node: sympy.Basic) -> tuple[str, sympy.Expr] | None:
    """Name and offset of `h[t-1]`, also when written with SymPy's IndexedBase."""
    if isinstance(node, notation.At):
        return node.name, node.offset
    if isinstance(node, sympy.Indexed) and len(node.indices) == 1:
        return str(node.base), notation.At(notation.Name(str(node.base)), node.indices[0]).offset
    return None


def is_scalar(node: sympy.Basic) -> bool:
    """Whether the vector is one of a single number, as `m[t]` with m from `scalars`."""
    return isinstance(node, notation.At) and bool(
        getattr(node.args[0], "is_scalar_parameter", False)
    )


def index_problem(name: str, offset: sympy.Expr) -> str:
    """What is wrong with an offset other than 0 and -1, and what to do."""
    problem = f"{name} has an index other than t or t-1"
    if not offset.is_Integer:
        return f"{problem}; write {name}[t] or {name}[t-1]"
    if offset < 0:
        cure = "carry an older value in a state of its own, like Eq(h_old[t], h[t-1])"
    else:
        cure = "a step cannot look ahead: shift the sequences, so that the latest vector is at t"
    return f"{problem} ({int(offset):+} from t); {cure}"


@dataclass(frozen=True, slots=True)
class Place:
    """An equation as messages name it, put into words only when one does."""

    number: int
    equation: sympy.Basic

    def __str__(self) -> str:
        return where(self.number, self.equation)


def where(number: int, equation: sympy.Basic) -> str:
    """An equation as messages name it."""
    if not isinstance(equation, sympy.Eq):
        return f"equation ({number})"
    try:
        written = f"{equation.lhs} = {equation.rhs}"
    except ValueError:  # Python prints no number of more than 4,300 digits
        return f"equation ({number})"
    shown = written if len(written) <= _LONGEST else f"{written[:_LONGEST]}..."
    return f"equation ({number}), {shown}"
