"""The arrays of a module, and what its products and kernels are made of.

Arrays are batch-major, (T, B, units), so that x, y and their gradients need no conversion.  What
they are called begins with what they hold, "state_h" or "products_x", so that no cell's names
meet those that the template uses itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lstmgen.algebra.expression import Add, Expression, Neg, Value, add, values
from lstmgen.form.normal_form import Definition
from lstmgen.schedule.program import Schedule
from lstmgen.targets.common.interface import Identifiers
from lstmgen.targets.cupy.arrays import Array, Held, Kind, Place, Steps
from lstmgen.targets.cupy.kernel import Kernel, build


@dataclass(frozen=True, slots=True)
class WeightBlock:
    """A block of columns of a weight, or its transpose or negative."""

    weight: str
    slot: int
    transposed: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class StackedWeights:
    """Sums of blocks of weights, one below the other."""

    name: str
    sums: tuple[tuple[WeightBlock, ...], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """out = operand · weights^T, or with `back` operand · weights; added to out if `accumulate`."""

    weights: StackedWeights
    operand: Place
    out: Place
    accumulate: bool
    back: bool
    labels: tuple[str, ...]
    columns: tuple[str, ...] = ()  # of a back product: the adjoints that it multiplies


CupyStage = Product | Kernel


class Storage:
    """The arrays by what they hold, and the kernels over them.

    Attributes:
        arrays: filled by the forward and the backward plan, in the order of the kernels' arguments.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.arrays: dict[Held, Array] = {}
        self._scalars = schedule.form.scalars
        self._identifiers = Identifiers(frozenset())
        self._kernel_names: set[str] = set()

    def _kernel_name(self, wanted: str) -> str:
        """A name that is free, with what the template puts behind it."""
        while (made := {wanted, f"{wanted}_units", f"{wanted}_wide"}) & self._kernel_names:
            wanted += "_"
        self._kernel_names |= made
        return wanted

    def rank(self, array: Held) -> int:
        """0 for arrays that a tape or workspace has for each step, 1 for those that a call brings
        for each step, 2 for those without an axis of steps."""
        if array.kind.is_of_call:
            return 1
        return 0 if array in self.arrays and self.arrays[array].steps is not Steps.ONE else 2

    def add(self, array: Held, steps: Steps, width: str) -> None:
        """An array of the module; it is called as what it holds."""
        self.arrays[array] = Array(self.local(str(array), "array"), steps, width)

    def local(self, wanted: str, kind: str) -> str:
        """A variable of the module's functions; the same for the same kind and name."""
        return self._identifiers(wanted, kind)

    def title(self, array: Held, shift: int) -> str:
        """What a loop calls an array."""
        if array.kind is Kind.SEED:
            return "dy"
        name = self.arrays[array].name if array in self.arrays else str(array)
        return f"{name}_prev" if array.kind is Kind.STATE and not shift else name

    def pointer(self, array: Held, shift: int) -> str:
        """What a kernel calls a pointer to an array."""
        if array.kind in (Kind.STATE, Kind.INPUT, Kind.VALUE, Kind.PARAMETER):
            return f"p_{array.name}" + "_prev" * (array.kind is Kind.STATE and not shift)
        return f"p_{self.title(array, shift)}"

    def parameter(self, name: str) -> Place:
        """Where an element-wise parameter lives."""
        if name in self._scalars:
            return Place(Held(Kind.PARAMETER, name), 0, "1", "1")
        return Place(Held(Kind.PARAMETER, name), 0, "")

    def kernel(
        self,
        name: str,
        size: str,
        assignments: list[Definition],
        where: Callable[[Value], Place],
        stores: Callable[[str], Iterable[Place]],
    ) -> Kernel | None:
        """A kernel: `where` values live, and what `stores` each assigned value.

        It computes what is stored and what that needs; None where nothing is stored.
        """
        read = {d.name for d in assignments if any(True for _ in stores(d.name))}
        needed: list[Definition] = []
        for d in reversed(assignments):
            if d.name in read:
                needed.insert(0, d)
                read |= {v.name for v in values(d.value) if v.shift == 0}
        if not needed:
            return None
        return build(
            self._kernel_name(name),
            size,
            needed,
            where,
            self.parameter,
            stores,
            self.pointer,
            self.rank,
        )


def without(expression: Expression, dropped: set[str]) -> Expression:
    """A sum without the terms that are plain values of these names."""
    terms = expression.terms if isinstance(expression, Add) else (expression,)
    kept = []
    for term in terms:
        inner = term.argument if isinstance(term, Neg) else term
        if not (isinstance(inner, Value) and inner.name in dropped):
            kept.append(term)
    return add(*kept)
