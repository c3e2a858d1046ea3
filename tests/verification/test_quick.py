"""The check before a build: right modules pass it quickly, wrong ones are named and not written."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import handwritten_lstm
import pytest
import verification_cells

import lstmgen
from lstmgen import Cell, Eq, sin, sqrt, symbols, t, tanh, targets
from lstmgen.cli.root import main
from lstmgen.errors import VerificationError
from lstmgen.library.loading import load, names
from lstmgen.targets.building import KEPT, build
from lstmgen.targets.cupy.target import CupyTarget
from lstmgen.targets.numpy.target import NumpyTarget
from lstmgen.targets.rendering import files
from lstmgen.verification import make_runner
from lstmgen.verification.quick import check_module

SOURCE = Path(handwritten_lstm.__file__).read_text(encoding="utf-8")
ODD = verification_cells.cells()


def problems(target: str, cell: Cell) -> tuple[str, ...]:
    found = targets.get(target)
    return found.quick_check(cell, files(cell, found))


@pytest.mark.parametrize("name", [*KEPT, *ODD])
def test_right_modules_pass(name: str) -> None:
    cell = ODD[name] if name in ODD else load(name)
    assert problems("numpy", cell) == ()


@pytest.mark.parametrize("name", [*names(), *ODD])
def test_the_statements_of_right_kernels_pass(name: str) -> None:
    assert problems("cupy", ODD[name] if name in ODD else load(name)) == ()


h, y, x, W, b = symbols("h y x W b")
CORNERS = {
    "1 - y^2 where y is near 1": (
        Eq(y[t], tanh(W @ [x[t]] + 20 * b)),
        Eq(h[t], 1e6 * (1 - y[t] ** 2) + h[t - 1] / 2),
    ),
    "a steep function": (Eq(h[t], sin(1e5 * (W @ [h[t - 1], x[t]]))),),
    "1 - y^2 under a root": (Eq(h[t], sqrt(1 - tanh(W @ [h[t - 1], x[t]]) ** 2)),),
}


@pytest.mark.parametrize("what", CORNERS)
def test_what_rounding_moves_is_looked_at_elsewhere(what: str) -> None:
    """At another point, or by smaller differences; and there a wrong module is as wrong as ever."""
    cell = Cell("corner", *CORNERS[what])
    assert problems("numpy", cell) == ()
    module = lstmgen.compile(cell, "numpy")
    true_forward, true_backward = module.forward, module.backward

    def forward(*given: Any, **options: Any) -> Any:
        found, last, tape = true_forward(*given, **options)
        return found * (1 + 1e-6), last, tape

    def backward(*given: Any, **options: Any) -> Any:
        dparams, dx, dstate0 = true_backward(*given, **options)
        return {**dparams, "W": dparams["W"] * 1.01}, dx, dstate0

    vars(module)["forward"] = forward
    assert "y[" in check_module(cell, make_runner(module))[0]
    vars(module).update(forward=true_forward, backward=backward)
    assert "params['W']" in check_module(cell, make_runner(module))[0]


@pytest.mark.parametrize("target", ["numpy", "cupy", "c"])
@pytest.mark.parametrize("name", ["lstm", "nested_lstm"])
def test_it_takes_half_a_second(target: str, name: str) -> None:
    cell, found = load(name), targets.get(target)
    texts = files(cell, found)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        assert found.quick_check(cell, texts) == ()
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1.5  # half a second where nothing else runs


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("C_new = f * C + i * g", "C_new = f * C - i * g", "(4) C[t] = f[t]*C[t-1] + i[t]*C_tilde"),
        ("o * np.tanh(C_new)", "o * np.tanh(C)", "(6) h[t] = o[t]*tanh(C[t]): y["),
        ("da_f = dC * C_old", "da_f = dC * C_new", "params['W_f'] for dy, times a direction"),
        ("        dC = dC * f\n", "", "params['W_f'] for dy, times a direction"),
        ('return grad, dx, {"h": dh.copy(), "C": dC}',
         'return grad, dx, {"h": dh.copy(), "C": -dC}', "of state['C'] for dy"),
        ('dC = np.zeros_like(C) if dstate is None else dstate["C"].copy()', "dC = 0 * C",
         "for dstate, times"),
        ('return {"h": result[-1], "C": result[5]}', 'return {"h": result[-1], "C": result[4]}',
         "(4) C[t] = f[t]*C[t-1] + i[t]*C_tilde[t]: step 1: C["),
        ("dh, dx[t] = dhx[:, :H], dhx[:, H:]", "dh, dx[t - 1] = dhx[:, :H], dhx[:, H:]",
         "x['x'] for dy"),
        ("dx = np.zeros(shape, h.dtype)", "dx = np.zeros(shape)", "dtype float64, not float32"),
        ("    h, C = state", "    h, D = state", "equations (1) to (6): forward in float64 raises"),
    ],
)  # fmt: skip
def test_a_wrong_module_is_named(old: str, new: str, named: str) -> None:
    source = SOURCE.replace(old, new)
    assert source != SOURCE
    module = ModuleType("changed")
    exec(compile(source, "changed", "exec"), module.__dict__)
    found = check_module(load("lstm"), make_runner(module))
    assert found and named in "\n".join(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dparams = {name", "dparams = {name + ' '"),
        ('None if dstate is None else dstate["C"]', "None"),
        ("reversed(list(views))", "list(views)"),
        ("sums = adjoints.sum(axis=0)", "sums = adjoints.sum(axis=0) * 2"),
        ("rows.unpack(run, tape.state_h[B:], y)", "rows.unpack(run, tape.state_h[:-B], y)"),
    ],
)
def test_a_wrong_text_around_kernels_is_named(old: str, new: str) -> None:
    """The text of the host, which no kernel sees."""
    cell, found = load("lstm"), targets.get("cupy")
    ((name, text),) = files(cell, found).items()
    assert old in text
    assert found.quick_check(cell, {name: text.replace(old, new)})


@pytest.mark.parametrize("seed", [7000030, 7000096])
def test_steep_cells_and_cells_with_constants_are_no_mistakes(seed: int) -> None:
    """Random cells for which differences, and whole numbers in kernels, once were one."""
    from tests.random_cells.making import random_cell

    assert problems("cupy", random_cell(random.Random(seed)).cell()) == ()


def test_functions_of_numbers_alone() -> None:
    h, x, W = lstmgen.symbols("h x W")
    t, sigma, sqrt = lstmgen.t, lstmgen.sigma, lstmgen.sqrt
    right = lstmgen.Eq(h[t], sigma(W @ [h[t - 1], x[t]]) * sqrt(sigma(3)) + sigma(-2))
    assert problems("cupy", Cell("numbers", right)) == ()


def test_the_line_that_raises_names_its_equations() -> None:
    cell, found = load("lstm"), targets.get("cupy")
    ((name, text),) = files(cell, found).items()
    line = next(x for x in text.splitlines() if "gemm(" in x and "# (" in x)
    labels = line.partition("# ")[2]
    wrong = text.replace(line, line.replace("gemm(", "missing("))
    (problem,) = found.quick_check(cell, {name: wrong})
    assert problem.startswith(f"{labels}: ") and "in float64 raises NameError" in problem


def test_a_wrong_statement_of_a_kernel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from lstmgen.targets.cupy import interpreter

    true = interpreter._LIBRARY["tanh"]
    monkeypatch.setitem(interpreter._LIBRARY, "tanh", lambda a: 1.001 * true(a))
    (first, *_) = problems("cupy", load("lstm"))
    assert first.startswith("(6) h[t] = o[t]*tanh(C[t]): y[")


class Wrong(NumpyTarget):
    """Doubles the output."""

    name = "numpy"

    def render(self, cell: Cell, options: Mapping[str, str]) -> str:
        *others, last = cell.equations
        doubled = Cell(cell.name, *others, lstmgen.Eq(last.lhs, 2 * last.rhs))
        return super().render(doubled, options)


def test_nothing_wrong_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(VerificationError, match=r"lstm .* is not written.*\n  \(6\) h"):
        build(load("lstm"), Wrong(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(targets.registry, "_built_in", lambda name: Wrong())
    monkeypatch.chdir(tmp_path)
    assert main(["build", "rnn", "lstm", "--target", "numpy"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("lstmgen: rnn for numpy is not written, as it disagrees")
    assert "\n  (1) h[t] = tanh(" in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    assert main(["build", "lstm", "--target", "numpy", "--no-verify"]) == 0
    assert (tmp_path / "generated" / "lstm_numpy.py").exists()


def test_many_equations_take_little_time_and_share_directions() -> None:
    t, sigma, symbols = lstmgen.t, lstmgen.sigma, lstmgen.symbols
    h, x = symbols("h x")
    gates = [symbols(f"g{k} W{k} b{k}") for k in range(100)]
    equations = [lstmgen.Eq(g[t], sigma(W @ [h[t - 1], x[t]] + b)) for g, W, b in gates]
    mean = sum(g[t] for g, _, _ in gates[1:]) + gates[0][0][t]
    cell = Cell("many", *equations, lstmgen.Eq(h[t], mean / 100))
    found = targets.get("numpy")
    texts = files(cell, found)
    start = time.process_time()
    assert found.quick_check(cell, texts) == ()
    assert time.process_time() - start < 1.5  # half a second where nothing else runs
    ((name, text),) = texts.items()
    before, found_last, after = text.rpartition('"b57": ')
    assert found_last
    wrong = f'{before}"b57": 2 * {after}'
    (first, *_) = found.quick_check(cell, {name: wrong})
    assert "equations: the gradient of params['" in first and "'b57'" in str(first)


def test_a_text_that_is_no_module_is_not_written(tmp_path: Path) -> None:
    class Broken(NumpyTarget):
        def render(self, cell: Cell, options: Mapping[str, str]) -> str:
            return super().render(cell, options) + "for in x:\n"

    with pytest.raises(VerificationError, match=r"equations \(1\) to \(6\): .* SyntaxError: line"):
        build(load("lstm"), Broken(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_on_disk_already_is_not_verified_again(tmp_path: Path) -> None:
    build(load("lstm"), Wrong(), tmp_path, verify=False)
    (outcome,) = build(load("lstm"), Wrong(), tmp_path)
    assert outcome.action == "unchanged"


def test_the_check_of_cupy_needs_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "/nothing/here")
    assert CupyTarget().quick_check(load("gru"), files(load("gru"), "cupy")) == ()


def test_where_nothing_can_be_evaluated_nothing_is_written(tmp_path: Path) -> None:
    h, x, W = lstmgen.symbols("h x W")
    t = lstmgen.t
    never = Cell("never", lstmgen.Eq(h[t], lstmgen.log(lstmgen.tanh(W @ [h[t - 1], x[t]]) - 2)))
    with pytest.raises(VerificationError, match="so nothing was compared"):
        build(never, "numpy", tmp_path)
