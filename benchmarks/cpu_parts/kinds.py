"""The contenders, each imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from .contender import Contender, Kind
from .problem import Problem, Unsuitable

__all__ = ["CELLS", "KINDS", "OURS"]

CELLS = ("lstm", "peephole", "gru_reset_after", "rnn", "gru", "coupled")
"""Measured unless told otherwise; the last two have no rival here."""

Maker = Callable[[Problem], Contender]


def _load(module: str, name: str) -> Callable[[], Maker]:
    def load() -> Maker:
        maker: Maker = getattr(import_module(f"benchmarks.cpu_parts.{module}"), name)
        return maker

    return load


def _no_recompute() -> str | None:
    from .ours import can_recompute

    return None if can_recompute() else "lstmgen.compile has no option recompute yet"


def _handwritten() -> Maker:
    from .handwritten_lstm import HandwrittenLSTM
    from .handwritten_peephole import HandwrittenPeephole

    makers: dict[str, Maker] = {"lstm": HandwrittenLSTM, "peephole": HandwrittenPeephole}

    def make(problem: Problem) -> Contender:
        if problem.cell not in makers:
            raise Unsuitable(f"no one wrote {problem.cell} by hand here")
        return makers[problem.cell](problem)

    return make


OURS = Kind(
    "ours", "generated NumPy module", "numpy", None, _load("ours", "Ours"), (("lstm", "bcd"),)
)
KINDS = {
    kind.name: kind
    for kind in (
        OURS,
        Kind(
            "ours-recompute",
            "generated, states only kept",
            "numpy",
            ("lstm",),
            _load("ours", "OursRecomputing"),
            unavailable=_no_recompute,
        ),
        Kind("numpy", "NumPy by hand", "numpy", ("lstm", "peephole"), _handwritten),
        Kind(
            "torch",
            "torch.nn layer",
            "torch",
            ("lstm", "gru_reset_after", "rnn"),
            _load("torch_layers", "TorchLayer"),
            (("lstm", "bcd"),),
        ),
        Kind(
            "torch-loop",
            "eager PyTorch loop",
            "torch",
            ("peephole",),
            _load("torch_loop", "TorchPeepholeLoop"),
        ),
        Kind(
            "torch-loop-fused",
            "eager loop, fused by hand",
            "torch",
            ("peephole",),
            _load("torch_loop", "TorchPeepholeFusedLoop"),
        ),
        Kind("jax", "JAX jit(scan)", "jax", ("lstm",), _load("jax_scan", "JaxLSTM")),
    )
}
