"""Croston, SBA and TSB, for intermittent demand."""
