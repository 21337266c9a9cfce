"""Regression on calendar, covariates and lags."""
