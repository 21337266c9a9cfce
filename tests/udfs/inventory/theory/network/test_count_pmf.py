import numpy as np
import pytest
from scipy import stats

from udfs.inventory.theory.network.count_pmf import fill_pmf, n_numbers


@pytest.mark.parametrize("mean", [1e-6, 0.3, 7.5, 950.0, 12_000.0])
@pytest.mark.parametrize("ratio", [1.0, 1.0001, 1.5, 12.0])
def test_probabilities_are_scipys(mean: float, ratio: float) -> None:
    n = n_numbers(mean, ratio, 1e-12)
    pmf = np.empty(n)
    fill_pmf(mean, ratio, pmf)
    law = stats.poisson(mean) if ratio == 1.0 else stats.nbinom(mean / (ratio - 1.0), 1.0 / ratio)
    assert pmf == pytest.approx(law.pmf(np.arange(n)), rel=1e-8, abs=1e-13)
    assert law.sf(n - 1) < 3e-12
    assert n == 1 or law.sf(n - 3) > 1e-13  # no more numbers than it takes


def test_no_demand_is_certain_and_less_variance_than_poisson_is_poisson() -> None:
    pmf = np.empty(4)
    fill_pmf(0.0, 1.0, pmf)
    assert pmf.tolist() == [1.0, 0.0, 0.0, 0.0]
    fill_pmf(1.2, 0.4, pmf)
    assert pmf == pytest.approx(stats.poisson.pmf(np.arange(4), 1.2))
