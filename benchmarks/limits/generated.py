"""The generated modules that are measured: loaded on the device, or on its stand-in."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from .device import Device
from .results import MeasurementError

FOLDER = Path(__file__).resolve().parents[2] / "generated"


def load(device: Device, name: str) -> ModuleType:
    """A module by its file's name; MeasurementError says how to make one that is absent."""
    path = FOLDER / f"{name}.py"
    if not path.is_file():
        cell = name.removesuffix("_cupy")
        raise MeasurementError(
            f"{path.name} is not in generated/; make it with: lstmgen build {cell} --target cupy"
        )
    if not device.on_gpu:
        from lstmgen.cuda.on_cpu import load_module

        return load_module(path, cupy=device.cupy)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise MeasurementError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
