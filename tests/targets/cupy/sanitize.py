"""`python -m tests.targets.cupy.sanitize lstm gru`: modules on a GPU, under compute-sanitizer.

Forward, backward, lengths, restart and step at odd sizes and at sizes for wide kernels, in both
dtypes.  `--tool` takes memcheck (the default), racecheck, initcheck or synccheck.  Each array has
memory of its own, so that what is read or written behind one is found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

import numpy as np

SIZES = ((4, 3, 37, 9), (3, 1, 33, 5), (2, 600, 256, 64))
"""T, B, H and D; the last has rows enough for loads of 16 bytes."""
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")


def main(arguments: list[str] | None = None) -> int:
    """0 if nothing was found, 1 if something was, 4 without the tool."""
    parser = argparse.ArgumentParser(prog="python -m tests.targets.cupy.sanitize")
    parser.add_argument("cells", nargs="+")
    parser.add_argument("--tool", choices=TOOLS, default="memcheck")
    options = parser.parse_args(arguments)
    if os.environ.get("LSTMGEN_SANITIZED"):
        for name in options.cells:
            _run(name)
        return 0
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not os.path.exists(tool):
        print("compute-sanitizer is not installed; it comes with CUDA's toolkit", file=sys.stderr)
        return 4
    command = [tool, "--tool", options.tool, "--error-exitcode", "1"]
    command += [sys.executable, "-m", "tests.targets.cupy.sanitize", *options.cells]
    return subprocess.run(command, env=os.environ | {"LSTMGEN_SANITIZED": "1"}).returncode


def _run(name: str) -> None:
    import cupy

    import lstmgen
    from lstmgen.verification.contract import input_size_argument
    from lstmgen.verification.points import shape_for

    cupy.cuda.set_allocator(None)
    cell = lstmgen.load(name)
    form = cell.normal_form
    module = lstmgen.compile(cell, "cupy")
    draw = np.random.default_rng(5)
    for sizes in SIZES:
        for dtype in ("float32", "float64"):
            shape = shape_for(form, *sizes)
            extra = {size: shape.size(size) for size in form.extra_sizes}
            given = input_size_argument(form, shape)
            params = module.init_params(given, shape.H, seed=3, dtype=dtype, **extra)

            def array(*of: int, dtype: str = dtype) -> cupy.ndarray:
                return cupy.asarray(draw.uniform(0.1, 0.9, of).astype(dtype))

            x = {n: array(shape.T, shape.B, shape.size(form.sizes[n])) for n in form.inputs}
            state = {n: array(shape.B, shape.size(form.sizes[n])) for n in form.states}
            dy = array(shape.T, shape.B, shape.size(form.sizes[form.output]))
            of = next(iter(x.values())) if len(x) == 1 else x
            options = {
                "lengths": np.arange(shape.B) % (shape.T + 1),
                "restart": cupy.asarray(draw.random((shape.T, shape.B)) < 0.3),
            }
            for chosen in ({}, options):
                _, last, tape = module.forward(params, of, state, **chosen)
                module.backward(params, tape, dy, last)
            first = {n: a[0] for n, a in x.items()}
            module.step(params, next(iter(first.values())) if len(x) == 1 else first, state)
    cupy.cuda.Device().synchronize()
    print(f"{name}: ran", flush=True)


if __name__ == "__main__":
    sys.exit(main())
