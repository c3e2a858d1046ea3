"""Modules for CuPy: fused CUDA kernels and products by cuBLAS."""
