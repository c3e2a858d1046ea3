"""Compile small kernels of known properties with NVRTC; no GPU is needed."""

from __future__ import annotations

import ctypes
import dataclasses
import shutil
from pathlib import Path

import pytest
from needs import missing

from lstmgen.cuda.compiler.nvrtc import (
    ARCHITECTURES,
    Compiled,
    CompileError,
    Nvrtc,
    double_instructions,
    parse_resources,
)
from lstmgen.cuda.compiler.occupancy import limits
from lstmgen.cuda.compiler.ptx import entry_names
from lstmgen.errors import LstmgenError, UnavailableError, UsageError

SOURCE = r"""
extern "C" __global__ void scale(float* a, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) a[i] = tanhf(a[i]) * 0.5f + 1.0f / (1.0f + expf(-a[i]));
}
extern "C" __global__ void double_literal(float* a) { a[threadIdx.x] = a[threadIdx.x] * 0.1 + 1.0; }
extern "C" __global__ void double_compare(float* a) { if (a[0] < 0.1) a[1] = 1.0f; }
extern "C" __global__ void double_copy(double* a) { a[0] = a[1]; }
extern "C" __global__ void folded(float* a) { a[threadIdx.x] += (float)(1.0 / 3.0); }
extern "C" __global__ void shared(float* a) {
  __shared__ float s[256];
  s[threadIdx.x] = a[threadIdx.x];
  __syncthreads();
  a[threadIdx.x] = s[255 - threadIdx.x];
}
extern "C" __global__ void many_live_values(float* a, int n) {
  float v[64];
  #pragma unroll
  for (int i = 0; i < 64; i++) v[i] = a[i * n + threadIdx.x];
  __syncthreads();
  #pragma unroll
  for (int i = 0; i < 64; i++) a[i * n + threadIdx.x] = v[63 - i] * v[(i * 7) % 64];
}
"""


@pytest.fixture(scope="module")
def nvrtc() -> Nvrtc:
    """The installed NVRTC; absent, the tests fail on CI and are skipped elsewhere."""
    try:
        return Nvrtc.load()
    except UnavailableError as error:
        missing(error)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def compiled(request: pytest.FixtureRequest, nvrtc: Nvrtc) -> Compiled:
    """SOURCE for each architecture."""
    if not nvrtc.supports(request.param):
        missing(UnavailableError(f"NVRTC {nvrtc.version} does not know {request.param}"))
    return nvrtc.compile(SOURCE, arch=request.param, options=("-std=c++17",))


def test_the_four_architectures_are_compiled_by_default(nvrtc: Nvrtc) -> None:
    assert ARCHITECTURES == ("sm_80", "sm_90", "sm_100", "sm_120")
    table = nvrtc.compile_all('extern "C" __global__ void f(float* a) { *a = 1; }')
    assert [(row.kernel, row.arch) for c in table for row in c.kernels] == [
        ("f", arch) for arch in ARCHITECTURES
    ]


def test_machine_code_and_ptx_come_back(compiled: Compiled) -> None:
    assert compiled.cubin[:4] == b"\x7fELF"
    assert f".target {compiled.arch}" in compiled.ptx
    assert "ptxas info" in compiled.log
    assert entry_names(compiled.ptx) == tuple(sorted(row.kernel for row in compiled.kernels))
    assert len(compiled.kernels) == 7 and compiled.functions == ()


def test_a_small_kernel_fits_its_registers(compiled: Compiled) -> None:
    row = compiled.kernel("scale")
    assert 8 <= row.registers <= 40
    assert (row.spill_stores, row.spill_loads, row.static_shared, row.barriers) == (0, 0, 0, 0)
    assert not row.spills and compiled.spilling == ()


def test_static_shared_memory_and_barriers_are_read(compiled: Compiled) -> None:
    row = compiled.kernel("shared")
    assert row.static_shared == 256 * 4
    assert row.barriers == 1


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_too_few_registers_spill(nvrtc: Nvrtc, arch: str) -> None:
    free = nvrtc.compile(SOURCE, arch=arch).kernel("many_live_values")
    tight = nvrtc.compile(SOURCE, arch=arch, options=("-maxrregcount=32",))
    row = tight.kernel("many_live_values")
    assert free.registers > 64 and not free.spills
    assert row.registers <= 32 and row.spills
    assert row.spill_stores >= 64 * 4 and row.spill_loads >= 64 * 4
    assert row.stack_frame >= 64 * 4
    assert [r.kernel for r in tight.spilling] == ["many_live_values"]


def test_rows_are_immutable(compiled: Compiled) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        compiled.kernels[0].registers = 1  # type: ignore[misc]


def test_double_instructions_are_named(compiled: Compiled) -> None:
    found = {(d.function, d.kind) for d in compiled.doubles}
    assert found == {
        ("double_literal", "conversion"),
        ("double_literal", "arithmetic"),
        ("double_compare", "conversion"),
        ("double_compare", "comparison"),
    }
    literal = [d for d in compiled.doubles if d.function == "double_literal"]
    assert [d.opcode for d in literal] == ["cvt.f64.f32", "fma.rn.f64", "cvt.rn.f32.f64"]
    assert literal[1].text.startswith("fma.rn.f64 %") and "\n" not in literal[1].text


def test_a_source_compiled_in_double_counts_as_double(nvrtc: Nvrtc) -> None:
    text = 'extern "C" __global__ void f(REAL* a) { a[threadIdx.x] *= a[0]; }'
    assert nvrtc.compile(text, arch="sm_90", options=("-DREAL=float",)).doubles == ()
    double = nvrtc.compile(text, arch="sm_90", options=("-DREAL=double",)).doubles
    assert [d.opcode for d in double] == ["mul.f64"]


def test_doubles_in_a_device_function_and_with_line_numbers(nvrtc: Nvrtc) -> None:
    text = """__device__ __noinline__ float third(float x) { return x * (1.0 / 3.0); }
extern "C" __global__ void f(float* a) { a[threadIdx.x] = third(a[threadIdx.x]); }"""
    plain = nvrtc.compile(text, arch="sm_90")
    assert {d.function for d in plain.doubles} == {"_Z5thirdf"}
    assert [row.kernel for row in plain.functions] == ["_Z5thirdf"]
    assert nvrtc.compile(text, arch="sm_90", options=("-lineinfo",)).doubles == plain.doubles


def test_what_counts_as_double_in_ptx() -> None:
    ptx = """
.extern .func (.param .f64 r) declared_only (.param .f64 p);
.visible .entry k(.param .f64 k_param_0)
.maxntid 256, 1, 1
{
  .reg .f64 %fd<9>; // add.f64 in a comment
  /* mul.f64 %fd1, %fd2, %fd3; */
  ld.param.f64 %fd1, [k_param_0];
  mov.f64 %fd2, 0d3FF0000000000000;
  selp.f64 %fd2, %fd1, %fd2, %p1;
  fma.rn.f32 %f64, %f1, %f2, %f3;
  { .reg .f64 t; neg.f64 t, %fd1; }
$L__BB0_1:
  @!%p1 sqrt.rn.f64 %fd3, %fd1;
  @%p2 bra $L__BB0_1;
  red.global.add.f64 [%rd1], %fd3;
  cvt.rni.s32.f64
      %r1, %fd3;
  st.global.f64 [%rd1], %fd3;
}
"""
    assert [(d.function, d.kind, d.opcode) for d in double_instructions(ptx)] == [
        ("k", "arithmetic", "neg.f64"),
        ("k", "arithmetic", "sqrt.rn.f64"),
        ("k", "arithmetic", "red.global.add.f64"),
        ("k", "conversion", "cvt.rni.s32.f64"),
    ]
    assert entry_names(ptx) == ("k",)


def test_a_source_without_kernels_gives_an_empty_table(nvrtc: Nvrtc) -> None:
    assert nvrtc.compile("__device__ int unused;", arch="sm_90").kernels == ()


def test_a_syntax_error_gives_the_compilers_log(nvrtc: Nvrtc) -> None:
    with pytest.raises(CompileError) as caught:
        nvrtc.compile("__global__ void f( { }", arch="sm_90", file_name="broken.cu")
    assert "broken.cu(1): error" in caught.value.log
    assert caught.value.log in str(caught.value) and "sm_90" in str(caught.value)
    assert caught.value.exit_code == 1


def test_an_error_of_ptxas_is_an_error(nvrtc: Nvrtc) -> None:
    text = 'extern "C" __global__ void f(int* a) { asm volatile("no_such_instruction;"); }'
    with pytest.raises(CompileError, match="no_such_instruction"):
        nvrtc.compile(text, arch="sm_90")


def test_a_missing_header_says_what_to_install(nvrtc: Nvrtc) -> None:
    with pytest.raises(CompileError, match=r"lstmgen\[cuda-check\]"):
        nvrtc.compile("#include <no_such_header.h>\n", arch="sm_90")


def test_the_headers_of_the_wheels_are_found(nvrtc: Nvrtc) -> None:
    text = """#include <cuda_bf16.h>
extern "C" __global__ void f(__nv_bfloat16* a, float b) { *a = __float2bfloat16(b); }"""
    assert nvrtc.compile(text, arch="sm_90").doubles == ()


def test_templates_by_name_expression(nvrtc: Nvrtc) -> None:
    text = "template <class T> __global__ void add(T* a) { a[threadIdx.x] += T(1); }"
    out = nvrtc.compile(text, arch="sm_90", names=("add<float>", "add<double>"))
    lowered = dict(out.lowered)
    assert {row.kernel for row in out.kernels} == set(lowered.values())
    assert {d.function for d in out.doubles} == {lowered["add<double>"]}


def test_architectures_that_cannot_be_compiled(nvrtc: Nvrtc) -> None:
    with pytest.raises(UnavailableError, match="sm_35") as caught:
        nvrtc.compile("", arch="sm_35")
    assert caught.value.exit_code == 4
    with pytest.raises(UsageError, match="hopper"):
        nvrtc.compile("", arch="hopper")
    with pytest.raises(UsageError, match="arch="):
        nvrtc.compile("", arch="sm_90", options=("-arch=sm_80",))
    assert nvrtc.compile(SOURCE, arch="sm_90a").arch == "sm_90a"


def test_without_wheels_the_extra_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r'pip install "lstmgen\[cuda-check\]"') as caught:
        Nvrtc.load(roots=[tmp_path])
    assert caught.value.exit_code == 4


def test_a_damaged_library_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "cu13" / "lib").mkdir(parents=True)
    (tmp_path / "cu13" / "lib" / "libnvrtc.so.13").write_bytes(b"not a library")
    with pytest.raises(UnavailableError, match=r"cannot be loaded.*cuda-check"):
        Nvrtc.load(roots=[tmp_path])


def test_both_wheel_layouts_are_known(nvrtc: Nvrtc, tmp_path: Path) -> None:
    old = tmp_path / "old"
    for folder in ("cuda_nvrtc/lib", "cuda_runtime/include", "cuda_cccl/include"):
        (old / folder).mkdir(parents=True)
    (old / "cuda_nvrtc" / "lib" / "libnvrtc.so.12").symlink_to(nvrtc.path)
    loaded = Nvrtc.load(roots=[old])
    assert loaded.path.parent == old / "cuda_nvrtc" / "lib"
    assert loaded.include == (old / "cuda_runtime" / "include", old / "cuda_cccl" / "include")
    assert loaded.compile(SOURCE, arch="sm_90").kernel("shared").static_shared == 1024

    both = tmp_path / "both"
    shutil.copytree(old, both, symlinks=True)
    for major in ("cu9", "cu13"):
        (both / major / "lib").mkdir(parents=True)
        (both / major / "lib" / "libnvrtc.so").symlink_to(nvrtc.path)
        (both / major / "lib" / f"libnvrtc.so.{major[2:]}").symlink_to(nvrtc.path)
        (both / major / "include").mkdir()
    newest = Nvrtc.load(roots=[both])
    assert newest.path == both / "cu13" / "lib" / "libnvrtc.so.13"
    assert newest.include == (both / "cu13" / "include",)


OLD_LOG = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'b' for 'sm_80'
ptxas info    : Function properties for b
    16 bytes stack frame, 12 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 40 registers, used 2 barriers, 512 bytes smem, 380 bytes cmem[0]
ptxas info    : Function properties for helper
    8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Compiling entry function 'a' for 'sm_80'
ptxas info    : Function properties for a
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, 360 bytes cmem[0]
"""


def test_the_report_of_an_older_ptxas() -> None:
    a, b, helper = parse_resources(OLD_LOG, "sm_80")
    assert (a.kernel, a.registers, a.static_shared, a.barriers, a.spills) == ("a", 10, 0, 0, False)
    assert (b.registers, b.stack_frame, b.spill_stores, b.spill_loads) == (40, 16, 12, 20)
    assert (b.static_shared, b.barriers) == (512, 2)
    assert (helper.kernel, helper.registers, helper.spill_stores) == ("helper", 0, 4)


def test_a_report_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(LstmgenError, match="does not say what a uses"):
        parse_resources(OLD_LOG.replace("Used 10 registers", "Employs 10 registers"), "sm_80")


def test_occupancy_of_a_compiled_kernel(compiled: Compiled) -> None:
    row = compiled.kernel("shared")
    sm = limits(compiled.arch)
    assert row.occupancy(256).blocks == sm.warps_per_sm // 8
    with_more = row.occupancy(256, dynamic_shared=sm.shared_per_block - row.static_shared)
    assert (with_more.blocks, with_more.limited_by) == (1, "shared memory")
    assert row.occupancy(256, dynamic_shared=sm.shared_per_block).blocks == 0


def test_the_built_in_headers_are_loaded_before_the_compiler(
    nvrtc: Nvrtc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NVRTC 13.0 finds its built-in headers only where they are loaded already."""
    lib = tmp_path / "cu13" / "lib"
    lib.mkdir(parents=True)
    for file in nvrtc.path.parent.glob("libnvrtc*.so.*"):
        (lib / file.name).symlink_to(file)
    loaded: list[str] = []
    real = ctypes.CDLL

    def load(path: str) -> ctypes.CDLL:
        loaded.append(Path(path).name)
        return real(path)

    monkeypatch.setattr(ctypes, "CDLL", load)
    Nvrtc.load(roots=[tmp_path])
    assert len(loaded) == 2
    assert loaded[0].startswith("libnvrtc-builtins.so.") and loaded[1].startswith("libnvrtc.so.")
