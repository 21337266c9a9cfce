"""Seasonal ARIMA."""
