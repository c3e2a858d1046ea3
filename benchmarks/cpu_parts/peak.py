"""How many floating-point operations a second one core's multiply-add units do, by a loop in C."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path

from lstmgen.targets.c import compiler

__all__ = ["multiply_add_rate"]

_TEXT = """
#include <stdint.h>
#include <time.h>
#if defined(__AVX512F__)
enum { BYTES = 64, SUMS = 16 };
#elif defined(__AVX__)
enum { BYTES = 32, SUMS = 12 };
#else
enum { BYTES = 16, SUMS = 12 };
#endif
typedef real vec __attribute__((vector_size(BYTES)));

double rate(void)
{
    vec sum[SUMS], factor = (real)0.999 - (vec){0}, term = (real)1e-3 - (vec){0};
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++)
        sum[k] = (real)k - (vec){0};
    const int64_t n = 200000;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int64_t i = 0; i < n; i++) {
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++)
            sum[k] = sum[k] * factor + term;
        __asm__ volatile("" : "+m"(*(char *)&end));
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    volatile real seen = 0;
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++)
        seen += sum[k][0];
    const double seconds = (end.tv_sec - begin.tv_sec) + 1e-9 * (end.tv_nsec - begin.tv_nsec);
    return 2.0 * n * SUMS * (BYTES / sizeof(real)) / seconds;
}
"""


def multiply_add_rate(dtype: str) -> float | None:
    """The best of some samples; None without a compiler."""
    command = compiler.command()
    if command is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "peak.c", Path(folder) / "peak.so"
        source.write_text(_TEXT, encoding="utf-8")
        real = {"float32": "float", "float64": "double"}[dtype]
        flags = ["-O2", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC", f"-Dreal={real}"]
        subprocess.run([*command, *flags, "-o", str(library), str(source)], check=True)
        function = ctypes.CDLL(str(library)).rate
        function.restype = ctypes.c_double
        return max(
            float(function()) for _ in range(60)
        )  # short ones: something else may run meanwhile
