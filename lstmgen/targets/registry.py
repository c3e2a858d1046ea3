"""Which targets there are: the built-in ones, and those that installed packages offer::

    [project.entry-points."lstmgen.targets"]
    my_target = "my_package.target:MyTarget"

What the entry point names is a `Target`, a class of one, or a function without arguments that
returns one; the entry point has the target's name.  Built-in targets are found in the same way,
but for the list of them, which stands here, so that a checkout need not be installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from lstmgen.errors import LstmgenError, UnavailableError, UsageError

if TYPE_CHECKING:
    from importlib import metadata

    from lstmgen.targets.target import Target

__all__ = ["DEFAULT", "GROUP", "Found", "Offer", "available", "find", "get", "names"]

GROUP = "lstmgen.targets"
"""The entry-point group."""

BUILT_IN = {
    "numpy": "lstmgen.targets.numpy.target:NumpyTarget",
    "cupy": "lstmgen.targets.cupy.target:CupyTarget",
    "c": "lstmgen.targets.c.target:CTarget",
}

DEFAULT = "numpy"
"""The target that is meant where none is given; it needs nothing that lstmgen does not need."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A target that a package offers; it is not loaded yet."""

    name: str
    package: str
    entry: metadata.EntryPoint

    @property
    def where(self) -> str:
        """The target, its package and its place, for messages."""
        return f"the target {self.name} of the package {self.package} ({self.entry.value})"

    def load(self) -> Target:
        """The target; its package is imported.

        Raises:
            UnavailableError: whatever goes wrong; the message names the package.
        """
        from lstmgen.targets.target import Target

        try:
            value = self.entry.load()
            target = value if isinstance(value, Target) or not callable(value) else value()
        except LstmgenError as error:
            raise UnavailableError(f"{self.where}: {error}") from None
        except (Exception, SystemExit) as error:
            problem = f"{type(error).__name__}: {error}".rstrip(": ")
            raise UnavailableError(f"{self.where} cannot be loaded: {problem}") from error
        if not isinstance(target, Target):
            raise UnavailableError(
                f"{self.where} is no lstmgen.targets.Target, but {type(target).__name__}"
            )
        missing = [a for a in ("name", "title", "summary") if not hasattr(target, a)]
        if missing:
            raise UnavailableError(f"{self.where} does not say its {' and '.join(missing)}")
        if target.name != self.name:
            raise UnavailableError(
                f"{self.where} calls itself {target.name}; the entry point must have the same name"
            )
        return target


@dataclass(frozen=True, slots=True)
class Found:
    """What is offered: targets by name, the built-in ones first; what is wrong with the rest."""

    offers: dict[str, Offer]
    problems: tuple[str, ...]


def find() -> Found:
    """The targets that there are now; none of them is imported."""
    from importlib import metadata

    offers = {name: _offer(name) for name in BUILT_IN}
    offered: dict[str, dict[str, Offer]] = {}
    problems = []
    for distribution in metadata.distributions():
        try:
            # One by one: in a broken package even reading its entry points may fail, which is
            # reported where it matters, with the cells.
            entries = [e for e in distribution.entry_points if e.group == GROUP]
            package = str(distribution.name) if entries else ""
        except Exception:
            continue
        for entry in entries:
            # A package that is found twice is imported from where it is found first.
            offered.setdefault(entry.name, {}).setdefault(
                package, Offer(entry.name, package, entry)
            )
    for name in sorted(offered):
        by_package = offered[name]
        who = " and ".join(sorted(by_package))
        if name in BUILT_IN:
            problems.append(
                f"the target {name} of the package {who} is left out: {name} is built in"
            )
        elif not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            problems.append(
                f"the target {name!r} of the package {who} is left out: it is no name of small "
                "letters, digits and _"
            )
        elif len(by_package) > 1:
            problems.append(f"the target {name} is left out: the packages {who} both offer one")
        else:
            (offers[name],) = by_package.values()
    return Found(offers, tuple(problems))


def names() -> tuple[str, ...]:
    """The names of all targets, the built-in ones first; none is imported."""
    return tuple(find().offers)


def get(name: str | Target) -> Target:
    """The target of that name; a target is taken as it is.

    Raises:
        UsageError: there is none of that name.
        UnavailableError: it cannot be loaded.
    """
    if not isinstance(name, str):
        return name
    if name in BUILT_IN:
        return _built_in(name)
    offers = find().offers
    if name not in offers:
        *most, last = offers
        raise UsageError(
            f"there is no target {name!r}; the targets are {', '.join(most)} and {last}"
        )
    return offers[name].load()


def available() -> tuple[dict[str, Target], tuple[str, ...]]:
    """Every target that can be loaded, by name, and what is wrong with the others."""
    found = find()
    targets, problems = {}, list(found.problems)
    for name in found.offers:
        try:
            targets[name] = get(name)
        except UnavailableError as error:
            problems.append(str(error))
    return targets, tuple(problems)


@cache
def _built_in(name: str) -> Target:
    return _offer(name).load()


def _offer(name: str) -> Offer:
    """A built-in target, as a package would offer it."""
    from importlib import metadata

    return Offer(name, "lstmgen", metadata.EntryPoint(name, BUILT_IN[name], GROUP))
