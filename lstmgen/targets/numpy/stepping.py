"""One time step for streaming: the equations as they stand, in batch-major arrays."""

from __future__ import annotations

from dataclasses import dataclass

from lstmgen.algebra.expression import Add, Expression, MatVec, Parameter, Value, add, matvecs
from lstmgen.form.normal_form import Definition, NormalForm
from lstmgen.targets.common.interface import Identifiers, Interface
from lstmgen.targets.common.lines import Line
from lstmgen.targets.numpy.expressions import Python


@dataclass(frozen=True, slots=True)
class Step:
    """The lines of `step`, and the variables that hold the new state."""

    arguments: tuple[Line, ...]
    lines: tuple[Line, ...]
    state: dict[str, str]


class Stepping:
    """Writes each definition as one line; a weight multiplies its concatenation as a whole.

    The method `dot` takes a third less time than the function for the small products of a step.
    """

    def __init__(self, interface: Interface, identifiers: Identifiers) -> None:
        self._interface = interface
        self._form: NormalForm = interface.form
        self._name = identifiers
        self._concatenations: dict[tuple[Value, ...], str] = {}
        self._lines: list[Line] = []

    def step(self) -> Step:
        """The whole step."""
        several = len(self._form.inputs) > 1
        arguments = [
            Line(f'{self._value(Value(x))} = {f"""x["{x}"]""" if several else "x"}')
            for x in self._form.inputs
        ]
        arguments += [
            Line(f'{self._value(Value(s, -1))} = state["{s}"]') for s in self._form.states
        ]
        for d in self._form.definitions:
            self._definition(d)
        state = {s: self._value(Value(s)) for s in self._form.states}
        return Step(tuple(a for a in arguments if a.code != "x = x"), tuple(self._lines), state)

    def _value(self, value: Value) -> str:
        if value.name in self._form.inputs and len(self._form.inputs) == 1:
            return "x"
        return self._name(f"{value.name}_prev" if value.shift else value.name, "value")

    def _definition(self, d: Definition) -> None:
        whole: dict[str, list[MatVec]] = {}
        for product in matvecs(d.value):
            whole.setdefault(product.weight, []).append(product)
        replaced: dict[MatVec, Expression | None] = {}
        written: dict[str, str] = {}
        for weight, products in whole.items():
            slots = [p.slot for p in products]
            if slots == list(range(len(self._form.weights[weight].columns))) and not any(
                p.transposed for p in products
            ) and self._adjacent(d.value, products):
                key = f"@{weight}"
                operand = self._concatenated(tuple(p.operand for p in products), d.label)
                written[key] = f'{operand}.dot(params["{weight}"].T)'
                for k, product in enumerate(products):
                    replaced[product] = Parameter(key) if k == 0 else None
        value = _without(d.value, replaced)

        def leaf(node: Value | Parameter | MatVec) -> str:
            match node:
                case Value():
                    return self._value(node)
                case Parameter(name):
                    return written.get(name, f'params["{name}"]')
                case MatVec(weight, slot, transposed, operand):
                    columns = self._interface.columns(weight, slot)
                    block = f'params["{weight}"]' + (f"[:, {columns}]" * (columns != ":"))
                    return f"{self._value(operand)}.dot({block}{'' if transposed else '.T'})"

        code = f"{self._value(Value(d.name))} = {Python(leaf).text(value)}"
        self._lines.append(Line(code, (d.label,)))

    def _adjacent(self, value: Expression, products: list[MatVec]) -> bool:
        terms = getattr(value, "terms", (value,))
        at = [terms.index(p) for p in products if p in terms]
        return len(at) == len(products) and at == list(range(at[0], at[0] + len(at)))

    def _concatenated(self, operands: tuple[Value, ...], label: str) -> str:
        if len(operands) == 1:
            return self._value(operands[0])
        if operands not in self._concatenations:
            parts = [self._value(v) for v in operands]
            name = self._name("_".join(v.name for v in operands), "concatenation")
            self._concatenations[operands] = name
            self._lines.append(Line(f"{name} = np.concatenate(({', '.join(parts)}), axis=1)"))
        return self._concatenations[operands]


def _without(value: Expression, replaced: dict[MatVec, Expression | None]) -> Expression:
    """The value with products replaced, or dropped from their sum."""
    if isinstance(value, Add):
        kept = [
            replaced.get(term, term) if isinstance(term, MatVec) else term for term in value.terms
        ]
        return add(*(term for term in kept if term is not None))
    if isinstance(value, MatVec):
        return replaced.get(value) or value
    return value

