"""C modules under several compilers and for several processors."""

from __future__ import annotations

import importlib.util
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from needs import missing

import lstmgen
from lstmgen import Cell, Eq, softplus, symbols, t
from lstmgen.cli.root import main
from lstmgen.errors import UnavailableError
from lstmgen.targets import get
from lstmgen.targets.c import compiler
from lstmgen.targets.rendering import files
from tests.random_cells.checking import check
from tests.targets.c.many import INSTRUCTIONS, LEAN, module_of, runs

ZIG = [sys.executable, "-m", "ziglang", "cc"]


def command_of(name: str) -> list[str]:
    """A compiler's command.

    Without zig, which the extra `test` brings, and gcc, which g++ of .ci/run brings, CI fails;
    without clang the test is skipped there too.
    """
    if name == "zig":
        if importlib.util.find_spec("ziglang") is None:
            missing(UnavailableError("no zig; pip install 'lstmgen[compiler]'"))
        return ZIG
    if shutil.which(name) is None:
        if name == "gcc":
            missing(UnavailableError("no gcc; apt install gcc"))
        pytest.skip(f"no {name}; apt install {name}")
    return [name]


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    """A cell with a function that the common text lacks."""
    h, x, W = symbols("h x W")
    cell = Cell("warned", Eq(h[t], softplus(W @ [h[t - 1], x[t]])))
    for name, text in files(cell, "c").items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["gcc", "clang", "zig"])
def test_modules_are_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", shlex.join(command_of(name)))
    cell = lstmgen.load("gru_reset_after")
    lean = ["-O1", *LEAN[1:]] if name == "zig" else LEAN  # at -O0 it brings UBSan, and builds it
    runner = get("c").runner(module_of(cell, *lean))
    assert check(cell, runner, 5, dtypes=("float32",)).comparisons > 0


@pytest.mark.parametrize("name", ["gcc", "clang", "zig"])
@pytest.mark.parametrize("flags", [["-O1"], ["-O1", "-DLSTMGEN_DOUBLE", "-DLSTMGEN_NUMPY"]])
def test_the_text_has_no_warnings(name: str, flags: list[str], warned: Path) -> None:
    command = command_of(name)
    strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-c"]
    subprocess.run([*command, *strict, *flags, "warned_c.c"], cwd=warned, check=True)
    declared = ["-DLSTMGEN_DECLARATIONS", "warned_c.c"]
    subprocess.run([*command, *strict, *declared], cwd=warned, check=True)
    if name == "gcc":  # C++ reads the declarations too
        read = ["g++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *declared[:1], "-x", "c++"]
        subprocess.run([*read, "warned_c.c"], cwd=warned, check=True)


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_the_text_goes_with_a_program_of_its_own_headers(name: str, warned: Path) -> None:
    command = command_of(name)
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


WIDTHS = {"portable": "", "avx2": "__AVX2__", "avx512": "__AVX512F__"}


@pytest.mark.parametrize("instructions", WIDTHS)
@pytest.mark.parametrize("name", ["gcc", "clang", "zig"])
def test_instructions_are_those_asked_for(name: str, instructions: str) -> None:
    """And no more; zig, which has its own names of processors, takes this machine's unasked."""
    if platform.machine() != "x86_64":
        pytest.skip("the instructions are x86-64's")
    module = lstmgen.compile("rnn", "c", instructions=instructions)
    command = command_of(name)
    flags = [*module._flags(command, "f"), "-dM", "-E", "-x", "c", "/dev/null"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=True)
    found = {line.split()[1] for line in done.stdout.splitlines()}
    wanted = list(WIDTHS)[: list(WIDTHS).index(instructions) + 1]
    assert found & {"__AVX2__", "__AVX512F__"} == {WIDTHS[i] for i in wanted if WIDTHS[i]}
    assert ("__AVX__" in found) == (instructions != "portable")


def test_zig_names_no_processor_for_another_machine() -> None:
    module = lstmgen.compile("rnn", "c", instructions="portable")
    zig = [*command_of("zig"), "-target", "aarch64-linux-musl"]
    flags = [*module._flags(zig, "d"), "-dM", "-E", "-x", "c", "/dev/null"]
    done = subprocess.run([*zig, *flags], capture_output=True, text=True, check=True)
    assert "__aarch64__" in done.stdout and "LSTMGEN_DOUBLE" in done.stdout


@pytest.mark.parametrize("target", ["aarch64-linux-musl"])
def test_zig_compiles_it_for_other_machines(warned: Path, target: str) -> None:
    command = [*command_of("zig"), "-target", target, "-std=c11", "-O1", "-Wall", "-Wextra"]
    subprocess.run([*command, "-Werror", "-c", "warned_c.c"], cwd=warned, check=True)


def emulated(folder: Path, source: str, optimized: str) -> bytes:
    """What a program for aarch64 writes, under qemu; CI's machine has none, and skips this.

    The C library of another machine would have to be built first, for more than a minute.
    """
    zig = command_of("zig")
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("no qemu-aarch64; apt install qemu-user")
    (folder / "library.c").write_text(LIBRARY)
    strict = ["-target", "aarch64-linux-musl", "-std=c11", "-Wall", "-Wextra", "-Werror"]
    for file, flags in ((source, [optimized]), ("library.c", ["-O2", "-ffreestanding"])):
        made = [*zig, *strict, *flags, "-c", file, "-o", f"{file}.o"]
        subprocess.run(made, cwd=folder, check=True)
    linked = ["ld.lld", f"{source}.o", "library.c.o", "-o", "program"]
    subprocess.run([*zig[:-1], *linked], cwd=folder, check=True)
    program = str(folder / "program")
    return subprocess.run([emulator, program], capture_output=True, check=True).stdout


def test_aarch64_streams_the_same(tmp_path: Path) -> None:
    """The example in C, against NumPy here."""
    from tests.targets.c.test_c_alone import EXAMPLE, expected_output, prepared

    folder = prepared(tmp_path)
    expected_output(folder, emulated(folder, EXAMPLE.name, "-O2").decode())


def test_aarch64_trains_the_same(tmp_path: Path) -> None:
    """Forward and backward, rows of different lengths and states that begin anew, against NumPy."""
    T, B, D, H = 5, 3, 4, 9
    module = lstmgen.compile("gru", "numpy")
    params = module.init_params(D, H, seed=1)
    rng = np.random.default_rng(2)
    shapes = {"x": (T, B, D), "dy": (T, B, H), "first": (B, H), "dlast": (B, H)}
    given = {name: rng.standard_normal(shape).astype("f4") for name, shape in shapes.items()}
    np.savez(tmp_path / "given.npz", **params, **given)
    (tmp_path / "program.c").write_text(TRAINING)
    assert main(["build", "gru", "--target", "c", "-o", str(tmp_path)]) == 0
    written = ["weights", str(tmp_path / "given.npz"), "-o", str(tmp_path / "given.h")]
    assert main(written) == 0
    found = np.frombuffer(emulated(tmp_path, "program.c", "-O1"), "f4")

    wide = {name: array.astype("f8") for name, array in (params | given).items()}
    params = {name: wide[name] for name in params}
    restart = np.zeros((T, B), bool)
    restart[2, 1] = True
    y, last, tape = module.forward(
        params, wide["x"], {"h": wide["first"]}, lengths=np.array([5, 4, 2]), restart=restart
    )
    dparams, dx, dfirst = module.backward(params, tape, wide["dy"], {"h": wide["dlast"]})
    arrays = [y, last["h"], *(dparams[name] for name in ("W_z", "W_r", "W")), dx, dfirst["h"]]
    assert found.size == sum(array.size for array in arrays)
    for array in arrays:
        one, found = found[: array.size], found[array.size :]
        np.testing.assert_allclose(one.reshape(array.shape), array, rtol=1e-5, atol=2e-6)


TRAINING = """
#include "gru_c.c"
#include "given.h"

enum { T = 5, B = 3, D = 4, H = 9 };
static unsigned char work[1 << 20], tape[1 << 14];
static struct {
    float y[T * B * H], last[B * H], dW_z[H * (H + D)], dW_r[H * (H + D)], dW[H * (H + D)];
    float dx[T * B * D], dfirst[B * H];
} found;

long put(const void *data, long bytes);

int main(void)
{
    const gru_f32_sizes s = {.T = T, .B = B, .batch = B, .H = H, .D = D};
    const gru_f32_params p = {.W_z = weights_W_z, .W_r = weights_W_r, .W = weights_W};
    const gru_f32_inputs x = {weights_x};
    const gru_f32_dparams dp = {.W_z = found.dW_z, .W_r = found.dW_r, .W = found.dW};
    const int64_t lengths[B] = {5, 4, 2};
    const unsigned char restart[T * B] = {[2 * B + 1] = 1};
    if (gru_f32_forward_bytes(&s, 1) > (int64_t)sizeof work ||
        gru_f32_backward_bytes(&s, 1) > (int64_t)sizeof work ||
        gru_f32_tape_bytes(&s, lengths, 1) > (int64_t)sizeof tape)
        return 1;
    gru_f32_forward(&s, &p, &x, &(gru_f32_state){weights_first}, lengths, restart, found.y,
                    &(gru_f32_new_state){found.last}, tape, work);
    gru_f32_backward(&s, &p, &x, lengths, restart, tape, weights_dy,
                     &(gru_f32_state){weights_dlast}, &dp, &(gru_f32_dinputs){found.dx},
                     &(gru_f32_new_state){found.dfirst}, work);
    return put(&found, sizeof found) != sizeof found;
}
"""

LIBRARY = """
#include <stdarg.h>
#include <stddef.h>

int main(void);
int printf(const char *format, ...);
float sinf(float x);
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
long put(const void *data, long bytes);
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

long put(const void *data, long bytes)
{
    return call(64, 1, (long)data, bytes);
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
    return (int)put(text, sizeof text);
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
"""What the programs need of a C library."""
