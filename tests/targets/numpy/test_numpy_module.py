"""The interface of generated NumPy modules: errors, tapes, threads, memory."""

from __future__ import annotations

import ast
import sys
import threading
import tracemalloc
from collections import Counter
from functools import cache
from types import FrameType, ModuleType
from typing import Any

import numpy as np
import pytest
import verification_cells

import lstmgen
from lstmgen import load

ODD = verification_cells.cells()
POST = ("rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after")
T, B, D, H = 5, 3, 4, 6
SIZES = {"T": T, "B": B, "D": D, "D_x": D, "D_u": 2, "H": H, "P": 7, "Q": 2}


@cache
def module(name: str) -> ModuleType:
    return lstmgen.compile(ODD[name] if name in ODD else load(name), "numpy")


def arguments(name: str, dtype: str = "float64", **sizes: int) -> dict[str, Any]:
    """params, x, state, dy and dstate for a module; `sizes` are other than `SIZES`."""
    form = (ODD[name] if name in ODD else load(name)).normal_form
    of = {**SIZES, **sizes}
    rng = np.random.default_rng(3)

    def array(*shape: str) -> Any:
        extents = [sum(of[s] for s in n.split("+")) for n in shape]
        return np.asarray(rng.uniform(-1, 1, extents), dtype)

    x = {n: array("T", "B", form.sizes[n]) for n in form.inputs}
    return {
        "params": {p: array(*form.shape(p)) for p in form.parameters},
        "x": x if len(x) > 1 else x[form.inputs[0]],
        "state": {s: array("B", form.sizes[s]) for s in form.states},
        "dy": array("T", "B", form.sizes[form.output]),
        "dstate": {s: array("B", form.sizes[s]) for s in form.states},
    }


def call(name: str, given: dict[str, Any], **options: Any) -> tuple[Any, Any]:
    """What forward and backward return."""
    found = module(name)
    first = found.forward(given["params"], given["x"], given["state"], **options)
    return first, found.backward(given["params"], first[2], given["dy"], given["dstate"])


def arrays(value: Any) -> list[Any]:
    """All arrays in dicts and tuples, in order."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [a for part in value for a in arrays(part)] if isinstance(value, (tuple, list)) else []


def bits(value: Any) -> list[bytes]:
    return [array.tobytes() for array in arrays(value)]


# What it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*POST, "sizes", "two_inputs"])
def test_a_module_stands_alone_and_documents_itself(name: str) -> None:
    cell = ODD[name] if name in ODD else load(name)
    tree = ast.parse(lstmgen.render(cell, "numpy"))
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert "numpy" in imported
    assert imported <= {"numpy", *sys.stdlib_module_names}
    found = module(name)
    for function in ("init_params", "init_state", "forward", "backward", "step"):
        documentation = getattr(found, function).__doc__
        assert documentation, function
    assert "(B, " in found.init_state.__doc__
    assert f"(1) to ({len(cell.equations)})" in found.forward.__doc__ or len(cell.equations) == 1
    assert f"(δ1) to (δ{len(cell.gradients)})" in found.backward.__doc__
    for function in ("init_params", "init_state", "forward", "backward"):
        assert "Raises:\n        ValueError, TypeError:" in getattr(found, function).__doc__
    labels = {d.label for d in cell.normal_form.definitions}
    labels |= {a.label for a in cell.gradients.adjoints}
    source = lstmgen.render(cell, "numpy").split('"""', 2)[2]
    assert all(f"({p.label})" in source for p in cell.gradients.parameters)
    assert {label for label in labels if f"({label})" not in source} <= {
        # An adjoint that is used once is written where it is used, under that one's label.
        a.label
        for a in cell.gradients.adjoints
    }


@pytest.mark.parametrize("name", ["lstm", "gru", "sizes", "two_inputs", "kinks"])
def test_constants_and_shapes(name: str) -> None:
    cell, found = (ODD[name] if name in ODD else load(name)), module(name)
    assert (cell.name, cell.states, cell.output) == (found.CELL, found.STATES, found.OUTPUT)
    assert cell.parameters == found.PARAMETERS
    assert cell.inputs == found.INPUTS
    given = arguments(name)
    (y, state, _), (dparams, dx, dstate0) = call(name, given)
    assert y.shape == given["dy"].shape
    for found_arrays, expected in (
        (state, given["state"]),
        (dparams, given["params"]),
        (dx, given["x"]),
        (dstate0, given["state"]),
    ):
        assert isinstance(found_arrays, dict) == isinstance(expected, dict)
        if isinstance(expected, dict):
            assert list(found_arrays) == list(expected)
        for a, b in zip(arrays(found_arrays), arrays(expected), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)


def test_init_params_scale_and_seed() -> None:
    found = module("lstm")
    made = found.init_params(50, 64, seed=1)
    again = found.init_params(np.int64(50), 64, seed=1)
    assert bits(made) == bits(again)
    assert bits(made) != bits(found.init_params(50, 64, seed=2))
    assert bits(found.init_params(50, 64)) != bits(found.init_params(50, 64))
    assert {array.dtype.name for array in made.values()} == {"float32"}
    bound = 64**-0.5
    for array in made.values():
        assert bound * 0.9 < np.abs(array).max() <= bound
    scalar = module("functions").init_params(3, 4, seed=0, dtype="float64")["alpha"]
    assert scalar.shape == () and scalar == 1


# Nothing in, nothing out ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("empty", [{"T": 0}, {"B": 0}, {"T": 0, "B": 0}], ids=str)
@pytest.mark.parametrize("name", ["lstm", "gru", "sizes", "two_inputs"])
def test_empty_sequences_and_batches(name: str, empty: dict[str, int], dtype: str) -> None:
    given = arguments(name, dtype, **empty)
    (y, state, _), (dparams, dx, dstate0) = call(name, given)
    assert y.size == 0 and y.dtype == dtype
    assert all(array.size == 0 for array in arrays(dx))
    assert all(not np.any(array) for array in dparams.values())
    assert bits(state) == bits(given["state"])
    assert bits(dstate0) == bits(given["dstate"])
    for found, mine in ((state, "state"), (dstate0, "dstate")):
        for s in found:  # the caller's arrays are not handed back
            assert not np.shares_memory(found[s], given[mine][s])


# Errors ---------------------------------------------------------------------------------------


def replaced(group: str, **changes: Any) -> Any:
    """The arguments with other entries in one of the dicts; None takes one out."""

    def change(given: dict[str, Any]) -> None:
        made = {**given[group], **changes}
        given[group] = {k: v for k, v in made.items() if v is not None}

    return change


def assigned(**changes: Any) -> Any:
    return lambda given: given.update(changes)


def zeros(*shape: int, dtype: str = "float64") -> Any:
    return np.zeros(shape, dtype)


MISTAKES: dict[str, tuple[Any, type[Exception], list[str]]] = {
    "missing parameter": (replaced("params", W_i=None), ValueError, ["params", "W_i is missing"]),
    "unknown parameter": (
        replaced("params", W_q=zeros(1)),
        ValueError,
        ["params", "'W_q' is unknown", "expected W_f, b_f"],
    ),
    "parameters in a list": (assigned(params=[1]), TypeError, ["params", "dict", "list"]),
    "parameter of another shape": (
        replaced("params", W_C=zeros(H, H + D + 1)),
        ValueError,
        ["params['W_C']", "('H', 'H+D') = (6, 10)", "(6, 11)"],
    ),
    "first parameter of another shape": (
        replaced("params", W_f=zeros(H, H + D + 1)),
        ValueError,
        ["params['W_f']", "(6, 10)", "(6, 11)"],
    ),
    "parameter of another rank": (
        replaced("params", b_o=zeros(H, 1)),
        ValueError,
        ["params['b_o']", "('H',)", "(6, 1)"],
    ),
    "parameter of another dtype": (
        replaced("params", b_o=zeros(H, dtype="float32")),
        TypeError,
        ["params['b_o']", "float64", "float32"],
    ),
    "integers as parameters": (
        lambda g: g.update(params={k: v.astype(int) for k, v in g["params"].items()}),
        ValueError,
        ["params", "float32 or float64", "int64"],
    ),
    "half precision": (
        lambda g: g.update(params={k: v.astype("float16") for k, v in g["params"].items()}),
        ValueError,
        ["params", "float32 or float64", "float16"],
    ),
    "parameter as a list": (
        replaced("params", b_f=[0.0] * H),
        TypeError,
        ["params['b_f']", "numpy.ndarray", "list"],
    ),
    "x as a list": (assigned(x=[[0.0]]), TypeError, ["x:", "numpy.ndarray", "list"]),
    "x without an axis": (assigned(x=zeros(T, D)), ValueError, ["x:", "(5, 4)"]),
    "x of another size": (assigned(x=zeros(T, B, D + 1)), ValueError, ["x:", "4", "(5, 3, 5)"]),
    "x of another dtype": (
        assigned(x=zeros(T, B, D, dtype="float32")),
        TypeError,
        ["x:", "float64", "float32"],
    ),
    "state in a tuple": (assigned(state=(1, 2)), TypeError, ["state", "dict of h, C", "tuple"]),
    "missing state": (replaced("state", C=None), ValueError, ["state", "C is missing"]),
    "unknown state": (replaced("state", c=zeros(B, H)), ValueError, ["state", "'c' is unknown"]),
    "state of another batch": (
        replaced("state", C=zeros(B + 1, H)),
        ValueError,
        ["state['C']", "(3, 6)", "(4, 6)"],
    ),
    "state that would broadcast": (
        replaced("state", h=zeros(1, H)),
        ValueError,
        ["state['h']", "(3, 6)", "(1, 6)"],
    ),
    "state of another dtype": (
        replaced("state", h=zeros(B, H, dtype="float32")),
        TypeError,
        ["state['h']", "float32"],
    ),
    "dy of another shape": (
        assigned(dy=zeros(T, B, H + 1)),
        ValueError,
        ["dy:", "(5, 3, 6)", "(5, 3, 7)"],
    ),
    "dy as a number": (assigned(dy=0.0), TypeError, ["dy:", "numpy.ndarray", "float"]),
    "dy of another dtype": (
        assigned(dy=zeros(T, B, H, dtype="float32")),
        TypeError,
        ["dy:", "float32"],
    ),
    "missing dstate": (replaced("dstate", h=None), ValueError, ["dstate", "h is missing"]),
    "dstate of another shape": (
        replaced("dstate", C=zeros(B, H + 1)),
        ValueError,
        ["dstate['C']", "(3, 6)", "(3, 7)"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_what_was_expected_and_what_came(mistake: str) -> None:
    change, kind, phrases = MISTAKES[mistake]
    given = arguments("lstm")
    change(given)
    with pytest.raises(kind) as caught:
        call("lstm", given)
    for phrase in phrases:
        assert phrase in str(caught.value)


OTHERS: dict[str, tuple[Any, type[Exception], str]] = {
    "no tape": (
        lambda m, g, tape: m.backward(g["params"], None),
        TypeError,
        "tape: expected a tape",
    ),
    "no tape of this module": (
        lambda m, g, tape: m.backward(g["params"], (1, 2)),
        TypeError,
        "tape: expected a tape that forward returned, got tuple",
    ),
    "parameters of other sizes than the tape's": (
        lambda m, g, tape: m.backward(arguments("lstm", H=H + 1)["params"], tape),
        ValueError,
        "params",
    ),
    "reuse of no tape": (
        lambda m, g, tape: m.forward(g["params"], g["x"], reuse=3),
        TypeError,
        "reuse: expected a tape that forward returned, got int",
    ),
    "reuse for another length": (
        lambda m, g, tape: m.forward(g["params"], g["x"][:2], reuse=tape),
        ValueError,
        "reuse: expected",
    ),
    "reuse for another dtype": (
        lambda m, g, tape: m.forward(**only_forward(arguments("lstm", "float32")), reuse=tape),
        ValueError,
        "reuse: expected",
    ),
    "a step over a sequence": (
        lambda m, g, tape: m.step(g["params"], g["x"], g["state"]),
        ValueError,
        "x: expected shape",
    ),
    "a step without a state": (
        lambda m, g, tape: m.step(g["params"], g["x"][0], None),
        TypeError,
        "state: expected a dict",
    ),
    "a step without one of the states": (
        lambda m, g, tape: m.step(g["params"], g["x"][0], {"h": g["state"]["h"]}),
        ValueError,
        "C is missing",
    ),
    "no units": (
        lambda m, g, tape: m.init_params(3, 0),
        ValueError,
        "hidden_size: expected at least 1, got 0",
    ),
    "a size that is no whole number": (
        lambda m, g, tape: m.init_params(2.0, 3),
        TypeError,
        "input_size: expected a whole number, got 2.0",
    ),
    "a size that is a truth": (
        lambda m, g, tape: m.init_params(3, True),
        TypeError,
        "hidden_size: expected a whole number, got True",
    ),
    "parameters in half precision": (
        lambda m, g, tape: m.init_params(2, 3, dtype="float16"),
        ValueError,
        "dtype: expected float32 or float64, got 'float16'",
    ),
    "a negative batch": (
        lambda m, g, tape: m.init_state(-1, 3),
        ValueError,
        "batch_size: expected at least 0, got -1",
    ),
    "a dtype that is none": (
        lambda m, g, tape: m.init_state(1, 3, dtype="nothing"),
        ValueError,
        "dtype: expected float32 or float64, got 'nothing'",
    ),
}


@pytest.mark.parametrize("mistake", OTHERS)
def test_mistakes_in_the_other_arguments(mistake: str) -> None:
    write, kind, message = OTHERS[mistake]
    found, given = module("lstm"), arguments("lstm")
    expected = bits(call("lstm", given)[1])
    tape = found.forward(**only_forward(given))[2]
    with pytest.raises(kind) as caught:
        write(found, given, tape)
    assert message in str(caught.value)
    # A call that is refused has not spent the tape.
    after = found.backward(given["params"], tape, given["dy"], given["dstate"])
    assert bits(after) == expected


def only_forward(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("params", "x", "state")}


def test_inputs_of_several_and_their_names() -> None:
    found, given = module("two_inputs"), arguments("two_inputs")
    for x, kind, phrase in [
        ({"x": given["x"]["x"]}, ValueError, "x: u is missing"),
        ({**given["x"], "v": zeros(1)}, ValueError, "x: 'v' is unknown"),
        (given["x"]["x"], TypeError, "x: expected a dict of x, u"),
        ({**given["x"], "u": zeros(T + 1, B, 2)}, ValueError, r"x\['u'\]: expected shape \(5, 3"),
    ]:
        with pytest.raises(kind, match=phrase):
            found.forward(given["params"], x, given["state"])


# Tapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*POST, *ODD])
def test_arguments_are_only_read_and_results_belong_to_the_caller(name: str) -> None:
    """The arguments cannot be written to at all; results are overwritten between the calls."""
    given = arguments(name)
    if name == "functions":
        given["params"]["d"] = np.abs(given["params"]["d"])
    for array in arrays(tuple(given.values())):
        array.flags.writeable = False
    found = module(name)
    expected = [bits(part) for part in call(name, given)]
    y, state, tape = found.forward(given["params"], given["x"], given["state"])
    assert bits((y, state)) == expected[0]
    for array in arrays((y, state)):
        array[...] = np.nan
    for _ in range(2):  # a tape may be used more than once
        gradients = found.backward(given["params"], tape, given["dy"], given["dstate"])
        assert bits(gradients) == expected[1]
        for array in arrays(gradients):
            array[...] = np.nan
    x = {n: a[0] for n, a in given["x"].items()} if len(found.INPUTS) > 1 else given["x"][0]
    after = found.step(given["params"], x, given["state"])
    assert set(after) == set(found.STATES)


@pytest.mark.parametrize("name", [*POST, "sizes", "memory"])
def test_a_tape_given_to_reuse_is_spent_and_its_memory_taken_over(name: str) -> None:
    found = module(name)
    first, second = arguments(name), arguments(name)
    second["x"] = second["x"] * 0.5
    true = bits(call(name, second))
    kept, _, spent = found.forward(first["params"], first["x"], first["state"])
    before = kept.tobytes()
    results = found.forward(second["params"], second["x"], second["state"], reuse=spent)
    gradients = found.backward(second["params"], results[2], second["dy"], second["dstate"])
    assert bits((results, gradients)) == true
    assert kept.tobytes() == before  # what the first forward returned is still the caller's
    for use in (
        lambda: found.backward(first["params"], spent),
        lambda: found.forward(first["params"], first["x"], first["state"], reuse=spent),
    ):
        with pytest.raises(ValueError, match="spent"):
            use()
    assert found.forward(first["params"], first["x"], tape=False)[2] is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*POST, *(n for n in ODD if n != "functions")])
def test_steps_give_what_forward_gives(name: str, dtype: str) -> None:
    given, found = arguments(name, dtype, T=9), module(name)
    y, last, _ = found.forward(given["params"], given["x"], given["state"])
    state = given["state"]
    several = len(found.INPUTS) > 1
    for k in range(9):
        x = {n: a[k] for n, a in given["x"].items()} if several else given["x"][k]
        state = found.step(given["params"], x, state)
        if found.OUTPUT in found.STATES:
            assert_close(state[found.OUTPUT], y[k], dtype)
    for s in found.STATES:
        assert state[s].dtype == dtype
        assert_close(state[s], last[s], dtype)


def assert_close(found: Any, expected: Any, dtype: str) -> None:
    bound = {"float64": 1e-13, "float32": 1e-5}[dtype] * max(1, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


def test_threads_share_a_module_and_a_tape() -> None:
    """Each with sizes of its own, and all backward from one tape."""
    found = module("lstm")
    before = dict(vars(found))
    given = [arguments("lstm", T=20 + k, B=2 + k, H=8 + k) for k in range(4)]
    expected = [bits(call("lstm", one)) for one in given]
    shared = given[0]
    _, _, tape = found.forward(shared["params"], shared["x"], shared["state"])
    start = threading.Barrier(len(given))
    wrong: list[str] = []

    def work(k: int) -> None:
        start.wait()
        reuse = None
        for _ in range(15):
            one = given[k]
            first = found.forward(one["params"], one["x"], one["state"], reuse=reuse)
            reuse = first[2]
            second = found.backward(one["params"], reuse, one["dy"], one["dstate"])
            if bits((first, second)) != expected[k]:
                wrong.append(f"thread {k}")
            gradients = found.backward(shared["params"], tape, shared["dy"], shared["dstate"])
            if bits(gradients) != expected[0][-len(bits(gradients)) :]:
                wrong.append(f"thread {k}, shared tape")

    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(len(given))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switching)
    assert wrong == []
    assert {n: v for n, v in vars(found).items() if not n.startswith("__")} == {
        n: v for n, v in before.items() if not n.startswith("__")
    }


# Memory ---------------------------------------------------------------------------------------

STEPS, ROWS, UNITS = 12, 16, 32
VECTOR = ROWS * UNITS * 8  # bytes of one vector of the cell at one step


def taken_by_line(function: Any, *arguments: Any, **options: Any) -> list[tuple[int, int]]:
    """For each line of the function's file: how often it ran, and the most that it took meanwhile.

    That is bytes of memory, and counts what is given back before the line ends.
    """
    ran: Counter[tuple[Any, int]] = Counter()
    taken: Counter[tuple[Any, int]] = Counter()
    place, base = (None, 0), 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal place, base
        if frame.f_code.co_filename != function.__code__.co_filename:
            return None
        taken[place] = max(taken[place], tracemalloc.get_traced_memory()[1] - base)
        place = (frame.f_code, frame.f_lineno)
        ran[place] += event == "line"
        tracemalloc.reset_peak()
        base = tracemalloc.get_traced_memory()[0]
        return trace

    before = sys.gettrace()
    buffer = np.setbufsize(16)  # NumPy's own, with which it converts, are no arrays of ours
    tracemalloc.start()
    sys.settrace(trace)
    try:
        result = function(*arguments, **options)
    finally:
        sys.settrace(before)
        tracemalloc.stop()
        np.setbufsize(buffer)
    assert result is not None
    return [(ran[k], taken[k]) for k in ran]


@pytest.mark.parametrize("name", [*POST, "sizes", "two_inputs", "kinks"])
def test_the_time_loops_allocate_nothing(name: str) -> None:
    """No array, not even for a moment: lines that run at every step take less than a vector."""
    given = arguments(name, T=STEPS, B=ROWS, H=UNITS, P=UNITS, Q=UNITS)
    given["params"] = {p: np.asarray(a / UNITS) for p, a in given["params"].items()}
    found = module(name)
    _, _, tape = found.forward(**only_forward(given))
    seeds = given["dy"], given["dstate"]
    found.backward(given["params"], tape, *seeds)

    def forward() -> list[tuple[int, int]]:
        _, _, spent = found.forward(**only_forward(given))
        return taken_by_line(found.forward, **only_forward(given), reuse=spent)

    def in_loop(lines: list[tuple[int, int]]) -> list[int]:
        return [most for ran, most in lines if ran >= STEPS]

    for measure in (
        lambda: taken_by_line(found.backward, given["params"], tape, *seeds),
        forward,
    ):
        # Other threads' memory counts too, now and then; what a loop takes, it takes every time.
        lines = min((measure() for _ in range(3)), key=lambda lines: max(in_loop(lines)))
        loop = in_loop(lines)
        assert len(loop) >= 3
        assert max(loop) < VECTOR // 2, loop
        # The measure sees what is taken outside the loop.
        assert max(most for ran, most in lines if ran < STEPS) > VECTOR


def test_an_allocation_in_a_loop_would_be_seen() -> None:
    def function(a: Any, b: Any, steps: int) -> Any:
        for _ in range(steps):
            np.add(a, b, out=a)
            np.add(a, b * 2, out=a)
        return a

    made = zeros(ROWS, UNITS), zeros(ROWS, UNITS)
    lines = taken_by_line(function, *made, STEPS)
    assert [most > VECTOR // 2 for ran, most in lines if ran >= STEPS] == [False, False, True]
