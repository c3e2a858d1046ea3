"""CUDA without a GPU: the compiler, and kernels that run on the CPU."""
