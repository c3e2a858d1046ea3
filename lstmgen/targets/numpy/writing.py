"""Views and operations as lines of Python, in each of the places where code runs.

The same view is written differently where it stands: in the loop it is a variable that was bound
ahead, for a chunk of steps or for all steps it is a slice of an array of (steps, rows, batch).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from lstmgen.algebra.expression import Number
from lstmgen.form.normal_form import NormalForm
from lstmgen.targets.common.interface import Identifiers
from lstmgen.targets.common.lines import Line
from lstmgen.targets.numpy.joining import ONE
from lstmgen.targets.numpy.operations import FUNCTIONS, Operand, Operation, View
from lstmgen.targets.numpy.storage import Slots


@dataclass(frozen=True, slots=True)
class Bound:
    """A variable of a loop and the expression that it is bound to: once, or for each step."""

    name: str
    expression: str


def number(value: Number) -> str:
    """A constant, as the float that it is in the code."""
    return repr(float(value.value))


def stack(blocks: list[str]) -> str:
    """Blocks one below the other."""
    if len(blocks) == 1:
        return f"np.ascontiguousarray({blocks[0]})"
    return f"np.concatenate(({', '.join(blocks)}))"


Names = Callable[[Operand, bool], str]
"""Writes an operand; as blocks of one slot each, if so asked."""


def functions(lines: Iterable[Line]) -> tuple[str, ...]:
    """NumPy's functions that lines with `bound` functions call."""
    called = (line.code.partition("(")[0] for line in lines)
    return tuple(sorted({name for name in called if name in FUNCTIONS}))


@dataclass(frozen=True, slots=True)
class ProductCall:
    """How a loop calls a product: the function and the place of its result, bound ahead."""

    bound: Bound
    function: str
    out: str

    def call(self, operand: str) -> str:
        return f"{self.function}({operand}, {self.out})"


def product_of(matrix: str, out: str, identifiers: Identifiers) -> ProductCall:
    """The product of a matrix into an array, both variables."""
    function = identifiers(f"{matrix}_dot", "product")
    place = identifiers(f"{matrix}_out", "product")
    return ProductCall(Bound(f"{function}, {place}", f"_product({matrix}, {out})"), function, place)


def operation_line(operation: Operation, names: Names, *, bound: bool = False) -> Line:
    """One operation as a line.

    `bound`: NumPy's functions are variables, and take their output as the last argument.
    """
    if operation.ufunc == "activate":
        return Line(_activate(operation, names), operation.labels)
    blocks = any(
        view.count < operation.out.count and not view.array.startswith("parameter ")
        for view in operation.reads
    )
    inputs = [names(x, blocks) for x in operation.inputs]
    out = names(operation.out, blocks)
    if operation.ufunc == "copyto":
        return Line(f"{'' if bound else 'np.'}copyto({out}, {inputs[0]})", operation.labels)
    if operation.ufunc == "fill":
        return Line(f"{out}[...] = {inputs[0]}", operation.labels)
    if bound and operation.ufunc not in ("maximum", "minimum"):  # NumPy deprecates it for these
        return Line(f"{operation.ufunc}({', '.join((*inputs, out))})", operation.labels)
    prefix = "" if bound else "np."
    return Line(f"{prefix}{operation.ufunc}({', '.join(inputs)}, out={out})", operation.labels)


def _activate(operation: Operation, names: Names) -> str:
    """All sigmas of the run stand before all tanhs."""
    view = operation.out
    sigmas = operation.kinds.count("sigma")
    parts = []
    for start, count in ((0, sigmas), (sigmas, view.count - sigmas)):
        part = replace(view, slot=view.slot + start, count=count)
        parts.append(names(part, False) if count else "None")
    arguments = (names(operation.inputs[0], False), names(view, False), *parts)
    return f"activate({', '.join(arguments)})"


class Storage:
    """Which slots each array has, and how its views are written outside of a loop.

    Arrays named "input x", "parameter p" and "whole v" stand for an input, a parameter, and a value
    of all steps that is a variable of its own.
    """

    def __init__(self, form: NormalForm, slots: Mapping[str, Slots]) -> None:
        self._form = form
        self._slots = dict(slots)

    def slots(self, array: str) -> Slots | None:
        return self._slots.get(array)

    def is_per_step(self, view: View) -> bool:
        """Whether the array has an axis of steps."""
        slots = self.slots(view.array)
        if slots is not None:
            return slots.array in ("record", "adjoint", "factor") or self.is_operand(slots)
        return view.array.startswith(("input ", "whole "))

    @staticmethod
    def is_operand(slots: Slots) -> bool:
        """Whether the array has what products multiply, with one step more than a chunk."""
        return slots.array.startswith("operand_")

    def size(self, view: View) -> str:
        slots = self.slots(view.array)
        return slots.sizes[view.slot] if slots is not None else ""

    def all_steps(self, view: View) -> str:
        """The view at all steps, (T, rows, B)."""
        return self._steps(view, "", "")

    def chunk(self, view: View) -> str:
        """The view at the steps from lo to hi."""
        return self._steps(view, "lo", "hi")

    def goes_on(self, view: View) -> bool:
        """Whether the view goes on in the step after."""
        slots = self.slots(view.array)
        return slots is not None and slots.goes_on(view)

    def across(self, view: View) -> str:
        """A view that goes on in the step after, for each step of a chunk."""
        slots = self._slots[view.array]
        first, last = slots.bounds(view)
        return f"_across({slots.array}s, {first}, {last})"

    def _steps(self, view: View, lo: str, hi: str) -> str:
        kind, _, name = view.array.partition(" ")
        if kind == "parameter":
            return self.parameter(name)
        if kind == "input":
            array = self.input(name) + (f"[{lo}:{hi}]" if lo else "")
            return f"{array}.transpose(0, 2, 1)"
        if kind == "summand":
            return kind
        if kind == "whole":
            return name + ("[:n]" if lo else "")
        slots = self._slots[view.array]
        steps = f"{lo}:{hi}"
        if slots.array == "record":
            shifted = f"{lo} + 1:{hi} + 1" if lo else "1:"
            steps = shifted if view.shift else (steps if lo else ":-1")
        elif self.is_operand(slots):
            steps = "1:" if view.shift else ":-1"
        else:  # all else holds one chunk
            steps = ":n" if lo else ":"
        rows = slots.rows_of(view)
        if (steps, rows) == (":", ":"):
            return slots.array
        return f"{slots.array}[{steps}]" if rows == ":" else f"{slots.array}[{steps}, {rows}]"

    def once(self, view: View) -> str:
        """A view without an axis of steps."""
        slots = self.slots(view.array)
        if slots is None:
            return self.parameter(view.array.removeprefix("parameter "))
        rows = slots.rows_of(view)
        return slots.array if rows == ":" else f"{slots.array}[{rows}]"

    def parameter(self, name: str) -> str:
        """A parameter as it stands beside (units, batch): per unit as a column."""
        return f'params["{name}"]' + ("[:, None]" if name in self._form.vectors else "")

    def input(self, name: str) -> str:
        """An input: x, or its place in the dict of several inputs."""
        return "x" if len(self._form.inputs) == 1 else f'x["{name}"]'

    def chunk_name(self, operand: Operand, blocks: bool) -> str:
        """Writes an operand for the n steps from lo to hi."""
        if isinstance(operand, Number):
            return number(operand)
        text = self.chunk(operand)
        if not blocks or operand.array.startswith("parameter "):
            return text
        if operand.count == 1:
            return f"{text}[:, None]"
        return f"{text}.reshape(n, {operand.count}, {self.size(operand)}, B)"

    def title(self, view: View) -> str:
        """A variable name for a view."""
        slots = self.slots(view.array)
        if slots is None:
            kind, _, name = view.array.partition(" ")
            return f"{name}_t" if kind in ("input", "whole") else name
        if self.is_operand(slots):
            names = slots.names[view.slot : view.end]
            title = "_".join("one" if name == ONE else name for name in names)
            return f"{title}_prev" if not view.shift and title in self._form.states else title
        title = slots.title(view)
        if view.count == len(slots.names) and not slots.goes_on(view):
            if slots.array.startswith("p_"):
                title = slots.array
            elif view.count > 1 and self.is_per_step(view):
                title = f"{slots.array}_t"
        if slots.array != "record":
            return title
        if view.count > 1:
            return f"{title}_next" if view.shift else title
        is_previous = not view.shift and title in self._form.states
        return f"{title}_prev" if is_previous else title


_TITLES = {Fraction(0): "zero", Fraction(1, 2): "half", Fraction(1): "one", Fraction(2): "two"}


class LoopNames:
    """Binds the views of a loop to variables: those of a step in lists, the others once.

    An array that is kept has views for each step, made once; what only the call has, for a chunk.

    `variables` are arrays that are variables already, under their own names; `for_chunks` are kept
    arrays that hold as many steps as a chunk has.
    """

    def __init__(
        self,
        identifiers: Identifiers,
        storage: Storage,
        variables: Mapping[str, Slots],
        for_chunks: frozenset[str] = frozenset(),
    ) -> None:
        self._identifiers = identifiers
        self._storage = storage
        self._for_chunks = for_chunks
        for array, slots in variables.items():
            identifiers(slots.array, _kind(View(array, 0, len(slots.names)), False))
        self.steps: dict[tuple[View, bool], Bound] = {}
        self.once: dict[tuple[View, bool], Bound] = {}
        self.constants: dict[Number, Bound] = {}

    def __call__(self, operand: Operand, blocks: bool) -> str:
        if isinstance(operand, Number):
            return self._constant(operand)
        # Only a run of slots looks different in blocks.
        key = (operand, blocks and operand.count > 1)
        known = self.steps.get(key) or self.once.get(key)
        return (known or self._bind(*key)).name

    def _constant(self, value: Number) -> str:
        """An array without axes: NumPy takes several times as long over a Python float."""
        if value not in self.constants:
            title = _TITLES.get(value.value, f"constant{len(self.constants)}")
            name = self._identifiers(title, f"constant {value}")
            self.constants[value] = Bound(name, f"np.array({number(value)}, dtype)")
        return self.constants[value].name

    def _bind(self, view: View, blocks: bool) -> Bound:
        storage = self._storage
        title = storage.title(view) + ("_blocks" if blocks else "")
        name = self._identifiers(title, _kind(view, blocks))
        shape = f"{view.count}, {storage.size(view)}, B"
        if storage.goes_on(view):
            bound = self.steps[(view, blocks)] = Bound(name, storage.across(view))
        elif storage.is_per_step(view):
            if view.array == "record" or view.array in self._for_chunks:
                steps = "T" if view.array == "record" else "chunk"
                expression = storage.all_steps(view)
            else:
                steps, expression = "n", storage.chunk(view)
            expression += f".reshape({steps}, {shape})" * blocks
            bound = self.steps[(view, blocks)] = Bound(name, expression)
        else:
            expression = storage.once(view) + (f".reshape({shape})" * blocks)
            bound = self.once[(view, blocks)] = Bound(name, expression)
        return bound


def _kind(view: View, blocks: bool) -> str:
    """What tells a view's variable from others that want the same name."""
    return f"{view} {blocks}"
