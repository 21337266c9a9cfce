from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.models.networks.stores import CUTOFF, HORIZON, small, stores
from udfs.forecasting.models.networks.windows import NetworkSeries, WindowSampler


def test_a_window_is_cut_step_by_step_as_a_loop_would() -> None:
    batch = stores(6)
    assert batch.known is not None
    series = NetworkSeries.from_batch(batch)
    rows, starts = np.array([5, 0, 2]), np.array([140, 3, 60])
    window = series.window(rows, starts, context=28, horizon=HORIZON)
    for b, (s, start) in enumerate(zip(rows, starts, strict=True)):
        assert int(window.day_B[b]) == CUTOFF.toordinal() - 140 + start
        for at, t in enumerate(range(start - 28, start + HORIZON)):
            observed = 0 <= t < 140 and bool(batch.mask_ST[s, t])
            assert bool(window.mask_BL[b, at]) == observed
            assert float(window.y_BL[b, at]) == (float(batch.y_ST[s, t]) if observed else 0.0)
            for k in range(2):
                expected = float(batch.known.values_SXK[s, t, k]) if t >= 0 else float("nan")
                assert float(window.known_BLK[b, at, k]) == pytest.approx(expected, nan_ok=True)
    with pytest.raises(ValueError, match="covariates known 8 steps ahead, found 7"):
        series.window(rows, starts, context=28, horizon=8)


def test_what_nobody_states_ahead_is_not_in_the_horizon_of_a_window() -> None:
    batch = stores(6)
    assert batch.known is not None
    untold = dataclasses.replace(batch.known, carried=("price",), averaged=("is_promo",))
    series = NetworkSeries.from_batch(dataclasses.replace(batch, known=untold))
    rows, starts = np.array([5, 0, 2]), np.array([140, 41, 60])
    known_BLK = series.window(rows, starts, context=28, horizon=HORIZON).known_BLK
    told_BLK = NetworkSeries.from_batch(batch).window(rows, starts, context=28, horizon=HORIZON).known_BLK
    np.testing.assert_array_equal(known_BLK[:, :28], told_BLK[:, :28])
    for b, (s, start) in enumerate(zip(rows, starts, strict=True)):
        ahead_HK = batch.known.values_SXK[s, start - 1].float().repeat(HORIZON, 1)
        ahead_HK[:, 1] = batch.known.values_SXK[s, start - 28 : start, 1].mean()
        np.testing.assert_allclose(known_BLK[b, 28:], ahead_HK, rtol=1e-6)
    assert told_BLK[:, 28:, 1].any(), "there are promotions to be unknown"


def test_series_come_back_from_disk_mapped(tmp_path: Path) -> None:
    series = NetworkSeries.from_batch(stores(6))
    series.save(tmp_path / "series")
    again = NetworkSeries.load(tmp_path / "series")
    assert isinstance(again.y_ST, np.memmap)
    for field in dataclasses.fields(series):
        expected, found = getattr(series, field.name), getattr(again, field.name)
        if isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(found, expected)
        else:
            assert found == expected
    with pytest.raises(FileNotFoundError, match=r"series\.json, found none"):
        NetworkSeries.load(tmp_path / "elsewhere")


def test_no_window_reaches_into_the_held_out_horizon_or_before_a_season_of_history() -> None:
    series = NetworkSeries.from_batch(stores())
    sampler = WindowSampler(series, small())
    starts = np.concatenate([sampler.draw(step).day_B.numpy() for step in range(40)]) - series.day + series.n_time
    assert starts.max() == 140 - 2 * HORIZON
    assert starts.min() >= 7
    for step in range(40):
        window = sampler.draw(step)
        assert (window.mask_BL[:, :28].any(1)).all()
    for window in sampler.held_out():
        assert (window.day_B == series.day - HORIZON).all()


def test_the_shares_of_all_workers_are_the_batch_of_one() -> None:
    sampler = WindowSampler(NetworkSeries.from_batch(stores()), small())
    whole = sampler.draw(5)
    shares = [sampler.draw(5, rank, 4) for rank in range(4)]
    for rank, share in enumerate(shares):
        for mine, all_of_them in zip(share, whole, strict=True):
            torch.testing.assert_close(mine, all_of_them[rank::4], equal_nan=True)
    n_held_out = sum(len(window.y_BL) for rank in range(4) for window in sampler.held_out(rank, 4))
    assert n_held_out == sum(len(window.y_BL) for window in sampler.held_out())


def test_windows_count_by_the_value_and_level_of_their_context() -> None:
    """Draws follow the level of the whole series; with the weights of the windows, the level of the context alone."""
    batch = stores(4, 300)
    y_ST = torch.tensor([5.0, 1.0, 4.0, 9.0]).double()[:, None].repeat(1, 300)
    y_ST[3, 150:] *= 3.0
    batch = dataclasses.replace(batch, y_ST=y_ST, mask_ST=torch.ones_like(batch.mask_ST))
    series = NetworkSeries.from_batch(batch, np.array([0.0, 4.0, 1.0, 1.0]))
    sampler = WindowSampler(series, small(level_power=0.5, batch_size=500))
    windows = [sampler.draw(step) for step in range(40)]
    codes = torch.cat([window.codes_BC[:, 0] for window in windows]).numpy()
    np.testing.assert_allclose(
        np.bincount(codes, minlength=4) / len(codes), np.array([0, 2, 2, 18**0.5]) / (4 + 18**0.5), atol=0.02
    )
    weight = torch.cat([window.weight_B for window in windows]).numpy()
    np.testing.assert_allclose(weight[codes < 3], 1.0, rtol=0.07)  # a step of almost no demand is added
    context = torch.cat([window.y_BL[:, :28].sum(1) / window.mask_BL[:, :28].sum(1) for window in windows]).numpy()
    np.testing.assert_allclose(weight[codes == 3], (context[codes == 3] / 18) ** 0.5, rtol=0.07)


def test_what_cannot_be_drawn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="with 21 steps from its first observation"):
        WindowSampler(NetworkSeries.from_batch(stores(4, 20)), small())
    with pytest.raises(ValueError, match="one finite value of at least 0 for each of 4 series"):
        NetworkSeries.from_batch(stores(4), np.array([1.0, 2.0, -1.0, 0.0]))
    with pytest.raises(ValueError, match=r"found shape \(3,\)"):
        NetworkSeries.from_batch(stores(4), np.ones(3))
