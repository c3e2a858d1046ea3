"""Guard zones: a write behind an array shows even where it is a NaN read behind another."""

from __future__ import annotations

import numpy as np
import pytest

from lstmgen.cuda.on_cpu import KernelError
from lstmgen.cuda.on_cpu.storage import _guard_pattern

_TEXT = """
extern "C" __global__ void copy(const double* from, double* to, int n) {
  for (int k = threadIdx.x; k <= n; k += blockDim.x) to[k] = from[k] * 2.0;
}
"""


def test_what_is_read_behind_one_array_and_written_behind_another_shows(cupy):
    kernel = cupy.RawKernel(_TEXT, "copy")
    given, made = cupy.zeros((4,), "float64"), cupy.empty((4,), "float64")
    with pytest.raises(KernelError, match=r"argument 1 .* was written [0-7] bytes past its end"):
        kernel((1,), (2,), (given, made, np.int32(4)))
    kernel((1,), (2,), (given, made, np.int32(3)))


def test_guards_hold_no_number_in_any_floating_type(cupy):
    for number in (0, 1, 125):
        pattern = _guard_pattern(number, 512)
        for dtype in ("float16", "float32", "float64"):
            assert np.isnan(np.frombuffer(pattern, dtype)).all()
    assert _guard_pattern(0, 512) != _guard_pattern(1, 512)
