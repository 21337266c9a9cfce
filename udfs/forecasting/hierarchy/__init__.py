"""Forecasts of sums and their parts made coherent."""
