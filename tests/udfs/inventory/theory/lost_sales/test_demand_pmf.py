from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from udfs.inventory.theory.lost_sales.demand_pmf import empirical_pmf, geometric_pmf, poisson_pmf


def test_they_are_the_named_distributions() -> None:
    poisson_SN, geometric_SN = poisson_pmf([0.2, 5.0]), geometric_pmf([0.2, 5.0])
    for mean, poisson_N, geometric_N in zip((0.2, 5.0), poisson_SN, geometric_SN, strict=True):
        assert poisson_N == pytest.approx(stats.poisson.pmf(np.arange(len(poisson_N)), mean), abs=1e-11)
        expected_N = stats.geom.pmf(np.arange(1, len(geometric_N) + 1), 1.0 / (1.0 + mean))
        assert geometric_N == pytest.approx(expected_N, abs=1e-11)
    for pmf_SN in (poisson_SN, geometric_SN):
        assert pmf_SN.sum(1) == pytest.approx(1.0, abs=1e-14)
        assert pmf_SN @ np.arange(pmf_SN.shape[1]) == pytest.approx([0.2, 5.0], abs=1e-8)


def test_shares_of_what_was_seen() -> None:
    pmf_SN = empirical_pmf(np.array([[0, 3, 3, 1], [0, 0, 0, 1]]))
    assert pmf_SN.tolist() == [[0.25, 0.25, 0.0, 0.5], [0.75, 0.25, 0.0, 0.0]]


@pytest.mark.parametrize("mean", [0.0, -1.0, np.nan, np.inf])
def test_a_bad_mean_is_refused(mean: float) -> None:
    for pmf in (poisson_pmf, geometric_pmf):
        with pytest.raises(ValueError, match=r"mean_demand: expected units > 0, found .* in row 1"):
            pmf([5.0, mean])


def test_bad_observations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"demand_SP: expected units \[S, P\], found shape \(2,\)"):
        empirical_pmf(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"found shape \(2, 0\)"):
        empirical_pmf(np.zeros((2, 0)))
    for bad in (-1.0, 0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"demand_SP: expected whole units >= 0, found .* in row 1"):
            empirical_pmf(np.array([[1.0, 2.0], [1.0, bad]]))
