"""What tests need of the machine: without it they are skipped, and fail under CI=true."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from lstmgen.errors import UnavailableError

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def missing(error: UnavailableError) -> NoReturn:
    """Skip a test, with the reason; under CI=true it fails."""
    if IN_CI:
        pytest.fail(f"CI needs this: {error}")
    pytest.skip(str(error))
