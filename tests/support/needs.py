"""What tests need of the machine: without it they are skipped, and fail under CI=true."""

from __future__ import annotations

import importlib
import os
from typing import Any, NoReturn

import pytest

from lstmgen.errors import UnavailableError

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
ALL = IN_CI or bool(os.environ.get("LSTMGEN_ALL"))
"""Whether tests of the library take every cell of it, as in CI; elsewhere some take a part."""


def missing(error: UnavailableError) -> NoReturn:
    """Skip a test, with the reason; under CI=true it fails."""
    if IN_CI:
        pytest.fail(f"CI needs this: {error}")
    pytest.skip(str(error))


def imported(name: str) -> Any:
    """A package's module for a whole file of tests, which is skipped without; under CI it fails."""
    return importlib.import_module(name) if IN_CI else pytest.importorskip(name)
