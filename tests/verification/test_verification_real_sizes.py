"""Verification meets real sizes, lengths and restarts, views, tapes and initial values."""

from __future__ import annotations

import types
from functools import cache

import numpy as np
import pytest

import lstmgen
from lstmgen.verification import Verifier, make_runner
from lstmgen.verification.cases import Cases
from lstmgen.verification.layouts import LAYOUTS, laid_out
from lstmgen.verification.points import shape_for
from lstmgen.verification.sequences import sequences
from lstmgen.verification.wide import many_rows


@cache
def source(name: str, target: str = "numpy") -> str:
    return lstmgen.render(lstmgen.load(name), target)


@cache
def verifier(name: str, quick: bool = False) -> Verifier:
    return Verifier(lstmgen.load(name), quick=quick)


def failing(name: str, old: str, new: str, *, quick: bool = False) -> set[str]:
    """The checks that fail, without their dtypes, of a module with its text changed once."""
    text = source(name)
    assert old in text, old
    module = types.ModuleType("changed")
    exec(compile(text.replace(old, new, 1), "<changed>", "exec"), module.__dict__)
    report = verifier(name, quick).check(make_runner(module))
    return {check.check.rpartition(" float")[0] or check.check for check in report.failures}


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        # Sums and states of the second block of steps on.
        ("last[:, :n] = block.h[-1]", "last[:, :n] = block.h[-1 if steps < 14 else -2]", "forward"),
        ("handed[:, :n] = carry", "handed[:, :n] = carry if at.start < 999 else 0", "backward"),
        # The refusal of tapes.
        ("if tape.spent:", "if False:", "wrong tape"),
        ("if reuse.key != key:", "if False:", "wrong tape"),
        ("if not isinstance(tape, Tape):", "if False:", "wrong tape"),
        # Initial values.
        ("bound = H**-0.5", "bound = D**-0.5", "interface"),
        ("bound = H**-0.5", "bound = 0.9 * H**-0.5", "interface"),
        ("random.uniform(-bound, bound, shape)", "abs(random.uniform(-bound, bound, shape))",
         "interface"),
        ("default_rng(seed)", "default_rng(0)", "interface"),
    ],
)  # fmt: skip
def test_a_fault_is_found(old: str, new: str, check: str) -> None:
    if old not in source("rnn"):
        pytest.fail(f"the module has no longer {old!r}: take what stands for it")
    assert check in failing("rnn", old, new)


def test_scalars_are_one() -> None:
    module = types.ModuleType("changed")
    text = source("fast_rnn")
    assert "if shape else 1.0" in text
    exec(text.replace("if shape else 1.0", "if shape else 0.5"), module.__dict__)
    report = Verifier(lstmgen.load("fast_rnn"), quick=True).check(make_runner(module))
    assert {check.check for check in report.failures} == {"interface"}


def test_a_statement_that_nothing_runs_is_named() -> None:
    module = types.ModuleType("changed")
    extra = '\n    if hidden_size == 12345:\n        raise ValueError("never")\n'
    line = '    H = _size("hidden_size", hidden_size)'
    text = source("rnn").replace(f"{line}\n", line + extra, 1)
    exec(compile(text, "<changed>", "exec"), module.__dict__)
    report = verifier("rnn").check(make_runner(module))
    (check,) = report.failures
    assert check.check == "never run"
    assert check.what.startswith("init_params, line ")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sequences_are_what_their_parts_are(dtype: str) -> None:
    """Against the equations in NumPy, run row by row with lengths and restarts."""
    cell = lstmgen.load("rnn")
    pool = Cases(cell).make_pool(shape_for(cell.normal_form, 4, 1, 4, 3), dtype)
    assert pool is not None
    case = many_rows(sequences(pool, 9, 6, 1, lengths=True, restart=True), 2)
    assert case.lengths is not None and case.restart is not None
    assert {0, 9} <= set(case.lengths.tolist()) and case.restart.any()
    W, b = (case.parameters[n].astype(float) for n in ("W", "b"))
    for row, length in enumerate(case.lengths):
        h = case.initial["h"][row].astype(float)
        for t in range(9):
            x = case.inputs["x"][t, row]
            assert np.isnan(x).all() == (t >= length)
            if t >= length:
                assert not case.y[t, row].any()
                continue
            h = np.tanh(W @ np.concatenate([0 * h if case.restart[t, row] else h, x]) + b)
            np.testing.assert_allclose(case.y[t, row], h, rtol=0, atol=1e-12)
        np.testing.assert_allclose(case.last["h"][row], h, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)])
def test_views_hold_the_same_numbers(layout: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).standard_normal(shape)
    view = laid_out(array, layout, np.array)
    np.testing.assert_array_equal(view, array)
    if shape:
        assert view.base is not None


def test_statements_of_compiled_text_are_counted() -> None:
    from lstmgen.targets.common.counters import count_statements

    text = """\
static int unused(int a) { return a; }
static int half(int a)
{
    if (a > 0)
        return a / 2;
    else
        a = 0;
#pragma unroll
    for (int k = 0; k < a; k++) a += k;
    switch (a) {
    case 1: a = 2; break;
    default: a = 3;
    }
    return a;
}
int NAME(f)(int a) { return half(a); }
"""
    counted = count_statements(text)
    assert [place.partition(": ")[2] for place in counted.places] == [
        "return a / 2;", "a = 0;", "a += k;", "a = 2;", "a = 3;", "return a;", "return half(a);",
    ]  # fmt: skip
    assert counted.places[0].startswith("line 5: ")
    assert counted.functions == ("half",) * 6 + ("",)
    plain = counted.text
    for k in range(len(counted.places)):
        plain = plain.replace(f"lstmgen_ran[{k}] = 1; ", "")
    assert plain.replace("{", "").replace("}", "").split() == (
        text.replace("{", "").replace("}", "").split()
    )


def test_what_is_not_verified_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from lstmgen.targets.numpy.target import NumpyTarget

    class Plain(NumpyTarget):
        sequences = False
        machine = frozenset({"_size"})

    target = Plain()
    module = lstmgen.compile(lstmgen.load("rnn"), "numpy")
    monkeypatch.setattr(module, "_size", lambda name, value, smallest=1: value)
    report = Verifier(lstmgen.load("rnn"), target, quick=True).check(make_runner(module, target))
    assert report.left_out == ("lengths and restart, which modules for numpy do not take",)
