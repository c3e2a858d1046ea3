"""From a cell's normal form to its data-flow graph.

An affine map with learned parameters and the activation around it is one layer, as in the figures
that made these cells known; every other operation is a node of its own.  Equal parts of
different equations are one node.
"""

from __future__ import annotations

from collections.abc import Sequence

from lstmgen.algebra.expression import (
    ONE,
    Add,
    Call,
    Div,
    Expression,
    MatVec,
    Mul,
    Neg,
    Number,
    Parameter,
    Pow,
    Value,
    div,
    matvecs,
    mul,
    neg,
    number,
    power,
    transform,
    walk,
)
from lstmgen.drawing.graph import Graph, Kind, Node, Port
from lstmgen.drawing.merging import merged
from lstmgen.drawing.typeset import (
    MINUS,
    PER_UNIT,
    TIMES,
    Text,
    formula,
    function,
    symbol,
    upright,
)
from lstmgen.form.normal_form import Definition, NormalForm

__all__ = ["data_flow"]

_MOST_INPUTS = 3  # a node has four sides, and one is for the line that leaves


def data_flow(form: NormalForm) -> Graph:
    """The graph of one step, concatenations shared between layers that need the same."""
    return Graph(form.name, merged(_Builder(form).nodes()))


class _Builder:
    def __init__(self, form: NormalForm) -> None:
        self._form = form
        self._nodes: dict[str, Node] = {}
        self._known: dict[tuple[object, ...], str] = {}  # what makes a node -> its key
        self._source: dict[Value, str] = {}
        self._names: dict[str, list[str]] = {}
        self._inlined: dict[str, Expression] = {}

    def nodes(self) -> tuple[Node, ...]:
        form = self._form
        for state in form.states:
            self._terminal(Kind.STATE_IN, state, Value(state, -1))
        for name in form.inputs:
            self._terminal(Kind.INPUT, name, Value(name))
        uses = _uses(form)
        for definition in form.definitions:
            if _is_helper(definition) and _is_inner(definition.name, uses):
                self._inlined[definition.name] = self._expand(definition.value)
                continue
            key = self._build(self._expand(definition.value))
            self._source[Value(definition.name)] = key
            if not _is_helper(definition):
                self._names.setdefault(key, []).append(definition.name)
        for state in form.states:
            self._end(Kind.STATE_OUT, state)
        self._end(Kind.OUTPUT, form.output)
        return tuple(
            Node(n.key, n.kind, n.symbol, n.inputs, n.value, tuple(self._names.get(n.key, ())),
                 n.carries)
            for n in self._nodes.values()
        )  # fmt: skip

    def _expand(self, value: Expression) -> Expression:
        def change(node: Expression) -> Expression:
            return self._inlined.get(node.name, node) if isinstance(node, Value) else node

        return transform(value, change)

    # Nodes.

    def _terminal(self, kind: Kind, name: str, value: Value) -> None:
        key = f"{'in' if kind is Kind.INPUT else 'previous'}:{name}"
        self._nodes[key] = Node(key, kind, symbol(name, value.shift), carries=name)
        self._source[value] = key

    def _end(self, kind: Kind, name: str) -> None:
        source = self._source[Value(name)]
        key = f"{'out' if kind is Kind.OUTPUT else 'next'}:{name}"
        self._nodes[key] = Node(
            key, kind, symbol(name, 0), (Port(source),), Value(source), carries=name
        )

    def _node(
        self, kind: Kind, label: Text, value: Expression, sources: Sequence[tuple[str, str]]
    ) -> str:
        identity = (kind, value, tuple(sources))
        if identity not in self._known:
            key = f"n{len(self._known) + 1}"
            ports = tuple(Port(source, mark) for source, mark in sources)
            self._nodes[key] = Node(key, kind, label, ports, value)
            self._known[identity] = key
        return self._known[identity]

    def _operation(self, label: Text, value: Expression, *sources: str) -> str:
        return self._node(Kind.OPERATION, label, value, [(s, "") for s in sources])

    # Expressions.

    def _build(self, e: Expression) -> str:
        """The key of the node that computes an expression."""
        if isinstance(e, Value):
            return self._source[e]
        if _is_constant(e):
            return self._operation(formula(e), e)
        match e:
            case MatVec() | Neg(MatVec()):
                return self._sum((e,))
            case Add(terms):
                return self._sum(terms)
            case Neg(argument):
                key = self._build(argument)
                return self._operation(upright(MINUS), neg(Value(key)), key)
            case Mul() | Div():
                return self._product(e)
            case Pow(base, exponent):
                return self._power(base, exponent)
            case Call(name, (argument,)):
                return self._activation(name, argument)
            case Call(name, arguments):
                return self._call(name, arguments)
        raise TypeError(f"{e!r} is not an expression")

    def _activation(self, name: str, argument: Expression) -> str:
        terms = argument.terms if isinstance(argument, Add) else (argument,)
        rest = [term for term in terms if not _is_affine(term)]
        learned = any(_has_parameter(term) for term in terms if _is_affine(term))
        if learned and not rest:
            return self._layer(terms, name)
        multiplies = any(_weighted(term) for term in terms if _is_affine(term))
        if learned and not multiplies:  # a bias only: the sum, then the layer that adds it
            bias = [term for term in terms if _is_affine(term)]
            inner = self._build(Add(tuple(rest)) if len(rest) > 1 else rest[0])
            value = Call(name, (Add((Value(inner), *bias)),))
            return self._node(Kind.LAYER, function(name), value, [(inner, "")])
        key = self._build(argument)
        return self._operation(function(name), Call(name, (Value(key),)), key)

    def _layer(self, terms: Sequence[Expression], name: str | None) -> str:
        """An affine map of named vectors, with an activation or without.

        What only a parameter for each unit multiplies, as a diagonal peephole, has a line of its
        own with a mark.
        """
        sources: dict[str, str] = {}
        products = {self._source[p.operand] for term in terms for p in matvecs(term)}

        def change(node: Expression) -> Expression:
            if isinstance(node, MatVec):
                key = self._source[node.operand]
                sources.setdefault(key, "")
                return MatVec(node.weight, node.slot, node.transposed, Value(key))
            if isinstance(node, Value) and node in self._source:
                key = self._source[node]
                sources.setdefault(key, "" if key in products else PER_UNIT)
                return Value(key)
            return node

        renamed = tuple(transform(term, change) for term in terms)
        value: Expression = renamed[0] if len(renamed) == 1 else Add(renamed)
        label = _linear_label(value) if name is None else function(name)
        if name is not None:
            value = Call(name, (value,))
        return self._node(Kind.LAYER, label, value, list(sources.items()))

    def _sum(self, terms: Sequence[Expression]) -> str:
        affine = [t for t in terms if _is_affine(t)]
        if any(_weighted(t) for t in affine):
            vectors = [t for t in terms if not _is_affine(t)]
            layer = self._layer(affine, None)
            if not vectors:
                return layer
            parts = [(layer, False), *map(self._signed, vectors)]
            return self._added(parts)
        constants = [t for t in terms if _is_constant(t)]
        parts = [self._signed(t) for t in terms if not _is_constant(t)]
        if not constants:
            return self._added(parts)
        constant = constants[0] if len(constants) == 1 else Add(tuple(constants))
        if len(parts) == 1 and parts[0][1]:
            key = parts[0][0]
            label = (*formula(constant), *upright(MINUS))
            return self._operation(label, Add((constant, Neg(Value(key)))), key)
        key = parts[0][0] if len(parts) == 1 else self._added(parts)
        if isinstance(constant, Neg):
            label = (*upright(MINUS), *formula(constant.argument))
        elif isinstance(constant, Number) and constant.value < 0:
            label = formula(constant)
        else:
            label = (*upright("+"), *formula(constant))
        return self._operation(label, Add((Value(key), constant)), key)

    def _signed(self, term: Expression) -> tuple[str, bool]:
        if isinstance(term, Neg):
            return self._build(term.argument), True
        return self._build(term), False

    def _added(self, parts: list[tuple[str, bool]]) -> str:
        while len(parts) > _MOST_INPUTS:
            parts = [(self._added(parts[:2]), False), *parts[2:]]
        if len(parts) == 1 and not parts[0][1]:
            return parts[0][0]
        value = Add(tuple(Neg(Value(k)) if negative else Value(k) for k, negative in parts))
        sources = [(k, MINUS if negative else "") for k, negative in parts]
        return self._node(Kind.OPERATION, upright("+"), value, sources)

    def _product(self, e: Expression) -> str:
        constants: list[Expression] = []
        factors: list[Expression] = []
        divisors: list[Expression] = []
        _flatten(e, constants, factors, divisors)
        keys = [self._build(f) for f in factors]
        for divisor in divisors:
            key = self._build(divisor)
            keys.append(self._operation(upright("1/"), Div(ONE, Value(key)), key))
        counted: dict[str, int] = {}
        for key in keys:
            counted[key] = counted.get(key, 0) + 1
        keys = [k if n == 1 else self._raised(k, number(n)) for k, n in counted.items()]
        while len(keys) > 1:
            head, rest = keys[:_MOST_INPUTS], keys[_MOST_INPUTS:]
            value = Mul(tuple(Value(k) for k in head))
            keys = [self._operation(upright(TIMES), value, *head), *rest]
        (key,) = keys
        if constants:
            scale = mul(*constants)
            if scale != ONE:
                if isinstance(scale, Div) and scale.numerator == ONE:
                    label = (*upright("/"), *_grouped(scale.denominator))
                else:
                    label = (*upright(TIMES), *_grouped(scale))
                key = self._operation(label, Mul((scale, Value(key))), key)
        return key

    def _raised(self, key: str, exponent: Expression) -> str:
        label = (*upright("( )"), *(_superscript(formula(exponent))))
        return self._operation(label, power(Value(key), exponent), key)

    def _power(self, base: Expression, exponent: Expression) -> str:
        if _is_constant(exponent):
            return self._raised(self._build(base), exponent)
        raised = self._build(exponent)
        if _is_constant(base):
            label = (*_grouped(base), *upright("( )", 1))
            return self._operation(label, Pow(base, Value(raised)), raised)
        key = self._build(base)
        value = Pow(Value(key), Value(raised))
        sources = [(key, ""), (raised, "exp.")]
        return self._node(Kind.OPERATION, upright("pow"), value, sources)

    def _call(self, name: str, arguments: Sequence[Expression]) -> str:
        built = [a if _is_constant(a) else Value(self._build(a)) for a in arguments]
        keys = list(dict.fromkeys(v.name for v in built if isinstance(v, Value)))
        constants = [v for v in built if not isinstance(v, Value)]
        label = function(name)
        if constants:
            label = (*label, *upright("("), *formula(constants[0]), *upright(", ·)"))
        return self._operation(label, Call(name, tuple(built)), *keys)


def _linear_label(value: Expression) -> Text:
    """A layer without activation: its matrix if there is one only."""
    terms = value.terms if isinstance(value, Add) else (value,)
    vectors = [term for term in terms if not _is_constant(term)]
    product = vectors[0]
    if len(vectors) > 1 or not isinstance(product, MatVec):
        return upright("lin")
    label = symbol(product.weight)
    return (*label, *upright("T", 1)) if product.transposed else label


def _flatten(
    e: Expression,
    constants: list[Expression],
    factors: list[Expression],
    divisors: list[Expression],
) -> None:
    """The factors of a product, numbers and parameters apart, and what it is divided by."""
    if _is_constant(e):
        constants.append(e)
    elif isinstance(e, Mul):
        for factor in e.factors:
            _flatten(factor, constants, factors, divisors)
    elif isinstance(e, Div) and _is_constant(e.denominator):
        _flatten(e.numerator, constants, factors, divisors)
        constants.append(div(ONE, e.denominator))
    elif isinstance(e, Div):
        if e.numerator != ONE:
            _flatten(e.numerator, constants, factors, divisors)
        divisors.append(e.denominator)
    else:
        factors.append(e)


def _grouped(e: Expression) -> Text:
    text = formula(e)
    if isinstance(e, Add | Neg | Mul | Div):
        return (*upright("("), *text, *upright(")"))
    return text


def _superscript(text: Text) -> Text:
    return tuple(type(r)(r.text, 1, r.italic, r.accents, r.bold) for r in text)


def _is_constant(e: Expression) -> bool:
    """Whether no vector appears in it."""
    return not any(isinstance(node, Value | MatVec) for node in walk(e))


def _has_parameter(e: Expression) -> bool:
    return any(isinstance(node, Parameter | MatVec) for node in walk(e))


def _is_affine(term: Expression) -> bool:
    """Whether the term is a matrix product, a constant, or a named vector with a coefficient."""
    match term:
        case MatVec():
            return True
        case Neg(argument):
            return _is_affine(argument)
        case Div(numerator, denominator):
            return _is_constant(term) or (
                _is_constant(denominator)
                and (isinstance(numerator, Value) or _is_affine(numerator))
            )
        case Mul(factors):
            vectors = [f for f in factors if not _is_constant(f)]
            return not vectors or (len(vectors) == 1 and isinstance(vectors[0], Value | MatVec))
    return _is_constant(term)


def _weighted(term: Expression) -> bool:
    """Whether an affine term multiplies by a matrix: what makes a sum a layer."""
    return any(isinstance(node, MatVec) for node in walk(term))


def _is_helper(definition: Definition) -> bool:
    """Whether the normal form added it to the paper's equations."""
    return definition.label != definition.equation


def _uses(form: NormalForm) -> dict[str, list[bool]]:
    """For each value, for each place that uses it: whether it stands outside matrix products."""
    found: dict[str, list[bool]] = {}
    for definition in form.definitions:
        for node in walk(definition.value):
            if isinstance(node, Value):
                found.setdefault(node.name, []).append(True)
            elif isinstance(node, MatVec):
                found.setdefault(node.operand.name, []).append(False)
    return found


def _is_inner(name: str, uses: dict[str, list[bool]]) -> bool:
    """Whether a helper is used once, outside matrix products, so that it can go back there."""
    return uses.get(name) == [True]
