"""What a drawing is written as: SVG, PNG, DOT, Mermaid; and the command that writes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

import lstmgen.drawing.picture
from lstmgen import Cell, Eq, load, symbols, t, tanh
from lstmgen.cli.draw import draw as draw_command
from lstmgen.cli.root import commands, main
from lstmgen.drawing import draw
from lstmgen.drawing.typeset import plain, symbol, width
from lstmgen.errors import UnavailableError, UsageError

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def lstm() -> lstmgen.drawing.picture.Drawing:
    return draw(load("lstm"))


@pytest.fixture(scope="module")
def backward() -> lstmgen.drawing.picture.Drawing:
    return draw(load("lstm"), gradients=True)


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


# SVG ---------------------------------------------------------------------------------------------


def test_svg_names_and_describes_what_it_shows(lstm) -> None:
    root = ElementTree.fromstring(lstm.svg())
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title.text == "lstm: data flow of one step"
    assert "States h and C enter on the left" in desc.text
    assert "f_t is layer σ of [h_t−1, x_t]" in desc.text
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"


def test_ids_do_not_clash_on_one_page(lstm, backward) -> None:
    one, other = (set(re.findall(r' id="([^"]*)"', d.svg())) for d in (lstm, backward))
    assert one and not one & other


def test_every_vector_of_the_post_is_labelled_once_beside_the_terminals(lstm) -> None:
    found = texts(lstm.svg())
    terminals = "Ct−1 Ct ht−1 ht ht xt".split()
    assert sorted(found) == sorted([*"σ σ σ tanh tanh ft it Ct ot".split(), *terminals])


def test_backward_shows_adjoints_derivatives_and_factors(backward) -> None:
    found = texts(backward.svg())
    for label in ("δCt−1", "δCt", "δht", "δxt", "δft", "dyt", "σ′", "tanh′", "×ft", "×Ct−1"):
        assert label in found, label
    assert "×tanh(Ct)" in found


def test_arrows_point_the_other_way_backward(lstm, backward) -> None:
    """The tip of every arrow is at a line's end, and at its start in the backward flow."""
    for drawing, end in ((lstm, -1), (backward, 0)):
        layout = drawing.layout
        boxes = {box.node.key: box for box in layout.boxes}
        tips = re.findall(r'<path d="M([-\d.]+) ([-\d.]+)L[^"]*Z"/>', drawing.svg())
        at = [(float(x), float(y)) for x, y in tips]
        assert at
        for x, y in at:
            assert any(
                abs(x - p[0]) <= boxes[key].width / 2 + 0.1
                and abs(y - p[1]) <= boxes[key].height / 2 + 0.1
                for line in layout.lines
                for p, key in [(line.points[end], line.sink if end else line.source)]
            )


def test_svg_stands_alone(lstm) -> None:
    written = lstm.svg()
    assert set(re.findall(r'https?://[^"\s]*', written)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(script|image|style|foreignObject|use)\b|@import|url\(", written)
    families = set(re.findall(r'font-family="([^"]*)"', written))
    assert families and all(family.endswith(" serif") for family in families)


def test_names_are_escaped() -> None:
    written = draw(load("fast_grnn")).svg()
    ElementTree.fromstring(written)  # ×ζ, +ν and the like


def test_the_same_bytes_for_every_hash_seed() -> None:
    program = (
        "import sys; from lstmgen import load; from lstmgen.drawing import draw\n"
        "for gradients in (False, True):\n"
        "    d = draw(load('gru'), gradients=gradients)\n"
        "    sys.stdout.buffer.write((d.svg() + d.dot() + d.mermaid()).encode())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1 and outputs.pop().count(b"<svg") == 2


def test_a_notebook_shows_the_svg(lstm) -> None:
    assert lstm._repr_svg_() == lstm.svg()


# Labels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "time", "written"),
    [
        ("C_tilde", 0, "C\u0303_t"),
        ("h", -1, "h_t−1"),
        ("b_f", None, "b_f"),
        ("h_hat_f", 0, "h\u0302_f,t"),
        ("f_prime", 0, "f′_t"),
        ("alpha", None, "α"),
        ("Deltat", None, "Δt"),
        ("W_t", None, "W_t"),
        ("x_bar_dot", 0, "x\u0304\u0307_t"),
        ("gate_1", 0, "gate_1,t"),
    ],
)
def test_names_are_typeset(name: str, time: int | None, written: str) -> None:
    assert plain(symbol(name, time)) == written


def test_a_subscript_takes_less_room() -> None:
    assert width(symbol("x"), 10) < width(symbol("x", 0), 10) < width(symbol("xt"), 10) + 2


# Colours -----------------------------------------------------------------------------------------


def _linear(colour: str) -> list[float]:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def _luminance(colour: str) -> float:
    return sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), _linear(colour), strict=True))


# G. Machado et al., "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# IEEE TVCG 15(6), 2009: severity 1.
SEEN_BY = {
    "protanope": [(0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                  (-0.003882, -0.048116, 1.051998)],
    "deuteranope": [(0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                    (-0.011820, 0.042940, 0.968881)],
    "tritanope": [(1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
                  (0.004733, 0.691367, 0.303900)],
}  # fmt: skip


def _lab(rgb: list[float]) -> tuple[float, float, float]:
    m = [(0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)]
    xyz = [sum(a * b for a, b in zip(row, rgb, strict=True)) for row in m]
    f = [max(v / w, 1e-6) ** (1 / 3) for v, w in zip(xyz, (0.9505, 1, 1.089), strict=True)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def fills(svg: str) -> list[str]:
    return sorted(set(re.findall(r'<rect[^>]*fill="(#[0-9a-f]{6})"', svg)) - {"#ffffff"})


@pytest.mark.parametrize("viewer", SEEN_BY)
def test_colours_differ_for_the_colour_blind(lstm, viewer: str) -> None:
    """Layers, operations and the body, which stand on each other, by at least 10 in CIELAB."""
    drawn = fills(lstm.svg())
    assert len(drawn) == 5
    body, layer, operation = "#dcefdc", "#ffe08a", "#f7c1d4"
    assert {body, layer, operation} <= set(drawn)
    for one, other in combinations([body, layer, operation], 2):
        seen = [
            _lab([sum(a * b for a, b in zip(r, _linear(c), strict=True)) for r in SEEN_BY[viewer]])
            for c in (one, other)
        ]
        assert sum((a - b) ** 2 for a, b in zip(*seen, strict=True)) ** 0.5 > 10, (one, other)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_lines_stand_out_from_their_ground(lstm, backward) -> None:
    for drawing in (lstm, backward):
        written = drawing.svg()
        (ink,) = set(re.findall(r'<g font-family="[^"]*" fill="(#[0-9a-f]{6})"', written))
        lines = set(re.findall(r'<g fill="none" stroke="(#[0-9a-f]{6})"', written))
        assert len(lines) == 1
        for ground in [*fills(written), "#ffffff"]:
            assert contrast(ink, ground) > 7
            assert contrast(*lines, ground) > 3


# Other formats -----------------------------------------------------------------------------------


def test_png_is_an_image_of_the_right_size(lstm) -> None:
    try:
        image = lstm.png(scale=1.0)
    except UnavailableError as error:
        pytest.skip(str(error))  # pip cannot install the Cairo library
    assert image.startswith(b"\x89PNG\r\n")
    size = int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")
    assert size == pytest.approx((lstm.layout.width, lstm.layout.height), abs=1)


@pytest.mark.parametrize("error", [ImportError("No module named 'cairosvg'"), OSError("no cairo")])
def test_png_without_its_library_says_what_to_install(
    lstm, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(name: str) -> None:
        raise error

    monkeypatch.setattr(lstmgen.drawing.picture, "import_module", refuse)
    with pytest.raises(UnavailableError, match=r"lstmgen\[draw\]"):
        lstm.png()


def test_dot_has_every_node_and_line(lstm) -> None:
    written = lstm.dot()
    assert written.count(" -> ") == len(lstm.layout.lines)
    assert len(re.findall(r"^  v\d+ \[.*shape=", written, re.MULTILINE)) == len(lstm.graph.nodes)
    assert "<I>f</I><SUB><I>t</I></SUB>" in written
    assert written.startswith('digraph "lstm" {') and written.endswith("}\n")


def test_mermaid_has_every_node_and_line(lstm) -> None:
    written = lstm.mermaid()
    assert written.count("-->") == len(lstm.layout.lines)
    assert len(re.findall(r"^  v\d+[\[(]", written, re.MULTILINE)) == len(lstm.graph.nodes)
    assert 'v4["σ"]:::layer' in written


def test_backward_lines_are_turned_in_both_languages(lstm, backward) -> None:
    assert backward.dot().count("dir=back") == len(backward.layout.lines)
    forward = set(re.findall(r'(v\d+) (?:-- "[^"]*" )?--> (v\d+)', lstm.mermaid()))
    turned = set(re.findall(r'(v\d+) (?:-- "[^"]*" )?--> (v\d+)', backward.mermaid()))
    assert turned == {(b, a) for a, b in forward}


def test_a_value_that_nothing_uses_is_drawn_too() -> None:
    h, x, v, W = symbols("h x v W")
    cell = Cell("cell", Eq(v[t], tanh(x[t])), Eq(h[t], tanh(W @ [h[t - 1], x[t]])))
    assert "vt" in texts(draw(cell).svg())


# The command -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".svg", ".dot", ".mmd"])
def test_save_writes_what_the_suffix_says(lstm, tmp_path: Path, suffix: str) -> None:
    lstm.save(tmp_path / f"cell{suffix}")
    assert (tmp_path / f"cell{suffix}").read_bytes() == lstm.rendered(suffix)


def test_save_says_what_formats_there_are(lstm, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cell\.gif: .* as \.gif; name it \*\.svg, \*\.png"):
        lstm.save(tmp_path / "cell.gif")


def test_save_says_where_it_cannot_write(lstm, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written: No such file or directory"):
        lstm.save(tmp_path / "nowhere" / "cell.svg")


def test_draw_is_a_command() -> None:
    assert commands.commands["draw"] is draw_command


def test_the_command_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "rnn.svg"
    assert main(["draw", "rnn", "-o", str(target), "--gradients"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "drawing written to" in err
    assert target.read_text(encoding="utf-8") == draw(load("rnn"), gradients=True).svg()


def test_the_command_prints_svg(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "rnn"]) == 0
    assert capsys.readouterr().out == draw(load("rnn")).svg()


def test_the_command_refuses_a_format_before_it_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw", "no_such_cell", "-o", str(tmp_path / "cell.gif")]) == 2
    assert "cell.gif" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from lstmgen.cli.root import main\n"
        "assert main(['draw', '--help']) == 0\n"
        "heavy = {'sympy', 'numpy', 'cairosvg', 'lstmgen.drawing.picture'}\n"
        "assert not heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
