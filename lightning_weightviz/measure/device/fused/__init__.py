"""Kernels of our own, for devices that have Triton: one launch for all parameters, which are read where they lie."""
