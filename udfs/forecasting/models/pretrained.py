"""Pretrained models of the Chronos family as forecasters, their weights given as a local folder.

Ansari et al. (2024), Chronos: Learning the Language of Time Series, and its successors Chronos-Bolt and Chronos-2, all
behind the `BaseChronosPipeline` of the package chronos-forecasting: contexts of one length, NaN where a value is
missing, to quantiles at levels within those that the model was trained on. Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.quantile_levels import at_levels
from udfs.series.sku_batch import SkuBatch

TRAINED_LEVELS = tuple(k / 10 for k in range(1, 10))
"""What Chronos-Bolt was trained on; outside of it the pipeline repeats its outermost quantile."""


class Pipeline(Protocol):
    """What this module needs of chronos-forecasting's `BaseChronosPipeline`."""

    def predict_quantiles(
        self, context: torch.Tensor, *, prediction_length: int, quantile_levels: list[float]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(S, T) contexts to (S, H, Q) quantiles and (S, H) means."""


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A pretrained pipeline; it sees demand alone, neither covariates nor traits.

    Attributes:
        path: folder of the weights (config.json beside them).
        name: under which forecasts are stored.
        context: steps of history passed on, at most.
        series_at_once: contexts per call of the pipeline.
        device: where the pipeline lies.
        levels: quantiles asked of the pipeline; other levels are read between and beyond these.
    """

    path: Path
    name: str = "chronos"
    context: int = 512
    series_at_once: int = 256
    device: str = "cpu"
    levels: tuple[float, ...] = TRAINED_LEVELS

    def __post_init__(self) -> None:
        for field in ("context", "series_at_once"):
            if getattr(self, field) < 1:
                raise ValueError(f"expected {field} of at least 1, found {getattr(self, field)}")
        check_request(1, self.levels)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The pipeline, loaded when first asked for."""
        return load_pipeline(self.path, self.device)

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """Forecast the batch, and the last `horizon` days once more from before them for `sse_S` and `score_S`.

        A series without an observation gets zeros: the pipelines answer such contexts with wild numbers.

        Raises:
            FileNotFoundError, ImportError: see `load_pipeline`.
            ValueError: the pipeline's answer has another shape than asked for.
        """
        check_request(horizon, quantiles)
        mean_SH, given_SHQ = self._predict(batch, horizon)
        back = min(horizon, batch.n_days - 1)
        earlier_SB, _ = self._predict(batch.until(back), back)
        actual_SB, seen_SB = batch.ahead(back, back)
        error_SB = torch.where(seen_SB, actual_SB - earlier_SB, 0.0)
        sse_S, n_obs_S = error_SB.square().cumsum(1)[:, -1], seen_SB.sum(1)
        low, high = (at_levels(given_SHQ, self.levels, (level,))[..., 0] for level in (_LOW, _HIGH))
        return Forecast(
            mean_SH=mean_SH,
            sd_SH=(high - low) / 2.0,
            quantile_SHQ=at_levels(given_SHQ, self.levels, quantiles),
            sse_S=sse_S,
            n_obs_S=n_obs_S,
            n_params_S=torch.zeros_like(n_obs_S),
            score_S=torch.where(n_obs_S > 0, (sse_S / n_obs_S.clamp(min=1)).sqrt(), torch.nan),
        )

    def _predict(self, batch: SkuBatch, horizon: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(S, H) means and (S, H, Q) quantiles at `levels`, at least 0 and not falling along Q."""
        seen_S = batch.mask_ST.any(1)
        context_ST = contexts(batch, self.context)
        means = [batch.y_ST.new_zeros((0, horizon))]
        quantiles = [batch.y_ST.new_zeros((0, horizon, len(self.levels)))]
        for first in range(0, len(batch), self.series_at_once):
            quantile_BHQ, mean_BH = self.pipeline.predict_quantiles(
                context_ST[first : first + self.series_at_once],
                prediction_length=horizon,
                quantile_levels=list(self.levels),
            )
            n_here = len(context_ST[first : first + self.series_at_once])
            if quantile_BHQ.shape != (n_here, horizon, len(self.levels)) or mean_BH.shape != (n_here, horizon):
                raise ValueError(
                    f"expected quantiles of shape {(n_here, horizon, len(self.levels))} and means of shape "
                    f"{(n_here, horizon)} from the pipeline, found {tuple(quantile_BHQ.shape)} and "
                    f"{tuple(mean_BH.shape)}; check the version of chronos-forecasting"
                )
            means.append(mean_BH.to(batch.y_ST).clamp(min=0.0))
            quantiles.append(quantile_BHQ.to(batch.y_ST).clamp(min=0.0).sort(2).values)
        mean_SH = torch.where(seen_S[:, None], torch.cat(means), 0.0)
        return mean_SH, torch.where(seen_S[:, None, None], torch.cat(quantiles), 0.0)


_LOW, _HIGH = 0.15865525393145707, 0.8413447460685429
"""One standard deviation either side, were it a normal distribution."""


def contexts(batch: SkuBatch, n_steps: int) -> torch.Tensor:
    """(S, n) float32 of the last steps, NaN where demand was not observed, on the CPU as the pipelines expect it.

    Leading columns that no series observed are left out, so that the padding of a batch costs nothing.
    """
    y_ST, mask_ST = batch.y_ST[:, -n_steps:].float(), batch.mask_ST[:, -n_steps:]
    observed_T = mask_ST.any(0)
    first = int(observed_T.int().argmax()) if bool(observed_T.any()) else max(y_ST.shape[1] - 1, 0)
    return torch.where(mask_ST, y_ST, torch.nan)[:, first:].cpu()


def load_pipeline(path: Path, device: str) -> Pipeline:
    """The pipeline of the weights in a local folder.

    Raises:
        FileNotFoundError: the folder, or its config.json, is not there.
        ImportError: the package chronos-forecasting is not installed.
    """
    if not (Path(path) / "config.json").is_file():
        raise FileNotFoundError(
            f"expected the weights of a Chronos model in {path}, with a config.json, found none; download them once "
            "(such as amazon/chronos-bolt-small) and give the folder"
        )
    try:
        from chronos import BaseChronosPipeline
    except ImportError as error:
        raise ImportError(
            "expected the package chronos-forecasting for a pretrained model, found none; pip install "
            "chronos-forecasting"
        ) from error
    pipeline: Any = BaseChronosPipeline.from_pretrained(str(path), device_map=device, local_files_only=True)
    return pipeline
