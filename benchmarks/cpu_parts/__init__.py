"""The parts of `python -m benchmarks.cpu` and `python -m benchmarks.build`."""
