"""The derived state-to-state Jacobian against differences of the cell's own equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from lstmgen import Cell, Eq, load, symbols, t, tanh
from lstmgen.algebra.expression import Expression, Value
from lstmgen.cli.jacobian import jacobian as command
from lstmgen.form.normal_form import NormalForm
from lstmgen.gradients.jacobian import Jacobian, jacobian
from lstmgen.gradients.paths import Block, Diagonal, Entry, Factor, Group, Term, Whole
from lstmgen.library.loading import names
from lstmgen.verification.arithmetic import Arithmetic
from lstmgen.verification.equations import Compiler, NormalFormEvaluator, block
from lstmgen.verification.points import Point, find_point, shape_for
from lstmgen.verification.reference import Reference
from lstmgen.verification.unrolling import Frame

DIGITS = 50
STEP = "1e-16"  # central differences are then exact to about 32 digits
BOUND = 1e-25


class Evaluation:
    """The matrices of a Jacobian at one point, computed as its terms say."""

    def __init__(self, derived: Jacobian, frame: Frame, arithmetic: Arithmetic) -> None:
        self.derived, self.frame = derived, frame
        self.form: NormalForm = derived.form
        self.compiler = Compiler(self.form, arithmetic)
        for entry in reversed(derived.helpers + derived.entries):
            if entry.diagonal is not None:
                self._name(entry)

    def _name(self, entry: Entry) -> None:
        for node in _values(entry.direct):
            for other in (*self.derived.entries, *self.derived.helpers):
                if other.diagonal == node.name and node.name not in self.frame.now:
                    self._name(other)
        self.frame.now[str(entry.diagonal)] = list(self.diagonal(entry.direct, entry.of).diagonal())

    def matrix(self, entry: Entry, *, direct: bool = True) -> Any:
        size = self.frame.shape.size
        total = np.zeros((size(self.form.sizes[entry.of]), size(self.form.sizes[entry.by])), object)
        if direct and entry.direct != _ZERO:
            total = total + self.diagonal(entry.direct, entry.of)
        return sum((self.term(term) for term in entry.products), total)

    def diagonal(self, vector: Expression, of: str) -> Any:
        found = self.compiler.compile(vector)(self.frame)
        size = self.frame.shape.size(self.form.sizes[of])
        return np.diag(np.array(found if isinstance(found, list) else [found] * size, object))

    def term(self, term: Term) -> Any:
        product: Any = -1 if term.negative else 1
        for factor in term.factors:
            matrix = self.factor(factor)
            both = isinstance(product, np.ndarray) and isinstance(matrix, np.ndarray)
            product = product @ matrix if both else product * matrix
        return product

    def factor(self, factor: Factor) -> Any:
        match factor:
            case Diagonal(vector):
                found = self.compiler.compile(vector)(self.frame)
                return np.diag(np.array(found, object)) if isinstance(found, list) else found
            case Block(weight, slot, transposed):
                columns = self.form.weights[weight].columns
                start, stop = block(columns, slot, self.frame.shape)
                matrix = np.array(self.frame.parameters[weight], object)[:, start:stop]
                return matrix.T if transposed else matrix
            case Whole(of, by, part):
                return self.matrix(self.derived.entry(of, by), direct=not part)
            case Group(terms):
                return sum(self.term(term) for term in terms)


_ZERO = jacobian(load("lstm")).entry("C", "h").direct


def _values(expression: Expression) -> list[Value]:
    from lstmgen.algebra.expression import walk

    return [node for node in walk(expression) if isinstance(node, Value)]


def worst_error(cell: Cell) -> float:
    """The largest difference between derived and differenced Jacobian, of the largest entry."""
    arithmetic = Arithmetic(DIGITS)
    form, derived = cell.normal_form, jacobian(cell)
    reference = Reference(cell, arithmetic)
    shape = shape_for(form, T=1, B=1, H=3, D=2)
    evaluator = NormalFormEvaluator(form, arithmetic)
    point, trajectory = find_point(
        form, arithmetic, f"jacobian {cell.name}", [shape], evaluator.run, margin=1e-6
    )
    before, now = trajectory[0][0], trajectory[1][0]
    evaluation = Evaluation(derived, Frame(dict(now), before, point.parameters, shape), arithmetic)
    errors, sizes = [], []
    for entry in derived.entries:
        wanted = differences(reference, point, entry.of, entry.by)
        found = evaluation.matrix(entry)
        assert found.shape == wanted.shape
        errors.append(np.max(np.abs(found - wanted)))
        sizes.append(np.max(np.abs(wanted)))
    return float(max(errors) / max(sizes))


def differences(reference: Reference, point: Point, of: str, by: str) -> Any:
    """d of_1 / d by_0 by central differences of the equations, column by column."""
    step = reference.arithmetic.number(STEP)
    columns = []
    for unit in range(len(point.initial[0][by])):
        ends = []
        for sign in (1, -1):
            moved = {name: list(vector) for name, vector in point.initial[0].items()}
            moved[by][unit] += sign * step
            changed = Point(
                point.shape, point.parameters, point.inputs, [moved], point.dy, point.dstate
            )
            ends.append(np.array(reference.run(changed)[1][0][of], object))
        columns.append((ends[0] - ends[1]) / (2 * step))
    return np.array(columns, object).T


@pytest.mark.parametrize("name", names())
def test_every_built_in_cell_against_differences(name: str) -> None:
    assert worst_error(load(name)) < BOUND


def test_a_wrong_jacobian_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import lstmgen.gradients.jacobian as module

    original = module._magnitude
    monkeypatch.setattr(module, "_magnitude", lambda e: (original(e)[0], False))
    assert worst_error(load("slstm")) > 1e-3


def test_the_conveyor_belt_of_the_lstm_is_the_forget_gate() -> None:
    derived = jacobian(load("lstm"))
    along = derived.entry("C", "C")
    assert along.direct == Value("f") and along.products == ()
    assert derived.entry("C", "h").direct == _ZERO
    line = r"\frac{\partial C_t}{\partial C_{t-1}} &= \operatorname{diag}(f_t) \tag{J4}"
    assert line in derived.latex()
    assert "(J4) dC_t/dC_{t-1} = diag(f_t)" in str(derived).splitlines()


def test_the_rnn_has_only_a_path_through_its_weight() -> None:
    derived = jacobian(load("rnn"))
    assert derived.entry("h", "h").direct == _ZERO
    right = r"\operatorname{diag}(1 - h_t^2)\, W_h"
    assert rf"\frac{{\partial h_t}}{{\partial h_{{t-1}}}} &= {right} \tag{{J1}}" in derived.latex()
    assert "(J1) dh_t/dh_{t-1} = diag(1 - h_t^2) W[0]" in str(derived).splitlines()


def test_direct_paths_stand_apart_from_those_through_products() -> None:
    written = jacobian(load("gru")).latex()
    assert r"\underbrace{\operatorname{diag}(1 - z_t)}_{\text{direct}} + " in written
    for derived in map(jacobian, map(load, names())):
        for entry in (*derived.entries, *derived.helpers):
            assert all(_has_weight(term, derived) for term in entry.products), entry


def _has_weight(term: Term, derived: Jacobian) -> bool:
    """Whether every path of the term passes through a matrix product."""
    for factor in term.factors:
        if isinstance(factor, Block):
            return True
        if isinstance(factor, Group) and all(_has_weight(t, derived) for t in factor.terms):
            return True
        if isinstance(factor, Whole) and (
            factor.part or derived.entry(factor.of, factor.by).direct == _ZERO
        ):
            return True
    return False


def test_one_align_environment() -> None:
    for name in names():
        written = jacobian(load(name)).latex()
        assert written.startswith(r"\begin{align*}") and written.endswith(r"\end{align*}")
        assert written.count(r"\begin") == 1
        assert written.count("{") == written.count("}")
        assert "\x01" not in written


def braided(levels: int) -> Cell:
    """A chain in which every value reaches the next on two ways: 2^levels paths."""
    h, x, W = symbols("h x W")
    left, right, both = (
        symbols(" ".join(f"{c}_{k}" for k in range(levels))) for c in ("left", "right", "both")
    )
    equations = []
    last = h[t - 1]
    for k in range(levels):
        equations += [
            Eq(left[k][t], tanh(last)),
            Eq(right[k][t], tanh(last * last + W @ [last] if k % 2 else last * last)),
            Eq(both[k][t], left[k][t] * right[k][t]),
        ]
        last = both[k][t]
    return Cell("braided", *equations, Eq(h[t], last + x[t]))


def doubled(levels: int) -> Cell:
    """A chain of layers with two matrices each: 2^levels paths through products."""
    h, x, U, V = symbols("h x U V")
    layers = symbols(" ".join(f"u_{k}" for k in range(levels)))
    equations = []
    last = h[t - 1]
    for layer in layers:
        equations.append(Eq(layer[t], tanh(U @ [last] - V @ [last])))
        last = layer[t]
    return Cell("doubled", *equations, Eq(h[t], last + x[t]))


@pytest.mark.parametrize("make", [braided, doubled])
def test_shared_paths_are_mentioned_and_not_written_out(make: Callable[[int], Cell]) -> None:
    small, large = jacobian(make(6)), jacobian(make(24))
    # Values shrink with every level, and the step of the differences does not.
    assert worst_error(make(5)) < 1e-15
    assert large.helpers
    assert len(str(large)) < 8 * len(str(small)), "4 times the equations, so about 4 times the text"


def test_a_long_direct_path_that_is_wanted_twice_has_a_name() -> None:
    derived = jacobian(braided(8))
    named = [e for e in (*derived.entries, *derived.helpers) if e.diagonal is not None]
    assert named
    for entry in named:
        assert f"{entry.diagonal}_t = " in str(derived)


def test_an_unknown_entry_is_an_error() -> None:
    with pytest.raises(KeyError, match="dq_t/dh"):
        jacobian(load("lstm")).entry("q", "h")


def test_command_prints_latex_and_text() -> None:
    derived = jacobian(load("peephole"))
    for options, wanted in ([], derived.latex()), (["--text"], str(derived)):
        done = CliRunner().invoke(command, ["peephole", *options])
        assert done.exit_code == 0 and done.stdout.rstrip("\n") == wanted
