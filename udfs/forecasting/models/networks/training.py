"""Training of a network, in one process or in several that share each step's batch.

Everything random is a function of the seed and the step, so a training that goes on from a checkpoint, in whatever
process, takes the same steps as one that was never stopped.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from udfs.forecasting.models.networks.heads import Head, make_head
from udfs.forecasting.models.networks.network_model import NetworkModel
from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.models.networks.warm_start import warm_weights
from udfs.forecasting.models.networks.windows import NetworkSeries, Window, WindowSampler

_MAX_GRADIENT = 1.0
_WEIGHT_DECAY = 1e-4
_WARM_UP = 0.05
_LAST_RATE = 0.02

Checkpoint = dict[str, Any]
"""Plain values and tensors: what `torch.save` writes and `torch.load(..., weights_only=True)` reads."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Mean loss of the steps since the last evaluation, and of the held-out window, after `step` steps."""

    step: int
    training_loss: float
    held_out_loss: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a training says after an evaluation: where it is, and a function that makes a checkpoint."""

    at: CurvePoint
    checkpoint: Callable[[], Checkpoint]


@dataclass(slots=True)
class _Progress:
    """Where a training is, apart from the weights."""

    step: int = 0
    best_loss: float = math.inf
    since_best: int = 0
    curve: list[CurvePoint] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Training:
    """A trained model, the one of the best evaluation, and how it came about."""

    model: NetworkModel
    curve: tuple[CurvePoint, ...]


def fit(
    series: NetworkSeries,
    spec: NetworkSpec,
    *,
    device: torch.device | str = "cpu",
    warm_start: NetworkModel | None = None,
    resume: Checkpoint | None = None,
    on_checkpoint: Callable[[Report], None] | None = None,
) -> Training:
    """Train a network.

    Where `torch.distributed` is initialised, every process calls this with the same arguments; each takes its share
    of every batch, and all end with the same model.

    Args:
        series: what windows are cut from. The last horizon is held out for early stopping.
        spec: what to train.
        device: of this process.
        warm_start: begin with this model's weights, as far as they fit, instead of random ones.
        resume: a checkpoint of this training to go on from.
        on_checkpoint: called after each evaluation, in every process.

    Raises:
        ValueError: no series is long enough, a batch does not divide among the processes, a checkpoint of another
            spec or of other series, a warm start from a network of another shape, or float16 asked of a CPU.
    """
    return _Trainer(series, spec, torch.device(device), warm_start, resume).run(on_checkpoint)


class _Trainer:
    def __init__(
        self,
        series: NetworkSeries,
        spec: NetworkSpec,
        device: torch.device,
        warm_start: NetworkModel | None,
        resume: Checkpoint | None,
    ) -> None:
        self.spec, self.device = spec, device
        self.rank, self.world = _place()
        if spec.batch_size % self.world:
            raise ValueError(f"expected a batch_size that {self.world} workers can share, found {spec.batch_size}")
        self.sampler = WindowSampler(series, spec)
        self.model = NetworkModel.untrained(spec, series)
        if warm_start is not None:
            self.model.module.load_state_dict(warm_weights(warm_start, self.model))
        self.module = self.model.module.to(device)
        self.head: Head = make_head(spec)
        self.average = copy.deepcopy(self.module).eval()
        self.best = _to_cpu(self.average.state_dict())
        self.optimiser = torch.optim.AdamW(self.module.parameters(), lr=spec.learning_rate, weight_decay=_WEIGHT_DECAY)
        self.dtype = precision(spec.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.progress = _Progress()
        self.fingerprint = (len(series), series.n_time, series.day, float(np.asarray(series.y_ST).sum(dtype=float)))
        if resume is not None:
            self._restore(resume)
        self.parallel: nn.Module = self.module if self.world == 1 else DistributedDataParallel(self.module)

    def run(self, on_checkpoint: Callable[[Report], None] | None) -> Training:
        spec, progress = self.spec, self.progress
        held_out = [window.to(self.device) for window in self.sampler.held_out(self.rank, self.world)]
        losses: list[torch.Tensor] = []
        while progress.step < spec.max_steps and progress.since_best < spec.patience:
            losses.append(self._step(progress.step))
            progress.step += 1
            if progress.step % spec.evaluate_every == 0 or progress.step == spec.max_steps:
                point = CurvePoint(progress.step, self._mean(torch.stack(losses)), self._evaluate(held_out))
                losses.clear()
                self._judge(point)
                if on_checkpoint is not None:
                    on_checkpoint(Report(point, self._checkpoint))
        self.module.load_state_dict(self.best)
        self.module.to("cpu").eval()
        return Training(self.model, tuple(progress.curve))

    def _step(self, step: int) -> torch.Tensor:
        """One step of the optimiser; this process's mean loss."""
        window = self.sampler.draw(step, self.rank, self.world).to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.spec, step)
        self.parallel.train()
        with _random(self.device, (self.spec.seed * 1_000_003 + step) * 1009 + self.rank):
            loss = self._loss(self.parallel, window).sum() / (len(window.y_BL) * self.spec.horizon)
            self.optimiser.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.module.parameters(), _MAX_GRADIENT)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        decay = min(self.spec.average_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.module.parameters(), strict=True):
                mean.lerp_(new, 1.0 - decay)
        return loss.detach()

    def _loss(self, module: nn.Module, window: Window) -> torch.Tensor:
        """(B, H) weighted loss, 0 where demand was not observed."""
        with self._autocast():
            raw_BHP, scale_B = module(window)
        context = self.spec.context
        loss_BH = self.head.loss(raw_BHP, window.y_BL[:, context:], scale_B)
        return torch.where(window.mask_BL[:, context:], loss_BH * window.weight_B[:, None], 0.0)

    @torch.no_grad()
    def _evaluate(self, held_out: list[Window]) -> float:
        total = torch.zeros(2, dtype=torch.float64, device=self.device)
        for window in held_out:
            total[0] += self._loss(self.average, window).double().sum()
            total[1] += (window.mask_BL[:, self.spec.context :] * window.weight_B[:, None]).double().sum()
        if self.world > 1:
            distributed.all_reduce(total)
        return float(total[0] / total[1].clamp(min=1e-9))

    def _mean(self, loss: torch.Tensor) -> float:
        mean = loss.double().mean()
        if self.world > 1:
            distributed.all_reduce(mean)
        return float(mean) / self.world

    def _judge(self, point: CurvePoint) -> None:
        progress = self.progress
        progress.curve.append(point)
        if point.held_out_loss < progress.best_loss:
            progress.best_loss, progress.since_best = point.held_out_loss, 0
            self.best = _to_cpu(self.average.state_dict())
        else:
            progress.since_best += 1

    def _autocast(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.dtype is torch.float32 else torch.autocast(self.device.type, self.dtype)

    def _checkpoint(self) -> Checkpoint:
        progress = self.progress
        return {
            "spec": asdict(self.spec),
            "step": progress.step,
            "best_loss": progress.best_loss,
            "since_best": progress.since_best,
            "curve": [asdict(point) for point in progress.curve],
            "weights": _to_cpu(self.module.state_dict()),
            "average": _to_cpu(self.average.state_dict()),
            "best": self.best,
            "optimiser": copy.deepcopy(self.optimiser.state_dict()),
            "loss_scale": self.scaler.state_dict(),
            "series": self.fingerprint,
            "reads": {name: getattr(self.model, name) for name in ("known_names", "trait_names", "trait_values")},
        }

    def _restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint["spec"] != asdict(self.spec):
            changed = {k: (v, checkpoint["spec"].get(k)) for k, v in asdict(self.spec).items()}
            changed = {k: v for k, v in changed.items() if v[0] != v[1]}
            raise ValueError(
                f"expected a checkpoint of the same spec, found other values of {sorted(changed)}; train under a new "
                "name, or start warm from the model"
            )
        if checkpoint["series"] != self.fingerprint:
            raise ValueError(
                "expected a checkpoint of the same series (number, steps, last day, total demand: "
                f"{self.fingerprint}), found one of {checkpoint['series']}; train under a new name, or start warm "
                "from the model"
            )
        self.module.load_state_dict(checkpoint["weights"])
        self.average.load_state_dict(checkpoint["average"])
        self.best = checkpoint["best"]
        self.optimiser.load_state_dict(checkpoint["optimiser"])
        self.scaler.load_state_dict(checkpoint["loss_scale"])
        curve = [CurvePoint(**point) for point in checkpoint["curve"]]
        self.progress = _Progress(checkpoint["step"], checkpoint["best_loss"], checkpoint["since_best"], curve)


def finished(checkpoint: Checkpoint) -> Training:
    """The training as far as the checkpoint goes, with its best model."""
    spec = NetworkSpec(**checkpoint["spec"])
    model = NetworkModel.of_weights(spec, checkpoint["best"], **checkpoint["reads"])
    return Training(model, tuple(CurvePoint(**point) for point in checkpoint["curve"]))


def learning_rate(spec: NetworkSpec, step: int) -> float:
    """Rising over the first steps, then along a cosine (Loshchilov & Hutter, 2017) to a fiftieth at the last."""
    warm_up = max(1, round(_WARM_UP * spec.max_steps))
    share = max(0.0, (step - warm_up) / max(1, spec.max_steps - warm_up))
    falling = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * share))
    return spec.learning_rate * min(1.0, (step + 1) / warm_up) * falling


def precision(asked: str, device: torch.device) -> torch.dtype:
    """The type of matrix products in training.

    Raises:
        ValueError: float16 on a CPU, whose small gradients would vanish in slow arithmetic.
    """
    if asked == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if asked == "float16" and device.type == "cpu":
        raise ValueError("expected a cuda device for precision 'float16', found cpu; take 'auto' or 'bfloat16'")
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[asked]


def _place() -> tuple[int, int]:
    """This process's rank and how many train together."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


@contextmanager
def _random(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch within the block, and leave the caller's random numbers as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed % 2**63)
        yield


def _to_cpu(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
