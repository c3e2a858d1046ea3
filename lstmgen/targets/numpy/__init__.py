"""Modules for NumPy: one record per step, and few, large array operations."""
