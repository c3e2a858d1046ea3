"""Targets: what modules are generated for, each one object that knows all there is to know of it::

    from lstmgen import targets

    targets.names()             # ("numpy", "cupy", ...), without loading any
    targets.get("numpy")        # a `Target`

`Target` is the protocol; docs/targets.md shows one written from scratch.
"""

from __future__ import annotations

from lstmgen.targets.registry import DEFAULT, GROUP, available, find, get, names
from lstmgen.targets.requirement import Requirement
from lstmgen.targets.target import Files, Inspection, Option, Runner, Sizes, Target

__all__ = [
    "DEFAULT",
    "GROUP",
    "Files",
    "Inspection",
    "Option",
    "Requirement",
    "Runner",
    "Sizes",
    "Target",
    "available",
    "find",
    "get",
    "names",
]
