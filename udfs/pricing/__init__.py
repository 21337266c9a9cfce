"""Prices: how demand answers them, markdowns of what has to go, regular prices by margin."""
