"""lstmgen: from the equations of a recurrent cell to verified NumPy and CuPy modules.

The names below load on first use, so that `import lstmgen` and `lstmgen --help` stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    **dict.fromkeys(
        (
            "Abs Eq Max Min cos exp log relu scalars sigma sin softplus sqrt symbols t tanh"
        ).split(),
        "lstmgen.language.notation",
    ),
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
__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lstmgen' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
