"""Which model forecasts a series: backtest, scores, selection."""
