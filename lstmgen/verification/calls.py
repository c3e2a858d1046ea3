"""The arguments of one case on the device, and calls with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lstmgen.verification.cases import Case
from lstmgen.verification.ledger import NotCalledError
from lstmgen.verification.session import Session


class Calls:
    """A case's arrays, sent to the module's device.

    Attributes:
        parameters, inputs, initial, dy, dstate: as in `Case`.
        x: the inputs as the module takes them.
        options: lengths and restart, where the case has them.
    """

    def __init__(self, session: Session, case: Case) -> None:
        self._module = session.module
        send = session.runner.to_device
        self.parameters = session.send(case.parameters)
        self.inputs = session.send(case.inputs)
        self.initial = session.send(case.initial)
        self.dy = send(case.dy)
        self.dstate = session.send(case.dstate)
        self.x = session.inputs(self.inputs)
        given = {"lengths": case.lengths, "restart": case.restart}
        self.options = {name: send(a) for name, a in given.items() if a is not None}

    def forward(self, *arguments: Any, **options: Any) -> tuple[Any, Any, Any]:
        """The module's forward, with the case's lengths and restart."""
        result = self._module.forward(*arguments, **{**self.options, **options})
        if not isinstance(result, tuple) or len(result) != 3:
            raise TypeError("forward must return (y, state, tape)")
        return result


def refused(call: Callable[[], Any], names: tuple[str, ...]) -> str:
    """What is wrong with how a call is refused that must be; nothing if it is right.

    The error is a ValueError or TypeError, whose message has one of the names.
    """
    try:
        call()
    except (TypeError, ValueError) as error:
        text = str(error)
        if any(name in text for name in names):
            return ""
        return f"the error does not name {' or '.join(names)}: {text or 'it has no message'}"
    except NotCalledError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__} is no clear error: {error}"
    return "it was accepted"
