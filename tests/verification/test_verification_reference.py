"""The 50-digit evaluation of the equations against NumPy formulas written for each cell."""

from __future__ import annotations

import random

import mpmath
import numpy as np
import pytest
import verification_cells

import lstmgen
from lstmgen import Cell, Eq, Max, log, relu, scalars, sqrt, symbols, t, targets
from lstmgen.errors import VerificationError
from lstmgen.verification.arithmetic import Arithmetic, PointError
from lstmgen.verification.cases import Cases, shapes
from lstmgen.verification.equations import NormalFormEvaluator
from lstmgen.verification.points import Source, find_point, shape_for
from lstmgen.verification.reference import Reference
from lstmgen.verification.unrolling import losses

CELLS = verification_cells.cells()


def point_of(cell, digits=50, T=3, B=2, H=3, D=2, ties_at_once=False):
    arithmetic = Arithmetic(digits)
    reference = Reference(cell, arithmetic)
    shape = shape_for(cell.normal_form, T, B, H, D)
    point, values = find_point(
        cell.normal_form,
        arithmetic,
        "test",
        (shape,),
        reference.run,
        margin=1e-3,
        ties_at_once=ties_at_once,
    )
    return arithmetic, reference, point, values


def floats(tree):
    if isinstance(tree, dict):
        return {name: floats(part) for name, part in tree.items()}
    if isinstance(tree, list) and isinstance(tree[0], list):
        return np.array([floats(part) for part in tree])
    if isinstance(tree, list):
        return np.array([float(unit) for unit in tree])
    return float(tree)


def sigma(a):
    return 1 / (1 + np.exp(-a))


def gru(p, x, h):
    z = sigma(p["W_z"] @ [*h["h"], *x["x"]])
    r = sigma(p["W_r"] @ [*h["h"], *x["x"]])
    n = np.tanh(p["W"] @ [*(r * h["h"]), *x["x"]])
    return {"z": z, "r": r, "h_tilde": n, "h": (1 - z) * h["h"] + z * n}


def peephole(p, x, s):
    seen = [*s["C"], *s["h"], *x["x"]]
    f, i = sigma(p["W_f"] @ seen + p["b_f"]), sigma(p["W_i"] @ seen + p["b_i"])
    n = np.tanh(p["W_C"] @ [*s["h"], *x["x"]] + p["b_C"])
    C = f * s["C"] + i * n
    o = sigma(p["W_o"] @ [*C, *s["h"], *x["x"]] + p["b_o"])
    return {"f": f, "i": i, "C_tilde": n, "C": C, "o": o, "h": o * np.tanh(C)}


def sizes(p, x, s):
    r = np.tanh(p["W"] @ [*s["h"], *s["r"], *x["x"]] + p["d"])
    v = sigma(p["V"] @ r) - p["V"] @ s["r"]
    h = v * np.tanh(p["U"] @ s["h"]) + p["alpha"] * (p["U"].T @ (v * s["h"]))
    return {"r": r, "v": v, "h": h, "o": np.tanh(p["k"] @ [*h, *r])}


def functions(p, x, s):
    a = p["W"] @ [*s["h"], *x["x"]] + p["d"]
    f = np.log1p(np.exp(a)) + np.log(1 + np.exp(np.sin(a)) ** 2)
    g = np.sqrt(1 + a**2) / (2 + np.cos(s["h"])) - np.abs(a - p["d"]) ** 3
    h = np.tanh(f * g / 4) + p["alpha"] * s["h"] - p["beta"] ** 2 * p["e"]
    return {"a": a, "f": f, "g": g, "h": h}


def kinks(p, x, s):
    a = p["W"] @ [*s["h"], *x["x"]]
    low = np.maximum(np.maximum(a, p["d"]), -s["h"])
    q = np.minimum(np.maximum(a, 0), 1) + np.maximum(low - p["d"], 0)
    h = np.maximum(0, np.minimum(q, np.tanh(low))) + s["h"] / 2
    return {"a": a, "p": low, "q": q, "h": h}


def plain_sympy(p, x, s):
    new = np.tanh(p["m"] * s["y"] + p["n"] * s["s"])
    y = np.maximum(new, s["y"]) * np.exp(-new) / np.sqrt(2 + p["m"] ** 2)
    return {"s": new, "y": y + np.pi * p["k"] * x["x"]}


def memory(p, x, s):
    h = np.tanh(p["W"] @ [*s["h"], *s["s"], *x["x"]])
    return {"h": h, "s": s["h"] + s["s"] / 3 + 0.1}


@pytest.mark.parametrize("formulas", [gru, peephole, sizes, functions, kinks, plain_sympy, memory])
def test_every_value_is_what_formulas_in_numpy_give(formulas):
    name = formulas.__name__
    cell = CELLS[name] if name in CELLS else lstmgen.load(name)
    _, reference, point, values = point_of(cell)
    parameters = floats(point.parameters)
    for row in range(point.shape.B):
        state = floats(point.initial[row])
        for step in range(point.shape.T):
            state = formulas(parameters, floats(point.inputs[step][row]), state)
            found = floats(values[step + 1][row])
            assert set(reference.names) == set(state)
            for value in reference.names:
                np.testing.assert_allclose(found[value], state[value], rtol=0, atol=1e-13)


def test_the_digits_are_there():
    h, x = symbols("h x")
    cell = Cell("thirds", Eq(h[t], h[t - 1] / 3 + x[t] + 0.1))
    _, _, point, values = point_of(cell, T=1, B=1, H=1)
    with mpmath.workdps(60):
        given = point.initial[0]["h"][0], point.inputs[0][0]["x"][0]
        h0, x1 = (mpmath.mpf(str(v)) for v in given)
        expected = h0 / 3 + x1 + mpmath.mpf(1) / 10
        assert abs(mpmath.mpf(str(values[1][0]["h"][0])) - expected) < mpmath.mpf("1e-48")


@pytest.mark.parametrize("name", ["peephole", "sizes", "shared_product", "two_inputs"])
def test_normal_form_has_the_same_values(name):
    cell = CELLS[name] if name in CELLS else lstmgen.load(name)
    arithmetic, reference, point, values = point_of(cell)
    found = NormalFormEvaluator(cell.normal_form, arithmetic).run(point)
    for at_t, others in zip(values[1:], found[1:], strict=True):
        for row, other in zip(at_t, others, strict=True):
            for value in reference.names:
                for a, b in zip(row[value], other[value], strict=True):
                    assert abs(a - b) < 1e-48


def test_a_perturbation_is_added_where_the_value_is_defined():
    cell = lstmgen.load("lstm")
    arithmetic, reference, point, values = point_of(cell)
    added = [arithmetic.number("0.25"), arithmetic.zero, arithmetic.zero]
    moved = reference.run(point, shift={(2, "C"): [added, added]}, known=values, first=2)
    assert moved[1] is values[1]
    difference = floats(moved[2][0]["C"]) - floats(values[2][0]["C"])
    np.testing.assert_allclose(difference, [0.25, 0, 0], atol=1e-15)
    o, C = floats(moved[2][1]["o"]), floats(moved[2][1]["C"])
    np.testing.assert_allclose(floats(moved[2][1]["h"]), o * np.tanh(C), atol=1e-15)
    assert moved[2][0]["f"] == values[2][0]["f"]
    assert moved[3][0]["f"] != values[3][0]["f"]


def test_the_loss_is_the_sum_over_outputs_and_last_states():
    cell = lstmgen.load("lstm")
    arithmetic, _, point, values = point_of(cell)
    found = losses(arithmetic, point, "h", values)
    for row in range(2):
        expected = sum(floats(point.dy[k][row]) @ floats(values[k + 1][row]["h"]) for k in range(3))
        for state in ("h", "C"):
            expected += floats(point.dstate[row][state]) @ floats(values[3][row][state])
        assert float(found[row]) == pytest.approx(expected, abs=1e-13)


def test_values_outside_a_domain_are_errors_of_the_point():
    h, x = symbols("h x")
    for right in (
        log(h[t - 1] - 5),
        sqrt(h[t - 1] - 5),
        x[t] / (h[t - 1] - h[t - 1]),
        (h[t - 1] - 5) ** x[t],
    ):
        cell = Cell("domain", Eq(h[t], right + x[t]))
        arithmetic = Arithmetic(30)
        shape = shape_for(cell.normal_form, 1, 1, 1, 1)
        point = Source(cell.normal_form, arithmetic, random.Random(1)).point(shape)
        with pytest.raises(PointError):
            Reference(cell, arithmetic).run(point)


def test_a_point_is_redrawn_until_it_is_in_the_domain_and_off_the_kinks():
    h, x, W = symbols("h x W")
    root = sqrt(W @ [x[t]] + log(1 + h[t - 1] ** 2) - 0.2)
    cell = Cell("narrow", Eq(h[t], root + relu(h[t - 1] - 0.5)))
    arithmetic, _, _, values = point_of(cell, T=2, B=1, H=2)
    assert arithmetic.edge > 1e-3
    assert arithmetic.kink > 1e-3
    assert all(np.isfinite(floats(values[2][0]["h"])))


def test_a_cell_without_points_is_refused_with_the_reason():
    h, x = symbols("h x")
    cell = Cell("never", Eq(h[t], sqrt(-1 - h[t - 1] ** 2) + x[t]))
    with pytest.raises(VerificationError, match=r"never.*sqrt of a number outside its domain"):
        point_of(cell)


def test_reference_numbers_of_a_case_are_for_exactly_the_inputs_of_that_dtype():
    cell = lstmgen.load("rnn")
    cases = Cases(cell)
    shape = shapes(cell.normal_form)[0]
    for dtype in ("float32", "float64"):
        case = cases.make(shape, dtype)
        assert case.parameters["W"].dtype == dtype
        assert case.y.dtype == "float64"
        p = {name: array.astype("float64") for name, array in case.parameters.items()}
        h = case.initial["h"].astype("float64")
        for step, x in enumerate(case.inputs["x"].astype("float64")):
            h = np.tanh(np.concatenate([h, x], 1) @ p["W"].T + p["b"])
            np.testing.assert_allclose(case.y[step], h, rtol=0, atol=1e-14)
        np.testing.assert_allclose(case.last["h"], h, rtol=0, atol=1e-14)
        both, dy, dstate = (case.gradients[k] for k in ("dy and dstate", "dy", "dstate"))
        np.testing.assert_allclose(
            both.parameters["W"], dy.parameters["W"] + dstate.parameters["W"], atol=1e-14
        )


def test_sizes_have_ones_and_unequal_numbers():
    for target in ("numpy", "cupy"):
        found = shapes(lstmgen.load("lstm").normal_form, targets.get(target).sizes.more)
        assert any(s.T == 1 for s in found)
        assert any(s.B == 1 for s in found)
        assert any(s.size("D") == 1 for s in found)
        assert any(s.H == 1 for s in found)
        assert sum(s.size("D") != s.H for s in found) >= 3
    assert any(s.B * s.H > 256 for s in found)


def test_an_exact_tie_is_taken_where_there_is_no_other_point():
    cell = CELLS["relu_of_relu"]
    arithmetic, _, _, _ = point_of(cell, T=4, B=3, H=5, ties_at_once=True)
    assert arithmetic.tie
    assert arithmetic.kink > 1e-3
    arithmetic, _, _, _ = point_of(cell, T=4, B=3, H=5)
    assert not arithmetic.tie


def test_max_of_three_takes_the_largest():
    h, x, d = symbols("h x d")
    alpha = scalars("alpha")
    cell = Cell("three", Eq(h[t], Max(h[t - 1], x[t], alpha * d)))
    _, _, point, values = point_of(cell, T=1, B=2, H=4, D=4)
    p = floats(point.parameters)
    for row in range(2):
        x, h = floats(point.inputs[0][row]["x"]), floats(point.initial[row]["h"])
        sides = [h, x, p["alpha"] * p["d"]]
        np.testing.assert_array_equal(floats(values[1][row]["h"]), np.max(sides, axis=0))
