"""Check that every statement of a module has run, of Python's and of compiled text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lstmgen.verification.cases import SEEDS, Case
from lstmgen.verification.coverage import Coverage
from lstmgen.verification.labels import Label
from lstmgen.verification.layouts import LAYOUTS
from lstmgen.verification.ledger import Ledger
from lstmgen.verification.module import ModuleCheck
from lstmgen.verification.session import Session

__all__ = ["NeverRunCheck"]


class NeverRunCheck:
    """What no check has run, nobody has checked.

    Args:
        session: the module.
        coverage: of what the checks before ran; None where the cell has no parameters.
        cases: small ones, of which all or some run a module that counts what of its text runs.
        large: those that do where something is left.
        extra: the target's own checks of a session.
    """

    def __init__(
        self,
        session: Session,
        coverage: Coverage | None,
        cases: Sequence[Case],
        large: Sequence[Case],
        extra: Callable[[Session], None],
    ) -> None:
        self._s, self._coverage = session, coverage
        self._cases, self._large, self._extra = cases, large, extra

    def run(self) -> None:
        """The check, or why it is left out."""
        ledger, coverage = self._s.ledger, self._coverage
        if coverage is None:
            ledger.note("which statements never run: those about parameters, as the cell has none")
        elif not coverage.known:
            ledger.note("which statements never run: the module's functions are not Python's")
        elif ledger.ended:
            ledger.note("which statements never run: a call ended the process, or did not answer")
        else:
            if apart := coverage.apart():
                names = ", ".join(apart)
                ledger.note(f"all of {names}: what of it runs is another matter on every machine")
            _say(ledger, "", coverage.never())
            with ledger.guard("never run", Label("", "compiled text"), None, ""):
                self._compiled()

    def _compiled(self) -> None:
        """All that is computed, by a module whose compiled text counts what runs, until all has."""
        s = self._s
        counters = s.runner.target.counters(s.runner)
        if counters is None:
            return
        counting = Session(s.form, s.labels, counters.runner, s.ledger)
        for case in self._cases:
            if case.shape == self._cases[0].shape:
                ModuleCheck(counting, case).run(LAYOUTS[:1])
        left = counters.never()

        def at(case: Case) -> Callable[[], None]:
            return lambda: ModuleCheck(counting, case).run_large(SEEDS[-1:])

        small, large = map(at, self._cases), map(at, self._large)
        steps: list[Callable[[], None]] = [*small, lambda: self._extra(counting), *large]
        for step in steps:
            if left:
                step()
                left = counters.never()
        _say(s.ledger, " compiled", left)


def _say(ledger: Ledger, what: str, lines: Iterable[str]) -> None:
    """A failed line for each statement that no check has run, or one that there is none."""
    found = [*lines]
    for line in found:
        ledger.verdict("never run", Label("", line), False, "no check runs this statement")
    if not found:
        ledger.verdict("never run", Label("", f"no{what} statement"), True, "")
