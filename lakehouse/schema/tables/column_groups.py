"""Columns that tables of several layers share."""

from __future__ import annotations

from lakehouse.schema.entities import SERIES

QUANTILES = ("p05", "p10", "p25", "p50", "p75", "p90", "p95", "p99")
CLASS_SUMS = (
    "series",
    "score_sum",
    "difference_sum",
    "difference_square_sum",
    "repeated_series",
    "window_variance_sum",
    "inverse_windows_sum",
)
NO_VALUE = "(none)"
"""What a column that names a group holds for series without one, such as a SKU whose product has no department."""
SERIES_ID = (SERIES.id, *SERIES.parts)
