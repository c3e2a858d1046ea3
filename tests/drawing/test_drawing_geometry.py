"""Where things are in a drawing: for every built-in cell, and for random ones."""

from __future__ import annotations

import pytest
from drawing_geometry import crossings, faults
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from needs import ALL
from verification_cells import cells as odd_cells

from lstmgen import Cell, Eq, load, relu, scalars, sigma, symbols, t, tanh
from lstmgen.drawing import arrangement, draw
from lstmgen.drawing.geometry import Box, Label, Layout, Line
from lstmgen.drawing.graph import Graph, Kind, Node
from lstmgen.library.loading import names

POST = ("rnn", "lstm", "peephole", "coupled", "gru")


def check(cell: Cell) -> None:
    for gradients in (False, True):
        layout = draw(cell, gradients=gradients).layout
        assert faults(layout) == []
        assert crossings(layout) == set(layout.crossings)


@pytest.mark.parametrize("name", names() if ALL else names()[::3])  # a second each
def test_built_in_cells_are_drawn_soundly(name: str) -> None:
    check(load(name))


@pytest.mark.parametrize("name", odd_cells())
def test_cells_with_every_part_of_the_notation_are_drawn_soundly(name: str) -> None:
    check(odd_cells()[name])


h, s, x, u, v, w = symbols("h s x u v w")
A_0, A_1, A_2, A_3, b, d = symbols("A_0 A_1 A_2 A_3 b d")
alpha = scalars("alpha")
SHAPES = [
    lambda a, c, e, matrix: sigma(matrix @ list(dict.fromkeys([a, c, e])) + b),
    lambda a, c, e, matrix: matrix @ [a * c] - e,
    lambda a, c, e, matrix: a * c + tanh(e),
    lambda a, c, e, matrix: (1 - sigma(a)) * c - alpha * e,
    lambda a, c, e, matrix: relu(a + d) / (1 + c**2) + e,
    lambda a, c, e, matrix: tanh(a * c * 2) - sigma(c - e),
]


@st.composite
def random_cells(choose: st.DrawFn) -> Cell:
    """Two states, an input or two, two inner vectors, each made from some that come before."""
    known = [h[t - 1], s[t - 1], x[t], u[t]][: choose(st.integers(3, 4))]
    equations = []
    for matrix, name in zip([A_0, A_1, A_2, A_3], [v, w, s, h], strict=True):
        parts = [choose(st.sampled_from(known)) for _ in range(3)]
        made = choose(st.sampled_from(SHAPES))(*parts, matrix)
        if name is s:  # both states recur and the input is used, whatever was chosen
            made = made + h[t - 1] * s[t - 1]
        if name is h:
            made = made + tanh(x[t])
        equations.append(Eq(name[t], made))
        known.append(name[t])
    return Cell("random", *equations)


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(random_cells())
def test_random_cells_are_drawn_soundly(cell: Cell) -> None:
    with pytest.MonkeyPatch.context() as patch:  # sound, if not searched for long
        patch.setattr(arrangement, "_KICKS", 1)
        patch.setattr(arrangement, "_MORE_KICKS", (1, 1))
        patch.setattr(arrangement, "_TRIALS", (1, 1))
        check(cell)


# The five cells of the post ----------------------------------------------------------------------


@pytest.mark.parametrize("name", POST)
def test_the_cells_of_the_post_flow_to_the_right(name: str) -> None:
    for line in draw(load(name)).layout.lines:
        xs = [point[0] for point in line.points]
        assert xs == sorted(xs), f"{line.source} to {line.sink} runs back"


@pytest.mark.parametrize("name", POST)
def test_the_cells_of_the_post_have_their_layers_in_a_row_above_the_inputs(name: str) -> None:
    boxes = draw(load(name)).layout.boxes
    layers = {box.y for box in boxes if box.node.kind is Kind.LAYER}
    inputs = {box.y for box in boxes if box.node.kind is Kind.INPUT}
    assert len(layers) == 1 and min(inputs) > max(layers)


@pytest.mark.parametrize("name", ["lstm", "peephole", "coupled"])
def test_the_conveyor_belt_runs_straight_along_the_top(name: str) -> None:
    layout = draw(load(name)).layout
    at = {box.node.key: box for box in layout.boxes}
    belt = at["previous:C"].y
    assert at["next:C"].y == belt
    # The output leaves above it, as in the post.
    assert all(box.y >= belt for box in layout.boxes if not box.node.key.startswith("out:"))
    on_it = [box.node.symbol[0].text for box in layout.boxes if box.y == belt]
    assert on_it.count("\u00d7") == 1 and on_it.count("+") == 1
    assert (
        at["previous:h"].y
        == at["next:h"].y
        > max(box.y for box in layout.boxes if box.node.kind is Kind.LAYER)
    )


# Without a crossing where there is a way without; the numbers must not grow.  The output leaves
# above, as in the post, and so crosses the belt where there is one.
MOST_CROSSINGS = {
    **dict.fromkeys("rnn janet ugrnn".split(), 0),
    **dict.fromkeys("lstm peephole coupled".split(), 1),
    **dict.fromkeys("lstmp peephole_diagonal".split(), 2),
    "gru": 1,
    "gru_reset_after": 1,
}


@pytest.mark.parametrize("name", MOST_CROSSINGS)
def test_no_crossing_that_can_be_avoided(name: str) -> None:
    assert len(draw(load(name)).layout.crossings) <= MOST_CROSSINGS[name]


# Parts of the graphs that show why one crossing cannot be avoided: by Kuratowski's theorem none
# that contains such a subdivision can be drawn without.  "outside" stands for the outside of the
# body, which all terminals reach.
KURATOWSKI = {
    "gru": "in:x-m1 in:x-outside m1-n1 m1-n2 m2-n3 m2-n4 n1-n5 n1-n7 n2-n3 n3-previous:h n4-n7 "
    "n5-n6 n6-n8 n6-previous:h n7-n8 n8-out:h out:h-outside",
    "gru_reset_after": "in:x-m1 in:x-outside m1-n1 m1-n2 n1-n5 n10-n11 n10-n2 n10-previous:h "
    "n11-n9 n11-out:h n2-n8 n4-n5 n4-previous:h n5-n6 n6-n7 n7-n9 n8-n9 out:h-outside",
}


@pytest.mark.parametrize("name", KURATOWSKI)
def test_one_crossing_is_the_least_that_there_can_be(name: str) -> None:
    graph = draw(load(name)).graph
    present = {frozenset((p.source, n.key)) for n in graph.nodes for p in n.inputs}
    present |= {frozenset((n.key, "outside")) for n in graph.nodes if n.carries}
    part = {frozenset(edge.split("-")) for edge in KURATOWSKI[name].split()}
    assert part <= present
    assert is_k33(smoothed(part))


def smoothed(edges: set[frozenset[str]]) -> set[frozenset[str]]:
    """The graph without its vertices of degree two."""
    edges = set(edges)
    while True:
        around: dict[str, list[frozenset[str]]] = {}
        for edge in edges:
            for end in edge:
                around.setdefault(end, []).append(edge)
        passed = [v for v in sorted(around) if len(around[v]) == 2]
        if not passed:
            return edges
        one, two = around[passed[0]]
        edges -= {one, two}
        edges.add((one | two) - {passed[0]})


def is_k33(edges: set[frozenset[str]]) -> bool:
    """Whether it is three vertices that are each joined to three others."""
    near: dict[str, set[str]] = {}
    for edge in edges:
        one, two = sorted(edge)
        near.setdefault(one, set()).add(two)
        near.setdefault(two, set()).add(one)
    sides = {frozenset(ends) for ends in near.values()}
    return (
        len(near) == 6
        and len(edges) == 9
        and len(sides) == 2
        and not frozenset.intersection(*sides)
    )


# The check itself --------------------------------------------------------------------------------


def small(lines: tuple[Line, ...], labels: tuple[Label, ...] = ()) -> Layout:
    """Two layers, far apart, on a body."""
    nodes = [Node(key, Kind.LAYER, ()) for key in ("a", "b", "c")]
    places = [(100.0, 100.0), (300.0, 100.0), (200.0, 200.0)]
    boxes = tuple(Box(node, x, y, 40, 30) for node, (x, y) in zip(nodes, places, strict=True))
    return Layout(
        Graph("small", tuple(nodes)), 400, 300, (20, 20, 380, 280), boxes, lines, labels, (), ()
    )


STRAIGHT = Line("a", "b", 0, ((100, 100), (300, 100)))
OTHER = Line("c", "b", 0, ((200, 200), (300, 200), (300, 100)))


def test_a_sound_drawing_has_no_faults() -> None:
    assert faults(small((STRAIGHT, OTHER))) == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((Line("a", "b", 0, ((100, 100), (300, 110))),), "does not end at b"),
        ((Line("a", "b", 0, ((100, 100), (200, 50), (300, 100))),), "neither level nor upright"),
        (
            (Line("a", "b", 0, ((100, 100), (100, 200), (300, 200), (300, 100))),),
            "runs through c",
        ),
        ((STRAIGHT, Line("c", "b", 0, ((200, 200), (200, 100), (300, 100)))), "run on each other"),
        (
            (STRAIGHT, Line("c", "c", 0, ((200, 200), (200, 100), (250, 100), (250, 200),
                                          (200, 200)))),
            "run on each other",
        ),
        (
            (Line("a", "b", 0, ((100, 100), (100, 10), (300, 10), (300, 100))),),
            "bends outside the body",
        ),
    ],
)  # fmt: skip
def test_each_fault_of_a_line_is_found(lines: tuple[Line, ...], message: str) -> None:
    assert any(message in fault for fault in faults(small(lines)))


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((110, 90, 140, 105), "lies on a"),
        ((190, 95, 210, 105), "lies on a to b"),
        ((390, 10, 410, 20), "leaves the page"),
    ],
)
def test_each_fault_of_a_label_is_found(
    box: tuple[float, float, float, float], message: str
) -> None:
    label = Label((), box[0], box[3], 10, box)
    assert any(message in fault for fault in faults(small((STRAIGHT,), (label,))))


def test_labels_that_overlap_are_found() -> None:
    labels = tuple(Label((), x, 250, 10, (x, 240, x + 20, 250)) for x in (100, 110))
    assert any("labels overlap" in fault for fault in faults(small((), labels)))


def test_crossings_are_found() -> None:
    over = Line("c", "c", 0, ((200, 200), (200, 50), (250, 50)))
    assert crossings(small((STRAIGHT, over))) == {(200, 100)}
