"""Which machine this is, and the versions of what is measured on it."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

__all__ = ["describe", "file_name", "today", "versions"]

_PACKAGES = ("numpy", "torch", "jax", "jaxlib")


def describe(core: int | None) -> dict[str, Any]:
    """The processor's name, its cores, memory and vector extensions, and the pinned core."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": _memory(),
        "vectors": _vectors(),
        "system": f"{platform.system()} {platform.machine()}",
        "pinned_to_core": core,
    }


def versions() -> dict[str, str]:
    """Versions of Python, of ours, and of the libraries that are installed."""
    import lstmgen

    found = {"python": platform.python_version(), "lstmgen": lstmgen.__version__}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    found["blas"] = _blas()
    return found


def today() -> str:
    """The date, in UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def file_name(machine: dict[str, Any], stem: str) -> str:
    """A name for the results of this machine: cpu-amd-epyc-2-cores."""
    text = f"{stem}-{machine['processor']}-{machine['cores']}-cores"
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    name = found.group(1) if found else platform.processor() or platform.machine()
    return re.sub(r"\((R|TM)\)|\bCPU\b|\bProcessor\b|@.*", "", name).strip() or "unknown"


def _memory() -> float | None:
    found = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return round(int(found.group(1)) / 2**20, 1) if found else None


def _vectors() -> str:
    flags = set(_read("/proc/cpuinfo").partition("flags")[2].partition("\n")[0].split())
    known = ("avx512f", "avx2", "asimd")
    return next((name for name in known if name in flags), "unknown")


def _blas() -> str:
    import numpy as np

    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):
        return "unknown"
