"""How wrong forecasts are: calibration, joint paths, demand over lead time."""
