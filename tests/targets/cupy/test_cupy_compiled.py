"""The kernels of every cell, compiled by CUDA's compiler, for which no GPU is needed."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import verification_cells
from needs import ALL

import lstmgen
from lstmgen import targets, verification
from lstmgen.cuda import on_cpu as cuda_on_cpu
from lstmgen.cuda.compiler.nvrtc import ARCHITECTURES, Nvrtc
from lstmgen.library.loading import names
from lstmgen.targets.building import KEPT
from lstmgen.targets.cupy.inspection import inspect
from lstmgen.targets.cupy.kernel_text import kernel_text
from lstmgen.targets.cupy.plan import Plan
from lstmgen.targets.cupy.resources import DTYPES, MODULE_OPTIONS, compile_kernels, table
from lstmgen.verification import Verifier, verify_module
from lstmgen.verification.runners import Runner

CELLS = {**dict.fromkeys(names()), **verification_cells.cells()}

pytestmark = pytest.mark.usefixtures("nvrtc_here")


COMPILED = CELLS if ALL else [*names()[::3], *verification_cells.cells()]
"""A third of the library, and cells of every part of the notation; a second each."""


@pytest.mark.parametrize("name", COMPILED)
def test_kernels_compile_without_spills_and_in_one_precision(name: str) -> None:
    """For one architecture: a thread may have as many registers in all of them.

    Kernels of every function are compiled in both dtypes, and of the library where all of it is;
    elsewhere it is in one and the other in turn.
    """
    cell = CELLS[name] or lstmgen.load(name)
    both = tuple(DTYPES)
    dtypes = both if CELLS[name] or ALL else (both[[*CELLS].index(name) % 2],)
    builds = compile_kernels(kernel_text(cell), ("sm_90",), dtypes)
    kernels = [*(kernel.name for kernel in Plan(cell.schedule).kernels), "gather", "restart"]
    wanted = sorted([*kernels, *(f"{kernel}_wide" for kernel in kernels)])
    assert [build.dtype for build in builds] == [*dtypes]
    for build in builds:
        assert not build.problems, (build.dtype, build.architecture)
        assert [use.kernel for use in build.kernels] == wanted
        assert all(use.threads == 256 and use.registers <= 255 for use in build.kernels)
        assert all(use.occupancy > 0 and use.spilled == use.shared == 0 for use in build.kernels)


@pytest.mark.parametrize("name", KEPT)
def test_wide_kernels_load_16_bytes_at_a_time_and_narrow_ones_a_number(name: str) -> None:
    """Wide kernels also have loads of a number, for the end of a row and for rows begun elsewhere.

    What is the same for every unit, a scalar parameter, is one number in both.
    """
    cell = lstmgen.load(name)
    text, kernels = kernel_text(cell), Plan(cell.schedule).kernels
    nvrtc = Nvrtc.load()
    for real, units, vector in (("float", 4, r"v4\.[fub]32"), ("double", 2, r"v2\.[fub]64")):
        options = ("-std=c++17", "--ftz=true", f"-DREAL={real}")
        bodies = entries(nvrtc.compile(text, arch="sm_90", options=options).ptx)
        for kernel in kernels:
            narrow, wide = bodies[kernel.name], bodies[f"{kernel.name}_wide"]
            vectors = re.findall(rf"(?:ld|st)\.global\S*\.{vector}", wide)
            accesses = re.findall(r"(?:ld|st)\.global\S*", wide)
            arrays = len(kernel.vectors) + len(kernel.loads) + len(kernel.stores)
            assert len(vectors) == arrays, kernel.name
            assert len(accesses) - arrays == units * arrays + len(kernel.scalars), kernel.name
            accesses = re.findall(r"(?:ld|st)\.global\S*", narrow)
            assert not any(".v" in access for access in accesses)
            assert len(accesses) == arrays + len(kernel.scalars), kernel.name


def entries(ptx: str) -> dict[str, str]:
    """The body of each kernel of a PTX text."""
    found = re.split(r"^\.visible \.entry (\w+)\(", ptx, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


FAULTS = {
    "a double literal": ("f_t * C_prev.at[v]", "0.1 * f_t * C_prev.at[v]", "in double precision"),
    "no C++": ("const real f_t = ", "const real f_t == ", "error"),
    "no kernel": (
        'extern "C" __global__ void __launch_bounds__(THREADS, 1)',
        "static __device__ void",
        "no kernel",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_text_is_a_failed_line(name: str) -> None:
    true, wrong, reason = FAULTS[name]
    text = kernel_text(lstmgen.load("lstm"))
    assert true in text
    checks = inspect(a_runner(text.replace(true, wrong)), ("sm_90",)).checks
    assert len(checks) == 2
    assert not checks[0].passed
    assert reason in checks[0].detail


def test_a_spill_is_a_failed_line() -> None:
    """A kernel that may have few registers only."""
    text = kernel_text(lstmgen.load("lstm")).replace("(THREADS, 1)", "(1024, 2)")
    builds = compile_kernels(text, ("sm_100",), ("float64",))
    assert any("spills" in problem for build in builds for problem in build.problems)


def test_sine_of_a_float_may_use_what_cuda_uses() -> None:
    """CUDA's sinf holds double precision for large arguments; only what the text adds counts."""
    text = (
        'extern "C" __global__ void __launch_bounds__(64) k(REAL* a, int n) {{\n'
        "  if (threadIdx.x < n) a[threadIdx.x] = {};\n}}\n"
    )
    ours = text.format("sin(a[threadIdx.x])")
    (build,) = compile_kernels(ours, ("sm_90",), ("float32",))
    assert not build.problems
    assert [use.threads for use in build.kernels] == [64]
    added = text.format("sin(a[threadIdx.x]) * 0.1 * a[0]")
    (build,) = compile_kernels(added, ("sm_90",), ("float32",))
    assert "double precision" in build.problems[0]


def test_the_table_has_a_line_for_each_kernel_and_dtype() -> None:
    builds = compile_kernels(kernel_text(lstmgen.load("rnn")), ("sm_80", "sm_90"))
    _, head, *lines = table(builds)
    assert head.split() == ["kernel", "dtype", "block", "sm_80", "sm_90", "spilled", "shared"]
    assert len(lines) == 2 * len(builds[0].kernels)
    first = builds[0].kernels[0]
    assert lines[0].split()[:5] == [
        first.kernel,
        "float32",
        "256",
        str(first.registers),
        f"{first.occupancy:.0%}",
    ]


def test_verify_and_explain_print_the_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cuda_on_the_cpu: None
) -> None:
    from lstmgen.cli.root import main

    compiled, compile_one = {}, Nvrtc.compile

    def once(self: Nvrtc, source: str, *, arch: str, options: tuple[str, ...]) -> Any:
        key = source, arch, options
        if key not in compiled:
            compiled[key] = compile_one(self, source, arch=arch, options=options)
        return compiled[key]

    monkeypatch.setattr(Nvrtc, "compile", once)  # all three compile the same
    lines = table(compile_kernels(kernel_text(lstmgen.load("rnn"))))
    assert len(lines) > 3
    for command in (["verify", "rnn", "--device", "cpu"], ["explain", "rnn"]):
        assert main([*command, "--target", "cupy"]) == 0
        printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
        assert {line.strip() for line in lines} <= {*printed}
    assert len(compiled) == 2 * len(ARCHITECTURES)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("-std=c++17", "--use_fast_math"), "--use_fast_math: numbers less exact than verified"),
        (("-std=c++17", "-prec-div=false"), "less exact"),
        (("--no-such-option",), "no-such-option"),
        ("-std=c++17", "the module has no _OPTIONS, a tuple"),
        (None, "the module has no _OPTIONS, a tuple"),
    ],
)
def test_kernels_are_compiled_with_the_options_of_the_module(options: Any, reason: str) -> None:
    text = kernel_text(lstmgen.load("lstm"))
    checks = inspect(a_runner(text, options), ("sm_90",)).checks
    assert not any(check.passed for check in checks if check.check != "kernels float64")
    assert reason in str([check.detail for check in checks])


def test_a_module_compiles_its_kernels_with_its_options(cuda_on_the_cpu: None) -> None:
    source = lstmgen.render(lstmgen.load("rnn"), "cupy")
    true = '_OPTIONS = ("-std=c++17",)'
    assert MODULE_OPTIONS == ("-std=c++17",)
    assert source.count(true) == 1
    asked = source.replace(true, '_OPTIONS = ("-std=c++17", "-DASKED")')
    module = cuda_on_cpu.load_module(asked, "rnn_cupy", cupy=cuda_on_cpu.emulated_cupy())
    module.forward(module.init_params(2, 3, seed=0), module.cupy.zeros((1, 1, 2), "float32"))
    assert module._MODULES["float"].options == ("-std=c++17", "-DASKED", "-DREAL=float")


def test_without_nvrtc_verification_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cuda_on_the_cpu: None
) -> None:
    """Exit code 4: nothing failed, but not everything was checked."""
    from lstmgen.cli.root import main
    from lstmgen.cuda.compiler import nvrtc

    monkeypatch.setattr(nvrtc, "_nvidia_folders", list)
    monkeypatch.setattr(verification, "Verifier", partial(Verifier, quick=True))
    assert main(["verify", "rnn", "--target", "cupy", "--device", "cpu"]) == 4
    out, err = capsys.readouterr()
    assert "on cpu, its kernels compiled for the CPU" in out
    assert "checks passed\nnot checked: the kernels by CUDA's compiler: NVRTC was not found" in out
    assert 'pip install "lstmgen[cuda-check]"' in out
    assert "not everything could be checked" in err
    assert main(["explain", "rnn", "--target", "cupy"]) == 0
    assert "not compiled: NVRTC was not found" in capsys.readouterr().out


@pytest.mark.parametrize("device", [[], ["--device", "auto"], ["--device", "cpu"]])
def test_without_a_compiler_verification_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    device: list[str],
) -> None:
    """Exit code 4, nothing printed that could be taken for a verdict; so for a file."""
    from lstmgen.cli.root import main

    monkeypatch.setitem(sys.modules, "cupy", None)  # no GPU can run it
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    path = tmp_path / "rnn_cupy.py"
    path.write_text(lstmgen.render(lstmgen.load("rnn"), "cupy"), encoding="utf-8")
    for arguments in (["rnn", "--target", "cupy"], [str(path)]):
        assert main(["verify", *arguments, *device]) == 4
        out, err = capsys.readouterr()
        assert out == ""
        assert "a C++17 compiler, and none was found (g++, clang++)" in err
        assert "apt install g++" in err
    from lstmgen.cli.doctor import examine

    (found,) = (f for f in examine() if f.name == "C++ compiler")
    assert not found.found
    assert "lstmgen verify CELL --target cupy" in found.needed_for


def test_a_module_without_kernel_text_fails() -> None:
    (check,) = inspect(a_runner(None)).checks
    assert not check.passed
    assert "_KERNELS" in check.detail


def test_numpy_modules_have_no_kernels_to_check() -> None:
    report = verify_module(lstmgen.compile(lstmgen.load("rnn"), "numpy"), "rnn")
    assert report.ok
    assert report.kernels == report.unchecked == ()


def a_runner(text: str | None, options: Any = MODULE_OPTIONS) -> Runner:
    names = {"_KERNELS": text, "_OPTIONS": options}
    module = type("Module", (), {n: value for n, value in names.items() if value is not None})
    return Runner(module, targets.get("cupy"), "cpu", lambda a: a, lambda a: a)
