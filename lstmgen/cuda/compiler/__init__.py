"""CUDA code compiled without a GPU: NVRTC, what its PTX says, and the occupancy that allows."""
