"""The parts of `benchmarks/gpu_limits.py`: one module for each limit measured."""
