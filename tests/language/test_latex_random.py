"""Ten thousand random and mutated texts, and round trips of random cells and names."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from lstmgen import (
    Abs,
    Cell,
    Eq,
    Max,
    exp,
    load,
    log,
    relu,
    scalars,
    sigma,
    softplus,
    sqrt,
    symbols,
    t,
    tanh,
)
from lstmgen.errors import EquationError
from lstmgen.language.names import latex_name, objection
from lstmgen.language.papers import read_tex
from lstmgen.library.loading import names
from lstmgen.show.printing.latex import document_body, standalone

INPUTS = 10_000
TOKENS = (
    r"\sigma \tanh \exp \log \max \odot \cdot * + - = / ^ _ { } ( ) [ ] , ; | \\ & \left \right "
    r"\frac \sqrt \tilde \hat \mathbf \mathrm{in} \operatorname{relu} \alpha \Delta \top ' h x W "
    r"b c t _t _{t-1} ^2 ^{-1} 0.5 2 h_t x_t h_{t-1} W_f \begin{align} \end{align} $$ $ % "
    r"lstmgen: scalar \text{a} \qquad \quad σ ⊙ · ₜ ₋₁ \lvert \rvert g(a) ~ # é ͏ \begin{bmatrix} "
    r"\end{bmatrix} \mathcal __import__('os') \input{/etc/passwd} \write18"
).split(" ")


def test_random_and_mutated_texts_give_a_cell_or_a_clean_error() -> None:
    rng = random.Random(20261123)
    seeds = [
        r"h_t = \tanh(W [h_{t-1}, x_t] + b)",
        "c_t = f_t * c_{t-1} + x_t \\\\\nf_t = σ(W_f·x_t)\nh_t = c_t",
        "% lstmgen: alpha scalar\n" + r"h_t = \frac{1 - \alpha}{2} h_{t-1} + |x_t| \odot \hat{b}",
        document_body(load("gru"), gradients=False),
        r"$$ f_t = \sigma(W_f \cdot [C_{t-1}, h_{t-1}, x_t] + b_f) $$",
    ]
    cells = longest = 0
    for count in range(INPUTS):
        text = _random_text(rng) if count % 3 == 0 else _mutated(rng, rng.choice(seeds))
        try:
            cell = read_tex(text, name="cell")
        except EquationError as error:
            longest = max(longest, len(str(error)))
        else:
            cells += 1
            assert cell.states, text
    assert longest < 1_000
    assert INPUTS // 100 < cells < INPUTS // 2  # neither all refused nor all read


def _random_text(rng: random.Random) -> str:
    text = " ".join(rng.choice(TOKENS) for _ in range(rng.randint(1, 20)))
    return rng.choice(["", "h_t = ", "h_t = h_{t-1} + "]) + text


def _mutated(rng: random.Random, text: str) -> str:
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.randint(0, 4))
        kind = rng.random()
        if kind < 0.4:
            new = rng.choice(TOKENS)
        elif kind < 0.6:
            new = chr(rng.choice([rng.randint(32, 126), rng.randint(0, 0x2FFF)]))
        else:
            new = text[end : end + rng.randint(0, 15)]
        text = text[:start] + new + text[end if rng.random() < 0.5 else start :]
    return text


def test_every_built_in_cell_reads_back_as_itself() -> None:
    assert len(names()) >= 36
    for name in names():
        cell = load(name)
        for text in (
            cell.latex(gradients=False),
            cell.latex(),
            standalone(cell, gradients=False),
        ):
            assert read_tex(text, name=name).digest == cell.digest, (name, text)


WORDS = st.sampled_from(
    "a b f h x W C1 xi eta alpha Deltat lambda gate log tilde hat prime t in 2 10 fg hh e I".split()
)


@seed(1)
@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(WORDS, min_size=1, max_size=4), st.booleans())
def test_names_read_back_as_themselves(words: list[str], trailing: bool) -> None:
    name = "_".join(words) + "_" * trailing
    if objection(name) or name == "h":
        return
    text = rf"{latex_name(name, 't')} = v_t \\ h_t = h_{{t-1}} \odot {latex_name(name, 't')}"
    read = read_tex(text, name="cell")
    assert list(read.normal_form.by_name) == [name, "h"], text


PER_UNIT = symbols("p alpha_1 e")
SCALARS = scalars("beta b_fg")
MATRICES = symbols("W W_xi Theta I")
h, c, x, z = symbols("h c x z_tilde_prime")
VECTORS = [h[t - 1], c[t - 1], x[t], c[t]]


def expressions() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.sampled_from([*VECTORS, *PER_UNIT, *SCALARS]),
        st.integers(1, 9).map(lambda n: n * h[t - 1]),
        st.sampled_from([0.5, 0.25, 1e-6]).map(lambda v: v * x[t]),
    )
    vectors = st.sampled_from(VECTORS)

    def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        pairs = st.tuples(inner, inner)
        return st.one_of(
            pairs.map(lambda p: p[0] + p[1]),
            pairs.map(lambda p: p[0] - p[1]),
            pairs.map(lambda p: p[0] * p[1]),
            pairs.map(lambda p: p[0] / p[1]),
            pairs.map(lambda p: Max(*p)),
            inner.map(lambda a: -a),
            inner.map(lambda a: a**2),
            st.tuples(inner, st.sampled_from([*SCALARS, 3, 0.5])).map(lambda p: p[0] ** p[1]),
            st.tuples(
                inner,
                st.sampled_from([tanh, sigma, relu, exp, log, sqrt, softplus, Abs]),
            ).map(lambda p: p[1](p[0])),
            st.tuples(st.sampled_from(MATRICES), vectors, inner).map(
                lambda p: p[0] @ [p[1], x[t] * p[2]]
            ),
        )

    return st.recursive(leaves, extend, max_leaves=8)


@seed(2)
@settings(max_examples=300, deadline=None, database=None)
@given(expressions(), expressions())
def test_random_cells_read_back_as_themselves(first: Any, second: Any) -> None:
    try:
        cell = Cell(
            "cell",
            Eq(c[t], h[t - 1] * x[t]),
            Eq(z[t], first),
            Eq(h[t], second + z[t] * h[t - 1] + c[t - 1]),
        )
    except EquationError:
        return  # sizes that do not fit
    text = document_body(cell, gradients=False)
    found = read_tex(text, name="cell")
    assert str(found.normal_form) == str(cell.normal_form), text
    assert found.digest == cell.digest
