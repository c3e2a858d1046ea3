"""A PyTorch layer for any cell, with the generated modules underneath; the extra `torch`.

    import lstmgen.torch

    layer = lstmgen.torch.Recurrent("peephole", input_size=64, hidden_size=128)
    output, (h, C) = layer(x)

`Recurrent.from_torch(nn_lstm)` takes over the weights of torch's own layers.
"""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"lstmgen.torch needs PyTorch ({_error}); to get it: pip install 'lstmgen[torch]'",
        name=_error.name,
    ) from None

from lstmgen.torch.layer import Recurrent

__all__ = ["Recurrent"]
