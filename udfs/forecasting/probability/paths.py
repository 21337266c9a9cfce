"""Joint sample paths of demand over the horizon, made anew whenever they are needed.

A Gaussian copula (Nelsen, 2006, An Introduction to Copulas, section 2.3) joins the days: normal scores z_h correlate
as the series' `Copula` says, and the demand of day h is Q_h(Phi(z_h)), with Q_h the day's quantile function. A copula
of errors that are not normal correlates less than its scores, so the scores' correlation is raised until the errors
correlate as the backtest showed.

A path follows from the seed, the series' unique_id, the path's number and what is stored of the series, through a
counter-based generator: it does not depend on the other series, on their order, or on how many paths are drawn.

Dimensions beyond those of `udfs.series.sku_batch`: N paths, X numbers of a day's shape, P numbers of a series' scores.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numba
import numpy as np
import torch

from udfs.forecasting.forecaster import check_request
from udfs.forecasting.probability.error_correlation import Copula
from udfs.forecasting.probability.quantile_function import (
    N_SHAPE,
    demand_at,
    fit_shape,
    hermite_shares,
    normal_at,
    normal_below,
    score_correlation,
)
from udfs.forecasting.probability.score_summary import to_numpy
from udfs.series.series_threads import over_series

_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Constants of splitmix64: Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators, OOPSLA."""

_SLOTS = 1 << 20
"""Numbers set aside for a path; its days and season days must be fewer."""

_MAX_SHARED = 0.98
_NODES_Z = np.linspace(-4.5, 4.5, 91)
_NODE_WEIGHTS = np.exp(-0.5 * _NODES_Z**2) / np.exp(-0.5 * _NODES_Z**2).sum()


@dataclass(frozen=True, slots=True)
class PathSource:
    """All that paths are made from; see `PathSource.prepare`.

    Attributes:
        unique_ids: (S,) object array of str.
        mean_SH: stored mean.
        quantile_SHQ, level_Q: stored quantiles and their levels.
        shape_SHX: see `quantile_function.fit_shape`.
        unit_S: see `score_summary.demand_units`.
        score_SP: level, season, short and decay of the correlation of normal scores.
        key_S: uint64, of seed and unique_id.
        season_length: days of a season.
        shift_share: see `Copula`.
    """

    unique_ids: np.ndarray
    mean_SH: np.ndarray
    quantile_SHQ: np.ndarray
    level_Q: np.ndarray
    shape_SHX: np.ndarray
    unit_S: np.ndarray
    score_SP: np.ndarray
    key_S: np.ndarray
    season_length: int
    shift_share: float

    def __len__(self) -> int:
        return len(self.key_S)

    @property
    def horizon(self) -> int:
        return int(self.quantile_SHQ.shape[1])

    @classmethod
    def prepare(
        cls,
        unique_ids: np.ndarray,
        mean_SH: torch.Tensor,
        quantile_SHQ: torch.Tensor,
        levels: tuple[float, ...],
        copula: Copula,
        seed: int = 0,
    ) -> PathSource:
        """Find the shape of every day and the correlation of normal scores.

        Series whose stored quantiles are all whole numbers are taken as counts.

        Raises:
            ValueError: levels or shapes that do not fit, numbers that are not finite, quantiles that fall along the
                levels or are below 0, or too long a horizon or season.
        """
        check_request(1, levels)
        q_SHQ, mean = np.ascontiguousarray(to_numpy(quantile_SHQ)), to_numpy(mean_SH)
        shape = (len(unique_ids), mean.shape[-1], len(levels))
        if q_SHQ.shape != shape or mean.shape != shape[:2] or len(copula) != shape[0]:
            raise ValueError(
                f"expected quantiles of shape {shape} with mean and copula to match, found {q_SHQ.shape}, "
                f"{mean.shape} and a copula of {len(copula)} series"
            )
        if not (np.isfinite(q_SHQ).all() and np.isfinite(mean).all()):
            raise ValueError("expected finite means and quantiles, found others; leave such series out")
        if (np.diff(q_SHQ, axis=2) < 0).any() or (q_SHQ < 0).any():
            raise ValueError("expected quantiles at least 0 that do not fall along their levels, found others")
        if shape[1] + copula.season_length >= _SLOTS:
            raise ValueError(f"expected horizon and season below {_SLOTS} days together, found {shape[1]} days")
        unit_S = np.all(q_SHQ == np.round(q_SHQ), axis=(1, 2)).astype(np.float64)
        level_Q = np.asarray(levels, dtype=np.float64)
        shape_SHX, score_SP = np.zeros((*shape[:2], N_SHAPE)), np.zeros((shape[0], 4))
        error_SP = np.stack([copula.level_S, copula.season_S, copula.short_S, copula.decay_S], axis=1)

        def kernel(start: int, stop: int) -> None:
            rows = slice(start, stop)
            _prepare(q_SHQ[rows], level_Q, mean[rows], unit_S[rows], error_SP[rows], shape_SHX[rows], score_SP[rows])

        over_series(kernel, shape[0])
        ids, keys = np.asarray(unique_ids, dtype=object), _keys(unique_ids, seed)
        return cls(
            ids, mean, q_SHQ, level_Q, shape_SHX, unit_S, score_SP, keys, copula.season_length, copula.shift_share
        )

    def draw(self, n_paths: int, device: torch.device | str = "cpu") -> torch.Tensor:
        """(S, N, H) demand in units a day, on `device`; compiled loops on the CPU, torch elsewhere.

        Raises:
            ValueError: no path asked for.
        """
        if n_paths < 1:
            raise ValueError(f"expected at least one path, found {n_paths}")
        if torch.device(device).type != "cpu":
            return self.draw_torch(n_paths, device)
        path_SNH = np.empty((len(self), n_paths, self.horizon))

        def kernel(start: int, stop: int) -> None:
            for s in range(start, stop):
                self.draw_one(s, path_SNH[s])

        over_series(kernel, len(self))
        return torch.from_numpy(path_SNH)

    def draw_one(self, s: int, path_NH: np.ndarray) -> None:
        """Fill path_NH (N, H) with paths of series s; free to run on several threads."""
        _draw_series(
            self.quantile_SHQ[s],
            self.level_Q,
            self.shape_SHX[s],
            self.unit_S[s],
            self.score_SP[s],
            self.key_S[s],
            self.season_length,
            self.shift_share,
            path_NH,
        )

    def draw_torch(self, n_paths: int, device: torch.device | str) -> torch.Tensor:
        """The same paths by tensor operations, equal up to rounding."""
        key_S11 = torch.from_numpy(self.key_S.view(np.int64)).to(device)[:, None, None]
        n_slots = 1 + self.season_length + self.horizon
        path_N1 = torch.arange(n_paths, device=device)[:, None]
        counter_NJ = path_N1 * _SLOTS + torch.arange(n_slots, device=device)
        bits_SNJ = _mix_torch(key_S11 + (counter_NJ + 1) * _signed(_GOLDEN))
        normal_SNJ = torch.special.ndtri((((bits_SNJ >> 32) & 0xFFFFFFFF).double() + 0.5) / 2.0**32)
        uniform_SNJ = ((bits_SNJ & 0xFFFFFFFF).double() + 0.5) / 2.0**32
        shifted_SN = uniform_SNJ[..., 0] < self.shift_share
        score_SNH = _scores_torch(self, normal_SNJ, shifted_SN)
        u_SNH = torch.special.ndtr(score_SNH).clamp(1e-16, 1.0 - 1e-16)
        return _demand_torch(self, u_SNH, uniform_SNJ[..., -self.horizon :])


def sample_paths(
    unique_ids: np.ndarray,
    mean_SH: torch.Tensor,
    quantile_SHQ: torch.Tensor,
    levels: tuple[float, ...],
    copula: Copula,
    n_paths: int,
    seed: int = 0,
) -> torch.Tensor:
    """(S, N, H) joint sample paths, in units a day, on the device of the quantiles.

    Each day's quantiles over many paths are the stored ones, its mean the stored one as nearly as they allow.

    Args:
        unique_ids: (S,) of str.
        mean_SH, quantile_SHQ, levels: what a forecast stores.
        copula: from `ErrorCorrelation.of`, or `Copula.independent`.
        n_paths: N; a longer draw begins with the shorter one.
        seed: another seed gives other paths.
    """
    source = PathSource.prepare(unique_ids, mean_SH, quantile_SHQ, levels, copula, seed)
    return source.draw(n_paths, quantile_SHQ.device)


def _keys(unique_ids: np.ndarray, seed: int) -> np.ndarray:
    salt = int(seed).to_bytes(8, "little", signed=True)
    digests = [hashlib.blake2b(str(i).encode(), digest_size=8, salt=salt).digest() for i in unique_ids]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _prepare(
    q_SHQ: np.ndarray,
    level_Q: np.ndarray,
    mean_SH: np.ndarray,
    unit_S: np.ndarray,
    error_SP: np.ndarray,
    shape_SHX: np.ndarray,
    score_SP: np.ndarray,
) -> None:
    for s in range(q_SHQ.shape[0]):
        for h in range(q_SHQ.shape[1]):
            fit_shape(q_SHQ[s, h], level_Q, mean_SH[s, h], unit_S[s], shape_SHX[s, h])
        score_SP[s, 3] = error_SP[s, 3]
        if error_SP[s, 0] + error_SP[s, 1] + error_SP[s, 2] == 0.0:
            continue
        shares = hermite_shares(q_SHQ[s], level_Q, shape_SHX[s], unit_S[s], _NODES_Z, _NODE_WEIGHTS)
        below, total = 0.0, 0.0
        for p in range(3):
            total += error_SP[s, p]
            reached = score_correlation(total, shares[0], shares[1], shares[2], _MAX_SHARED)
            score_SP[s, p] = reached - below
            below = reached


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _mix(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_MIX_1)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_MIX_2)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _bits(key: np.uint64, path: int, slot: int) -> np.uint64:
    return _mix(key + (np.uint64(path) * np.uint64(_SLOTS) + np.uint64(slot) + np.uint64(1)) * np.uint64(_GOLDEN))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _normal(bits: np.uint64) -> float:
    return normal_at((np.float64(bits >> np.uint64(32)) + 0.5) / 4294967296.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _uniform(bits: np.uint64) -> float:
    """From the half of the bits that the normal number does not use."""
    return (np.float64(bits & np.uint64(0xFFFFFFFF)) + 0.5) / 4294967296.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _regimes(shared: float, season: float, shift_share: float) -> tuple[float, float]:
    """By how much level and short-lived part grow in paths with a shift and in the others; in the mean by 1.

    A shift takes as much of the correlation as fits beside the season; the other paths carry the rest.
    """
    if shared <= 0.0 or shift_share >= 1.0:
        return 1.0, 1.0
    shifted = max(min(1.0 / shift_share, (_MAX_SHARED - season) / shared), 1.0)
    return shifted, (1.0 - shift_share * shifted) / (1.0 - shift_share)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _draw_series(
    q_HQ: np.ndarray,
    level_Q: np.ndarray,
    shape_HX: np.ndarray,
    unit: float,
    score_P: np.ndarray,
    key: np.uint64,
    season_length: int,
    shift_share: float,
    path_NH: np.ndarray,
) -> None:
    """Fill path_NH (N, H) for one series.

    The short-lived part and the noise are drawn together in innovations form (Kalman): one normal number a day.
    """
    n_days = path_NH.shape[1]
    season, decay = _root(score_P[1]), score_P[3]
    season_M = np.zeros(season_length)
    shifted, calm = _regimes(score_P[0] + score_P[2], score_P[1], shift_share)
    for n in range(path_NH.shape[0]):
        bits = _bits(key, n, 0)
        times = shifted if _uniform(bits) < shift_share else calm
        level, short = times * score_P[0], times * score_P[2]
        noise = max(1.0 - level - score_P[1] - short, 0.0)
        shared = _root(level) * _normal(bits)
        if season > 0:
            for m in range(season_length):
                season_M[m] = season * _normal(_bits(key, n, 1 + m))
        state, variance = 0.0, short
        for h in range(n_days):
            bits = _bits(key, n, 1 + season_length + h)
            total = variance + noise
            step = _root(total) * _normal(bits)
            z = shared + season_M[h % season_length] + state + step
            state = decay * (state + step * variance / total)
            variance = decay * decay * (variance - variance * variance / total) + short * (1.0 - decay * decay)
            x = demand_at(normal_below(z), q_HQ[h], level_Q, shape_HX[h])
            if unit > 0:
                x = np.floor(x / unit + _uniform(bits)) * unit
            path_NH[n, h] = x


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _root(x: float) -> float:
    return np.sqrt(max(x, 0.0))


def _signed(constant: int) -> int:
    """The 64 bits of an unsigned number as torch's signed one."""
    return constant - (1 << 64) if constant >> 63 else constant


def _mix_torch(x: torch.Tensor) -> torch.Tensor:
    for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
        x = (x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))) * _signed(factor)
    return x ^ ((x >> 31) & ((1 << 33) - 1))


def _scores_torch(source: PathSource, normal_SNJ: torch.Tensor, shifted_SN: torch.Tensor) -> torch.Tensor:
    """(S, N, H) normal scores; see `_draw_series`."""
    score_SP = torch.from_numpy(source.score_SP).to(normal_SNJ.device)
    level_S1, season_S1, short_S1, decay_S1 = (x[:, None] for x in score_SP.unbind(1))
    share, season_length = source.shift_share, source.season_length
    times_S2 = np.array([_regimes(p[0] + p[2], p[1], share) for p in source.score_SP]).reshape(-1, 2)
    shifted_S1, calm_S1 = torch.from_numpy(times_S2).to(normal_SNJ.device)[:, None].unbind(2)
    times_SN = torch.where(shifted_SN, shifted_S1, calm_S1)
    level_SN, short_SN = times_SN * level_S1, times_SN * short_S1
    noise_SN = (1.0 - level_SN - season_S1 - short_SN).clamp(min=0.0)
    state_SN, variance_SN = torch.zeros_like(level_SN), short_SN
    scores = []
    for h in range(source.horizon):
        total_SN = variance_SN + noise_SN
        step_SN = total_SN.sqrt() * normal_SNJ[..., 1 + season_length + h]
        shared_SN = level_SN.sqrt() * normal_SNJ[..., 0]
        scores.append(shared_SN + season_S1.sqrt() * normal_SNJ[..., 1 + h % season_length] + state_SN + step_SN)
        state_SN = decay_S1 * (state_SN + step_SN * variance_SN / total_SN)
        left_SN = variance_SN - variance_SN * variance_SN / total_SN
        variance_SN = decay_S1 * decay_S1 * left_SN + short_SN * (1.0 - decay_S1 * decay_S1)
    return torch.stack(scores, dim=2)


def _demand_torch(source: PathSource, u_SNH: torch.Tensor, rounding_SNH: torch.Tensor) -> torch.Tensor:
    device = u_SNH.device
    q_SHQ = torch.from_numpy(source.quantile_SHQ).to(device)
    bend_S1H, lower_S1H, upper_S1H = torch.from_numpy(source.shape_SHX).to(device)[:, None].unbind(-1)
    levels = source.level_Q.tolist()
    first_S1H, last_S1H = q_SHQ[:, None, :, 0], q_SHQ[:, None, :, -1]
    demand = (first_S1H + lower_S1H * (u_SNH / levels[0]).log()).clamp(min=0.0)
    for i in range(len(levels) - 1):
        t = (u_SNH - levels[i]) / (levels[i + 1] - levels[i])
        low_S1H, high_S1H = q_SHQ[:, None, :, i], q_SHQ[:, None, :, i + 1]
        between = low_S1H + (high_S1H - low_S1H) * (t + bend_S1H * t * (1.0 - t))
        demand = torch.where(u_SNH >= levels[i], between, demand)
    tail = last_S1H - upper_S1H * ((1.0 - u_SNH) / (1.0 - levels[-1])).log()
    demand = torch.where(u_SNH >= levels[-1], tail, demand)
    unit_S11 = torch.from_numpy(source.unit_S).to(device)[:, None, None]
    step_S11 = torch.where(unit_S11 > 0, unit_S11, 1.0)
    return torch.where(unit_S11 > 0, (demand / step_S11 + rounding_SNH).floor() * step_S11, demand)
