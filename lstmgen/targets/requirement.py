"""Something that is looked for on this machine: a package, a compiler, a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

__all__ = ["Requirement", "package"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """What `lstmgen doctor` looks for, and what to do where it is not there.

    Attributes:
        name: what is looked for.
        look: gives its version and where it is, or None where it is absent; raises
            `UnavailableError` to say why.
        needed_for: what does not work without it.
        cure: how to get it.
    """

    name: str
    look: Callable[[], str | None]
    needed_for: str
    cure: str


def package(name: str, needed_for: str, cure: str = "") -> Requirement:
    """A Python package, by the name that pip knows it by."""
    return Requirement(name, lambda: _version(name), needed_for, cure or f"pip install {name}")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
