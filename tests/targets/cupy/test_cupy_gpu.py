"""Generated CuPy modules on a CUDA device: `pytest -m gpu`; elsewhere each test is skipped."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import verification_cells

import lstmgen
from lstmgen.library.loading import names
from lstmgen.verification import Verifier, build_runner, make_runner
from lstmgen.verification.contract import input_size_argument
from lstmgen.verification.points import Shape, shape_for

CELLS = {**dict.fromkeys(names()), **verification_cells.cells()}

pytestmark = pytest.mark.gpu


@cache
def cell(name: str) -> lstmgen.Cell:
    return CELLS[name] or lstmgen.load(name)


@cache
def module(name: str) -> ModuleType:
    return lstmgen.compile(cell(name), "cupy")


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_against_the_50_digit_reference(gpu: Any, name: str) -> None:
    """In float64 and float32, twice with equal bits ("repeat"), with wide kernels ("wide")."""
    runner = make_runner(module(name), "cupy", "cuda")
    report = Verifier(cell(name), "cupy").check(runner)
    assert report.ok, str(report)
    assert report.device == "cuda"
    repeats = [check.what for check in report.checks if check.check.startswith("repeat")]
    assert repeats == ["the same bits, run twice"] * 2


def test_auto_takes_the_device(gpu: Any) -> None:
    assert build_runner(cell("rnn"), "cupy").device == "cuda"
    assert build_runner(cell("rnn"), "cupy", "auto").device == "cuda"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CELLS)
def test_a_stream_of_its_own_gives_the_same_bits(gpu: Any, name: str, dtype: str) -> None:
    given = arguments(gpu, name, shape_for(cell(name).normal_form, 6, 5, 37, 9), dtype)
    gpu.cuda.Device().synchronize()
    expected = bits(gpu, run(module(name), given))
    stream = gpu.cuda.Stream(non_blocking=True)
    with stream:
        found = run(module(name), given)
    stream.synchronize()
    assert bits(gpu, found) == expected


@pytest.mark.parametrize("name", ["lstm", "gru_reset_after"])
def test_two_modules_at_once(gpu: Any, name: str) -> None:
    """Each on a stream of its own, queued in turn, with the other's work in flight."""
    modules = [module(name), module("peephole")]
    cells = [name, "peephole"]
    given, expected = [], []
    for which, loaded in zip(cells, modules, strict=True):
        shape = shape_for(cell(which).normal_form, 40, 32, 256, 64)
        given.append(arguments(gpu, which, shape, "float32"))
        expected.append(bits(gpu, run(loaded, given[-1])))
    gpu.cuda.Device().synchronize()
    streams = [gpu.cuda.Stream(non_blocking=True) for _ in modules]
    found: list[list[Any]] = [[], []]
    for _ in range(3):
        for k, stream in enumerate(streams):
            with stream:
                found[k].append(run(modules[k], given[k]))
    for stream in streams:
        stream.synchronize()
    for k, results in enumerate(found):
        assert [bits(gpu, result) for result in results] == [expected[k]] * 3


def test_the_time_loop_takes_no_memory(gpu: Any) -> None:
    """With a tape to reuse, a second pass over a sequence asks the pool for nothing of size T."""
    given = arguments(gpu, "lstm", shape_for(cell("lstm").normal_form, 50, 16, 128, 32), "float32")
    params, x, state, dy, dstate = given
    loaded = module("lstm")
    _, _, tape = loaded.forward(params, x, state)
    loaded.backward(params, tape, dy, dstate)
    gpu.cuda.Device().synchronize()
    counted = {}
    for steps in (3, 50):
        _, _, tape = loaded.forward(params, x[:steps], state)
        loaded.backward(params, tape, dy[:steps], dstate)
        hook = Allocations()
        with hook:
            _, _, tape = loaded.forward(params, x[:steps], state, reuse=tape)
            loaded.backward(params, tape, dy[:steps], dstate)
        counted[steps] = hook.count
    assert counted[3] == counted[50]


def Allocations() -> Any:
    """A hook of CuPy's memory pool that counts what is asked of it."""
    from cupy.cuda import memory_hook

    class Counting(memory_hook.MemoryHook):
        name = "lstmgen counting"
        count = 0

        def malloc_preprocess(self, **_: Any) -> None:
            self.count += 1

    return Counting()


def arguments(cupy: Any, name: str, shape: Shape, dtype: str) -> tuple[Any, ...]:
    """Parameters, inputs, states, dy and dstate on the device; positive, as some cells need."""
    form = cell(name).normal_form
    extra = {size: shape.size(size) for size in form.extra_sizes}
    made = module(name).init_params(
        input_size_argument(form, shape), shape.H, seed=3, dtype=dtype, **extra
    )
    draw = np.random.default_rng(5).uniform

    def array(*of: int) -> Any:
        return cupy.asarray(draw(0.1, 0.9, of).astype(dtype))

    x = {n: array(shape.T, shape.B, shape.size(form.sizes[n])) for n in form.inputs}
    state = {n: array(shape.B, shape.size(form.sizes[n])) for n in form.states}
    dstate = {n: array(shape.B, shape.size(form.sizes[n])) for n in form.states}
    dy = array(shape.T, shape.B, shape.size(form.sizes[form.output]))
    params = {n: cupy.abs(a) if a.ndim < 2 else a for n, a in made.items()}
    return params, x if len(x) > 1 else next(iter(x.values())), state, dy, dstate


def run(loaded: ModuleType, given: tuple[Any, ...]) -> dict[str, Any]:
    """All results of forward and backward, by name, on the device."""
    params, x, state, dy, dstate = given
    y, last, tape = loaded.forward(params, x, state)
    dparams, dx, dstate0 = loaded.backward(params, tape, dy, dstate)
    groups = {
        "last": last,
        "dparams": dparams,
        "dx": dx if isinstance(dx, dict) else {"x": dx},
        "dstate0": dstate0,
    }
    named = {f"{what} {n}": a for what, group in groups.items() for n, a in group.items()}
    return {"y": y, **named}


def bits(cupy: Any, found: dict[str, Any]) -> dict[str, bytes]:
    """The results' bits, on the host; the device has to be done with them."""
    return {name: cupy.asnumpy(array).tobytes() for name, array in found.items()}
