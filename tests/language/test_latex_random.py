"""Mutated texts, and round trips of cells and names: of the library, in drawn notations, random."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import paper_mutations
import paper_notations
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
from lstmgen.algebra.symbols import symbol
from lstmgen.errors import EquationError
from lstmgen.language.names import objection
from lstmgen.language.papers.writing import written_out
from lstmgen.latex import document_body, standalone
from lstmgen.library.loading import names
from lstmgen.library.texts import read_tex
from lstmgen.typeset.formula import Time
from lstmgen.typeset.latex import latex

INPUTS = 800  # more by a command: python tests/support/paper_mutations.py 10000
DRAWN = 60  # likewise: python tests/support/paper_notations.py 5000


def test_mutated_texts_give_a_cell_questions_or_a_clean_error() -> None:
    chance = random.Random(20261128)
    begin = paper_mutations.seeds(chance)
    found: Counter[str] = Counter()
    for k in range(INPUTS):
        text = (
            paper_mutations.random_text(chance)
            if k % 4 == 0
            else paper_mutations.mutated(chance, chance.choice(begin))
        )
        found[paper_mutations.outcome(text)] += 1
    assert found["cell"] > INPUTS // 30  # neither all refused nor all read
    assert found["refusal"] > INPUTS // 3
    assert found["question"] > INPUTS // 100


def test_cells_printed_in_drawn_notations_read_back_as_the_same_mathematics() -> None:
    chance = random.Random(14)
    cells = [load(name) for name in names()]
    texts = set()
    for _ in range(DRAWN):
        cell, text = paper_notations.in_some_notation(chance.choice(cells), chance)
        assert paper_notations.difference(cell, text) is None, text
        texts.add(text)
    assert len(texts) > DRAWN // 2


def test_another_cell_in_a_drawn_notation_is_told_apart() -> None:
    chance = random.Random(2)
    text = paper_notations.printed(load("mut2"), chance)
    assert paper_notations.difference(load("mut3"), text) is not None


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


def test_every_built_in_cell_is_written_out_so_that_nothing_is_left_to_infer() -> None:
    for name in names():
        cell = load(name)
        text = written_out(cell.equations, cell.normal_form)
        assert read_tex(text, name=name, strict=True).digest == cell.digest, text


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
    written = latex(symbol(name, Time()))
    text = rf"{written} = v_t \\ h_t = h_{{t-1}} \odot {written}"
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
@settings(max_examples=120, deadline=None, database=None)
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
