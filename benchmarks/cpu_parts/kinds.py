"""The contenders, each imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from .contender import Contender, Kind
from .problem import Problem, Unsuitable

__all__ = ["CELLS", "KINDS", "OURS", "USUAL"]

CELLS = ("lstm", "peephole", "gru_reset_after", "rnn", "gru", "min_gru", "sru", "indrnn", "qrnn_fo")
"""Measured unless told otherwise; the last five have no rival here but the module in NumPy."""

USUAL = ("ours", "ours-numpy", "torch", "torch-loop-fused")
"""Measured unless told otherwise."""

Maker = Callable[[Problem], Contender]


def _load(module: str, name: str) -> Callable[[], Maker]:
    def load() -> Maker:
        maker: Maker = getattr(import_module(f"benchmarks.cpu_parts.{module}"), name)
        return maker

    return load


def _no_compiler() -> str | None:
    from .ours import no_compiler

    return no_compiler()


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
    "ours",
    "generated C module",
    "numpy",
    None,
    _load("ours", "Ours"),
    (("lstm", "abcdefg"),),
    unavailable=_no_compiler,
)
KINDS = {
    kind.name: kind
    for kind in (
        OURS,
        Kind(
            "ours-numpy",
            "generated NumPy module",
            "numpy",
            None,
            _load("ours", "OursInNumPy"),
        ),
        Kind(
            "ours-recompute",
            "generated C, states only kept",
            "numpy",
            ("lstm",),
            _load("ours", "OursRecomputing"),
            unavailable=_no_compiler,
        ),
        Kind("numpy", "NumPy by hand", "numpy", ("lstm", "peephole"), _handwritten),
        Kind(
            "torch",
            "torch.nn layer",
            "torch",
            ("lstm", "gru_reset_after", "rnn"),
            _load("torch_layers", "TorchLayer"),
            (("lstm", "abcdefg"),),
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
