"""AddressSanitizer and UndefinedBehaviorSanitizer find nothing, and find what is planted.

All built-in cells: `python -m tests.targets.c.many --sanitize --library all`, a step of .ci/run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "tests.targets.c.many", "--sanitize", "--library"]


def sanitizers() -> bool:
    if sys.platform != "linux" or shutil.which("gcc") is None:
        return False
    done = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip()).is_absolute()


pytestmark = pytest.mark.skipif(not sanitizers(), reason="no gcc with libasan.so")


def test_nothing_is_found_in_cells_of_several_kinds() -> None:
    command = [*COMMAND, "peephole", "gru", "sru", "--cells", "2", "--seed", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 cells right, 0 wrong" in done.stdout


def test_a_read_behind_an_array_is_found() -> None:
    """Of a row that does not fill a vector."""
    plant = ["--plant", "memcpy(&a, p, (size_t)n * sizeof(real))", "memcpy(&a, p, sizeof a)"]
    done = subprocess.run([*COMMAND, "rnn", *plant], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "AddressSanitizer" in done.stderr
