"""Every error that lstmgen raises for the user; each class knows the command line's exit code."""

from __future__ import annotations

from typing import ClassVar


class LstmgenError(Exception):
    """Base of all errors that are the user's to act upon; the message says how."""

    exit_code: ClassVar[int] = 1


class VerificationError(LstmgenError):
    """A check of a module or a derivation failed."""

    exit_code: ClassVar[int] = 1


class StageError(LstmgenError):
    """What a stage made does not fit its input: a fault of lstmgen, found before it can do harm."""

    exit_code: ClassVar[int] = 1


class UsageError(LstmgenError):
    """A command or a function was called in a way that cannot work."""

    exit_code: ClassVar[int] = 2


class EquationError(LstmgenError):
    """The equations of a cell cannot be built; the message names the equation and the cure."""

    exit_code: ClassVar[int] = 3


class UnavailableError(LstmgenError):
    """A target, a device, a compiler or a library is not available here."""

    exit_code: ClassVar[int] = 4
