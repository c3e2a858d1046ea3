"""The SVG of a line plot: geometry, numbers, what is left out."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET

import pytest

from lstmgen.show.plot import COLOURS, Line, line_plot

NAMESPACE = {"s": "http://www.w3.org/2000/svg"}


def plot(*lines: Line, **options: object) -> ET.Element:
    labels = {"title": "A < B", "x_label": "k", "y_label": "norm"}
    return ET.fromstring(line_plot(lines, **labels, **options))  # type: ignore[arg-type]


def polylines(root: ET.Element) -> list[list[tuple[float, float]]]:
    found = root.iterfind(".//s:polyline", NAMESPACE)
    return [
        [(float(x), float(y)) for x, y in (p.split(",") for p in line.get("points", "").split())]
        for line in found
    ]


def texts(root: ET.Element) -> list[str]:
    return ["".join(node.itertext()) for node in root.iterfind(".//s:text", NAMESPACE)]


def test_equal_factors_are_equal_distances_on_a_logarithmic_axis() -> None:
    root = plot(Line("a", [1, 2, 3], [1.0, 1e-3, 1e-6]), logarithmic=True)
    (points,) = polylines(root)
    (x1, y1), (x2, y2), (x3, y3) = points
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.11)
    assert y2 - y1 == pytest.approx(y3 - y2, abs=0.11) and y2 > y1


def test_what_cannot_be_drawn_leaves_a_gap() -> None:
    values = [1.0, 0.1, 0.0, math.nan, 0.1, 0.2]
    root = plot(Line("a", range(6), values), logarithmic=True)
    assert [len(points) for points in polylines(root)] == [2, 2]
    with pytest.raises(ValueError, match="no point"):
        plot(Line("a", [1], [0.0]), logarithmic=True)
    with pytest.raises(ValueError, match="different lengths"):
        plot(Line("a", [1, 2], [0.0]))


def test_labels_stand_inside_the_page_and_apart() -> None:
    lines = [Line(f"a line with a name, {k}", [0, 1], [0, 1 + k / 1000]) for k in range(12)]
    root = plot(*lines)
    width, height = (float(v) for v in root.get("viewBox", "").split()[2:])
    places = [
        (float(node.get("x", "0")), float(node.get("y", "0")))
        for node in root.iterfind(".//s:text", NAMESPACE)
        if (node.text or "").startswith("a line")
    ]
    assert len(places) == 12
    heights = sorted(y for _, y in places)
    assert all(b - a >= 18 for a, b in itertools.pairwise(heights))
    assert heights[0] > 18 and heights[-1] < height
    assert all(x + 0.5 * 18 * len("a line with a name, 1") < width for x, _ in places)


def test_ticks_and_texts_say_what_is_drawn() -> None:
    root = plot(Line("a", [0, 100], [-1.0, 1.0]), y_range=(-1.0, 1.0))
    shown = texts(root)
    assert {"A < B", "k", "norm", "a", "0", "20", "100", "−1", "0.5"} <= set(shown)
    assert root.findtext("s:title", namespaces=NAMESPACE) == "A < B"


def test_bands_and_styles_follow_the_lines() -> None:
    lines = [
        Line("a", [0, 1], [1.0, 2.0], [0.5, 1.0], [2.0, 3.0], colour=k, dash=k) for k in range(2)
    ]
    root = plot(*lines)
    bands = list(root.iterfind(".//s:polygon", NAMESPACE))
    assert [band.get("fill") for band in bands] == list(COLOURS[:2])
    assert all(len(band.get("points", "").split()) == 4 for band in bands)
    curves = list(root.iterfind(".//s:polyline", NAMESPACE))
    assert [c.get("stroke-dasharray") is None for c in curves] == [True, False]


def test_the_same_data_give_the_same_bytes() -> None:
    line = Line("a", [1, 2], [1.0, 2.0])
    first, second = (line_plot([line], title="t", x_label="x", y_label="y") for _ in range(2))
    assert first == second


def test_exponents_do_not_reach_into_the_ten_in_any_font() -> None:
    """They begin where the 10 ends, and end before the axis in DejaVu Sans, the widest."""
    root = plot(Line("a", [1, 2], [1e-30, 1.0]), logarithmic=True)
    nodes = [n for n in root.iterfind(".//s:text", NAMESPACE) if n.get("x") is not None]
    raised = [n for n in nodes if n.get("font-size") is not None]
    tens = {float(n.get("x", "")) for n in nodes if n.text == "10" and n not in raised}
    (ten,) = tens
    axis = min(x for line in polylines(root) for x, _ in line)
    assert len(raised) > 2
    for node in raised:
        letters = "".join(node.itertext())
        width = sum(0.636 if letter.isdigit() else 0.838 for letter in letters)
        assert ten <= float(node.get("x", "")) < axis - width * float(node.get("font-size", ""))
