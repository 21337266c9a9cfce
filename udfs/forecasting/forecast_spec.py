"""What a forecast run is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from udfs.contest.contest_spec import ContestSpec
from udfs.forecasting.choice.backtest import BacktestSpec
from udfs.forecasting.choice.ladder import Ladder
from udfs.forecasting.forecaster import check_request
from udfs.forecasting.quantile_levels import QUANTILES

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True, slots=True)
class ForecastSpec:
    """How a bucket of series is forecast.

    Attributes:
        model: name of a registered forecaster.
        season_length: days of a season.
        quantiles: levels made, as columns p05, p10, ...
        min_history: observed days below which a series counts as new.
        max_history_days: days before the cutoff that models see.
        max_learnt_rows: days of series that models of all series are taught from, about; where there are more, whole
            buckets of series are drawn. 25 million are all 30,490 series of the M5 over these days.
        device: "auto" (cuda where there is one, else cpu), "cpu", "cuda" or "cuda:<n>".
        benchmark: name of the forecaster stored beside the champion for all cutoffs but the last, so that accuracy
            can be compared; None for none.
        windows: backtest windows, the days of each horizon before the next.
        window_step: days between the cutoffs of two windows; None is the horizon.
        regular_candidates: names that compete for smooth and erratic demand, best guess first.
        intermittent_candidates: names that compete for intermittent and lumpy demand, best guess first.
        score: column of the backtest that decides, lower is better.
        max_members: models that an average may have; 1 always takes the single best.
        member_tolerance: members of an average score at most this share above the best, where no weights are learned.
        total_weight: how much errors of sums count beside the scores of single series; 0 leaves them out.
        budget_seconds: computing time that a thousand series may cost, backtest and forecast together; None is no
            limit.
        min_gain: share by which a rung of models must have lowered a class's score for the next, dearer one to be
            tried.
        costs: seconds per thousand series and forecast, by name, in place of those of the registry.
        future_prices: "planned" knows of prices and promotions after a cutoff what feeds of prices and of promotions
            state; "realised" takes those of sales too, as if all of them had been planned.
        seed: of the sample paths.
    """

    model: str = "auto"
    season_length: int = 7
    quantiles: tuple[float, ...] = QUANTILES
    min_history: int = 14
    max_history_days: int = 730
    max_learnt_rows: int = 25_000_000
    device: str = field(default="auto", metadata={"role": "engine"})
    benchmark: str | None = "seasonal_naive"
    windows: int = 3
    window_step: int | None = None
    regular_candidates: tuple[str, ...] = ("ets", "theta", "tsb", "sba", "historic_mean", "seasonal_naive")
    intermittent_candidates: tuple[str, ...] = ("tsb", "ets", "theta", "sba", "historic_mean")
    score: str = "scaled_pinball"
    max_members: int = 3
    member_tolerance: float = 0.1
    total_weight: float = 1.0
    budget_seconds: float | None = None
    min_gain: float = 0.01
    costs: Mapping[str, float] = field(default_factory=dict)
    future_prices: str = "planned"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("season_length", "min_history", "max_history_days"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least one day, found {getattr(self, name)}")
        if self.max_learnt_rows < 1:
            raise ValueError(f"expected max_learnt_rows of at least 1, found {self.max_learnt_rows}")
        if not _DEVICE.fullmatch(self.device):
            raise ValueError(f"expected device auto, cpu, cuda or cuda:<n>, found {self.device!r}")
        if self.future_prices not in ("planned", "realised"):
            raise ValueError(f"expected future_prices planned or realised, found {self.future_prices!r}")
        check_request(1, self.quantiles)
        for name in ("regular_candidates", "intermittent_candidates"):
            candidates = getattr(self, name)
            if not candidates or len(set(candidates)) != len(candidates) or "auto" in candidates:
                raise ValueError(f"expected {name} to name models other than auto, each once, found {candidates}")
        # Each checks its own fields.
        self.backtest(), self.selection(self.candidates()), self.ladder()

    def candidates(self) -> dict[str, tuple[str, ...]]:
        """The models that compete per demand class; `no_sales` and `new` series have no contest."""
        regular, intermittent = self.regular_candidates, self.intermittent_candidates
        return {"smooth": regular, "erratic": regular, "intermittent": intermittent, "lumpy": intermittent}

    def backtest(self) -> BacktestSpec:
        return BacktestSpec(self.windows, self.window_step, self.min_history)

    def selection(self, candidates: Mapping[str, tuple[str, ...]]) -> ContestSpec:
        members = (self.max_members, self.member_tolerance, self.total_weight)
        return ContestSpec(candidates, *members, score_name=self.score.replace("_", " "))

    def ladder(self) -> Ladder:
        return Ladder(self.budget_seconds, self.min_gain, self.costs, self.total_weight)

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
