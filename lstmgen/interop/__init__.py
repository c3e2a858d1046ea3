"""Weights to and from PyTorch, Keras, ONNX and Flax, for the built-in cells that these have too::

    params = from_torch("lstm", layer.state_dict())      dict of NumPy arrays for a module
    layer.load_state_dict(as tensors(to_torch("lstm", params)))

All arrays are NumPy's and keep their dtype; none of the frameworks is imported.  What a layout is
(the order of the gates, which z is meant, how many biases there are) stands in `layouts`, as data.
"""

from __future__ import annotations

from lstmgen.interop.flax import from_flax, to_flax
from lstmgen.interop.keras import from_keras, to_keras
from lstmgen.interop.layouts import Layout
from lstmgen.interop.onnx import from_onnx, to_onnx
from lstmgen.interop.pytorch import from_torch, to_torch
from lstmgen.interop.stacks import supported

__all__ = [
    "Layout",
    "from_flax",
    "from_keras",
    "from_onnx",
    "from_torch",
    "supported",
    "to_flax",
    "to_keras",
    "to_onnx",
    "to_torch",
]
