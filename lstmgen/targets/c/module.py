"""A C module as its templates print it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lstmgen.stages import Stages
from lstmgen.targets.c.source import CSource
from lstmgen.targets.common.header import header_line
from lstmgen.targets.common.interface import Interface

__all__ = ["CModule"]

_FLAGS = (
    "-std=c11",
    "-O2",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fPIC",
    "-shared",
    "-DLSTMGEN_NUMPY",
)


_INSTRUCTIONS = {
    "native": ("-march=native",),
    "portable": (),
    "avx2": ("-march=x86-64-v3",),
    "avx512": ("-march=x86-64-v4",),
}


@dataclass(frozen=True)
class _Interface(Interface):
    """Only sizes that something has; `options` are those that the header says."""

    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def header(self) -> str:
        return header_line(self.cell.name, self.target, self.options)

    @property
    def sizes(self) -> tuple[str, ...]:
        hidden = ("H",) if "H" in self.form.sizes.values() else ()
        return (*hidden, *self.form.extra_sizes, *self.form.input_sizes)


class CModule:
    """The Python module, and the C text beside it as `c`."""

    def __init__(
        self, cell: Stages, options: Mapping[str, str], in_header: Mapping[str, str]
    ) -> None:
        self.interface = _Interface(cell, "c", options["recompute"], in_header)
        self.form = cell.normal_form
        self.only = options["only"]
        self.c = CSource(cell, self.interface, options["recompute"] == "all", self.only)
        self.flags = [*_FLAGS, *_INSTRUCTIONS[options["instructions"]]]

    @property
    def x_text(self) -> str:
        """What forward takes as x."""
        shapes = {x: self.interface.input_shape(x, "T", "B") for x in self.form.inputs}
        if len(shapes) == 1:
            return f"the input, {next(iter(shapes.values()))}"
        return "dict of the inputs " + ", ".join(f"{x} {shape}" for x, shape in shapes.items())

    @property
    def state_text(self) -> str:
        return ", ".join(f"{s} (B, {n})" for s, n in self.interface.state_sizes.items())

    @property
    def _sizes(self) -> str:
        sizes = self.interface.sizes
        return ", ".join(sizes) + ("," if len(sizes) == 1 else "")

    def argument_lines(self, lead: int) -> str:
        """The checks of params, x and state; `lead` axes come before a vector's own."""
        i, form = self.interface, self.form
        single = len(form.inputs) == 1
        lines = [] if single else ['_check_names("x", x, INPUTS)']
        known = ""
        for size, kind, name in i.unknown_sources:
            if kind == "state":
                lines += [
                    "if state is None:",
                    f'    raise TypeError("state: expected a dict, as nothing else tells {size}")',
                    '_check_names("state", state, STATES)',
                    f"{size} = _extent(state[{name!r}])",
                ]
            else:
                given = "x" if single else f"x[{name!r}]"
                lines.append(f"{size} = _extent({given})")
            known += f", {size}={size}"
        dtype = ""
        if not any(i.symbolic.values()):
            first = "x" if single else f"x[{form.inputs[0]!r}]"
            dtype = f', getattr({first}, "dtype", None)'
        lines += [
            f"params, ({self._sizes}), dtype = _params(params{dtype}{known})",
            f"known = dict(zip(SIZES, ({self._sizes}), strict=True))",
            f"x, {'T, B' if lead == 2 else 'B'} = _check_inputs(x, {lead}, known, dtype)",
            'state = _check_state("state", state, B, known, dtype)',
        ]
        return "\n".join(lines)

    def backward_lines(self) -> str:
        """The checks of the arguments of `backward`."""
        i, form = self.interface, self.form
        known = "".join(f", {size}=tape.key[{i.sizes.index(size) + 2}]" for size in i.unknown_sizes)
        dtype = "" if any(i.symbolic.values()) else ", tape.key[-1]"
        return "\n".join(
            [
                '_check_tape("tape", tape)',
                f"params, ({self._sizes}), dtype = _params(params{dtype}{known})",
                "T, B = tape.key[:2]",
                f'_check_key("params", (T, B, {", ".join(i.sizes)}, dtype), tape.key)',
                "if dy is not None:",
                f'    _check_array("dy", dy, (T, B, {form.sizes[form.output]}), dtype)',
                f"known = dict(zip(SIZES, ({self._sizes}), strict=True))",
                'dstate = _check_state("dstate", dstate, B, known, dtype)',
            ]
        )
