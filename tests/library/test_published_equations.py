"""Equations as papers print them against the cells of the library, and what the files say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import lstmgen
from lstmgen import Cell, Eq, load, sigma, symbols, t, tanh
from lstmgen.errors import EquationError, UsageError
from lstmgen.gradients.derivation import derive
from lstmgen.library.catalogue import entry, families
from lstmgen.library.loading import names
from lstmgen.library.texts import read_tex

BLOCKS = (Path(__file__).parents[1] / "data" / "published_equations.md").read_text(encoding="utf-8")


def block(heading: str, part: int = 0) -> str:
    """A block of the file as it stands, or what follows its comment number `part`."""
    start = BLOCKS.index(f"## {heading}\n")
    match = re.search(r"```latex\n(.*?)```", BLOCKS[start:], re.DOTALL)
    assert match is not None
    parts: list[str] = re.split(r"^% .*\n", match[1], flags=re.MULTILINE)
    return parts[part]


@pytest.mark.parametrize(
    ("heading", "part", "declarations", "name"),
    [
        ("LSTM without forget gate", 0, [], "lstm_1997"),
        ("Peephole LSTM (diagonal)", 0, [], "peephole_diagonal"),
        ("MGU", 0, [], "mgu"),
        ("UGRNN", 0, ["s = tanh", "b_fg scalar"], "ugrnn"),
        ("MUT1, MUT2, MUT3", 1, [], "mut1"),
        ("MUT1, MUT2, MUT3", 2, [], "mut2"),
        ("MUT1, MUT2, MUT3", 3, [], "mut3"),
        ("IndRNN", 0, [r"\phi = relu"], "indrnn"),
        ("SRU", 0, [r"\alpha scalar"], "sru"),
        ("minGRU, minLSTM", 1, [], "min_gru"),
        ("FastGRNN", 0, [r"\zeta scalar", r"\nu scalar"], "fast_grnn"),
        ("Multiplicative LSTM", 0, [], "multiplicative_lstm"),
    ],
)
def test_a_block_as_it_stands_is_the_cell(
    heading: str, part: int, declarations: list[str], name: str
) -> None:
    found = read_tex(block(heading, part), name=name, declarations=declarations)
    assert str(found.normal_form) == str(load(name).normal_form)
    assert found.digest == load(name).digest


@pytest.mark.parametrize(
    ("heading", "renamed", "declarations", "name"),
    [
        (
            "coRNN, explicit",
            {"u_n": "x_n"},
            [r"\Delta t scalar", r"\gamma scalar", r"\epsilon scalar", "y output"],
            "cornn",
        ),
        (
            "UnICORNN",
            {"u_n": "x_n"},
            [r"\Delta t scalar", r"\alpha scalar", "y output"],
            "unicornn",
        ),
        (
            "LEM",
            {
                "u_n": "x_n",
                r"\overline{\Delta t}_n": r"\bar{d}_n",
                r"\Delta t_n": "d_n",
            },
            [r"\Delta t scalar", "y output"],
            "lem",
        ),
        ("JANET", {"h_t = c_t": "", "c_t": "h_t", "c_{t-1}": "h_{t-1}"}, ["beta scalar"], "janet"),
    ],
)
def test_a_block_with_letters_renamed_is_the_cell(
    heading: str, renamed: dict[str, str], declarations: list[str], name: str
) -> None:
    text = block(heading)
    for old, new in renamed.items():
        text = re.sub(rf"(?<!tilde ){re.escape(old)}", new.replace("\\", r"\\"), text)
    found = read_tex(text, name=name, declarations=declarations)
    assert str(found.normal_form) == str(load(name).normal_form)


@pytest.mark.parametrize(
    ("heading", "part", "problem"),
    [
        ("Greff et al., *LSTM: A Search Space Odyssey*", 0, "% lstmgen: y output"),
        ("Greff et al., *LSTM: A Search Space Odyssey* (2)", 0, "% lstmgen: o output"),
        ("LSTMP (recurrent projection)", 0, "no equation defines h"),
        ("UGRNN", 0, "s = tanh"),
        ("IndRNN", 0, "phi = tanh"),
        ("SRU", 0, "alpha scalar"),
        ("QRNN", 0, r"the command \sum"),
        ("LEM", 0, "Deltat has no time index here"),
        ("coRNN, explicit", 0, "gamma scalar"),
        ("UnICORNN", 0, "Deltat scalar"),
        ("sLSTM with stabiliser", 0, "wide gap"),
        ("AntisymmetricRNN and gated form", 0, "no vector is defined at a time"),
        ("AntisymmetricRNN and gated form", 1, "epsilon scalar"),
        ("FastGRNN", 0, "zeta scalar"),
        ("FastGRNN", 1, "expected"),
        ("Zoneout (on an LSTM)", 0, "a random value"),
        ("Nested LSTM (depth 2)", 0, "wide gap"),
        ("Lipschitz RNN", 0, "epsilon scalar"),
    ],
)
def test_a_block_that_is_more_than_equations_is_refused(
    heading: str, part: int, problem: str
) -> None:
    with pytest.raises(EquationError) as caught:
        read_tex(block(heading, part), name="cell")
    assert problem in str(caught.value)


def test_every_cell_says_where_it_comes_from() -> None:
    assert len(names()) >= 36
    for name in names():
        found = entry(name)
        assert found.summary.endswith("."), name
        assert len(found.summary) <= 90, name
        assert 1985 <= found.year <= 2025, name
        assert re.search(r"\d{4}", found.source), name
        if found.status:
            assert re.match(r"(PAPER|AUTHORS|IMPL|RUN)\b", found.status), name
    listed = [e.name for entries in families().values() for e in entries]
    assert sorted(listed) == sorted(names())
    with pytest.raises(UsageError, match="no built-in cell"):
        entry("no_such_cell")


@pytest.mark.parametrize("name", names())
def test_every_cell_is_declared_as_its_file_says_and_derives(name: str) -> None:
    cell = load(name)
    assert cell.name == name
    assert cell.source.startswith(entry(name).summary)
    form = cell.normal_form
    gradients = derive(form)
    assert {a.of for a in gradients.adjoints} == set(form.by_name)
    assert [p.parameter for p in gradients.parameters] == list(form.parameters)
    assert [i.of for i in gradients.inputs] == list(form.inputs)
    assert [i.state for i in gradients.initial] == list(form.states)
    for adjoint in gradients.adjoints:
        assert adjoint.here or adjoint.later or adjoint.is_output, (name, adjoint)


@pytest.mark.parametrize("name", ["mut1", "mut2", "sru", "intersection_rnn"])
def test_cells_with_a_raw_input_have_one_of_the_hidden_size(name: str) -> None:
    cell = load(name)
    assert [cell.normal_form.sizes[x] for x in cell.inputs] == ["H"]
    module = lstmgen.compile(cell, "numpy")
    with pytest.raises(ValueError, match="input_size"):
        module.init_params(3, 5)
    assert module.init_params(5, 5)


def test_the_stabiliser_of_slstm_changes_neither_results_nor_gradients() -> None:
    """Against the same cell without m, as the paper has it before equation (15)."""
    i_hat, f_hat, z, o, c, n, h, x = symbols("i_hat f_hat z o c n h x")
    weights = {k: symbols(f"W_{k} R_{k} b_{k}") for k in "ifzo"}

    def net(k: str) -> object:
        weight, recurrent, bias = weights[k]
        return weight @ x[t] + recurrent @ h[t - 1] + bias

    plain = Cell(
        "plain",
        Eq(i_hat[t], net("i")),
        Eq(f_hat[t], net("f")),
        Eq(z[t], tanh(net("z"))),
        Eq(o[t], sigma(net("o"))),
        Eq(c[t], sigma(f_hat[t]) * c[t - 1] + lstmgen.exp(i_hat[t]) * z[t]),
        Eq(n[t], sigma(f_hat[t]) * n[t - 1] + lstmgen.exp(i_hat[t])),
        Eq(h[t], o[t] * c[t] / n[t]),
    )
    one, two = (lstmgen.compile(cell, "numpy") for cell in (load("slstm"), plain))
    rng = np.random.default_rng(3)
    params = one.init_params(4, 5, seed=1, dtype="float64")
    params = {k: rng.normal(size=v.shape) for k, v in params.items()}
    inputs, dy = rng.normal(size=(7, 3, 4)), rng.normal(size=(7, 3, 5))
    state = {"h": rng.normal(size=(3, 5)), "c": rng.normal(size=(3, 5))}
    state["n"] = 1 + rng.random((3, 5))
    stabilised = {**state, "m": np.zeros((3, 5))}
    y_one, last_one, tape_one = one.forward(params, inputs, stabilised)
    y_two, last_two, tape_two = two.forward(params, inputs, state)
    scale = np.exp(last_one["m"])
    np.testing.assert_allclose(y_one, y_two, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(last_one["c"] * scale, last_two["c"], rtol=1e-11)
    np.testing.assert_allclose(last_one["n"] * scale, last_two["n"], rtol=1e-11)
    dparams_one, dx_one, dstate_one = one.backward(params, tape_one, dy)
    dparams_two, dx_two, dstate_two = two.backward(params, tape_two, dy)
    np.testing.assert_allclose(dx_one, dx_two, rtol=1e-9, atol=1e-11)
    for name in params:
        np.testing.assert_allclose(
            dparams_one[name], dparams_two[name], rtol=1e-9, atol=1e-10, err_msg=name
        )
    for name in state:
        np.testing.assert_allclose(dstate_one[name], dstate_two[name], rtol=1e-9, atol=1e-11)
    # With inputs beyond the range of exp only the stabilised cell has a result.
    large, _, _ = one.forward(params, 1000 * inputs, stabilised)
    assert np.isfinite(large).all()
    with np.errstate(all="ignore"):
        assert not np.isfinite(two.forward(params, 1000 * inputs, state)[0]).all()
