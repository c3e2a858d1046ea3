"""The random cells themselves: what they reach, that the reference is right, that checks fail."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import verification_cells

import lstmgen
from lstmgen import Cell
from lstmgen.algebra.functions import Function
from lstmgen.errors import EquationError
from lstmgen.verification.cases import Cases
from lstmgen.verification.points import shape_for
from lstmgen.verification.runners import build_runner
from tests.random_cells.__main__ import main
from tests.random_cells.checking import Wrong, check
from tests.random_cells.declaration import Declaration, read
from tests.random_cells.families import every_family, families
from tests.random_cells.functions import Kinks, call
from tests.random_cells.making import CALLS, random_cell
from tests.random_cells.names import POOL
from tests.random_cells.points import find_case, sizes_for
from tests.random_cells.reference import Point, Reference
from tests.random_cells.shrinking import shrink

MANY = 500
CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.py"))
KNOWN = ("lstm", "gru_reset_after", "slstm", "unicornn")


@pytest.fixture(scope="module")
def made() -> list[Declaration]:
    return [random_cell(random.Random(seed)) for seed in range(MANY)]


def test_every_family_is_reached(made: list[Declaration]) -> None:
    """Where this fails, the generator has lost a family, or a new function is not spelled yet."""
    counts: Counter[str] = Counter()
    refused = 0
    for declaration in made:
        try:
            counts.update(families(declaration.cell()))
        except EquationError:
            refused += 1
    assert refused < MANY / 50
    assert not [family for family in every_family() if not counts[family]]
    assert set(counts) == set(every_family())


def test_names_collide_with_the_targets(made: list[Declaration]) -> None:
    names = {name for declaration in made for _, name in declaration.renamed}
    assert len(names) > 0.8 * len(POOL)
    assert {"y", "H", "T", "B", "NAN", "INFINITY", "warpSize", "np", "params", "tape"} <= {*POOL}


def test_the_same_seed_gives_the_same_cell(made: list[Declaration]) -> None:
    assert [random_cell(random.Random(seed)) for seed in range(20)] == made[:20]
    assert len(set(made)) > 0.97 * MANY


def test_a_declaration_is_written_and_read_back(made: list[Declaration], tmp_path: Path) -> None:
    for k, declaration in enumerate(made[:60]):
        path = tmp_path / f"cell_{k}.py"
        path.write_text(declaration.text("About it."), encoding="utf-8")
        loaded = lstmgen.load(path)
        assert loaded.digest == declaration.cell().digest, declaration.text("About it.")
        assert loaded.equations == declaration.cell().equations
        assert read(path).cell().digest == loaded.digest


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_cells_of_the_corpus_are_declarations(path: Path) -> None:
    assert lstmgen.load(path).source, "its docstring says what failed"
    assert read(path).cell().digest == lstmgen.load(path).digest


# The reference


@pytest.mark.parametrize("name", [*KNOWN, *verification_cells.cells()])
def test_the_reference_gives_what_50_digits_give(name: str) -> None:
    cell = lstmgen.load(name) if name in KNOWN else verification_cells.cells()[name]
    form = cell.normal_form
    case = Cases(cell).make(shape_for(form, 3, 2, 4, 3), "float64")
    sizes = {value: case.shape.size(symbol) for value, symbol in form.sizes.items()}
    found = Reference(cell).run(Point(case.parameters, case.inputs, case.initial, sizes))
    np.testing.assert_allclose(found.y, case.y, rtol=1e-13, atol=1e-14)
    for state, array in case.last.items():
        np.testing.assert_allclose(found.last[state], array, rtol=1e-13, atol=1e-14)
    for seeds, expected in case.gradients.items():
        got = found.gradients(
            case.dy if "dy" in seeds else None, case.dstate if "dstate" in seeds else None
        )
        groups = (
            ("dparams", expected.parameters),
            ("dx", expected.inputs),
            ("dstate0", expected.initial),
        )
        assert len(got) == sum(len(arrays) for _, arrays in groups)
        for group, arrays in groups:
            for key, array in arrays.items():
                scale = float(np.max(np.abs(array)))
                np.testing.assert_allclose(
                    got[f"{group} {key}"], array, rtol=1e-12, atol=1e-13 * scale
                )


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.name)
def test_slopes_of_functions_are_difference_quotients(function: Function) -> None:
    rng = np.random.default_rng(3)
    given = [rng.uniform(0.2, 0.9, (4, 3)) for _ in function.arguments]
    _, slopes = call(function.notation, given, Kinks())
    for k, slope in enumerate(slopes):
        up, down = ([*given[:k], given[k] + h, *given[k + 1 :]] for h in (1e-6, -1e-6))
        above, below = (call(function.notation, at, Kinks())[0] for at in (up, down))
        difference = above - below
        np.testing.assert_allclose(slope, difference / 2e-6, rtol=0, atol=2e-9)


def test_rows_end_and_states_start_anew_as_the_contract_says() -> None:
    """Against rows run one by one, cut at their ends and at their borders."""
    cell = lstmgen.load("lstm")
    sizes = sizes_for(cell, 5, 3, 4, 3)
    case = find_case(cell, sizes, 1, ragged=True, restarts=True)
    assert case is not None and case.point.lengths is not None
    assert case.point.restart is not None and case.point.restart.any()
    point, reference = case.point, Reference(cell)
    for row in range(3):
        length = int(case.point.lengths[row])
        state = {s: a[row : row + 1] for s, a in point.initial.items()}
        for t in range(length):
            if case.point.restart[t, row]:
                state = {s: np.zeros_like(a) for s, a in state.items()}
            x = {n: a[t : t + 1, row : row + 1] for n, a in point.inputs.items()}
            one = reference.run(Point(point.parameters, x, state, point.sizes))
            np.testing.assert_allclose(case.true.y[t, row], one.y[0, 0], rtol=1e-14)
            state = one.last
        assert not case.true.y[length:, row].any()
        for s, array in state.items():
            np.testing.assert_allclose(case.true.last[s][row : row + 1], array, rtol=1e-14)
        dx = case.true.gradients(case.dy, case.dstate)["dx x"]
        assert not dx[length:, row].any()
        assert length == 0 or dx[length - 1, row].any()


def test_gradients_stop_at_a_border() -> None:
    cell = lstmgen.load("lstm")
    case = find_case(cell, sizes_for(cell, 4, 2, 3, 2), 1)
    assert case is not None
    restart = np.zeros((4, 2), bool)
    restart[2, 0] = True
    found = Reference(cell).run(replace(case.point, restart=restart))
    last_step = np.zeros_like(case.dy)
    last_step[3] = 1
    gradients = found.gradients(last_step, None)
    assert not gradients["dx x"][:2, 0].any() and gradients["dx x"][:2, 1].all()
    assert not gradients["dstate0 h"][0].any() and gradients["dstate0 h"][1].all()


# The checks


def _off(array: Any) -> Any:
    changed = np.array(array)
    changed.flat[-1] += 1e-9
    return changed


def _forward(module: Any, change: Any) -> Any:
    return lambda *args, **more: change(*module.forward(*args, **more))


def _backward(module: Any, change: Any) -> Any:
    return lambda *args, **more: change(*module.backward(*args, **more))


def _last(y: Any, last: Any, tape: Any) -> Any:
    return y, {**last, "C": _off(last["C"])}, tape


def _writing(module: Any) -> Any:
    def forward(params: Any, *args: Any, **more: Any) -> Any:
        result = module.forward(params, *args, **more)
        params["b_f"][0] += 1
        return result

    return forward


def _forgetting(module: Any) -> Any:
    def backward(params: Any, tape: Any, dy: Any = None, dstate: Any = None) -> Any:
        dparams, dx, dstate0 = module.backward(params, tape, dy, dstate)
        dparams["b_o"] += getattr(module, "left_over", 0)
        module.left_over = dparams["b_o"]
        return dparams, dx, dstate0

    return backward


def _without_reuse(module: Any) -> Any:
    def forward(*args: Any, reuse: Any = None, **more: Any) -> Any:
        return module.forward(*args, **more)

    return forward


FAULTS = {
    "y": lambda m: {"forward": _forward(m, lambda y, s, t: (_off(y), s, t))},
    "last state": lambda m: {"forward": _forward(m, _last)},
    "no tape": lambda m: {"forward": _forward(m, lambda y, s, t: (y, s, t or object()))},
    "parameter": lambda m: {
        "backward": _backward(m, lambda p, x, s: ({**p, "W_i": _off(p["W_i"])}, x, s))
    },
    "input": lambda m: {"backward": _backward(m, lambda p, x, s: (p, _off(x), s))},
    "initial state": lambda m: {
        "backward": _backward(m, lambda p, x, s: (p, x, {**s, "h": _off(s["h"])}))
    },
    "dtype": lambda m: {"backward": _backward(m, lambda p, x, s: (p, x.astype("float64"), s))},
    "step": lambda m: {"step": lambda p, x, s: {n: _off(a) for n, a in m.step(p, x, s).items()}},
    "written": lambda m: {"forward": _writing(m)},
    "tape twice": lambda m: {"backward": _forgetting(m)},
    "spent tape": lambda m: {"forward": _without_reuse(m)},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_module_with_a_fault_is_wrong(fault: str) -> None:
    cell = lstmgen.load("lstm")
    runner = build_runner(cell, "numpy")
    check(cell, runner)
    module: Any = runner.module
    names = {n: getattr(module, n) for n in ("forward", "backward", "step", "init_state")}
    faulty = SimpleNamespace(**{**names, **FAULTS[fault](module)})
    # Signatures tell whether a module takes lengths: a wrapper's do not.
    with pytest.raises(Wrong):
        check(cell, replace(runner, module=faulty))


def test_a_failing_cell_shrinks() -> None:
    def fails(declaration: Declaration) -> bool:
        try:
            return "function softplus" in families(declaration.cell())
        except EquationError:
            return False

    many = (random_cell(random.Random(seed)) for seed in range(1000))
    found = next(d for d in many if len(d.symbols) > 9 and fails(d))
    small = shrink(found, fails, seconds=20)
    assert fails(small)
    assert len(str(small)) < 100
    assert isinstance(small.cell(), Cell)


def test_the_command_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lstm = Declaration((("h", "tanh(W @ [h[t-1], x[t]])"),))
    path = tmp_path / "good.py"
    path.write_text(lstm.text("It is right."), encoding="utf-8")
    assert main([str(path)]) == 0
    assert "1 cells for numpy, 0 wrong, 0 refused" in capsys.readouterr().out

    def wrong(cell: Cell, target: str, seed: int) -> Any:
        raise Wrong("T=1 B=1 float64: y is off by 1.0e+00 of 1")

    monkeypatch.setattr("tests.random_cells.__main__.check", wrong)
    folder = tmp_path / "found"
    assert main([str(path), "--shrink", "5", "--save", str(folder)]) == 1
    assert "1 cells: Wrong y off" in capsys.readouterr().out
    (saved,) = folder.glob("*.py")
    assert len(read(saved).equations) == 1


def test_the_command_counts_families(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--families", "--cells", "3"]) == 1
    assert "not reached by 3 cells" in capsys.readouterr().err
