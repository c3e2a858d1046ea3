"""A NumPy module as its template prints it."""

from __future__ import annotations

from lstmgen.algebra.expression import Call, Expression, Value, walk
from lstmgen.algebra.functions import FUNCTIONS as TABLE
from lstmgen.stages import Stages
from lstmgen.targets.common.extents import columns, extent
from lstmgen.targets.common.interface import Interface
from lstmgen.targets.common.lines import Line
from lstmgen.targets.common.wrapping import WIDTH, filled
from lstmgen.targets.numpy.backward import backward
from lstmgen.targets.numpy.backward_text import BackwardText
from lstmgen.targets.numpy.check import check
from lstmgen.targets.numpy.expressions import FUNCTIONS
from lstmgen.targets.numpy.forward import forward
from lstmgen.targets.numpy.forward_text import ForwardText
from lstmgen.targets.numpy.naming import Naming
from lstmgen.targets.numpy.passes import ALL, Passes
from lstmgen.targets.numpy.program import Line as Whole
from lstmgen.targets.numpy.program import Operand, Slot
from lstmgen.targets.numpy.reserved import RESERVED
from lstmgen.targets.numpy.stepping import step_lines


class NumpyModule:
    """Everything that the template prints.

    Attributes:
        interface: names, shapes and sizes.
        forward, backward: the lines of the passes; `plans` what they are printed from.
        step: the lines of one step.
        helpers: definitions of functions that NumPy does not have.
        recompute: whether the backward pass runs each block forward again.
        passes: what planning did.
    """

    def __init__(self, cell: Stages, recompute: str = "none", passes: Passes = ALL) -> None:
        self.interface = i = Interface(cell, "numpy", recompute)
        self.recompute = recompute == "all"
        self.form = form = cell.normal_form
        self.passes = passes
        first = forward(cell.schedule, passes)
        self.plans = first, backward(cell.schedule, first, passes)
        check(cell.schedule, *self.plans)
        self.naming = naming = Naming(i, RESERVED)
        self.parameters = [naming.parameters[p] for p in form.parameters]
        rows = {x: f"{given}[at]" for x, given in self.given.items()}
        self.forward = ForwardText(self.plans[0], naming, rows)
        self.backward = BackwardText(self.plans[1], self.plans[0], naming, self.given)
        self.step = step_lines(form, naming, self.given)
        self.helpers = FUNCTIONS.definitions(self._functions())

    def _functions(self) -> list[str]:
        """The functions that the module calls."""
        first, second = self.plans
        expressions: list[Expression] = [d.value for d in self.form.definitions]
        wholes = (*first.before, *first.after, *second.before, *second.after)
        expressions += [w.value for w in wholes if isinstance(w, Whole)]
        lines = (*second.again, *second.common, *second.factors)
        expressions += [line.value for line in lines]
        expressions += [s.value for s in second.gradients.sums]
        expressions += [term for ahead in first.aheads for term in ahead.terms]
        operands: list[Operand] = []
        called: list[str] = []
        for statement in (*first.loop, *second.loop):
            operands += getattr(statement, "operands", ())
            called.append(getattr(statement, "function", ""))
        for operand in operands:
            if not isinstance(operand, Slot):
                expressions += operand.expressions
        called += [n.function for e in expressions for n in walk(e) if isinstance(n, Call)]
        return sorted({name for name in called if name in TABLE})

    # States and inputs

    @property
    def state_slices(self) -> dict[str, str]:
        """The rows of each state among all states."""
        sizes = [self.form.sizes[s] for s in self.form.states]
        return {s: columns(sizes, k) for k, s in enumerate(self.form.states)}

    @property
    def state_rows(self) -> str:
        return extent([self.form.sizes[s] for s in self.form.states])

    def state_array(self, state: str) -> str:
        """The attribute of a block that has a state."""
        return self.naming.stack(self.plans[0].places[state].stack)

    @property
    def x_text(self) -> str:
        """What forward takes as x."""
        sizes = self.interface.input_sizes
        if len(sizes) == 1:
            ((_, size),) = sizes.items()
            return f"the input, (T, B, {size})"
        return "dict of the inputs " + ", ".join(f"{x} (T, B, {s})" for x, s in sizes.items())

    @property
    def state_text(self) -> str:
        return ", ".join(f"{s} (B, {n})" for s, n in self.interface.state_sizes.items())

    @property
    def sizes(self) -> str:
        return ", ".join(self.interface.sizes)

    @property
    def given(self) -> dict[str, str]:
        """What each input is in the arguments."""
        single = len(self.form.inputs) == 1
        return {x: "x" if single else f'x["{x}"]' for x in self.form.inputs}

    @property
    def state_shapes(self) -> str:
        """The shape of each state."""
        sizes = self.interface.state_sizes
        return f"{{{', '.join(f'{chr(34)}{s}{chr(34)}: (B, {n})' for s, n in sizes.items())}}}"

    @property
    def first_given(self) -> str:
        """The first input among the arguments."""
        return self.given[self.form.inputs[0]]

    @property
    def known(self) -> str:
        """What `_check_params` is told, since no parameter tells it."""
        found = [""] + [f"{size}={size}" for size in self.interface.unknown_sizes]
        if not any(self.interface.symbolic.values()):
            label = self.first_given.replace('"', "'")
            dtype = f'getattr({self.first_given}, "dtype", None)'
            found.insert(1, f'_dtype({dtype}, "{label}")')
        return ", ".join(found)

    @property
    def states_in(self) -> list[Line]:
        """A block's first states become the last ones before it."""
        slices = self.state_slices
        blocks = [f"block.{self.state_array(s)}[0]" for s in slices]
        return _together(blocks, [f"last[{at}, :n]" for at in slices.values()])

    @property
    def states_out(self) -> list[Line]:
        """The last states become those of a block."""
        slices = self.state_slices
        blocks = [f"block.{self.state_array(s)}[-1]" for s in slices]
        return _together([f"last[{at}, :n]" for at in slices.values()], blocks)

    @property
    def found(self) -> list[Line]:
        """The last states, as the caller gets them."""
        slices = self.state_slices
        return _dict("found", {s: f"rows.batch(last[{at}], rows.ends)" for s, at in slices.items()})

    @property
    def dstate0(self) -> list[Line]:
        """The gradients of the initial states."""
        entries = {}
        for s, parts in self.backward.initial:
            total = " + ".join(f"handed[{rows}]" for rows in parts)
            entries[s] = f"rows.batch({total}, rows.begins)"
        return _dict("dstate0", entries)

    # Loops

    def ufuncs(self, part: ForwardText | BackwardText) -> list[Line]:
        """The NumPy functions that a loop calls, by their bare names."""
        names = part.ufuncs
        return _together(names, [f"np.{name}" for name in names]) if names else []

    def memory(self, part: ForwardText | BackwardText) -> list[Line]:
        """The memory of a step, arrays of one size together, and its parts that have names."""
        of_size: dict[str, list[str]] = {}
        for name, rows in part.scratch:
            of_size.setdefault(rows, []).append(name)
        lines = []
        for rows, names in of_size.items():
            count = f"{len(names)}, " if len(names) > 1 else ""
            lines.append(Line(f"{', '.join(names)} = np.empty(({count}{rows}, n), dtype)"))
        of_array: dict[str, list[tuple[str, str]]] = {}
        for name, text in part.parts:
            of_array.setdefault(text.partition("[")[0], []).append((name, text))
        for parts in of_array.values():
            lines += _together([name for name, _ in parts], [text for _, text in parts])
        return lines

    def loop_head(self, part: ForwardText | BackwardText, indent: int) -> str:
        """The head of a loop over the steps of a block."""
        names, runs = part.loop_over
        if not names:
            return "for _ in range(steps):"
        through = f"zip({', '.join(runs)})" if len(runs) > 1 else runs[0]
        line = f"for {', '.join(names)} in {through}:"
        if indent + len(line) <= WIDTH:
            return line
        margin = " " * indent

        def inside(items: list[str]) -> str:
            lines = filled(", ".join(items), WIDTH - indent - 4)
            return "".join(f"\n{margin}    {line}" for line in lines) + f"\n{margin}"

        if indent + len(through) + 6 > WIDTH:
            through = f"zip({inside(runs)})"
        return f"for ({inside(names)}) in {through}:"

    # The end of backward

    @property
    def dx(self) -> Line:
        """dx, as x is."""
        found: dict[str, list[Line]] = {x: [] for x in self.form.inputs}
        for x, name, _ in self.backward.rows_of_inputs:
            found[x].append(Line(name))
        for x, products in self.backward.inputs.items():
            found[x] += products
        parts = {
            x: f"rows.unpack({' + '.join(term.code for term in terms)})"
            for x, terms in found.items()
        }
        text = ", ".join(f'"{x}": {part}' for x, part in parts.items())
        text = f"{{{text}}}" if len(parts) > 1 else parts[self.form.inputs[0]]
        labels = tuple(
            dict.fromkeys(label for t in found.values() for x in t for label in x.labels)
        )
        return Line(f"dx = {text}", labels)

    @property
    def carry_text(self) -> str:
        """What is handed from step to step."""
        carry = self.plans[1].carry
        return ", ".join(carry.members) if carry is not None else ""

    # One step

    @property
    def step_states(self) -> str:
        """The line that names the states before the step."""
        names = ", ".join(self.naming.whole(Value(s, -1)) for s in self.form.states)
        return f"{names} = " + ", ".join(f'state["{s}"]' for s in self.form.states)

    def step_new(self, state: str) -> str:
        return self.naming.whole(Value(state))


def _together(names: list[str], texts: list[str]) -> list[Line]:
    """Assignments that belong together: as many in a line as it takes."""
    lines = []
    while names:
        count = len(names)
        while True:
            line = f"{', '.join(names[:count])} = {', '.join(texts[:count])}"
            if count == 1 or len(line) + 8 <= WIDTH:
                break
            count -= 1
        lines.append(Line(line))
        names, texts = names[count:], texts[count:]
    return lines


def _dict(name: str, entries: dict[str, str]) -> list[Line]:
    """A dict by its name: one line, if it is not too long."""
    parts = [f'"{key}": {text}' for key, text in entries.items()]
    line = f"{name} = {{{', '.join(parts)}}}"
    if len(line) + 4 <= WIDTH:
        return [Line(line)]
    return [Line(f"{name} = {{"), *(Line(f"    {part},") for part in parts), Line("}")]
