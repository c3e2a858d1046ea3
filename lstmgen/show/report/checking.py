"""The verification as the page shows it: a line for each kind of check, and every single one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from markupsafe import Markup

from lstmgen.show.report.code import linked
from lstmgen.verification.report import Check, Report

__all__ = ["Checks", "Kind", "Single", "checks"]


@dataclass(frozen=True, slots=True)
class Single:
    """One check, as text."""

    kind: str
    labels: Markup
    what: str
    error: str
    bound: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Kind:
    """All checks of one kind: how many there are and passed, and the worst error."""

    name: str
    count: int
    passed: int
    error: str
    bound: str


@dataclass(frozen=True)
class Checks:
    """The verdict with the tables behind it."""

    ok: bool
    verdict: str
    kinds: tuple[Kind, ...]
    singles: tuple[Single, ...]
    failures: tuple[Single, ...]


def checks(report: Report, known: Collection[str]) -> Checks:
    """A report as tables; errors have one digit, and the rest of it is noise.

    Args:
        report: what was found.
        known: the labels that have an equation on the page.
    """
    names = dict.fromkeys(check.check for check in report.checks)
    kinds = tuple(_kind(name, [c for c in report.checks if c.check == name]) for name in names)
    singles = tuple(_single(check, known) for check in report.checks)
    failed = len(report.failures)
    verdict = (
        f"All {len(singles)} checks passed."
        if report.ok
        else f"{failed} of {len(singles)} checks failed."
    )
    return Checks(report.ok, verdict, kinds, singles, tuple(s for s in singles if not s.passed))


def _kind(name: str, found: Iterable[Check]) -> Kind:
    found = tuple(found)
    errors = [c.error for c in found if c.error is not None]
    bounds = [c.bound for c in found if c.bound is not None]
    return Kind(
        name,
        len(found),
        sum(c.passed for c in found),
        _number(max(errors, default=None)),
        _number(min(bounds, default=None)),
    )


def _single(check: Check, known: Collection[str]) -> Single:
    return Single(
        check.check,
        linked(check.label, known),
        check.what,
        _number(check.error),
        _number(check.bound),
        check.passed,
        check.detail if not check.passed else "",
    )


def _number(value: float | None) -> str:
    """One digit and the exponent; the bound is a power of ten anyway."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    if value == float("inf"):
        return "∞"
    digit, exponent = f"{value:.0e}".split("e")
    return f"{digit}e{int(exponent)}".replace("-", "−")
