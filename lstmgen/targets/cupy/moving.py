"""The kernels that move rows: they are there for lengths and restarts, and for every cell alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lstmgen.targets.cupy.kernel import filled, in_c

__all__ = ["Mover", "gather", "restart"]


@dataclass(frozen=True, slots=True)
class Mover:
    """A kernel with a body of its own in the template.

    Attributes:
        pointers: what it takes, each as type and name.
        sizes: the sizes that it takes behind the number of rows.
        states: of `restart` the states and their sizes.
    """

    pointers: tuple[tuple[str, str], ...]
    sizes: tuple[str, ...]
    states: tuple[tuple[str, str], ...] = ()

    @property
    def parameters(self) -> str:
        """The parameter list of the kernel."""
        pointers = [f"{kind} {name}" for kind, name in self.pointers]
        return filled([*pointers, "int rows", *(f"int {size}" for size in self.sizes)])

    @property
    def passed(self) -> str:
        """The same list as passed on."""
        return filled([*(name for _, name in self.pointers), "rows", *self.sizes])


def gather() -> Mover:
    """Rows of an array in another order."""
    pointers = (
        ("const real* __restrict__", "p_source"),
        ("real* __restrict__", "p_result"),
        ("const long long* __restrict__", "p_places"),
    )
    return Mover(pointers, ("size",))


def restart(states: Mapping[str, str]) -> Mover:
    """What the states of a step start from; pointers may be equal, as it works in place too."""
    pointers = [("const bool* __restrict__", "p_again")]
    for state in states:
        pointers += [("const real*", f"p_before_{state}"), ("real*", f"p_start_{state}")]
    pointers.append(("const long long* __restrict__", "p_order"))
    sizes = tuple(dict.fromkeys(map(in_c, states.values())))
    return Mover(tuple(pointers), sizes, tuple((s, in_c(size)) for s, size in states.items()))
