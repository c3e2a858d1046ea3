"""What does not fit is refused before a pointer is passed; `step` made again stays right."""

from __future__ import annotations

import gc
import threading
import weakref
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen.targets.c import compiler
from tests.targets.c.many import LEAN, module_of
from tests.targets.numpy.test_numpy_module import MISTAKES, OTHERS, arguments, only_forward

pytestmark = pytest.mark.skipif(
    compiler.command() is None, reason="no C compiler; " + compiler.CURE
)


@pytest.fixture(scope="module")
def lstm() -> ModuleType:
    return module_of("lstm", *LEAN)


@pytest.fixture(scope="module")
def exact() -> ModuleType:
    return lstmgen.compile("lstm", "numpy")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_as_numpy_modules_name_it(lstm: ModuleType, mistake: str) -> None:
    change, kind, phrases = MISTAKES[mistake]
    good, given = arguments("lstm"), arguments("lstm")
    tape = lstm.forward(**only_forward(good))[2]
    lstm.step(good["params"], good["x"][0], good["state"])
    change(given)

    def call() -> None:
        lstm.forward(**only_forward(given))
        lstm.backward(given["params"], tape, given["dy"], given["dstate"])

    with pytest.raises(kind) as caught:
        call()
    for phrase in phrases:
        assert phrase in str(caught.value)


@pytest.mark.parametrize("mistake", OTHERS)
def test_mistakes_in_the_other_arguments(lstm: ModuleType, mistake: str) -> None:
    write, kind, message = OTHERS[mistake]
    given = arguments("lstm")
    tape = lstm.forward(**only_forward(given))[2]
    with pytest.raises(kind) as caught:
        write(lstm, given, tape)
    assert message in str(caught.value)


def sizes_of(*shape: int) -> Any:
    """An array without memory of its own."""
    return np.broadcast_to(np.zeros(1), shape)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2**31, 1, 4), "T: expected less than 2**31"),
        ((1, 2**31, 4), "B: expected less than 2**31"),
        ((2**30, 2**27, 4), "x: these sizes need more memory than can be addressed"),
        ((2**27, 2**30, 4), "x: these sizes need more memory than can be addressed"),
    ],
)
def test_sizes_whose_products_overflow_are_refused(
    lstm: ModuleType, shape: tuple[int, ...], message: str
) -> None:
    params = arguments("lstm")["params"]
    with pytest.raises(ValueError, match=message.replace("*", r"\*")):
        lstm.forward(params, sizes_of(*shape))


def test_the_c_functions_say_that_sizes_are_too_large(lstm: ModuleType) -> None:
    """Every product of sizes that a program may ask for, and a few that fit."""
    library = lstm._library("d")
    most, sizes = 2**31 - 1, lstm._sizes
    for name, restarts in (("forward_bytes", 1), ("backward_bytes", 1), ("tape_bytes", None)):
        function = getattr(library, name)
        more = (restarts,) if restarts is not None else (None, 1)
        assert 0 < function(sizes(5, 3, 3, 6, 4), *more) < 2**20
        huge = (lstm.ctypes.c_int64 * 5)(most, most, most, most, most)
        assert function(huge, *more) == -1


# step


def streamed(module: ModuleType, given: dict[str, Any], x: Any) -> Any:
    return module.step(given["params"], x, given["state"])


CHANGES: dict[str, Any] = {
    "nothing": lambda g: None,
    "numbers in place": lambda g: g["params"]["W_i"].__imul__(1.5),
    "a bias in place": lambda g: g["params"]["b_o"].__iadd__(0.5),
    "another array": lambda g: g["params"].update(W_C=g["params"]["W_C"] * 2),
    "two that change places": lambda g: g["params"].update(
        b_f=g["params"]["b_i"], b_i=g["params"]["b_f"]
    ),
    "another order": lambda g: g.update(params=dict(reversed(g["params"].items()))),
    "states in another order": lambda g: g.update(state=dict(reversed(g["state"].items()))),
    "another batch": lambda g: g.update(
        x=np.concatenate([g["x"]] * 3, 1),
        state={k: np.tile(v, (3, 1)) for k, v in g["state"].items()},
    ),
    "x with steps between": lambda g: g.update(x=np.repeat(g["x"], 2, -1)[..., ::2]),
    "a state in columns": lambda g: g["state"].update(C=np.asfortranarray(g["state"]["C"])),
    "read-only": lambda g: [a.setflags(write=False) for a in g["params"].values()],
    "weights in columns": lambda g: g["params"].update(W_f=np.asfortranarray(g["params"]["W_f"])),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_step_made_again_sees_what_has_changed(
    lstm: ModuleType, exact: ModuleType, change: str, dtype: str
) -> None:
    given = arguments("lstm", dtype)
    given["params"] = {k: v.copy() for k, v in given["params"].items()}
    given["state"] = {k: v.copy() for k, v in given["state"].items()}
    for _ in range(2):  # the second is ready
        first = streamed(lstm, given, given["x"][0])
    kept = {name: array.copy() for name, array in first.items()}
    CHANGES[change](given)
    for _ in range(3):
        found, wanted = (streamed(m, given, given["x"][0]) for m in (lstm, exact))
        for name, array in wanted.items():
            assert found[name].dtype == dtype
            rounding = 1e-6 if dtype == "float32" else 1e-14
            np.testing.assert_allclose(found[name], array, rtol=10 * rounding, atol=rounding)
    for name, array in kept.items():  # what was returned stays as it was
        np.testing.assert_array_equal(first[name], array)


BREAKS: dict[str, tuple[Any, str]] = {
    "another shape in place": (lambda g: setattr_(g["params"]["W_f"], "shape", (10, 6)), "W_f"),
    "a vector reshaped in place": (lambda g: setattr_(g["params"]["b_f"], "shape", (2, 3)), "b_f"),
    "another dtype in place": (lambda g: setattr_(g["params"]["b_f"], "dtype", np.int64), "b_f"),
    "an unknown name": (lambda g: g["params"].update(b=g["params"].pop("b_o")), "b"),
    "no array": (lambda g: g["params"].update(b_o=[0.0] * 6), "b_o"),
    "x of another size": (lambda g: g.update(x=g["x"][..., :3]), "x"),
    "x of another dtype": (lambda g: g.update(x=g["x"].astype("f4")), "x"),
    "x of a subclass of another shape": (lambda g: g.update(x=g["x"][..., :3].view(Sub)), "x"),
    "a state of another batch": (lambda g: g["state"].update(C=g["state"]["C"][:1]), "C"),
    "a state as a list": (lambda g: g["state"].update(C=g["state"]["C"].tolist()), "C"),
    "no state": (lambda g: g.update(state=None), "state"),
    "a parameter by another name": (
        lambda g: g.update(params={("c" if k == "b_f" else k): v for k, v in g["params"].items()}),
        "params",
    ),
    "a parameter more": (lambda g: g["params"].update(c=g["params"]["b_f"]), "params"),
    "a parameter less": (lambda g: g["params"].pop("b_o"), "b_o"),
    "a parameter less and a state more": (
        lambda g: (g["params"].pop("b_o"), g["state"].update(c=g["state"]["C"])),
        "b_o|state",
    ),
    "no array for x": (lambda g: g.update(x=[7.0]), "x"),
    "states in a tuple": (lambda g: g.update(state=tuple(g["state"].values())), "state"),
}


class Sub(np.ndarray):
    """A subclass."""


def setattr_(array: Any, name: str, value: Any) -> None:
    import warnings

    with warnings.catch_warnings():  # NumPy deprecates these, and they still work
        warnings.simplefilter("ignore")
        setattr(array, name, value)


@pytest.mark.parametrize("change", BREAKS)
def test_a_step_made_again_refuses_what_fits_no_more(lstm: ModuleType, change: str) -> None:
    given = arguments("lstm")
    given["params"] = {k: v.copy() for k, v in given["params"].items()}
    given["state"] = {k: v.copy() for k, v in given["state"].items()}
    for _ in range(2):
        streamed(lstm, given, given["x"][0])
    assert id(given["params"]) in lstm._ready, "it was not ready"
    breaking, named = BREAKS[change]
    breaking(given)
    for _ in range(2):
        with pytest.raises((ValueError, TypeError), match=named):
            streamed(lstm, given, given["x"][0])


def test_without_numpys_known_layout_steps_are_checked_each_time(
    lstm: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments("lstm")
    wanted = streamed(lstm, given, given["x"][0])
    lstm._ready.clear()
    monkeypatch.setattr(lstm, "_KNOWN", False)
    monkeypatch.setattr(lstm, "_data", lambda array: array.ctypes.data)
    found = streamed(lstm, given, given["x"][0])
    assert not lstm._ready
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)


def test_threads_step_with_the_same_parameters(lstm: ModuleType, exact: ModuleType) -> None:
    given = arguments("lstm")
    wrong: list[str] = []

    def stream(seed: int) -> None:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(given["x"][0].shape)
        wanted = streamed(exact, given, x)
        for _ in range(300):
            found = streamed(lstm, given, x)
            if any(not np.allclose(found[s], a, rtol=1e-12) for s, a in wanted.items()):
                wrong.append(f"thread {seed}")

    threads = [threading.Thread(target=stream, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_ready_steps_keep_no_parameters(lstm: ModuleType) -> None:
    kept = []
    for seed in range(40):
        params = lstm.init_params(4, 6, seed=seed)
        kept.append(weakref.ref(params["W_f"]))
        for _ in range(2):
            lstm.step(params, np.zeros((1, 4), "f4"), lstm.init_state(1, 6))
    del params
    gc.collect()
    assert len(lstm._ready) <= 17
    assert not any(reference() is not None for reference in kept)


def test_another_model_at_the_same_place_is_seen(lstm: ModuleType, exact: ModuleType) -> None:
    given = arguments("lstm")
    for _ in range(2):
        streamed(lstm, given, given["x"][0])
    others = arguments("lstm")["params"]
    given["params"].update({name: 2 * array for name, array in others.items()})
    found, wanted = (streamed(m, given, given["x"][0]) for m in (lstm, exact))
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12)


def test_arrays_between_two_numbers_are_copied(
    lstm: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C may expect its numbers at multiples of their size, which a view of bytes need not have."""

    def shifted(array: Any) -> Any:
        found = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        found[...] = array
        return found

    given = arguments("lstm")
    moved = {
        name: {key: shifted(a) for key, a in value.items()}
        if isinstance(value, dict)
        else shifted(value)
        for name, value in given.items()
        if name in ("params", "x", "state", "dy", "dstate")
    }
    found, data = [], vars(lstm)["_data"]
    monkeypatch.setattr(lstm, "_data", lambda a: found.append(data(a) % 4) or data(a))
    tape = lstm.forward(**only_forward({**given, **moved}))[2]
    lstm.backward(moved["params"], tape, moved["dy"], moved["dstate"])
    assert len(found) > 10 and not any(found)
