"""The parts of `python -m benchmarks.torch`."""
