"""Weights from sums over series: exact where theory says so, near the loss of real averages elsewhere, never worse than
a candidate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from udfs.contest.class_weights import class_weights

LEVELS = np.array([0.1, 0.5, 0.9])


def class_rows(loss_KS: np.ndarray, pair_KKS: np.ndarray, error_KX: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Sums of a class; pair_KKS is the loss of the average of two candidates."""
    gain_KKS = (loss_KS[:, None] + loss_KS[None]) / 2 - pair_KKS
    return [
        {
            "series": loss_KS.shape[1],
            "score_sum": loss_KS[k].sum(),
            "difference_sum": (loss_KS[k] - loss_KS[0]).sum(),
            "pair_gains": gain_KKS[k].sum(1).tolist(),
            "total_errors": None if error_KX is None else error_KX[k].tolist(),
        }
        for k in range(len(loss_KS))
    ]


def test_weights_are_those_of_least_squares_where_losses_are_squares() -> None:
    rng = np.random.default_rng(1)
    shared_SH = rng.normal(0, 1, (50, 40))
    error_KSH = np.stack([shared_SH + rng.normal(0, sd, (50, 40)) for sd in (1.0, 0.7, 1.5)])
    pair_KKS = (((error_KSH[:, None] + error_KSH[None]) / 2) ** 2).mean(3)
    found_K = class_weights(class_rows((error_KSH**2).mean(2), pair_KKS), 1.0)
    best = minimize(
        lambda w: (np.tensordot(w, error_KSH, 1) ** 2).mean(),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )
    np.testing.assert_allclose(found_K, best.x, atol=2e-3)


def quantile_loss(quantile_SHQ: np.ndarray, actual_SH: np.ndarray) -> np.ndarray:
    error_SHQ = actual_SH[..., None] - quantile_SHQ
    return np.where(error_SHQ > 0, LEVELS * error_SHQ, (LEVELS - 1) * error_SHQ).mean((1, 2))


def test_the_pinball_loss_of_an_average_is_nearly_what_its_pairs_foretell() -> None:
    rng = np.random.default_rng(2)
    actual_SH = rng.poisson(4, (80, 28)).astype(float)
    level_KS = np.exp(rng.normal(0, [[0.25], [0.25], [0.3], [0.5]], (4, 80))) * 4
    quantile_KSHQ = np.broadcast_to(level_KS[:, :, None, None] * np.array([0.4, 0.97, 1.7]), (4, 80, 28, 3))
    loss_KS = np.stack([quantile_loss(each, actual_SH) for each in quantile_KSHQ])
    pair_KKS = np.stack([[quantile_loss((a + b) / 2, actual_SH) for b in quantile_KSHQ] for a in quantile_KSHQ])
    found_K = class_weights(class_rows(loss_KS, pair_KKS), 0.0)
    assert found_K is not None

    def loss(weight_K: np.ndarray) -> float:
        return float(quantile_loss(np.tensordot(weight_K, quantile_KSHQ, 1), actual_SH).mean())

    draws = [loss(weight_K) for weight_K in rng.dirichlet(np.ones(4), 3_000)]
    assert loss(found_K) < loss_KS.mean(1).min()
    assert loss(found_K) <= 1.005 * min(draws)


def test_errors_of_sums_move_the_weights_as_far_as_they_count() -> None:
    loss_KS, error_KX = np.full((2, 10), 1.0), np.array([[3.0, 3.0], [-1.0, -1.0]])
    rows = class_rows(loss_KS, np.ones((2, 2, 10)), error_KX)
    even_K, moved_K = class_weights(rows, 0.0), class_weights(rows, 1.0)
    np.testing.assert_allclose(even_K, [0.5, 0.5])
    np.testing.assert_allclose(moved_K, [0.25, 0.75], atol=0.01)  # where 3 w - (1 - w) is 0


def test_a_single_candidate_stands_where_no_average_gains() -> None:
    loss_KS = np.array([[1.0], [2.0], [3.0]]) * np.ones(5)
    pair_KKS = (loss_KS[:, None] + loss_KS[None]) / 2
    np.testing.assert_array_equal(class_weights(class_rows(loss_KS, pair_KKS), 1.0), [1.0, 0.0, 0.0])


@pytest.mark.parametrize("absent", [0, 2])
def test_a_candidate_without_sums_has_no_weight(absent: int) -> None:
    loss_KS = np.array([[1.0], [1.1], [1.2]]) * np.ones(5)
    rows: list[dict[str, Any] | None] = [*class_rows(loss_KS, loss_KS.min(0) * np.ones((3, 3, 5)) * 0.9)]
    rows[absent] = None
    found_K = class_weights(rows, 0.0)
    assert found_K is not None
    assert found_K[absent] == 0
    assert found_K.sum() == pytest.approx(1.0)
    assert class_weights([None, None], 1.0) is None
