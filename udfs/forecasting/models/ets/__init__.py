"""Exponential smoothing."""
