"""Finding the kernels of a text, their bounds, and the dynamic shared arrays."""

from __future__ import annotations

import pytest

from lstmgen.cuda.on_cpu.kernel_text import KernelText, base_name, exports, read_kernel_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('extern "C" __global__ void k(int a) {}', KernelText("k", True, False)),
        ("__global__ void k(int a) {}", KernelText("k", False, False)),
        ('extern "C" { __global__ void k() {} }', KernelText("k", True, False)),
        (
            'extern "C" __global__ void __launch_bounds__(N * (1 + M), 2)\nk(float* x) {}',
            KernelText("k", True, False, "N * (1 + M)"),
        ),
        (
            'extern "C" __global__ __launch_bounds__(256) void k() {}',
            KernelText("k", True, False, "256"),
        ),
        (
            'extern "C" __global__ void __cluster_dims__(P, 2, 1) __launch_bounds__(64) k() {}',
            KernelText("k", True, False, "64", ("P", "2", "1")),
        ),
        (
            "template <class T, int N> __global__ void __launch_bounds__(N) k(T* x) {}",
            KernelText("k", False, True),
        ),
        (
            "template <class T> __global__ void __launch_bounds__(32) k(T* x) {}",
            KernelText("k", False, True, "32"),
        ),
        ('#define A extern "B"\n__global__ void k() {}', KernelText("k", False, False)),
    ],
)
def test_a_kernel_is_read(text, expected):
    assert read_kernel_text(text)[0] == [expected]


def test_comments_and_strings_hold_no_kernels():
    text = (
        '// extern "C" __global__ void a() {}\n/* __global__ void b() {} */\n'
        'const char* s = "__global_ // void"; extern "C" __global__ void c() {} // __global__\n'
        "/* extern __shared__ float no[]; */"
    )
    kernels, dynamic = read_kernel_text(text)
    assert [kernel.name for kernel in kernels] == ["c"]
    assert dynamic == []


def test_a_declaration_before_the_definition_counts_once():
    text = (
        'extern "C" __global__ void k(int);\n'
        'extern "C" __global__ void __launch_bounds__(8) k(int a) {}'
    )
    assert read_kernel_text(text)[0] == [KernelText("k", True, False, "8")]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("extern __shared__ float s[];", ["s"]),
        ("extern __shared__ __align__(16) unsigned char bytes [ ] ;", ["bytes"]),
        ("extern __shared__ float a[]; void f() { extern __shared__ float a[]; }", ["a"]),
        ("extern __shared__ float4 a[]; extern __shared__ int b[];", ["a", "b"]),
        ("__shared__ float s[3];", []),
    ],
)
def test_dynamic_shared_arrays(text, names):
    assert read_kernel_text(text)[1] == names


def test_the_exports_name_every_instance():
    kernels, _ = read_kernel_text(
        "template <class T> __global__ void __launch_bounds__(32) k(T* x) {}"
    )
    lines = exports(["k<float>", "ns::other<int, 2>"], kernels, []).split("\n")
    assert lines[0] == 'CUDA_ON_CPU_KERNEL(0, "k<float>", nullptr, (32), (1), (1), (1), &k<float>)'
    assert lines[1].endswith("(1024), (1), (1), (1), &ns::other<int, 2>)")
    assert base_name("ns::other<int, 2>") == "other"
