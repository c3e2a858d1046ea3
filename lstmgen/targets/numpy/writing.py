"""The program as lines of Python: the last step, and nothing reads these lines back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lstmgen.algebra.functions import FUNCTIONS as TABLE
from lstmgen.targets.common.lines import Line as Text
from lstmgen.targets.numpy.expressions import FUNCTIONS
from lstmgen.targets.numpy.naming import Naming
from lstmgen.targets.numpy.program import AddAhead, Call, Dot, Keep, Once, Operand, Slot, Statement

_UFUNCS = {
    "add": "add",
    "subtract": "subtract",
    "multiply": "multiply",
    "divide": "divide",
    "negative": "negative",
    "reciprocal": "reciprocal",
    "square": "square",
    "power": "power",
}


class LoopWriter:
    """The lines of a loop, and what they need: views of each step, constants, parts of scratch.

    Attributes:
        steps: the slots with an axis of steps that the loop reads or writes, in order.
        parts: parts of arrays without that axis: variable and text.
        onces: constants of a call: variable and text.
        matrices: of the products: variable and text, with labels.
        ufuncs: the NumPy functions that the lines call by their bare names.
    """

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self.steps: list[Slot] = []
        self.parts: dict[str, str] = {}
        self.onces: dict[str, str] = {}
        self.matrices: dict[str, Text] = {}
        self.ufuncs: list[str] = []

    def lines(self, statements: Iterable[Statement]) -> list[Text]:
        """The lines of the statements."""
        return [self._line(statement) for statement in statements]

    def _line(self, statement: Statement) -> Text:
        match statement:
            case Dot(matrix, operand, out, labels):
                name = self._naming.matrix_name(matrix)
                text = self._naming.matrix(matrix)
                self.matrices.setdefault(name, Text(f"{name} = {text}", matrix.labels))
                self._use("dot")
                return Text(f"dot({name}, {self.operand(operand)}, {self.operand(out)})", labels)
            case AddAhead(ahead):
                self._use("add")
                to = self.operand(ahead.out, hint="ahead")
                name = self._naming.identifiers(ahead.name, "ahead")
                if not ahead.once:
                    name = self._naming.identifiers(f"{ahead.name}_t", "ahead step")
                return Text(f"add({to}, {name}, {to})", statement.labels)
            case Call(function, operands, out, labels):
                hint = "_".join(out.members) if out.count <= 4 else ""
                arguments = [self.operand(o, hint) for o in operands]
                return Text(self._call(function, arguments, self.operand(out)), labels)

    def _call(self, function: str, arguments: Sequence[str], out: str) -> str:
        if function == "copy":
            self._use("copyto")
            return f"copyto({out}, {arguments[0]})"
        if function in _UFUNCS:
            self._use(_UFUNCS[function])
            return f"{_UFUNCS[function]}({', '.join([*arguments, out])})"
        text = TABLE[function].numpy
        if text is not None and text.ufunc:
            self._use(text.ufunc)
            return f"{text.ufunc}({', '.join([*arguments, out])})"
        call = FUNCTIONS.call(function, arguments)
        if text is not None and text.into:
            return f"{call[:-1]}, out={out})"
        return f"{out}[...] = {call}"

    def _use(self, name: str) -> None:
        if name not in self.ufuncs:
            self.ufuncs.append(name)

    def operand(self, operand: Operand, hint: str = "") -> str:
        """A constant, a view of the step, or an array without an axis of steps or a part of it."""
        naming = self._naming
        if isinstance(operand, Once):
            name, text = naming.once(operand)
            self.onces[name] = text
            return name
        if operand.stack.keep not in (Keep.STEP, Keep.CARRY):
            if operand not in self.steps:
                self.steps.append(operand)
            return naming.step(operand)
        name = naming.stack(operand.stack)
        rows = naming.rows(operand)
        if not rows:
            return name
        if operand.stack.keep is Keep.CARRY:
            wanted = operand.members[0]
        else:
            wanted = f"{name}_{hint}" if hint else f"{name}_{operand.first + 1}"
        part = naming.identifiers(wanted, f"part {operand}")
        self.parts[part] = f"{name}[{rows}]"
        return part


def joined_views(views: Sequence[tuple[str, str]]) -> str:
    """The variables of a loop that one tuple a step holds."""
    return f"({', '.join(name for name, _ in views)}{',' if len(views) == 1 else ''})"
