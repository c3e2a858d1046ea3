"""Types that stand in many signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch

__all__ = ["Groups", "Maybe", "Tensors"]

Tensors: TypeAlias = Sequence[torch.Tensor]
Maybe: TypeAlias = torch.Tensor | None
Groups: TypeAlias = tuple[Tensors, Tensors, Tensors]
"""Inputs, state, parameters."""
