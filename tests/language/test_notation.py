"""The notation: SymPy objects that keep the order in which they were written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy

from lstmgen import (
    Abs,
    Cell,
    Eq,
    Max,
    Min,
    exp,
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

f, i, C, C_tilde, h, x, z = symbols("f i C C_tilde h x z")
W, U, b = symbols("W U b")
a = scalars("a")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (z[t] * C[t - 1] + a * C_tilde[t], "z[t]*C[t-1] + a*C_tilde[t]"),
        (a * C_tilde[t] + z[t] * C[t - 1], "a*C_tilde[t] + z[t]*C[t-1]"),
        ((1 - z[t]) * h[t - 1] + z[t] * x[t], "(1 - z[t])*h[t-1] + z[t]*x[t]"),
        (W @ [h[t - 1], x[t]] + b, "W @ [h[t-1], x[t]] + b"),
        (b + W @ h[t - 1], "b + W @ [h[t-1]]"),
        (W.T @ (z[t] * h[t - 1]), "W.T @ [z[t]*h[t-1]]"),
        (x[t] - b - h[t - 1], "x[t] - b - h[t-1]"),
        (2 - (b - x[t]), "2 - (b - x[t])"),
        (h[t - 1] * 2 * b, "h[t-1]*2*b"),
        (x[t] + x[t], "x[t] + x[t]"),
        (x[t] - x[t], "x[t] - x[t]"),
        (0 * x[t], "0*x[t]"),
        (x[t] ** 1, "x[t]**1"),
    ],
)
def test_sums_and_products_stay_as_written(written: sympy.Expr, text: str) -> None:
    assert str(written) == text


def test_sympy_s_own_operators_would_reorder() -> None:
    """What the classes are for: the same sum of plain symbols comes out in another order."""
    plain = {name: sympy.Symbol(name) for name in "zxa"}
    assert str(plain["z"] + plain["x"] + plain["a"]) == "a + x + z"
    named = {name: symbols(name) for name in "zxa"}
    assert str(named["z"] + named["x"] + named["a"]) == "z + x + a"


@pytest.mark.parametrize(
    ("written", "factors"),
    [
        (sympy.pi * f[t], (sympy.pi, f[t])),
        (f[t] * sympy.pi, (f[t], sympy.pi)),
        (sympy.Rational(1, 3) * f[t], (sympy.Rational(1, 3), f[t])),
        (f[t] * i[t] * C[t], (f[t], i[t], C[t])),
        (f[t] * (i[t] * C[t]), (f[t], i[t], C[t])),
    ],
)
def test_factors_of_any_kind_keep_their_order(written: sympy.Expr, factors: tuple[Any]) -> None:
    assert written.args == factors


@pytest.mark.parametrize(
    "written",
    [
        h[t - 1],
        W @ h[t],
        W @ [h[t - 1], z[t] * x[t]],
        W.T @ h[t],
        x[t] - 2 * b,
        x[t] / b,
        x[t] ** 3,
        Max(x[t], b),
    ],
)
def test_sympy_can_rebuild_every_node(written: sympy.Expr) -> None:
    """Its functions that walk over expressions rely on this."""
    for node in sympy.preorder_traversal(written):
        if node.args:
            rebuilt = node.func(*node.args)
            assert rebuilt == node
            assert str(rebuilt) == str(node)


def test_functions_are_not_evaluated() -> None:
    for function in (sigma, tanh, relu, exp, softplus, sqrt, Abs):
        assert function(0).args == (0,)
        assert function(-x[t]).args == (-x[t],)
    assert Max(0, x[t]).args == (0, x[t])
    assert Min(x[t], x[t]).args == (x[t], x[t])
    assert abs(x[t]) == Abs(x[t])
    with pytest.raises(TypeError, match="exactly 1 argument"):
        tanh(x[t], x[t])


def test_numbers_within_functions_can_be_evaluated() -> None:
    """SymPy asks for the sign of a number wherever it prints a quotient."""
    written = h[t] / (1 + Abs(sympy.Rational(1, 3)) ** 2)
    assert str(written) == "h[t]/(1 + Abs(1/3)**2)"
    assert str((1 + Abs(sympy.Rational(1, 2)) ** 2 * 3).evalf(5)) == "1.7500"


def test_a_time_index_is_the_same_t_whoever_made_it() -> None:
    """Symbols of other assumptions differ, and a derivative by them would silently be zero."""
    for other in (sympy.Symbol("t"), sympy.Symbol("t", positive=True)):
        assert other != t
        assert h[other] == h[t]
        assert h[other - 1] == h[t - 1]
    assert sympy.IndexedBase("h")[t - 1] != h[t - 1]  # read, but another object
    assert (h[t].offset, h[t - 1].offset, h[2 + t].offset) == (0, -1, 2)
    assert str(h[sympy.Symbol("t") - 1]) == "h[t-1]"


def test_names_are_separated_by_spaces_or_commas() -> None:
    assert [str(s) for s in symbols("W_f, W_i b")] == ["W_f", "W_i", "b"]
    assert symbols("W") == W
    assert scalars("a").is_scalar_parameter and not symbols("a").is_scalar_parameter


def test_expressions_are_sympy_expressions() -> None:
    written = sigma(W @ [h[t - 1], x[t]] + b) * h[t - 1]
    assert {h[t - 1], x[t], W, b} == written.free_symbols
    swapped = written.subs(h[t - 1], C[t - 1])
    assert str(swapped) == "sigma(W @ [C[t-1], x[t]] + b)*C[t-1]"
    square = (f[t] + 2) * f[t] ** 2 / b
    numeric = sympy.lambdify((f[t], b), square)
    np.testing.assert_allclose(numeric(np.array([1.0, 3.0]), 2.0), [1.5, 22.5])
    assert sympy.latex(W @ [h[t - 1], x[t]] + b) == r"W \cdot [h_{t-1}, x_t] + b"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: tanh(W) @ [x[t]], "only a matrix can stand on the left of @"),
        (lambda: (W + U) @ [x[t]], r"write W @ \[h\[t-1\], x\[t\]\]"),
        (lambda: W @ [], r"W @ \[\] multiplies nothing"),
    ],
)
def test_what_cannot_be_written(write: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        write()


def test_a_transpose_that_multiplies_nothing_is_refused() -> None:
    with pytest.raises(EquationError, match=r"W\.T is not multiplied: write W\.T @ h\[t\]"):
        Cell("c", Eq(h[t], h[t - 1] + W.T * x[t]))


def test_a_transpose_of_a_transpose_is_the_matrix() -> None:
    assert W.T.T == W
    assert str(W.T) == "W.T"


def test_an_equation_is_kept_even_if_it_is_true() -> None:
    equation = Eq(h[t], h[t])
    assert isinstance(equation, sympy.Eq)
    assert (equation.lhs, equation.rhs) == (h[t], h[t])
