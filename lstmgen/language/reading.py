"""From SymPy equations to normal form: the roles of symbols, and what cannot be built.

Roles follow from the equations: what is used at t-1 and defined at t is a state; what carries a
time index and is never defined is an input; what carries none is a parameter.  Whatever cannot be
built is refused here, with the equation and the cure in the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy

from lstmgen.algebra.expression import (
    Expression,
    MatVec,
    Value,
    transform,
    values,
)
from lstmgen.errors import EquationError
from lstmgen.form.normal_form import Definition, Names, NormalForm, normalize
from lstmgen.form.sizes import infer
from lstmgen.language.evaluation_order import check_order
from lstmgen.language.indexing import indexed_name, where
from lstmgen.language.names import objection
from lstmgen.language.translation import Translator


def read(
    name: str,
    equations: Sequence[sympy.Basic],
    output: str = "h",
    sizes: Mapping[str, str] | None = None,
) -> NormalForm:
    """The normal form of a cell's equations.

    Raises `EquationError` for equations that cannot be built.
    """
    if problem := objection(name):
        raise EquationError(f"the cell's name {name!r} {problem}")
    if not equations:
        raise EquationError(f"the cell {name} has no equations; give at least one Eq(h[t], ...)")
    defined = _left_sides(equations)
    translator = Translator(defined)
    read_equations = [translator.equation(k, eq) for k, eq in enumerate(equations, start=1)]
    states = _states(translator, defined, output)
    check_order(read_equations, equations)
    names = Names({*defined, *translator.uses, *translator.parameters})
    definitions = normalize(_name_operands(read_equations, translator, names), names)
    _check_influence(definitions, states, translator.inputs())
    return infer(
        name=name,
        definitions=definitions,
        states=states,
        inputs=translator.inputs(),
        output=output,
        parameters=tuple(translator.parameters),
        scalars=frozenset(translator.scalars),
        scalar_inputs=frozenset(translator.scalar_inputs),
        slots={weight: count for weight, (count, _) in translator.slots.items()},
        declared=_declared(sizes or {}, defined, translator),
    )


def _left_sides(equations: Sequence[sympy.Basic]) -> dict[str, int]:
    """Each defined vector and the number of its equation."""
    defined: dict[str, int] = {}
    for k, equation in enumerate(equations, start=1):
        if not isinstance(equation, sympy.Eq):
            raise EquationError(
                f"equation ({k}) is {equation!r}, not an equation: "
                "write Eq(h[t], ...) with the Eq of lstmgen"
            )
        name, offset = indexed_name(equation.lhs) or (None, None)
        if name is None or offset != 0:
            raise EquationError(
                f"{where(k, equation)}: the left side must be a vector at time t, like h[t]"
            )
        if name in defined:
            raise EquationError(
                f"{where(k, equation)}: {name}[t] is defined already by equation "
                f"({defined[name]}); give one of the two another name"
            )
        defined[name] = k
    return defined


def _states(translator: Translator, defined: Mapping[str, int], output: str) -> tuple[str, ...]:
    """The states, the output first and the others in order of definition."""
    for name, offsets in translator.uses.items():
        if -1 in offsets and name not in defined:
            raise EquationError(
                f"{offsets[-1]}: {name}[t-1] is used, but no equation defines {name}[t]; "
                f"add Eq({name}[t], ...), or, if {name} is an input, carry it in a state: "
                f"Eq({name}_last[t], {name}[t])"
            )
    for name, place in translator.parameters.items():
        if name in defined or name in translator.uses:
            raise EquationError(
                f"{place}: {name} stands without a time index but is a vector elsewhere: "
                f"write {name}[t] or {name}[t-1], or give the parameter another name"
            )
    if output not in defined:
        raise EquationError(
            f"no equation defines the output {output}[t]; add one, or name another output: "
            f"Cell(..., output={next(iter(defined))!r})"
        )
    states = [name for name in defined if -1 in translator.uses.get(name, {})]
    if not translator.inputs():
        raise EquationError(
            "the cell has no input: every vector in it is defined by an equation, so nothing tells "
            "how many steps to run; use for example x[t] in an equation"
        )
    if not states:
        raise EquationError(
            "the cell has no state: no vector is used at t-1, so nothing recurs; "
            f"use for example {output}[t-1] in an equation"
        )
    return tuple(sorted(states, key=lambda name: (name != output, defined[name])))


def _check_influence(
    definitions: Sequence[Definition], states: Sequence[str], inputs: Sequence[str]
) -> None:
    """Refuse a state at t-1 or an input that is multiplied by zero: it would do nothing."""
    read = {v for d in definitions for v in (*values(d.value), *(p.operand for p in d.products))}
    for state in states:
        if Value(state, -1) not in read:
            raise EquationError(
                f"{state}[t-1] is multiplied by zero wherever it stands, so nothing recurs through "
                "it; leave it out, or multiply it by something else"
            )
    for name in inputs:
        if Value(name) not in read:
            raise EquationError(
                f"{name}[t] is multiplied by zero wherever it stands, so nothing depends on it; "
                "leave it out, or multiply it by something else"
            )


def _name_operands(
    equations: Sequence[Definition], translator: Translator, names: Names
) -> list[Definition]:
    """Put a definition for each unnamed operand before the equation that first multiplies it."""
    given: dict[str, str] = {}
    result: list[Definition] = []

    def resolve(expression: Expression, equation: Definition) -> Expression:
        def change(node: Expression) -> Expression:
            if isinstance(node, MatVec) and node.operand.name.startswith("#"):
                key = node.operand.name
                if key not in given:
                    inner = resolve(translator.operands[key], equation)
                    given[key] = names.new("u", equation.name)
                    result.append(Definition(equation.label, given[key], inner))
                return MatVec(node.weight, node.slot, node.transposed, Value(given[key]))
            return node

        return transform(expression, change)

    for equation in equations:
        value = resolve(equation.value, equation)
        result.append(Definition(equation.label, equation.name, value))
    return result


def _declared(
    sizes: Mapping[str, str], defined: Mapping[str, int], translator: Translator
) -> dict[str, str]:
    declared = {str(name): str(size) for name, size in sizes.items()}
    for name, size in declared.items():
        if name not in defined and name not in translator.uses:
            raise EquationError(
                f"sizes={{{name!r}: {size!r}}}: {name} is not a vector of this cell; "
                f"its vectors are {', '.join([*translator.inputs(), *defined])}"
            )
        if problem := objection(size):
            raise EquationError(f"the size {size!r} of {name} {problem}")
    return declared
