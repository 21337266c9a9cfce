"""What `fallback` says of a failure besides the name of the model that stands in. Imports nothing: everyone may."""

OTHER_CANDIDATES = "other candidates"
"""One model failed in a backtest, others did not: the series is not lost."""
