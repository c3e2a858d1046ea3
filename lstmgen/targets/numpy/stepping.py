"""One step for streaming, batch-major: an equation a line."""

from __future__ import annotations

from collections.abc import Mapping

from lstmgen.algebra.expression import MatVec, Parameter, Value, values
from lstmgen.form.normal_form import NormalForm
from lstmgen.targets.common.extents import columns
from lstmgen.targets.common.lines import Line
from lstmgen.targets.numpy.expressions import Python
from lstmgen.targets.numpy.naming import Naming


def step_lines(form: NormalForm, naming: Naming, inputs: Mapping[str, str]) -> list[Line]:
    """The lines between the state before the step and the new one; `inputs` are the arguments'."""

    def value(node: Value) -> str:
        return inputs.get(node.name) or naming.whole(node)

    def leaf(node: Value | Parameter | MatVec) -> str:
        if isinstance(node, Value):
            return value(node)
        if isinstance(node, Parameter):
            return naming.parameters[node.name]
        weight = naming.parameters[node.weight]
        sizes = form.weights[node.weight].columns
        block = f"[:, {columns(sizes, node.slot)}]" if len(sizes) > 1 else ""
        # Rows of the batch times the transpose of what multiplies a column.
        side = "" if node.transposed else ".T"
        return f"{value(node.operand)} @ {weight}{block}{side}"

    lines = []
    for d in form.definitions:
        text = Python(leaf).text(d.value)
        size = form.sizes[d.name]
        read = [*(v.name for v in values(d.value)), *(p.operand.name for p in d.products)]
        if not d.products and not any(form.sizes[v] == size for v in read):
            text = f"np.broadcast_to({text}, (B, {size})).copy()"
        elif isinstance(d.value, Value):
            text += ".copy()"
        lines.append(Line(f"{naming.whole(Value(d.name))} = {text}", (d.label,)))
    return lines
