"""The derived equations: as text for the cells of the post, in numbers for random cells.

The numbers come from a small interpreter of its own: the SymPy equations as they are declared,
unrolled over a few steps at 50 digits, and their numerical derivative.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import mpmath
import pytest
import sympy
import verification_cells
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from lstmgen import (
    Abs,
    Cell,
    Eq,
    Max,
    Min,
    cos,
    exp,
    load,
    log,
    relu,
    scalars,
    sigma,
    sin,
    softplus,
    sqrt,
    symbols,
    t,
    tanh,
)
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
    neg,
    values,
)
from lstmgen.gradients.derivation import Gradients
from lstmgen.gradients.equations import MatrixGradient
from lstmgen.language import notation

# By hand, from the paper's equations: every use of a value, in the order of the equations, gives
# one term; (a)' is written in the activation's own value.
LSTM = """\
(δ1) d_h_t = dy_t + W_f[0]^T·d_a_f_{t+1} + W_i[0]^T·d_a_i_{t+1} + W_C[0]^T·d_a_C_tilde_{t+1} \
+ W_o[0]^T·d_a_o_{t+1}
(δ2) d_o_t = d_h_t * tanh(C_t)
(δ3) d_a_o_t = d_o_t * o_t * (1 - o_t)
(δ4) d_C_t = d_h_t * o_t * (1 - tanh(C_t)^2) + d_C_{t+1} * f_{t+1}
(δ5) d_C_tilde_t = d_C_t * i_t
(δ6) d_a_C_tilde_t = d_C_tilde_t * (1 - C_tilde_t^2)
(δ7) d_i_t = d_C_t * C_tilde_t
(δ8) d_a_i_t = d_i_t * i_t * (1 - i_t)
(δ9) d_f_t = d_C_t * C_{t-1}
(δ10) d_a_f_t = d_f_t * f_t * (1 - f_t)
(δ11) d_W_f[0] = sum_t d_a_f_t h_{t-1}^T
(δ11) d_W_f[1] = sum_t d_a_f_t x_t^T
(δ12) d_b_f = sum_t d_a_f_t
(δ13) d_W_i[0] = sum_t d_a_i_t h_{t-1}^T
(δ13) d_W_i[1] = sum_t d_a_i_t x_t^T
(δ14) d_b_i = sum_t d_a_i_t
(δ15) d_W_C[0] = sum_t d_a_C_tilde_t h_{t-1}^T
(δ15) d_W_C[1] = sum_t d_a_C_tilde_t x_t^T
(δ16) d_b_C = sum_t d_a_C_tilde_t
(δ17) d_W_o[0] = sum_t d_a_o_t h_{t-1}^T
(δ17) d_W_o[1] = sum_t d_a_o_t x_t^T
(δ18) d_b_o = sum_t d_a_o_t
(δ19) d_x_t = W_f[1]^T·d_a_f_t + W_i[1]^T·d_a_i_t + W_C[1]^T·d_a_C_tilde_t + W_o[1]^T·d_a_o_t
(δ20) d_h_0 = W_f[0]^T·d_a_f_t + W_i[0]^T·d_a_i_t + W_C[0]^T·d_a_C_tilde_t + W_o[0]^T·d_a_o_t \
at t = 1
(δ21) d_C_0 = d_C_t * f_t at t = 1"""

GRU = """\
(δ1) d_h_t = dy_t + W_z[0]^T·d_a_z_{t+1} + W_r[0]^T·d_a_r_{t+1} + d_u_h_tilde_{t+1} * r_{t+1} \
+ d_h_{t+1} * (1 - z_{t+1})
(δ2) d_h_tilde_t = d_h_t * z_t
(δ3) d_a_h_tilde_t = d_h_tilde_t * (1 - h_tilde_t^2)
(δ4) d_u_h_tilde_t = W[0]^T·d_a_h_tilde_t
(δ5) d_r_t = d_u_h_tilde_t * h_{t-1}
(δ6) d_a_r_t = d_r_t * r_t * (1 - r_t)
(δ7) d_z_t = d_h_t * (h_tilde_t - h_{t-1})
(δ8) d_a_z_t = d_z_t * z_t * (1 - z_t)
(δ9) d_W_z[0] = sum_t d_a_z_t h_{t-1}^T
(δ9) d_W_z[1] = sum_t d_a_z_t x_t^T
(δ10) d_W_r[0] = sum_t d_a_r_t h_{t-1}^T
(δ10) d_W_r[1] = sum_t d_a_r_t x_t^T
(δ11) d_W[0] = sum_t d_a_h_tilde_t u_h_tilde_t^T
(δ11) d_W[1] = sum_t d_a_h_tilde_t x_t^T
(δ12) d_x_t = W_z[1]^T·d_a_z_t + W_r[1]^T·d_a_r_t + W[1]^T·d_a_h_tilde_t
(δ13) d_h_0 = W_z[0]^T·d_a_z_t + W_r[0]^T·d_a_r_t + d_u_h_tilde_t * r_t + d_h_t * (1 - z_t) \
at t = 1"""

# Of the others, what differs from these: the recurrences, and what a gate shares with another.
PARTS = {
    "rnn": ["d_h_t = dy_t + W[0]^T·d_a_h_{t+1}", "d_a_h_t = d_h_t * (1 - h_t^2)"],
    "peephole": [
        "d_C_t = W_o[0]^T·d_a_o_t + d_h_t * o_t * (1 - tanh(C_t)^2) + W_f[0]^T·d_a_f_{t+1} "
        "+ W_i[0]^T·d_a_i_{t+1} + d_C_{t+1} * f_{t+1}",
        "d_W_f[0] = sum_t d_a_f_t C_{t-1}^T",
        "d_W_o[0] = sum_t d_a_o_t C_t^T",
        "d_C_0 = W_f[0]^T·d_a_f_t + W_i[0]^T·d_a_i_t + d_C_t * f_t at t = 1",
    ],
    "coupled": [
        "d_C_t = d_h_t * o_t * (1 - tanh(C_t)^2) + d_C_{t+1} * f_{t+1}",
        "d_C_tilde_t = d_C_t * (1 - f_t)",
        "d_f_t = d_C_t * (C_{t-1} - C_tilde_t)",
    ],
    "gru_reset_after": [
        "d_h_t = dy_t + W_r[0]^T·d_a_r_{t+1} + W_z[0]^T·d_a_z_{t+1} + U_n[0]^T·d_a_n_{t+1} "
        "+ d_h_{t+1} * z_{t+1}",
        "d_a2_n_t = d_n_t * (1 - n_t^2)",
        "d_a_n_t = d_a2_n_t * r_t",
        "d_r_t = d_a2_n_t * a_n_t",
        "d_z_t = d_h_t * (h_{t-1} - n_t)",
        "d_b_n = sum_t d_a2_n_t",
        "d_c_n = sum_t d_a_n_t",
    ],
}


@pytest.mark.parametrize(("name", "derived"), [("lstm", LSTM), ("gru", GRU)])
def test_the_derived_equations_are_those_derived_by_hand(name: str, derived: str) -> None:
    assert str(load(name).gradients) == derived


@pytest.mark.parametrize("name", PARTS)
def test_what_is_special_about_the_other_cells(name: str) -> None:
    lines = [line.partition(") ")[2] for line in str(load(name).gradients).splitlines()]
    for line in PARTS[name]:
        assert lines.count(line) == 1, line


def test_labels_count_up_in_the_order_of_the_text() -> None:
    for name in (*PARTS, "lstm", "gru"):
        gradients = load(name).gradients
        labels = [line[1 : line.index(")")] for line in str(gradients).splitlines()]
        assert list(dict.fromkeys(labels)) == [f"δ{k}" for k in range(1, len(gradients) + 1)]


# Numbers ------------------------------------------------------------------------------------

Vector = list[mpmath.mpf]
Matrix = list[Vector]
SIZES = {"H": 2, "D": 1, "D_x": 1, "D_u": 2, "P": 3, "Q": 1}
STEPS = 3
FUNCTIONS = {
    "sigma": lambda a: 1 / (1 + mpmath.exp(-a)),
    "tanh": mpmath.tanh,
    "relu": lambda a: max(a, mpmath.mpf(0)),
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "log1p": lambda a: mpmath.log(1 + a),
    "expm1": lambda a: mpmath.exp(a) - 1,
    "softplus": lambda a: mpmath.log(1 + mpmath.exp(a)),
    "abs": abs,
    "max": max,
    "min": min,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "positive": lambda a: mpmath.mpf(a > 0),
    "nonzero": lambda a: mpmath.mpf(a != 0),
    "masked": lambda mask, a: mask * a if mask else mpmath.mpf(0),
    "step": lambda a: (mpmath.sign(a) + 1) / 2,
    "sign": mpmath.sign,
}


class Point:
    """Numbers for every parameter, input, initial state and seed of a cell."""

    def __init__(self, cell: Cell, numbers: int) -> None:
        draw = random.Random(numbers)
        form = self.form = cell.normal_form

        def vector(size: str) -> Vector:
            return [mpmath.mpf(draw.randint(-900, 900)) / 1000 for _ in range(SIZES[size])]

        def parameter(name: str) -> Matrix:
            if name in form.weights:
                weight = form.weights[name]
                rows = range(SIZES[weight.rows])
                return [[v for size in weight.columns for v in vector(size)] for _ in rows]
            return [vector(form.vectors[name]) if name in form.vectors else vector("D")]

        self.given: dict[str, Matrix] = {p: parameter(p) for p in form.parameters}
        for x in form.inputs:
            self.given[f"{x}[t]"] = [vector(form.sizes[x]) for _ in range(STEPS)]
        for s in form.states:
            self.given[f"{s}[0]"] = [vector(form.sizes[s])]
        self.dy = [vector(form.sizes[form.output]) for _ in range(STEPS)]
        self.dstate = {s: vector(form.sizes[s]) for s in form.states}


def unrolled(cell: Cell, given: Mapping[str, Matrix]) -> list[dict[str, Vector]]:
    """The declared equations, one by one: at [k] the values of step k, at [0] the states."""
    history = [{s: given[f"{s}[0]"][0] for s in cell.states}]
    for step in range(1, STEPS + 1):
        history.append({x: given[f"{x}[t]"][step - 1] for x in cell.inputs})
        for equation in cell.equations:
            value = sympy_value(equation.rhs, history, given)
            size = SIZES[cell.normal_form.sizes[equation.lhs.name]]
            history[-1][equation.lhs.name] = value if len(value) == size else value * size
    return history


def sympy_value(node: Any, history: list[dict[str, Vector]], given: Mapping[str, Matrix]) -> Vector:
    """The value of a SymPy expression in the last step; scalars and numbers have one element."""

    def value(part: Any) -> Vector:
        return sympy_value(part, history, given)

    if isinstance(node, notation.At):
        return history[-1 + int(node.offset)][node.name]
    if isinstance(node, notation.MatrixProduct):
        transposed = isinstance(node.weight, notation.Transpose)
        matrix = given[str(node.weight.T if transposed else node.weight)]
        if transposed:
            matrix = [list(row) for row in zip(*matrix, strict=True)]
        vector = [v for operand in node.operands for v in value(operand)]
        return [mpmath.fdot(row, vector) for row in matrix]
    if isinstance(node, sympy.Symbol):
        return given[node.name][0]
    if isinstance(node, sympy.Float):
        return [mpmath.mpf(repr(float(node)))]
    if isinstance(node, sympy.Rational):
        return [mpmath.mpf(int(node.p)) / int(node.q)]
    parts = [value(part) for part in node.args]
    size = max(map(len, parts))
    columns = zip(*(part if len(part) == size else part * size for part in parts), strict=True)
    if isinstance(node, sympy.Add):
        return [mpmath.fsum(column) for column in columns]
    if isinstance(node, sympy.Mul):
        return [mpmath.fprod(column) for column in columns]
    if isinstance(node, sympy.Pow):
        return [base**exponent for base, exponent in columns]
    function = FUNCTIONS[type(node).__name__.lower()]
    return [function(*column) for column in columns]


def loss(cell: Cell, point: Point, given: Mapping[str, Matrix]) -> mpmath.mpf:
    history = unrolled(cell, given)
    total = mpmath.fsum(
        mpmath.fdot(dy, step[cell.output]) for dy, step in zip(point.dy, history[1:], strict=True)
    )
    return total + mpmath.fsum(mpmath.fdot(point.dstate[s], history[-1][s]) for s in cell.states)


class Derived:
    """The derived equations, evaluated as their text reads."""

    def __init__(self, gradients: Gradients, point: Point) -> None:
        self.gradients, self.form, self.point = gradients, gradients.form, point
        self.at: list[dict[str, Vector]] = [
            {s: point.given[f"{s}[0]"][0] for s in self.form.states}
        ]
        for step in range(1, STEPS + 1):
            self.at.append({x: point.given[f"{x}[t]"][step - 1] for x in self.form.inputs})
            for definition in self.form.definitions:
                self.at[step][definition.name] = self.value(
                    definition.value, step, self.form.sizes[definition.name]
                )
        for step in range(STEPS, 0, -1):
            for adjoint in gradients.adjoints:
                size = self.form.sizes[adjoint.of]
                total = [mpmath.mpf(0)] * SIZES[size]
                if adjoint.is_output:
                    total = _sum(total, point.dy[step - 1])
                if step == STEPS and adjoint.of in point.dstate:
                    total = _sum(total, point.dstate[adjoint.of])
                for term in adjoint.here:
                    total = _sum(total, self.value(term, step, size))
                for term in adjoint.later if step < STEPS else ():
                    total = _sum(total, self.value(term, step + 1, size))
                self.at[step][adjoint.name] = total

    def value(self, expression: Expression, step: int, size: str) -> Vector:
        """The value of an expression of this size."""

        def of(part: Expression) -> Vector:
            return self.value(part, step, size)

        match expression:
            case Number(value):
                return [mpmath.mpf(value.numerator) / value.denominator] * SIZES[size]
            case Value(name, shift):
                return self.at[step + shift][name]
            case Parameter(name):
                given = self.point.given[name][0]
                return given * SIZES[size] if name in self.form.scalars else given
            case MatVec(weight, slot, transposed, operand):
                matrix = self.block(weight, slot)
                if transposed:
                    matrix = [list(row) for row in zip(*matrix, strict=True)]
                vector = self.at[step + operand.shift][operand.name]
                return [mpmath.fdot(row, vector) for row in matrix]
            case Add(parts):
                return [mpmath.fsum(c) for c in zip(*map(of, parts), strict=True)]
            case Mul(parts):
                return [mpmath.fprod(c) for c in zip(*map(of, parts), strict=True)]
            case Neg(argument):
                return [-v for v in of(argument)]
            case Div(above, below):
                return [a / b for a, b in zip(of(above), of(below), strict=True)]
            case Pow(base, exponent):
                return [a**b for a, b in zip(of(base), of(exponent), strict=True)]
            case Call(function, parts):
                return [FUNCTIONS[function](*c) for c in zip(*map(of, parts), strict=True)]
        raise AssertionError(expression)

    def block(self, weight: str, slot: int) -> Matrix:
        columns = [SIZES[size] for size in self.form.weights[weight].columns]
        start = sum(columns[:slot])
        return [row[start : start + columns[slot]] for row in self.point.given[weight]]

    def results(self) -> Iterator[tuple[str, str, Matrix]]:
        """Label, name in `Point.given`, and gradient, for all that a loss has a gradient by."""
        sizes = {a.name: self.form.sizes[a.of] for a in self.gradients.adjoints}
        for gradient in self.gradients.parameters:
            given = self.point.given[gradient.parameter]
            if isinstance(gradient, MatrixGradient):
                yield gradient.label, gradient.parameter, self.matrix(gradient)
                continue
            total = [mpmath.mpf(0)] * len(given[0])
            for term in gradient.terms:
                size = next(sizes[v.name] for v in values(term) if v.name in sizes)
                for step in range(1, STEPS + 1):
                    found = self.value(term, step, size)
                    scalar = gradient.parameter in self.form.scalars
                    total = _sum(total, [mpmath.fsum(found)] if scalar else found)
            yield gradient.label, gradient.parameter, [total]
        for of in self.gradients.inputs:
            size = self.form.sizes[of.of]
            steps = []
            for step in range(1, STEPS + 1):
                total = [mpmath.mpf(0)] * SIZES[size]
                for term in of.terms:
                    total = _sum(total, self.value(term, step, size))
                steps.append(total)
            yield of.label, f"{of.of}[t]", steps
        for first in self.gradients.initial:
            size = self.form.sizes[first.state]
            total = [mpmath.mpf(0)] * SIZES[size]
            for term in self.gradients.adjoint(first.state).later:
                total = _sum(total, self.value(term, 1, size))
            yield first.label, f"{first.state}[0]", [total]

    def matrix(self, gradient: MatrixGradient) -> Matrix:
        blocks = []
        for slot, products in enumerate(gradient.blocks):
            total = [[mpmath.mpf(0)] * len(row) for row in self.block(gradient.parameter, slot)]
            for product in products:
                for step in range(1, STEPS + 1):
                    left = self.at[step + product.left.shift][product.left.name]
                    right = self.at[step + product.right.shift][product.right.name]
                    for j, a in enumerate(left):
                        for k, b in enumerate(right):
                            total[j][k] += -a * b if product.negative else a * b
            blocks.append(total)
        return [[v for block in rows for v in block] for rows in zip(*blocks, strict=True)]


def _sum(first: Vector, second: Vector) -> Vector:
    return [a + b for a, b in zip(first, second, strict=True)]


def wrong(cell: Cell, gradients: Gradients | None = None, numbers: int = 7) -> list[str]:
    """Labels of the derived equations that a numerical derivative at 50 digits contradicts.

    For each parameter, input and initial state: the gradient's product with a random direction
    against the central difference of the loss along it.
    """
    with mpmath.workdps(75):
        point = Point(cell, numbers)
        derived = Derived(gradients or cell.gradients, point)
        for step, declared in enumerate(unrolled(cell, point.given)):
            for name, vector in declared.items():  # the cut into normal form changed nothing
                for a, b in zip(vector, derived.at[step][name], strict=True):
                    assert abs(a - b) < mpmath.mpf(10) ** -60 * (1 + abs(a)), name
        draw, step_size = random.Random(numbers + 1), mpmath.mpf(10) ** -25
        found, seen = [], set()
        for label, name, gradient in derived.results():
            seen.add(name)
            given = point.given[name]
            direction = [[mpmath.mpf(draw.randint(-99, 99)) / 50 for _ in row] for row in given]
            sides = [
                loss(cell, point, {**point.given, name: _along(given, direction, sign * step_size)})
                for sign in (1, -1)
            ]
            numeric = (sides[0] - sides[1]) / (2 * step_size)
            exact = mpmath.fsum(mpmath.fdot(g, d) for g, d in zip(gradient, direction, strict=True))
            if abs(exact - numeric) > mpmath.mpf(10) ** -40 * (1 + abs(numeric)):
                found.append(label)
        assert seen == set(point.given)
        return found


def _along(matrix: Matrix, direction: Matrix, by: mpmath.mpf) -> Matrix:
    return [
        [v + by * d for v, d in zip(row, other, strict=True)]
        for row, other in zip(matrix, direction, strict=True)
    ]


ODD = {name: cell for name, cell in verification_cells.cells().items() if name != "plain_sympy"}


@pytest.mark.parametrize("name", [*PARTS, "lstm", "gru", *ODD])
def test_the_derived_equations_hold_at_50_digits(name: str) -> None:
    assert wrong(ODD[name] if name in ODD else load(name)) == []


def test_a_wrong_sign_or_a_missing_term_is_seen() -> None:
    cell = load("gru")
    gradients = cell.gradients
    adjoints = gradients.adjoints
    for k, adjoint in enumerate(adjoints):
        for part in ("here", "later"):
            terms = getattr(adjoint, part)
            for j in range(len(terms)):
                for other in ((neg(terms[j]),), ()):
                    changed = replace(adjoint, **{part: (*terms[:j], *other, *terms[j + 1 :])})
                    assert wrong(
                        cell,
                        replace(gradients, adjoints=(*adjoints[:k], changed, *adjoints[k + 1 :])),
                    ), (adjoint.label, part, j)


c, h, u, x, z = symbols("c h u x z")
P, E = symbols("p e")
S = scalars("s")
MATRICES = symbols("W V")
SQUARE = symbols("U")


def expressions(vectors: list[Any]) -> st.SearchStrategy[Any]:
    """Everywhere defined, and without a kink at a random point."""
    leaves = st.sampled_from([*vectors, u[t], P, E, S * h[t - 1], 0.3 * c[t - 1]])

    def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        pair = st.tuples(inner, inner)
        bounded = st.sampled_from([sigma, tanh, relu, softplus, sin, cos, Abs])
        return st.one_of(
            pair.map(lambda p: p[0] + p[1]),
            pair.map(lambda p: p[0] - p[1]),
            pair.map(lambda p: p[0] * p[1]),
            pair.map(lambda p: p[0] / (2 + sin(p[1]))),
            pair.map(lambda p: Max(p[0], p[1])),
            pair.map(lambda p: Min(p[0], 0.25, p[1])),
            pair.map(lambda p: (2 + cos(p[0])) ** tanh(p[1])),
            inner.map(lambda a: -a),
            inner.map(lambda a: tanh(a) ** 3),
            inner.map(lambda a: log(1 + exp(tanh(a)))),
            inner.map(lambda a: sqrt(1 + a**2)),
            st.tuples(bounded, inner).map(lambda p: p[0](p[1])),
            st.tuples(st.sampled_from(MATRICES), st.sampled_from(vectors), inner).map(
                lambda p: p[0] @ [p[1], x[t], p[2] * h[t - 1]]
            ),
            st.tuples(inner, st.booleans()).map(
                lambda p: (SQUARE.T if p[1] else SQUARE) @ (p[0] * c[t - 1])
            ),
        )

    return st.recursive(leaves, extend, max_leaves=6)


PREVIOUS = [h[t - 1], c[t - 1]]


@seed(5)
@settings(max_examples=60, deadline=None, database=None)
@given(
    expressions(PREVIOUS),
    expressions([*PREVIOUS, z[t]]),
    expressions([*PREVIOUS, z[t], c[t], z[t - 1]]),
    st.integers(0, 1 << 30),
)
def test_the_derived_equations_of_random_cells_hold_at_50_digits(
    first: Any, second: Any, third: Any, numbers: int
) -> None:
    cell = Cell(
        "random",
        Eq(z[t], first + x[t] * h[t - 1] if not first.has(x[t]) else first),
        Eq(c[t], tanh(second) + z[t] / 3 + c[t - 1] / 2),
        Eq(h[t], sigma(third) * c[t] - P * h[t - 1] / 4),
    )
    assert wrong(cell, numbers=numbers) == [], str(cell.normal_form)
