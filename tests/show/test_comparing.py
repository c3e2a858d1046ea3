"""What differs between cells: matched by name and structure, in equations, gradients, schedule."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lstmgen import Cell, Eq, load, sigma, symbols, t, tanh
from lstmgen.cli.root import main
from lstmgen.library.files import built_in_names
from lstmgen.show.comparing import Section, compare

f, g, h, k, s, u, x, y, z = symbols("f g h k s u x y z")
W, U, V, b, p, q = symbols("W U V b p q")


def section(first: Cell, second: Cell, title: str) -> Section:
    return next(s for s in compare(first, second).sections if s.title == title)


def leaky(**changed: object) -> Cell:
    terms = {"gate": W @ [h[t - 1], x[t]] + b, "new": tanh(U @ [f[t] * h[t - 1], x[t]]), **changed}
    return Cell(
        "leaky",
        Eq(f[t], sigma(terms["gate"])),
        Eq(h[t], f[t] * h[t - 1] + (1 - f[t]) * terms["new"]),
    )


@pytest.mark.parametrize("name", built_in_names())
def test_no_cell_differs_from_itself(name: str) -> None:
    found = compare(load(name), load(name))
    assert found.same and not found.renamed
    assert not any(part.differences for part in found.sections)


def test_the_coupled_cell_lacks_the_input_gate() -> None:
    lstm, coupled = load("lstm"), load("coupled")
    equations = section(lstm, coupled, "Equations")
    assert equations.same == ("f", "C_tilde", "o", "h")
    assert equations.differences == (
        (("(2) i[t] = sigma(W_i @ [h[t-1], x[t]] + b_i)",), ()),
        (
            ("(4) C[t] = f[t]*C[t-1] + i[t]*C_tilde[t]",),
            ("(3) C[t] = f[t]*C[t-1] + (1 - f[t])*C_tilde[t]",),
        ),
    )
    parameters = section(lstm, coupled, "Parameters").differences
    assert parameters == ((("W_i (H, H+D)",), ()), (("b_i (H)",), ()))
    gradients = section(lstm, coupled, "Gradients").differences
    assert (
        ("(δ9) d_f_t = d_C_t * C_{t-1}",),
        ("(δ7) d_f_t = d_C_t * (C_{t-1} - C_tilde_t)",),
    ) in gradients
    assert "d_C" in section(lstm, coupled, "Gradients").same
    schedule = section(lstm, coupled, "Schedule").differences
    assert any("kept for backward: f, i, C_tilde, C, o, h" in first for first, _ in schedule)


def test_the_same_cell_in_another_notation() -> None:
    found = compare(load("lstm"), load("lstm_np"))
    assert found.same
    assert {("C_tilde", "z"), ("C", "c"), ("h", "y"), ("W_f[0]", "R_f")} <= set(found.renamed)
    titles = [part.title for part in found.sections if part.differences]
    assert titles == ["Parameters"], "its matrices are cut otherwise"
    assert "They compute the same, but for names." in str(found)


def test_order_and_names_do_not_count() -> None:
    other = Cell(
        "other",
        Eq(g[t], sigma(q + V @ [u[t], y[t - 1]])),
        Eq(y[t], tanh(p @ [u[t], y[t - 1] * g[t]]) * (1 - g[t]) + y[t - 1] * g[t]),
        output="y",
    )
    found = compare(leaky(), other)
    assert found.same
    assert dict(found.renamed)["f"] == "g"
    gradients = next(part for part in found.sections if part.title == "Gradients")
    assert not gradients.differences


@pytest.mark.parametrize(
    ("other", "different"),
    [
        (leaky(gate=W @ [h[t - 1], x[t]] - b), ["f"]),
        (leaky(gate=W @ [x[t]] + b), ["f"]),
        (leaky(gate=U @ [f[t - 1], x[t]] + b), ["f", "h"]),
        # The same matrix twice is not two matrices.
        (leaky(gate=U @ [h[t - 1], x[t]] + b), ["h"]),
        (leaky(new=tanh(U @ [h[t - 1], x[t]])), ["h"]),
        (leaky(new=sigma(U @ [f[t] * h[t - 1], x[t]])), ["h"]),
        (leaky(new=tanh(U @ [f[t] * h[t - 1], x[t]]) / 2), ["h"]),
    ],
)
def test_what_counts(other: Cell, different: list[str]) -> None:
    equations = section(leaky(), other, "Equations")
    assert [name for name in ("f", "h") if name not in equations.same] == different
    assert not compare(leaky(), other).same


def test_the_output_and_sizes_count() -> None:
    equations = (
        Eq(s[t], tanh(W @ [h[t - 1], x[t]])),
        Eq(h[t], U @ [s[t]] + h[t - 1]),
    )
    plain = Cell("plain", *equations)
    assert not compare(plain, Cell("plain", *equations, output="s")).same
    assert not compare(plain, Cell("plain", *equations, sizes={"s": "P"})).same


def test_diff_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["diff", "lstm", "coupled"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("- lstm\n+ coupled\n\nStates, inputs, output: the same\n\nEquations\n")
    assert "  + (3) C[t] = f[t]*C[t-1] + (1 - f[t])*C_tilde[t]\n" in out
    text = tmp_path / "elman.tex"
    text.write_text(r"\[ s_t = \tanh(U s_{t-1} + V v_t + c) \]" + "\n% lstmgen: s output\n")
    assert main(["diff", "rnn", str(text)]) == 0
    assert "They compute the same, but for names." in capsys.readouterr().out
    text.write_text(r"\[ h_t = \phi(U h_{t-1} + V v_t + c) \]")
    for cells in (("rnn", str(text)), (str(text), "rnn")):
        assert main(["diff", *cells]) == 3
        capsys.readouterr()
        assert main(["diff", *cells, "--declare", r"\phi = tanh"]) == 0
        assert "They compute the same, but for names." in capsys.readouterr().out
    assert main(["diff", "rnn", "coupled", "--declare", "a scalar"]) == 2
    assert main(["diff", "rnn", "nothing_like_it"]) == 2
    assert main(["diff", "rnn"]) == 2


def test_the_text_is_the_same_for_every_hash_seed() -> None:
    texts = {
        subprocess.run(
            [sys.executable, "-m", "lstmgen", "diff", "gru", "nested_lstm"],
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(texts) == 1
