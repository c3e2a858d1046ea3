"""The checks of a module: a hand-written one passes, and every mistake put into it is named."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import handwritten_lstm
import numpy as np
import pytest

import lstmgen
from lstmgen.errors import UnavailableError, UsageError, VerificationError
from lstmgen.verification import (
    Verifier,
    is_module_file,
    make_runner,
    target_of_file,
    verify_file,
    verify_module,
)

SOURCE = Path(handwritten_lstm.__file__).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def verifier():
    return Verifier(lstmgen.load("lstm"), quick=True)


def changed(*replacements: tuple[str, str]) -> ModuleType:
    """The hand-written module with text replaced; each text must be there once."""
    source = SOURCE
    for old, new in replacements:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    module = ModuleType("changed_lstm")
    exec(compile(source, "changed_lstm", "exec"), module.__dict__)
    return module


def failing(verifier, *replacements) -> dict[str, set[str]]:
    """The labels that fail, by check without its dtype."""
    report = verifier.check(make_runner(changed(*replacements)))
    found: dict[str, set[str]] = {}
    for check in report.failures:
        name = check.check.removesuffix(" float64").removesuffix(" float32")
        found.setdefault(name, set()).add(check.label)
        text = str(check)
        assert check.what in text
        assert "FAILED" in text
    return found


def label(of: str) -> str:
    return lstmgen.load("lstm").gradients.parameter(of).label


def test_a_correct_module_passes_every_check(verifier):
    report = Verifier(lstmgen.load("lstm")).check(make_runner(handwritten_lstm))
    assert report.ok, str(report)
    named = {check.check for check in report.checks}
    for dtype in ("float64", "float32"):
        assert {f"forward {dtype}", f"backward {dtype}", f"step {dtype}"} <= named
        assert {f"tape twice {dtype}", f"reuse {dtype}", f"inputs untouched {dtype}"} <= named
        labels = [c.label for c in report.checks if c.check == f"backward {dtype}"]
        assert labels == [f"δ{k}" for k in range(11, 22)]
    bounds = {c.check.split()[-1]: c.bound for c in report.checks if c.bound is not None}
    assert bounds == {"float64": 1e-12, "float32": 1e-4}
    assert all(c.error < c.bound / 5 for c in report.checks if c.error is not None)


def test_a_wrong_sign_in_forward_names_the_states_that_are_wrong(verifier):
    found = failing(verifier, ("C_new = f * C + i * g", "C_new = f * C - i * g"))
    assert found["forward"] == {"4", "6"}


def test_a_mistake_in_the_output_alone_names_the_output_alone(verifier):
    found = failing(
        verifier,
        ("np.where(taken[t], steps[-1][-1], 0)", "np.where(taken[t], steps[-1][-1] ** 2, 0)"),
    )
    assert found["forward"] == {"6"}
    assert "backward" not in found
    assert "step" not in found


@pytest.mark.parametrize("parameter", ["W_f", "b_i", "W_C", "b_o"])
def test_a_gradient_that_is_not_accumulated_is_named(verifier, parameter):
    kind, gate = parameter.split("_")
    other = {"W": "da.T @ hx", "b": "da.sum(axis=0)"}[kind]
    line = f'grad[f"{kind}_{{gate}}"] += {other}'
    only = f'grad[f"{kind}_{{gate}}"] = {other} + (gate != "{gate}") * grad[f"{kind}_{{gate}}"]'
    found = failing(verifier, (line, only))
    assert found["backward"] == {label(parameter)}
    assert "forward" not in found


def test_a_stale_state_in_backward_names_what_depends_on_it(verifier):
    found = failing(verifier, ("da_f = dC * C_old", "da_f = dC * C_new"))
    assert {label("W_f"), label("b_f")} <= found["backward"]
    assert "forward" not in found


def test_a_missing_recurrence_is_named_for_the_initial_state(verifier):
    found = failing(verifier, ("        dC = dC * f\n", "        dC = dC * 1\n"))
    assert "δ21" in found["backward"]


def test_dy_and_dstate_are_each_checked_alone(verifier):
    found = failing(verifier, ('else dstate["C"].copy()', 'else 0 * dstate["C"]'))
    assert "δ21" in found["backward"]
    found = failing(verifier, ("        if dy is not None:", "        if dstate is not None:"))
    assert found["backward"]


def test_a_step_that_differs_from_forward_is_named(verifier):
    found = failing(
        verifier,
        ('return {"h": result[-1], "C": result[5]}', 'return {"h": result[-1], "C": result[4]}'),
    )
    assert found["step"] == {"4", "6"}
    assert set(found) == {"step", "step again", "layout"}


def test_a_tape_that_can_be_used_once_is_found(verifier):
    found = failing(
        verifier, ("    return grad, dx, {", "    tape.steps.clear()\n    return grad, dx, {")
    )
    assert found["backward"]
    assert found["tape twice"]


def test_a_spent_tape_that_is_accepted_is_found(verifier):
    found = failing(verifier, ("        reuse.spent = True", "        reuse.spent = False"))
    assert found["wrong tape"] == {""}
    assert set(found) == {"wrong tape", "lengths, restart"} or set(found) == {"wrong tape"}


def test_a_refusal_without_a_clear_error_is_found(verifier):
    found = failing(
        verifier,
        (
            'raise ValueError("tape: this tape was given to reuse; use the newer one")',
            "assert False",
        ),
    )
    assert found["wrong tape"] == {""}
    assert set(found) == {"wrong tape", "lengths, restart"} or set(found) == {"wrong tape"}


def test_stale_numbers_after_reuse_are_found(verifier):
    found = failing(
        verifier,
        (
            "    return y, last, Tape(key,",
            "    if reuse is not None and reuse.steps:\n        steps[0] = reuse.steps[0]\n"
            "    return y, last, Tape(key,",
        ),
    )
    assert set(found) == {"reuse"}
    assert label("W_f") in found["reuse"]


def test_inputs_that_are_written_to_are_found(verifier):
    found = failing(
        verifier,
        (
            "            dh = dh + np.where(taken, dy[t], 0)",
            "            dy[t] += dh\n            dh = np.where(taken, dy[t], 0)",
        ),
    )
    assert found["inputs untouched"] == {""}
    found = failing(
        verifier,
        (
            '    h, C = state["h"].copy(), state["C"].copy()\n',
            '    h, C = state["h"], state["C"]\n    C *= 1 + 1e-7\n',
        ),
    )
    assert found["inputs untouched"] == {""}


def test_results_that_backward_overwrites_are_found(verifier):
    found = failing(
        verifier,
        (
            "(x.shape, h, C), masks)",
            "(x.shape, last['h'], C), masks)",
        ),
        ("    return grad, dx, {", "    h += 1\n    return grad, dx, {"),
    )
    assert found["results kept"] == {"6"}


def test_a_wrong_dtype_shape_or_nan_is_a_failed_line(verifier):
    found = failing(verifier, ("    last = {", '    y = y.astype("float64")\n    last = {'))
    assert found["forward"] == {"6"}
    found = failing(verifier, ("    last = {", "    y = y[..., None]\n    last = {"))
    assert found["forward"] == {"6"}
    found = failing(verifier, ("    last = {", "    y = y * np.nan\n    last = {"))
    assert found["forward"] == {"6"}
    found = failing(verifier, ("    last = {", "    y = y.tolist()\n    last = {"))
    assert found["forward"] == {"6"}


def test_exceptions_and_missing_names_are_failed_lines(verifier):
    report = verifier.check(
        make_runner(changed(("    hx = np.concatenate", "    hx = np.nothing")))
    )
    line = next(check for check in report.failures if check.check == "forward float64")
    assert "AttributeError" in line.detail
    found = failing(
        verifier, ("    return grad, dx, {", "    del grad['b_o']\n    return grad, dx, {")
    )
    assert found["backward"] == {"δ1-δ21"}
    assert not verifier.check(make_runner(ModuleType("empty"))).ok


def test_overflow_is_found(verifier):
    found = failing(
        verifier, ("    return 1 / (1 + np.exp(-a))", "    return np.exp(a) / (1 + np.exp(a))")
    )
    assert set(found) == {"large inputs"}


def test_another_order_in_memory_is_tried(verifier):
    found = failing(
        verifier,
        (
            "    T, B, _ = x.shape\n",
            "    T, B, _ = x.shape\n    x = np.ravel(x, 'K').reshape(x.shape)\n",
        ),
    )
    assert set(found) == {"layout", "lengths, restart"}


def test_empty_sequences_and_the_interface_are_checked(verifier):
    found = failing(verifier, ("h, C = state[", "y = x[:0].sum() if T else [][0]; h, C = state["))
    assert found == {"empty": {""}}
    assert failing(verifier, ('OUTPUT = "h"', 'OUTPUT = "C"')) == {"interface": {""}}
    assert failing(verifier, ("np.random.default_rng(seed)", "np.random.default_rng()")) == {
        "interface": {""}
    }


def test_a_default_that_is_not_zero_is_found(verifier):
    found = failing(
        verifier,
        (
            "state = init_state(B, H, dtype=x.dtype) if",
            "state = {'h': np.ones((B, H), x.dtype), 'C': np.ones((B, H), x.dtype)} if",
        ),
    )
    assert found == {"defaults": {""}, "lengths, restart": {""}}


def test_a_tape_that_was_not_wanted_is_found(verifier):
    found = failing(verifier, (" if tape else None", ""))
    assert set(found) == {"no tape", "lengths, restart"}


def test_lower_precision_inside_is_found(verifier):
    found = failing(
        verifier,
        (
            "    hx = np.concatenate([h, x], axis=1)",
            "    hx = np.concatenate([h, x], axis=1)\n"
            '    hx = hx.astype("float16").astype(h.dtype)',
        ),
    )
    assert found["forward"] == {"4", "6"}


def test_a_verifier_can_stop_at_the_first_failure(verifier):
    module = changed(("C_new = f * C + i * g", "C_new = f * C - i * g"))
    report = verifier.check(make_runner(module), stop=True)
    assert not report.ok
    assert len(report.failures) == 1


def test_the_whole_report_has_the_derivation_and_the_module():
    seen = []
    report = verify_module(
        handwritten_lstm, "lstm", progress=lambda text, done: seen.append((text, done))
    )
    assert report.ok, str(report)
    checks = [check.check for check in report.checks]
    assert (
        checks.index("normal form") < checks.index("derivation") < checks.index("forward float64")
    )
    assert [done for _, done in seen] == sorted(done for _, done in seen)
    assert seen[-1][1] == 1.0
    assert 0 <= seen[0][1] < 0.01


def test_the_same_verification_gives_the_same_report(verifier):
    first = Verifier(lstmgen.load("rnn"))
    second = Verifier(lstmgen.load("rnn"))
    for a, b in zip(first.cases(), second.cases(), strict=True):
        assert a.y.tobytes() == b.y.tobytes()
    assert first.derivation() == second.derivation()


def test_a_file_is_verified_as_it_is_on_disk(tmp_path):
    path = tmp_path / "edited.py"
    path.write_text(SOURCE, encoding="utf-8")
    assert is_module_file(path)
    assert target_of_file(path) == "numpy"
    assert verify_file(path).ok
    path.write_text(SOURCE.replace("f * C + i * g", "f * C + i * f"), encoding="utf-8")
    report = verify_file(path)
    assert not report.ok
    assert report.module == "edited.py"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_a_cell_that_is_not_built_in_needs_the_cell(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE.replace('CELL = "lstm"', 'CELL = "mine"'), encoding="utf-8")
    with pytest.raises(UsageError, match="'mine', which is not built in"):
        verify_file(path)
    with pytest.raises(UsageError, match="is a module of the cell 'mine', not of 'lstm'"):
        verify_file(path, "lstm")


def test_files_that_are_no_modules_are_refused(tmp_path):
    cell = Path(lstmgen.__file__).parent / "library" / "cells" / "lstm.py"
    assert not is_module_file(cell)
    with pytest.raises(UsageError, match="not a generated module"):
        verify_file(cell)
    with pytest.raises(UsageError, match="there is no file"):
        verify_file(tmp_path / "none.py")
    path = tmp_path / "broken.py"
    path.write_text(SOURCE + "\nraise RuntimeError('on purpose')\n", encoding="utf-8")
    with pytest.raises(VerificationError, match="RuntimeError: on purpose"):
        verify_file(path)
    path.write_text("def forward(:\n", encoding="utf-8")
    with pytest.raises(VerificationError, match=r"broken.py:1: "):
        verify_file(path)


def test_targets_and_devices_that_do_not_exist_are_refused():
    with pytest.raises(UsageError, match="no target 'torch'"):
        make_runner(handwritten_lstm, "torch")
    with pytest.raises(UsageError, match="numpy runs on cpu, not on 'cuda'"):
        make_runner(handwritten_lstm, "numpy", "cuda")
    with pytest.raises(UsageError, match="cupy runs on cuda or cpu, not on 'tpu'"):
        make_runner(handwritten_lstm, "cupy", "tpu")


def test_a_device_that_is_not_here_is_unavailable():
    try:
        import cupy
    except ImportError:
        with pytest.raises(UnavailableError, match="CuPy is not installed"):
            make_runner(handwritten_lstm, "cupy")
    else:
        assert cupy is not None


def test_a_module_with_unequal_copies_does_not_change_the_cases(verifier):
    """A module that writes to its arguments must not spoil the data of the next module."""
    case = next(iter(verifier.cases()))
    before = case.parameters["W_f"].copy()
    verifier.check(
        make_runner(
            changed(
                (
                    "    T, B, _ = x.shape\n",
                    "    T, B, _ = x.shape\n    params['W_f'][:] = 0\n    x[:] = 0\n",
                )
            )
        )
    )
    np.testing.assert_array_equal(case.parameters["W_f"], before)
    assert verifier.check(make_runner(handwritten_lstm)).ok


def test_a_cupy_module_runs_where_its_cupy_is():
    from lstmgen.cuda import on_cpu as cuda_on_cpu

    module = cuda_on_cpu.load_module("import cupy\nx = 1\n", "small")
    runner = make_runner(module, "cupy")
    assert (runner.target.name, runner.device) == ("cupy", "cpu")
    array = np.arange(6, dtype="float32").reshape(2, 3)
    there = runner.to_device(array)
    assert isinstance(there, module.cupy.ndarray)
    np.testing.assert_array_equal(runner.to_host(there), array)
    with pytest.raises(TypeError, match="CuPy array was expected, not ndarray"):
        runner.to_host(array)
    with pytest.raises(UsageError, match="loaded for the cpu"):
        make_runner(module, "cupy", "cuda")
    with pytest.raises(UsageError, match="loaded for cuda"):
        make_runner(handwritten_lstm, "cupy", "cpu")
