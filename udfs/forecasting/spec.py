"""What a forecast run is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from udfs.forecasting.forecaster import check_request

QUANTILES = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class ForecastSpec:
    """How a bucket of series is forecast.

    Attributes:
        model: name of a registered forecaster.
        season_length: days of a season.
        quantiles: levels made, as columns p05, p10, ...
        min_history: observed days below which a series counts as new.
        max_history_days: days before the cutoff that models see.
        device: "auto" (cuda where there is one, else cpu), "cpu", "cuda" or "cuda:<n>".
        benchmark: name of the forecaster stored beside the champion for all cutoffs but the last, so that accuracy
            can be compared; None for none.
    """

    model: str = "auto"
    season_length: int = 7
    quantiles: tuple[float, ...] = QUANTILES
    min_history: int = 14
    max_history_days: int = 730
    device: str = "auto"
    benchmark: str | None = "seasonal_naive"

    def __post_init__(self) -> None:
        for name in ("season_length", "min_history", "max_history_days"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least one day, found {getattr(self, name)}")
        check_request(1, self.quantiles)

    def quantile_columns(self) -> list[str]:
        """Column names p05, p10, ... in the order of `quantiles`."""
        return [quantile_column(level) for level in self.quantiles]


def quantile_column(level: float) -> str:
    """The column of a level, named by its percent: p05 for .05, p97_5 for .975."""
    whole, _, rest = f"{level * 100:.6f}".rstrip("0").rstrip(".").partition(".")
    return f"p{whole.zfill(2)}" + (f"_{rest}" if rest else "")


def choose_device(device: str) -> torch.device:
    """The torch device for a spec's `device`.

    Raises:
        ValueError: cuda is asked for and absent, or the name is no device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"expected device auto, cpu, cuda or cuda:<n>, found {device!r}") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"expected a CUDA device for {device!r}, found none; set device to 'auto' or 'cpu'")
    return chosen
