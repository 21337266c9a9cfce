from __future__ import annotations

from statistics import NormalDist

import pytest
import torch

from udfs.forecasting.quantile_levels import at_levels

TENTHS = tuple(k / 10 for k in range(1, 10))


def normal(levels: tuple[float, ...], mean: float, sd: float) -> torch.Tensor:
    return torch.tensor([[[NormalDist(mean, sd).inv_cdf(level) for level in levels]]], dtype=torch.float64)


def test_quantiles_of_a_normal_are_exact_within_and_beyond_the_given_levels() -> None:
    wanted = (0.01, 0.05, 0.1, 0.33, 0.5, 0.75, 0.95, 0.999)
    torch.testing.assert_close(at_levels(normal(TENTHS, 50, 4), TENTHS, wanted), normal(wanted, 50, 4))


def test_given_levels_come_out_as_they_are_and_nothing_falls_below_the_floor() -> None:
    given = torch.tensor([[[0.0, 1.0, 7.0]]])
    found = at_levels(given, (0.25, 0.5, 0.75), (0.05, 0.25, 0.5, 0.75, 0.9))
    torch.testing.assert_close(found[..., 1:4], given)
    assert found[0, 0, 0] == 0.0
    assert found[0, 0, 4] > 7.0
    assert (found.diff(dim=2) >= 0).all()


def test_one_level_stands_for_all() -> None:
    torch.testing.assert_close(at_levels(torch.tensor([[[3.0]]]), (0.5,), (0.1, 0.9)), torch.tensor([[[3.0, 3.0]]]))


def test_levels_that_make_no_sense_are_refused() -> None:
    quantiles = torch.zeros(1, 1, 2)
    with pytest.raises(ValueError, match="increasing quantile levels"):
        at_levels(quantiles, (0.9, 0.1), (0.5,))
    with pytest.raises(ValueError, match="increasing quantile levels"):
        at_levels(quantiles, (0.1, 0.9), (0.5, 1.0))
    with pytest.raises(ValueError, match="expected 3 quantiles, one a level, found 2"):
        at_levels(quantiles, (0.1, 0.5, 0.9), (0.5,))
