"""lstmgen: from the equations of a recurrent cell to verified NumPy and CuPy modules.

The names below load on first use, so that `import lstmgen` and `lstmgen --help` stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    **dict.fromkeys("Eq scalars symbols t".split(), "lstmgen.language.notation"),
    "Cell": "lstmgen.cell",
    "load": "lstmgen.library.loading",
    "render": "lstmgen.targets.rendering",
    "compile": "lstmgen.targets.rendering",
    "verify": "lstmgen.verification",
    "LstmgenError": "lstmgen.errors",
    "EquationError": "lstmgen.errors",
    "UnavailableError": "lstmgen.errors",
    "UsageError": "lstmgen.errors",
    "VerificationError": "lstmgen.errors",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name == "__all__":
        return [*sorted({*_HOME, *_functions()}), "__version__"]
    if not name.startswith("_") and name in _functions():
        return getattr(import_module("lstmgen.language.notation"), name)
    raise AttributeError(f"module 'lstmgen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__getattr__("__all__"))


def _functions() -> dict[str, Any]:
    """The functions of equations: sigma, tanh, relu and all others of the table."""
    return dict(import_module("lstmgen.algebra.functions").BY_NOTATION)
