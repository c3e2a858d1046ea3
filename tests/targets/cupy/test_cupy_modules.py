"""Generated CuPy modules on the CPU: right numbers, both kinds of kernels, what a step costs."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import verification_cells
from needs import ALL, missing

import lstmgen
from lstmgen.cuda import on_cpu as cuda_on_cpu
from lstmgen.errors import UnavailableError
from lstmgen.library.loading import names
from lstmgen.schedule.program import Block
from lstmgen.targets.cupy.kernel import Kernel
from lstmgen.targets.cupy.plan import Plan
from lstmgen.verification import Verifier, build_runner
from lstmgen.verification.contract import input_size_argument
from lstmgen.verification.points import Shape, shape_for

CELLS = ("rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after")
OTHERS = {
    **{name: None for name in names() if name not in CELLS},
    **verification_cells.cells(),
}
# Each with kernels behind the loop, for the gradients of per-unit parameters.
WITH_EXTRA_KERNELS = ("peephole_diagonal", "indrnn", "cornn", "unicornn")
MOVERS = {"gather", "restart"}
"""What runs where rows end or start again, and only there."""
HERE = Path(__file__).parents[2] / "support"
BOUND = {"float64": 1e-11, "float32": 2e-4}

IN_BOTH = (*CELLS, *verification_cells.cells())
"""The cells of the post, and those of every part of the notation."""


def dtypes(name: str) -> tuple[str, ...]:
    """Both dtypes, or one and the other in turn: the text is the same, and compilers take time."""
    both = ("float64", "float32")
    return both if name in IN_BOTH else (both[[*OTHERS].index(name) % 2],)


pytestmark = pytest.mark.usefixtures("cuda_on_the_cpu")


@cache
def cell(name: str) -> lstmgen.Cell:
    return OTHERS.get(name) or lstmgen.load(name)


@cache
def source(name: str) -> str:
    return lstmgen.render(cell(name), "cupy")


def emulated(name: str, **settings: Any) -> ModuleType:
    cupy = cuda_on_cpu.emulated_cupy(**settings)
    return cuda_on_cpu.load_module(source(name), f"{name}_cupy", cupy=cupy)


WHOLE, AT_FEW_SIZES = ("gru_reset_after",), ("peephole", "gru")
"""Verified at length, as `rnn` is in test_cupy_compiled.py, and at few sizes; it is the same code
for the others, which are compared with NumPy's."""


@pytest.mark.parametrize("name", AT_FEW_SIZES)
def test_a_cell_of_the_post_passes_at_few_sizes_on_the_cpu(
    name: str, cuda_on_the_cpu: None
) -> None:
    made = lstmgen.load(name)
    report = Verifier(made, "cupy", quick=True).check(build_runner(made, "cupy", "cpu"))
    assert report.ok, str(report)


@pytest.mark.parametrize("name", WHOLE)
def test_a_cell_of_the_post_passes_verification_on_the_cpu(name: str, nvrtc_here: None) -> None:
    report = lstmgen.verify(name, "cupy", device="cpu")
    assert report.ok and not report.unchecked, str(report)
    assert (report.target, report.device) == ("cupy", "cpu")
    checks = {check.check for check in report.checks}
    assert {"forward float32", "backward float64", "wide float32", "repeat float64"} <= checks
    assert "orders forward, reverse, shuffle, starve" in str(
        [check.what for check in report.checks if check.check == "repeat float64"]
    )
    architectures = {(use["dtype"], use["architecture"]) for use in report.kernels}
    assert len(architectures) == 8
    assert all(use["kernel"] and use["registers"] for use in report.kernels)


@pytest.mark.parametrize("name", ["lstm", "coupled", *OTHERS])
def test_every_other_cell_gives_what_its_numpy_module_gives(name: str) -> None:
    """The NumPy modules are verified elsewhere, at 50 digits."""
    module, true = emulated(name), lstmgen.compile(cell(name), "numpy")
    sizes = {"float64": (3, 2, 5, 3), "float32": (2, 7, 35, 4)}
    for dtype in dtypes(name):
        steps, rows, units, inputs = sizes[dtype]
        shape = shape_for(cell(name).normal_form, steps, rows, units, inputs)
        given = arguments(name, shape, dtype)
        expected, _ = run(true, np.array, lambda array: array, given)
        found, _ = run(module, module.cupy.array, module.cupy.asnumpy, given)
        assert list(found) == list(expected)
        for key, array in expected.items():
            scale = max(1e-3, float(np.max(np.abs(array), initial=0)))
            assert (found[key].shape, found[key].dtype) == (array.shape, array.dtype)
            np.testing.assert_allclose(found[key], array, rtol=0, atol=BOUND[dtype] * scale)


@pytest.mark.parametrize("units", [8, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*CELLS, *WITH_EXTRA_KERNELS])
def test_wide_kernels_give_the_bits_of_the_narrow_ones(name: str, dtype: str, units: int) -> None:
    """Also where rows begin at any address and end in the middle of 16 bytes."""
    shape = Shape(3, 300, units, tuple((s, 12) for s in cell(name).normal_form.input_sizes))
    given = arguments(name, shape, dtype)
    random = np.random.default_rng(3)
    lengths, again = np.full(300, 3), random.random((3, 300)) < 0.2
    lengths[[250, 5, 50]] = 0, 1, 2
    kernels = {kernel.name for kernel in Plan(cell(name).schedule).kernels}
    for options, more in (({}, set()), ({"lengths": lengths, "restart": again}, MOVERS)):
        results, launched = [], []
        for multiprocessors in (132, 1):
            module = emulated(name, multiprocessors=multiprocessors)
            seen = launches(module)
            result, _ = run(module, module.cupy.array, module.cupy.asnumpy, given, **options)
            results.append({key: array.tobytes() for key, array in result.items()})
            launched.append(seen)
        assert results[0] == results[1]
        assert {*launched[0]} == kernels | more
        assert {*launched[1]} == {f"{kernel}_wide" for kernel in kernels | more}


@pytest.mark.parametrize("name", [*CELLS, *OTHERS])
def test_a_fused_block_is_one_kernel_and_a_product_is_added_to_its_result(name: str) -> None:
    """The loops hold no other stages: no product apart from cuBLAS's, no sum apart from a kernel's.

    A product that adds to what is there (beta = 1) leaves no sum for a kernel of its own.
    """
    schedule = cell(name).schedule
    plan = Plan(schedule)
    for half, program in ((plan.forward, schedule.forward), (plan.backward, schedule.backward)):
        blocks = [stage for stage in program.loop if isinstance(stage, Block)]
        kernels = [stage for stage in half.loop if isinstance(stage, Kernel)]
        assert len(kernels) == len(blocks)
        assert [k.size for k in kernels] == [block.size for block in blocks]
    loops = (*plan.forward.loop, *plan.backward.loop)
    added = [s for s in loops if not isinstance(s, Kernel) and s.accumulate]
    text = source(name)
    # In the text a product for all steps stands eight columns to the left.
    in_loops = [line for line in text.splitlines() if line.startswith(" " * 12 + "gemm(")]
    assert sum("beta=1.0" in line for line in in_loops) == len(added)
    assert len(in_loops) == sum(not isinstance(s, Kernel) for s in loops)
    assert "cp.matmul" not in text and " @ " not in text.split('"""', 2)[2]


@pytest.mark.parametrize("name", CELLS)
def test_the_time_loop_launches_what_it_says_and_nothing_else(name: str) -> None:
    plan = Plan(cell(name).schedule)
    module = emulated(name)
    for half, stages in (("forward", plan.forward.loop), ("backward", plan.backward.loop)):
        for sequences in ((), ("lengths",), ("restart",), ("lengths", "restart")):
            counts = {steps: counted(module, name, steps, half, sequences) for steps in (3, 30)}
            kernels = sum(isinstance(stage, Kernel) for stage in stages)
            launches = kernels + ("restart" in sequences)
            assert counts[30]["launches"] - counts[3]["launches"] == 27 * launches
            assert counts[30]["products"] - counts[3]["products"] == 27 * (len(stages) - kernels)
            for what in ("operations", "allocations", "uploads", "synchronisations"):
                assert counts[30][what] == counts[3][what], (half, sequences, what)
            assert counts[3]["synchronisations"] == 0
            if not sequences:
                assert counts[3]["uploads"] == 0


def test_launch_shapes_fill_a_device() -> None:
    """Warps are full for any size, and there are as many blocks as there is work for."""
    module = emulated("lstm")
    run = module._Runner(np.dtype("float32"))
    for rows, size in ((1, 1), (3, 5), (64, 16), (16, 768), (64, 512), (4096, 5), (70000, 1023)):
        _, grid, block = run.kernel("forward_h", rows, size)
        units = -(-size // 4) if rows * size >= 4 * 512 * 132 else size
        across, down = block
        assert grid[0] * across >= units
        assert grid[0] * across < 2 * units or across == 1
        assert grid[1] * down >= rows or grid[1] == 65535
        assert across * down in range(1, 257)
        assert across * down >= min(32, rows * units // 2)
        needed = rows * units / 64
        assert grid[0] * grid[1] >= min(132, needed) / 2
    assert run.kernel("forward_h", 16, 768)[1:] == ((24, 8), (32, 2))
    assert run.kernel("forward_h", 4096, 5)[1:] == ((1, 256), (8, 16))


SANITIZED_CELLS = [*CELLS, *(OTHERS if ALL else verification_cells.cells())]
"""In CI every cell; elsewhere those of every part of the notation (CONTRIBUTING.md)."""


def sanitized_dtype(name: str) -> str:
    return ("float64", "float32")[SANITIZED_CELLS.index(name) % 2]


@pytest.mark.parametrize("part", range(6))
def test_every_kernel_runs_under_address_sanitizer(part: int) -> None:
    """Narrow and wide, at sizes that are multiples of 16 bytes or of nothing."""
    chosen = SANITIZED_CELLS[part::6]
    asked = [f"{name}={sanitized_dtype(name)}" for name in chosen]
    try:
        done = cuda_on_cpu.run_sanitized(["-c", SANITIZED, str(HERE), *asked], timeout=500)
    except UnavailableError as error:
        missing(error)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {
        f"{name} {kernel}{wide} {dtype}"
        for name in chosen
        for kernel in (*(k.name for k in Plan(cell(name).schedule).kernels), *MOVERS)
        for wide in ("", "_wide")
        for dtype in [sanitized_dtype(name)]
    }
    assert {*done.stdout.splitlines()} == expected


SANITIZED = """
import sys

import lstmgen
import numpy as np
from lstmgen.cuda import on_cpu as cuda_on_cpu
from lstmgen.verification.contract import input_size_argument
from lstmgen.verification.points import Shape

folder, *asked = sys.argv[1:]
sys.path.insert(0, folder)
import verification_cells

odd = verification_cells.cells()
for name, wanted in (cell.split("=") for cell in asked):
    declared = odd.get(name) or lstmgen.load(name)
    source, form, ran = lstmgen.render(declared, "cupy"), declared.normal_form, set()
    for T, B, H, other, dtype in (
        (3, 3, 5, 3, "float32"),
        (2, 256, 8, 8, "float32"),
        (1, 700, 5, 3, "float32"),
        (2, 3, 5, 3, "float64"),
        (2, 130, 6, 6, "float64"),
        (1, 350, 5, 3, "float64"),
    ):
        if dtype != wanted:
            continue
        cupy = cuda_on_cpu.emulated_cupy(multiprocessors=1)
        module = cuda_on_cpu.load_module(source, f"{name}_cupy", cupy=cupy)
        found = module._kernel

        def kernel(name, dtype):
            ran.add(f"{name} {dtype}")
            return found(name, dtype)

        module._kernel = kernel
        sizes = (*form.input_sizes, *form.extra_sizes)
        shape = Shape(T, B, H, tuple((size, other) for size in sizes))
        extra = {size: other for size in form.extra_sizes}
        size = input_size_argument(form, shape)
        params = module.init_params(size, H, seed=1, dtype=dtype, **extra)
        x = {n: cupy.full((T, B, shape.size(form.sizes[n])), 0.5, dtype) for n in form.inputs}
        x = x if len(x) > 1 else x[form.inputs[0]]
        lengths, again = np.arange(B) % (T + 1), cupy.array(np.arange(T * B).reshape(T, B) % 5 == 0)
        for options in ({}, {"restart": again}, {"lengths": lengths, "restart": again}):
            y, state, tape = module.forward(params, x, **options)
            module.backward(params, tape, dy=y, dstate=state)
    for kernel in sorted(ran):
        print(name, kernel)
"""


def launches(module: ModuleType) -> Counter[str]:
    """Counts, by name, the kernels that the module asks for."""
    seen: Counter[str] = Counter()
    found = module._kernel

    def kernel(name: str, dtype: Any) -> Any:
        seen[name] += 1
        return found(name, dtype)

    vars(module)["_kernel"] = kernel
    return seen


def counted(
    module: ModuleType, name: str, steps: int, half: str, sequences: tuple[str, ...]
) -> dict[str, int]:
    """What a call does on the device once kernels are compiled and memory is there."""
    options = {
        "lengths": np.array([steps, 2, steps]),  # on the host, where nobody waits for them
        "restart": module.cupy.array(np.arange(3 * steps).reshape(steps, 3) % 5 == 0),
    }
    options = {key: options[key] for key in sequences}
    shape = shape_for(cell(name).normal_form, steps, 3, 5, 4)
    given = arguments(name, shape, "float32")
    _, (params, x, state, dy, dstate) = run(module, module.cupy.array, module.cupy.asnumpy, given)
    _, _, tape = module.forward(params, x, state, **options)
    with module.cupy.counters.during() as counts:
        if half == "forward":
            module.forward(params, x, state, reuse=tape, **options)
        else:
            module.backward(params, tape, dy, dstate)
    return counts


def arguments(name: str, shape: Shape, dtype: str) -> tuple[Any, ...]:
    """Parameters, inputs, states, dy and dstate: positive, so that every cell has a value."""
    form = cell(name).normal_form
    module = lstmgen.compile(cell(name), "numpy")
    extra = {size: shape.size(size) for size in form.extra_sizes}
    made = module.init_params(
        input_size_argument(form, shape), shape.H, seed=3, dtype=dtype, **extra
    )
    draw = np.random.default_rng(5).uniform

    def array(*of: int) -> Any:
        return draw(0.1, 0.9, of).astype(dtype)

    size = {symbol: shape.size(symbol) for symbol in ("H", *dict(shape.others))}
    x = {n: array(shape.T, shape.B, size[form.sizes[n]]) for n in form.inputs}
    state = {n: array(shape.B, size[form.sizes[n]]) for n in form.states}
    dstate = {n: array(shape.B, size[form.sizes[n]]) for n in form.states}
    dy = array(shape.T, shape.B, size[form.sizes[form.output]])
    params = {n: np.abs(a) if a.ndim < 2 else a for n, a in made.items()}
    return params, x if len(x) > 1 else next(iter(x.values())), state, dy, dstate


def run(
    module: ModuleType, to_device: Any, to_host: Any, given: Any, **options: Any
) -> tuple[Any, Any]:
    """All results of forward and backward by name, and the arguments on the device."""

    def send(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: to_device(array) for name, array in value.items()}
        return to_device(value)

    params, x, state, dy, dstate = sent = tuple(map(send, given))
    y, last, tape = module.forward(params, x, state, **send(options))
    dparams, dx, dstate0 = module.backward(params, tape, dy, dstate)
    groups = {
        "last": last,
        "dparams": dparams,
        "dx": dx if isinstance(dx, dict) else {"x": dx},
        "dstate0": dstate0,
    }
    found = {f"{what} {n}": to_host(a) for what, group in groups.items() for n, a in group.items()}
    return {"y": to_host(y), **found}, sent
