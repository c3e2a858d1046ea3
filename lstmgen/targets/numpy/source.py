"""The plan of a NumPy module as the lines that its template prints."""

from __future__ import annotations

from dataclasses import dataclass

from lstmgen.algebra.functions import used
from lstmgen.cell import Cell
from lstmgen.targets.common.interface import Identifiers, Interface
from lstmgen.targets.numpy.backward import Backward
from lstmgen.targets.numpy.backward_lines import BackwardSource
from lstmgen.targets.numpy.expressions import FUNCTIONS as HELPERS
from lstmgen.targets.numpy.forward import Forward
from lstmgen.targets.numpy.forward_lines import ForwardSource
from lstmgen.targets.numpy.operations import FUNCTIONS
from lstmgen.targets.numpy.stepping import Step, Stepping

RESERVED = frozenset(
    """np sys params x y state tape dy dstate T B t reuse record scratch adjoint factor
    carry steps work chunk start end count total parts totals part lo hi n columns dtype
    gradients dx dparams sizes shapes activate by_sigma by_tanh spent summand sums
    dstate0 range zip list reversed float int tuple dict len isinstance set sorted max
    min name value array exp temporaries key pool back_steps factor_steps run last self
    views type functools row last_step window weights segment time chunk_steps
    blocks places few quick direct""".split()
) | {*FUNCTIONS}


@dataclass(frozen=True, slots=True)
class NumpyModule:
    """Everything that the template of a NumPy module prints."""

    interface: Interface
    forward: ForwardSource
    backward: BackwardSource
    step: Step

    @property
    def recompute(self) -> bool:
        """Whether the backward pass runs the forward pass again instead of keeping it."""
        return self.interface.recompute == "all"

    @property
    def multiplies(self) -> bool:
        """Whether either loop has a product."""
        bound = (*self.forward.once, *self.backward.once)
        return any("_product(" in b.expression for b in bound)

    @property
    def helpers(self) -> tuple[str, ...]:
        """The definitions of the functions that `step` calls and NumPy does not have."""
        found = HELPERS.definitions(used(d.value for d in self.interface.form.definitions))
        return tuple(text for text in found if not text.startswith("def _sigma("))

    @property
    def uses_sigma(self) -> bool:
        """Whether `step`, or a bias, needs sigma as a function."""
        lines = (*self.step.lines, *self.forward.packs, *self.forward.ahead, *self.forward.behind)
        return any("_sigma(" in line.code for line in lines) or any(
            "_sigma(" in helper for helper in self.helpers
        )


def numpy_module(cell: Cell, recompute: str = "none") -> NumpyModule:
    """The plan of a cell's NumPy module; `recompute` as in `lstmgen.render`."""
    interface = Interface(cell, "numpy", recompute)
    reserved = RESERVED | {*interface.sizes}
    forward = Forward(cell.schedule)
    backward = Backward(cell.schedule, forward)
    return NumpyModule(
        interface,
        ForwardSource(interface, forward, Identifiers(reserved | forward.variables)),
        BackwardSource(
            interface, forward, backward, Identifiers(reserved | backward.variables)
        ),
        Stepping(interface, Identifiers(reserved)).step(),
    )
