"""What the modules of every target have in common: names, shapes, sizes and the header.

The result is plain data for the templates; nothing here depends on the array library.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from functools import cached_property

from lstmgen.form.normal_form import NormalForm
from lstmgen.stages import Stages
from lstmgen.targets.common.extents import columns, extent
from lstmgen.targets.common.header import header_line


@dataclass(frozen=True, slots=True)
class SizeSource:
    """A way to read a size off a parameter: its extent on an axis, less the known columns."""

    size: str
    parameter: str
    axis: int
    others: tuple[str, ...] = ()  # the sizes of the other columns, known before
    times: int = 1  # how many columns it is the size of

    @property
    def less(self) -> str:
        """The extent of the other columns, or nothing."""
        return extent(self.others) if self.others else ""


class Identifiers:
    """Names for the generated code's variables, none of them twice."""

    def __init__(self, reserved: frozenset[str]) -> None:
        self._taken = set(reserved)
        self._given: dict[tuple[str, str], str] = {}

    def __call__(self, wanted: str, kind: str = "") -> str:
        """The variable for `wanted`; the same for the same kind and name."""
        key = (kind, wanted)
        if key not in self._given:
            name = wanted
            while name in self._taken or keyword.iskeyword(name):
                name += "_"
            self._taken.add(name)
            self._given[key] = name
        return self._given[key]


@dataclass(frozen=True)
class Interface:
    """The public face of a generated module."""

    cell: Stages
    target: str
    recompute: str = "none"

    @property
    def form(self) -> NormalForm:
        return self.cell.normal_form

    @property
    def header(self) -> str:
        """The first line of the module."""
        options = {} if self.recompute == "none" else {"recompute": self.recompute}
        return header_line(self.cell.name, self.target, options)

    @cached_property
    def equations(self) -> tuple[tuple[str, str], ...]:
        """Label and text of each equation, as declared."""
        return tuple(
            (str(k), f"{eq.lhs} = {eq.rhs}") for k, eq in enumerate(self.cell.equations, start=1)
        )

    @property
    def sizes(self) -> tuple[str, ...]:
        """H if something has it, the declared sizes, and the inputs' own."""
        hidden = ("H",) if "H" in self.form.sizes.values() else ()
        return (*hidden, *self.form.extra_sizes, *self.form.input_sizes)

    @cached_property
    def auxiliary(self) -> tuple[str, ...]:
        """The definitions that the normal form adds, as text."""
        numbers = {label for label, _ in self.equations}
        return tuple(str(d) for d in self.form.definitions if d.label not in numbers)

    @cached_property
    def gradients(self) -> tuple[str, ...]:
        """The derived equations, as text."""
        masks = self.cell.gradients.masks
        lines = [*str(self.cell.gradients).splitlines(), *[""] * bool(masks)]
        return (*lines, *(f"where {f.name}(a) is {f.summary}" for f in masks))

    @property
    def size_text(self) -> str:
        """What the sizes are, after T and B."""
        named = [("H", "the hidden size")]
        named += [(s, "a size of its own") for s in self.form.extra_sizes]
        for x, size in self.input_sizes.items():
            if size in self.form.input_sizes:
                named.append((size, f"the size of {x}"))
        return "".join(f", {s} {text}" for s, text in named)

    @property
    def label_range(self) -> str:
        """The labels of all equations."""
        return "(1)" if len(self.equations) == 1 else f"(1) to ({len(self.equations)})"

    @property
    def gradient_range(self) -> str:
        """The labels of all derived equations."""
        return f"(δ1) to (δ{len(self.cell.gradients)})"

    @property
    def free_inputs(self) -> tuple[str, ...]:
        """The inputs whose size is their own."""
        return tuple(x for x, s in self.input_sizes.items() if s in self.form.input_sizes)

    @property
    def input_size_text(self) -> str:
        """What init_params wants as input_size."""
        if len(self.form.inputs) == 1:
            if self.free_inputs:
                return f"{self.form.input_sizes[0]}, the size of {self.form.inputs[0]}."
            size = self.input_sizes[self.form.inputs[0]]
            if self.form.scalar_inputs:
                return f"the size of {self.form.inputs[0]}; here it must be 1."
            return f"the size of {self.form.inputs[0]}; here it must be the same as " + (
                "hidden_size." if size == "H" else f"{size}."
            )
        given, tied = self._inputs_of_an_int, self._tied_inputs
        if not self.free_inputs:
            given = self.form.inputs
        text = f"the size of {' and of '.join(given)}, or a dict of input names to sizes"
        if not tied:
            return f"{text}."
        return f"{text}, in which {', '.join(tied)} may be left out."

    @property
    def _inputs_of_an_int(self) -> tuple[str, ...]:
        """Of several inputs those whose size is one that is not known without them."""
        return tuple(
            next(x for x in self.free_inputs if self.input_sizes[x] == size)
            for size in self.form.input_sizes
        )

    @property
    def _tied_inputs(self) -> tuple[str, ...]:
        """Of several inputs those whose size is known from elsewhere."""
        return tuple(x for x in self.form.inputs if x not in self._inputs_of_an_int)

    @property
    def input_size_code(self) -> str:
        """The lines that read each input's size from input_size and check the tied ones.

        Of several inputs, one number is the size of those of free size.  The others have the size
        of what they are combined with: a dict may leave them out, and is checked where it does not.
        """
        lines = []
        several = len(self.form.inputs) > 1
        if several:
            of_int = self._inputs_of_an_int or self.form.inputs
            lines += [
                "if not isinstance(input_size, dict):",
                f"    input_size = dict.fromkeys({_tuple(of_int)}, input_size)",
            ]
            first = {self.input_sizes[x]: x for x in self._inputs_of_an_int}
            known = [
                f'"{x}": ' + (f'input_size.get("{first[size]}")' if size in first else size)
                for x, size in self.form.input_extents.items()
                if x in self._tied_inputs
            ]
            if known:
                lines.append(f"input_size = {{{', '.join(known)}, **input_size}}")
            lines.append(f'_check_names("input_size", input_size, {_tuple(self.form.inputs)})')
        ordered = [*self._inputs_of_an_int, *self._tied_inputs]
        for x in ordered:
            size = self.form.input_extents[x]
            label = f"input_size[{x!r}]" if several else "input_size"
            value = f'_size("{label}", ' + (f'input_size["{x}"])' if several else "input_size)")
            if x in self._inputs_of_an_int:
                lines.append(f"{size} = {value}")
                continue
            if size == "1":
                lines += [
                    f"if {value} != 1:",
                    f'    raise ValueError(f"{label}: {x} is one number for each row, "',
                    f'                     f"so expected 1, got {{{label}}}")',
                ]
                continue
            lines += [
                f"if {value} != {size}:",
                "    raise ValueError(",
                f'        "{label}: {x} is combined with vectors of size {size}, "',
                f'        f"so expected {{{size}}}, got {{{label}}}"',
                "    )",
            ]
        return "\n".join(lines)

    @property
    def state_sizes(self) -> dict[str, str]:
        return {s: self.form.sizes[s] for s in self.form.states}

    @property
    def input_sizes(self) -> dict[str, str]:
        return {x: self.form.sizes[x] for x in self.form.inputs}

    def input_shape(self, name: str, *before: str) -> str:
        """How an input is shaped after the axes `before`, in words."""
        axes = ", ".join(before)
        if name in self.form.scalar_inputs:
            return f"({axes}, 1) or ({axes}{',' * (len(before) == 1)})"
        return f"({axes}, {self.input_sizes[name]})"

    @property
    def shapes(self) -> dict[str, tuple[str, ...]]:
        """Each parameter's shape as expressions in the sizes."""
        return {
            p: (
                (self.form.weights[p].rows, extent(self.form.weights[p].columns))
                if p in self.form.weights
                else ((self.form.vectors[p],) if p in self.form.vectors else ())
            )
            for p in self.form.parameters
        }

    @property
    def symbolic(self) -> dict[str, tuple[str, ...]]:
        """Each parameter's symbolic shape, as `PARAMETERS` shows it."""
        return self.cell.parameters

    @cached_property
    def size_sources(self) -> tuple[SizeSource, ...]:
        """For each size, where parameters tell it; a size that only columns tell comes last."""
        found: list[SizeSource] = []
        known: list[str] = []
        for size in self.sizes:
            for p, shape in self.shapes.items():
                found += [SizeSource(size, p, axis) for axis, n in enumerate(shape) if n == size]
            if any(s.size == size for s in found):
                known.append(size)
        progress = True
        while progress:
            progress = False
            for p, weight in self.form.weights.items():
                unknown = [c for c in weight.columns if c not in known]
                if len(unknown) == 1:
                    rest = tuple(c for c in weight.columns if c in known)
                    found.append(SizeSource(unknown[0], p, 1, rest))
            new = {s.size for s in found} - set(known)
            if new:
                known += sorted(new)
                progress = True
        # Where nothing else does, several columns of one size tell it.
        told = {
            *known,
            *(s for x, s in self.input_sizes.items() if x not in self.form.scalar_inputs),
        }
        for size in (s for s in self.sizes if s not in told | {*self.state_sizes.values()}):
            for p, weight in self.form.weights.items():
                rest = tuple(c for c in weight.columns if c != size)
                if len(rest) < len(weight.columns):
                    times = len(weight.columns) - len(rest)
                    found.append(SizeSource(size, p, 1, rest, times))
        return tuple(found)

    @property
    def first_sources(self) -> tuple[SizeSource, ...]:
        """One source for each size that the parameters tell, in an order that can be evaluated."""
        chosen: dict[str, SizeSource] = {}
        for source in self.size_sources:
            chosen.setdefault(source.size, source)
        return tuple(chosen.values())

    @property
    def first_parameter(self) -> str:
        """The parameter whose dtype the others must have."""
        return next(iter(self.symbolic))

    @property
    def unknown_sizes(self) -> tuple[str, ...]:
        """Sizes that no parameter tells; the input or the state must."""
        known = {s.size for s in self.size_sources}
        return tuple(size for size in self.sizes if size not in known)

    @property
    def unknown_sources(self) -> tuple[tuple[str, str, str], ...]:
        """For each size that no parameter tells: an input ("x") or a state that does."""
        found = []
        for size in self.unknown_sizes:
            scalar = self.form.scalar_inputs
            inputs = [x for x, s in self.input_sizes.items() if s == size and x not in scalar]
            states = [x for x, s in self.state_sizes.items() if s == size]
            found.append((size, "x", inputs[0]) if inputs else (size, "state", states[0]))
        return tuple(found)

    def columns(self, weight: str, slot: int) -> str:
        """The columns of a block of a weight, as a slice."""
        return columns(self.form.weights[weight].columns, slot)


def _tuple(names: tuple[str, ...]) -> str:
    """A tuple of names as Python source."""
    return "(" + ", ".join(f'"{x}"' for x in names) + ("," if len(names) == 1 else "") + ")"
