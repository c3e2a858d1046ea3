"""One core and one thread for everything; to be called before NumPy, PyTorch or JAX is imported.

Only the standard library is imported here, since these libraries read the variables once, when
they are loaded.
"""

from __future__ import annotations

import os
import sys

__all__ = ["ENVIRONMENT", "LIBRARIES", "pin", "too_late"]

ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
LIBRARIES = ("numpy", "torch", "jax")


def pin() -> int | None:
    """Set the variables and keep this process, and its children, on one core.

    Returns:
        The core, the last of those this process may use (the first ones serve more interrupts);
        None where the system cannot pin a process.
    """
    os.environ.update(ENVIRONMENT)
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def too_late() -> list[str]:
    """Libraries that were imported before; the variables no longer reach them."""
    return [name for name in LIBRARIES if name in sys.modules]
