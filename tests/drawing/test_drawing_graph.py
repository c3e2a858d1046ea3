"""The data-flow graph of a drawing says what the equations say, forward and backward."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from verification_cells import cells as odd_cells

from lstmgen import Cell, Eq, load, sigma, symbols, t, tanh
from lstmgen.algebra.expression import (
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
    walk,
)
from lstmgen.drawing import draw
from lstmgen.drawing.backward import backward_graph, slope
from lstmgen.drawing.dataflow import data_flow
from lstmgen.drawing.description import caption
from lstmgen.drawing.graph import Graph, Kind
from lstmgen.drawing.placement import bands, first_placement
from lstmgen.drawing.typeset import PER_UNIT, plain
from lstmgen.form.normal_form import NormalForm
from lstmgen.library.loading import names

FUNCTIONS: dict[str, Callable[..., float]] = {
    "sigma": lambda a: 1 / (1 + math.exp(-a)),
    "tanh": math.tanh,
    "relu": lambda a: max(a, 0.0),
    "exp": math.exp,
    "log": math.log,
    "expm1": math.expm1,
    "sqrt": math.sqrt,
    "log1p": math.log1p,
    "softplus": lambda a: math.log1p(math.exp(a)),
    "abs": abs,
    "max": max,
    "min": min,
    "sin": math.sin,
    "cos": math.cos,
    "positive": lambda a: float(a > 0),
    "step": lambda a: float(a > 0),
    "sign": lambda a: math.copysign(1.0, a),
}


class Numbers:
    """One number for every parameter; a block of a matrix, or its transpose, has its own."""

    def __init__(self) -> None:
        self._chance, self._found = random.Random(5), dict[object, float]()

    def of(self, what: object) -> float:
        return self._found.setdefault(what, self._chance.uniform(0.2, 0.9))


def value(e: Expression, at: Callable[[Value], float], numbers: Numbers) -> float:
    """An expression where every vector has one unit."""

    def of(part: Expression) -> float:
        return value(part, at, numbers)

    match e:
        case Number(v):
            return float(v)
        case Value():
            return at(e)
        case Parameter(name):
            return numbers.of(name)
        case MatVec(weight, slot, transposed, operand):
            return numbers.of((weight, slot, transposed)) * at(operand)
        case Add(terms):
            return sum(map(of, terms))
        case Mul(factors):
            return math.prod(map(of, factors))
        case Neg(argument):
            return -of(argument)
        case Div(above, below):
            return of(above) / of(below)
        case Pow(base, exponent):
            return of(base) ** of(exponent)
        case Call(name, arguments):
            return FUNCTIONS[name](*map(of, arguments))


Outside = dict[tuple[str, int], float]


def of_equations(form: NormalForm, outside: Outside, numbers: Numbers) -> dict[str, float]:
    """The vectors at t by the normal form."""
    found = dict(outside)
    for definition in form.definitions:
        found[definition.name, 0] = value(
            definition.value, lambda v: found[v.name, v.shift], numbers
        )
    return {name: v for (name, time), v in found.items() if time == 0}


def of_graph(graph: Graph, outside: Outside, numbers: Numbers) -> dict[str, float]:
    """Every node's vector by what the graph says of it."""
    found: dict[str, float] = {}
    for node in graph.nodes:
        if node.kind is Kind.STATE_IN:
            found[node.key] = outside[node.carries, -1]
        elif node.kind is Kind.INPUT:
            found[node.key] = outside[node.carries, 0]
        elif node.value is not None:
            found[node.key] = value(node.value, lambda v: found[v.name], numbers)
    return found


def start(form: NormalForm) -> Outside:
    chance = random.Random(7)
    keys = [(s, -1) for s in form.states] + [(i, 0) for i in form.inputs]
    return {key: chance.uniform(0.2, 0.9) for key in keys}


def all_cells() -> dict[str, Cell]:
    return {name: load(name) for name in names()} | odd_cells()


CELLS = all_cells()


@pytest.mark.parametrize("name", CELLS)
def test_the_graph_computes_what_the_equations_compute(name: str) -> None:
    form = CELLS[name].normal_form
    graph, outside, numbers = data_flow(form), start(form), Numbers()
    by_equations = of_equations(form, outside, numbers)
    by_graph = of_graph(graph, outside, numbers)
    for node in graph.nodes:
        for own in [*node.names, *([node.carries] if node.kind is Kind.STATE_OUT else [])]:
            assert by_graph[node.key] == pytest.approx(by_equations[own], rel=1e-12), own
    named = [own for node in graph.nodes for own in node.names]
    assert sorted(named) == sorted(str(eq.lhs.base.label if hasattr(eq.lhs, "base") else eq.lhs)
                                   .partition("[")[0] for eq in CELLS[name].equations)  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_each_line_brings_what_its_node_needs(name: str) -> None:
    """The lines into a node, with concatenations followed back, are the vectors of its value."""
    graph = data_flow(CELLS[name].normal_form)

    def reached(source: str) -> set[str]:
        node = graph.by_key[source]
        if node.kind is not Kind.MERGE:
            return {source}
        return {key for port in node.inputs for key in reached(port.source)}

    for node in graph.nodes:
        if node.value is None:
            continue
        needed = {
            part.operand.name if isinstance(part, MatVec) else part.name
            for part in walk(node.value)
            if isinstance(part, Value | MatVec)
        }
        assert {key for port in node.inputs for key in reached(port.source)} == needed
        assert len(node.inputs) <= 3


@pytest.mark.parametrize("name", CELLS)
def test_the_backward_flow_gives_the_gradient(name: str) -> None:
    """Adjoints carried along the lines, against central differences of the equations."""
    form = CELLS[name].normal_form
    graph, outside, numbers = data_flow(form), start(form), Numbers()
    seeds = {end.key: 0.3 + 0.1 * k for k, end in enumerate(ends(graph))}
    found = adjoints(graph, outside, numbers, seeds)

    def loss(given: Outside) -> float:
        values = of_equations(form, given, numbers)
        return sum(seeds[end.key] * values[end.carries] for end in ends(graph))

    for key, (own, time) in [
        *((f"previous:{s}", (s, -1)) for s in form.states),
        *((f"in:{i}", (i, 0)) for i in form.inputs),
    ]:
        step = 1e-6
        up, down = (outside | {(own, time): outside[own, time] + d} for d in (step, -step))
        slope_there = (loss(up) - loss(down)) / (2 * step)
        assert found[key] == pytest.approx(slope_there, rel=1e-6, abs=1e-8), key


def ends(graph: Graph) -> list:
    return list(graph.of_kind(Kind.STATE_OUT, Kind.OUTPUT))


def adjoints(
    graph: Graph, outside: Outside, numbers: Numbers, seeds: dict[str, float]
) -> dict[str, float]:
    values = of_graph(graph, outside, numbers)
    found = dict.fromkeys(graph.by_key, 0.0) | seeds
    for node in reversed(graph.nodes):
        if node.value is None:
            continue
        at = lambda v: values[v.name]  # noqa: E731
        inner = found[node.key]
        vectors = {p.name for p in walk(node.value) if isinstance(p, Value)}
        for source in sorted(vectors):
            found[source] += inner * value(slope(node, source), at, numbers)
        # A layer's matrices: by how much its argument moves with each operand.
        outer = 1.0
        argument = node.value
        if isinstance(node.value, Call) and node.kind is Kind.LAYER:
            argument = node.value.arguments[0]
            inside = value(argument, at, numbers)
            step = 1e-6
            f = FUNCTIONS[node.value.function]
            outer = (f(inside + step) - f(inside - step)) / (2 * step)
        for term in argument.terms if isinstance(argument, Add) else (argument,):
            products = [part for part in walk(term) if isinstance(part, MatVec)]
            for product in products:  # one at most, with a coefficient
                here = values[product.operand.name]
                whole = value(term, at, numbers)
                found[product.operand.name] += inner * outer * whole / here
    return found


# What is drawn -----------------------------------------------------------------------------------


def kinds(cell: str | Cell) -> dict[Kind, list[str]]:
    found: dict[Kind, list[str]] = {}
    made = load(cell) if isinstance(cell, str) else cell
    for node in data_flow(made.normal_form).nodes:
        found.setdefault(node.kind, []).append(plain(node.symbol))
    return found


def test_the_lstm_has_the_parts_of_the_post() -> None:
    found = kinds("lstm")
    assert found[Kind.LAYER] == ["σ", "σ", "tanh", "σ"]
    assert sorted(found[Kind.OPERATION]) == ["+", "tanh", "×", "×", "×"]
    assert len(found[Kind.MERGE]) == 1  # the four layers share one concatenation


def test_peepholes_join_what_the_layers_share() -> None:
    graph = data_flow(load("peephole").normal_form)
    joined = [[port.source for port in node.inputs] for node in graph.of_kind(Kind.MERGE)]
    assert joined == [["previous:h", "in:x"], ["m1", "previous:C"], ["m1", "n6"]]


def test_one_minus_is_one_node_that_two_uses_share() -> None:
    h, x, z, W, b = symbols("h x z W b")
    cell = Cell(
        "cell",
        Eq(z[t], sigma(W @ [h[t - 1], x[t]] + b)),
        Eq(h[t], (1 - z[t]) * h[t - 1] + tanh((1 - z[t]) * z[t])),
    )
    symbols_drawn = [plain(node.symbol) for node in data_flow(cell.normal_form).nodes]
    assert symbols_drawn.count("1−") == 1


def test_what_is_subtracted_has_a_minus_at_its_line() -> None:
    h, x, W = symbols("h x W")
    cell = Cell("cell", Eq(h[t], tanh(x[t]) - tanh(W @ [h[t - 1]])))
    (total,) = [n for n in data_flow(cell.normal_form).nodes if plain(n.symbol) == "+"]
    assert [port.mark for port in total.inputs] == ["", "−"]


def test_a_layer_without_activation_shows_its_matrix() -> None:
    found = kinds("gru_reset_after")
    assert found[Kind.LAYER] == ["σ", "σ", "W_n", "U_n"]


def test_constants_keep_one_sign() -> None:
    h, x, W = symbols("h x W")
    shifted = Cell("shifted", Eq(h[t], 2 * tanh(4 * sigma(W @ [h[t - 1], x[t]]) - 3) - 1))
    found = kinds(shifted)[Kind.OPERATION]
    assert {"×4", "−3", "×2", "−1"} <= set(found)


def test_the_name_of_a_cell_does_not_matter() -> None:
    h, x, W, b = symbols("h x W b")
    equation = Eq(h[t], tanh(W @ [h[t - 1], x[t]] + b))
    one, other = draw(Cell("one", equation)), draw(Cell("lstm", equation))
    assert one.svg().replace("one", "lstm") == other.svg().replace("one", "lstm")


# What use showed --------------------------------------------------------------------------------


def test_a_diagonal_is_not_drawn_as_a_matrix() -> None:
    """p * c[t-1] goes to its layer by a line of its own, and is in no concatenation."""
    marked = {
        name: [
            (port.source, port.mark)
            for node in data_flow(load(name).normal_form).of_kind(Kind.LAYER)
            for port in node.inputs
            if port.mark
        ]
        for name in ("indrnn", "rnn", "peephole", "peephole_diagonal")
    }
    assert marked["indrnn"] == [("previous:h", PER_UNIT)]
    assert marked["rnn"] == marked["peephole"] == []
    assert [source for source, _ in marked["peephole_diagonal"][:2]] == ["previous:c"] * 2
    assert len(marked["peephole_diagonal"]) == 3
    graph = data_flow(load("indrnn").normal_form)
    assert not graph.of_kind(Kind.MERGE)
    assert Kind.MERGE in {node.kind for node in data_flow(load("rnn").normal_form).nodes}


def test_the_gradient_from_outside_is_dy_as_in_the_equations() -> None:
    (output,) = backward_graph(data_flow(load("lstm").normal_form)).of_kind(Kind.OUTPUT)
    assert plain(output.symbol) == "dy_t"


@pytest.mark.parametrize("name", ["lstm", "rnn", "gru"])
def test_the_output_leaves_above(name: str) -> None:
    graph = data_flow(load(name).normal_form)
    rows = bands(graph)
    (output,) = graph.of_kind(Kind.OUTPUT)
    assert rows.rows(output) == (0,)
    assert all(
        first_placement(graph, rows)[key][1] > 0 for key in graph.by_key if key != output.key
    )


def test_a_caption_speaks_of_the_signs_that_are_there() -> None:
    captions = {name: caption(data_flow(load(name).normal_form)) for name in ("indrnn", "lstm")}
    assert "rings" not in captions["indrnn"] and "circles" not in captions["indrnn"]
    assert PER_UNIT in captions["indrnn"] and PER_UNIT not in captions["lstm"]
    assert "rings put vectors together" in captions["lstm"]
