"""Layers of lstmgen.torch at small sizes, for any cell.

Tests take `torch` from here, so that they are skipped where it is not installed.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lstmgen import Cell, load
from lstmgen.targets import get

MISSING = "PyTorch is not installed: pip install '.[torch]'"

torch = pytest.importorskip("torch", reason=MISSING)
for _name in ("fx.experimental.proxy_tensor", "nn.utils.prune", "utils.checkpoint"):
    pytest.importorskip(f"torch.{_name}")
# These are ours: where they cannot be imported, tests fail.
Recurrent = importlib.import_module("lstmgen.torch").Recurrent
engines = importlib.import_module("lstmgen.torch.engines")
tapes = importlib.import_module("lstmgen.torch.tapes")

T, B, D, H = 4, 3, 2, 5


@contextmanager
def computed_by(target: str) -> Iterator[None]:
    """Layers that are made within are computed by a target, not by the best that is here."""
    before = engines.ranked
    engines.ranked = lambda device: (get(target),)
    try:
        yield
    finally:
        engines.ranked = before


def layer(cell: Cell | str, *, input_size: int = D, hidden_size: int = H, **options: Any) -> Any:
    """A layer with weights that are no special numbers, in float64."""
    if isinstance(cell, str):
        cell = load(cell)
    form = cell.normal_form
    if not form.input_sizes:
        input_size = hidden_size
    sizes = {name: 2 + k for k, name in enumerate(form.extra_sizes)}
    options.setdefault("dtype", torch.float64)
    torch.manual_seed(1)
    made = Recurrent(cell, input_size, hidden_size, **options, **sizes)
    with torch.no_grad():
        for parameter in made.parameters():
            if not parameter.dim():
                parameter.uniform_(0.3, 0.8)
    return made


def inputs(made: Any, *shape: int, seed: int = 2, grad: bool = True) -> Any:
    """What a layer takes, (*shape, size): a tensor, or a dict of them."""
    random = torch.Generator().manual_seed(seed)
    weight = next(made.parameters())
    found = {
        name: torch.randn(*(shape or (T, B)), size, generator=random, dtype=weight.dtype)
        for name, size in zip(made.cell.inputs, made.layer_sizes[0].inputs, strict=True)
    }
    for x in found.values():
        x.requires_grad_(grad)
    return found if len(found) > 1 else next(iter(found.values()))


def initial(made: Any, rows: int = B, seed: int = 3) -> list[Any]:
    """Initial states that are not zero."""
    random = torch.Generator().manual_seed(seed)
    weight = next(made.parameters())
    count = made.num_layers * (1 + made.bidirectional)
    return [
        torch.randn(count, rows, width, generator=random, dtype=weight.dtype, requires_grad=True)
        for width in made.layer_sizes[0].widths[1:]
    ]


def as_state(tensors: list[Any]) -> Any:
    """The form that a layer takes states in."""
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


def flat(found: Any) -> list[Any]:
    """All tensors that a layer returns."""
    output, state = found
    if isinstance(output, torch.nn.utils.rnn.PackedSequence):
        output = output.data
    return [output, *([state] if isinstance(state, torch.Tensor) else state)]


def engine(made: Any) -> Any:
    """What computes a layer."""
    (found,) = made._engines.values()
    return found


def lent(made: Any) -> int:
    """How many tapes of a layer somebody has."""
    mine = {p.data_ptr() for p in made.parameters()}
    kind = tapes.Lent
    return sum(type(o) is kind and mine.issuperset(o.addresses) for o in gc.get_objects())
