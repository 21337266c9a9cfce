import numpy as np
import pytest

from udfs.inventory.orders.path_summary import summarise_paths


@pytest.mark.parametrize("P", [1, 2, 9, 10, 11, 200])
def test_quantiles_are_those_of_the_empirical_distribution(P: int) -> None:
    value_SP = np.random.default_rng(P).gamma(2.0, 5.0, (6, P))
    summary = summarise_paths(value_SP)
    assert summary.mean_S == pytest.approx(value_SP.mean(1))
    assert summary.p50_S.tolist() == np.quantile(value_SP, 0.5, axis=1, method="inverted_cdf").tolist()
    assert summary.p90_S.tolist() == np.quantile(value_SP, 0.9, axis=1, method="inverted_cdf").tolist()
