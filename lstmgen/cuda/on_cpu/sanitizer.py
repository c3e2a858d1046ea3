"""Run a check under AddressSanitizer, which finds each access out of bounds, reads included.

AddressSanitizer has to be in the process before Python allocates anything, so such a check is a
Python process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from .compiler import find_compiler

__all__ = ["run_sanitized", "sanitizer_environment"]

_OPTIONS = {
    "halt_on_error": "0",  # the launch fails instead of the process
    "suppress_equal_pcs": "0",  # every launch is told
    "detect_leaks": "0",  # Python keeps memory until its end
    "detect_stack_use_after_return": "0",
    "verify_asan_link_order": "1",
    "allocator_may_return_null": "1",
    "handle_segv": "1",
}


def sanitizer_environment() -> dict[str, str]:
    """The environment for a Python process whose kernels run under AddressSanitizer.

    Raises UnavailableError where there is no compiler, or none with the library.
    """
    library = str(find_compiler().sanitizer_library())
    environment = dict(os.environ)
    loaded = environment.get("LD_PRELOAD", "")
    environment["LD_PRELOAD"] = f"{library} {loaded}".strip()
    given = environment.get("ASAN_OPTIONS", "")
    ours = ":".join(f"{name}={value}" for name, value in _OPTIONS.items())
    environment["ASAN_OPTIONS"] = f"{ours}:{given}" if given else ours
    environment["CUDA_ON_CPU_SANITIZE"] = "1"
    return environment


def run_sanitized(
    arguments: Sequence[str], *, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python *arguments` under AddressSanitizer and wait for it.

    In that process `emulated_cupy()` compiles with the sanitizer, and an access out of bounds
    raises KernelError with its report.  The result has returncode, stdout and stderr.
    """
    return subprocess.run(
        [sys.executable, *arguments],
        env=sanitizer_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
