"""A trained network as a forecaster of whole batches."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.models.networks.encoder_decoder import EncoderDecoder
from udfs.forecasting.models.networks.heads import make_head
from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.models.networks.windows import NetworkSeries, Window
from udfs.series.sku_batch import SkuBatch

_HEADER, _WEIGHTS = "network.json", "weights.pt"
_SERIES_AT_ONCE = 256
"""Every matrix product of a forecast has this many series, short batches padded: a product's rounding depends on its
shape, and a series' forecast must not depend on its neighbours."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkModel:
    """A fitted network; `fit` and the job that trains on several workers make them.

    Attributes:
        spec: what was trained.
        module: its weights.
        known_names: covariates that it reads; a batch must have them, over its days and the horizon.
        trait_names, trait_values: traits that it reads and the values it has seen.
    """

    spec: NetworkSpec
    module: EncoderDecoder
    known_names: tuple[str, ...]
    trait_names: tuple[str, ...]
    trait_values: tuple[tuple[str, ...], ...]

    @property
    def name(self) -> str:
        return self.spec.block

    @classmethod
    def untrained(cls, spec: NetworkSpec, series: NetworkSeries) -> NetworkModel:
        """First weights for these series, by the spec's seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            module = EncoderDecoder(spec, len(series.known_names), [len(v) for v in series.trait_values])
        module.inputs.measure(series)
        return cls(spec, module, series.known_names, series.trait_names, series.trait_values)

    def save(self, folder: Path) -> None:
        """The spec as JSON and the weights, from which `load` makes the same model."""
        folder.mkdir(parents=True, exist_ok=True)
        header = {name: getattr(self, name) for name in ("known_names", "trait_names", "trait_values")}
        (folder / _HEADER).write_text(json.dumps({"spec": asdict(self.spec), **header}), encoding="utf-8")
        torch.save(self.module.state_dict(), folder / _WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> NetworkModel:
        """The model that `save` wrote.

        Raises:
            FileNotFoundError: the folder holds none.
        """
        for name in (_HEADER, _WEIGHTS):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"expected a saved network with {folder / name}, found none; train one first")
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in header["spec"].items()}
        spec = NetworkSpec(**values)
        weights = torch.load(folder / _WEIGHTS, map_location="cpu", weights_only=True)
        reads = {name: header[name] for name in ("known_names", "trait_names", "trait_values")}
        return cls.of_weights(spec, weights, **reads)

    @classmethod
    def of_weights(
        cls,
        spec: NetworkSpec,
        weights: dict[str, torch.Tensor],
        known_names: Sequence[str],
        trait_names: Sequence[str],
        trait_values: Sequence[Sequence[str]],
    ) -> NetworkModel:
        """The model of these weights, the `state_dict` of its module."""
        module = EncoderDecoder(spec, len(known_names), [len(values) for values in trait_values])
        module.load_state_dict(weights)
        return cls(spec, module, tuple(known_names), tuple(trait_names), tuple(tuple(v) for v in trait_values))

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """Forecast the batch, and the last `horizon` days once more from before them for `sse_S` and `score_S`.

        Raises:
            ValueError: a horizon beyond the trained one, or covariates or traits other than those of training.
        """
        check_request(horizon, quantiles)
        self._check(batch, horizon)
        if batch.traits is not None:
            batch = replace(batch, traits=batch.traits.coded_as(self.trait_values))
        series = NetworkSeries.from_batch(batch)
        module = self.module if batch.device.type == "cpu" else copy.deepcopy(self.module).to(batch.device)
        head = make_head(self.spec)
        raw_SHP, scale_S = self._outputs(module, series, series.n_time, horizon, batch.device)
        mean_SH, sd_SH = head.moments(raw_SHP, scale_S)
        quantile_SHQ = head.quantiles(raw_SHP, scale_S, quantiles)

        back = min(horizon, batch.n_days - 1)
        raw_SBP, scale_S = self._outputs(module, series, series.n_time - back, back, batch.device)
        actual_SB, seen_SB = batch.ahead(back, back)
        error_SB = torch.where(seen_SB, actual_SB - head.moments(raw_SBP, scale_S)[0].double(), 0.0)
        sse_S, n_obs_S = error_SB.square().cumsum(1)[:, -1], seen_SB.sum(1)
        return Forecast(
            mean_SH=mean_SH.double(),
            sd_SH=sd_SH.double(),
            quantile_SHQ=quantile_SHQ.double(),
            sse_S=sse_S,
            n_obs_S=n_obs_S,
            n_params_S=torch.zeros_like(n_obs_S),
            score_S=torch.where(n_obs_S > 0, (sse_S / n_obs_S.clamp(min=1)).sqrt(), torch.nan),
        )

    def _check(self, batch: SkuBatch, horizon: int) -> None:
        if horizon > self.spec.horizon:
            raise ValueError(
                f"expected a horizon of at most {self.spec.horizon} days, which {self.name} was trained for, found "
                f"{horizon}; train it with a longer one"
            )
        known_names = () if batch.known is None else batch.known.names
        trait_names = () if batch.traits is None else batch.traits.names
        for what, expected, found in (
            ("covariates", self.known_names, known_names),
            ("traits", self.trait_names, trait_names),
        ):
            if expected != found:
                raise ValueError(f"expected a batch with the {what} of training, {expected}, found {found}")

    @torch.no_grad()
    def _outputs(
        self, module: EncoderDecoder, series: NetworkSeries, start: int, horizon: int, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(S, H, P) raw outputs and (S,) scales for the horizon that begins at step `start`."""
        module.eval()
        raws = [torch.zeros(0, horizon, make_head(self.spec).n_outputs, device=device)]
        scales = [torch.zeros(0, device=device)]
        for first in range(0, len(series), _SERIES_AT_ONCE):
            row_B = np.arange(first, min(first + _SERIES_AT_ONCE, len(series)))
            padded_B = np.pad(row_B, (0, _SERIES_AT_ONCE - len(row_B)), mode="edge")
            start_B = np.full(_SERIES_AT_ONCE, start)
            window: Window = series.window(padded_B, start_B, self.spec.context, horizon)
            raw_BHP, scale_B = module(window.to(device))
            raws.append(raw_BHP[: len(row_B)])
            scales.append(scale_B[: len(row_B)])
        return torch.cat(raws), torch.cat(scales)
