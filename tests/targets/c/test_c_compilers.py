"""C modules under several compilers and for several processors."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lstmgen
from lstmgen import Cell, Eq, softplus, symbols, t
from lstmgen.targets import get
from lstmgen.targets.c import compiler
from lstmgen.targets.rendering import files
from tests.random_cells.checking import check
from tests.targets.c.many import INSTRUCTIONS, LEAN, module_of, runs

ZIG = [sys.executable, "-m", "ziglang", "cc"]
needs_zig = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="no zig; pip install 'lstmgen[compiler]'"
)
COMPILERS = {
    name: pytest.param(
        [name], id=name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name}")
    )
    for name in ("gcc", "clang")
} | {"zig": pytest.param(ZIG, id="zig", marks=needs_zig)}


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    """A cell with a function that the common text lacks."""
    h, x, W = symbols("h x W")
    cell = Cell("warned", Eq(h[t], softplus(W @ [h[t - 1], x[t]])))
    for name, text in files(cell, "c").items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("command", COMPILERS.values())
def test_modules_are_right(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", shlex.join(command))
    cell = lstmgen.load("gru_reset_after")
    lean = ["-O1", *LEAN[1:]] if command is ZIG else LEAN  # at -O0 it brings UBSan, and builds it
    runner = get("c").runner(module_of(cell, *lean))
    assert check(cell, runner, 5, dtypes=("float32",)).comparisons > 0


@pytest.mark.parametrize("command", COMPILERS.values())
@pytest.mark.parametrize("flags", [["-O1"], ["-O1", "-DLSTMGEN_DOUBLE", "-DLSTMGEN_NUMPY"]])
def test_the_text_has_no_warnings(command: list[str], flags: list[str], warned: Path) -> None:
    strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-c"]
    subprocess.run([*command, *strict, *flags, "warned_c.c"], cwd=warned, check=True)
    declared = ["-DLSTMGEN_DECLARATIONS", "warned_c.c"]
    subprocess.run([*command, *strict, *declared], cwd=warned, check=True)


@pytest.mark.parametrize("command", [COMPILERS["gcc"], COMPILERS["clang"]])
def test_the_text_goes_with_a_program_of_its_own_headers(command: list[str], warned: Path) -> None:
    headers = ["math", "stdio", "stdlib", "string", "time"]
    if sys.platform.startswith("linux"):
        headers += ["unistd", "fcntl", "pthread", "sys/times", "sys/socket"]
    lines = [*(f"#include <{name}.h>" for name in headers), '#include "warned_c.c"']
    (warned / "program.c").write_text("\n".join(lines) + "\n")
    subprocess.run([*command, "-std=gnu11", "-fsyntax-only", "program.c"], cwd=warned, check=True)


@pytest.mark.parametrize(
    ("name", "dtype"), [("sse2", "float32"), ("avx2", "float64"), ("avx512f", "float32")]
)
@pytest.mark.skipif(compiler.command() is None, reason="no C compiler; " + compiler.CURE)
def test_every_width_of_vectors_is_right(name: str, dtype: str) -> None:
    """As the text chooses it for the processor, with its own tiles."""
    if not runs(name):
        pytest.skip(f"this processor has no {name}")
    cell = lstmgen.load("rnn")
    runner = get("c").runner(module_of(cell, "-O1", INSTRUCTIONS[name]))
    assert check(cell, runner, 3, dtypes=(dtype,)).comparisons > 0


@needs_zig
@pytest.mark.parametrize("target", ["aarch64-linux-musl"])
def test_zig_compiles_it_for_other_machines(warned: Path, target: str) -> None:
    command = [*ZIG, "-target", target, "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*command, "-c", "warned_c.c"], cwd=warned, check=True)


@needs_zig
@pytest.mark.skipif(
    shutil.which("qemu-aarch64") is None and shutil.which("qemu-aarch64-static") is None,
    reason="no qemu-aarch64; apt install qemu-user",
)
def test_aarch64_computes_the_same(tmp_path: Path) -> None:
    """The example in C, under qemu, against the same here.

    The C library of another machine would have to be built first, for more than a minute.
    """
    from tests.targets.c.test_c_alone import EXAMPLE, STRICT, expected_output, prepared

    folder = prepared(tmp_path)
    (folder / "library.c").write_text(LIBRARY)
    compiled = [*ZIG, "-target", "aarch64-linux-musl", *STRICT]
    subprocess.run([*compiled, "-c", EXAMPLE.name], cwd=folder, check=True)
    subprocess.run([*compiled, "-ffreestanding", "-c", "library.c"], cwd=folder, check=True)
    linked = ["ld.lld", "stream_gru.o", "library.o", "-o", "stream_gru"]
    subprocess.run([*ZIG[:-1], *linked], cwd=folder, check=True)
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    assert emulator is not None
    program = str(folder / "stream_gru")
    done = subprocess.run([emulator, program], capture_output=True, text=True, check=True)
    expected_output(folder, done.stdout)


LIBRARY = """
#include <stdarg.h>
#include <stddef.h>

int main(void);
int printf(const char *format, ...);
float sinf(float x);
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
void _start(void);

static long call(long what, long one, long two, long three)  // of the kernel
{
    register long x8 __asm__("x8") = what;
    register long x0 __asm__("x0") = one, x1 __asm__("x1") = two, x2 __asm__("x2") = three;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

void _start(void)
{
    call(93, main(), 0, 0);
    __builtin_trap();
}

// "%.8g%c" of a number below ten, with nine digits behind the point.
int printf(const char *format, ...)
{
    char text[13] = " 0.000000000";
    va_list arguments;
    va_start(arguments, format);
    const double value = va_arg(arguments, double);
    text[12] = (char)va_arg(arguments, int);
    va_end(arguments);
    text[0] = value < 0 ? '-' : ' ';
    long left = (long)((value < 0 ? -value : value) * 1e9 + 0.5);
    for (int k = 11; k > 0; k -= k == 3 ? 2 : 1, left /= 10)
        text[k] = (char)('0' + left % 10);
    return (int)call(64, 1, (long)text, sizeof text);
}

float sinf(float x)
{
    const double turn = 6.283185307179586;
    double angle = x - turn * (double)(long)(x / turn), sum = angle, term = angle;
    for (int k = 2; k < 40; k += 2)
        sum += term *= -angle * angle / (k * (k + 1));
    return (float)sum;
}

void *memcpy(void *to, const void *from, size_t count)
{
    for (size_t k = 0; k < count; k++)
        ((char *)to)[k] = ((const char *)from)[k];
    return to;
}

void *memset(void *to, int value, size_t count)
{
    for (size_t k = 0; k < count; k++)
        ((char *)to)[k] = (char)value;
    return to;
}
"""
"""What the example needs of a C library."""
