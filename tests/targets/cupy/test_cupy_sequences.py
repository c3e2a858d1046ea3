"""`lengths` and `restart` of CuPy modules, besides the numbers, which the random cells hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen import Cell, Eq, sigma, symbols, t, tanh
from lstmgen.verification.runners import build_runner

pytestmark = pytest.mark.usefixtures("cuda_on_the_cpu")

C, h, x, W, U, b = symbols("C h x W U b")
TWO_SIZES = Cell(
    "two_sizes",
    Eq(C[t], sigma(W @ [h[t - 1], x[t]]) * C[t - 1] + b),
    Eq(h[t], tanh(U @ [C[t], h[t - 1]])),
    sizes={"C": "P"},
)
T, B, H, P, D = 5, 4, 3, 6, 2
LENGTHS = np.array([2, 5, 0, 3])
AGAIN = np.arange(T * B).reshape(T, B) % 3 == 0


@pytest.fixture(scope="module")
def module() -> Any:
    return build_runner(TWO_SIZES, "cupy", "cpu").module


def given(module: Any, rows: int = B) -> tuple[Any, ...]:
    draw = np.random.default_rng(1).normal
    send = module.cupy.array
    params = module.init_params(D, H, P=P, seed=2, dtype="float64")
    state = {"C": send(draw(size=(rows, P))), "h": send(draw(size=(rows, H)))}
    return params, send(draw(size=(T, rows, D))), {s: state[s] for s in module.STATES}


def results(module: Any, *arguments: Any, **options: Any) -> list[bytes]:
    params = arguments[0]
    y, last, tape = module.forward(*arguments, **options)
    dparams, dx, dstate0 = module.backward(params, tape, y, last)
    arrays = [y, *last.values(), *dparams.values(), dx, *dstate0.values()]
    return [array.get().tobytes() for array in arrays]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
def test_rows_have_what_they_have_in_a_numpy_module(
    module: Any, lengths: bool, restart: bool
) -> None:
    """Four of them: an order that is not its own inverse, as it is with two."""
    options = {"lengths": LENGTHS} if lengths else {}
    options |= {"restart": AGAIN} if restart else {}
    params, inputs, state = given(module)
    x, behind = inputs.get(), np.arange(T)[:, None] >= LENGTHS
    if lengths:
        x[behind] = np.nan
    found = []
    for of, send in (
        (lstmgen.compile(TWO_SIZES, "numpy"), lambda a: a),
        (module, module.cupy.array),
    ):
        sent = [
            {name: send(a.get()) for name, a in params.items()},
            send(x),
            {name: send(a.get()) for name, a in state.items()},
        ]
        y, last, tape = of.forward(*sent, **{k: send(v) for k, v in options.items()})
        dparams, dx, dstate0 = of.backward(sent[0], tape, y, last)
        found.append([y, *last.values(), *dparams.values(), dx, *dstate0.values()])
    for true, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours.get(), true, rtol=1e-11, atol=1e-13)


def test_lengths_are_on_the_host_or_on_the_device(module: Any) -> None:
    arguments = given(module)
    of = [
        results(module, *arguments, lengths=lengths)
        for lengths in (LENGTHS, LENGTHS.tolist(), module.cupy.array(LENGTHS.astype("int32")))
    ]
    assert of[0] == of[1] == of[2]


def test_all_rows_to_the_end_and_no_restart_is_as_without(module: Any) -> None:
    arguments = given(module)
    full, none = np.full(B, T), module.cupy.array(np.zeros((T, B), bool))
    plain = results(module, *arguments)
    for options in ({"lengths": full}, {"restart": none}, {"lengths": full, "restart": none}):
        assert results(module, *arguments, **options) == plain


def test_a_tape_is_reused_for_other_lengths_and_restarts(module: Any) -> None:
    arguments = given(module)
    again = module.cupy.array(AGAIN)
    tape = None
    for options in (
        {"lengths": LENGTHS},
        {"lengths": LENGTHS[::-1].copy()},  # as many rows take each step: the memory stays
        {"lengths": LENGTHS, "restart": again},
        {},
        {"restart": again},
    ):
        y, last, tape = module.forward(*arguments, **options, reuse=tape)
        dparams, dx, dstate0 = module.backward(arguments[0], tape, y, last)
        arrays = [y, *last.values(), *dparams.values(), dx, *dstate0.values()]
        found = [array.get().tobytes() for array in arrays]
        assert found == results(module, *arguments, **options)
        del y, last


def test_a_restart_may_be_written_to_before_the_backward_pass(module: Any) -> None:
    arguments = given(module)
    again = module.cupy.array(AGAIN)
    y, last, tape = module.forward(*arguments, restart=again)
    wanted = results(module, *arguments, restart=again)
    again.fill(False)
    dparams, _, _ = module.backward(arguments[0], tape, y, last)
    assert dparams["W"].get().tobytes() in wanted


@pytest.mark.parametrize("steps", [0, T])
def test_rows_of_no_steps(module: Any, steps: int) -> None:
    params, inputs, state = given(module)
    again = module.cupy.array(np.ones((steps, B), bool))
    for restart in (None, again):
        y, last, tape = module.forward(
            params, inputs[:steps], state, lengths=np.zeros(B, int), restart=restart
        )
        assert y.shape == (steps, B, H) and not y.get().any()
        dparams, dx, dstate0 = module.backward(params, tape, y, state)
        assert not any(array.get().any() for array in (*dparams.values(), dx))
        assert dx.shape == (steps, B, D)
        for name, array in state.items():
            assert (last[name].get() == array.get()).all()
            assert (dstate0[name].get() == array.get()).all()


def test_no_rows(module: Any) -> None:
    params, inputs, state = given(module, rows=0)
    none = module.cupy.array(np.zeros((T, 0), bool))
    y, last, tape = module.forward(params, inputs, state, lengths=[], restart=none)
    dparams, dx, _ = module.backward(params, tape, y, last)
    assert y.shape == (T, 0, H) and dx.shape == (T, 0, D)
    assert not any(array.get().any() for array in dparams.values())


WRONG = {
    "lengths too long": {"lengths": np.array([1, 2, 3, 6])},
    "lengths below 0": {"lengths": np.array([1, -2, 3, 5])},
    "lengths of another batch": {"lengths": np.array([1, 2, 3])},
    "lengths that are not whole": {"lengths": np.array([1.0, 2, 3, 4])},
    "lengths that are truths": {"lengths": np.array([True, True, True, True])},
    "one length": {"lengths": 3},
    "restart of numbers": {"restart": np.zeros((T, B))},
    "restart of another shape": {"restart": np.zeros((B, T), bool)},
    "restart of steps alone": {"restart": np.zeros(T, bool)},
    "restart in a list": {"restart": [[False] * B] * T},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_numpy_modules_refuse_is_refused(module: Any, wrong: dict[str, Any]) -> None:
    params, inputs, state = given(module)
    numpy = lstmgen.compile(TWO_SIZES, "numpy")
    host = [
        {name: array.get() for name, array in params.items()},
        inputs.get(),
        {name: array.get() for name, array in state.items()},
    ]
    sent = {k: module.cupy.array(v) if isinstance(v, np.ndarray) else v for k, v in wrong.items()}
    errors = []
    for call in (
        lambda: numpy.forward(*host, **wrong),
        lambda: module.forward(params, inputs, state, **sent),
    ):
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        errors.append(str(raised.value))
    assert all(error.startswith(next(iter(wrong)) + ": expected") for error in errors), errors
    assert all(", got " in error for error in errors), errors
