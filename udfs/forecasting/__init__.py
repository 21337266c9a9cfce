"""Forecasting: one model a file, behind one Protocol; `forecast` and `forecast_paths` for notebooks, tests and jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from udfs.forecasting.frames import forecast as forecast
    from udfs.forecasting.frames import forecast_paths as forecast_paths

__all__ = ["forecast", "forecast_paths"]


def __getattr__(name: str) -> Any:
    # Late, so that a worker that needs one kernel does not import every model.
    if name in __all__:
        from udfs.forecasting import frames

        return getattr(frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
